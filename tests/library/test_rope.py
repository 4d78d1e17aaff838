"""rope, both twins: against rotation matrices of 50 digits, against three other forms, and as the theorems say."""

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import posenc_lib.numpy as pe
import posenc_lib.torch
from posenc_lib import frequencies

LAYOUTS = ["interleaved", "half"]
THETA = frequencies.rope(8, base=10000.0)
FAR = [0, 1, -1, 2, 710, 103993, 999_983, -9_999_991, 10_000_000, 0.5, -1234567.891]


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def values(x):
    """As a float64 NumPy array, which holds every smaller dtype exactly."""
    return x.detach().to(torch.float64).numpy() if isinstance(x, torch.Tensor) else np.asarray(x)


def in_torch(x, positions, theta, **layout):
    return values(posenc_lib.torch.rope(torch.tensor(x), positions, theta, **layout))


TWINS = pytest.mark.parametrize("rope", [pe.rope, in_torch], ids=["numpy", "torch"])


# Oracles: the definition to 50 digits, and what others write


def pairs_of(n, layout):
    return {"interleaved": [(2 * i, 2 * i + 1) for i in range(n)], "half": [(i, i + n) for i in range(n)]}[layout]


def rotation(m, theta, layout, dim):
    """RoFormer's equation 15 as a matrix; the identity where no pair is."""
    matrix = mpmath.eye(dim)
    for (a, b), frequency in zip(pairs_of(len(theta), layout), theta, strict=True):
        angle = mpmath.mpf(m) * mpmath.mpf(float(frequency))
        matrix[a, a] = matrix[b, b] = mpmath.cos(angle)
        matrix[b, a] = mpmath.sin(angle)
        matrix[a, b] = -matrix[b, a]
    return matrix


def errors(found, x, positions, theta, layout):
    """At each position the largest error of a pair relative to its length; infinite where the rest has changed."""
    found, x = values(found), values(x)
    result = []
    with mpmath.workdps(50):
        for row, before, m in zip(found, x, positions, strict=True):
            exact = rotation(m, theta, layout, x.shape[-1]) * mpmath.matrix(before.tolist())
            wrong = [float(mpmath.mpf(a) - b) for a, b in zip(row.tolist(), exact, strict=True)]
            rest = np.array_equal(row[2 * len(theta) :], before[2 * len(theta) :])
            relative = [np.hypot(wrong[a], wrong[b]) / np.hypot(before[a], before[b])
                        for a, b in pairs_of(len(theta), layout)]
            result.append(max(relative) if rest else np.inf)
    return np.array(result)


def complex_numbers(x, positions, theta):
    """z → z · exp(imθ), pairs side by side."""
    turned = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * np.multiply.outer(positions, theta))
    return np.stack((turned.real, turned.imag), axis=-1).reshape(x.shape)


def metas_llama(x, positions, theta):
    """apply_rotary_emb as Meta's llama repository has it, which puts heads after tokens."""
    x = torch.tensor(x).transpose(1, 2)
    angles = torch.outer(torch.tensor(positions, dtype=torch.float64), torch.tensor(theta))
    freqs_cis = torch.polar(torch.ones_like(angles), angles)[None, :, None, :]
    turned = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2)) * freqs_cis
    return torch.view_as_real(turned).flatten(3).transpose(1, 2).numpy()


def transformers_llama(x, positions, theta):
    """rotate_half and apply_rotary_pos_emb as the transformers package has them."""

    def rotate_half(x):
        x1, x2 = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
        return torch.cat((-x2, x1), dim=-1)

    x = torch.tensor(x)
    freqs = torch.outer(torch.tensor(positions, dtype=torch.float64), torch.tensor(theta))
    emb = torch.cat((freqs, freqs), dim=-1)
    return (x * emb.cos() + rotate_half(x) * emb.sin()).numpy()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("dim", "n"), [(8, 4), (2, 1), (7, 2), (12, 3)])
