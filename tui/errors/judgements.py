"""What was judged about cases, as the screen shows and saves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.store import judgements as store
from core.store.judgements import Judgement

if TYPE_CHECKING:
    from core.analysis.cases import Case
    from core.analysis.errors import View
    from core.analysis.prediction_files import PredictionSet
    from core.store.paths import RunPaths

SIGNS = {"model wrong": "M", "label wrong": "L", "unclear": "?"}
NOTE = "✎"


class Judgements:
    """Verdicts and notes on one predictions file; written by threads, one at a time."""

    def __init__(self, run: RunPaths, source: PredictionSet | None, saved: Mapping[str, Judgement]) -> None:
        self._run = run
        self._source = source
        self._saved = saved

    @classmethod
    def read(cls, run: RunPaths, source: PredictionSet) -> Judgements:
        """Those that were saved. Raises DataError when their file is damaged."""
        return cls(run, source, store.read_judgements(source.file))

    def on(self, view: View, case: Case) -> Judgement | None:
        """What was judged about a case, if anything."""
        if not self._saved:
            return None
        from core.analysis.judged import judgement_of

        return self._saved.get(judgement_of(view, case).key)

    def sign(self, view: View, case: Case) -> str:
        """One letter for a table."""
        judgement = self.on(view, case)
        return "" if judgement is None else SIGNS.get(judgement.verdict, NOTE)

    def words(self, view: View, case: Case) -> tuple[str, str]:
        """What to say about a case, and in which tone."""
        judgement = self.on(view, case)
        if judgement is None:
            return "judged: – 1 model 2 label 3 unclear", "muted"
        parts = [judgement.verdict or "–", *([" ".join(judgement.note.split())] if judgement.note else [])]
        return f"judged: {' · '.join(parts)}", "accent"

    def judge(self, view: View, case: Case, verdict: str | None, note: str | None) -> Judgements:
        """Save; None keeps what is there. Raises LabError, OSError."""
        from core.analysis.judged import judgement_of

        assert self._source is not None, "only what was read can be judged"
        before = self.on(view, case)
        verdict = verdict if verdict is not None else before.verdict if before is not None else ""
        note = note if note is not None else before.note if before is not None else ""
        store.judge(self._run, self._source.file, judgement_of(view, case, verdict, note))
        return Judgements.read(self._run, self._source)
