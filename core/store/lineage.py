"""Which records and checkpoints a run's curve goes through, when attempts may start from any checkpoint."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CHECKPOINT_ID = re.compile(r"a(\d{2,})-e(\d{4,})(?:-s(\d{6,}))?")


@dataclass(frozen=True)
class Limit:
    """How far an attempt counts: to the end of `epoch` and to `step`; infinite while nothing took over."""

    epoch: float = math.inf
    step: float = math.inf

    def cut(self, epoch: float, step: float) -> Limit:
        return Limit(min(self.epoch, epoch), min(self.step, step))


Limits = Mapping[int, Limit]
"""The attempts of one line of descent, each with its limit."""


class Lineage:
    """The way by which weights came about: the newest attempt, and each ancestor up to where it was left.

    An attempt that started from checkpoint c of attempt a, at step s, has all of a's ancestors, and a itself
    up to s. Attempt 0 is what a fork inherited. `limits` are those of the newest attempt.
    """

    def __init__(self) -> None:
        self.limits: dict[int, Limit] = {}
        self._ancestors: dict[int, dict[int, Limit]] = {}

    def copy(self) -> Lineage:
        """One that can go on without this one."""
        other = Lineage()
        other.limits, other._ancestors = dict(self.limits), dict(self._ancestors)
        return other

    def seen(self, attempt: int, epoch: int, step: int) -> None:
        """A record or checkpoint at that place: an attempt not yet known took over just before it.

        One that is older than those known does not: what came of it is lost.
        """
        if attempt not in self._ancestors and attempt >= max(self.limits, default=0):
            self._begin(attempt, _cut(self.limits, math.inf, step - 1) if self.limits else {})

    def take_over(self, attempt: int, checkpoint: str | None, epoch: float, step: float) -> None:
        """`attempt` starts from `checkpoint` after `epoch` complete epochs and `step` steps.

        A name that is no checkpoint's means whatever the curve goes through at that step.
        """
        start = attempt_of(checkpoint)
        if start is not None and start != attempt:
            self._ancestors.setdefault(start, {})
        if start is None and not self.limits:
            # Nothing is known of what was before; only the place is.
            self.limits = dict.fromkeys(range(attempt), Limit())
        self._begin(attempt, self.up_to(start, epoch, step))

    def up_to(self, attempt: int | None, epoch: float, step: float) -> dict[int, Limit]:
        """The line of descent that ends with `attempt` at this place; None: the present one, cut there."""
        line = self.limits if attempt is None else {**self._ancestors.get(attempt, {}), attempt: Limit()}
        return _cut(line, epoch, step)

    def of_final(self, record: Mapping[str, object]) -> int:
        """The attempt that a record of scope "final" is about: that of the checkpoint which was measured."""
        checkpoint, attempt = record.get("checkpoint"), record.get("attempt")
        start = attempt_of(checkpoint) if isinstance(checkpoint, str) else None
        if start is not None:
            return start
        if isinstance(attempt, int) and attempt in self._ancestors:
            return attempt
        return max(self.limits, default=0)

    def holds(self, attempt: int, *, epoch: float = 0, step: float = 0) -> bool:
        """Whether the curve goes through this place of an attempt."""
        return holds(self.limits, attempt, epoch=epoch, step=step)

    def _begin(self, attempt: int, ancestors: dict[int, Limit]) -> None:
        ancestors.pop(attempt, None)
        self._ancestors[attempt] = ancestors
        self.limits = {**ancestors, attempt: Limit()}


def holds(limits: Limits, attempt: int, *, epoch: float = 0, step: float = 0) -> bool:
    """Whether a line of descent goes through this place of an attempt."""
    limit = limits.get(attempt)
    return limit is not None and epoch <= limit.epoch and step <= limit.step


def attempt_of(checkpoint: str | None) -> int | None:
    """The attempt that a checkpoint's id names."""
    match = CHECKPOINT_ID.fullmatch(checkpoint or "")
    return int(match[1]) if match else None


def holds_id(lineage: Lineage, checkpoint: str) -> bool:
    """Whether the curve goes through a checkpoint that may be gone, by its id; true for what is no id."""
    match = CHECKPOINT_ID.fullmatch(checkpoint)
    if match is None or not lineage.limits:
        return True
    place = {"step": int(match[3])} if match[3] else {"epoch": int(match[2])}
    return lineage.holds(int(match[1]), **place)


def add_checkpoints(lineage: Lineage, places: Iterable[tuple[int, int, int]]) -> Lineage:
    """`lineage` with attempts that only checkpoints tell of: (attempt, epoch, step) each."""
    found = lineage.copy()
    for attempt, epoch, step in sorted(places):
        found.seen(attempt, epoch, step)
    return found


def _cut(line: Limits, epoch: float, step: float) -> dict[int, Limit]:
    return {attempt: limit.cut(epoch, step) for attempt, limit in line.items()}