def test_to_50_digits(twin, layout, dim, n):
    """dim > 2n is partial rotary; dim may be odd then."""
    theta = frequencies.rope(2 * n, base=10000.0)
    x = np.float64(np.float32(draw(len(FAR), dim)))
    far = np.maximum(1, np.abs(FAR))
    bound = {"posenc_lib.numpy": 3e-16, "posenc_lib.torch": 4e-16}[twin.pe.__name__]
    found = twin.pe.rope(twin.array(x), FAR, theta, layout=layout)
    assert np.all(errors(found, x, FAR, theta, layout) < bound * far)
    single = twin.array(x, dtype=twin.dtypes.float32)
    assert np.all(errors(twin.pe.rope(single, FAR, theta, layout=layout), x, FAR, theta, layout) < 3e-7)


@pytest.mark.parametrize(
    ("layout", "form"),
    [("interleaved", complex_numbers), ("interleaved", metas_llama), ("half", transformers_llama)],
)
def test_against_the_forms_that_others_write(twin, layout, form):
    x, positions = draw(2, 3, 6, 8), [0, 1, 2, 50, 51, 1000]
    found = values(twin.pe.rope(twin.array(x), positions, THETA, layout=layout))
    assert np.allclose(found, form(x, positions, THETA), rtol=0, atol=1e-12)


def test_a_quarter_turn(twin):
    """From (1, 0) to (0, 1) and on, against the clock; pair 1 at half the pace; the fifth dimension stays."""
    theta, x = [np.pi / 2, np.pi / 4], twin.array([[1.0, 0.0, 1.0, 0.0, 7.0]] * 3)
    h = np.sqrt(0.5)
    interleaved = [[1, 0, 1, 0, 7], [0, 1, h, h, 7], [-1, 0, 0, 1, 7]]
    assert np.allclose(twin.pe.rope(x, range(3), theta), interleaved, rtol=0, atol=2e-7)
    x = twin.array([[1.0, 1.0, 0.0, 0.0, 7.0]] * 3)
    half = [[1, 1, 0, 0, 7], [0, h, 1, h, 7], [-1, 0, 0, 1, 7]]
    assert np.allclose(twin.pe.rope(x, range(3), theta, layout="half"), half, rtol=0, atol=2e-7)


def test_pairs_side_by_side_unless_said_otherwise(twin):
    x = twin.array(draw(3, 8))
    assert np.array_equal(twin.pe.rope(x, range(3), THETA), twin.pe.rope(x, range(3), THETA, layout="interleaved"))


# The theorems, on drawn inputs


@st.composite
def inputs(draw_one, vectors=1):
    """x, frequencies and a layout; dim may be larger than the part that turns."""
    n, rest, seed = draw_one(st.integers(1, 6)), draw_one(st.integers(0, 3)), draw_one(st.integers(0, 99))
    theta = draw_one(st.lists(st.floats(-3, 3), min_size=n, max_size=n))
    return (*draw(vectors, 1, 2 * n + rest, seed=seed), theta, {"layout": draw_one(st.sampled_from(LAYOUTS))})


POSITION = st.integers(-(10**6), 10**6)


@TWINS
@given(inputs(), POSITION, st.floats(0.01, 100))
def test_length_is_kept_or_multiplied(rope, given_, m, factor):
    x, theta, layout = given_
    assert np.linalg.norm(rope(x, [m], theta, **layout)) == pytest.approx(np.linalg.norm(x), rel=1e-14)
    scaled, r = rope(x, [m], theta, **layout, attention_factor=factor), 2 * len(theta)
    assert np.linalg.norm(scaled[:, :r]) == pytest.approx(factor * np.linalg.norm(x[:, :r]), rel=1e-14)


