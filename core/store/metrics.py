"""`metrics.jsonl`: one JSON object a line, appended with one `os.write` each, never cut.

Records: {"t", "epoch", "step", "attempt", "scope": "step" | "epoch" | "final", "<name>": number, ...}, and
{"resume": checkpoint id or null, "attempt", "epoch", "step", "t"} where an attempt takes over. JSON has no
NaN: NaN and the infinities are the strings "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

import logging
import math
import os
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from core.errors import UnreadableError
from core.reading import open_regular
from core.store import files
from core.store.history import History as History
from core.store.history import Resume as Resume
from core.store.json_values import metric_of, stored_metric
from core.store.metric_columns import StepRows as StepRows
from core.store.records import Record
from core.store.tail import CHUNK as CHUNK
from core.store.tail import Tail
from core.text import clean

_PENDING_LIMIT = 100_000
_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_MARKS = (b'"scope":"epoch"', b'"scope":"final"', b'"resume":')
_ATTEMPT = re.compile(rb'"attempt":(\d{1,9})[,}]')
_log = logging.getLogger("labtui.store")


def encode_value(value: Any) -> Any:
    """A metric as JSON can hold it: NaN and infinities as words, array scalars as plain numbers."""
    if isinstance(value, str | int) or value is None:
        return value
    return stored_metric(float(value))


def encode(record: Mapping[str, Any]) -> bytes:
    """One line of metrics.jsonl."""
    return orjson.dumps({key: encode_value(value) for key, value in record.items()}) + b"\n"


def decode_numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a JSON mapping as floats under clean names; what is no number is left out."""
    pairs = ((clean(str(key)[:200]), metric_of(value)) for key, value in values.items())
    return {key: value for key, value in pairs if value is not None}


def is_finite(value: float | None) -> bool:
    """Whether there is a value, and one that can be compared."""
    return value is not None and math.isfinite(value)


