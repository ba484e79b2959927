"""What `measure` and `predict` do once their job is made: leave it alone, or follow it and tell its end."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import Any, Protocol

from core.cli.job_exit import exit_code
from core.cli.output import INTERRUPTED, out, out_json
from core.store.jobs import JobState
from core.store.paths import JobPaths


class Tell(Protocol):
    """Prints an ended job's results; with `as_json` only the words beside the document."""

    def __call__(self, state: JobState, *, as_json: bool) -> None: ...


def carry_out(
    job: JobPaths, args: Namespace, document: Callable[[JobState], dict[str, Any]], tell: Tell
) -> int:
    """Follow `job` to its end, or with `--detach` only name it; returns the exit code."""
    if args.detach:
        if args.json:
            out_json({"id": job.run.id, "job": job.root.name})
        else:
            out(job.root.name)
        return 0
    from core.cli.follow_job import follow_job

    followed = follow_job(job)
    if args.json:
        out_json(document(followed.state))
    if followed.left:
        return followed.code
    tell(followed.state, as_json=args.json)
    return INTERRUPTED if followed.interrupted else exit_code(followed.state)
