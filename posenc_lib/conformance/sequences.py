"""Checks of how a rotation places tokens: shifts, steps with a cache, padding, packing, a row for each sequence."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from posenc_lib.conformance.calling import Callee, Refused
from posenc_lib.conformance.report import Finding
from posenc_lib.conformance.subject import (
    ROUNDING,
    Floats,
    NotTested,
    Rotation,
    failed,
    gap,
    judged,
    passed,
    same,
    which,
)

Ints = NDArray[np.int64]

STEPS = "one pass equals step by step"
PADDED = "padded equals unpadded"
PACKED = "packed equals separate"
ROWS = "a row of positions for each sequence"
SHIFT = "shift invariance of the logits"


def steps(subject: Rotation) -> Finding:
    """Tokens turned one at a time, and in two chunks, against all at once."""
    length, cut = 8, 3
    x, positions = subject.vectors(length), np.arange(length)
    worst, diagnosis, where = 0.0, "", ""
    for fn in subject.callees:
        whole = fn(x, positions)
        single = np.concatenate([fn(x[:, :, t : t + 1], positions[t : t + 1]) for t in positions], axis=2)
        chunks = np.concatenate([fn(x[:, :, :cut], positions[:cut]), fn(x[:, :, cut:], positions[cut:])], axis=2)
        error = max(gap(single, whole), gap(chunks, whole))
        if error > worst:
            worst = error
            diagnosis, where = _misplaced_steps(subject, fn, length, cut)
    return judged(
        STEPS,
        worst,
        ROUNDING,
        f"Eight tokens at once, one by one, and in chunks of 3 and 5, agree up to {worst:.1e}.",
        f"Eight tokens at once and one by one (or in chunks of 3 and 5) differ by {worst:.1e}. {where}",
        diagnosis,
        expected="a token's angle depends on its own position only",
        effect="Text generated with a cache differs from the same text read in one pass.",
        mend="Take the position of each new token from the caller: the number of cached tokens plus its index.",
    )


def _misplaced_steps(subject: Rotation, fn: Callee, length: int, cut: int) -> tuple[str, str]:
    """Where the same vector lands when it is turned alone, and in the second chunk."""
    x, positions = subject.one_vector(length, batch=1), np.arange(length)
    whole = np.moveaxis(fn(x, positions), 2, 0)
    alone = [which(fn(x[:, :, :1], positions[t : t + 1])[:, :, 0], whole) for t in range(1, length - 1)]
    second = np.moveaxis(fn(x[:, :, cut:], positions[cut:]), 2, 0)
    chunk = [which(token, whole) for token in second[: length - cut - 1]]
    for seen, right in ((alone, list(range(1, length - 1))), (chunk, list(range(cut, length - 1)))):
        if seen == right:
            continue
        if seen == [p + 1 for p in right] or seen == [p - 1 for p in right]:
            return "positions off by one with a cache", f"Position {right[0]} turns as {seen[0]} does in one pass."
        if seen in ([0] * len(right), list(range(len(right)))):
            return "cache offset ignored", f"Position {right[0]} turns as 0 does in one pass: each call counts from 0."
        return "a step differs from one pass", f"Positions {right[0]} to {right[-1]} turn as {seen} do in one pass."
    return "a step differs from one pass", ""


def padded(subject: Rotation) -> Finding:
    """Three tokens of padding at position 0, then the sequence from 0 on."""
    length, pad = 5, 3
    x, alone = subject.vectors(pad + length), np.arange(length)
    positions = np.concatenate([np.zeros(pad, np.int64), alone])
    worst, diagnosis = 0.0, ""
    for fn in subject.callees:
        error = gap(fn(x, positions)[:, :, pad:], fn(x[:, :, pad:], alone))
        if error > worst:
            worst, diagnosis = error, _name(subject, fn, positions, pad, "padding counted as tokens")
    return judged(
        PADDED,
        worst,
        ROUNDING,
        f"After three tokens of padding, five tokens turn as without it, up to {worst:.1e}.",
        f"Positions 0 0 0 0 1 2 3 4: the five tokens turn otherwise than without padding, by {worst:.1e}.",
        diagnosis,
        expected="the angle of the position that is passed, whatever its index",
        effect="The same prompt gives other results in a batch with a longer one.",
        mend="Use the positions argument; derive it from the attention mask: mask.cumsum(-1) − 1.",
    )


def packed(subject: Rotation) -> Finding:
    """Two sequences one after the other, the second counted from 0 again."""
    first, second = 4, 3
    x = subject.vectors(first + second)
    positions = np.concatenate([np.arange(first), np.arange(second)])
    worst, diagnosis = 0.0, ""
    for fn in subject.callees:
        separate = [fn(x[:, :, :first], np.arange(first)), fn(x[:, :, first:], np.arange(second))]
        error = gap(fn(x, positions), np.concatenate(separate, axis=2))
        if error > worst:
            worst, diagnosis = error, _name(subject, fn, positions, first, "the second sequence is counted on")
    return judged(
        PACKED,
        worst,
        ROUNDING,
        f"Sequences of 4 and 3 tokens in one row turn as on their own, up to {worst:.1e}.",
        f"Positions 0 1 2 3 0 1 2: the tokens turn otherwise than in two calls, by {worst:.1e}.",
        diagnosis,
        expected="the angle of the position that is passed, whatever its index",
        effect="A packed sequence is trained at other positions than it is used at.",
        mend="Use the positions argument, which starts at 0 in each sequence.",
    )


def _name(subject: Rotation, fn: Callee, positions: Ints, start: int, counted_on: str) -> str:
    """`counted_on` when each token turns by its index and not by its position."""
    x = subject.one_vector(len(positions), batch=1)
    if same(fn(x, positions)[:, :, start:], fn(x, np.arange(len(positions)))[:, :, start:]):
        return counted_on
    return "positions that do not count in ones are turned wrongly"


def rows(subject: Rotation) -> Finding:
    """Positions (B, 1, T) and (B, T), as many sequences as heads, each against its own call."""
    batch, length = subject.heads, subject.heads + 2
    x = subject.vectors(length, batch)
    positions = np.arange(length) + 3 * np.arange(batch)[:, None]
    seen: dict[str, str] = {}
    for fn in subject.callees:
        expected = np.concatenate([fn(x[b : b + 1], positions[b]) for b in range(batch)])
        for name, given in (("(B, 1, T)", positions[:, None]), ("(B, T)", positions)):
            seen[name] = _worse(seen.get(name, ""), _row_outcome(subject, fn, x, given, expected))
    told = "; ".join(f"{name} {outcome}" for name, outcome in seen.items())
    wrong = [outcome for outcome in seen.values() if outcome not in ("right", "refused")]
    if wrong:
        heads = any("heads" in outcome for outcome in wrong)
        return failed(
            ROWS,
            "positions (B, T) taken for heads" if heads else "rows of positions are mixed up",
            f"Positions {told}.",
            expected="each sequence turns by its own row, or the shape is refused",
            effect="With as many sequences as heads nothing raises, and sequences get each other's positions.",
            mend="Insert the heads' axis: positions[:, None], and refuse two axes.",
        )
    if "right" not in seen.values():
        raise NotTested("it takes one row of positions for the whole batch: it refused (B, 1, T) and (B, T)")
    return passed(ROWS, f"Positions {told}.")


def _row_outcome(subject: Rotation, fn: Callee, x: Floats, positions: Ints, expected: Floats) -> str:
    try:
        out = fn(x, positions)
    except Refused:
        return "refused"
    if same(out, expected):
        return "right"
    flat = positions.reshape(len(positions), -1)
    by_heads = np.stack([fn(x, flat[h])[:, h] for h in range(subject.heads)], axis=1)
    if same(out, by_heads):
        return "taken for heads: head h turns by row h"
    if same(out, fn(x, flat[0])):
        return "turns all sequences by the first row"
    return f"wrong by {gap(out, expected):.1e}"


def _worse(one: str, other: str) -> str:
    order = ("", "refused", "right")
    return max(one, other, key=lambda outcome: order.index(outcome) if outcome in order else len(order))


SHIFTS = (1, 17, 1000, 10_000)


def shift(subject: Rotation) -> Finding:
    """The logits of random queries and keys, all positions moved by as much."""
    length = 8
    x, y = subject.vectors(length), subject.vectors(length, seed=1)
    size = np.linalg.norm(x, axis=-1)[..., :, None] * np.linalg.norm(y, axis=-1)[..., None, :]
    ratios: list[float] = []
    told: list[str] = []
    at_zero = _logits(subject, x, y, 0)
    for moved in SHIFTS:
        try:
            logits = _logits(subject, x, y, moved)
        except Refused as reason:
            if not told:
                raise
            told.append(f"{moved} could not be tested: {reason}")
            break
        change = float(np.abs((logits - at_zero) / size).max()) if np.all(np.isfinite(logits)) else np.inf
        told.append(f"by {moved}: {change:.1e}")
        ratios.append(change / (ROUNDING + 4e-7 * moved))
    return judged(
        SHIFT,
        max(ratios),
        1.0,
        f"Change of q·k / |q||k| when all positions move {', '.join(told)}.",
        f"q·k / |q||k| changes when all positions move {', '.join(told)}.",
        "logits depend on the absolute position",
        expected=f"at most {ROUNDING:.0e} + 4e-07 · shift, which is float32's rounding",
        effect="What the model learned at one place of the text does not hold at another.",
        mend="See the findings above: the first of them is the likeliest cause.",
    )


def _logits(subject: Rotation, x: Floats, y: Floats, moved: int) -> Floats:
    positions = np.arange(x.shape[2]) + moved
    return np.asarray(subject.queries(x, positions) @ np.swapaxes(subject.keys(y, positions), -1, -2))


CHECKS: tuple[tuple[str, Callable[[Rotation], Finding]], ...] = (
    (STEPS, steps),
    (PADDED, padded),
    (PACKED, packed),
    (ROWS, rows),
)
