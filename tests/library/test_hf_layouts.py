"""The tables of posenc_lib.frequencies._layouts against the source of the transformers that is installed.

Run as a script, it prints the tables anew: python tests/library/test_hf_layouts.py > posenc_lib/frequencies/_layouts.py
"""

import ast
import functools
import importlib.util
import pathlib
import re

from posenc_lib.frequencies import _layouts

MODELS = pathlib.Path(importlib.util.find_spec("transformers").origin).parent / "models"

# How a function's text says which dimensions it pairs.
ADJACENT = re.compile(r"\[(?:\.\.\.|:, :, :), 0?1?::2\]|view_as_complex|-1, 2\)|\(-1, 2\)|-1, 1, 2\)")
HALVES = re.compile(r"shape\[-1\] // 2|chunk\(2, dim=-1\)|chunk\(x, 2, dim=-1\)")


def without_docstring(node):
    body = node.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    return "\n".join(ast.unparse(statement) for statement in body)


def pairing(name, functions, seen=()):
    """The layout of a function: what it calls to rotate, or else what its own slices say."""
    text = functions[name]
    called = [other for other in functions if other not in (name, *seen) and re.search(rf"\b{other}\(", text)]
    found = {pairing(other, functions, (*seen, name)) for other in called} - {None}
    if not found and ".repeat(1, 1, 1, 2)" in text:  # V-JEPA 2 pairs neighbours and gives them different angles
        return None
    if not found:
        found = {"interleaved"} if ADJACENT.search(text) else {"half"} if HALVES.search(text) else set()
    return found.pop() if len(found) == 1 else None


@functools.cache
def folders_of_models():
    """{name of a model class: the folder whose code defines it}"""
    return {
        name: file.parent
        for file in MODELS.glob("*/modeling_*.py")
        for name in re.findall(r"^class (\w+Model)\(", file.read_text(), re.MULTILINE)
    }


