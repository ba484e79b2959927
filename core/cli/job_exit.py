"""The exit code that goes with the end of a job."""

from __future__ import annotations

from core.errors import ConfigError, DataError, LabError, StateError, UsageError
from core.store.files import peek_json
from core.store.jobs import JobState

_CODES = {kind.__name__: kind.exit_code for kind in (ConfigError, DataError, StateError, UsageError)}


def exit_code(state: JobState) -> int:
    """0 for a job that ended as asked, that of its error when it failed.

    4 when a checkpoint was left out, 3 when pictures were.
    """
    if state.state in ("failed", "lost"):
        return _CODES.get(str((peek_json(state.job.error) or {}).get("type")), LabError.exit_code)
    if state.result.get("unreadable"):
        return LabError.exit_code
    return DataError.exit_code if state.result.get("skipped") else 0
