"""What the study screen says: title, rows, the trial under the cursor, what matters, questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core import humanise
from core.cli import study_text as words
from core.humanise import MISSING
from tui.dialogs.choose import Choice
from tui.widgets.bars import Span
from tui.widgets.trial_table import TrialRow

if TYPE_CHECKING:
    from core.analysis.study_table import Cell
    from core.cli.study_seeds import SeedsLine
    from core.cli.study_view import StudyView
    from core.store.study_run import StudyRun
    from tui.read.study_reader import StudySnapshot

_GLYPHS = {"missing": "·", "short": "■"}
_TONES = {"better": "good", "worse": "bad"}
_GOES_ON = ("short", "stopped", "lost")


def top(name: str, snapshot: StudySnapshot, width: int) -> tuple[list[Span], list[Span]]:
    """`labtui ▸ study ▸ NAME   14 of 17 runs   2 running, 1 waiting   ≈ 38 m left`."""
    left: list[Span] = [(" labtui ▸ study ▸ " if width >= 110 else " study ▸ ", "muted"), (name, "title")]
    view = snapshot.view
    if view is None:
        return left, []
    done = view.count("finished") + sum(run.early for run in view.runs if run.status == "short")
    left.append((f"   {done} of {len(view.runs)} runs", "text"))
    states = [
        f"{count} {word}"
        for status, word in (("running", "running"), ("queued", "waiting"), ("missing", "not queued"))
        if (count := view.count(status))
    ]
    if states:
        left.append((f"   {', '.join(states)}", "accent"))
    bad = [f"{count} {status}" for status in ("failed", "lost", "stopped") if (count := view.count(status))]
    if bad:
        left.append((f"   {', '.join(bad)}", "bad"))
    if view.left and view.count("running", "queued"):
        left.append((f"   {humanise.eta(view.left)} left", "text"))
    right = [(f"adding seeds: {plan.first}, {plan.second} ", "accent") for plan in snapshot.driven]
    return left, right if width >= 110 else []


def by_levels(view: StudyView) -> bool:
    """Whether varied keys stand as columns: there are three at most, and trials are called after them."""
    names = [cell.trial for cell in view.table.cells]
    return 0 < len(view.study.factors) <= 3 and all("=" in name or name == "base" for name in names)


def factors(view: StudyView) -> tuple[str, ...]:
    """Titles of the columns of varied keys: their last words, whole where these are ambiguous."""
    if not by_levels(view):
        return ()
    last = [key.rsplit(".", 1)[-1] for key in view.study.factors]
    return tuple(
        leaf if last.count(leaf) == 1 else key for key, leaf in zip(view.study.factors, last, strict=True)
    )


def titles(view: StudyView) -> tuple[str, ...]:
    """Titles of the numbers: n, the metric, further ones, last or best, minutes."""
    return tuple(words.header(view)[1:-1])


def rows(view: StudyView) -> list[TrialRow]:
    """A row a trial, in the table's order."""
    made = []
    for place, (cell, texts) in enumerate(zip(view.table.cells, words.rows(view), strict=True)):
        versus = view.table.versus.get(cell.trial)
        verdict = versus.verdict if versus is not None else None
        difference, said, tone = "", texts[-1], "text"
        if cell.value is None:
            glyph, tone = _stands(cell)
            if any(run.status == "failed" for run in cell.runs):
                said = f"{said} (r resumes)"
        elif verdict is not None:
            difference = words.difference_text(verdict)
            said = words.verdict_words(verdict, view.table.mode)
            tone = _TONES.get(said.partition(" ")[0], "muted")
        elif cell.trial != view.table.baseline:
            tone = "muted"
        made.append(
            TrialRow(
                name=cell.trial,
                levels=tuple(cell.levels.get(key) or "base" for key in view.study.factors),
                rank=place + 1 if cell.value is not None else None,
                glyph=glyph if cell.value is None else "",
                tone=tone,
                numbers=tuple(texts[1:-1]),
                difference=difference,
                verdict=said,
            )
        )
    return made


def _stands(cell: Cell) -> tuple[str, str]:
    """Sign and tone of a trial without a value."""
    states = {run.status for run in cell.runs}
    for status, tone in (
        ("running", "accent"),
        ("failed", "bad"),
        ("lost", "bad"),
        ("queued", "muted"),
        ("stopped", "muted"),
        ("short", "muted"),
    ):
        if status in states:
            return _GLYPHS.get(status) or humanise.state_glyph(status), tone
    return _GLYPHS["missing"], "muted"


