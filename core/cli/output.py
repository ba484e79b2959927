"""The only writer to stdout and stderr: data on stdout, words for people on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

from core.store.json_values import stored_metric
from core.text import clean

StyledLine = Sequence[tuple[str, str]]
"""A line in pieces: text, and the name of a style in the terminal's own colours ("" for none)."""
INTERRUPTED = 130
"""Exit code of a command that Ctrl-C has ended."""
_LEAST = 8
"""Cells that a shortened text keeps."""
_room: int | None = None


def prepare_streams() -> None:
    """Make both streams take any text, whatever the locale's encoding can hold."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def out(text: str = "") -> None:
    """Write lines of data to stdout."""
    sys.stdout.write(clean(text, newlines=True) + "\n")


def out_styled(lines: Iterable[StyledLine]) -> None:
    """Write lines of styled text to stdout; plain where that is no terminal or NO_COLOR is set."""
    if not is_terminal(sys.stdout) or os.environ.get("NO_COLOR"):
        for line in lines:
            out("".join(text for text, _ in line))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False)
    for line in lines:
        console.print(Text.assemble(*((clean(text), style) for text, style in line)), soft_wrap=True)


def say(text: str) -> None:
    """Write a message for the user to stderr; a terminal that is gone is no error."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(clean(text, newlines=True) + "\n")
        sys.stderr.flush()


def out_json(document: Any) -> None:
    """Write one JSON document to stdout; NaN and infinities become the strings of the metrics file."""
    sys.stdout.write(json.dumps(plain(document), indent=2) + "\n")


def plain(value: Any) -> Any:
    """`value` with mappings and sequences as JSON has them and non-finite numbers as strings."""
    if isinstance(value, float):
        return stored_metric(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def fit_terminal() -> None:
    """From now on tables are as wide as the terminal at most, where stdout is one."""
    global _room
    _room = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None


@contextlib.contextmanager
def any_width() -> Iterator[None]:
    """Inside, tables are as wide as they are: what is written to a file."""
    global _room
    before, _room = _room, None
    try:
        yield
    finally:
        _room = before


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> list[str]:
    """Lines of a plain table, two spaces between columns, measured in cells.

    `right` has one letter a column: `r` flush right, `l` (or none) left, `k` left and never shortened, `R`
    flush right. Where the terminal is narrower (`fit_terminal`), texts are shortened, the longest first; when
    that is not enough, the last `r` columns follow below, the first column before them. No number is cut.
    """
    from core.cli.cells import cell_len, fit

    cells = [list(header), *(list(row) for row in rows)]
    sides = right.ljust(len(header), "l")
    widths = [max(cell_len(row[column]) for row in cells) for column in range(len(header))]
    blocks = [list(range(len(header)))]
    if _room is not None:
        widths = _shortened(widths, sides, _room)
        blocks = _blocks(widths, sides, _room)
    lines: list[str] = []
    for columns in blocks:
        lines += [""] if lines else []
        for row in cells:
            padded = (fit(row[at], widths[at], "right" if sides[at] in "rR" else "left") for at in columns)
            lines.append("  ".join(padded).rstrip())
    return lines


def _blocks(widths: Sequence[int], sides: str, room: int) -> list[list[int]]:
    """The columns of each part of a table, one below the other."""
    blocks = []
    columns = list(range(len(widths)))
    while True:
        below: list[int] = []
        numbers = [at for at in columns[1:] if sides[at] == "r"]
        # At least one has to stay, or there is no end.
        while _total(widths, columns) > room and len(numbers) > (len(numbers) == len(columns) - 1):
            below.insert(0, numbers.pop())
            columns.remove(below[0])
        blocks.append(columns)
        if not below:
            return blocks
        columns = [0, *below]


def _total(widths: Sequence[int], columns: Sequence[int]) -> int:
    return sum(widths[at] for at in columns) + 2 * max(len(columns) - 1, 0)


def _shortened(widths: Sequence[int], sides: str, room: int) -> list[int]:
    """Widths of columns with texts made narrower, the widest first, until all fit or none is left to give."""
    narrowed = list(widths)
    texts = [at for at, side in enumerate(sides) if side == "l"]
    while (over := _total(narrowed, range(len(narrowed))) - room) > 0:
        giving = [at for at in texts if narrowed[at] > _LEAST]
        if not giving:
            break
        widest = max(giving, key=lambda at: narrowed[at])
        others = [narrowed[at] for at in giving if at != widest]
        floor = max([_LEAST, *(width for width in others if width < narrowed[widest])])
        narrowed[widest] = max(narrowed[widest] - over, min(floor, narrowed[widest] - 1))
    return narrowed


def is_terminal(stream: TextIO) -> bool:
    """True when `stream` is a terminal that understands cursor movement."""
    try:
        return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    except ValueError:
        return False


def silence_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush cannot fail on a closed pipe."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
