"""The wavelengths of a model's pairs as an inline SVG: pairs to the right, wavelength upwards on a log scale."""

from __future__ import annotations

import html
import math

from posenc_lib.frequencies._explain import _rotation as did
from posenc_lib.frequencies._explain._numbers import exact, number, runs
from posenc_lib.frequencies._explain._rotation import Rotation

_WIDTH, _HEIGHT = 600, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 34, 250
# Shape, colour (each at least 3 : 1 against white and against near-black) and word of each effect. The shape is drawn
# around (0, 0).
_MARKS = {
    did.KEPT: ('<circle r="3.5" fill="none" stroke-width="1.6"/>', "#2a8a52", "kept"),
    did.BLENDED: ('<path d="M0-4.5L4.5 0L0 4.5L-4.5 0Z"/>', "#b8741a", "blended"),
    did.DIVIDED: ('<rect x="-3.3" y="-3.3" width="6.6" height="6.6"/>', "#d1495b", "divided"),
    did.RESCALED: ('<path d="M0-4.4L4.2 3.2H-4.2Z"/>', "#7a6fd0", "rescaled"),
    did.UNTURNED: ('<path d="M-3-3L3 3M-3 3L3-3" stroke-width="1.6"/>', "#7f858e", "does not turn"),
}


def draw(rotation: Rotation) -> str:
    """Return the SVG. It takes its ink from the page, and its description says in words what it shows."""
    scale = _Scale(rotation)
    parts = [
        _axes(rotation, scale),
        _ladder(rotation, scale),
        *(_mark(scale, pair, effect) for pair, effect in enumerate(rotation.effects)),
        _lengths(rotation, scale),
        _legend(rotation),
    ]
    name = f"Wavelength of each of {len(rotation.effects)} pairs, base {exact(rotation.spec.base)}"
    return (
        f'<svg role="img" aria-label="{html.escape(name)}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'xmlns="http://www.w3.org/2000/svg" fill="currentColor" font-size="12" font-family="sans-serif">'
        f"<title>{html.escape(name)}</title><desc>{html.escape(_description(rotation))}</desc>{''.join(parts)}</svg>"
    )


class _Scale:
    """Where a pair and a wavelength lie on the picture."""

    def __init__(self, rotation: Rotation) -> None:
        self.wavelengths = rotation.wavelengths
        turning = self.wavelengths[self.wavelengths < math.inf]
        ends = [*turning, *rotation.trained_wavelengths[rotation.trained_wavelengths < math.inf]]
        ends += [length for length in (rotation.trained_length, rotation.spec.max_length) if length]
        self.decades = max(math.ceil(math.log10(max(ends)) + 0.1), 2)
        self.step = (_WIDTH - _LEFT - _RIGHT) / len(self.wavelengths)

    @property
    def ticks(self) -> range:
        """The powers of ten that are written beside the axis."""
        return range(0, self.decades + 1, 1 if self.decades < 8 else 2)

    def x(self, pair: float) -> float:
        return _LEFT + (pair + 0.5) * self.step

    def y(self, wavelength: float) -> float:
        """Position 1 lies at the bottom; a pair that never comes around, on the upper edge."""
        if math.isinf(wavelength):
            return _TOP
        return _BOTTOM - (_BOTTOM - _TOP) * math.log10(wavelength) / self.decades


def _axes(rotation: Rotation, scale: _Scale) -> str:
    last = len(rotation.effects) - 1
    edges = f"M{_LEFT} {_TOP}V{_BOTTOM}H{_WIDTH - _RIGHT}"
    return "".join(
        [
            f'<path d="{edges}" fill="none" stroke="currentColor" stroke-opacity="0.6"/>',
            *(_text(_LEFT - 6, scale.y(10.0**decade) + 4, _power(decade), "end") for decade in scale.ticks),
            *(_text(scale.x(pair), _BOTTOM + 16, str(pair), "middle") for pair in sorted({0, last // 2, last})),
            _text(_LEFT, 14, "wavelength in positions per turn", "start"),
            _text(_WIDTH - _RIGHT, _BOTTOM + 32, "pair", "end"),
        ]
    )


def _ladder(rotation: Rotation, scale: _Scale) -> str:
    """The unscaled ladder as a thin line, where scaling left it."""
    if not _scaled(rotation):
        return ""
    points = " ".join(
        f"{scale.x(pair):.1f},{scale.y(wavelength):.1f}"
        for pair, wavelength in enumerate(rotation.trained_wavelengths)
        if wavelength < math.inf
    )
    return f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-opacity="0.6"/>'


def _scaled(rotation: Rotation) -> bool:
    return not set(rotation.effects) <= {did.KEPT, did.UNTURNED}


def _mark(scale: _Scale, pair: int, effect: str) -> str:
    shape, colour, _ = _MARKS[effect]
    place = f"{scale.x(pair):.1f} {scale.y(float(scale.wavelengths[pair])):.1f}"
    return f'<g class="{effect}" transform="translate({place})" fill="{colour}" stroke="{colour}">{shape}</g>'


def _lengths(rotation: Rotation, scale: _Scale) -> str:
    """The training length as a dashed line, and a dotted one for what it was extended to."""
    trained, longest = rotation.trained_length, rotation.spec.max_length
    lines = []
    if trained:
        lines.append(_line("training", trained, "7 4", f"training length {trained}", 14, scale))
    if trained and longest and longest != trained:
        lines.append(_line("extended", longest, "2 4", f"extended to {longest}", -5, scale))
    return "".join(lines)


def _line(name: str, length: int, dashes: str, words: str, below: int, scale: _Scale) -> str:
    """A line across the picture; its words stand `below` units under it, so that two lines' words never meet."""
    y = scale.y(length)
    return (
        f'<path class="{name}" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" fill="none" stroke="currentColor" '
        f'stroke-dasharray="{dashes}"/>' + _text(_LEFT + 6, y + below, words, "start")
    )


def _legend(rotation: Rotation) -> str:
    shown = [effect for effect in _MARKS if effect in rotation.effects]
    entries = []
    for place, effect in enumerate(shown):
        shape, colour, word = _MARKS[effect]
        x = _LEFT + 8 + 100 * place
        entries.append(f'<g transform="translate({x} {_BOTTOM + 40})" fill="{colour}" stroke="{colour}">{shape}</g>')
        entries.append(_text(x + 9, _BOTTOM + 44, word, "start"))
    if _scaled(rotation):
        x = _LEFT + 8 + 100 * len(shown)
        entries.append(f'<path d="M{x - 6} {_BOTTOM + 40}h16" stroke="currentColor" stroke-opacity="0.6"/>')
        entries.append(_text(x + 15, _BOTTOM + 44, "before scaling", "start"))
    return "".join(entries)


def _description(rotation: Rotation) -> str:
    turning = rotation.wavelengths[rotation.wavelengths < math.inf]
    said = [f"Wavelengths rise from {number(turning.min())} to {number(turning.max())} positions."]
    for effect, (_, _, word) in _MARKS.items():
        if rotation.pairs(effect):
            said.append(f"{word.capitalize()}: pairs {runs(rotation.pairs(effect))}.")
    if rotation.full_turns is not None:
        said.append(
            f"The training length of {rotation.trained_length} positions lies above {len(rotation.full_turns)} of "
            f"{len(rotation.effects)} pairs of the unscaled ladder."
        )
    return " ".join(said)


def _power(decade: int) -> str:
    return "1" if decade == 0 else f'10<tspan dy="-4" font-size="9">{decade}</tspan>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'
