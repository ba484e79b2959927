"""`labtui predictions import | export`: detections of other tools as a run, and ours for other tools."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from core.cli.output import out, out_json, say
from core.cli.parser import Parser, add_json, add_run, add_workspace
from core.errors import DataError, UsageError
from core.store.catalogue import find_run
from core.store.outputs import write_new
from core.text import clean

_IMPORT = """\
Make a finished, read-only run of detections in COCO's results format, to look at its errors.

GT.json holds images, annotations and categories; DT.json a list of {image_id, category_id, bbox, score}.
Boxes are used as written. Images that are not below DIR are named; their boxes can still be looked
at. Importing the same two files again gives the same run."""
_EXPORT = """\
Write a run's saved boxes as a file of COCO results, which other tools open.

Image and category ids are those of the source where it has whole numbers, else count from 1; --truth
writes the annotations under the same ids."""
_SHOWN = 3


def add(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    new = actions.add_parser("import", help="COCO annotations and results as a run", description=_IMPORT)
    new.add_argument("--images", metavar="DIR", type=Path, required=True, help="folder of the images")
    new.add_argument("truth", metavar="GT.json", type=Path, help="annotations")
    new.add_argument("results", metavar="DT.json", type=Path, help="detections")
    new.add_argument("--name", metavar="NAME", default="", help="name of the run")
    add_json(new)
    add_workspace(new)
    old = actions.add_parser("export", help="saved boxes as COCO results", description=_EXPORT)
    add_run(old)
    old.add_argument("--at", metavar="WHICH", help="best, last, an epoch or a checkpoint id")
    old.add_argument("--split", metavar="SPLIT", help="val, train, test, or new for predicted images")
    old.add_argument("--out", metavar="FILE", type=Path, help="file to write (default: stdout)")
    old.add_argument("--truth", metavar="FILE", type=Path, help="write the annotations as well")
    add_workspace(old)


def run(args: Namespace) -> int:
    return _import(args) if args.action == "import" else _export(args)


def _import(args: Namespace) -> int:
    from core.analysis.import_predictions import import_predictions

    if not args.images.is_dir():
        raise UsageError(f"--images: there is no folder {clean(str(args.images))}")
    made = import_predictions(
        args.workspace, args.truth, args.results, args.images, name=args.name, argv=args.argv
    )
    for note in made.notes[:_SHOWN]:
        say(f"note: {note}")
    if len(made.notes) > _SHOWN:
        say(f"note: and {len(made.notes) - _SHOWN} more, in `labtui log {made.run.id}`")
    if made.missing:
        say(
            f"{len(made.missing)} of {made.images} images are not in {clean(str(args.images))}, "
            f"such as {clean(made.missing[0])}: their boxes are kept"
        )
    if made.known:
        say(f"{made.run.id}: these two files were already imported")
        if made.root != args.images.absolute():
            there = clean(str(args.images))
            say(f"its images were in {clean(str(made.root))}: labtui errors {made.run.id} --root {there}")
    say(
        f"{made.run.id}: {made.boxes} boxes, {made.objects} objects in {made.images} images; "
        f"`labtui errors {made.run.id}` shows what is wrong in them"
    )
    if args.json:
        out_json(
            {
                "id": made.run.id,
                "known": made.known,
                "images": made.images,
                "objects": made.objects,
                "boxes": made.boxes,
                "missing": list(made.missing),
                "notes": list(made.notes),
                "ap": dict(made.metrics),
            }
        )
    else:
        out(made.run.id)
    return 0


def _export(args: Namespace) -> int:
    from core.analysis.export_predictions import coco_results, coco_truth
    from core.analysis.prediction_files import find_predictions
    from core.analysis.predictions import BoxPredictions, read_predictions

    found = find_predictions(find_run(args.workspace, args.run), args.at, args.split)
    source = read_predictions(found.file)
    if not isinstance(source, BoxPredictions):
        raise DataError(
            f"{clean(str(found.file))} holds class probabilities, not boxes: "
            "COCO's format has no field for them."
        )
    files = [path for path in (args.truth, args.out) if path is not None]
    if args.truth is not None and args.truth == args.out:
        raise UsageError(f"--out and --truth are both {clean(str(args.out))}: give two names")
    for path in files:
        _require_new(path)
    records = coco_results(source)
    if args.truth is not None:
        _write(args.truth, coco_truth(source))
    if args.out is None:
        out(json.dumps(records))
    else:
        _write(args.out, records)
        say(f"{len(records)} boxes of {found.checkpoint} on {found.split} in {clean(str(args.out))}")
    return 0


def _require_new(path: Path) -> None:
    if path.exists():
        raise UsageError(f"{clean(str(path))} already exists: give another name")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {clean(str(path.absolute().parent))}")


def _write(path: Path, document: object) -> None:
    """A new file: nothing is ever overwritten."""
    try:
        write_new(path, json.dumps(document))
    except FileExistsError:
        raise UsageError(f"{clean(str(path))} already exists: give another name") from None
