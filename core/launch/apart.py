"""One bad work, run or workspace never harms another: its fault is caught here, noted, and passed over."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path

from core import os_errors
from core.config.workspace import state_path
from core.errors import LabError
from core.reading import exists
from core.text import clean, shown

Problems = MutableMapping[str, str]
"""What could not be looked at or begun, by path, with the reason."""

_LOG_LIMIT = 1 << 20
_WORDS = 500


def supervisor_log() -> Path:
    """Where supervisors, waiters and dispatchers write what goes wrong with themselves."""
    return state_path() / "supervisor.log"


@contextmanager
def apart(problems: Problems, where: Path) -> Iterator[None]:
    """A fault of what is inside is noted under `where`; what nobody foresaw also goes to the log.

    What has been removed meanwhile is no fault.
    """
    try:
        yield
    except (OSError, LabError) as error:
        if exists(where):
            problems[str(where)] = words(error)
    except Exception as error:
        problems[str(where)] = words(error)
        log_fault(f"while it looked at {where}", error)


def words(error: BaseException) -> str:
    """One line for people."""
    if isinstance(error, LabError):
        said = str(error)
    elif isinstance(error, OSError) and error.errno:
        said = ": ".join(filter(None, (os_errors.reason(error), shown(os_errors.path_of(error)))))
    else:
        said = f"unexpected {type(error).__name__}: {error}"
    return clean(said.split("\n", 1)[0][:_WORDS])


def log_fault(what: str, error: BaseException) -> None:
    """Append an exception to the log, without its traceback where it is one for people. Never fails."""
    lines = [f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} pid {os.getpid()}, {clean(what)}: {words(error)}\n"]
    if not isinstance(error, OSError | LabError):
        lines += traceback.format_exception(error)
    with suppress(OSError):
        bound_log()
        with supervisor_log().open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(lines)


def bound_log() -> None:
    """Start the log anew when it is too long, keeping the one before. Never fails."""
    log = supervisor_log()
    with suppress(OSError):
        if log.stat().st_size > _LOG_LIMIT:
            os.replace(log, log.with_suffix(".log.1"))
