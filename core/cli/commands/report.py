"""`labtui report RUN... | STUDY`: a folder of markdown and pictures, and one HTML file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.output import out, out_json, say
from core.cli.parser import add_json, not_negative
from core.errors import UsageError
from core.humanise import size
from core.store.outputs import filled, write_new
from core.text import clean

if TYPE_CHECKING:
    from core.cli.report.blocks import Report

_DESCRIPTION = """\
Write a report of one or more runs, or of a study: settings (differences first), results, curves, confusion
matrices, worst cases, data. A new folder with report.md and pictures, and report.html: one file below 2 MB
without script or network, for mail and print, light and dark. The same runs give the same bytes."""


def add(parser: ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("what", metavar="RUN|STUDY", nargs="+", help="runs, or one study")
    parser.add_argument("--out", metavar="DIR", type=Path, help="new folder (default: report-NAME)")
    parser.add_argument(
        "--cases", metavar="N", type=not_negative, default=12, help="worst cases of each run (default: 12)"
    )
    parser.add_argument("--title", metavar="TEXT", help="title of the page")
    parser.add_argument("--data", metavar="D", help="data set of a study, as given to labtui study")
    add_json(parser)


def run(args: Namespace) -> int:
    from core.cli.report.figures import require_plots

    require_plots()
    report, name = _report(args)
    folder: Path = args.out or Path(f"report-{name}")
    if folder.exists():
        raise UsageError(f"{clean(str(folder))} exists: --out DIR names a new folder")
    page = _write(report, folder)
    if args.json:
        out_json({"folder": str(folder), "html": str(folder / "report.html"), "bytes": page})
    else:
        out(str(folder / "report.html"))
        say(f"{size(page)}; {folder / 'report.md'} and its pictures are next to it")
    return 0


def _report(args: Namespace) -> tuple[Report, str]:
    from core.cli.report.run_report import run_report
    from core.config.study import study_files
    from core.store.catalogue import find_run

    words: list[str] = args.what
    studies = {file.stem: file for file in study_files(args.workspace)}
    path = studies.get(words[0]) or (Path(words[0]) if words[0].endswith((".yaml", ".yml")) else None)
    if len(words) == 1 and path is not None and path.is_file():
        from core.cli.report.study_report import study_report
        from core.cli.study_view import look, open_study
        from core.launch.study import StudyRuns

        study, plans, added = open_study(path, args.workspace, data=args.data, most=None)
        finder = StudyRuns(args.workspace)
        view = look(study, plans, added, finder)
        return study_report(view, finder, args.workspace, cases=args.cases), study.name
    found = [find_run(args.workspace, word) for word in words]
    if len({run.id for run in found}) < len(found):
        raise UsageError("a run is named twice")
    return run_report(found, cases=args.cases, title=args.title or ""), found[0].id


def _write(report: Report, folder: Path) -> int:
    """Write all files; returns the size of the page."""
    from core.cli.report.html import page
    from core.cli.report.markdown import files

    with filled(folder):
        for name, content in files(report):
            (folder / name).parent.mkdir(exist_ok=True)
            write_new(folder / name, content)
        data = page(report)
        write_new(folder / "report.html", data)
    return len(data)
