"""Whether to train a run on, in a sentence; worked out by the reader's thread when its epochs change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.store.history import History
    from core.store.paths import RunPaths
    from core.store.records import RunSummary


@dataclass(frozen=True)
class Advice:
    """What is said of the run `run`; empty where nothing can be said yet."""

    run: str = ""
    sentence: str = ""


NO_ADVICE = Advice()


class OutlookReader:
    """Remembers what was said last. Used by one thread."""

    def __init__(self) -> None:
        self._stamp: tuple[object, ...] = ()
        self._advice = NO_ADVICE

    def read(self, run: RunPaths, summary: RunSummary, history: History) -> Advice:
        """The advice on a run with this history; the same object while no epoch is new."""
        if not history.epochs:
            return Advice(run.id)
        last = history.epochs[-1]
        place = len(history.epochs), last["attempt"], last["epoch"]
        stamp = run.id, *place, summary.metric, summary.epochs
        if stamp != self._stamp:
            from core.cli.run_outlook import outlook_of

            outlook = outlook_of(run, summary, history)
            self._stamp, self._advice = stamp, Advice(run.id, outlook.sentence if outlook else "")
        return self._advice


def told(sentence: str, room: int) -> str:
    """As many whole parts of an outlook's sentence as fit `room` cells, the verdict first.

    Of a first part that does not fit, the advice and what it comes to: `enough: flat within noise`.
    """
    if len(sentence) <= room:
        return sentence
    first, *others = sentence.split("; ")
    kept = first
    if len(kept) > room - 2:
        advice, *reasons = first.split(": ")
        kept = ": ".join([advice, *reasons[-1:]])
    for part in others:
        if len(kept) + 2 + len(part) > room - 2:
            break
        kept = f"{kept}; {part}"
    return f"{kept} …"
