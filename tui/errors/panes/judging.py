"""Verdicts and notes on the case that is looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import LabError
from tui.errors.judgements import Judgements
from tui.errors.panes.picture import PictureStep

if TYPE_CHECKING:
    from core.analysis.cases import Case
    from core.analysis.errors import View
    from core.store.records import RunSummary


class Verdicts(PictureStep):
    def __init__(self, run: RunSummary, root: Path, checkpoint: str = "") -> None:
        super().__init__(run, root, checkpoint)
        self._to_judge: list[Callable[[], Judgements | LabError | OSError]] = []
        self._judging = False

    @property
    def judged_case(self) -> Case | None:
        """The case that a verdict would be about."""
        sight = self.sight()
        return sight.case if sight is not None else None

    def action_judge(self, verdict: str) -> None:
        case, view = self.judged_case, self.view
        if case is not None and view is not None:
            before = self.judged.on(view, case)
            again = before is not None and before.verdict == verdict
            self._judge(case, "" if again else verdict, None)

    def action_note(self) -> None:
        from tui.dialogs.choose import Choice, ChooseDialog

        case, view = self.judged_case, self.view
        if case is None or view is None:
            return
        before = self.judged.on(view, case)
        choices = [Choice(before.note, "as it is")] if before is not None and before.note else []

        def noted(text: str | None) -> None:
            if text is not None:
                self._judge(case, None, text)

        self.app.push_screen(ChooseDialog("A note on this case", choices, free="type a sentence"), noted)

    def _judge(self, case: Case, verdict: str | None, note: str | None) -> None:
        """Save in a thread, in turn: each starts from what the one before has left."""
        view = self.view
        if view is not None:
            self._to_judge.append(lambda: self._saved(view, case, verdict, note))
            self._judge_next()

    def _judge_next(self) -> None:
        if self._to_judge and not self._judging:
            self._judging = True
            self.lab.perform(self._to_judge.pop(0), self._have_judged)

    def _saved(
        self, view: View, case: Case, verdict: str | None, note: str | None
    ) -> Judgements | LabError | OSError:
        try:
            return self.judged.judge(view, case, verdict, note)
        except (LabError, OSError) as error:
            return error

    def _have_judged(self, judged: Judgements | LabError | OSError) -> None:
        self._judging = False
        if not self.is_attached:
            return
        if not isinstance(judged, Judgements):
            self._to_judge.clear()
            self.lab.show_error(judged)
            return
        self.judged = judged
        self.cases.refresh_changed()
        self.say_about()
        self._judge_next()