@TWINS
@given(inputs(2), POSITION, POSITION, POSITION)
def test_dot_product_sees_only_how_far_apart(rope, given_, m, n, shift):
    q, k, theta, layout = given_
    dot = lambda m, n: rope(q, [m], theta, **layout) @ rope(k, [n], theta, **layout).T  # noqa: E731
    assert np.allclose(dot(m + shift, n + shift), dot(m, n), rtol=0, atol=1e-7)
    assert np.allclose(dot(m, n), rope(q, [m - n], theta, **layout) @ k.T, rtol=0, atol=1e-7)


@TWINS
@given(inputs(), POSITION, POSITION)
def test_two_turns_are_one(rope, given_, m, n):
    x, theta, layout = given_
    twice = rope(rope(x, [m], theta, **layout), [n], theta, **layout)
    assert np.allclose(twice, rope(x, [m + n], theta, **layout), rtol=0, atol=1e-8)


@TWINS
@given(inputs(), POSITION)
def test_turning_back(rope, given_, m):
    x, theta, layout = given_
    turned = rope(x, [m], theta, **layout)
    assert np.allclose(rope(turned, [-m], theta, **layout), x, rtol=0, atol=1e-14)
    assert np.allclose(rope(turned, [m], np.negative(theta), **layout), x, rtol=0, atol=1e-14)


@TWINS
@given(inputs())
def test_nothing_turns_at_position_0_or_frequency_0(rope, given_):
    x, theta, layout = given_
    assert np.array_equal(rope(x, [0], theta, **layout), x)
    assert np.array_equal(rope(x, [1234], np.zeros(len(theta)), **layout), x)


@TWINS
@given(inputs(2), POSITION, st.floats(-3, 3))
def test_linear_in_x(rope, given_, m, c):
    x, y, theta, layout = given_
    turn = lambda x: rope(x, [m], theta, **layout)  # noqa: E731
    assert np.allclose(turn(x + c * y), turn(x) + c * turn(y), rtol=0, atol=1e-13)


@TWINS
@given(inputs(), POSITION)
def test_layouts_differ_by_a_permutation(rope, given_, m):
    """Dimensions 0 2 4 … 1 3 5 … of the one are 0 1 2 … of the other."""
    x, theta, _ = given_
    r = 2 * len(theta)
    order = [*range(0, r, 2), *range(1, r, 2), *range(r, x.shape[-1])]
    half = rope(x[:, order], [m], theta, layout="half")
    assert np.allclose(half, rope(x, [m], theta)[:, order], rtol=0, atol=1e-15)
    back = rope(rope(x, [m], theta)[:, order], [-m], theta, layout="half")[:, np.argsort(order)]
    assert np.allclose(back, x, rtol=0, atol=1e-14)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_float32_at_ten_million_positions(layout):
    """The dot product of turned float32 queries and keys: off by less than rounding their inputs would cost."""
    q, k = np.float32(draw(2, 1, 64))
    theta, worst = frequencies.rope(64, base=10000.0), 0.0
    for m in np.random.default_rng(0).integers(0, 10**7, 50).tolist():
        for distance in (0, 1, 17, 1000):
            turned = [in_torch(x, [p], theta, layout=layout) for x, p in ((q, m), (k, m + distance))]
            exact = pe.rope(q, [0], theta, layout=layout) @ pe.rope(k, [distance], theta, layout=layout).T
            worst = max(worst, abs(turned[0] @ turned[1].T - exact).item())
    assert worst < 1e-7 * np.linalg.norm(q) * np.linalg.norm(k)


# Positions as models have them


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_pass_is_step_by_step(twin, layout):
    x = twin.array(draw(2, 3, 6, 8))
    turn = lambda t: values(twin.pe.rope(x[:, :, t], range(6)[t], THETA, layout=layout))  # noqa: E731
    steps = [turn(slice(t, t + 1)) for t in range(6)]
    assert np.allclose(np.concatenate(steps, axis=2), turn(slice(6)), rtol=0, atol=1e-15)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_padding_on_the_left(twin, layout):
    """Positions (B, 1, T): sequence 1 has two tokens of padding, and its third is at 0."""
    x = draw(2, 3, 4, 8)
    positions = np.array([[0, 1, 2, 3], [0, 0, 0, 1]])[:, None, :]
    padded = values(twin.pe.rope(twin.array(x), twin.array(positions), THETA, layout=layout))
    alone = values(twin.pe.rope(twin.array(x[1, :, 2:]), range(2), THETA, layout=layout))
    assert np.allclose(padded[1, :, 2:], alone, rtol=0, atol=1e-15)


