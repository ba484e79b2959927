"""The configs, each with its runs counted by state; the first row stands for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core import humanise
from tui.theme import STATE_TONES
from tui.widgets.columns import ANY, Column
from tui.widgets.line_table import LineTable, Span

if TYPE_CHECKING:
    from core.store.records import RunSummary

ALL = ""
_SHOWN = ("running", "stopping", "starting", "queued", "failed", "lost", "stopped", "finished")


@dataclass(frozen=True)
class ConfigRow:
    """`name` is the config's file name without suffix, or ALL; `exists` is False when only runs are left."""

    name: str
    counts: Mapping[str, int] = field(default_factory=dict)
    exists: bool = True


class ConfigList(LineTable[ConfigRow]):
    HEADER = False

    def key(self, row: ConfigRow) -> str:
        return row.name or "*"

    def declared(self) -> list[Column]:
        counts = max((sum(len(text) for text, _ in _counts(row)) for row in self.rows), default=0)
        return [
            Column("cursor", "", 1),
            Column("name", "config", 6, middle=True, max=ANY),
            Column("counts", "runs", min(counts, 6), "right", max=counts),
        ]

    def cells(self, row: ConfigRow) -> dict[str, Sequence[Span] | Span]:
        return {
            "cursor": ("▸" if self.key(row) == self.cursor_key else " ", "text"),
            "name": (row.name or "all runs", "text" if row.exists else "muted"),
            "counts": _counts(row),
        }


def config_rows(configs: Sequence[str], runs: Sequence[RunSummary]) -> list[ConfigRow]:
    """One row for all runs, one a config file, one a config that only old runs remember."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in configs}
    total: Counter[str] = Counter()
    for run in runs:
        if run.config:
            counts.setdefault(run.config, Counter())[run.state] += 1
        total[run.state] += 1
    known = set(configs)
    return [
        ConfigRow(ALL, total),
        *(ConfigRow(name, count, name in known) for name, count in counts.items()),
    ]


def state_counts(counts: Mapping[str, int]) -> list[Span]:
    """`●1 ✓3`, what needs attention first; with a space between sign and number for the title line."""
    return [
        (f"{humanise.state_glyph(state)}{counts[state]} ", STATE_TONES[state])
        for state in _SHOWN
        if counts.get(state)
    ]


def _counts(row: ConfigRow) -> list[Span]:
    spans = state_counts(row.counts)
    if row.name == ALL and not spans:
        return [("–", "muted"), ("", "text")]
    return [*spans[:3], ("", "text")]
