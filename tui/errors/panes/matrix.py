"""The confusion matrix: its cells choose the cases, its groups open."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widget import Widget

from tui.errors.panes.base import Pane
from tui.widgets.bars import KeyBar
from tui.widgets.filter_line import FilterLine
from tui.widgets.matrix import Matrix
from tui.widgets.matrix_counts import NO_COUNTS
from tui.widgets.matrix_draw import comfortable

TITLE = "Matrix  truth ↓  prediction →"


class MatrixPane(Pane):
    KEYS: ClassVar[tuple[Binding, ...]] = (
        Binding(
            "space",
            "open_group",
            "open group",
            key_display="space",
            tooltip="open the group: only its classes",
        ),
        Binding(
            "slash",
            "filter",
            "classes",
            key_display="/",
            tooltip="only classes with these letters in their names",
        ),
    )

    def compose(self) -> ComposeResult:
        yield Matrix(id="matrix", empty="reading …")

    @property
    def matrix(self) -> Matrix:
        return self.query_one("#matrix", Matrix)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "filter":
            return self.model.on_matrix and self.model.has_truth
        if action == "open_group":
            return self.model.on_matrix and self.model.grouped is not None
        return True

    def view_changed(self) -> None:
        self.matrix.show(self.model.counts)
        self._leave_room()

    def on_resize(self) -> None:
        self._leave_room()

    def _leave_room(self) -> None:
        """In a wide terminal, what few classes do not need goes to cases and picture."""
        if isinstance(self.parent, Widget):
            narrows = self.screen.has_class("-wide") and self.model.has_truth
            self.parent.styles.max_width = comfortable(self.model.counts) + 2 if narrows else None

    def say(self, sentence: str) -> None:
        self.matrix.empty = sentence
        self.matrix.show(NO_COUNTS)

    @on(Matrix.Moved)
    def _moved(self, event: Matrix.Moved) -> None:
        if not self.model.chosen_elsewhere or self.matrix.has_focus:
            self.conductor.list_cases(self.model.cell_query(event.cell))

    @on(Matrix.Chosen)
    def _chosen(self) -> None:
        self.conductor.show_step("cases")

    @on(Matrix.Looks)
    def _looks_changed(self) -> None:
        self.conductor.show_top()

    def list_cell(self) -> None:
        """List the cases of the cell under the cursor."""
        self.conductor.list_cases(self.model.cell_query(self.matrix.cell))

    def action_open_group(self) -> None:
        """From a group to the classes in it."""
        classes = self.model.group_members(self.matrix.cell)
        if classes is not None:
            self.conductor.group_by(0, classes)

    # -- classes by name

    def action_filter(self) -> None:
        if not self.screen.query(FilterLine):
            line = FilterLine("")
            line.placeholder = "part of a class name"
            self.screen.mount(line, before=self.screen.query_one(KeyBar))
            line.focus()

    def filter_by(self, text: str) -> None:
        """Show classes with all words of `text` in their names."""
        words = text.lower().split()
        names = self.matrix.counts.names
        matching = frozenset(
            number for number, name in enumerate(names) if all(word in name.lower() for word in words)
        )
        self.show_classes(matching if words and matching else None)

    def show_classes(self, only: frozenset[int] | None) -> None:
        """Only rows of some classes; None: all."""
        self.matrix.filter(only)
        self.conductor.show_top()
