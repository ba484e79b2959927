"""Verdicts and notes on the case that is looked at."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding

from core.errors import LabError
from tui.errors.judgements import Judgements
from tui.errors.model import ErrorsModel
from tui.errors.panes.base import Conductor, Pane
from tui.widgets.bars import SpanLine
from tui.widgets.case_words import image_name

if TYPE_CHECKING:
    from core.analysis.cases import Case
    from core.analysis.errors import View

Outcome = Judgements | LabError | OSError


class JudgingPane(Pane):
    """A line with what was judged; where nothing can be, with the name of the image."""

    KEYS: ClassVar[tuple[Binding, ...]] = (
        Binding(
            "1", "judge('model wrong')", "model wrong", tooltip="judge: the model is wrong; again: no verdict"
        ),
        Binding("2", "judge('label wrong')", "label wrong", tooltip="judge: the label is wrong"),
        Binding("3", "judge('unclear')", "unclear", tooltip="judge: unclear"),
        Binding("m", "note", "note", tooltip="a note on this case"),
    )

    def __init__(self, model: ErrorsModel, conductor: Conductor, *, id: str) -> None:
        super().__init__(model, conductor, id=id)
        self._to_save: list[Callable[[], Outcome]] = []
        self._saving = False

    def compose(self) -> ComposeResult:
        yield SpanLine(id="verdict")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("judge", "note"):
            return self.model.on_list and self.model.has_truth
        return True

    def show_verdict(self) -> None:
        """Say what was judged about the case that is looked at."""
        view, sight = self.model.view, self.conductor.sight
        line = self.query_one("#verdict", SpanLine)
        if sight is None or view is None:
            line.show([])
            return
        case = self._case
        words, tone = self.model.judged.words(view, case) if case is not None else ("", "muted")
        # Of two models it is the first one that is judged.
        words = f"A {words}" if words and self.model.compares else words
        line.show([(f" {words or image_name(view.errors.paths[sight.image])}", tone)])

    def action_judge(self, verdict: str) -> None:
        case, view = self._case, self.model.view
        if case is not None and view is not None:
            before = self.model.judged.on(view, case)
            again = before is not None and before.verdict == verdict
            self._save(view, case, "" if again else verdict, None)

    def action_note(self) -> None:
        from tui.dialogs.choose import Choice, ChooseDialog

        case, view = self._case, self.model.view
        if case is None or view is None:
            return
        before = self.model.judged.on(view, case)
        choices = [Choice(before.note, "current note")] if before is not None and before.note else []

        def noted(text: str | None) -> None:
            current = self.model.view
            if text is not None and current is not None:
                self._save(current, case, None, text)

        self.app.push_screen(ChooseDialog("A note on this case", choices, free="type a sentence"), noted)

    @property
    def _case(self) -> Case | None:
        """The case that a verdict would be about; of an object of two models, what the first one does."""
        sight, view = self.conductor.sight, self.model.view
        if sight is None or view is None or sight.case is not None or sight.object is None:
            return sight.case if sight is not None else None
        from core.analysis.cases import case_of_object

        return case_of_object(view.image(sight.image), sight.object)

    def _save(self, view: View, case: Case, verdict: str | None, note: str | None) -> None:
        """In threads, in turn: each starts from what the one before has left."""
        self._to_save.append(partial(self._saved, view, case, verdict, note))
        self._save_next()

    def _save_next(self) -> None:
        if self._to_save and not self._saving:
            self._saving = True
            self.lab.perform(self._to_save.pop(0), self._have_saved)

    def _saved(self, view: View, case: Case, verdict: str | None, note: str | None) -> Outcome:
        try:
            return self.model.judged.judge(view, case, verdict, note)
        except (LabError, OSError) as error:
            return error

    def _have_saved(self, outcome: Outcome) -> None:
        self._saving = False
        if not self.is_attached:
            return
        if not isinstance(outcome, Judgements):
            self._to_save.clear()
            self.lab.show_error(outcome)
            return
        self.model.judged = outcome
        self.conductor.case_judged()
        self._save_next()
