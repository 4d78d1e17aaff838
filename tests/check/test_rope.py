"""The checker of RoPE, against readers' code."""

import math

import numpy as np
import pytest
import torch

from posenc_lib import check, frequencies
from posenc_lib import numpy as pe
from posenc_lib import torch as pe_torch

# ---------------------------------------------------------------- right, in many styles


def slices(x, positions):
    d = x.shape[-1]
    theta = 10000.0 ** (-2 * np.arange(d // 2) / d)
    cos, sin = np.cos(np.outer(positions, theta)), np.sin(np.outer(positions, theta))
    out = np.empty_like(x)
    out[..., 0::2] = x[..., 0::2] * cos - x[..., 1::2] * sin
    out[..., 1::2] = x[..., 0::2] * sin + x[..., 1::2] * cos
    return out


def complex_numbers(x, positions):
    d = x.shape[-1]
    theta = 10000.0 ** (-2 * np.arange(d // 2) / d)
    z = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * np.outer(positions, theta))
    return np.stack([z.real, z.imag], axis=-1).reshape(x.shape)


def block_matrix(x, positions):
    d = x.shape[-1]
    rows = []
    for token, m in enumerate(positions):
        R = np.zeros((d, d))
        for i in range(d // 2):
            c, s = np.cos(m * 10000 ** (-2 * i / d)), np.sin(m * 10000 ** (-2 * i / d))
            R[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[c, -s], [s, c]]
        rows.append(x[..., token, :] @ R.T)
    return np.stack(rows, axis=-2)


def einsum(x, positions):
    d = x.shape[-1]
    a = np.einsum("t,i->ti", positions, 10000.0 ** (-2 * np.arange(d // 2) / d))
    R = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return np.einsum("rsti,...tis->...tir", R, x.reshape(*x.shape[:-1], d // 2, 2)).reshape(x.shape)


def rotate_every_two(x, positions):
    d = x.shape[-1]
    angles = np.repeat(np.outer(positions, np.exp(-np.log(10000.0) * np.arange(0, d, 2) / d)), 2, axis=-1)
    other = np.stack([-x[..., 1::2], x[..., 0::2]], axis=-1).reshape(x.shape)
    return x * np.cos(angles) + other * np.sin(angles)


def permuted_halves(x, positions):
    """Sort the pairs into halves, turn as NeoX does, and sort back."""
    d = x.shape[-1]
    order = np.concatenate([np.arange(0, d, 2), np.arange(1, d, 2)])
    y = x[..., order]
    angles = np.tile(np.outer(positions, 1 / 10000 ** (np.arange(0, d, 2) / d)), 2)
    y = y * np.cos(angles) + np.concatenate([-y[..., d // 2 :], y[..., : d // 2]], axis=-1) * np.sin(angles)
    return y[..., np.argsort(order)]


def loop(x, positions):
    out = np.zeros(x.shape)
    for index in np.ndindex(x.shape[:-1]):
        for i in range(x.shape[-1] // 2):
            angle = positions[index[-1]] / 10000 ** (2 * i / x.shape[-1])
            a, b = x[(*index, 2 * i)], x[(*index, 2 * i + 1)]
            out[(*index, 2 * i)] = a * math.cos(angle) - b * math.sin(angle)
            out[(*index, 2 * i + 1)] = a * math.sin(angle) + b * math.cos(angle)
    return out


def torch_float32(x, positions):
    d = x.shape[-1]
    theta = 1.0 / 10000 ** (torch.arange(0, d, 2).float() / d)
    angles = positions[:, None].float() * theta
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


def torch_float64(x, positions):
    d = x.shape[-1]
    theta = 10000.0 ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    angles = torch.outer(positions.double(), theta)
    z = torch.view_as_complex(x.double().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(z * torch.polar(torch.ones_like(angles), angles)).flatten(-2)


def torch_complex_float32(x, positions):
    """As in Meta's Llama."""
    d = x.shape[-1]
    freqs = 1.0 / (10000.0 ** (torch.arange(0, d, 2)[: (d // 2)].float() / d))
    angles = torch.outer(positions.float(), freqs)
    z = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(z * torch.polar(torch.ones_like(angles), angles)).flatten(-2).type_as(x)


def torch_matrix_float32(x, positions):
    d = x.shape[-1]
    R = torch.zeros(len(positions), d, d)
    theta = 10000.0 ** (-torch.arange(0, d, 2) / d)
    cos, sin = torch.cos(positions[:, None] * theta), torch.sin(positions[:, None] * theta)
    i = torch.arange(0, d, 2)
    R[:, i, i], R[:, i + 1, i + 1], R[:, i, i + 1], R[:, i + 1, i] = cos, cos, -sin, sin
    return (R @ x[..., None])[..., 0]


class Table:
    """Cosines and sines, looked up; the table grows on demand."""

    def __init__(self):
        self.tables = {}

    def __call__(self, x, positions):
        d = x.shape[-1]
        needed = int(positions.max()) + 1
        if d not in self.tables or len(self.tables[d][0]) < needed:
            angles = np.outer(np.arange(needed), 10000.0 ** (-2 * np.arange(d // 2) / d))
            self.tables[d] = np.cos(angles), np.sin(angles)
        cos, sin = (table[positions] for table in self.tables[d])
        a, b = x[..., 0::2], x[..., 1::2]
        return np.stack([a * cos - b * sin, a * sin + b * cos], axis=-1).reshape(x.shape)


def lookup_table(x, positions, table=Table()):  # noqa: B008 (the table is to be kept)
    return table(x, positions)


def with_the_library(x, positions):
    return pe.rope(x, positions, frequencies.rope(x.shape[-1], base=10000.0))


def with_the_torch_library(x, positions):
    return pe_torch.rope(x, positions, frequencies.rope(x.shape[-1], base=10000.0))


RIGHT = [
    slices,
    complex_numbers,
    block_matrix,
    einsum,
    rotate_every_two,
    permuted_halves,
    loop,
    torch_float32,
    torch_float64,
    torch_complex_float32,
    torch_matrix_float32,
    lookup_table,
    with_the_library,
    with_the_torch_library,
]


@pytest.mark.parametrize("fn", RIGHT, ids=lambda f: f.__name__)
def test_a_right_function_passes(fn):
    report = check.rope(fn)
    assert report.passed, str(report)


def test_a_pass_in_float32_says_what_that_costs():
    assert "It computes in float32" in check.rope(torch_float32).message
    assert "float32" not in check.rope(slices).message


# ---------------------------------------------------------------- wrong, as readers write it


def llama_of_transformers(x, positions):
    d = x.shape[-1]
    angles = np.outer(positions, 1.0 / 10000 ** (np.arange(0, d, 2) / d))
    angles = np.concatenate([angles, angles], axis=-1)
    half = np.concatenate([-x[..., d // 2 :], x[..., : d // 2]], axis=-1)
    return x * np.cos(angles) + half * np.sin(angles)


def halves_in_torch(x, positions):
    d = x.shape[-1]
    angles = positions[:, None] * (1.0 / 10000 ** (torch.arange(0, d, 2) / d))
    angles = torch.cat([angles, angles], dim=-1)
    half = torch.cat([-x[..., d // 2 :], x[..., : d // 2]], dim=-1)
    return x * angles.cos() + half * angles.sin()


def tiled(x, positions):
    d = x.shape[-1]
    angles = np.tile(np.outer(positions, 10000.0 ** (-np.arange(0, d, 2) / d)), 2)
    other = np.stack([-x[..., 1::2], x[..., 0::2]], axis=-1).reshape(x.shape)
    return x * np.cos(angles) + other * np.sin(angles)


def concatenated(x, positions):
    out = slices(x, positions)
    return np.concatenate([out[..., 0::2], out[..., 1::2]], axis=-1)


def conjugated(x, positions):
    return slices(x, -positions)


def in_place_in_turn(x, positions):
    d, x = x.shape[-1], x.copy()
    angles = np.outer(positions, 10000.0 ** (-np.arange(0, d, 2) / d))
    x[..., 0::2] = x[..., 0::2] * np.cos(angles) - x[..., 1::2] * np.sin(angles)
    x[..., 1::2] = x[..., 0::2] * np.sin(angles) + x[..., 1::2] * np.cos(angles)
    return x


def numbered_by_row(x, positions):
    return slices(x, np.arange(x.shape[-2]))


def from_one(x, positions):
    return slices(x, positions + 1)


def twice(x, positions):
    return slices(slices(x, positions), positions)


def doubled_exponent(x, positions):
    d = x.shape[-1]
    theta = 10000.0 ** (-2 * np.arange(0, d, 2) / d)
    out, angles = np.empty_like(x), np.outer(positions, theta)
    out[..., 0::2] = x[..., 0::2] * np.cos(angles) - x[..., 1::2] * np.sin(angles)
    out[..., 1::2] = x[..., 0::2] * np.sin(angles) + x[..., 1::2] * np.cos(angles)
    return out


def other_base(x, positions):
    return pe.rope(x, positions, frequencies.rope(x.shape[-1], base=2345.0))


def half_precision(x, positions):
    return torch_float64(x, positions.to(torch.bfloat16))


def half_as_fast(x, positions):
    return slices(x, 0.5 * positions)


def sum_with_the_encoding(x, positions):
    return x + pe.sinusoidal(positions, x.shape[-1])


def along_the_heads(x, positions):
    d = x.shape[-1]
    angles = np.outer(positions, 10000.0 ** (-np.arange(0, d, 2) / d))
    angles = angles.reshape(len(positions), *[1] * (x.ndim - 2), d // 2)
    out = np.empty_like(x)
    out[..., 0::2] = x[..., 0::2] * np.cos(angles) - x[..., 1::2] * np.sin(angles)
    out[..., 1::2] = x[..., 0::2] * np.sin(angles) + x[..., 1::2] * np.cos(angles)
    return out


def one_head(x, positions):
    return np.broadcast_to(slices(x[..., :1, :, :], positions) if x.ndim > 2 else slices(x, positions), x.shape)


def two_mistakes(x, positions):
    return slices(x, -positions - 1)


def stacked(x, positions):
    return slices(x, positions).reshape(*x.shape[:-1], -1, 2)


def matrices(x, positions):
    return np.zeros((len(positions), x.shape[-1], x.shape[-1]))


def transposed(x, positions):
    return np.swapaxes(slices(x, positions), -1, -2)


def first_batch_only(x, positions):
    return slices(x.reshape(-1, *x.shape[-2:])[0], positions)


def one_of_each_pair(x, positions):
    return slices(x, positions)[..., 0::2]


def twice_as_wide(x, positions):
    return np.repeat(slices(x, positions), 2, axis=-1)


def whole_numbers(x, positions):
    return slices(x, positions).astype(int)


def half_precision_out(x, positions):
    return torch_float64(x, positions).to(torch.bfloat16)


def still_complex(x, positions):
    return x[..., 0::2] + 1j * x[..., 1::2]


def in_place(x, positions):
    x[...] = slices(x, positions)
    return x


def detached(x, positions):
    return torch_float64(x, positions).detach()


WRONG = [
    (llama_of_transformers, "halves instead of neighbours"),
    (halves_in_torch, "halves instead of neighbours"),
    (tiled, "angles tiled instead of repeated"),
    (concatenated, "pairs are written to two halves"),
    (conjugated, "turned by −mθ"),
    (in_place_in_turn, "the second line uses the new a"),
    (numbered_by_row, "positions are ignored"),
    (from_one, "positions start at 1"),
    (twice, "turned twice"),
    (doubled_exponent, "exponent 4i/d instead of 2i/d"),
    (other_base, "base 2345 instead of 10,000"),
    (half_precision, "positions in bfloat16"),
    (half_as_fast, "angles multiplied by 0.5"),
    (sum_with_the_encoding, "the sinusoidal encoding is added"),
    (along_the_heads, "positions run along another axis"),
    (one_head, "only the first head is turned"),
    (lambda x, positions: x.copy(), "x is not turned"),
    (lambda x, positions: 3 * slices(x, positions), "scaled by 3"),
    (two_mistakes, "turned by −mθ, and positions start at 1"),
    (stacked, "pairs have an axis of their own"),
    (matrices, "the matrices are not applied"),
    (transposed, "the result is transposed"),
    (first_batch_only, "the axes in front are lost"),
    (one_of_each_pair, "half of the dimensions are missing"),
    (twice_as_wide, "twice too many dimensions"),
    (whole_numbers, "the result is int64"),
    (half_precision_out, "the result is bfloat16"),
    (still_complex, "not an array of real numbers"),
    (in_place, "an input was changed"),
    (detached, "no gradient flows back"),
    (lambda x, positions: np.random.default_rng(0).standard_normal(x.shape), "unknown mistake"),
]


@pytest.mark.parametrize(("fn", "diagnosis"), WRONG, ids=lambda v: getattr(v, "__name__", v))
def test_a_wrong_function_is_named(fn, diagnosis):
    report = check.rope(fn)
    assert not report.passed
    assert report.diagnosis == diagnosis, str(report)


def test_the_other_layout_is_called_valid_elsewhere():
    said = str(check.rope(llama_of_transformers)).replace("\n  ", " ")
    assert "(i, i + d/2)" in said and "valid elsewhere" in said and "not this chapter's" in said


def test_the_frequencies_seen_are_told():
    report = check.rope(doubled_exponent)
    assert "At dim 8 your pairs turn by 1, 0.01, 0.0001 rad per position" in report.message
    assert "expected are 1, 0.1, 0.01" in report.message


# ---------------------------------------------------------------- a file of the reader's own

BODY = """
import numpy as np

def theta(d):
    return 10000.0 ** (-2 * np.arange(d // 2) / d)

def rope(x, positions):
    angles = np.outer(positions, theta(x.shape[-1]))
    out = np.empty_like(x)
    out[..., 0::2] = x[..., 0::2] * np.cos(angles) - x[..., 1::2] * np.sin(angles)
    out[..., 1::2] = x[..., 0::2] * np.sin(angles) + x[..., 1::2] * np.cos(angles)
    return out
"""


def from_a_file(text):
    names = {}
    exec(compile(text, "reader.py", "exec"), names)
    return names["rope"]


FILES = [
    (BODY + "np = np.arange(3)", "The name np holds a value of type ndarray by now, not the module"),
    (BODY + "np = np.arange(3)", "run import numpy as np again"),
    (BODY + "theta = theta(4)", "The name theta holds a value of type ndarray by now. If a function of yours is meant"),
    (BODY.replace("np.empty_like(x)", "sum(x) * 0") + "sum = 3", "The name sum holds a value of type int by now. If P"),
    (BODY.replace("    return out", "    np = out\n    return np"), "is called np too, which hides the module"),
    (BODY.replace("import numpy as np", ""), "NameError in line 2 of your function: name 'np' is not defined"),
    (BODY.replace("return out", "print(out)"), "returned None. Is a return missing at its end?"),
    (BODY.replace("x.shape[-1]", "4"), "Simpler inputs worked. Sizes change from call to call: d is x.shape[-1]"),
    (BODY.replace("out = np.empty_like(x)", "out = x"), "wrote into its argument `x`, which belongs to the caller"),
    (BODY.replace("np.empty_like(x)", "np.empty(x.shape, int)"), "The result has dtype int64; float64 is expected"),
    (BODY.replace("np.empty_like(x)", "np.empty(x.shape, 'f2')"), "in bfloat16, 256 and 257 are one number"),
    (BODY.replace("return out", "return out[0]"), "The result has shape (4,); (3, 4) is expected."),
    (BODY.replace("return out", "raise ValueError('no')"), "ValueError in line 6 of your function: no"),
    (BODY.replace("return out", "return {'out': out}"), "returned a value of type dict; one array is expected"),
    (BODY + "rope = rope(np.ones((3, 4)), np.arange(3))", "Pass the name without parentheses"),
    (BODY.replace("x, positions)", "positions, x)", 1), "yours takes the arguments in another order: (positions, x)"),
]


@pytest.mark.parametrize(("text", "said"), FILES)
def test_a_file_of_the_readers_own_gets_a_helpful_message(text, said, capsys):
    report = check.rope(from_a_file(text))
    assert report.status == "failed"
    assert said in report.message
    assert "reader.py" not in str(report)


@pytest.mark.parametrize("more", ["", "theta_ = 3\nsin = 4", "d = 5\nx = None\npositions = ()", "check = pe = print"])
def test_names_that_do_not_hide_anything_do_no_harm(more):
    report = check.rope(from_a_file(BODY + more))
    assert report.passed, str(report)


def test_what_a_function_prints_stays_visible(capsys):
    assert check.rope(from_a_file(BODY.replace("return out", "print('here'); return out"))).passed
    assert "here" in capsys.readouterr().out


def test_an_error_that_no_name_explains_gets_no_story():
    """np, theta and len are what they seem, so the message ends with Python's own."""
    report = check.rope(from_a_file(BODY.replace("return out", "return out()") + "sin = 3  # np.sin is another one"))
    assert report.message.endswith("'numpy.ndarray' object is not callable")
    assert "by now" not in check.rope(len).message


def test_a_table_that_ends_is_told_to_grow():
    def fn(x, positions):
        d = x.shape[-1]
        angles = np.outer(np.arange(512), 10000.0 ** (-np.arange(0, d, 2) / d))[positions]
        z = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * angles)
        return np.stack([z.real, z.imag], axis=-1).reshape(x.shape)

    report = check.rope(fn)
    assert report.stage == "call" and "A table of cosines has to grow" in report.message


@pytest.mark.parametrize("fn", [slices, torch_float64])
def test_strict_raises_for_a_wrong_function_alone(fn):
    assert check.rope(fn, strict=True).passed
    with pytest.raises(AssertionError, match="turned by −mθ"):
        check.rope(lambda x, positions: fn(x, -positions), strict=True)