def about(snapshot: StudySnapshot, trial: str | None) -> list[Span]:
    """The line about the trial under the cursor: why runs do not count and what to do, else its numbers."""
    view = snapshot.view
    if snapshot.problem:
        return [(f" the file has problems: {first_line(snapshot.problem)}", "bad")]
    cell = cell_of(view, trial)
    if view is None or cell is None:
        return []
    spans: list[Span] = [(f" {cell.trial}", "text")]
    failed = [run for run in cell.runs if run.status == "failed"]
    if failed:
        run = failed[0]
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        spans.append((f"  seed {run.seed}{more} failed at epoch {run.epoch + 1}", "bad"))
        spans.append((" (r resumes, ⏎ opens it)", "muted"))
        return [*spans, (f": {run.reason or 'no reason known'}", "bad")]
    if cell.notes:
        goes = any(run.status in _GOES_ON and not run.early for run in cell.runs)
        return [*spans, (f"  {cell.notes[0]}{'; s continues it' if goes else ''}", "warning")]
    if cell.value is None:
        return [*spans, (f"  {_counted(cell.runs)}", "muted")]
    table = view.table
    judged = "best epoch" if table.judge == "best" else "last epoch"
    spans.append((f"  {words.short(table.metric)} {words.spread_text(table.metric, cell.value)}", "text"))
    spans.append((f" of the {judged}, n = {cell.value.n}", "muted"))
    if cell.open:
        spans.append((f"  {cell.open} to come", "accent"))
    if said := words.versus_words(table.versus.get(cell.trial), table.mode):
        spans.append((f"  {said}", "muted"))
    return spans


def cell_of(view: StudyView | None, trial: str | None) -> Cell | None:
    """The row of the table called `trial`."""
    cells = view.table.cells if view is not None else ()
    return next((cell for cell in cells if cell.trial == trial), None)


def matters(view: StudyView) -> list[str]:
    """Main effects, an empty line, then what the table rests on; a sentence each."""
    return [*(words.effect_lines(view) or [_no_effects(view)]), "", *words.notes(view)]


def _no_effects(view: StudyView) -> str:
    if not view.study.factors:
        return "nothing varies"
    if all(cell.value is None for cell in view.table.cells):
        return "no trial has ended yet"
    return "no setting was tried with all its values while the others and the seed stayed the same"


def run_choices(view: StudyView, cell: Cell) -> list[Choice]:
    """The runs of a trial to choose from, by seed."""
    choices = []
    for run in cell.runs:
        glyph = _GLYPHS.get(run.status) or humanise.state_glyph(run.status)
        value = MISSING if run.best is None else humanise.number(view.study.metric, run.best)
        at = f"@{run.best_epoch}" if run.best is not None else ""
        note = f"{glyph} {run.status}  {run.epoch}/{view.study.epochs}  {value}{at}  {run.id}"
        choices.append(Choice(f"seed {run.seed}", f"{note}  {run.reason}" if run.reason else note))
    return choices


def start_question(view: StudyView) -> str:
    """What `s` would queue, in a sentence; empty when nothing lacks."""
    new = view.count("missing")
    again = sum(run.status in _GOES_ON and not run.early for run in view.runs)
    if not new and not again:
        return ""
    parts = [f"{humanise.count(new)} new run{'s' * (new != 1)}"] if new else []
    if again:
        parts.append(f"{humanise.count(again)} stopped, lost or short one{'s' * (again != 1)} to resume")
    text = f"Queues {' and '.join(parts)}, to epoch {view.study.epochs}."
    if view.left:
        text += f" All will have ended in {humanise.eta(view.left)} at the current pace."
    if failed := view.count("failed"):
        stay = "1 failed run is not resumed" if failed == 1 else f"{failed} failed runs are not resumed"
        text += f" {stay}: r on the trial resumes."
    return text


def nothing_lacks(view: StudyView) -> str:
    """Why `s` has nothing to queue."""
    waiting, running, failed = (view.count(status) for status in ("queued", "running", "failed"))
    words_of = [f"{count} {word}" for count, word in ((running, "running"), (waiting, "waiting")) if count]
    if failed:
        words_of.append(f"{failed} failed: r on their trial resumes them")
    return f"nothing to queue: {', '.join(words_of)}" if words_of else "nothing to queue: every run has ended"


def seeds_words(line: SeedsLine, trial: str) -> str:
    """What to write into the file so that a trial has more seeds."""
    where = f"line {line.line}" if line.line else "its top level"
    whose = f"the trial {trial}" if line.own else "all trials of the grid: their seeds are one key"
    runs = f"{line.runs} more run{'s' * (line.runs != 1)}"
    return (
        f"{line.file}\n{where}, for {whose}:\n\n    {line.text}\n\n"
        f"That is {runs}. labtui does not change the file. As soon as it is saved the table has them; "
        "s queues them. D adds seeds to two trials by itself, without the file."
    )


def second_of(view: StudyView, trial: str, marked: Sequence[str]) -> str:
    """What a trial is decided against: the first other marked one, the baseline, or the next best."""
    names = [cell.trial for cell in view.table.cells]
    ordered = [*(name for name in names if name in marked), view.table.baseline, *names]
    return next((name for name in ordered if name and name != trial), "")


def first_line(text: str) -> str:
    """The first of several problems, and how many more there are."""
    lines = text.split("\n")
    return f"{lines[0]} (and {len(lines) - 1} more)" if len(lines) > 1 else lines[0]


def _counted(runs: Sequence[StudyRun]) -> str:
    states: dict[str, int] = {}
    for run in runs:
        states[run.status] = states.get(run.status, 0) + 1
    return ", ".join(
        f"{count} {'not queued' if status == 'missing' else status}" for status, count in states.items()
    )
