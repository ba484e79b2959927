"""A run in one file, to hand to somebody: gzipped tar with a checksum of each file, all checked again.

Written the same way each time. Locks, trackers' files and temporary ones stay behind.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from core.config.workspace import Workspace
from core.errors import DataError, StateError
from core.reading import open_regular
from core.store import files
from core.store.changes import mark_changed
from core.store.outputs import new_file
from core.store.paths import FORMAT, RUN_ID, RunPaths
from core.store.records import ACTIVE
from core.store.state import derive_state
from core.text import clean

MANIFEST = "manifest.json"
PACK_FORMAT = 1
MAX_BYTES = 1 << 40
_MAX_FILES = 200_000
_MAX_MANIFEST = 1 << 26
_CHUNK = 1 << 20
_FOLDERS = ("requests", "attempts", "checkpoints", "measures", "predictions", "intervals", "jobs", "code")
_NAME = re.compile(r"[^/\0]{1,255}")


@dataclass(frozen=True)
class Packed:
    """What was packed or unpacked: the run's id, files and bytes, and what was left out, in words."""

    run: str
    files: int
    bytes: int
    left_out: tuple[str, ...] = ()


def pack_run(run: RunPaths, target: Path, keep: Callable[[str], bool] = lambda _: True) -> Packed:
    """Write a run that has ended to the new file `target`; `keep` says which files (paths in the run) go.

    Raises StateError for an active run, FileExistsError, OSError, UnreadableError for what cannot be read;
    nothing stays at `target` then.
    """
    state = derive_state(run).state
    if state in ACTIVE:
        raise StateError(f"Run {run.id} is {state}: stop it before you pack it.")
    every = sorted(_files(run.root, ""))
    chosen = [name for name in every if keep(name)]
    with (
        new_file(target) as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as packed,
    ):
        listed = _write(run, chosen, packed)
    left = {name.split("/", 1)[0] for name in every} - {name.split("/", 1)[0] for name in chosen}
    gone = [f"{sum(name not in chosen for name in every)} files"] if len(chosen) < len(every) else []
    words = (*gone, *(f"all of {name}" for name in sorted(left)))
    return Packed(run.id, len(listed), sum(int(item["bytes"]) for item in listed), words)


def unpack_run(
    source: Path, workspace: Workspace, change: Callable[[RunPaths], None] = lambda _: None
) -> Packed:
    """Make the run in `source` a run of `workspace`, under its own id; `change` may adapt it before it shows.

    Every file is checked. Raises DataError for a file that is no pack, is damaged or holds what no pack does;
    StateError when there is such a run already. Nothing stays then.
    """
    files.make_dir(workspace.runs, exist_ok=True)
    new = RunPaths(workspace.runs / files.temporary_name("new").removesuffix(".tmp"))
    files.make_dir(new.root)
    try:
        with _opened(source) as archive:
            manifest = _manifest(archive, source)
            run = RunPaths(workspace.runs / str(manifest["run"]))
            if os.path.lexists(run.root):
                raise StateError(f"There is a run {run.id} already: nothing was unpacked.")
            total = _extract(archive, manifest["files"], new.root, source)
        for name in _FOLDERS[:5]:
            files.make_dir(new.root / name, exist_ok=True)
        change(new)
        files.rename(new.root, run.root)
    except BaseException:
        with contextlib.suppress(OSError):
            files.remove_tree(new.root)
        raise
    mark_changed(workspace.runs, run.id)
    return Packed(run.id, len(manifest["files"]), total)


