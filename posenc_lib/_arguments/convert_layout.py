"""What convert_layout accepts; one rule for both twins."""

from posenc_lib._arguments import rope, scalars


def check(
    shape: tuple[int, ...], num_heads: int, source: str, target: str, rotary_dim: int | None
) -> tuple[int, int, int]:
    """Return the numbers of heads, of dimensions in a head and of those that turn, or say what does not fit."""
    for name, layout in (("source", source), ("target", target)):
        if layout not in rope.LAYOUTS:
            raise ValueError(
                f"convert_layout: unknown {name} {layout!r}. 'interleaved' pairs dimensions (2i, 2i+1); 'half' "
                "pairs (i, i+r/2), r being rotary_dim."
            )
    num_heads = scalars.integer("convert_layout", "num_heads", num_heads, at_least=1)
    if not shape or shape[0] % num_heads:
        raise ValueError(
            f"convert_layout: weight must have num_heads · dim rows, got shape {shape} and {num_heads} heads. "
            "With grouped-query attention keys have fewer heads than queries; of a weight stored as "
            "(in, out), pass the transpose."
        )
    dim = shape[0] // num_heads
    r = dim if rotary_dim is None else scalars.integer("convert_layout", "rotary_dim", rotary_dim, at_least=2)
    if r % 2 or not 2 <= r <= dim:
        whole = " (the whole head, for want of another)" if rotary_dim is None else ""
        raise ValueError(
            f"convert_layout: rotary_dim must be even, for dimensions turn in pairs, and from 2 to the size of a head; "
            f"got {r}{whole}, and weight {shape} with {num_heads} heads has {dim} dimensions in each."
        )
    return num_heads, dim, r
