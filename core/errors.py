"""Errors for people: one plain sentence each, with the exit code of the command that ends on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class LabError(Exception):
    """Base of all errors that are meant for the user; `str(error)` is the whole message."""

    exit_code = 4
    title = "Error"


class UsageError(LabError):
    """The command line names something that does not exist or does not go together."""

    exit_code = 2
    title = "Usage"


@dataclass(frozen=True)
class Problem:
    """One fault in a config: where it stands and what to do. `line` counts from 1, 0 when unknown."""

    file: Path | None
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        place = ""
        if self.file:
            place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return f"{place}{self.key}: {self.text}" if self.key else f"{place}{self.text}"


class ConfigError(LabError):
    """All problems of a config in one go."""

    exit_code = 2
    title = "Config"

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


class DataError(LabError):
    """The data set is missing, unreadable or not what the config says."""

    exit_code = 3
    title = "Data"


class UnreadableError(DataError):
    """A file is there but cannot be used: refused by the system, no regular file, too long, or damaged.

    `path` is as messages show it; `line` counts from 1, 0 where the fault has no line.
    """

    def __init__(self, path: str, reason: str, line: int = 0) -> None:
        self.path, self.reason, self.line = path, reason, line
        super().__init__(f"{path}:{line}: {reason}." if line else f"{path}: {reason}.")


class MissingFileError(UnreadableError):
    """There is no file of this name."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "there is no such file")


class PictureError(DataError):
    """A file is no picture that can be used: `reason` says why, `path` is as messages show it."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"{path} cannot be read as an image ({reason}): replace it or remove it from the data set."
        )


class PicturesError(DataError):
    """Some pictures of a data set cannot be used; `errors` by their paths in the set."""

    def __init__(self, errors: Mapping[str, PictureError]) -> None:
        self.errors = dict(errors)
        first = str(next(iter(errors.values())))
        more = f" The same is true of {len(errors) - 1} more." if len(errors) > 1 else ""
        super().__init__(first + more)


class RunFailedError(LabError):
    """The run itself failed (out of memory, loss not finite, disk full, ...)."""

    exit_code = 4
    title = "Run failed"


class CheckpointError(LabError):
    """A checkpoint is unreadable, damaged or does not fit."""

    exit_code = 4
    title = "Checkpoint"


class StateError(LabError):
    """Not possible in the state that the run is in."""

    exit_code = 5
    title = "Not possible now"


class RunsFolderError(LabError):
    """The folder with the runs is there but cannot be looked into: what is in it is not known."""

    title = "Runs folder"


class StateFolderError(LabError):
    """The folder of the queue and the locks cannot be made or written."""

    title = "State folder"
