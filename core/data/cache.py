"""Pixels decoded once: uint8 arrays on disk that all runs on the same files share."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from core.config.workspace import cache_home
from core.data.decode import DECODE_VERSION, LONGEST, Whole, decode_chunk, decode_shapes, sizes_of
from core.datasets.depth import PLAIN, Opening
from core.datasets.pictures import member_file, release
from core.errors import DataError, PictureError, PicturesError
from core.humanise import size as human_size
from core.store.files import DISK_FULL, sweep, temporary_name
from core.store.locks import acquire
from core.text import clean

Progress = Callable[[int, int], None]
Part = tuple[int, Callable[[], bytes]]
"""How many pictures a part of an array is, and what makes its bytes."""
_CHUNK = 128
_LOOK_EVERY = 0.5


class Cancelled(Exception):
    """The cache was not finished because the caller no longer wants it."""


def cached_pixels(
    root: Path,
    paths: Sequence[str],
    size: int,
    *,
    how: Opening = PLAIN,
    threads: int = 1,
    progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> torch.Tensor:
    """Pixels (len(paths) + 2, size, size, 3), uint8, mapped from the cache; built first when not in it.

    Row i + 1 is image i; the first and the last row are black, so that a crop reaching over the edge of an
    image stays inside the array. The cache is keyed by path, size, time of change and decode version of every
    file (of the file that holds it, for a picture inside a file of many). Whoever comes second waits for the
    first. Raises DataError for files that are missing or no images and for a full disk, Cancelled when
    `cancelled()` turns true meanwhile.
    """
    return stored_array(
        cache_key(root, paths, size, how),
        (len(paths) + 2, size, size, 3),
        _framed(
            size,
            ((len(part), partial(_decoded, root, part, size, how, cancelled)) for part in _chunks(paths)),
        ),
        threads=threads,
        progress=progress,
        cancelled=cancelled,
    )


def cached_whole(
    root: Path,
    paths: Sequence[str],
    size: int,
    *,
    how: Opening = PLAIN,
    threads: int = 1,
    progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Whole:
    """Pictures with `size` as their shorter side, the longer one as it is (up to LONGEST times that).

    Mapped from the cache, built when not in it; keyed, and raises, as `cached_pixels`.
    """
    chunks = _chunks(paths)
    sizes: list[bytes] = [b""] * len(chunks)

    def decoded(place: int) -> bytes:
        if cancelled():
            return b""
        shapes = decode_shapes(root, chunks[place], size, how)
        sizes[place] = sizes_of(shapes).astype("<i4").tobytes()
        return b"".join(shape.tobytes() for shape in shapes)

    # How many bytes there are is known at the end only: the sizes are put behind the pixels.
    flat = stored_array(
        cache_key(root, paths, f"whole {size} {LONGEST}", how),
        (len(paths) * size * size * 3,),
        _framed(size, ((len(chunk), partial(decoded, place)) for place, chunk in enumerate(chunks))),
        tail=lambda: b"".join(sizes),
        threads=threads,
        progress=progress,
        cancelled=cancelled,
    )
    end = len(flat) - 8 * len(paths)
    return Whole(flat[:end], flat[end:].numpy().copy().view("<i4").reshape(-1, 2), size)


def _chunks(paths: Sequence[str]) -> list[Sequence[str]]:
    return [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]


def _framed(size: int, parts: Iterable[Part]) -> list[Part]:
    """The parts between two black pictures: a crop over an edge stays inside the array."""
    black = bytes(size * size * 3)
    return [(0, lambda: black), *parts, (0, lambda: black)]


def cache_key(root: Path, paths: Sequence[str], size: object, how: Opening = PLAIN) -> str:
    """Hex digest of all that decides the pixels; `size` is what they are brought to.

    Raises DataError when a file is missing.
    """
    scaled = f"{how.levels}\0{how.decimals}\0" if how.levels or how.decimals else ""
    head = f"{DECODE_VERSION}\0{size}\0{scaled}{root}\0"
    digest = hashlib.sha256(head.encode("utf-8", "surrogateescape"))
    last, status = "", None
    for path in paths:
        file = member_file(path)
        if status is None or file != last:
            last, status = file, _status(root / file)
        line = f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _decoded(
    root: Path, paths: Sequence[str], size: int, how: Opening, cancelled: Callable[[], bool]
) -> bytes:
    return b"" if cancelled() else decode_chunk(root, paths, size, how).tobytes()


def _status(file: Path) -> os.stat_result:
    try:
        return os.stat(file)
    except OSError as error:
        raise DataError(f"{clean(str(file))} cannot be opened ({error.strerror}): put it back.") from None


@contextlib.contextmanager
def _locked(path: Path, cancelled: Callable[[], bool]) -> Iterator[None]:
    lock = acquire(path)
    while lock is None:
        if cancelled():
            raise Cancelled
        time.sleep(_LOOK_EVERY)
        lock = acquire(path)
    try:
        yield
    finally:
        lock.release()


def stored_array(
    key: str,
    shape: tuple[int, ...],
    parts: Sequence[tuple[int, Callable[[], bytes]]],
    *,
    tail: Callable[[], bytes] | None = None,
    threads: int,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> torch.Tensor:
    """The uint8 array of `shape` that the cache has under `key`; built out of `parts` when it has none.

    With a `tail`, asked for when all parts are made and put behind them, the array has one axis, as long as
    all that comes to; `shape` is then only what is told of a full disk.

    A part is the number of images in it and what gives its bytes; parts are made by several threads, and
    follow each other in the file. Raises what they raise (PicturesError for the bad pictures of all of them),
    DataError for a full disk, Cancelled.
    """
    file = cache_home() / "pixels" / f"{key}.npy"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    if not file.exists():
        with _locked(file.with_suffix(".lock"), cancelled):
            if not file.exists():
                _build(file, shape, parts, tail, threads, progress, cancelled)
    # Mode c is private to this process: torch wants memory that it may write to.
    return torch.from_numpy(np.load(file, mmap_mode="c", allow_pickle=False))


def _build(
    file: Path,
    shape: tuple[int, ...],
    parts: Sequence[tuple[int, Callable[[], bytes]]],
    tail: Callable[[], bytes] | None,
    threads: int,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> None:
    sweep(file.parent)
    temporary = file.with_name(temporary_name(file.name))
    done, total = 0, sum(images for images, _ in parts)
    pool = ThreadPoolExecutor(max(1, threads))
    waiting: deque[tuple[int, Future[bytes]]] = deque()
    errors: dict[str, PictureError] = {}
    try:
        with open(temporary, "xb", opener=_private) as out:
            _write_header(out, shape)
            start = out.tell()
            ahead = iter(parts)
            while True:
                # A slow disk must not let decoded images pile up in memory.
                for images, make in itertools.islice(ahead, 2 * max(1, threads) - len(waiting)):
                    waiting.append((images, pool.submit(make)))
                if not waiting:
                    break
                images, made = waiting.popleft()
                try:
                    data = made.result()
                except PicturesError as error:
                    errors |= error.errors
                    continue
                if cancelled():
                    raise Cancelled
                out.write(data)
                done += images
                if images:
                    progress(done, total)
            if errors:
                raise PicturesError(errors)
            if tail is not None:
                out.write(tail())
                _write_header(out, (out.tell() - start,))
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, file)
    except OSError as error:
        if error.errno not in DISK_FULL | {errno.EFBIG}:
            raise
        needed = human_size(float(np.prod(shape)))
        raise DataError(
            f"The disk of {clean(str(file.parent))} is full: the pixel cache needs {needed} there. "
            "Free some space, or set XDG_CACHE_HOME to another disk."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
        release()
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _write_header(out: BinaryIO, shape: tuple[int, ...]) -> None:
    """At the beginning of the file; for one axis it is equally long for every length."""
    out.seek(0)
    np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
