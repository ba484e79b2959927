"""Work that could not begin waits before the next try, longer each time; notes in the state folder say why.

A full disk, a read-only mount or a process that cannot be started would do the same again at once: without a
pause such work would be taken first for ever, and all that waits behind it would stand still.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core import humanise
from core.config.workspace import state_home, state_path
from core.launch.apart import words
from core.launch.work_item import Work
from core.store.files import peek_json, unlink, write_json
from core.store.json_values import integer_of, number_of, text_of

_FIRST, _LONGEST = 10.0, 600.0
"""Seconds of the first pause; each is twice the one before, up to the longest."""
_FORGET = 7 * 86400.0


@dataclass(frozen=True)
class Delay:
    """`tries` have failed, the last for `reason`; the next is due in `left` seconds (0: now)."""

    tries: int
    left: float
    reason: str

    def __str__(self) -> str:
        again = f"again in {humanise.duration(self.left)}" if self.left else "tried again now"
        times = "once" if self.tries == 1 else f"{self.tries} times"
        return f"could not start: {self.reason} (tried {times}, {again}; `labtui dispatch` tries at once)"


def pause(tries: int) -> float:
    """Seconds between the `tries`-th failure in a row and the next try."""
    return min(_LONGEST, _FIRST * 2.0 ** min(tries - 1, 30))


def hold_back(work: Work, error: BaseException) -> bool:
    """Note that `work` could not begin; False when even that cannot be written."""
    before = _read(work)
    tries = 1 if before is None else before[0] + 1
    content = {"work": str(work.root), "tries": tries, "time": time.time(), "reason": words(error)}
    try:
        path = _path(state_home(), work)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _sweep(path.parent)
        write_json(path, content)
    except OSError:
        return False
    return True


def delay(work: Work) -> Delay | None:
    """Why work is held back, None when it is not."""
    found = _read(work)
    if found is None:
        return None
    tries, when, reason = found
    since = time.time() - when
    # A clock that was set back must not hold anything for ever.
    left = max(0.0, pause(tries) - since) if since >= 0 else 0.0
    return Delay(tries, left, reason)


def forget(work: Work) -> None:
    """It has begun. Never fails."""
    with suppress(OSError):
        unlink(_path(state_path(), work))


def forget_all() -> None:
    """Let everything be tried at once. Never fails."""
    with suppress(OSError):
        for entry in os.scandir(state_path() / "delays"):
            with suppress(OSError):
                os.unlink(entry.path)


def _read(work: Work) -> tuple[int, float, str] | None:
    content = peek_json(_path(state_path(), work))
    if content is None:
        return None
    tries, when = integer_of(content.get("tries")), number_of(content.get("time"))
    return None if tries is None or when is None else (max(1, tries), when, text_of(content.get("reason")))


def _path(state: Path, work: Work) -> Path:
    key = os.fsencode(f"{work.root}\0{work.request}")
    return state / "delays" / f"{hashlib.sha256(key).hexdigest()[:16]}.json"


def _sweep(folder: Path) -> None:
    """Remove notes on work that nobody has tried for long: its run is gone, or was called off."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            if time.time() - entry.stat().st_mtime > _FORGET:
                os.unlink(entry.path)
