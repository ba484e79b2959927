"""What a run gets wrong, in a report: matrix, commonest confusions, classes, worst cases as pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from core import humanise
from core.cli.report.blocks import Block, Picture, Pictures, Section, Source, Table, Text
from core.cli.report.figures import matrix
from core.errors import DataError, LabError
from core.store.paths import RunPaths

if TYPE_CHECKING:
    from core.analysis.cases import Case
    from core.analysis.errors import View

_SIDE = 176
_LARGE = 900
_TOP = 12
_MAX_CLASSES = 60
_QUALITY = 72


def case_section(run: RunPaths, name: str, most: int) -> list[Section]:
    """Sections on the errors of a run's best predictions; one that says why where there are none."""
    from core.analysis.errors import open_errors
    from core.analysis.prediction_files import find_predictions, train_counts

    try:
        source = find_predictions(run)
        errors = open_errors(source.file, train_counts(run))
    except LabError as error:
        return [Section(f"Errors of {name}", (Text(str(error), warn=True),))]
    if not errors.labelled:
        return []
    view = errors.at(errors.score)
    command = f"labtui errors {run.id} --at {source.checkpoint} --split {source.split}"
    where = Source(command, source.checkpoint, errors.source.origin.sha256)
    blocks: list[Block] = [Text(_line(view, source.checkpoint, source.split))]
    rows = [*errors.classes, "false alarm"]
    columns = [*errors.classes, "missed"]
    values = view.matrix.tolist()
    if errors.kind == "classification":
        rows, columns, values = rows[:-1], columns[:-1], [row[:-1] for row in values[:-1]]
    if len(errors.classes) <= _MAX_CLASSES:
        slug = "".join(letter if letter.isalnum() else "-" for letter in run.id)
        blocks.append(matrix(f"matrix-{slug}", values, rows, columns, f"{name}: rows are the truth", where))
    blocks += _confusions(values, rows, columns, where)
    blocks.append(_classes(view, where))
    pictures = _pictures(run, view, most, where)
    if pictures is not None:
        blocks += [Text("Worst cases, the most confident errors first."), pictures]
    return [Section(f"Errors of {name}", tuple(blocks))]


def _line(view: View, checkpoint: str, split: str) -> str:
    errors = view.errors
    numbers = ", ".join(f"{key} {humanise.metric(value)}" for key, value in list(errors.summary.items())[:3])
    if errors.kind == "classification":
        return f"Checkpoint {checkpoint} on {split}, {errors.images} images: {numbers}."
    return (
        f"Checkpoint {checkpoint} on {split}, {errors.images} images: {numbers} over all scores; the rest at "
        f"a score of {view.score:g} and an IoU of {view.iou:g}."
    )


def _confusions(values: list[list[int]], rows: list[str], columns: list[str], where: Source) -> list[Block]:
    wrong = [
        (count, truth, guess, sum(values[y]))
        for y, truth in enumerate(rows)
        for x, guess in enumerate(columns)
        if (count := values[y][x]) and not (x == y and truth == guess)
    ]
    wrong.sort(key=lambda item: -item[0])
    if not wrong:
        return [Text("Nothing is wrong at these thresholds.")]
    body = tuple(
        (truth, guess, str(count), f"{count / total:.0%}") for count, truth, guess, total in wrong[:_TOP]
    )
    return [Table(("true", "predicted", "count", "of the row"), body, frozenset({2, 3}), where)]


def _classes(view: View, where: Source) -> Table:
    boxes = view.errors.kind == "detection"
    body = tuple(
        (
            row.name,
            humanise.MISSING if row.n_train is None else str(row.n_train),
            str(row.n_val),
            humanise.metric(row.ap),
            humanise.metric(row.recall),
            humanise.metric(row.precision),
        )
        for row in view.per_class()
    )
    header = ("class", "train", "objects" if boxes else "images", "AP", "recall", "precision")
    return Table(header, body, frozenset(range(1, 6)), where, folded=f"All {len(body)} classes")


def _pictures(run: RunPaths, view: View, most: int, where: Source) -> Pictures | None:
    from core.analysis.image_root import has_image, image_root

    root = image_root(run, view.errors)
    chosen = [case for case in _worst(view, most) if has_image(root, case.path)]
    items = tuple(_picture(run, view, case, root, number) for number, case in enumerate(chosen, 1))
    return Pictures(tuple(item for item in items if item is not None), where) if items else None


def _worst(view: View, most: int) -> list[Case]:
    """Confident errors of each kind in turn, so that no kind crowds the others out."""
    kinds = [kind for kind in view.kinds if kind not in ("correct", "ignored", "dropped")]
    queues = [list(view.cases(kind=kind)[:most]) for kind in kinds]
    chosen: list[Case] = []
    while len(chosen) < most and any(queues):
        for queue in queues:
            if queue and len(chosen) < most:
                chosen.append(queue.pop(0))
    return chosen


def _picture(run: RunPaths, view: View, case: Case, root: Path, number: int) -> Picture | None:
    from PIL import Image

    from core.analysis.drawing import draw_case

    try:
        image = draw_case(view, case, root)
    except (DataError, OSError, ValueError):
        return None
    names = view.errors.classes
    truth = names[case.truth] if case.truth is not None else "nothing"
    guess = names[case.predicted] if case.predicted is not None else "missed"
    score = f", score {case.score:.2f}" if case.score is not None else ""
    large = image.copy()
    large.thumbnail((_LARGE, _LARGE), Image.Resampling.LANCZOS)
    small = image.convert("RGB")
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    jpeg, png = io.BytesIO(), io.BytesIO()
    small.save(jpeg, format="JPEG", quality=_QUALITY, optimize=True)
    large.save(png, format="PNG")
    slug = "".join(letter if letter.isalnum() else "-" for letter in run.id)
    return Picture(
        f"{slug}-{number:02d}-{case.kind}.png",
        f"{case.path}: {truth} → {guess}{score}",
        jpeg.getvalue(),
        png.getvalue(),
        small.size,
    )
