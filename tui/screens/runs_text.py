"""What the runs screen says around its tables: title line, status line, empty tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core import humanise
from core.words import job_line, run_state
from tui.read.outlook_reader import told
from tui.read.reader import Snapshot
from tui.widgets.bars import Span
from tui.widgets.config_list import ALL, ConfigRow, state_counts
from tui.widgets.run_filter import problem
from tui.widgets.run_table import outlook

if TYPE_CHECKING:
    from core.launch.slots import GpuStatus
    from core.store.records import RunSummary

_GPUS_A_LINE = 4
"""GPUs told one by one on 160 columns."""


def listed(snapshot: Snapshot) -> tuple[object, ...]:
    """What the tables show of a snapshot."""
    return snapshot.loaded, snapshot.configs, snapshot.runs, snapshot.jobs


def top(path: str, snapshot: Snapshot, width: int = 160) -> tuple[list[Span], list[Span]]:
    """The title line: where this is, how many runs are in which state, how busy GPUs and slots are."""
    right = state_counts(Counter(run.state for run in snapshot.runs if not run.archived))
    if snapshot.jobs:
        count = len(snapshot.jobs)
        right.append((f" {count} job{'s' * (count > 1)} ", "accent"))
    right += gpu_spans(snapshot.gpus, width)
    if snapshot.slots and (snapshot.busy_slots or not snapshot.gpus):
        busy = snapshot.busy_slots
        right.append((f" CPU {busy}/{snapshot.slots} busy ", "text" if busy else "muted"))
    return [(" labtui", "title"), (f"  {path}", "muted")], right


def gpu_spans(gpus: Sequence[GpuStatus], width: int) -> list[Span]:
    """Each GPU with use and memory as far as there is room, else how many of them are taken."""
    taken = [bool(gpu.runs) or gpu.blocked for gpu in gpus]
    if not gpus:
        return []
    if len(gpus) > _GPUS_A_LINE * width // 160 or width < 110:
        tone = "text" if any(taken) else "muted"
        return [(f" GPU {sum(taken)}/{len(gpus)} busy ", tone)]
    spans: list[Span] = []
    for gpu, busy in zip(gpus, taken, strict=True):
        name = f" {gpu.name.removeprefix('NVIDIA ')}" if len(gpus) == 1 else ""
        use = "–" if gpu.busy is None else f"{gpu.busy} %"
        memory = (
            "" if gpu.used is None or not gpu.total else f" {gpu.used / 1e9:.0f}/{gpu.total / 1e9:.0f} GB"
        )
        tone = "warning" if gpu.blocked else "text" if busy else "muted"
        spans.append((f" GPU{gpu.label}{name} {use}{memory} ", tone))
    return spans


def status(run: RunSummary | None, snapshot: Snapshot, width: int = 160) -> list[Span]:
    """The status line: the run under the cursor in one sentence, or what is wrong with reading.

    `width` is the room that the line has.
    """
    if snapshot.problem:
        return [(f" could not read the runs: {snapshot.problem}", "bad")]
    if run is None:
        return []
    job = next((job for job in snapshot.jobs if job.job.run.id == run.id), None)
    text, tone = outlook(run)
    spans: list[Span] = [
        (f" {run.label}", "text"),
        (f"  {run.model}  ", "muted"),
        (f"{humanise.state_glyph(run.state)} {run_state(run)}", tone if tone != "text" else "accent"),
    ]
    if run.early_stop is not None:
        spans.append((f" at epoch {run.early_stop} of {run.epochs}", "muted"))
    elif text and text != run.state:
        spans.append((f"  {text}", tone))
    if run.state == "running" and run.reason:
        spans.append((f"  {run.reason}", "warning"))
    if run.problems:
        spans.append((f"  {run.problems[0]}", "warning"))
    if run.state == "running" and run.id in snapshot.curves:
        from tui.chart.views import under_way

        spans.append((f"  {under_way(snapshot.curves[run.id])}", "text"))
    if job is not None:
        spans.append((f"  {job_line(job)}", "accent"))
    spans += advice_spans(run, snapshot, width - sum(len(text) for text, _ in spans))
    if run.tags:
        spans.append((f"  {' '.join(run.tags)}", "muted"))
    if run.note:
        spans.append((f"  {run.note.split(chr(10), 1)[0]}", "muted"))
    if run.seconds_per_epoch is not None and run.ended is None:
        spans.append((f"  {humanise.duration(run.seconds_per_epoch)} an epoch", "muted"))
    return spans


def wants_words(run: RunSummary) -> bool:
    """Whether a run says something that its row has no room for."""
    return bool(run.problems or (run.reason and run.state in ("failed", "lost", "queued", "running")))


def advice_spans(run: RunSummary, snapshot: Snapshot, room: int) -> list[Span]:
    """`train on? enough: ...`, cut to whole parts; nothing while nothing can be said."""
    advice = snapshot.advice
    if advice.run != run.id or not advice.sentence:
        return []
    verdict = advice.sentence.partition(":")[0]
    tone = {"mend": "warning", "train on": "good"}.get(verdict, "text")
    return [("  train on? ", "muted"), (told(advice.sentence, room - 12), tone)]


def hint(config: ConfigRow) -> str:
    """What `n` does while the list of configs has the keys."""
    if config.name == ALL:
        return " choose a config: n starts a new run of it"
    return f" n starts a new run of {config.name}"


def nothing(snapshot: Snapshot, config: ConfigRow | None, query: str, archived: int = 0) -> str:
    """What an empty run table says: why it is empty and what to do; `archived` runs are hidden."""
    if not snapshot.loaded:
        return "reading runs …"
    if archived and not query:
        return f"{archived} archived run{'s' * (archived > 1)} hidden: a shows them"
    if snapshot.problem and not snapshot.runs:
        return snapshot.problem
    if query:
        return f"{problem(query) or 'no run matches'}; esc clears the filter"
    if config is not None and config.name != ALL:
        return f"no run of {config.name} yet: press n to start one"
    if snapshot.configs:
        return "no runs yet: press n to start one from a config, or try `labtui demo`"
    return "no configs here: run `labtui init` for some, or `labtui demo` for an example that runs"