@functools.cache
def layouts_of(folder):
    """{"text": layout, "vision": layout} of one model's code, which may be another family's."""
    if not list(folder.glob("modeling_*.py")):
        borrowed = re.search(rf'"{folder.name}", "(\w+Model)"', (MODELS / "auto/modeling_auto.py").read_text())
        if borrowed and borrowed[1] in folders_of_models():
            return layouts_of(folders_of_models()[borrowed[1]])
    functions = {}
    for file in sorted(folder.glob("modeling_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef) and re.match(r"_?(rotate_|apply_rotary|_rotate)", node.name):
                functions[node.name] = without_docstring(node)
    found = {"text": set(), "vision": set()}
    for name in functions:
        if "apply_rotary" in name and not name.startswith("_"):
            kind = "vision" if re.search("vision|2d", name) else "text"
            found[kind].add(pairing(name, functions))
    # Where both are there, the attention calls the second, unless the configuration's rope_interleave is false.
    if "apply_rotary_pos_emb_interleave" in functions:
        found["text"] = {"interleaved"}
    if not found["vision"]:
        found["vision"] = set(found["text"])
    return {kind: layouts.pop() if len(layouts) == 1 else None for kind, layouts in found.items()}


@functools.cache
def configurations():
    """Every configuration class: its folder, model_type, syntax tree, and the values it assigns."""
    return list(read_configurations())


def read_configurations():
    for file in sorted(MODELS.glob("*/configuration_*.py")):
        for node in ast.parse(file.read_text()).body:
            if not isinstance(node, ast.ClassDef):
                continue
            values = {
                statement.targets[0].id: statement.value
                for statement in node.body
                if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
            }
            if isinstance(values.get("model_type"), ast.Constant) and values["model_type"].value:
                yield file.parent, values["model_type"].value, node, values


def is_vision(model_type, node):
    return bool(re.search("[Vv]ision|ViT|[Vv]ideo", node.name + model_type)) and "text" not in model_type


def is_other(model_type, node):
    return bool(re.search("[Aa]udio|Code2Wav|DiT|BigVGAN|Mask[dD]ecoder|Depth|Encoder$", node.name + model_type))


def speaks_of_rope(node):
    return bool(re.search("rope|rotary", ast.unparse(node)))


def derived_layouts():
    """{model_type: layout} for every model type whose code shows one."""
    found = {}
    of_rope = {folder for folder, _, node, _ in configurations() if speaks_of_rope(node)}
    for folder, model_type, node, _ in configurations():
        whole = model_type == folder.name and folder in of_rope
        if is_other(model_type, node) or not (speaks_of_rope(node) or whole):
            continue
        layout = layouts_of(folder)["vision" if is_vision(model_type, node) else "text"]
        if layout:
            found[model_type] = layout
    return found


def derived_axial():
    return {
        model_type
        for _, model_type, _, values in configurations()
        if "default_rope_type" in values and ast.literal_eval(values["default_rope_type"]) == "axial"
    }


def derived_interleaved_sections():
    """Families whose code strides over M-RoPE's axes, whatever the configuration says."""
    folders = {file.parent for file in MODELS.glob("*/modeling_*.py") if "mrope_section[dim] * 3" in file.read_text()}
    return {
        model_type
        for folder, model_type, node, _ in configurations()
        if folder in folders and not is_vision(model_type, node) and not is_other(model_type, node)
        and (speaks_of_rope(node) or model_type == folder.name)
    }


def derived_default_bases():
    """Bases that transformers assumes where a configuration has none, unless it is 10000."""
    found = {}
    for _, model_type, _, values in configurations():
        if "default_theta" in values:
            base = ast.literal_eval(values["default_theta"])
            for layer, value in base.items() if isinstance(base, dict) else [(None, base)]:
                layer = {"global": "full_attention", "local": "sliding_attention"}.get(layer, layer)
                if value != 10000:
                    found[f"{model_type}/{layer}" if layer else model_type] = float(value)
    return found


def derived_default_fractions():
    """Rotary fractions that transformers assumes where a configuration has none, unless it is 1."""
    found = {}
    for _, model_type, node, _ in configurations():
        text = ast.unparse(node)
        stated = re.findall(
            r"setdefault\('partial_rotary_factor', (?:kwargs\.pop\('rotary_pct', )?([\d.]+)\)"
            r"|kwargs\['partial_rotary_factor'\] = ([\d.]+)",
            text,
        )
        fractions = {float(a or b) for a, b in stated} - {1.0}
        if len(fractions) == 1:
            found[model_type] = fractions.pop()
    return found


def test_table_of_layouts():
    derived = derived_layouts()
    assert {name for name, layout in derived.items() if layout == "interleaved"} == _layouts.INTERLEAVED
    assert {name for name, layout in derived.items() if layout == "half"} == _layouts.HALF
    # Known from the models' papers and reports of mixed-up layouts; so the derivation reads what it should.
    known = {"llama": "half", "gpt_neox": "half", "qwen3": "half", "gptj": "interleaved", "cohere": "interleaved"}
    known |= {"deepseek_v3": "interleaved", "glm4": "interleaved", "llama4_text": "interleaved", "phi3": "half"}
    assert {name: derived[name] for name in known} == known
    assert "bloom" not in derived and "t5" not in derived and "vjepa2" not in derived


def test_table_of_axial_families():
    assert derived_axial() == _layouts.AXIAL


def test_table_of_interleaved_sections():
    assert derived_interleaved_sections() == _layouts.INTERLEAVED_SECTIONS
    assert "qwen3_vl_text" in _layouts.INTERLEAVED_SECTIONS and "qwen2_vl_text" not in _layouts.INTERLEAVED_SECTIONS


def test_table_of_default_bases():
    assert derived_default_bases() == _layouts.DEFAULT_BASES


def test_table_of_default_fractions():
    assert derived_default_fractions() == _layouts.DEFAULT_FRACTIONS


def test_layout_of():
    found = [_layouts.layout_of(name) for name in ("llama", "gptj", "bloom", None)]
    assert found == ["half", "interleaved", None, None]


def printed():
    layouts = derived_layouts()

    def names(chosen):
        lines, line = [], ""
        for name in sorted(chosen):
            if len(line) + len(name) > 105:
                lines.append(line.rstrip())
                line = ""
            line += name + " "
        return "\n".join("    " + text for text in [*lines, line.rstrip()] if text)

    def numbers(table):
        return "\n".join(f'    "{name}": {value!r},' for name, value in sorted(table.items()))

    return f'''"""What transformers' code knows of a family and a configuration does not say.

Read off the source of transformers by tests/library/test_hf_layouts.py, which also prints this file.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


INTERLEAVED = _names(
    """
{names(name for name, layout in layouts.items() if layout == "interleaved")}
    """
)

HALF = _names(
    """
{names(name for name, layout in layouts.items() if layout == "half")}
    """
)

# The rope type that "default" means in these configurations is "axial".
AXIAL = _names(
    """
{names(derived_axial())}
    """
)

# M-RoPE's axes take turns along the pairs, whatever `mrope_interleaved` says.
INTERLEAVED_SECTIONS = _names(
    """
{names(derived_interleaved_sections())}
    """
)

# What transformers assumes where a configuration has no base, unless it is 10000: for error messages alone.
# "family/layer type" where layers differ.
DEFAULT_BASES = {{
{numbers(derived_default_bases())}
}}

# The share of a head that turns where a configuration does not say, unless it is all of it.
DEFAULT_FRACTIONS = {{
{numbers(derived_default_fractions())}
}}


def layout_of(model_type: str | None) -> str | None:
    """Return "interleaved" or "half", or None for a family that is not known."""
    if model_type in INTERLEAVED:
        return "interleaved"
    return "half" if model_type in HALF else None
'''


if __name__ == "__main__":
    print(printed(), end="")
