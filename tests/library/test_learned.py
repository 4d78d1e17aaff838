"""learned, both twins: rows, and what has no row."""

import numpy as np
import pytest
import torch

TABLE = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]


@pytest.mark.parametrize("positions", [range(3), [2, 0, 2], 1, [], [[0, 1], [2, 2]], np.arange(3)[::-1]], ids=repr)
def test_rows(twin, positions):
    index = np.asarray(positions, dtype=int)
    rows = twin.pe.learned(positions, twin.array(TABLE))
    assert np.array_equal(np.asarray(rows), np.array(TABLE)[index])
    assert tuple(rows.shape) == (*index.shape, 2)


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint16", "uint64"])
def test_every_integer_dtype(twin, dtype):
    positions = twin.array([2, 0], dtype=getattr(twin.dtypes, dtype))
    assert twin.pe.learned(positions, twin.array(TABLE)).tolist() == [[4, 5], [0, 1]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtype_of_the_table(twin, dtype):
    dtype = getattr(twin.dtypes, dtype)
    assert twin.pe.learned([1], twin.array(TABLE, dtype=dtype)).dtype == dtype


def test_result_is_a_copy(twin):
    table = twin.array(TABLE)
    twin.pe.learned([0, 1, 2], table)[0, 0] = 7
    assert table[0, 0] == 0


@pytest.mark.parametrize(
    ("positions", "got"),
    [([0, 3], "0 to 3"), ([-1, 1], "-1 to 1"), (3, "3 to 3"), (range(5), "0 to 4"), ([2**62], f"{2**62} to {2**62}")],
)
def test_position_without_a_row(twin, positions, got):
    with pytest.raises(IndexError) as refusal:
        twin.pe.learned(positions, twin.array(TABLE))
    assert str(refusal.value) == (
        f"learned: the table has rows for positions 0 to 2, got positions from {got}. "
        "A learned table ends where its training did."
    )


def test_unsigned_position_that_int64_would_wrap(twin):
    with pytest.raises(IndexError, match="A learned table ends"):
        twin.pe.learned(np.array([2**64 - 1], dtype=np.uint64), twin.array(TABLE))


@pytest.mark.parametrize("positions", [[0.0], [1.5], [True], [1j], [float("nan")]], ids=repr)
def test_positions_that_number_no_rows(twin, positions):
    with pytest.raises(TypeError, match=r"^learned: a table has rows at integer positions only, got .*sinusoidal\.$"):
        twin.pe.learned(positions, twin.array(TABLE))


@pytest.mark.parametrize("positions", [["a"], None, [None], [2**70]], ids=repr)
def test_positions_that_are_no_numbers(twin, positions):
    with pytest.raises(TypeError, match=r"^learned: "):
        twin.pe.learned(positions, twin.array(TABLE))


@pytest.mark.parametrize("table", [[1.0, 2.0], [[[1.0]]], 1.0])
def test_table_of_another_rank(twin, table):
    with pytest.raises(ValueError, match=r"^learned: table must have shape \(length, dim\), got \("):
        twin.pe.learned([0], twin.array(table))


# PyTorch alone


def test_gradient_reaches_the_rows_used_and_no_others():
    from posenc_lib.torch import learned

    table = torch.tensor(TABLE, requires_grad=True)
    learned([2, 0, 2], table).sum().backward()
    assert table.grad.tolist() == [[1, 1], [0, 0], [2, 2]]


def test_meta_device():
    from posenc_lib.torch import learned

    table = torch.tensor(TABLE, device="meta")
    assert learned(torch.arange(2, device="meta"), table).shape == (2, 2)
    assert learned([0, 1], table).device.type == "meta"
    with pytest.raises(ValueError, match=r"^learned: positions are on cpu, table is on meta\. Move one"):
        learned(torch.arange(2), table)


def test_vmap():
    from posenc_lib.torch import learned

    table = torch.tensor(TABLE)
    rows = torch.vmap(lambda p: learned(p, table))(torch.tensor([[2], [0]]))
    assert rows.tolist() == [[[4, 5]], [[0, 1]]]