class MetricsWriter:
    """Appends records; the one writer of its file.

    A full disk (or another write error) does not raise: the record is kept, a warning logged once, and
    written again before the next one. When another file takes the name (an editor's, rsync's), or none has
    it, records go on there, after those of this writer that it lacks.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made = False
        self._fd, self._torn = self._open()
        self._attempt: int | None = None
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
        if type(attempt := record.get("attempt")) is int:
            self._attempt = attempt
        if len(self._pending) >= _PENDING_LIMIT and record.get("scope") == "step":
            self._lost += 1
            return
        self._pending.append(line)
        self._flush()

    def sync(self) -> bool:
        """fsync; True when every record is safely on disk."""
        written = self._flush()
        try:
            self._follow()
            files.sync(self._fd, self.path)
            if self._made:
                # Its name has to last as well.
                files.sync_folder(self.path.parent)
                self._made = False
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
        try:
            self._follow()
        except OSError as error:
            self._warn(error)
            return False
        if self._warned:
            lost = f"; {self._lost} step records were dropped meanwhile" if self._lost else ""
            _log.warning("Metrics are being written again to %s%s.", self.path, lost)
            self._warned, self._lost = False, 0
        return True

    def _open(self) -> tuple[int, bool]:
        """A descriptor of the file, and whether its last line lacks its end."""
        self._made = not os.path.lexists(self.path)
        fd = os.open(self.path, _APPEND, 0o600)
        try:
            size = os.fstat(fd).st_size
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        except OSError:
            os.close(fd)
            raise
        return fd, torn

    def _follow(self) -> None:
        """Go on in the file that has the name now, if it is another; looked at after each write, so that
        nothing stays in a file that nobody finds.
        """
        mine = os.fstat(self._fd)
        try:
            there = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            there = None
        if there is not None and (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
            return
        old = self._fd
        self._fd, self._torn = self._open()
        try:
            # Of a file that was deleted, all is put back.
            missing = missing_lines(old, self._fd, None if there is None else self._attempt)
        finally:
            os.close(old)
        _log.warning("%s was replaced by another file: metrics are written there now.", self.path)
        self._pending.extendleft(reversed(missing))
        self._flush()

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(
                "Metrics cannot be written to %s (%s); they are kept and written later.",
                self.path,
                error.strerror or error,
            )


def missing_lines(old: int, new: int, attempt: int | None) -> list[bytes]:
    """The lines of an attempt (None: all) that one open file has and another lacks, in order.

    A line that is there twice has to be in the other twice. Raises OSError.
    """
    there = Counter(map(hash, _lines(new)))
    mark = re.compile(b"" if attempt is None else b'"attempt":%d[,}]' % attempt)
    missing = []
    for line in _lines(old):
        if mark.search(line):
            key = hash(line)
            if there[key] > 0:
                there[key] -= 1
            else:
                missing.append(line)
    return missing


def _lines(fd: int) -> Iterator[bytes]:
    offset, rest = 0, b""
    while data := os.pread(fd, CHUNK, offset):
        offset += len(data)
        *whole, rest = (rest + data).split(b"\n")
        yield from (line + b"\n" for line in whole if line)


class MetricsTail:
    """The records of one metrics.jsonl as they come. Lines that are no JSON object, or longer than 1 MiB, are
    skipped; one that is still being written waits. A missing file has no records.
    """

    def __init__(self, path: str | Path, *, patient: bool = False) -> None:
        self._path = path
        self._tail = Tail(path, patient=patient)

    @property
    def offset(self) -> int:
        """The bytes read so far."""
        return self._tail.offset

    def read(self, limit: int | None = None) -> tuple[list[Record], bool]:
        """The records since the last call (about `limit` bytes of them at most), and whether they are from
        the file's start because it was replaced or cut (`Tail`).
        """
        records: list[Record] = []
        again = False
        for data, anew in self._tail.chunks(limit):
            if anew:
                records, again = [], True
            records += _parse(data)
        return records, again

    def rewind(self) -> None:
        """Begin at the file's start again."""
        self._tail.rewind()

    def skip_before(self, attempt: int) -> None:
        """Begin after the last record of an earlier attempt, found from the file's end."""
        self._tail.skip_to(_end_of_earlier(self._path, attempt))


def _end_of_earlier(path: str | Path, attempt: int) -> int:
    """Where the line after the last record of an attempt before `attempt` begins; 0 when there is none."""
    try:
        fd = open_regular(path)
    except UnreadableError:
        return 0
    try:
        end = os.fstat(fd).st_size
        while end > 0:
            start = max(0, end - CHUNK)
            # A little more, for a mark that lies across.
            data = os.pread(fd, end - start + 32, start)
            earlier = [match for match in _ATTEMPT.finditer(data) if int(match[1]) < attempt]
            if earlier:
                at = start + earlier[-1].end()
                return at + os.pread(fd, 4 * CHUNK, at).find(b"\n") + 1
            end = start
    except OSError:
        pass
    finally:
        os.close(fd)
    return 0


class MetricsReader:
    """Follows one metrics.jsonl into a `History`. With `steps=False` only rows of epochs are decoded."""

    def __init__(self, path: str | Path, *, steps: bool = True) -> None:
        self.path = path
        self.history = History()
        self._tail = Tail(path)
        self._steps = steps

    def poll(self, limit: int | None = None) -> bool:
        """Take in what was appended (about `limit` bytes at most); True when there was anything.

        When the file was cut or another took its name, `history` is a new object that holds the file from
        its start.
        """
        changed = False
        for data, anew in self._tail.chunks(limit):
            if anew:
                self.history = History()
            if data:
                self.history.extend(_parse(data if self._steps else _without_steps(data)))
            changed = changed or anew or bool(data)
        return changed


def read_history(path: str | Path, *, steps: bool = True) -> History:
    """The whole file as a `History`."""
    reader = MetricsReader(path, steps=steps)
    reader.poll()
    return reader.history


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
