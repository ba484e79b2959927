"""The trials of a study, best first: mean and spread, and what is known against the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tui.widgets.columns import ANY, Column
from tui.widgets.line_table import LineTable, Span

_SIGN, _LONGEST, _LEVEL = 5, 32, 18
_ALWAYS = 2
"""Numbers that are always shown: n and the metric."""
_VERDICT = 33
"""Cells that the last column does not give up for further numbers."""
_BOTH = 61
"""Cells in which difference and verdict stand side by side; with fewer, the verdict stands first."""


@dataclass(frozen=True)
class TrialRow:
    """`rank` counts trials with a value, `glyph` says how those without one stand.

    `numbers` are n, the metric and what else the header names; `difference` and `verdict` are against the
    best.
    """

    name: str
    levels: tuple[str, ...]
    rank: int | None
    glyph: str
    tone: str
    numbers: tuple[str, ...]
    difference: str
    verdict: str


class TrialTable(LineTable[TrialRow]):
    """`marks` gives letter and series colour of marked trials; `names` titles the levels and numbers."""

    BAR = True
    marks: Mapping[str, tuple[str, int]] = {}
    factors: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    baseline = ""
    _widths: tuple[int, ...] = ()
    _firsts: tuple[int, ...] = ()

    def key(self, row: TrialRow) -> str:
        return row.name

    @property
    def labels(self) -> dict[str, str]:
        """Names of trials as their columns have them."""
        return {row.name: " ".join(row.levels) for row in self.rows} if self.factors else {}

    def set_rows(self, rows: Sequence[TrialRow]) -> None:
        """Show `rows`, with columns as wide as what they hold."""
        self._widths = tuple(
            max([len(title), *(len(row.numbers[place]) for row in rows)])
            for place, title in enumerate(self.titles)
        )
        if self.factors:
            self._firsts = tuple(
                min(max([cell_len(title), *(cell_len(row.levels[place]) for row in rows)]), _LEVEL)
                for place, title in enumerate(self.factors)
            )
        else:
            self._firsts = (min(max([5, *(cell_len(row.name) for row in rows)]), _LONGEST),)
        super().set_rows(rows)

    def declared(self) -> list[Column]:
        """Sign, what varies, n and the metric always; then further numbers as far as a verdict has room."""
        titles = self.factors or ("trial",)
        firsts = self._firsts or (8,) * len(titles)
        numbers = list(zip(self.titles, self._widths, strict=False))
        kept = _VERDICT - 8 + sum(max(size - 8, 0) for size in firsts)
        title = f"against {self.baseline}" if self.baseline else ""
        return [
            Column("sign", "", _SIGN),
            *(
                Column(f"first{place}", name, min(size, 8), middle=True, max=size, share=4 / len(titles))
                for place, (name, size) in enumerate(zip(titles, firsts, strict=True))
            ),
            *(
                Column(f"number{place}", name, size, "right")
                for place, (name, size) in enumerate(numbers[:_ALWAYS])
            ),
            *(
                Column(
                    *(f"number{place}", name, size, "right"),
                    priority=place,
                    spare=kept,
                    after=f"number{place - 1}",
                )
                for place, (name, size) in enumerate(numbers[_ALWAYS:], _ALWAYS)
            ),
            Column("verdict", title, 8, max=ANY, share=4),
        ]

    def cells(self, row: TrialRow) -> dict[str, Sequence[Span] | Span]:
        letter, color = self.marks.get(row.name, (" ", 0))
        here = "▸" if row.name == self.cursor_key else " "
        rank = f"{row.rank:>2}" if row.rank is not None else f" {row.glyph}"
        parts = [part for part in (row.difference, row.verdict) if part]
        brief = 0 < self.widths.get("verdict", 0) < _BOTH
        words = "  ".join(parts[::-1] if brief else parts)
        firsts = row.levels if self.factors else (row.name,)
        return {
            "sign": [(here, "text"), (rank, row.tone), (letter, f"series{color}"), (" ", "text")],
            **{f"first{place}": (text, "text") for place, text in enumerate(firsts)},
            **{f"number{place}": (text, "text") for place, text in enumerate(row.numbers)},
            "verdict": (words, row.tone),
        }
