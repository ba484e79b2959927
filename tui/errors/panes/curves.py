"""Precision against recall, of a class or of all together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult

from tui.errors.panes.base import Pane
from tui.widgets.case_curve import CurveView

if TYPE_CHECKING:
    from core.analysis.curves import Curve
    from core.analysis.errors import View


class CurvesPane(Pane):
    _label: int | None = None

    def compose(self) -> ComposeResult:
        yield CurveView(id="pr")

    @property
    def chart(self) -> CurveView:
        return self.query_one("#pr", CurveView)

    def show_page(self) -> None:
        if self._label != self.model.curve_class:
            self.outdate()
        super().show_page()

    def fill(self, view: View) -> None:
        self._label = label = self.model.curve_class
        make = partial(_curve, view, label, self.model.group_words)
        self.conductor.newest.ask("page pr", make, partial(self._show, view, label))

    def _show(self, view: View, label: int | None, curve: Curve) -> None:
        model = self.model
        if view is model.view and label == model.curve_class:
            together = f"all {'groups' if model.grouped is not None else 'classes'} together"
            self.chart.show(curve, together if label is None else model.names[label], view.score)

    def say(self, sentence: str) -> None:
        self.chart.say(sentence)

    @on(CurveView.Stepped)
    def _stepped(self, event: CurveView.Stepped) -> None:
        if self.model.view is not None:
            self.model.step_class(event.by)
            self.conductor.show_page()


def _curve(view: View, label: int | None, words: int) -> Curve:
    return (view.in_groups(words) if words else view).pr_curve(label)
