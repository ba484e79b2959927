"""Facts about a job as words, and the exit code that goes with its end."""

from __future__ import annotations

from core.errors import ConfigError, DataError, LabError, StateError, UsageError
from core.humanise import MISSING, state_glyph
from core.store.files import peek_json
from core.store.jobs import JobState

_CODES = {kind.__name__: kind.exit_code for kind in (ConfigError, DataError, StateError, UsageError)}


def job_words(state: JobState) -> str:
    """`● running  3/12  a01-e0004 val`, `✗ failed: disk full`."""
    words = [f"{state_glyph(state.state)} {state.state}{f': {state.reason}' if state.reason else ''}"]
    if state.done is not None and state.total:
        words.append(f"{state.done}/{state.total}")
    return "  ".join([*words, *filter(None, [state.now])])


def progress_words(state: JobState) -> str:
    """`3/12`, or a dash before it is known."""
    return f"{state.done}/{state.total}" if state.done is not None and state.total else MISSING


def exit_code(state: JobState) -> int:
    """0 for a job that ended as asked, that of its error when it failed.

    4 when a checkpoint was left out, 3 when pictures were.
    """
    if state.state in ("failed", "lost"):
        return _CODES.get(str((peek_json(state.job.error) or {}).get("type")), LabError.exit_code)
    if state.result.get("unreadable"):
        return LabError.exit_code
    return DataError.exit_code if state.result.get("skipped") else 0


def ending(state: JobState) -> str:
    """How the job ended and what can be done now, in one sentence."""
    run = state.job.run.id
    if state.state == "finished":
        return f"{state.name} of {run} finished"
    if state.state == "stopped":
        return f"{state.name} of {run} stopped; what was done stays, the same command does the rest"
    how = "failed" if state.state == "failed" else "was lost"
    reason = f": {state.reason}" if state.reason else ""
    return f"{state.name} of {run} {how}{reason}; `labtui log {run} --job {state.name}` shows its log"