@pytest.mark.parametrize("shape", [(5,), (1, 1, 5), (2, 1, 5), (1, 3, 5), (2, 3, 5)])
def test_positions_of_any_axes_that_fit(twin, shape):
    x, positions = draw(2, 3, 5, 8), np.random.default_rng(0).integers(0, 99, shape)
    everywhere = np.broadcast_to(positions, (2, 3, 5))
    found = values(twin.pe.rope(twin.array(x), twin.array(positions), THETA))
    for b, h in np.ndindex(2, 3):
        alone = values(twin.pe.rope(twin.array(x[b, h]), everywhere[b, h], THETA))
        assert np.allclose(found[b, h], alone, rtol=0, atol=1e-15)


@pytest.mark.parametrize("positions", [range(5), [0, 1, 2, 3, 4], (0.0, 1, 2, 3, 4), np.arange(9)[::-2]], ids=repr)
def test_containers_of_positions(twin, positions):
    x = draw(5, 8)
    found = twin.pe.rope(twin.array(x), positions, THETA)
    assert np.allclose(found, complex_numbers(x, list(positions), THETA), rtol=0, atol=1e-14)


@pytest.mark.parametrize("theta", [[1, 0], (1.0, 0.0), np.array([1, 0]), np.float32([1, 0]), np.array([0.0, 1])[::-1],
                                   np.broadcast_to(1.0, 2) * [1, 0]], ids=repr)  # fmt: skip
def test_containers_of_frequencies(twin, theta):
    x = draw(5, 4)
    found = twin.pe.rope(twin.array(x), range(5), theta)
    assert np.allclose(found, complex_numbers(x, range(5), np.array([1.0, 0])), rtol=0, atol=1e-14)


def test_python_floats_keep_their_digits(twin):
    """As float32, which PyTorch reads a list of floats as, .1 would be off by 15 rad at this position."""
    found = twin.pe.rope(twin.array([[1.0, 0.0]]), [10_000_000_000.0], [0.1])
    assert np.allclose(values(found), [[np.cos(1e9), np.sin(1e9)]], rtol=0, atol=2e-7)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(0, 8), (2, 0, 8), (0, 3, 8), (2, 0, 3, 9)])
def test_nothing_to_turn(twin, layout, shape):
    found = twin.pe.rope(twin.array(np.zeros(shape)), range(shape[-2]), THETA, layout=layout)
    assert tuple(found.shape) == shape


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dim", [8, 11])
def test_x_is_left_as_it_was(twin, layout, dim):
    before = draw(2, 3, dim)
    x, positions, theta = (twin.array(a) for a in (before, np.arange(3.0), THETA))
    found = twin.pe.rope(x, positions, theta, layout=layout)
    found += 1
    assert np.array_equal(values(x), before)
    assert positions.tolist() == [0, 1, 2] and theta.tolist() == THETA.tolist()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wild", [np.inf, -np.inf, np.nan, -0.0, 1e300])
def test_the_rest_is_the_same_to_the_bit(twin, layout, wild):
    x = draw(2, 11)
    x[:, 9] = wild
    found = values(twin.pe.rope(twin.array(x), [5, 6], THETA, layout=layout))
    assert found[:, 8:].tobytes() == x[:, 8:].tobytes()


