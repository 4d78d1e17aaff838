"""What every public function does with bad input: refuse it and say why, or do what is decided and written down here.

The table is in tests/library/bad_input: a dictionary for each function, with a cell for each kind of bad input.
"""

import inspect

import numpy as np
import pytest
import torch

import posenc_lib.numpy
import posenc_lib.torch
from posenc_lib import frequencies
from tests.library.bad_input import attention, biases, configurations, frequency_rules, positions_and_codes, rotations
from tests.library.bad_input.cells import (
    DEVICES,
    DTYPE,
    FACTOR,
    FREQUENCIES,
    HEADS,
    KINDS,
    NAME,
    ODD,
    POSITIONS,
    Refused,
)

TWINS = {
    "alibi_bias": biases.ALIBI_BIAS,
    "alibi_slopes": biases.ALIBI_SLOPES,
    "attention": attention.ATTENTION,
    "axial_rope": rotations.AXIAL_ROPE,
    "convert_layout": rotations.CONVERT_LAYOUT,
    "fire_bias": biases.FIRE_BIAS,
    "kerple_bias": biases.KERPLE_BIAS,
    "learned": positions_and_codes.LEARNED,
    "linear_attention": attention.LINEAR_ATTENTION,
    "mrope": rotations.MROPE,
    "packed_mask": positions_and_codes.PACKED_MASK,
    "positions_after": positions_and_codes.POSITIONS_AFTER,
    "positions_from_lengths": positions_and_codes.POSITIONS_FROM_LENGTHS,
    "positions_from_mask": positions_and_codes.POSITIONS_FROM_MASK,
    "rope": rotations.ROPE,
    "sandwich_bias": biases.SANDWICH_BIAS,
    "shaw_attention": attention.SHAW_ATTENTION,
    "shaw_bias": attention.SHAW_BIAS,
    "sinusoidal": positions_and_codes.SINUSOIDAL,
    "t5_bias": biases.T5_BIAS,
    "t5_bucket": biases.T5_BUCKET,
    "transformer_xl_bias": attention.TRANSFORMER_XL_BIAS,
    "xpos": rotations.XPOS,
}
MODULES = {
    "Alibi": biases.ALIBI_MODULE,
    "Rope": rotations.ROPE_MODULE,
    "Sinusoidal": positions_and_codes.SINUSOIDAL_MODULE,
    "T5Bias": biases.T5_BIAS_MODULE,
}
RULES = {
    "Explanation": configurations.EXPLANATION,
    "RotarySpec": configurations.ROTARY_SPEC,
    "axial": frequency_rules.AXIAL,
    "dynamic_ntk": frequency_rules.DYNAMIC_NTK,
    "explain": configurations.EXPLAIN,
    "from_hf_config": configurations.FROM_HF_CONFIG,
    "hf_layer_types": configurations.HF_LAYER_TYPES,
    "linear": frequency_rules.LINEAR,
    "llama3": frequency_rules.LLAMA3,
    "longrope": frequency_rules.LONGROPE,
    "longrope_attention_factor": frequency_rules.LONGROPE_ATTENTION_FACTOR,
    "ntk": frequency_rules.NTK,
    "proportional": frequency_rules.PROPORTIONAL,
    "rope": frequency_rules.ROPE,
    "yarn": frequency_rules.YARN,
    "yarn_attention_factor": frequency_rules.YARN_ATTENTION_FACTOR,
}
# Each public part of the library with its table.
PARTS = {
    "numpy": (posenc_lib.numpy, TWINS),
    "torch": (posenc_lib.torch, TWINS | MODULES),
    "frequencies": (frequencies, RULES),
}
# A parameter of this name can be bad in this way, so that its function's cell must hold calls.
TELLING = {
    "dim": ODD,
    "positions": POSITIONS,
    "query_positions": POSITIONS,
    "frequencies": FREQUENCIES,
    "x": DTYPE,
    "q": DTYPE,
    "num_heads": HEADS,
    "layout": NAME,
    "kind": NAME,
    "factor": FACTOR,
    "base": FACTOR,
    "attention_factor": FACTOR,
}


class Torch:
    """posenc_lib.torch, for calls written with NumPy arrays: it and its modules are given tensors."""

    def __getattr__(self, name):
        return tensors_for(getattr(posenc_lib.torch, name))


def tensors_for(function):
    def call(*args, **kwargs):
        result = function(*map(as_tensor, args), **{name: as_tensor(value) for name, value in kwargs.items()})
        return tensors_for(result) if isinstance(result, torch.nn.Module) else result

    return call


def as_tensor(value):
    return torch.tensor(value) if isinstance(value, np.ndarray) else value


CALLED = {"numpy": posenc_lib.numpy, "torch": Torch(), "frequencies": frequencies}


def cases():
    """Yield (part, call) for each call of the table."""
    for part, (_, table) in PARTS.items():
        for function, cells in table.items():
            for kind, cell in cells.items():
                calls = () if isinstance(cell, str) or (kind == DEVICES and part == "numpy") else cell
                for number, case in enumerate(calls):
                    if part == "frequencies" or part in case.twins:
                        yield pytest.param(part, case, id=f"{part}.{function}-{kind.replace(' ', '_')}-{number}")


@pytest.mark.parametrize(("part", "case"), list(cases()))
def test_bad_input(part, case):
    if isinstance(case, Refused):
        with pytest.raises(case.error) as refusal:
            case.call(CALLED[part])
        assert str(refusal.value)[: len(case.text)] == case.text
        assert refusal.type is case.error
    else:
        result = case.call(CALLED[part])
        result = result[0] if isinstance(result, tuple) else result
        if isinstance(case.expected, tuple):
            assert tuple(result.shape) == case.expected
        else:
            assert tuple(result.shape) == np.shape(case.expected)
            assert np.allclose(result, case.expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("part", PARTS)
def test_every_public_name_has_a_cell_for_every_kind(part):
    module, table = PARTS[part]
    assert set(table) == set(module.__all__)
    for name, cells in table.items():
        assert set(cells) == set(KINDS), name
        assert all(cells.values()), f"{name}: a cell without a call or a reason"


@pytest.mark.parametrize("part", PARTS)
def test_what_can_be_bad_is_tried(part):
    module, table = PARTS[part]
    for name, cells in table.items():
        if name not in ("Explanation", "RotarySpec"):  # results, which nobody makes by hand
            for parameter in inspect.signature(getattr(module, name)).parameters:
                kind = TELLING.get(parameter, ODD)
                assert parameter not in TELLING or not isinstance(cells[kind], str), f"{name}: {parameter}, {kind}"


def test_a_refusal_says_who_refused():
    names = {*TWINS, *MODULES, *(f"frequencies.{name}" for name in RULES)}
    for case in (each.values[1] for each in cases()):
        if isinstance(case, Refused):
            assert case.text.partition(":")[0] in names
