"""argparse that speaks in one sentence, knows near misses and loads a command only when it is used."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from core.errors import UsageError
from core.text import did_you_mean

_DASHED = "\0"


class Parser(argparse.ArgumentParser):
    """Raises `UsageError` instead of leaving the process; options are never abbreviated.

    `fill` adds a command's arguments the first time that the parser is used, so that `labtui ls` does not
    import what only `labtui train` needs.
    """

    def __init__(self, *args: Any, fill: Callable[[Parser], None] | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **kwargs)
        self._fill = fill
        self.dashed_words = False
        """Words like `-b` are arguments (`undashed` gives them back), not options."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        if self._fill is not None:
            fill, self._fill = self._fill, None
            fill(self)
        if self.dashed_words and args is not None:
            args = [f"{_DASHED}{word}" if _is_dashed(word) else word for word in args]
        known, extras = super().parse_known_args(args, namespace)
        if extras:
            self.error(f"there is no '{extras[0]}' here{did_you_mean(extras[0], self._words())}")
        return known, extras

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"^argument ([^:]+): ", r"\1: ", message)
        choice = re.match(r"(.*?): invalid choice: '?(.*?)'? \(choose from (.*)\)$", message, re.DOTALL)
        if choice:
            where, word, names = choice[1], choice[2], choice[3].replace("'", "").split(", ")
            if where in ("COMMAND", "ACTION"):
                message = f"there is no {where.lower()} '{word}'{did_you_mean(word, names)}"
            else:
                message = f"{where}: '{word}' is none of {', '.join(names)}{did_you_mean(word, names)}"
        message = message.replace("the following arguments are required: ", "missing ")
        raise UsageError(f"{self.prog}: {message}; see `{self.prog} --help`")

    def _words(self) -> list[str]:
        return [word for action in self._actions for word in action.option_strings]


def undashed(text: str) -> str:
    """A word as it was typed, where the parser takes dashed words."""
    return text.removeprefix(_DASHED)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    return _whole(text, 1)


def not_negative(text: str) -> int:
    """A whole number of at least 0."""
    return _whole(text, 0)


def seconds(text: str) -> float:
    """A number of seconds, at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds, got '{text}'")
    return value


def setting(text: str) -> str:
    """`key=value`, as given to `--set`."""
    key, equals, _ = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"expected key=value, got '{text}'")
    return text


def add_settings(parser: argparse.ArgumentParser, text: str = "change one setting") -> None:
    """`--set K=V`, any number of times, as `settings`."""
    parser.add_argument(
        "--set", metavar="K=V", type=setting, action="append", default=[], dest="settings", help=text
    )


def folder(text: str) -> Path:
    """A folder's path; `~` is expanded."""
    return Path(text).expanduser()


def add_workspace(parser: argparse.ArgumentParser, default: str | None = argparse.SUPPRESS) -> None:
    """The `--workspace` option; with the default of a command, what stood before the command stays."""
    parser.add_argument(
        "--workspace",
        metavar="DIR",
        type=folder,
        default=default,
        help="folder with configs/ and runs/ (else $LABTUI_WORKSPACE, else found from the current folder)",
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """The RUN argument."""
    parser.add_argument("run", metavar="RUN", help="run id, unique prefix or part of it, name, or @last")


def add_job(parser: argparse._ActionsContainer, what: str) -> None:
    """The `--job NAME` option of commands that work on runs and on jobs."""
    parser.add_argument("--job", metavar="NAME", help=f"{what}, like measure-0001")


def add_json(parser: argparse._ActionsContainer) -> None:
    """The `--json` switch."""
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")


def _is_dashed(word: str) -> bool:
    return len(word) > 1 and word[0] == "-" and word[1] != "-" and word != "-h"


def _whole(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, got '{text}'")
    return value
