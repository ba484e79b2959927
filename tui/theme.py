"""Colours: two themes, and the rich styles that line widgets draw with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

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


@lru_cache(maxsize=32)
def _palette(colors: tuple[str, ...], dark: bool) -> Palette:
    foreground, background, accent, good, warning, bad = (Color.parse(color) for color in colors)

    def style(color: Color, bold: bool | None = None) -> Style:
        return Style(color=RichColor.from_rgb(*color.rgb), bold=bold)

    return Palette(
        text=style(foreground),
        muted=style(background.blend(foreground, 0.62)),
        faint=style(background.blend(foreground, 0.4)),
        accent=style(accent),
        good=style(good),
        warning=style(warning),
        bad=style(bad),
        strong=style(foreground, bold=True),
        title=style(foreground, bold=True),
        cursor=style(foreground) + Style(reverse=True),
        cursor_away=Style(bold=True, underline=True),
        series=tuple(style(Color.parse(color)) for color in (_SERIES_DARK if dark else _SERIES_LIGHT)),
        ramp=tuple(style(Color.parse(color)) for color in (_RAMP_DARK if dark else _RAMP_LIGHT)),
        roles={role: style(Color.parse(pair[not dark])) for role, pair in ROLES.items()},
    )


def palette(theme: Theme) -> Palette:
    """The styles that go with a Textual theme, ours or any other."""
    dark = theme.dark
    base = DARK if dark else LIGHT
    return _palette(
        (
            _plain(theme.foreground, base.foreground),
            _plain(theme.background, base.background),
            _plain(theme.accent or theme.primary, base.accent),
            _plain(theme.success, base.success),
            _plain(theme.warning, base.warning),
            _plain(theme.error, base.error),
        ),
        dark,
    )


def default_theme() -> str:
    """`$TEXTUAL_THEME`, else light when the terminal says so (`$COLORFGBG`), else dark."""
    if chosen := os.environ.get("TEXTUAL_THEME"):
        return chosen
    background = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT.name if background in ("7", "15") else DARK.name


def _plain(color: str | None, otherwise: str | None) -> str:
    """`color` when it is a plain one; ANSI themes name colours of the terminal, whose values nobody knows."""
    if color and not color.startswith("ansi_"):
        return color
    return otherwise or "#808080"
