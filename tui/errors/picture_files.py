"""Images with their boxes, and the matrix, as files and for terminals that draw pixels."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import DataError
from core.os_errors import sentence
from core.store.outputs import write_new
from core.text import clean

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.analysis.errors import View
    from tui.errors.model import Sight

_FILES = 10000
_GAP = 8


def drawn(view: View, sight: Sight, other: View | None, root: Path, *, only: bool = False) -> Image:
    """An image with its boxes as a picture; with `other`, a second one of its boxes to the right."""
    from PIL import Image as images

    from core.analysis.cases import Case
    from core.analysis.drawing import draw_case

    case = sight.case
    if case is None:
        truth = None
        if sight.object is not None:
            truth = int(view.scene.objects.classes[sight.object])
        kind = "new image" if not view.errors.labelled else "compared"
        path = view.errors.paths[sight.image]
        case = Case(sight.image, path, truth, None, None, None, kind, sight.object, None, 0, 0)
    parts = [draw_case(each, case, root, only=only) for each in (view, other) if each is not None]
    if len(parts) == 1:
        return parts[0]
    size = sum(part.width for part in parts) + _GAP, max(part.height for part in parts)
    canvas = images.new("RGB", size, "white")
    canvas.paste(parts[0], (0, 0))
    canvas.paste(parts[1], (parts[0].width + _GAP, 0))
    return canvas


def save_picture(
    view: View,
    sight: Sight | None,
    other: View | None,
    folder: Path,
    name: str,
    root: Path,
    *,
    only: bool = False,
) -> tuple[Path, str]:
    """Write a sight with its boxes, or the matrix, as a new PNG file in `folder`.

    Returns where, and what to do about letters that no font has (empty: there are none). Raises DataError
    when it cannot be written, UsageError for a font that is none.
    """
    from core.analysis.drawing import draw_matrix
    from core.analysis.fonts import font_advice

    texts = list(view.errors.classes)
    if sight is None:
        title = f"score {view.score:g}, IoU {view.iou:g}"
        image, what = draw_matrix(view.matrix, view.errors.classes, title), "matrix"
    else:
        image = drawn(view, sight, other, root, only=only)
        what = f"case-{sight.image:05d}-{sight.case.kind if sight.case is not None else 'image'}"
        texts.append(view.errors.paths[sight.image])
    data = io.BytesIO()
    image.save(data, "PNG")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, _FILES):
            file = folder / f"{name}-{what}-{number}.png"
            with suppress(FileExistsError):
                write_new(file, data.getvalue())
                return file, font_advice(texts)
    except OSError as error:
        raise DataError(sentence(error)) from None
    raise DataError(f"{clean(str(folder))} has too many pictures of this case: move some away.")
