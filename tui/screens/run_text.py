"""What the run screen says around its pages: who and how far, jobs, the checkpoint under the cursor."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from core import humanise
from core.metrics import MAIN
from core.store.checkpoints import CHECKPOINT_ID
from core.store.records import ACTIVE, Checkpoint, RunSummary
from core.words import best_value, job_time_left, run_state
from tui.cell_text import cut, progress
from tui.theme import STATE_TONES
from tui.widgets.bars import Span
from tui.widgets.run_table import outlook

if TYPE_CHECKING:
    from core.store.jobs import JobState
    from core.store.measures import Measured
    from tui.read.class_rows import Means
    from tui.read.curves import Curves
    from tui.read.run_detail import Detail

_NARROW, _LEAD, _NAME, _PARENT = 110, 10, 14, 26
"""Columns below which a screen is narrow; cells before a name, of names at least, of a parent at most."""
_RECENT = 600
"""Seconds that the end of a job is said for."""


def top(run: RunSummary, curves: Curves | None, *, width: int = 160) -> tuple[list[Span], list[Span]]:
    """The title line in `width` cells: name, state, progress, what is special; right best and final value.

    State and time left are always whole: the name gives way, and what a narrow screen has no room for.
    """
    brief = width < _NARROW
    text, text_tone = outlook(run)
    left: list[Span] = [
        (f"  {humanise.state_glyph(run.state)} {run_state(run)}", STATE_TONES.get(run.state, "text")),
        (f" {run.epoch}/{run.epochs}", "text"),
    ]
    if run.state in ACTIVE and not brief:
        left.append((f" {progress(run.epoch, run.epochs, 8)}", "accent"))
    if run.imported:
        left.append(("  imported, read-only", "warning"))
    elif text and text != run_state(run) and not reason(run):
        left.append((f"  {text}", text_tone))
    needed = len(left)
    if run.state == "running" and curves is not None:
        from tui.chart.views import under_way

        left.append((f"  {under_way(curves)}", "muted"))
    if run.state == "running" and run.reason:
        left.append((f"  {run.reason}", "warning"))
    if run.problems:
        left.append((f"  {run.problems[0]}", "warning"))
    if run.archived:
        left.append(("  archived", "muted"))
    if run.mode and run.mode != "full":
        left.append((f"  {run.mode}", "muted"))
    if run.parent:
        left.append((f"  fork of {cut(parent_name(run.parent), _PARENT, middle=True)}", "muted"))
    if run.tags:
        left.append((f"  {' '.join(run.tags)}", "muted"))
    right: list[Span] = []
    if (
        not brief
        and curves is not None
        and run.state not in ACTIVE
        and (measured := _final(curves.finals, run.metric))
    ):
        right.append(measured)
    if run.best is not None:
        right += [(f"{run.best.metric} ", "muted"), (f"★ {best_value(run)} ", "accent")]
    room = width - 2 - sum(cell_len(words) for words, _ in (*left[:needed], *right))
    if right and room < _NAME:
        room += cell_len(right.pop(-2)[0])
    lead = " labtui ▸ " if cell_len(run.label) + _LEAD <= room else " "
    label = cut(run.label, max(room - len(lead), _NAME), middle=True)
    return [(lead, "muted"), (label, "title"), *left], right


def reason(run: RunSummary) -> str:
    """Why a run has ended badly, in full; empty when it has not."""
    return run.reason if run.state in ("failed", "lost") else ""


def parent_name(parent: str) -> str:
    """A run's id without the time that all of them begin with."""
    date, _, rest = parent.partition("-")
    return rest.partition("-")[2] or parent if date.isdecimal() else parent


def jobs_line(jobs: Sequence[JobState], now: float | None = None) -> list[Span]:
    """The job that runs or waits, else the one that ended a moment ago; empty when there is none."""
    now = time.time() if now is None else now
    active = [job for job in jobs if job.state in ACTIVE]
    if active:
        job, more = active[0], len(active) - 1
        spans: list[Span] = [(f" {humanise.state_glyph(job.state)} {job.kind}", STATE_TONES[job.state])]
        if job.total:
            done = job.done or 0
            spans.append((f" {progress(done, job.total, 12)} {done} of {job.total}", "text"))
            if left := job_time_left(job, now):
                spans.append((f"  {left}", "text"))
        if job.now:
            spans.append((f"  {job.now}", "muted"))
        if job.state == "queued":
            spans.append((f"  {job.reason}", "muted"))
        if job.state == "stopping":
            spans.append(("  stopping", "warning"))
        if more:
            spans.append((f"  and {more} more", "muted"))
        return [*spans, ("  M stops it", "muted")]
    ended = [job for job in jobs if job.ended is not None and now - job.ended < _RECENT]
    if not ended:
        return []
    job = max(ended, key=lambda job: job.ended or 0.0)
    spans = [(f" {humanise.state_glyph(job.state)} {job.kind} {job.state}", STATE_TONES[job.state])]
    if job.total:
        spans.append((f"  {job.done} of {job.total}", "text"))
    if faults := job.result.get("unreadable"):
        count = len(faults)
        spans.append((f"  {count} checkpoint{'s' * (count > 1)} unreadable, marked ✗", "bad"))
    if job.reason:
        spans.append((f"  {job.reason}", "bad"))
    return spans


