"""t5_bucket, both twins: the definition to 60 digits, the transformers package, and what buckets must be."""

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

import posenc_lib.numpy as pe
import posenc_lib.torch


def by_definition(distance, buckets, max_distance):
    """The bucket for one direction: exact ones, then the logarithm to 60 digits."""
    exact = buckets // 2
    if distance < exact:
        return distance
    with mpmath.workdps(60):
        share = mpmath.log(mpmath.mpf(distance) / exact) / mpmath.log(mpmath.mpf(max_distance) / exact)
        scaled = share * (buckets - exact)
        if abs(scaled - mpmath.nint(scaled)) < mpmath.mpf(10) ** -50:  # on the boundary
            scaled = mpmath.nint(scaled)
        return min(buckets - 1, exact + int(mpmath.floor(scaled)))


def first_distances(bucket):
    """Where a new bucket begins, given the buckets of distances 0, 1, 2, …"""
    return np.flatnonzero(np.diff(bucket, prepend=-1)).tolist()


# Worked out by hand from E · (max_distance / E)^(j/L): 8 · √2^j, 16 · 8^(j/16).
BOTH_WAYS = [*range(9), 12, 16, 23, 32, 46, 64, 91]
ONE_WAY = [*range(17), 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113]


def test_where_the_buckets_of_t5_begin(twin):
    """32 buckets up to 128: T5's own settings, encoder and decoder."""
    distance = np.arange(100_000)
    encoder = np.asarray(twin.pe.t5_bucket(-distance))
    assert first_distances(encoder) == BOTH_WAYS and np.unique(encoder).tolist() == [*range(16)]
    decoder = np.asarray(twin.pe.t5_bucket(-distance, bidirectional=False))
    assert first_distances(decoder) == ONE_WAY and np.unique(decoder).tolist() == [*range(32)]


def test_keys_after_the_query(twin):
    """The upper half in an encoder; distance 0 in a decoder, which hides them."""
    distance = np.arange(1, 1000)
    before, after = (np.asarray(twin.pe.t5_bucket(sign * distance)) for sign in (-1, 1))
    assert np.array_equal(after, before + 16)
    assert np.asarray(twin.pe.t5_bucket(0)) == 0
    assert not np.asarray(twin.pe.t5_bucket(distance, bidirectional=False)).any()


SETTINGS = [(2, 3), (2, 128), (3, 2), (3, 1000), (4, 3), (5, 40), (7, 30_000), (9, 128), (9, 4096), (16, 9), (16, 20),
            (16, 128), (17, 27), (32, 128), (32, 2048), (33, 17), (48, 81), (64, 256), (160, 800),
            (160, 100_000)]  # fmt: skip