# A factor for what turns, and where the result is written


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("factor", [0.5, 1, 1.25, np.float32(1.5)], ids=repr)
def test_the_factor_multiplies_what_turns_alone(twin, layout, factor):
    """On integers and float32 too; half of the pairs are left out, and an odd dimension."""
    x = draw(2, 3, 6, 9)
    turned = values(twin.pe.rope(twin.array(x), range(6), THETA[:2], layout=layout))
    found = values(twin.pe.rope(twin.array(x), range(6), THETA[:2], layout=layout, attention_factor=factor))
    assert np.allclose(found[..., :4], factor * turned[..., :4], rtol=0, atol=1e-14)
    assert np.array_equal(found[..., 4:], x[..., 4:])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_factor_in_float32(twin, layout):
    """The error relative to the length that a pair should have, which is the factor times what it was."""
    x, factor = np.float64(np.float32(draw(len(FAR), 8))), 1.4
    single = twin.array(x, dtype=twin.dtypes.float32)
    found = values(twin.pe.rope(single, FAR, THETA, layout=layout, attention_factor=factor))
    assert np.all(errors(found / factor, x, FAR, THETA, layout) < 3e-7)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dim", [8, 11])
@pytest.mark.parametrize("factor", [1.0, 1.25])
def test_out(twin, layout, dim, factor):
    x, options = twin.array(draw(2, 3, 6, dim)), {"layout": layout, "attention_factor": factor}
    wanted = values(twin.pe.rope(x, range(6), THETA, **options))
    before = values(x).copy()
    out = twin.array(np.full(before.shape, np.nan))
    assert twin.pe.rope(x, range(6), THETA, **options, out=out) is out
    assert np.allclose(values(out), wanted, rtol=0, atol=1e-15) and np.array_equal(values(x), before)
    assert twin.pe.rope(x, range(6), THETA, **options, out=x) is x
    assert np.allclose(values(x), wanted, rtol=0, atol=1e-15)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("source", "target"), [(slice(0, 5), slice(1, 6)), (slice(1, 6), slice(0, 5))])
def test_out_that_overlaps_x(twin, layout, source, target):
    """A token's result lands where its neighbour is still to be read."""
    buffer = twin.array(draw(2, 6, 9))
    wanted = values(twin.pe.rope(buffer[:, source], range(5), THETA, layout=layout))
    other = values(buffer)[:, [5 if target.start == 0 else 0]].copy()
    out = buffer[:, target]
    assert twin.pe.rope(buffer[:, source], range(5), THETA, layout=layout, out=out) is out
    assert np.allclose(values(buffer)[:, target], wanted, rtol=0, atol=1e-15)
    assert np.array_equal(values(buffer)[:, [5 if target.start == 0 else 0]], other)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_out_that_is_x_transposed(twin, layout):
    """It starts where x starts, and has each of its elements elsewhere."""
    x = twin.array(draw(8, 8))
    wanted = values(twin.pe.rope(x, range(8), THETA, layout=layout))
    assert np.allclose(values(twin.pe.rope(x, range(8), THETA, layout=layout, out=x.T)), wanted, rtol=0, atol=1e-15)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_out_beside_x_in_one_array(twin, layout):
    """Every second dimension of one array: no element is shared, and no view as complex numbers exists."""
    buffer = twin.array(draw(2, 5, 22))
    x, out = buffer[..., ::2], buffer[..., 1::2]
    wanted, before = values(twin.pe.rope(x, range(5), THETA, layout=layout)), values(x).copy()
    twin.pe.rope(x, range(5), THETA, layout=layout, out=out)
    assert np.allclose(values(out), wanted, rtol=0, atol=1e-15) and np.array_equal(values(x), before)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_out_where_there_is_nothing(twin, layout):
    out = twin.array(np.zeros((2, 0, 8)))
    assert twin.pe.rope(twin.array(np.zeros((2, 0, 8))), [], THETA, layout=layout, out=out) is out


def test_numpy_takes_integers_and_gives_float64():
    for x in ([[1, 0]], np.ones((1, 2), np.int8), np.ones((1, 2), np.float32)):
        assert pe.rope(x, [1], [1.0]).dtype == np.float64
    assert np.allclose(pe.rope([[1, 0]], [1], [1.0]), [[np.cos(1), np.sin(1)]], rtol=0, atol=1e-15)


