"""What the runs screen says around its tables: title line, status line, empty tables."""

from __future__ import annotations

from collections import Counter

from core import humanise
from core.store.records import RunSummary
from tui.reader import Snapshot
from tui.widgets.bars import Span
from tui.widgets.config_list import ALL, ConfigRow, state_counts
from tui.widgets.run_table import outlook


def top(path: str, snapshot: Snapshot) -> tuple[list[Span], list[Span]]:
    """The title line: where this is, how many runs are in which state, and how busy the slots are."""
    right = state_counts(Counter(map(_state, snapshot.runs)))
    if snapshot.slots:
        busy = snapshot.busy_slots
        right.append((f" slots {busy}/{snapshot.slots} busy ", "text" if busy else "muted"))
    return [(" labtui", "title"), (f"  {path}", "muted")], right


def status(run: RunSummary | None, snapshot: Snapshot) -> list[Span]:
    """The status line: the run under the cursor in one sentence, or what is wrong with reading."""
    if snapshot.problem:
        return [(f" reading the runs failed: {snapshot.problem}", "bad")]
    if run is None:
        return []
    text, tone = outlook(run)
    spans: list[Span] = [
        (f" {run.label}", "text"),
        (f"  {run.model}  ", "muted"),
        (f"{humanise.state_glyph(run.state)} {run.state}", tone if tone != "text" else "accent"),
    ]
    if text and text != run.state:
        spans.append((f"  {text}", tone))
    if run.state == "running" and run.reason:
        spans.append((f"  {run.reason}", "warning"))
    if run.state == "running" and run.id in snapshot.curves:
        from tui.chart.views import under_way

        spans.append((f"  {under_way(snapshot.curves[run.id])}", "text"))
    if run.seconds_per_epoch is not None:
        spans.append((f"  {humanise.duration(run.seconds_per_epoch)} an epoch", "muted"))
    return spans


def hint(config: ConfigRow) -> str:
    """What `n` does while the list of configs has the keys."""
    if config.name == ALL:
        return " choose a config: n starts a new run of it"
    return f" n starts a new run of {config.name}"


def nothing(snapshot: Snapshot, config: ConfigRow | None, query: str) -> str:
    """What an empty run table says: why it is empty and what to do."""
    if not snapshot.loaded:
        return "reading runs …"
    if query:
        return "no run matches; esc clears the filter"
    if config is not None and config.name != ALL:
        return f"no run of {config.name} yet: press n to start one"
    if snapshot.configs:
        return "no runs yet: press n to start one from a config, or try `labtui demo`"
    return "no configs here: run `labtui init` for some, or `labtui demo` for an example that runs"


def _state(run: RunSummary) -> str:
    return run.state
