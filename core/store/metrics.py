"""`metrics.jsonl`: one JSON object a line, appended with one `os.write` each, never cut.

Records: {"t", "epoch", "step", "attempt", "scope": "step" | "epoch" | "final", "<name>": number, ...}, and
{"resume": checkpoint id or null, "attempt", "epoch", "step", "t"} where an attempt takes over. JSON has no
NaN: NaN and the infinities are the strings "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

import logging
import math
import os
import stat
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from core.store import files
from core.store.columns import StepRows as StepRows
from core.store.columns import number_of
from core.store.history import History as History
from core.store.history import Resume as Resume
from core.store.records import Record
from core.text import clean

CHUNK = 1 << 18
_LONGEST_LINE = 1 << 20
_PENDING_LIMIT = 100_000
_MARKS = (b'"scope":"epoch"', b'"scope":"final"', b'"resume":')
_log = logging.getLogger("labtui.store")


def encode_value(value: Any) -> Any:
    """A metric as JSON can hold it: NaN and infinities as words, array scalars as plain numbers."""
    if isinstance(value, str | int) or value is None:
        return value
    value = float(value)
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def encode(record: Mapping[str, Any]) -> bytes:
    """One line of metrics.jsonl."""
    return orjson.dumps({key: encode_value(value) for key, value in record.items()}) + b"\n"


def decode_numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a JSON mapping as floats under clean names; what is no number is left out."""
    pairs = ((clean(str(key)[:200]), number_of(value)) for key, value in values.items())
    return {key: value for key, value in pairs if value is not None}


def is_finite(value: float | None) -> bool:
    """Whether there is a value, and one that can be compared."""
    return value is not None and math.isfinite(value)


class MetricsWriter:
    """Appends records; the one writer of its file.

    A full disk (or another write error) does not raise: the record is kept, a warning logged once, and
    written again before the next one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        size = os.fstat(self._fd).st_size
        self._torn = size > 0 and os.pread(self._fd, 1, size - 1) != b"\n"
        self._pending: deque[bytes] = deque()
        self._lost = 0
        self._warned = False

    @property
    def pending(self) -> int:
        """Records that could not be written yet."""
        return len(self._pending)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one record with one `os.write`. Never raises OSError."""
        line = encode(record)
        if len(self._pending) >= _PENDING_LIMIT and record.get("scope") == "step":
            self._lost += 1
            return
        self._pending.append(line)
        self._flush()

    def sync(self) -> bool:
        """fsync; True when every record is safely on disk."""
        written = self._flush()
        try:
            files.sync(self._fd, self.path)
        except OSError as error:
            self._warn(error)
            return False
        return written

    def close(self) -> bool:
        """`sync`, then close; records which still cannot be written are lost, and False is returned."""
        if self._fd < 0:
            return True
        written = self.sync()
        if not written and self._pending:
            _log.warning("%d metric records were lost: %s cannot be written.", self.pending, self.path)
        os.close(self._fd)
        self._fd = -1
        return written

    def __enter__(self) -> MetricsWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _flush(self) -> bool:
        while self._pending:
            line = self._pending[0]
            data = b"\n" + line if self._torn else line
            try:
                written = files.append(self._fd, data, self.path)
            except OSError as error:
                # Part of the line may be there; an empty line in its place does no harm.
                self._torn = True
                self._warn(error)
                return False
            self._torn = written < len(data)
            if not self._torn:
                self._pending.popleft()
        if self._warned:
            lost = f"; {self._lost} step records were dropped meanwhile" if self._lost else ""
            _log.warning("Metrics are being written again to %s%s.", self.path, lost)
            self._warned, self._lost = False, 0
        return True

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(
                "Metrics cannot be written to %s (%s); they are kept and written later.",
                self.path,
                error.strerror or error,
            )


def read_tail(path: str | Path, offset: int = 0, limit: int | None = None) -> tuple[list[Record], int]:
    """The records in whole lines after byte `offset`, and the offset to go on at.

    With `limit`, about that many bytes at most are read. A line that is still being written waits for the
    next call; lines that are no JSON object, or longer than 1 MiB, are skipped. A file that shrank is read
    anew from its start; a missing one has no records.
    """
    records: list[Record] = []
    for data, after in _chunks(path, offset, limit):
        records += _parse(data)
        offset = after
    return records, offset


class MetricsReader:
    """Follows one metrics.jsonl into a `History`. With `steps=False` only rows of epochs are decoded."""

    def __init__(self, path: str | Path, *, steps: bool = True) -> None:
        self.path = path
        self.history = History()
        self.offset = 0
        self._steps = steps

    def poll(self, limit: int | None = None) -> bool:
        """Take in what was appended (about `limit` bytes at most); True when there was anything.

        When the file shrank, `history` is a new object that holds the file from its start.
        """
        before = self.offset
        for data, offset in _chunks(self.path, self.offset, limit):
            if offset < self.offset:
                self.history = History()
            self.offset = offset
            if data:
                self.history.extend(_parse(data if self._steps else _without_steps(data)))
        return self.offset != before


def read_history(path: str | Path, *, steps: bool = True) -> History:
    """The whole file as a `History`."""
    reader = MetricsReader(path, steps=steps)
    reader.poll()
    return reader.history


def _chunks(path: str | Path, offset: int, limit: int | None) -> Iterator[tuple[bytes, int]]:
    """Whole lines after `offset` in pieces of about CHUNK bytes, each with the offset after it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        yield b"", 0 if offset and not os.path.lexists(path) else offset
        return
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            yield b"", offset
            return
        if status.st_size < offset:
            offset = 0
            yield b"", 0
        end = status.st_size if limit is None else min(status.st_size, offset + max(limit, 1))
        start = offset
        while offset < end:
            data = os.pread(fd, min(CHUNK, end - offset), offset)
            if not data:
                break
            cut = data.rfind(b"\n") + 1
            if not cut:
                if limit is not None and offset > start:
                    break
                data = os.pread(fd, _LONGEST_LINE, offset)
                cut = data.find(b"\n") + 1
                if not cut and len(data) < _LONGEST_LINE:
                    break
                # An endless line is skipped piece by piece; its end is no JSON and falls away too.
                offset += cut or len(data)
                yield data[:cut], offset
                continue
            offset += cut
            yield data[:cut], offset
        yield b"", offset
    except OSError:
        yield b"", offset
    finally:
        os.close(fd)


def _parse(data: bytes) -> list[Record]:
    """The JSON objects in whole lines."""
    if not data:
        return []
    try:
        values = orjson.loads(b"[" + data[:-1].replace(b"\n", b",") + b"]")
        if len(values) == data.count(b"\n"):
            return [value for value in values if type(value) is dict]
    except orjson.JSONDecodeError:
        pass
    values = []
    for line in data.split(b"\n"):
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if type(value) is dict:
            values.append(value)
    return values


def _without_steps(data: bytes) -> bytes:
    """Only the lines which may be rows of epochs, final rows or resume records."""
    starts: set[int] = set()
    for mark in _MARKS:
        at = data.find(mark)
        while at >= 0:
            starts.add(data.rfind(b"\n", 0, at) + 1)
            at = data.find(mark, data.find(b"\n", at))
    return b"".join(data[start : data.find(b"\n", start) + 1] for start in sorted(starts))