def about_checkpoint(
    checkpoint: Checkpoint | None, detail: Detail, measured: Mapping[str, Measured], *, brief: bool = False
) -> tuple[list[Span], list[Span]]:
    """The checkpoint under the cursor in words; right what the run takes on disk."""
    right: list[Span] = []
    if detail.usage is not None:
        kept = humanise.size(detail.usage.checkpoints)
        of = f", {kept} of it checkpoints" if detail.checkpoints and not brief else ""
        right = [(f"run {humanise.size(detail.usage.bytes)}{of} ", "muted")]
    if checkpoint is None:
        return [], right
    left: list[Span] = [(f" {checkpoint.id}", "text")]
    if checkpoint.id in detail.unreadable:
        return [*left, (f"  {detail.unreadable[checkpoint.id]}", "bad")], right
    if checkpoint.pinned:
        left.append(("  pinned", "accent"))
    if checkpoint.superseded:
        left.append(("  superseded: a later attempt started before it", "muted"))
    for split, row in sorted(measured.items()):
        told = [name for name in MAIN if name in row.metrics]
        if brief:
            value = row.metrics.get(told[0]) if told else None
            left.append((f"  {split} {humanise.metric(value)}", "muted"))
            continue
        numbers = "  ".join(f"{name} {humanise.number(name, row.metrics[name])}" for name in told)
        left.append((f"  {split}: {numbers} ({humanise.count(row.images)} images)", "muted"))
    return left, right


def class_line(
    row: Measured | None,
    split: str,
    means: Means,
    sorting: str,
    *,
    best: bool,
    brief: bool = False,
) -> tuple[list[Span], list[Span]]:
    """What the classes below are of; right both kinds of accuracy by name, or mAP and what it is a mean of.

    `brief` is for narrow screens.
    """
    if row is None:
        return [(f" {split}", "text")], []
    left: list[Span] = [(f" {split} of {row.checkpoint}", "text")]
    if best:
        left.append((" ★ best", "accent"))
    left.append((f"  {humanise.count(row.images)} images", "muted"))
    if not brief:
        left.append((f"  {sorting} first" if sorting in ("worst", "best") else f"  by {sorting}", "muted"))
    if row.key:
        left.append(("  other data or settings", "warning"))
    return left, _means_of_boxes(means, brief) if means.boxes else _means(means, brief)


def _means(means: Means, brief: bool) -> list[Span]:
    if means.micro is None:
        return []
    return [
        ("micro ", "muted"),
        (humanise.metric(means.micro), "text"),
        ("  " if brief else " over all images  ", "muted"),
        ("macro ", "muted"),
        (humanise.metric(means.macro), "text"),
        (" " if brief else f" mean of {means.classes} classes ", "muted"),
    ]


def _means_of_boxes(means: Means, brief: bool) -> list[Span]:
    """`AP .4657  AP50 .8319  mean of 3 classes, n = 921`: n is what the numbers rest on."""
    objects = f"n = {humanise.count(means.count)}"
    if means.macro is None:
        return [(f"{objects}: no AP without objects ", "muted")]
    spans = [("AP ", "muted"), (humanise.metric(means.macro), "text")]
    if means.at_50 is not None:
        spans += [("  AP50 ", "muted"), (humanise.metric(means.at_50), "text")]
    about = "" if brief else f"mean of {means.classes} class{'es' * (means.classes != 1)}, "
    return [*spans, (f"  {about}{objects}{'' if brief else ' objects'} ", "muted")]


def no_classes(run: RunSummary, split: str) -> str:
    """Why there is nothing to say of the classes, and what to do."""
    if split == "val" and run.state in ACTIVE and not run.epoch:
        return "nothing measured yet: validation follows the first epoch"
    return f"nothing measured on {split}: press m"


def no_network(run: RunSummary) -> str:
    """Why nothing is said of the network."""
    if run.state in ACTIVE:
        return "not known yet: it is stored when training starts"
    return "not known: this run has no summary of its network"


def epoch_of(checkpoint: str) -> tuple[int, int, str]:
    """Epoch and attempt of a checkpoint id such as `a01-e0005`, to sort by."""
    match = CHECKPOINT_ID.fullmatch(checkpoint)
    return (int(match[2]), int(match[1]), checkpoint) if match else (0, 0, checkpoint)


def _final(finals: Mapping[str, float], metric: str) -> Span | None:
    """`test/accuracy 0.7712` when the test split was measured at the end."""
    name = f"test/{metric.rsplit('/', 1)[-1]}"
    value = finals.get(name)
    return None if value is None else (f"{name} {humanise.number(name, value)}  ", "text")