@pytest.mark.parametrize(("buckets", "max_distance"), SETTINGS)
def test_to_60_digits(twin, buckets, max_distance):
    near_the_boundaries = {
        int(n) + step
        for j in range(buckets)
        for n in [buckets // 2 * (max_distance / (buckets // 2)) ** (j / (buckets - buckets // 2))]
        for step in (-1, 0, 1, 2)
    }
    distance = np.array(sorted({*range(200), *near_the_boundaries, max_distance, 100_000, 10**9} - {-1}))
    expected = [by_definition(int(d), buckets, max_distance) for d in distance]
    settings = {"num_buckets": buckets, "max_distance": max_distance}
    assert np.asarray(twin.pe.t5_bucket(-distance, bidirectional=False, **settings)).tolist() == expected
    settings["num_buckets"] *= 2
    assert np.asarray(twin.pe.t5_bucket(-distance, **settings)).tolist() == expected


@pytest.mark.parametrize(
    ("buckets", "max_distance", "j", "near"),
    [(5, 24_838_739, 2, 107_258), (6, 15_201_920, 2, 88_506), (8, 15_688_794, 3, 352_539),
     (9, 156_739_457, 3, 143_857)],
)  # fmt: skip
def test_boundaries_that_float64_takes_for_integers(twin, buckets, max_distance, j, near):
    """E · (max_distance / E)^(j/L) is above `near` by less than a float64 tells: 2 · 24838739² is 107258³ + 2730."""
    exact, rest = buckets // 2, buckets - buckets // 2
    assert exact * (max_distance / exact) ** (j / rest) == pytest.approx(near, rel=1e-12, abs=0)
    assert near**rest < max_distance**j * exact ** (rest - j) < (near + 1) ** rest
    settings = {"bidirectional": False, "num_buckets": buckets, "max_distance": max_distance}
    found = np.asarray(twin.pe.t5_bucket([-near, -near - 1], **settings)).tolist()
    assert found == [by_definition(d, buckets, max_distance) for d in (near, near + 1)] == [exact + j - 1, exact + j]


@pytest.mark.parametrize(
    ("buckets", "max_distance", "j", "at"), [(9, 972, 4, 324), (9, 31_104, 2, 144), (9, 31_104, 4, 5184)]
)
def test_boundaries_that_float64_puts_beyond_an_integer(twin, buckets, max_distance, j, at):
    """E · (max_distance / E)^(j/L) is `at`, and more by a rounding: 4 · 243^(4/5) is 4 · 3⁴."""
    exact, rest = buckets // 2, buckets - buckets // 2
    assert exact * (max_distance / exact) ** (j / rest) > at
    assert at**rest == max_distance**j * exact ** (rest - j)
    found = twin.pe.t5_bucket([1 - at, -at], bidirectional=False, num_buckets=buckets, max_distance=max_distance)
    assert np.asarray(found).tolist() == [exact + j - 1, exact + j]


@pytest.fixture(scope="module")
def transformers_bucket():
    """The function of the transformers package, on NumPy arrays. It takes its logarithm in float32."""
    from transformers.models.t5.modeling_t5 import T5Attention

    return lambda n, **settings: T5Attention._relative_position_bucket(torch.tensor(n), **settings).numpy()


@pytest.mark.parametrize(
    ("num_buckets", "max_distance"),
    [(32, 128),  # T5, mT5, UMT5, LongT5, ByT5, Switch, Pix2Struct, UDOP, LayoutLMv3
     (32, 100),  # UDOP's boxes
     (64, 256),  # LayoutLMv3's boxes
     (320, 800),  # WavLM, BEATs
     *((b, d) for b in (4, 6, 8, 10, 16, 24, 64, 128, 256) for d in (129, 200, 512, 1000, 1024, 2048, 4096)),
     (8, 3), (16, 5), (32, 9), (32, 20), (64, 32), (4, 2), (320, 100)],
)  # fmt: skip
def test_as_the_transformers_package(twin, transformers_bucket, num_buckets, max_distance):
    relative = np.arange(-100_001, 100_002)
    one_way = [False] if max_distance > num_buckets // 2 else []
    for bidirectional in (True, *one_way):
        settings = {"bidirectional": bidirectional, "num_buckets": num_buckets, "max_distance": max_distance}
        found = np.asarray(twin.pe.t5_bucket(relative, **settings))
        assert np.array_equal(found, transformers_bucket(relative, **settings))


@pytest.mark.parametrize(
    ("buckets", "max_distance"), [(17, 27), (48, 81), (34, 27), (47, 100_000), (60, 16384), (9, 4096)]
)
def test_where_float32_misses_a_boundary(twin, transformers_bucket, buckets, max_distance):
    """Wherever we differ from the released code, its logarithm fell beside the boundary, and not ours."""
    settings = {"bidirectional": False, "num_buckets": buckets, "max_distance": max_distance}
    relative = -np.arange(100_001)
    ours, theirs = np.asarray(twin.pe.t5_bucket(relative, **settings)), transformers_bucket(relative, **settings)
    different = np.flatnonzero(ours != theirs)
    assert len(different) <= 1 and np.all(np.abs(ours - theirs) <= 1)
    for distance in different:
        assert ours[distance] == by_definition(int(distance), buckets, max_distance)


def test_the_missed_boundary_of_the_docstring(twin):
    """Distance 18 is 8 · (27/8)^(6/9) exactly, where bucket 8 + 6 begins."""
    assert 18**9 == 27**6 * 8**3
    settings = {"bidirectional": False, "num_buckets": 17, "max_distance": 27}
    assert np.asarray(twin.pe.t5_bucket([-17, -18], **settings)).tolist() == [13, 14]


# What buckets must be, on drawn settings


@st.composite
def drawn_settings(draw):
    buckets = draw(st.integers(2, 200))
    return buckets, draw(st.integers(buckets // 2 + 1, 10**6))


@given(drawn_settings(), st.integers(0, 2 * 10**6))
def test_definition_on_drawn_settings(settings, distance):
    buckets, max_distance = settings
    for twin in (pe, posenc_lib.torch):
        found = twin.t5_bucket(-distance, bidirectional=False, num_buckets=buckets, max_distance=max_distance)
        assert int(found) == by_definition(distance, buckets, max_distance)


@given(drawn_settings())
def test_buckets_grow_with_distance_and_fill_up(settings):
    buckets, max_distance = settings
    distance = np.unique(np.geomspace(1, 2 * max_distance, 2000).astype(int))
    for twin in (pe, posenc_lib.torch):
        settings = {"bidirectional": False, "num_buckets": buckets, "max_distance": max_distance}
        bucket = np.asarray(twin.t5_bucket(-distance, **settings))
        assert np.all(np.diff(bucket) >= 0)
        assert np.all(bucket[distance < buckets // 2] == distance[distance < buckets // 2])
        assert np.all(bucket[distance >= max_distance] == buckets - 1)


@given(st.integers(2, 60), st.integers(0, 10**4))
def test_every_bucket_is_used_where_boundaries_lie_apart(buckets, beyond):
    max_distance = buckets**2 + beyond  # the first two boundaries are then more than 1 apart
    settings = {"num_buckets": 2 * buckets, "max_distance": max_distance}
    relative = np.arange(-max_distance, max_distance + 1)
    for twin in (pe, posenc_lib.torch):
        bucket = np.asarray(twin.t5_bucket(relative, **settings))
        unused = buckets  # distance 0 belongs to the lower half
        assert np.unique(bucket).tolist() == [b for b in range(2 * buckets) if b != unused]


@given(st.integers(2, 60), st.integers(1, 10**5), st.integers(1, 10**6))
def test_the_two_halves_mirror_each_other(buckets, beyond, distance):
    settings = {"num_buckets": 2 * buckets, "max_distance": buckets // 2 + beyond}
    for twin in (pe, posenc_lib.torch):
        assert int(twin.t5_bucket(distance, **settings)) == int(twin.t5_bucket(-distance, **settings)) + buckets


# What may be passed, and what comes back


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_every_signed_dtype(twin, dtype):
    """The smallest value of int8 has no absolute value in int8, and 128 is none of its values."""
    relative = twin.array([-128, -3, 0, 3, 127], dtype=getattr(twin.dtypes, dtype))
    found = twin.pe.t5_bucket(relative)
    assert found.dtype == twin.dtypes.int64 and found.tolist() == [15, 3, 0, 19, 31]
    found = twin.pe.t5_bucket(relative, bidirectional=False)
    assert found.dtype == twin.dtypes.int64 and found.tolist() == [31, 3, 0, 0, 0]


@pytest.mark.parametrize("bidirectional", [True, False])
def test_largest_and_smallest(twin, bidirectional):
    found = twin.pe.t5_bucket([-(2**63), 2**63 - 1], bidirectional=bidirectional, max_distance=2**31)
    assert found.tolist() == ([15, 31] if bidirectional else [31, 0])


@pytest.mark.parametrize(
    "relative",
    [range(5, -5, -3), [3, -1], 7, [], [[0, 1], [2, -2]], np.arange(6)[::-2], np.zeros((0, 3), int)],
    ids=repr,
)
def test_shapes_and_containers(twin, relative):
    found = twin.pe.t5_bucket(relative)
    assert tuple(found.shape) == np.shape(relative) and found.dtype == twin.dtypes.int64
    assert np.asarray(found).ravel().tolist() == [abs(n) + 16 * (n > 0) for n in np.ravel(relative)]


def test_integers_are_left_as_they_were(twin):
    relative = twin.array([-1000, 1000])
    twin.pe.t5_bucket(relative)
    assert relative.tolist() == [-1000, 1000]


# What is refused, and in which words

SIGNED = "t5_bucket: relative_position must hold signed integers, key minus query, got dtype "


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "bool"])
def test_no_integers(twin, dtype):
    with pytest.raises(TypeError) as refusal:
        twin.pe.t5_bucket(twin.array([1, 0], dtype=getattr(twin.dtypes, dtype)))
    assert str(refusal.value) in {f"{SIGNED}{dtype}.", f"{SIGNED}torch.{dtype}."}


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_unsigned(twin, dtype):
    """A difference of unsigned positions is never negative: 0 − 1 is 255, or 2^64 − 1."""
    with pytest.raises(TypeError) as refusal:
        twin.pe.t5_bucket(twin.array([1, 0], dtype=getattr(twin.dtypes, dtype)))
    hint = " An unsigned difference wraps around: subtract in int64."
    assert str(refusal.value) in {f"{SIGNED}{dtype}.{hint}", f"{SIGNED}torch.{dtype}.{hint}"}


@pytest.mark.parametrize("relative", [["a"], [None], None, [2**70]], ids=repr)
def test_no_numbers(twin, relative):
    with pytest.raises(TypeError, match=r"^t5_bucket: relative_position must "):
        twin.pe.t5_bucket(relative)


@pytest.mark.parametrize("name", ["num_buckets", "max_distance"])
@pytest.mark.parametrize(("value", "kind"), [(32.0, "float"), (True, "bool"), ("32", "str"), (None, "NoneType")])
def test_settings_that_are_no_integers(twin, name, value, kind):
    with pytest.raises(TypeError) as refusal:
        twin.pe.t5_bucket([0], **{name: value})
    assert str(refusal.value) == f"t5_bucket: {name} must be an integer, got {value!r} ({kind})."


@pytest.mark.parametrize(
    ("bidirectional", "num_buckets", "least"), [(True, 3, 4), (True, 0, 4), (True, -4, 4), (False, 1, 2), (False, 0, 2)]
)
def test_too_few_buckets(twin, bidirectional, num_buckets, least):
    with pytest.raises(ValueError) as refusal:
        twin.pe.t5_bucket([0], bidirectional=bidirectional, num_buckets=num_buckets)
    assert str(refusal.value) == f"t5_bucket: num_buckets must be at least {least}, got {num_buckets}."


def test_odd_number_of_buckets(twin):
    """T5's code drops the last one without a word."""
    with pytest.raises(ValueError) as refusal:
        twin.pe.t5_bucket([0], num_buckets=33)
    assert str(refusal.value) == (
        "t5_bucket: num_buckets must be even when bidirectional, half of it for each direction; got 33. Use 32 or 34."
    )
    assert twin.pe.t5_bucket([-10**6], bidirectional=False, num_buckets=33).tolist() == [32]


@pytest.mark.parametrize(
    ("bidirectional", "num_buckets", "max_distance", "exact"),
    [(True, 32, 8, 8), (True, 32, 7, 8), (False, 32, 16, 16), (False, 3, 1, 1), (True, 32, 2**31 + 1, 8)],
)
def test_max_distance_that_leaves_no_scale(twin, bidirectional, num_buckets, max_distance, exact):
    """T5's code divides by zero at E, and takes negative logarithms below it."""
    with pytest.raises(ValueError) as refusal:
        twin.pe.t5_bucket([0], bidirectional=bidirectional, num_buckets=num_buckets, max_distance=max_distance)
    assert str(refusal.value) == (
        f"t5_bucket: max_distance must be above {exact}, where the buckets of one distance end, and at most 2**31; "
        f"got {max_distance}."
    )


def test_max_distance_below_one(twin):
    with pytest.raises(ValueError, match=r"^t5_bucket: max_distance must be at least 1, got 0\.$"):
        twin.pe.t5_bucket([0], max_distance=0)


# PyTorch alone


def test_device_follows_the_relative_position():
    for bidirectional in (True, False):
        relative = torch.zeros(2, 3, dtype=torch.int64, device="meta")
        found = posenc_lib.torch.t5_bucket(relative, bidirectional=bidirectional)
        assert (found.device.type, found.dtype, found.shape) == ("meta", torch.int64, (2, 3))
    with torch.device("meta"):
        assert posenc_lib.torch.t5_bucket(torch.tensor([-1], device="cpu")).tolist() == [1]


def test_functional_transforms():
    relative = torch.arange(-200, 200).reshape(4, 100)
    assert torch.equal(torch.vmap(posenc_lib.torch.t5_bucket)(relative), posenc_lib.torch.t5_bucket(relative))


def test_fake_tensors():
    with FakeTensorMode():
        assert posenc_lib.torch.t5_bucket(torch.arange(3)).shape == (3,)


def test_gradient_reaches_a_table_looked_up_with_it():
    """As a model uses it: one learned number a bucket and head, added to the logits."""
    table = torch.zeros(32, 2, requires_grad=True)
    relative = torch.arange(3)[None, :] - torch.arange(3)[:, None]
    bias = table[posenc_lib.torch.t5_bucket(relative)].movedim(-1, 0)
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    posenc_lib.torch.attention(x, x, x, bias=bias).square().sum().backward()
    used = table.grad.abs().sum(1).nonzero().ravel().tolist()
    assert used == [0, 1, 2, 17, 18]
