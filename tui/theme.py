"""Colours: two themes, and the rich styles that line widgets draw with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.color import Color as RichColor
from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from core.colours import ROLES

# Okabe-Ito, brightened where a dark background would swallow it, darkened where a light one would.
_SERIES_DARK = ("#56B4E9", "#E69F00", "#00C08B", "#F0E442", "#E58CC0", "#F0703A", "#7C9BFF", "#C8C8C8")
_SERIES_LIGHT = ("#0072B2", "#B45F00", "#007A59", "#7A6F00", "#A8407F", "#C24100", "#2A48B8", "#404040")
# From early to late, ever further from the background.
_RAMP_DARK = ("#6A5ACD", "#4F7FE0", "#38A5D8", "#2FBFA8", "#5CCB6B", "#A4D644", "#E6DC3C", "#FFF6B0")
_RAMP_LIGHT = ("#B39A00", "#7D9A00", "#2F8F4E", "#00808A", "#0068A8", "#3A4BB0", "#5B2A9A", "#3B0A50")

LEAST_CONTRAST = 3.0
"""Of whatever is written or drawn with its ground: https://www.w3.org/TR/WCAG22/#non-text-contrast."""
_STEPS = 50

DARK = Theme(
    name="labtui-dark",
    primary="#56B4E9",
    secondary="#3A6F91",
    accent="#56B4E9",
    warning="#E6B422",
    error=ROLES["wrong"][0],
    success=ROLES["right"][0],
    foreground="#E4E6E8",
    background="#111417",
    surface="#171B1F",
    panel="#21262B",
    dark=True,
)
LIGHT = Theme(
    name="labtui-light",
    primary="#0072B2",
    secondary="#5C8FAF",
    accent="#0072B2",
    warning="#8A6100",
    error=ROLES["wrong"][1],
    success=ROLES["right"][1],
    foreground="#1B1E21",
    background="#FAFAF8",
    surface="#F1F1EE",
    panel="#E4E4E0",
    dark=False,
)

STATE_TONES = {
    "queued": "muted",
    "starting": "accent",
    "running": "accent",
    "stopping": "warning",
    "finished": "good",
    "stopped": "muted",
    "failed": "bad",
    "lost": "bad",
}


@dataclass(frozen=True)
class Palette:
    """Foreground styles by tone; the background comes from the widget."""

    text: Style
    muted: Style
    faint: Style
    accent: Style
    good: Style
    warning: Style
    bad: Style
    strong: Style
    title: Style
    cursor: Style
    cursor_away: Style
    series: tuple[Style, ...]
    ramp: tuple[Style, ...]
    roles: Mapping[str, Style]

    def tone(self, name: str) -> Style:
        """The style called `name`, or that of series 3 for `series3`."""
        if name in self.roles:
            return self.roles[name]
        if name.startswith("series"):
            return self.series[int(name[6:]) % len(self.series)]
        style: Style = getattr(self, name)
        return style

    def state(self, state: str) -> Style:
        return self.tone(STATE_TONES.get(state, "text"))


def _palette(theme: Theme) -> Palette:
    base, colors = (DARK, _SERIES_DARK) if theme.dark else (LIGHT, _SERIES_LIGHT)
    grounds = _grounds(theme, base)
    foreground = Color.parse(_plain(theme.foreground, base.foreground))

    def style(color: Color | str, bold: bool | None = None, on: Sequence[Color] = grounds) -> Style:
        color = Color.parse(color) if isinstance(color, str) else color
        return Style(color=RichColor.from_rgb(*readable(color, on).rgb), bold=bold)

    return Palette(
        text=style(foreground),
        muted=style(grounds[0].blend(foreground, 0.62)),
        faint=style(grounds[0].blend(foreground, 0.4), on=grounds[:1]),
        accent=style(_plain(theme.accent or theme.primary, base.accent)),
        good=style(_plain(theme.success, base.success)),
        warning=style(_plain(theme.warning, base.warning)),
        bad=style(_plain(theme.error, base.error)),
        strong=style(foreground, bold=True),
        title=style(foreground, bold=True),
        cursor=style(foreground) + Style(reverse=True),
        cursor_away=Style(bold=True, underline=True),
        series=tuple(style(color) for color in colors),
        ramp=tuple(style(color, on=grounds[:1]) for color in (_RAMP_DARK if theme.dark else _RAMP_LIGHT)),
        roles={role: style(pair[not theme.dark]) for role, pair in ROLES.items()},
    )


def palette(theme: Theme) -> Palette:
    """The styles that go with a Textual theme, ours or any other; each can be read on its grounds."""
    # Asked for every line that is drawn.
    made = _palettes.get(theme.name)
    if made is None or made[0] is not theme:
        made = _palettes[theme.name] = theme, _palette(theme)
    return made[1]


_palettes: dict[str, tuple[Theme, Palette]] = {}


def _grounds(theme: Theme, base: Theme) -> tuple[Color, ...]:
    """What is drawn on: the background first, then the surface of lists and the panel of lines."""
    made = {} if theme.name.startswith("ansi") else theme.to_color_system().generate()
    given = {"background": base.background, "surface": base.surface, "panel": base.panel}
    return tuple(Color.parse(_plain(made.get(name), color)) for name, color in given.items())


def readable(color: Color, grounds: Sequence[Color], least: float = LEAST_CONTRAST) -> Color:
    """`color`, or as little nearer to black or white as gives it that contrast with each of `grounds`."""
    ends = sorted((Color(0, 0, 0), Color(255, 255, 255)), key=lambda end: -_least(end, grounds))
    steps = (color.blend(ends[0], step / _STEPS) for step in range(_STEPS + 1))
    return next((step for step in steps if _least(step, grounds) >= least), ends[0])


def contrast(first: Color, second: Color) -> float:
    """From 1 to 21, as in WCAG 2: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    dark, bright = sorted((_luminance(first), _luminance(second)))
    return (bright + 0.05) / (dark + 0.05)


def _least(color: Color, grounds: Sequence[Color]) -> float:
    return min(contrast(color, ground) for ground in grounds)


def _luminance(color: Color) -> float:
    parts = [part / 255 for part in color.rgb]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def default_theme(kept: str = "") -> str:
    """`$TEXTUAL_THEME`, else the one that was `kept`, else light when `$COLORFGBG` says so, else dark."""
    if chosen := os.environ.get("TEXTUAL_THEME") or kept:
        return chosen
    background = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT.name if background in ("7", "15") else DARK.name


def _plain(color: str | None, otherwise: str | None) -> str:
    """`color` when it is a plain one; ANSI themes name colours of the terminal, whose values nobody knows."""
    if color and not color.startswith("ansi_"):
        return color
    return otherwise or "#808080"
