"""`labtui study F`: a grid of settings x seeds as ordinary runs, and its table."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.output import INTERRUPTED, any_width, out, out_json, say
from core.cli.parser import add_json, positive
from core.errors import LabError, UsageError
from core.store.outputs import write_new

if TYPE_CHECKING:
    from core.analysis.paired import Verdict
    from core.cli.study_view import StudyView

_DESCRIPTION = """\
Queue the missing runs of a study, and print its table. Run it again at any time: runs that exist with the
same settings count, whoever started them; stopped and lost ones are resumed; a trial that was added to the
file is added. Trials are in configs/studies/NAME.yaml:

  base: ../my-config.yaml        seeds: 3          (or [0, 1, 2])
  grid: {learning_rate: [0.01, 0.001], augment.hflip: [true, false]}
  trials: [{name: bigger, model: resnet50, seeds: 6}]

Verdicts pair the seeds that two trials share. A difference is claimed only where a BCa bootstrap interval and
an exact sign-flip test agree; below six pairs nothing can be decided. --until-decided A B adds pairs of seeds
until the verdict is clear or --at-most N pairs are done; the tests share the 5 % chance of a false
verdict."""
_POLL = 2.0
_FORMATS = ("text", "md", "csv", "tex")
_PAIRS = 20


def add(parser: ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument(
        "study", metavar="F", nargs="?", help="study file, or the name of one in configs/studies"
    )
    parser.add_argument(
        "--data", metavar="D", help="data set of all trials: a name in configs/data, or a folder"
    )
    parser.add_argument("--table", action="store_true", help="only print the table, queue nothing")
    parser.add_argument("--dry-run", action="store_true", help="say what would be queued")
    parser.add_argument("--retry", action="store_true", help="resume failed runs too")
    parser.add_argument("--yes", action="store_true", help="queue more than 1000 runs without asking")
    parser.add_argument(
        "--wait", action="store_true", help="wait until all runs have ended, stop rules applied"
    )
    parser.add_argument(
        "--until-decided", metavar=("A", "B"), nargs=2, help="add pairs of seeds to two trials, until decided"
    )
    parser.add_argument("--at-most", metavar="N", type=positive, help="at most N pairs (default: 20)")
    parser.add_argument("--baseline", metavar="TRIAL", help="compare with this trial (default: the best)")
    parser.add_argument("--format", choices=_FORMATS, default="text", help="how the table is printed")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the table to this new file")
    add_json(parser)


def run(args: Namespace) -> int:
    from core.cli.study_view import look, open_study
    from core.config.study import find_study
    from core.config.study_file import MANY
    from core.launch.study import StudyRuns

    if args.study is None:
        return _list(args)
    if args.at_most is not None and args.until_decided is None:
        raise UsageError("--at-most is only used with --until-decided A B")
    if args.out is not None and args.out.exists():
        raise UsageError(f"{args.out} exists: --out writes a new file")
    path = find_study(args.study, args.workspace)
    reads_only = args.table or args.dry_run
    most = None if args.yes or reads_only or args.until_decided else MANY
    study, plans, added = open_study(path, args.workspace, data=args.data, most=most)
    baseline = study.trial(args.baseline).name if args.baseline else ""
    if args.until_decided is not None and not reads_only:
        return _until(args, path)
    finder = StudyRuns(args.workspace)
    view = look(study, plans, added, finder, baseline=baseline)
    if args.dry_run:
        return _dry(args, view)
    code = 0
    if not args.table:
        code = _queue(args, view)
        view = look(study, plans, added, finder, baseline=baseline)
        while args.wait and view.count("queued", "running"):
            time.sleep(_POLL)
            view = look(study, plans, added, finder, baseline=baseline)
            _apply_rules(args, view)
    _print(args, view)
    return code


def _queue(args: Namespace, view: StudyView) -> int:
    from core.launch.study import advance

    step = advance(args.workspace, view.study, view.runs, argv=args.argv, retry=args.retry)
    for line in [*step.failures, step.stopped]:
        if line:
            say(line)
    if step.started or step.resumed:
        say(f"queued {len(step.started)} new runs, resumed {len(step.resumed)}")
    if step.withdrawn:
        say(f"removed from the queue: {len(step.withdrawn)} runs")
    failed = view.count("failed")
    if failed and not args.retry:
        say(f"{failed} runs have failed; --retry resumes them")
    return LabError.exit_code if step.failures else 0


def _apply_rules(args: Namespace, view: StudyView) -> None:
    """Take waiting runs out of the queue as soon as a stop rule holds."""
    from core.launch.study import advance, rule_reached

    if view.count("queued") and rule_reached(view.study, view.runs):
        step = advance(args.workspace, view.study, view.runs, argv=args.argv)
        if step.withdrawn:
            say(f"{step.stopped}; removed from the queue: {len(step.withdrawn)} runs")


def _dry(args: Namespace, view: StudyView) -> int:
    from core.cli.study_text import progress_line

    lacking = [run for run in view.runs if run.status in ("missing", "stopped", "lost", "short")]
    if args.json:
        listed = [
            {"trial": run.trial, "seed": run.seed, "status": run.status, "run": run.id} for run in lacking
        ]
        out_json({"study": view.study.name, "runs": len(view.runs), "queues": listed})
        return 0
    out(progress_line(view))
    verbs = {
        "missing": "starts",
        "short": "continues to epoch",
        "stopped": "continues from",
        "lost": "continues from",
    }
    for run in lacking:
        epoch = {"missing": "", "short": f" {view.study.epochs}"}.get(run.status, f" epoch {run.epoch}")
        out(f"{run.trial}, seed {run.seed}: {verbs[run.status]}{epoch}{f' ({run.id})' if run.id else ''}")
    return 0


def _until(args: Namespace, path: Path) -> int:
    from core.cli.study_text import document, verdict_words, versus_words
    from core.cli.study_until import plan_of, until_decided

    first, second = args.until_decided
    plan = plan_of(path, args.workspace, (first, second), args.at_most or _PAIRS, args.data)
    seen = [""]

    def show(view: StudyView, verdict: Verdict) -> None:
        line = f"{plan.first} against {plan.second}: {verdict_words(verdict, view.study.mode)}"
        if line != seen[0]:
            seen[0] = line
            say(line)

    try:
        view, verdict = until_decided(
            path, args.workspace, plan, data=args.data, argv=args.argv, say=say, show=show
        )
    except KeyboardInterrupt:
        say("queued runs continue; the same command again continues the study")
        return INTERRUPTED
    if args.json:
        out_json(document(view))
        return 0
    from core.analysis.study_table import Versus

    versus = Versus(plan.first, verdict, ())
    out(f"{plan.first} against {plan.second}: {versus_words(versus, view.study.mode)}")
    return 0


def _print(args: Namespace, view: StudyView) -> None:
    from core.cli.study_text import WRITERS, document

    if args.json:
        out_json(document(view))
        return
    if args.out is None:
        out(WRITERS[args.format](view))
        return
    with any_width():
        text = WRITERS[args.format](view)
    write_new(args.out, f"{text}\n")
    say(f"wrote {args.out}")


def _list(args: Namespace) -> int:
    from core.config.study import study_files

    files = study_files(args.workspace)
    if args.json:
        out_json([{"name": file.stem, "file": str(file)} for file in files])
        return 0
    if not files:
        say(f"no studies in {args.workspace.configs / 'studies'}; `labtui study --help` shows how one looks")
    for file in files:
        out(file.stem)
    return 0