# What is refused, and in which words


@pytest.mark.parametrize("layout", ["halves", "neox", None, 0, ["half"]], ids=repr)
def test_unknown_layout(twin, layout):
    with pytest.raises(ValueError) as refusal:
        twin.pe.rope(twin.array(draw(3, 8)), range(3), THETA, layout=layout)
    assert str(refusal.value) == (
        f"rope: unknown layout {layout!r}. 'interleaved' pairs dimensions (2i, 2i+1); 'half' pairs (i, i+r/2), "
        "r being twice the number of frequencies."
    )


@pytest.mark.parametrize("factor", [0, 0.0, -1.0, np.inf, np.nan], ids=repr)
def test_absurd_factors(twin, factor):
    with pytest.raises(ValueError) as refusal:
        twin.pe.rope(twin.array(draw(3, 8)), range(3), THETA, attention_factor=factor)
    assert str(refusal.value) == (
        f"rope: attention_factor must be finite and above 0, got {factor}. It multiplies queries and keys alike, "
        "so logits by its square; 1 leaves them as they are."
    )


@pytest.mark.parametrize(
    ("factor", "kind"), [(True, "bool"), ("1", "str"), (None, "NoneType"), (1j, "complex"), ([1.0], "list")]
)
def test_factors_that_are_no_numbers(twin, factor, kind):
    with pytest.raises(TypeError) as refusal:
        twin.pe.rope(twin.array(draw(3, 8)), range(3), THETA, attention_factor=factor)
    assert str(refusal.value) == f"rope: attention_factor must be a number, got {factor!r} ({kind})."


def test_numpy_out_that_is_refused():
    x = draw(3, 8)
    with pytest.raises(TypeError) as refusal:
        pe.rope(x, range(3), THETA, out=x.tolist())
    assert str(refusal.value) == "rope: out must be a numpy.ndarray, got list."
    for out, came in (
        (np.zeros((1, 8)), "(1, 8) float64"),
        (np.zeros((2, 3, 8)), "(2, 3, 8) float64"),
        (np.zeros((3, 8), np.float32), "(3, 8) float32"),
        (np.zeros((3, 8), np.int64), "(3, 8) int64"),
    ):
        with pytest.raises(ValueError) as refusal:
            pe.rope(x, range(3), THETA, out=out)
        assert str(refusal.value) == f"rope: out must have x's shape and float64, (3, 8); got {came}."


@pytest.mark.parametrize("shape", [(), (8,)])
def test_x_without_a_token_axis(twin, shape):
    with pytest.raises(ValueError) as refusal:
        twin.pe.rope(twin.array(np.zeros(shape)), [0], THETA)
    assert str(refusal.value) == f"rope: x must be (..., T, dim), got {shape}."


X = (2, 4, 5, 8)
ROWS_OF_A_BATCH = (
    " Two axes (B, T), a row for each sequence, would broadcast over the heads in silence: "
    "write (B, 1, T), which is positions[:, None, :]."
)
MISFITS = [
    *((X, shape, "") for shape in [(), (1,), (4,), (8,), (1, 2, 4, 5)]),
    *((X, shape, "") for shape in [(2, 1, 1), (2, 4, 1), (3, 1, 5), (2, 5, 1), (5, 1, 1)]),
    *((X, shape, ROWS_OF_A_BATCH) for shape in [(2, 5), (4, 5), (1, 5), (5, 5)]),
    ((4, 4, 5, 8), (4, 5), ROWS_OF_A_BATCH),
    ((3, 4, 5, 8)[1:], (5, 4), ""),
    ((5, 8), (1, 5), ""),
    ((2, 3, 4, 5, 8), (2, 5), ROWS_OF_A_BATCH.replace("1,", "1, 1,").replace("None,", "None, None,")),
]  # fmt: skip


