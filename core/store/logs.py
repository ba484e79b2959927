"""Logs of attempts, read in bounded pieces and cleaned."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from core.store.attempts import numbers
from core.store.paths import RunPaths
from core.text import clean, middle_cut

LINE_LIMIT = 4000
TAIL_LIMIT = 256 * 1024
# Colours are dropped; any other escape is shown as a picture.
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


def tail_log(run: RunPaths, attempt: int | None = None, limit: int = TAIL_LIMIT) -> str:
    """The last `limit` bytes of an attempt's log (the newest attempt's by default), whole lines, cleaned."""
    return read_log(run, attempt, offset=-limit, limit=limit)[0]


def read_log(
    run: RunPaths, attempt: int | None = None, offset: int = 0, limit: int = TAIL_LIMIT
) -> tuple[str, int]:
    """At most `limit` bytes of a log from byte `offset` on, and the offset to go on at.

    A negative offset counts from the end and starts at a line. To follow a log, call again with the returned
    offset; a character that has only half arrived is left for the next call. A log that shrank is read anew.
    """
    number = max(numbers(run), default=0) if attempt is None else attempt
    return read_file(run.attempt(number).log, offset, limit)


def tail_file(path: Path, limit: int = TAIL_LIMIT) -> str:
    """The same of the last `limit` bytes of any log, such as a job's."""
    return read_file(path, -limit, limit)[0]


def read_file(path: Path, offset: int = 0, limit: int = TAIL_LIMIT) -> tuple[str, int]:
    """`read_log` of any log; empty when it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return "", 0
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return "", 0
        from_end = offset < 0
        start = max(status.st_size + offset, 0) if from_end else offset
        if start > status.st_size:
            start = 0
        data = os.pread(fd, limit, start)
    except OSError:
        return "", 0
    finally:
        os.close(fd)
    if from_end and start > 0:
        cut = data.find(b"\n") + 1
        data, start = data[cut:], start + cut
    data = data[: len(data) - _half_character(data)]
    return _for_people(data), start + len(data)


def _for_people(data: bytes) -> str:
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    text = clean(_COLOUR.sub("", text), newlines=True)
    if len(text) <= LINE_LIMIT:
        return text
    return "\n".join(middle_cut(line, LINE_LIMIT) for line in text.split("\n"))


def _half_character(data: bytes) -> int:
    """How many bytes at the end belong to a UTF-8 character whose rest is still to come."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            return 0
        if byte >= 0xC0:
            wanted = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if wanted > back and byte < 0xF8 else 0
    return 0
