"""Images that lie beside those of a data set and that no file of it names: they are left out, and told."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from core.datasets.class_folders.split_folders import names_in
from core.datasets.findings import count, some
from core.datasets.images import is_image_name


def unlisted_images(root: Path, paths: Collection[str]) -> str:
    """A sentence on images in the folders of `paths` (below `root`) that are none of them, else nothing."""
    normal = {os.path.normpath(path) for path in paths}
    folders = {os.path.dirname(path) for path in normal}
    others = [
        path
        for folder in sorted(folders)
        for name in sorted(names_in(root / folder))
        if is_image_name(name) and (path := os.path.join(folder, name)) not in normal
    ]
    if not others:
        return ""
    verb = "is" if len(others) == 1 else "are"
    return f"{count(len(others), 'image')} in the same folders {verb} not used: {some(others)}"
