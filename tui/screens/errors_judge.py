"""What was judged about cases, as the screen shows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tui.widgets.case_table import JUDGED, case_key

if TYPE_CHECKING:
    from core.analysis.cases import Case
    from core.analysis.errors import View


class Judgements:
    """Verdicts and notes by case key."""

    def __init__(self) -> None:
        self.by_case: Mapping[str, str] = {}
        self._notes: dict[str, str] = {}

    @classmethod
    def read(cls, file: Path) -> Judgements:
        return cls()

    def verdict(self, case: Case) -> str:
        return self.by_case.get(case_key(case), "")

    def words(self, case: Case) -> tuple[str, str]:
        """What to say about a case, and in which tone."""
        verdict = self.verdict(case)
        if not verdict:
            return "judged: – (1 model wrong, 2 label wrong, 3 unclear)", "muted"
        note = self._notes.get(case_key(case), "")
        return f"judged: {JUDGED[verdict]}{f' · {note}' if note else ''}", "accent"

    def judge(self, view: View, case: Case, verdict: str, note: str | None) -> None:
        self.by_case = {**self.by_case, case_key(case): verdict}
        if note is not None:
            self._notes[case_key(case)] = note
