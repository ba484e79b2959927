"""The lines at the top and the bottom: where you are and how things stand; what the keys do here."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from tui import theme
from tui.cell_text import crop, cut

Span = tuple[str, str]


class Link(str):
    """Words of a SpanLine that do an `action` of its screen when they are clicked."""

    action = ""

    def __new__(cls, text: str, action: str) -> Link:
        made = super().__new__(cls, text)
        made.action = action
        return made


class SpanLine(Widget):
    """One line: spans at the left, spans at the right; the left gives way when they do not fit."""

    DEFAULT_CSS = "SpanLine { height: 1; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._left: Sequence[Span] = ()
        self._right: Sequence[Span] = ()
        self._places: list[tuple[int, int, str]] = []

    def show(self, left: Sequence[Span], right: Sequence[Span] = ()) -> None:
        if (self._left, self._right) != (left, right):
            self._left, self._right = left, right
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        colors = theme.palette(self.app.current_theme)
        right = "".join(text for text, _ in self._right)
        room = max(width - cell_len(right) - 1, 0) if right else width
        segments: list[Segment] = []
        for text, tone in self._left:
            piece = cut(text, room)
            if piece.strip() == "…" and piece != text:
                # Right behind a number it would read as the rest of it.
                break
            segments.append(Segment(piece, colors.tone(tone)))
            room -= sum(segment.cell_length for segment in segments[-1:])
        left = sum(segment.cell_length for segment in segments)
        self._places = [*_links(self._left, 0), *_links(self._right, max(width - cell_len(right), left))]
        if self._right:
            segments.append(Segment(" " * max(width - left - cell_len(right), 0), Style.null()))
            segments += [Segment(text, colors.tone(tone)) for text, tone in self._right]
        return crop(Strip(segments), width).apply_style(self.visual_style.rich_style)

    async def on_click(self, event: events.Click) -> None:
        for start, end, action in self._places:
            if start <= event.x < end:
                await self.app.run_action(action, self.screen)
                return


def _links(spans: Sequence[Span], at: int) -> list[tuple[int, int, str]]:
    """First cell, the one behind the last, and action of what can be clicked; spans begin at `at`."""
    extents = []
    for text, _ in spans:
        end = at + cell_len(text)
        if isinstance(text, Link):
            extents.append((at, end, text.action))
        at = end
    return extents


class KeyBar(Widget):
    """The keys that work here and now, most useful first, as many as fit; a click presses one."""

    DEFAULT_CSS = "KeyBar { height: 1; width: 1fr; dock: bottom; }"

    def __init__(self) -> None:
        super().__init__()
        self._places: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, _: object) -> None:
        self.refresh()

    def _entries(self) -> list[tuple[str, str, str]]:
        """Key as shown, description and action of every binding meant for the footer."""
        entries: dict[str, tuple[str, str, str]] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and active.enabled and binding.action not in entries:
                shown = binding.key_display or self.app.get_key_display(binding)
                entries[binding.action] = (shown, binding.description, binding.action)
        order = getattr(self.screen, "KEY_ORDER", ())
        rank = {action: place for place, action in enumerate(order)}
        return sorted(entries.values(), key=lambda entry: rank.get(entry[2], len(rank)))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        colors = theme.palette(self.app.current_theme)
        self._places = []
        help_text = [(" ?", colors.accent), (" help ", colors.muted)]
        room = width - sum(len(text) for text, _ in help_text)
        segments: list[Segment] = []
        used = 0
        for key, description, action in self._entries():
            if action in ("app.help", "help"):
                continue
            size = len(key) + len(description) + 3
            if used + size > room:
                break
            segments += [Segment(f" {key}", colors.accent), Segment(f" {description} ", colors.muted)]
            self._places.append((used, used + size, action))
            used += size
        self._places.append((used, used + 7, "app.help"))
        segments += [Segment(text, style) for text, style in help_text]
        line = crop(Strip(segments), width)
        return line.apply_style(self.visual_style.rich_style)

    async def on_click(self, event: events.Click) -> None:
        for start, end, action in self._places:
            if start <= event.x < end:
                await self.app.run_action(action, self.screen)
                return


class TabLine(Widget):
    """Names of panes in a row, the current one marked; a click chooses."""

    DEFAULT_CSS = "TabLine { height: 1; width: 1fr; }"

    def __init__(self, names: Sequence[tuple[str, str]], action: str, *, id: str | None = None) -> None:
        """`names` are (pane, title); a click runs `action` of the screen with the pane."""
        super().__init__(id=id)
        self._names = names
        self._action = action
        self._current = names[0][0] if names else ""

    def choose(self, pane: str) -> None:
        self._current = pane
        self.refresh()

    def render_line(self, y: int) -> Strip:
        colors = theme.palette(self.app.current_theme)
        segments = [Segment(" ", Style.null())]
        for number, (pane, title) in enumerate(self._names, 1):
            here = pane == self._current
            segments.append(Segment(f" {number} ", colors.accent if here else colors.faint))
            style = colors.strong + Style(underline=True) if here else colors.muted
            segments += [Segment(title, style), Segment("  ", Style.null())]
        width = self.size.width
        return crop(Strip(segments), width).apply_style(self.visual_style.rich_style)

    async def on_click(self, event: events.Click) -> None:
        left = 1
        for pane, title in self._names:
            size = len(title) + 5
            if left <= event.x < left + size:
                await self.app.run_action(f"{self._action}('{pane}')", self.screen)
                return
            left += size
