"""Check attention: fn(q, k, v) → softmax(q kᵀ / √d) v over the last two axes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from posenc_lib.check import engine
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, Knobs, Shape, mistakes
from posenc_lib.check.finite_mask import Mask, causal
from posenc_lib.check.report import Report


def attention(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(q, k, v)``, scaled dot-product attention; return a `Report`.

    q and k have the shape ``(..., T, d)``, v ``(..., T, e)``. ``fn`` may take NumPy arrays or torch tensors; through
    tensors a gradient must flow. The dtype of the input comes back. With `strict`, a failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def formula(
    q: Array,
    k: Array,
    v: Array,
    *,
    logits: Callable[[Array, Array], Array] = lambda q, k: q @ np.swapaxes(k, -1, -2),
    scale: Callable[[int, int, int], float] = lambda d, length, width: 1 / np.sqrt(d),
    mask: Mask | None = None,
    weights: Callable[[Array], Array] | None = None,
    reweigh: Callable[[Array], Array] = lambda weights: weights,
    output: Callable[[Array, Array, Array], Array] = lambda weights, v, k: weights @ v,
) -> Answer:
    """Attention in float64; a mistake of the bank replaces one or more of the keyword arguments."""
    raw = logits(q, k) * scale(q.shape[-1], q.shape[-2], v.shape[-1])
    shares = reweigh((weights or softmax)(raw if mask is None else mask(raw)))
    row = 1 + _size(shares, axis=-1, keepdims=True)
    errors = (1 + _size(raw)) * row * np.minimum(row, 1000.0) * (1 + _size(v))
    return Answer(output(shares, v, k), errors)


def _size(array: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """The largest finite absolute value: logits, and weights that do not add up, magnify rounding errors."""
    return np.asarray(np.max(np.abs(array), axis, initial=0.0, where=np.isfinite(array), keepdims=keepdims))


def softmax(logits: Array, axis: int = -1) -> Array:
    """Softmax along `axis`, the largest logit taken off first."""
    weights: Array = np.exp(logits - logits.max(axis=axis, keepdims=True))
    weights /= weights.sum(axis=axis, keepdims=True)
    return weights


def _nothing(logits: Array) -> float:
    return 0.0


_row_max = partial(np.max, axis=-1, keepdims=True)
_row_sum = partial(np.sum, axis=-1, keepdims=True)
_matrix_sum = partial(np.sum, axis=(-2, -1), keepdims=True)


def _along_columns(reduce: Callable[..., Array]) -> Callable[[Array], Array]:
    """Reduce each row, and lay the results along the columns, as NumPy does without keepdims in a square matrix."""
    return lambda matrix: np.expand_dims(reduce(matrix, axis=-1), axis=-2)


def _shares(shift: Callable[[Array], Array | float], total: Callable[[Array], Array | float]) -> Knobs:
    """Return the weights knob exp(logits − shift) / total."""

    def weigh(logits: Array) -> Array:
        weights = np.exp(logits - shift(logits))
        return weights / total(weights)

    return {"weights": weigh}


def _without_exp(logits: Array) -> Array:
    shares: Array = logits / logits.sum(axis=-1, keepdims=True)
    return shares


MISTAKES = mistakes(
    (
        "softmax over the queries",
        "softmax",
        "The softmax runs over the wrong axis: for each key, the weights of all queries add up to 1. For each "
        "query, the weights of all keys must, so that the output is an average of the values.",
        {"weights": lambda s: softmax(s, axis=-2)},
    ),
    (
        "softmax over axis 1",
        "softmax",
        "The softmax runs over axis 1, which holds the keys only as long as there is no batch axis. Take the last "
        "axis, -1.",
        {"weights": lambda s: softmax(s, axis=1)},
    ),
    *(
        (
            "softmax over the whole matrix",
            "softmax",
            "All weights are divided by one sum, over all queries and keys; those of one query do not add up to 1. "
            "Each query has a sum of its own, over the keys.",
            _shares(shift, total),
        )
        for shift in (np.max, _row_max, _nothing)
        for total in (_matrix_sum, np.sum)
    ),
    *(
        (
            "the sum lacks keepdims",
            "softmax",
            "The sums of the rows are laid along the columns: the weight of query m and key n is divided by the sum "
            "of query n. Sum with keepdims=True.",
            _shares(shift, _along_columns(np.sum)),
        )
        for shift in (_row_max, _nothing, np.max)
    ),
    (
        "the maximum lacks keepdims",
        "softmax",
        "The largest logits of the rows are laid along the columns: from the logit of query m and key n, the largest "
        "of query n is taken off. Take the maximum with keepdims=True.",
        _shares(_along_columns(np.max), _row_sum),
    ),
    (
        "maximum and sum lack keepdims",
        "softmax",
        "The largest logits of the rows, and then their sums, are laid along the columns: where query m meets key n, "
        "those of query n are used. Take maximum and sum with keepdims=True.",
        _shares(_along_columns(np.max), _along_columns(np.sum)),
    ),
    (
        "the scale is missing",
        "scale",
        "The logits are not divided by √d. Their variance then grows with d, and the softmax becomes almost a "
        "maximum.",
        {"scale": lambda d, length, width: 1.0},
    ),
    (
        "scaled by d instead of √d",
        "scale",
        "The logits are divided by d. Dot products of d independent terms grow like √d, so √d is what keeps "
        "their size.",
        {"scale": lambda d, length, width: 1 / d},
    ),
    (
        "multiplied by √d",
        "scale",
        "The logits are multiplied by √d; they are divided by it.",
        {"scale": lambda d, length, width: np.sqrt(d)},
    ),
    (
        "scaled by √T instead of √d",
        "scale",
        "The logits are divided by the square root of the length T, the size of the wrong axis. A dot product "
        "sums d terms, so √d belongs there.",
        {"scale": lambda d, length, width: 1 / np.sqrt(length)},
    ),
    (
        "scaled by the size of v",
        "scale",
        "The logits are divided by √e, e the number of features of a value. A dot product of a query and a key sums "
        "d terms, the size of q and k, so √d belongs there.",
        {"scale": lambda d, length, width: 1 / np.sqrt(width)},
    ),
    (
        "the weights are divided by √d, after the softmax",
        "scale",
        "The division by √d comes after the softmax; the weights then add up to 1/√d. It belongs to the logits, "
        "before the softmax.",
        {"scale": lambda d, length, width: 1.0, "output": lambda w, v, k: w @ v / np.sqrt(k.shape[-1])},
    ),
    (
        "k is not transposed",
        "logits",
        "The logits are q k instead of q kᵀ. It runs only where T = d, and then mixes features with positions.",
        {"logits": lambda q, k: q @ k if q.shape[-1] == k.shape[-2] else np.full((q.shape[-2],) * 2, np.nan)},
    ),
    (
        "q and k have changed places",
        "logits",
        "The logits are k qᵀ: entry (m, n) compares key m with query n. The query's index comes first.",
        {"logits": lambda q, k: k @ np.swapaxes(q, -1, -2)},
    ),
    (
        "q is compared with itself",
        "logits",
        "The logits are q qᵀ; the keys play no part. Compare each query with every key.",
        {"logits": lambda q, k: q @ np.swapaxes(q, -1, -2)},
    ),
    (
        "k is compared with itself",
        "logits",
        "The logits are k kᵀ; the queries play no part. Compare each query with every key.",
        {"logits": lambda q, k: k @ np.swapaxes(k, -1, -2)},
    ),
    (
        "the softmax is missing",
        "softmax",
        "The logits themselves weigh the values. They must pass through a softmax, which makes them positive and "
        "add up to 1.",
        {"weights": lambda s: s},
    ),
    (
        "the weights are not normalised",
        "softmax",
        "The weights are exp(logit), without the division by their sum: they do not add up to 1.",
        {"weights": np.exp},
    ),
    (
        "the weights are not normalised",
        "softmax",
        "The weights are exp(logit − maximum), without the division by their sum: they do not add up to 1.",
        {"weights": lambda s: np.exp(s - s.max(axis=-1, keepdims=True))},
    ),
    (
        "exp is missing",
        "softmax",
        "The logits are divided by their sum, without the exponential: weights can be negative, and the sum zero.",
        {"weights": _without_exp},
    ),
    (
        "the softmax overflows",
        "stable",
        "The formula is right, but exp overflows for large logits and gives nan. A softmax does not notice a "
        "constant taken off all the logits of a row: take off the largest.",
        _shares(_nothing, _row_sum),
    ),
    (
        "one maximum for all rows",
        "stable",
        "The formula is right, but the largest logit of the whole array is taken off, so that a row of much smaller "
        "logits becomes 0/0 = nan. Take off each row's own largest.",
        _shares(np.max, _row_sum),
    ),
    (
        "a causal mask is applied",
        "mask",
        "Query m sees the keys 0 to m only. This attention has no mask: every query sees every key.",
        {"mask": causal},
    ),
    (
        "v is forgotten",
        "output",
        "The result is the matrix of weights; the values v are not averaged with it.",
        {"output": lambda w, v, k: w},
    ),
    (
        "the weights are transposed",
        "output",
        "The weights are transposed when they meet v: output m collects what query m's column holds, not its row.",
        {"output": lambda w, v, k: np.swapaxes(w, -1, -2) @ v},
    ),
    (
        "k is averaged instead of v",
        "output",
        "The weights average the keys; it is the values v that they average.",
        {"output": lambda w, v, k: w @ k},
    ),
)


def _inputs(seed: int, *shape: int, width: int | None = None, size: float = 1.0) -> tuple[Array, ...]:
    rng = np.random.default_rng(seed)
    shapes = (shape, shape, (*shape[:-1], width or shape[-1]))
    return tuple(size * rng.standard_normal(each) for each in shapes)


def _uneven() -> Case:
    """One query with all logits near 600, one near −600: exp holds both, but not their ratio."""
    q, k, v = _inputs(9, 4, 4)
    q[0, 0], q[1, 0], k[:, 0] = 40.0, -40.0, 30.0
    return Case("large", (q, k, v), "q, k and v of shape (4, 4), with logits from −600 to 600")


def _lopsided() -> Case:
    """The last key far above the others for every query: weights of the others vanish beside it."""
    q, k, v = _inputs(10, 4, 4)
    q[:, 0], k[:, 0] = 30.0, (-27.0, -27.0, -27.0, 27.0)
    return Case("large", (q, k, v), "q, k and v of shape (4, 4), the last key's logits near 400, the others' near −400")


def _case(stage: str, seed: int, *shape: int, width: int | None = None, size: float = 1.0) -> Case:
    q, k, v = _inputs(seed, *shape, width=width, size=size)
    shapes = f"q, k and v of shape {shape}" if width is None else f"q and k of shape {shape}, v of shape {v.shape}"
    sizes = "" if size == 1.0 else f" and entries near {size:g}"
    return Case(stage, (q, k, v), f"{shapes}{sizes}, random")


CASES = (
    _case("values", 1, 3, 2),
    _case("values", 2, 5, 3),
    _case("values", 3, 2, 7),
    _case("values", 4, 4, 4),
    _case("width", 11, 4, 3, width=5),
    _case("width", 12, 3, 4, width=2),
    _case("batch", 5, 2, 4, 3),
    _case("batch", 6, 2, 3, 5, 4, width=3),
    _uneven(),
    _lopsided(),
    _case("large", 7, 6, 8, size=100.0),
    _case("gradient", 8, 4, 3),
)

STAGE_NOTES = {
    "width": "Here v has another number of features than q and k: the output has as many as v.",
    "batch": "These inputs have axes before (T, d), as batch and heads; each slice is attended by itself. "
    "(.T reverses all the axes; np.swapaxes(k, -1, -2) swaps the last two.)",
    "large": "These logits are large: exp of 710 overflows float64, exp of −750 is 0.",
    "gradient": "A gradient must flow from the result to q, k and v.",
}


def tell_shape(expected: Shape, got: Shape) -> tuple[str, str] | None:
    """Name the cause of a wrong shape, or return None."""
    if got == (*expected[:-1], expected[-2]):
        return "v is forgotten", "It has the shape of the weights, (T, T): they still have to average the values v."
    if len(got) > 1 and got == (*expected[:-2], expected[-1], expected[-2]):
        return "the result is transposed", "Positions go down the rows, features along the columns."
    return None


def tell_cell(case: Case, index: Shape) -> str:
    """Say which batch, position and feature an index is."""
    *batch, position, feature = index
    front = f"batch {', '.join(map(str, batch))}, " if batch else ""
    return f"{front}position {position}, feature {feature}"


def grid(error: Array, allowed: Array) -> tuple[Array, Array]:
    """Reduce (..., T, d) to its first (T, d) slice that is wrong."""
    error, allowed = (a.reshape(-1, *a.shape[-2:]) for a in (error, allowed))
    slices = ~(error <= allowed).all(axis=(1, 2))
    return error[slices.argmax()], allowed[slices.argmax()]


HINTS = {
    "unknown": (
        "Try q of zeros: all logits are then equal, and each output is the plain mean of v. Is yours?",
        "Print the weights of one query: they must be positive and add up to one over the keys.",
        "Compare each query with each key by a dot product, divide by the square root of the feature size, take the "
        "softmax over the keys, and average the values with the result.",
    ),
    "softmax": (
        "Look at the step from logits to weights.",
        "It is about which sums of the weights are one.",
        "For each query, take the exponentials of its logits and divide them by their sum over the keys.",
    ),
    "stable": (
        "Look at what goes into the exponential.",
        "It is about the size of the logits: exp of 710 is too large for float64.",
        "Before the exponential, take off from each query's logits the largest of them; the quotient stays the same.",
    ),
    "scale": (
        "Look at what the logits are divided by, and when.",
        "It is about the square root of a size: of which axis?",
        "The logits are divided by the square root of the number of features of a query, before the softmax.",
    ),
    "logits": (
        "Look at the product of q and k.",
        "It is about which axis is summed, and whose index comes first.",
        "The logit of query m and key n is the dot product of row m of q and row n of k, summed over the features.",
    ),
    "mask": (
        "Look at what happens between the logits and the softmax.",
        "It is about which keys a query may see.",
        "No key is hidden from any query.",
    ),
    "output": (
        "Look at the last product.",
        "It is about what the weights average.",
        "Each output is the sum over the keys of the query's weight for the key times the key's row of v.",
    ),
    "shape": (
        "Look at the shapes of your arrays, one line at a time.",
        "It is about which axis each product sums over.",
        "Queries by features times features by keys gives queries by keys; times keys by features gives the output.",
    ),
}
# Where simple inputs work, the question is what becomes of others.
HINTS |= {"width": HINTS["shape"], "batch": HINTS["shape"], "large": HINTS["stable"]}

EXERCISE = Exercise(
    method="attention",
    parameters=("q", "k", "v"),
    cases=CASES,
    formula=formula,
    mistakes=MISTAKES,
    hints=HINTS,
    tell_shape=tell_shape,
    tell_cell=tell_cell,
    grid=grid,
    tell_row=lambda case, row: f"position {row}",
    columns="feature",
    differentiable=True,
    precision_note="Float64 went in; work in the dtype of the inputs.",
    stage_notes=STAGE_NOTES,
)
