"""A file of lines that grows, followed: whole lines as they come, and word when it is another file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from core.errors import MissingFileError, UnreadableError
from core.reading import open_regular

CHUNK = 1 << 18
_LONGEST_LINE = 1 << 20
_MARK = 256


class Tail:
    """Where one reader is in a file (`offset`, in bytes).

    Another file under the name, or another content where the reader is, is read from its start; with
    `patient`, another file that says the same there is gone on with.
    """

    def __init__(self, path: str | Path, *, patient: bool = False) -> None:
        self._path = path
        self._patient = patient
        self.rewind()

    def rewind(self) -> None:
        """Begin at the file's start again."""
        self.offset = 0
        self._file: tuple[int, int] | None = None
        # What lies right before the offset.
        self._mark = b""

    def skip_to(self, offset: int) -> None:
        """Go on at an offset where a line begins, as if all before it had been read."""
        self.rewind()
        with suppress(UnreadableError, OSError):
            fd = open_regular(self._path)
            try:
                status = os.fstat(fd)
                self._mark = os.pread(fd, min(_MARK, offset), max(offset - _MARK, 0))
                self._file, self.offset = (status.st_dev, status.st_ino), offset
            finally:
                os.close(fd)

    def chunks(self, limit: int | None = None) -> Iterator[tuple[bytes, bool]]:
        """Whole lines in pieces of about CHUNK bytes, each with whether all that came before is void.

        With `limit`, about that many bytes at most are read. A line that is still being written waits for the
        next call; of one longer than 1 MiB pieces come that are no whole line. A missing or unreadable file
        has nothing, and a missing one makes void what was read of it.
        """
        try:
            fd = open_regular(self._path)
        except MissingFileError:
            if self.offset:
                self.rewind()
                yield b"", True
            return
        except UnreadableError:
            return
        try:
            yield from self._read(fd, limit)
        except OSError:
            return
        finally:
            os.close(fd)

    def _read(self, fd: int, limit: int | None) -> Iterator[tuple[bytes, bool]]:
        status = os.fstat(fd)
        file = status.st_dev, status.st_ino
        if self.offset:
            other = file != self._file
            shrank = status.st_size < self.offset
            doubtful = other or status.st_size > self.offset
            if shrank or (other and not self._patient) or (doubtful and not self._is_here(fd)):
                self.rewind()
                yield b"", True
        self._file = file
        end = status.st_size if limit is None else min(status.st_size, self.offset + max(limit, 1))
        start = self.offset
        while self.offset < end:
            data = os.pread(fd, min(CHUNK, end - self.offset), self.offset)
            if not data:
                break
            cut = data.rfind(b"\n") + 1
            if not cut:
                if limit is not None and self.offset > start:
                    break
                data = os.pread(fd, _LONGEST_LINE, self.offset)
                cut = data.find(b"\n") + 1
                if not cut and len(data) < _LONGEST_LINE:
                    break
                # An endless line comes piece by piece; its end is no JSON and falls away too.
                cut = cut or len(data)
            data = data[:cut]
            self.offset += cut
            self._mark = data[-_MARK:] if cut >= _MARK else (self._mark + data)[-_MARK:]
            yield data, False

    def _is_here(self, fd: int) -> bool:
        return os.pread(fd, len(self._mark), self.offset - len(self._mark)) == self._mark