@pytest.mark.parametrize(("x", "positions", "hint"), MISFITS)
def test_positions_that_would_broadcast_or_do_not_fit(twin, x, positions, hint):
    with pytest.raises(ValueError) as refusal:
        twin.pe.rope(twin.array(np.zeros(x)), twin.array(np.zeros(positions)), THETA)
    assert str(refusal.value) == (
        f"rope: positions {positions} do not fit x {x}. Pass shape (5,), or as many axes as x has before dim, "
        f"each of x's size or 1, the last 5.{hint}"
    )


@pytest.mark.parametrize("shape", [(), (1, 4), (4, 1)])
def test_frequencies_of_another_rank(twin, shape):
    with pytest.raises(ValueError) as refusal:
        twin.pe.rope(twin.array(draw(3, 8)), range(3), twin.array(np.ones(shape)))
    assert str(refusal.value) == f"rope: frequencies must have one axis, got {shape}."


def test_no_frequencies(twin):
    with pytest.raises(ValueError) as refusal:
        twin.pe.rope(twin.array(draw(3, 8)), range(3), [])
    assert str(refusal.value) == (
        "rope: frequencies is empty, so nothing would turn. To leave x as it is, do not call rope."
    )


@pytest.mark.parametrize(("dim", "n"), [(8, 5), (7, 4), (0, 1), (1, 1)])
def test_more_frequencies_than_pairs(twin, dim, n):
    with pytest.raises(ValueError) as refusal:
        twin.pe.rope(twin.array(np.zeros((3, dim))), range(3), np.ones(n))
    assert str(refusal.value) == (
        f"rope: every frequency turns two dimensions; {n} of them need {2 * n}, and x {(3, dim)} has {dim}. "
        f"Pass at most {dim // 2}."
    )


@pytest.mark.parametrize(
    ("theta", "said"),
    [([1.0, np.nan], "nan to nan"), ([np.inf, 1.0], "1.0 to inf"), ([-np.inf, 1.0], "-inf to 1.0")],
)
def test_frequencies_that_are_not_finite(twin, theta, said):
    with pytest.raises(ValueError) as refusal:
        twin.pe.rope(twin.array(draw(3, 8)), range(3), theta)
    assert str(refusal.value) == f"rope: frequencies must be finite, got values from {said}."


@pytest.mark.parametrize("theta", [[1j], ["a"], None, [None], [True]], ids=repr)
def test_frequencies_that_are_no_numbers(twin, theta):
    with pytest.raises(TypeError, match=r"^rope: frequencies must (hold|be integers or) real numbers, got "):
        twin.pe.rope(twin.array(draw(3, 8)), range(3), theta)


def test_half_precision_frequencies(twin):
    with pytest.raises(TypeError) as refusal:
        twin.pe.rope(twin.array(draw(3, 8)), range(3), np.ones(2, np.float16))
    name = str(twin.dtypes.ones(1, dtype=twin.dtypes.float16).dtype)
    assert str(refusal.value) == f"rope: frequencies are {name}, which turns far positions wrongly. Pass float64."


def test_positions_are_checked_under_this_name(twin):
    x = twin.array(draw(2, 8))
    with pytest.raises(TypeError, match=r"^rope: positions are (torch\.)?float16, which cannot tell 2048 from 2049\."):
        twin.pe.rope(x, np.ones(2, np.float16), THETA)
    with pytest.raises(TypeError, match=r"^rope: positions must be integers or real numbers, got "):
        twin.pe.rope(x, [True, False], THETA)
    with pytest.raises(ValueError, match=r"^rope: positions must be finite and below 2\*\*53 in size"):
        twin.pe.rope(x, [0, np.inf], THETA)


@pytest.mark.parametrize("x", [[[1j, 0]], [[True, False]], [["a", "b"]], [[None, None]]], ids=repr)
def test_numpy_x_that_holds_no_real_numbers(x):
    with pytest.raises(TypeError, match=r"^rope: x must hold real numbers, got dtype [^ ]+\.$"):
        pe.rope(x, [0], [1.0])
