"""Fetching torchvision's data sets from where they are published: resumed, checked, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from core.datasets.published.arrays import array_folder, needed
from core.datasets.published.catalogue import PUBLISHED, Archive, Published
from core.download import NETWORK_ERRORS, checksum, reason_of, receive
from core.errors import DataError
from core.store.locks import acquire
from core.text import clean

_CHUNK = 1 << 18
_WAIT = 5.0


class Progress(Protocol):
    """Called as bytes of `name` arrive; `total` is 0 when it is not known."""

    def __call__(self, name: str, done: int, total: int) -> None: ...


def fetch(name: str, root: Path, progress: Progress = lambda name, done, total: None) -> bool:
    """Put the files of `name` below `root`; False when they are there already.

    An archive that lies in `root` already is used. What was fetched in part goes on where it stopped, where
    the server can. Raises DataError that says what to get by hand: no network, wrong checksum, full disk.
    """
    known = PUBLISHED[name]
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root, known):
            if _is_there(name, root):
                return False
            if len(known.archives) == 1:
                _fetch_packed(known, root, progress)
            else:
                _fetch_files(known, root, progress)
    except OSError as error:
        where = clean(str(error.filename or root))
        raise DataError(f"{where} cannot be written: {error.strerror or error}.") from error
    array_folder(root, name)
    return True


def _is_there(name: str, root: Path) -> bool:
    try:
        array_folder(root, name)
    except DataError:
        return False
    return True


def _fetch_packed(known: Published, root: Path, progress: Progress) -> None:
    (archive,) = known.archives
    file = root / archive.name
    own = not file.exists()
    if own:
        _download(archive, file, known, root, progress)
    elif checksum(file, "md5") != archive.md5:
        raise DataError(
            f"{clean(str(file))} is not the published {archive.name}: its checksum differs. Remove it and "
            "try again."
        )
    temporary = root / f".new-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        _unpack(file, known, temporary)
        target = root / known.folder
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(temporary.iterdir()):
            if not (target / path.name).exists():
                os.replace(path, target / path.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if own:
        file.unlink()


def _unpack(file: Path, known: Published, folder: Path) -> None:
    """Take the files that the set needs out of a tar file, and nothing else."""
    folder.mkdir()
    wanted = {f"{known.folder}/{name}" for name in needed(known)}
    try:
        with tarfile.open(file, "r:*") as packed:
            for entry in packed:
                if entry.name in wanted and entry.isfile():
                    content = packed.extractfile(entry)
                    assert content is not None
                    with content, open(folder / Path(entry.name).name, "xb") as out:
                        shutil.copyfileobj(content, out, _CHUNK)
                    wanted.discard(entry.name)
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"{clean(str(file))} is damaged ({error}): remove it and try again.") from error
    if wanted:
        raise DataError(f"{clean(str(file))} has no {min(wanted)}: remove it and try again.")


def _fetch_files(known: Published, root: Path, progress: Progress) -> None:
    folder = root / known.folder
    folder.mkdir(parents=True, exist_ok=True)
    for archive in known.archives:
        file = folder / archive.name
        if not file.exists() and not file.with_suffix("").exists():
            _download(archive, file, known, root, progress)


def _download(archive: Archive, file: Path, known: Published, root: Path, progress: Progress) -> None:
    """Fetch `archive` to `file` from the first address that has it, by way of `.NAME.part`."""
    part = file.with_name(f".{file.name}.part")
    reasons: list[str] = []
    for url in archive.urls:
        for _ in range(2):  # a part that turns out wrong is fetched once more from its beginning
            began = part.stat().st_size if part.exists() else 0
            try:
                receive(url, part, progress=partial(progress, archive.name), expected=archive.bytes)
            except NETWORK_ERRORS as error:
                reasons.append(f"{urlsplit(url).hostname}: {reason_of(error)}")
                break
            if checksum(part, "md5") == archive.md5:
                os.replace(part, file)
                return
            part.unlink()
            reasons.append(f"{urlsplit(url).hostname}: the downloaded file is not {archive.name}")
            if not began:
                break
    raise DataError(
        f"{known.title} cannot be downloaded ({'; '.join(map(clean, reasons))}). On a machine with a network "
        f"get {_by_hand(known)}, put {'it' if len(known.archives) == 1 else 'them'} in "
        f"{clean(str(file.parent))} and give this command again."
    )


def _by_hand(known: Published) -> str:
    if len(known.archives) == 1:
        return known.archives[0].urls[0]
    names = ", ".join(archive.name for archive in known.archives)
    return f"{names} from {os.path.dirname(known.archives[0].urls[0])}/"


@contextmanager
def _locked(root: Path, known: Published) -> Iterator[None]:
    lock = acquire(root / f".{Path(known.folder).parts[0]}.lock", timeout=_WAIT)
    if lock is None:
        raise DataError(f"{known.title} is being downloaded to {clean(str(root))} by another process.")
    with lock:
        yield
