"""Held locks (flock), never flags: the kernel frees them at any death, and a child can inherit them.

A lock belongs to an open file description. `release` therefore only closes: a child which the lock was handed
over to keeps it. In forked children every lock is closed at once, unless it is being handed over.

The order, for whoever holds one and takes another: dispatch.lock, a slot's, the run's `sup` then `train`, its
jobs' `sup` then `work`, the run's `meta`. A parent's `meta` comes last of all. What is taken without waiting
(waiter.lock, supervisors.lock, `sup` by a dispatcher) may be taken at any place.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from core.config.workspace import state_path
from core.errors import StateError
from core.store.paths import JobPaths, RunPaths

LOCK_FDS_ENV = "LABTUI_LOCK_FDS"
Kind = Literal["sup", "train", "meta", "track"]
JobKind = Literal["sup", "work"]
NETWORK_TYPES = ("nfs", "cifs", "smb", "lustre", "fuse", "9p", "ceph", "gpfs", "beegfs", "afs", "glusterfs")
# Local disks which happen to be served through FUSE.
_LOCAL_FUSE = frozenset({"fuseblk", "fusectl", "fuse.overlayfs", "fuse.fuse-overlayfs"})

_open: dict[int, Lock | None] = {}
_handed_over: set[int] = set()


class Lock:
    """A lock this process holds; also a context manager that releases it."""

    def __init__(self, path: Path, fd: int, *, shared: bool = False) -> None:
        self.path = path
        self.fd = fd
        self.shared = shared
        _open[fd] = self

    def release(self) -> None:
        """Give the lock up, unless another process shares it through `hand_over`. Twice is fine."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            _open.pop(fd, None)
            _handed_over.discard(fd)
            with suppress(OSError):
                os.close(fd)

    @contextmanager
    def hand_over(self) -> Iterator[int]:
        """Inside the block, children made by `os.fork` keep the lock; yields its descriptor.

        For a child made by `subprocess`, give the descriptor in `pass_fds`; the child calls `adopt`.
        """
        fd = self.fd
        _handed_over.add(fd)
        os.set_inheritable(fd, True)
        try:
            yield fd
        finally:
            _handed_over.discard(fd)
            if self.fd == fd:
                os.set_inheritable(fd, False)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def acquire(path: Path, *, timeout: float = 0.0, shared: bool = False) -> Lock | None:
    """Take the lock, trying again for `timeout` seconds; None when somebody else holds it.

    Raises OSError when the file cannot be made (FileNotFoundError: its folder is gone).
    """
    deadline = time.monotonic() + timeout
    pause = 0.002
    while True:
        lock = _try(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        if lock is not None:
            return lock
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, 0.05)


def adopt(fd: int, path: Path) -> Lock:
    """Own a lock that was inherited as descriptor `fd`. Raises StateError when it is not that lock."""
    try:
        mine, there = os.fstat(fd), os.stat(path)
        if (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino):
            raise StateError(f"Descriptor {fd} is not the lock {path}.")
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise StateError(f"The lock {path} was not handed over ({error.strerror}).") from error
    os.set_inheritable(fd, False)
    return Lock(path, fd)


def renew() -> list[Path]:
    """Take every lock that this process holds anew whose file was deleted or replaced; returns their files.

    Without, the lock of a deleted file keeps nobody out. What another holds by now is left to it. Never
    raises.
    """
    renewed = []
    for lock in [lock for lock in _open.values() if lock is not None]:
        with suppress(OSError):
            if lock.fd >= 0 and not _is_of(lock.fd, lock.path) and _take_anew(lock):
                renewed.append(lock.path)
    return renewed


def _is_of(fd: int, path: Path) -> bool:
    """Whether a descriptor is that of the file which has this name now."""
    mine = os.fstat(fd)
    try:
        present = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (present.st_dev, present.st_ino)


def _take_anew(lock: Lock) -> bool:
    other = _try(lock.path, fcntl.LOCK_SH if lock.shared else fcntl.LOCK_EX)
    if other is None:
        return False
    # The same number stands for the new file from now on.
    os.dup2(other.fd, lock.fd, inheritable=False)
    other.release()
    return True


def is_held(path: str | Path, *, shared: bool = False) -> bool:
    """Whether anybody holds the lock; `shared`: also whether somebody shares it. Makes no file.

    Looks for an instant only: owners try again for 5 s.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            # What cannot be asked for want of means may well be held.
            return error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
    _open[fd] = None
    try:
        fcntl.flock(fd, (fcntl.LOCK_EX if shared else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        _open.pop(fd, None)
        os.close(fd)
    return False


def run_lock_path(run: RunPaths, kind: Kind) -> Path:
    """Where a lock of a run lies: in its folder, or under the state folder when that is on a network disk."""
    return Path(_run_lock(run, kind))


def is_run_locked(run: RunPaths, kind: Kind) -> bool:
    """Whether anybody holds this lock of the run."""
    return is_held(_run_lock(run, kind))


def job_lock_path(job: JobPaths, kind: JobKind) -> Path:
    """The same of a job: `sup` is its supervisor's, `work` that of the process which does it."""
    return Path(_lock(str(job.root), kind, str(job.run.root.parent)))


def _run_lock(run: RunPaths, kind: Kind) -> str:
    root = str(run.root)
    return _lock(root, kind, os.path.dirname(root))


def _lock(root: str, kind: str, disk: str) -> str:
    """The lock beside the work itself, or under the state folder when `disk` is on a network."""
    if not is_network(disk):
        return f"{root}/{kind}.lock"
    key = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    folder = state_path() / "locks"
    # Whoever only looks can do without; whoever takes it hears of the fault then.
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return f"{folder}/{os.path.basename(root)}-{key}.{kind}.lock"


@functools.lru_cache(maxsize=64)
def is_network(folder: str) -> bool:
    """Whether a folder lies on a network or user-space file system, where flock cannot be relied on."""
    try:
        device = os.stat(folder).st_dev
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            return file_system(file.read(), device).startswith(NETWORK_TYPES)
    except OSError:
        return False


def file_system(mountinfo: str, device: int) -> str:
    """The type of the file system with this `st_dev`, from the text of `/proc/self/mountinfo`; else empty."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) > 2 and fields[2] == wanted and right:
            kind = right.split()[0]
            return "" if kind in _LOCAL_FUSE else kind
    return ""


def _try(path: Path, how: int) -> Lock | None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    _open[fd] = None
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
        # The file may have been removed, and made anew by another, between the two calls.
        mine, there = os.fstat(fd), os.stat(path)
        if (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino):
            return Lock(path, fd, shared=how == fcntl.LOCK_SH)
    except BlockingIOError:
        pass
    except BaseException:
        _close(fd)
        raise
    _close(fd)
    return None


def _close(fd: int) -> None:
    _open.pop(fd, None)
    os.close(fd)


def _close_in_child() -> None:
    for fd, lock in list(_open.items()):
        if fd in _handed_over:
            continue
        if lock is not None:
            lock.fd = -1
        with suppress(OSError):
            os.close(fd)
        _open.pop(fd, None)
    _handed_over.clear()


def _inherited(given: str) -> Iterator[int]:
    """The descriptors of locks which this process was handed at its start, as far as they are such."""
    for word in given.split(","):
        with suppress(OSError, ValueError):
            if os.readlink(f"/proc/self/fd/{int(word)}").endswith(".lock"):
                yield int(word)


# A trainer keeps its slot's lock by holding it open; its own forked workers must not.
_open.update(dict.fromkeys(_inherited(os.environ.get(LOCK_FDS_ENV, ""))))
os.register_at_fork(after_in_child=_close_in_child)
