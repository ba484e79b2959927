"""What was found in the pixels of images, kept in the cache: one record an image, only ever appended.

Records are found by the image's path, size and time of change, so that an image is read once, whatever
splits or classes it is asked for with, and a job that ends early loses nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.config.workspace import cache_home
from core.datasets.depth import PLAIN, Opening
from core.datasets.pictures import member_file

_FORMAT = 1
THUMB = 16
"""Side of the grey picture that near duplicates are compared by."""
RECORD = np.dtype(
    [
        ("key", "V16"),
        ("content", "V16"),
        ("hash", "<u8", (2,)),
        ("thumb", "u1", (THUMB * THUMB,)),
        ("brightness", "<f4"),
        ("contrast", "<f4"),
        ("sharpness", "<f4"),
        ("width", "<i4"),
        ("height", "<i4"),
        ("mode", "S12"),
        ("kind", "S12"),
        ("fault", "S120"),
        ("damage", "u1"),
    ]
)
Records = NDArray[np.void]


@dataclass(frozen=True, eq=False)
class Known:
    """The records of some images: `rows` (k,) of the list that was asked for, and their k records."""

    rows: NDArray[np.int64]
    records: Records
    asked: int

    @property
    def waiting(self) -> int:
        """Images without a record yet."""
        return self.asked - len(self.rows)


def record_file(root: Path) -> Path:
    """Where the records of the images below `root` are kept; its folder is made."""
    folder = cache_home() / "stats"
    folder.mkdir(mode=0o700, exist_ok=True)
    name = hashlib.sha256(os.fsencode(os.path.abspath(root))).hexdigest()[:32]
    return folder / f"{name}-{_FORMAT}.records"


def image_keys(root: Path, paths: Sequence[str], how: Opening = PLAIN) -> list[bytes]:
    """16 bytes for each image, which change when its file does, or `how` it is opened.

    A missing file has a key as well.
    """
    stamps: dict[str, str] = {}
    keys, opened = [], "" if how == PLAIN else f"\0{how.as_stored()}"
    for path in paths:
        file = member_file(path)
        if file not in stamps:
            try:
                status = os.stat(os.path.join(root, file))
                stamps[file] = f"{status.st_size}\0{status.st_mtime_ns}"
            except (OSError, ValueError):
                stamps[file] = ""
        text = f"{path}\0{stamps[file]}{opened}".encode("utf-8", "surrogateescape")
        keys.append(hashlib.blake2b(text, digest_size=16).digest())
    return keys


def read_records(root: Path) -> Records:
    """All records of the images below `root`; none when there is no file. A torn last one is left out."""
    try:
        data = record_file(root).read_bytes()
    except OSError:
        return np.zeros(0, RECORD)
    return np.frombuffer(data[: len(data) // RECORD.itemsize * RECORD.itemsize], RECORD)


def look_up(root: Path, keys: Sequence[bytes]) -> Known:
    """The records that there are for images with these keys."""
    found = read_records(root)
    at = {key.tobytes(): index for index, key in enumerate(found["key"])}
    rows = [row for row, key in enumerate(keys) if key in at]
    records = found[[at[keys[row]] for row in rows]]
    return Known(np.array(rows, np.int64), records, len(keys))
