"""`labtui errors RUN`: what a run gets wrong, from its saved predictions."""

from __future__ import annotations

import argparse
import contextlib
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.estimate_lines import estimate_lines
from core.cli.output import out, out_json, say
from core.cli.parser import add_json, add_run, positive
from core.errors import DataError, StateError, UsageError
from core.store.catalogue import find_run
from core.store.estimates import estimates_document, read_estimates
from core.store.outputs import filled
from core.text import clean

if TYPE_CHECKING:
    from core.analysis.cases import Case, Cases
    from core.analysis.errors import Errors, View
    from core.analysis.prediction_files import PredictionSet
    from core.store.paths import RunPaths

_DESCRIPTION = """\
What a run gets wrong: matrix, kinds of error, a row per class, single cases; from saved predictions, so that
thresholds can be tried without running the model.

A missed object has no matching box; a false alarm is a box without a matching object: duplicate, extra label
(on an object of another class that is already matched), loose box, loose + wrong class, background.

Kinds and cases follow the thresholds; AP never does. With --group the matrix is summed over groups, and AP is
recomputed with groups as classes."""
_LISTED, _IN_JSON, _SAVED = 20, 10_000, 50


def add(parser: ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    add_run(parser)
    parser.add_argument(
        "--at", metavar="WHICH", help="best, last, an epoch or a checkpoint id (default: best)"
    )
    parser.add_argument("--split", metavar="SPLIT", help="val, train, test, new (default: val)")
    parser.add_argument("--score", metavar="S", type=_share, help="minimum score of a prediction")
    parser.add_argument("--iou", metavar="T", type=_overlap, help="minimum IoU of a match (default: 0.5)")
    parser.add_argument(
        "--agnostic-nms", metavar="T", type=_share, help="class-agnostic NMS of the saved boxes, at this IoU"
    )
    parser.add_argument(
        "--group",
        choices=("genus", "two"),
        help="classes grouped by the first, or first two words of their names",
    )
    parser.add_argument(
        "--cases",
        metavar=("GT", "PRED"),
        nargs=2,
        help="cases of a cell: classes or their numbers, any, missed, false_alarm",
    )
    parser.add_argument("--kind", metavar="KIND", help="cases of one kind, such as extra_label")
    parser.add_argument(
        "--mistakes",
        action="store_true",
        help="labels that are likely wrong: where a sure model disagrees (doubt 0.5 or more)",
    )
    parser.add_argument("--judged", action="store_true", help="cases that have been judged")
    parser.add_argument("--compare", metavar="RUN", help="compare with another run on the same images")
    parser.add_argument(
        "--compare-at", metavar="WHICH", help="checkpoint of the other run (default: as --at)"
    )
    parser.add_argument(
        "--limit", metavar="N", type=positive, help="maximum number of cases to list and to draw"
    )
    parser.add_argument("--root", metavar="DIR", type=Path, help="where the images are now (remembered)")
    parser.add_argument(
        "--save", metavar="DIR", type=Path, help="new folder for pictures of matrix and cases"
    )
    add_json(parser)


def run(args: Namespace) -> int:
    from core.analysis.errors import IOU, open_errors
    from core.analysis.prediction_files import find_predictions, train_counts

    _require_options(args)
    found = find_run(args.workspace, args.run)
    source = find_predictions(found, args.at, args.split)
    errors = open_errors(source.file, train_counts(found))
    score = errors.score if args.score is None else args.score
    if args.score is not None and args.score < errors.floor:
        say(f"no box below {errors.floor:g} was kept: --score {args.score:g} counts as {errors.floor:g}")
    say(f"{found.id}, {source.checkpoint} on {source.split}")
    if errors.kind == "classification" and (args.iou, args.agnostic_nms) != (None, None):
        say("this run classifies whole images: --iou and --agnostic-nms have no effect")
        args.iou = args.agnostic_nms = None
    args.iou = IOU if args.iou is None else args.iou
    view = errors.at(score, args.iou, agnostic_nms=args.agnostic_nms)
    if not errors.labelled and (args.mistakes or args.group or args.judged):
        raise DataError(
            f"{source.file.name}: these images have no annotations, so nothing can be called wrong."
        )
    root = _root(args, found, errors)
    with contextlib.ExitStack() as made:
        if args.save is not None:
            _require_new(args.save)
            made.enter_context(filled(args.save))
        if args.judged:
            return _judged(args, errors, source.file)
        return _answer(args, found, source, errors, view, score, root)


def _answer(
    args: Namespace,
    found: RunPaths,
    source: PredictionSet,
    errors: Errors,
    view: View,
    score: float,
    root: Path,
) -> int:
    cases, total = _cases(args, view)
    document: dict[str, Any] = {"id": found.id, "checkpoint": source.checkpoint, "split": source.split}
    lines: list[str] = []
    spread = read_estimates(found, source.file.stem, errors.source.origin.sha256)
    if args.json:
        document |= {**_document(args, view, cases, total), "image_root": clean(str(root))}
        document["intervals"] = estimates_document(spread)
    else:
        lines = _lines(args, view, cases, total)
        if spread is not None and not _asked(args):
            lines += ["", *estimate_lines([(f"{source.checkpoint} {source.split}", spread)])]
    if args.compare is not None:
        _compare(args, errors, score, document, lines)
    if args.json:
        out_json(document)
    for line in lines:
        out(line)
    if args.save is not None:
        _save(args, view, cases if _asked(args) else cases[:_SAVED], root)
    return 0


def _root(args: Namespace, run: RunPaths, errors: Errors) -> Path:
    """Where the images are, which is remembered when it is told."""
    from core.analysis.image_root import image_root, require_images
    from core.store.image_roots import save_root

    if args.root is None:
        return image_root(run, errors)
    folder: Path = args.root.absolute()
    require_images(errors, folder)
    try:
        save_root(run, errors.root, folder)
    except (StateError, OSError) as error:
        say(f"--root is used this time, but not remembered: {error}")
    return folder


def _asked(args: Namespace) -> bool:
    return bool(args.cases or args.kind is not None or args.mistakes)


def _cases(args: Namespace, view: View) -> tuple[list[Case], int]:
    """The cases asked for, else all that is wrong; as many as are listed, and how many there are."""
    from core.analysis.label_errors import likely_mistakes
    from core.cli.error_cells import ANY, cell, kind_word

    limit = args.limit or (_IN_JSON if args.json else _SAVED if args.save else _LISTED)
    if args.mistakes:
        every = likely_mistakes(view, 10 * _IN_JSON)
        return every[:limit], len(every)
    if args.cases or args.kind is not None:
        kind = None if args.kind is None else kind_word(view, args.kind)
        row, column = cell(view, args.cases or (ANY, ANY), _words(args))
        chosen = view.cases(row, column, kind)
        return chosen[:limit], len(chosen)
    kinds = (
        [kind for kind in view.kinds if kind not in ("correct", "ignored")] if view.errors.labelled else []
    )
    parts: list[Cases] = [view.cases(kind=kind) for kind in kinds]
    listed: list[Case] = []
    for part in parts:
        listed += part[: max(limit - len(listed), 0)]
    return listed, sum(map(len, parts))


def _words(args: Namespace) -> int:
    """How many words of a class's name make its group, 0: no groups."""
    return {"genus": 1, "two": 2}.get(args.group, 0)


def _document(args: Namespace, view: View, cases: list[Case], total: int) -> dict[str, Any]:
    from core.cli.error_document import case_documents, errors_document, group_document

    document = errors_document(view)
    if args.group:
        document["groups"] = group_document(view, _words(args))
    return {**document, "cases": case_documents(view, cases), "cases_total": total}


def _lines(args: Namespace, view: View, cases: list[Case], total: int) -> list[str]:
    from core.cli.error_lines import case_lines, class_lines, group_lines, matrix_lines, summary_lines

    if _asked(args):
        return case_lines(view, cases, total)
    lines = summary_lines(view)
    if not view.errors.labelled or args.compare is not None:
        return lines
    grouped = view.grouped(_words(args)) if args.group else None
    lines += ["", *matrix_lines(view, grouped)]
    if grouped:
        lines += [f"similar names: {one} and {other}" for one, other in grouped.likely_typos]
        return [*lines, "", *group_lines(view, _words(args))]
    return [*lines, "", *class_lines(view)]


def _compare(
    args: Namespace, errors: Errors, score: float, document: dict[str, Any], lines: list[str]
) -> None:
    from core.analysis.compare import compare
    from core.analysis.errors import open_errors
    from core.analysis.prediction_files import find_predictions

    other = find_run(args.workspace, args.compare)
    source = find_predictions(other, args.compare_at or args.at, args.split)
    second = open_errors(source.file)
    if args.group:
        errors, second = (side.in_groups(_words(args)) for side in (errors, second))
    found = compare(errors, second, score=score, iou=args.iou, agnostic_nms=args.agnostic_nms)
    if args.json:
        from core.cli.error_document import compare_document

        named = {"run": other.id, "checkpoint": source.checkpoint, "split": source.split}
        named["group"] = args.group
        document["compare"] = {**named, **compare_document(found, args.limit or _IN_JSON)}
    else:
        from core.cli.error_lines import compare_lines

        lines += ["", *compare_lines(found, (_name(document), f"{other.id} {source.checkpoint}"))]


def _name(document: dict[str, Any]) -> str:
    return f"{document['id']} {document['checkpoint']}"


def _judged(args: Namespace, errors: Errors, file: Path) -> int:
    from core.analysis.judged import as_coco, as_csv, as_voc
    from core.cli.error_document import judgement_document
    from core.store.judgements import read_judgements

    items = list(read_judgements(file).values())
    if args.json:
        out_json({"judgements": [judgement_document(item) for item in items]})
    elif args.save is None:
        out(as_csv(items).rstrip("\n"))
    if args.save is not None:
        import json

        folder: Path = args.save
        (folder / "judgements.csv").write_text(as_csv(items), encoding="utf-8")
        if errors.kind == "detection":
            document = as_coco(errors, items)
            (folder / "annotations.json").write_text(json.dumps(document), encoding="utf-8")
            for name, data in as_voc(document).items():
                (folder / "voc" / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / "voc" / name).write_bytes(data)
        say(f"{len(items)} judgements in {clean(str(folder))}")
    return 0


def _save(args: Namespace, view: View, cases: list[Case], root: Path) -> None:
    from core.analysis.drawing import draw_case, draw_matrix
    from core.analysis.fonts import font_advice
    from core.analysis.image_root import has_image

    folder: Path = args.save
    names, matrix = view.errors.classes, view.matrix
    if args.group:
        grouped = view.grouped(_words(args))
        names, matrix = grouped.names, grouped.matrix
    draw_matrix(matrix, names, f"score {view.score:g}, IoU {view.iou:g}").save(folder / "matrix.png")
    missing = 0
    for number, case in enumerate(cases, 1):
        missing += not has_image(root, case.path)
        draw_case(view, case, root).save(folder / f"case-{number:04d}-{case.kind}.png")
    if missing:
        say(f"images of {missing} cases are not in {clean(str(root))}: --root DIR says where they are now")
    if advice := font_advice([*view.errors.classes, *(case.path for case in cases)]):
        say(advice)
    say(f"matrix and {len(cases)} cases in {clean(str(folder))}")


def _require_options(args: Namespace) -> None:
    """Raises UsageError for options of which one would be passed over."""
    given = {
        "--cases": args.cases is not None,
        "--kind": args.kind is not None,
        "--mistakes": args.mistakes,
        "--judged": args.judged,
        "--compare": args.compare is not None,
    }
    for name, others in (("--judged", list(given)), ("--mistakes", ["--cases", "--kind"])):
        for other in others:
            if given[name] and given[other] and name != other:
                raise UsageError(f"{name} and {other} cannot be combined: give one of them")
    if args.compare_at is not None and args.compare is None:
        raise UsageError("--compare-at is a checkpoint of the run that --compare names: give both")


def _require_new(folder: Path) -> None:
    """Raises UsageError for what is no folder, or holds something."""
    shown = clean(str(folder))
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--save: {shown} is a file: give a new folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"--save: {shown} is not empty: give a new folder")


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 to 1")
    return value


def _overlap(text: str) -> float:
    value = _share(text)
    if value < 0.1:
        raise argparse.ArgumentTypeError(f"an IoU of {text} is too low to mean anything: give 0.1 to 1")
    return value