def _files(folder: Path, prefix: str) -> Iterator[str]:
    """Regular files of a run, as paths in it; links and what is hidden or a lock are passed over."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        name = f"{prefix}{entry.name}"
        if entry.name.startswith(".") or entry.name.endswith((".lock", ".tmp")):
            continue
        if entry.is_dir(follow_symlinks=False):
            if prefix or entry.name in _FOLDERS:
                yield from _files(Path(entry.path), f"{name}/")
        elif entry.is_file(follow_symlinks=False):
            yield name


def _write(run: RunPaths, names: Sequence[str], out: BinaryIO | gzip.GzipFile) -> list[dict[str, Any]]:
    """The manifest first, so that a reader knows what to expect; files are read twice for that."""
    listed = [_listed(run.root / name, name) for name in names]
    manifest = {"format": PACK_FORMAT, "run_format": FORMAT, "run": run.id, "files": listed}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        data = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
        archive.addfile(_entry(MANIFEST, len(data)), io.BytesIO(data))
        for item in listed:
            fd = open_regular(run.root / item["path"])
            with os.fdopen(fd, "rb") as content:
                archive.addfile(_entry(item["path"], item["bytes"]), content)
    return listed


def _listed(path: Path, name: str) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with os.fdopen(open_regular(path), "rb") as content:
        while data := content.read(_CHUNK):
            digest.update(data)
            size += len(data)
    return {"path": name, "bytes": size, "sha256": digest.hexdigest()}


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with os.fdopen(open_regular(source), "rb") as raw, tarfile.open(fileobj=raw, mode="r|gz") as archive:
            yield archive
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(
            f"{_shown(source)} is not a packed run, or is damaged ({clean(str(error))})."
        ) from error


def _manifest(archive: tarfile.TarFile, source: Path) -> Mapping[str, Any]:
    entry = archive.next()
    if entry is None or entry.name != MANIFEST or not entry.isreg() or entry.size > _MAX_MANIFEST:
        raise DataError(f"{_shown(source)} is not a packed run: it has no list of its files.")
    content = archive.extractfile(entry)
    assert content is not None
    try:
        manifest = orjson.loads(content.read())
        newer = int(manifest["format"]) > PACK_FORMAT or int(manifest["run_format"]) > FORMAT
        listed = manifest["files"]
        good = (
            RUN_ID.fullmatch(manifest["run"]) is not None
            and len(listed) <= _MAX_FILES
            and len({item["path"] for item in listed}) == len(listed)
            and all(_is_inside(item["path"]) and int(item["bytes"]) >= 0 for item in listed)
            and sum(int(item["bytes"]) for item in listed) <= MAX_BYTES
            and "spec.json" in {item["path"] for item in listed}
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{_shown(source)} is damaged: its list of files cannot be read.") from error
    if newer:
        raise DataError(f"{_shown(source)} was packed by a newer labtui: update labtui to unpack it.")
    if not good:
        raise DataError(f"{_shown(source)} is not a packed run: its list of files is not that of a run.")
    return dict(manifest)


def _is_inside(name: object) -> bool:
    """Whether a path stays in the run's folder, in one of the folders that runs have."""
    if not isinstance(name, str):
        return False
    parts = name.split("/")
    whole = all(_NAME.fullmatch(part) and not part.startswith(".") for part in parts)
    return whole and (len(parts) == 1 or parts[0] in _FOLDERS) and len(parts) <= 4


def _extract(archive: tarfile.TarFile, listed: Sequence[Mapping[str, Any]], root: Path, source: Path) -> int:
    total = 0
    for item in listed:
        entry = archive.next()
        if entry is None or entry.name != item["path"]:
            raise DataError(
                f"{_shown(source)} is damaged: {clean(str(item['path']))} is not where it should be."
            )
        if not entry.isreg() or entry.size != item["bytes"]:
            raise DataError(f"{_shown(source)} is damaged: {clean(entry.name)} has another size than listed.")
        content = archive.extractfile(entry)
        assert content is not None
        path = root / entry.name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = hashlib.sha256()
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as out:
            while data := content.read(_CHUNK):
                digest.update(data)
                out.write(data)
                total += len(data)
            out.flush()
            files.sync(out.fileno(), path)
        if digest.hexdigest() != item["sha256"]:
            raise DataError(f"{_shown(source)} is damaged: {clean(entry.name)} does not match its checksum.")
    if archive.next() is not None:
        raise DataError(f"{_shown(source)} holds more than its list of files says: nothing was unpacked.")
    return total


def _shown(path: Path) -> str:
    return clean(str(path))
