"""The only writer to stdout and stderr: data on stdout, words for people on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from core.store.json_values import stored_metric
from core.text import clean

StyledLine = Sequence[tuple[str, str]]
"""A line in pieces: text, and the name of a style in the terminal's own colours ("" for none)."""
INTERRUPTED = 130
"""Exit code of a command that Ctrl-C has ended."""


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


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> list[str]:
    """Lines of a plain table, two spaces between columns.

    `right` has one letter a column, `r` for flush right; missing letters mean left.
    """
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    sides = right.ljust(len(header), "l")
    lines = []
    for row in cells:
        padded = (
            text.rjust(width) if side == "r" else text.ljust(width)
            for text, width, side in zip(row, widths, sides, strict=True)
        )
        lines.append("  ".join(padded).rstrip())
    return lines


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
