"""How positions may lie along the axes of a tensor; one rule for all that places tokens."""


def fit(tokens: tuple[int, ...], positions: tuple[int, ...]) -> bool:
    """Say whether positions of shape `positions` fit tokens of shape `tokens`, x's axes before dim.

    Either one position a token, (T,), or as many axes as tokens has, each of its size or 1, the last T.
    """
    if len(positions) == 1:
        return positions == tokens[-1:]
    return (
        len(positions) == len(tokens)
        and positions[-1] == tokens[-1]
        and all(p in (1, t) for p, t in zip(positions, tokens, strict=True))
    )
