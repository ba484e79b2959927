"""The folder in which the images of predictions are looked for: that of then, or one named since."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from core.analysis.errors import Errors
from core.datasets.dataset import read_dataset
from core.datasets.moved import located
from core.errors import DataError, LabError
from core.store.image_roots import remembered_root, save_root
from core.store.paths import RunPaths
from core.text import clean


def has_image(root: Path, path: str) -> bool:
    """Whether there is the file of an image; of `archive#12` it is that of the archive."""
    try:
        return (root / path.partition("#")[0]).exists()
    except (OSError, ValueError):
        return False


def image_root(run: RunPaths, errors: Errors) -> Path:
    """Where to look: as measured, or, when no image is there any more, the folder that was named since."""
    if _has_any(errors.root, errors):
        return errors.root
    named = remembered_root(run, errors.root)
    if named is not None and _has_any(named, errors):
        return named
    return _moved(run, errors) or errors.root


def _moved(run: RunPaths, errors: Errors) -> Path | None:
    """Where the run's own images lie now, when they were moved with its workspace; None otherwise."""
    with suppress(LabError, OSError):
        dataset = read_dataset(run)
        if dataset is not None and dataset.root == errors.root:
            return located(run, dataset)[0].root
    return None


def require_images(errors: Errors, folder: Path) -> None:
    """Raises DataError, which names an image, when `folder` holds none of the images."""
    if _has_any(folder, errors):
        return
    shown = clean(str(folder))
    if not folder.is_dir():
        raise DataError(f"There is no folder {shown}.")
    if not errors.paths:
        return
    first = Path(errors.paths[0].partition("#")[0])
    above = folder.absolute()
    for part in reversed(first.parts[:-1]):
        if above.name != part:
            break
        above = above.parent
        if has_image(above, errors.paths[0]):
            raise DataError(f"{shown} has no image {clean(str(first))}: give {clean(str(above))} instead.")
    raise DataError(
        f"{shown} has no image {clean(str(first))}, nor any other of these: give the folder that "
        "their paths start from."
    )


def remember_root(run: RunPaths, errors: Errors, folder: Path) -> None:
    """Look for the images in `folder` from now on.

    Raises DataError as `require_images` does, StateError when the run cannot be changed, OSError.
    """
    require_images(errors, folder)
    save_root(run, errors.root, folder)


def _has_any(root: Path, errors: Errors) -> bool:
    return has_image(root, "") and any(has_image(root, path) for path in errors.paths)
