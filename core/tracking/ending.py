"""When an attempt is over, and how it ended, as seen from beside it."""

from __future__ import annotations

from dataclasses import dataclass

from core.store.attempts import numbers, read_attempt
from core.store.locks import is_run_locked
from core.store.paths import RunPaths
from core.store.state import failure


@dataclass(frozen=True)
class Outcome:
    """`state` is finished, stopped, failed or lost; `reason` is one sentence for failed, else empty."""

    state: str
    reason: str = ""


class Ending:
    """Looks whether an attempt has ended. The looker's own death or delay changes nothing for anybody."""

    def __init__(self, run: RunPaths, attempt: int) -> None:
        self._run = run
        self._attempt = attempt
        self._unlocked = False

    def is_gone(self) -> bool:
        """Whether the run's folder was removed."""
        return not self._run.spec.exists()

    def seen(self) -> bool:
        """Whether nothing will be written any more: exit.json, a later attempt, or nobody holds the run.

        The locks have to be free in two looks: the supervisor's death and the trainer's start may overlap.
        """
        run = self._run
        if self.is_gone() or run.attempt(self._attempt).exit.exists():
            return True
        if max(numbers(run), default=0) > self._attempt:
            return True
        free = not is_run_locked(run, "train") and not is_run_locked(run, "sup")
        before, self._unlocked = self._unlocked, free
        return free and before

    def outcome(self) -> Outcome:
        """How the attempt ended."""
        attempt = read_attempt(self._run, self._attempt)
        if attempt.status:
            return Outcome(attempt.status)
        if attempt.exited or attempt.error:
            return Outcome("failed", failure(attempt, self._run.attempt(self._attempt).log))
        return Outcome("lost")
