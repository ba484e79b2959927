"""Reads the pixels of a data set's images: `python -P -m core.analysis.image_job LIST.json`.

LIST.json has `root`, `paths` and, as stored, `opening`. Records that are there already stay; what is found is
appended to them, a few at a time, so that whoever looks sees how far it is, and a job that is ended loses
next to nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from core.analysis.image_measures import measure_image
from core.analysis.image_records import image_keys, look_up, record_file
from core.datasets.depth import PLAIN, Opening, from_stored
from core.datasets.pictures import release
from core.errors import LabError
from core.reading import LARGE, read_object
from core.store.files import append
from core.store.locks import acquire
from core.text import clean

_CHUNK = 64
_LOCK_EVERY = 1.0
_MOST_THREADS = 8


def read_images(
    root: Path, paths: Sequence[str], how: Opening = PLAIN, *, threads: int, parent: int = 0
) -> None:
    """Append a record for every image that has none. Returns early when process `parent` is gone.

    Waits while another job reads images below the same root. Raises OSError, as for a full disk.
    """
    file = record_file(root)
    while (lock := acquire(file.with_suffix(".lock"), timeout=_LOCK_EVERY)) is None:
        if parent and os.getppid() != parent:
            return
    with lock, ThreadPoolExecutor(threads) as pool:
        once = list(dict.fromkeys(paths))
        keys = image_keys(root, once, how)
        known = look_up(root, keys)
        left = sorted(set(range(len(once))) - set(known.rows.tolist()))
        target = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _cut_torn(target)
            for start in range(0, len(left), _CHUNK):
                if parent and os.getppid() != parent:
                    return
                part = left[start : start + _CHUNK]
                found = pool.map(lambda row: measure_image(root, once[row], keys[row], how), part)
                data = b"".join(record.tobytes() for record in found)
                if append(target, data, file) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        finally:
            os.close(target)
            release()


def _cut_torn(target: int) -> None:
    """Take off what a killed job has left of its last record."""
    from core.analysis.image_records import RECORD

    size = os.fstat(target).st_size
    if size % RECORD.itemsize:
        os.ftruncate(target, size - size % RECORD.itemsize)


def main(arguments: Sequence[str]) -> int:
    """0, or the exit code of the error whose sentence goes to stderr."""
    parent = os.getppid()
    try:
        asked = read_object(arguments[0], LARGE * 8)
        root, paths = Path(asked["root"]), [str(path) for path in asked["paths"]]
        threads = min(len(os.sched_getaffinity(0)), _MOST_THREADS)
        read_images(root, paths, from_stored(asked.get("opening")), threads=threads, parent=parent)
    except LabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{clean(str(error.filename))}: {error.strerror}", file=sys.stderr)
        return LabError.exit_code
    return 0


if __name__ == "__main__":
    with contextlib.suppress(OSError):
        os.nice(10)  # training comes first
    sys.exit(main(sys.argv[1:]))
