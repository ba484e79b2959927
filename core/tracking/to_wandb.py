"""A W&B run: one across all attempts, online continued by the server, offline written anew each time.

W&B takes no step twice. Online, rows up to the last step that it has are left out; where an attempt started
from before that, W&B keeps the earlier attempt's values for the overlap. Offline, every attempt writes all
current rows into one new folder and, when it has ended well, removes the older ones: metrics.jsonl holds
everything, so the copy is always one continuous curve, and a later `wandb sync` replaces an earlier one.
"""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.metrics import entry, is_better
from core.store import files
from core.store.paths import RunPaths
from core.tracking.about import About
from core.tracking.ending import Outcome
from core.tracking.journal import Journal, sentence
from core.tracking.rows import Retrained, Row

INIT_TIMEOUT = 30.0
FINISH_TIMEOUT = 45.0
FLUSH_EVERY = 2.0
_REPLACED = "replaced"
_FINISHED, _FAILED, _KILLED = 0, 1, 255
_EXIT_CODES = {"finished": _FINISHED, "stopped": _KILLED}
# What a shell or another W&B process around labtui says must not become part of this run.
_NOT_OURS = (
    "WANDB_CONSOLE",
    "WANDB_DIR",
    "WANDB_DISABLED",
    "WANDB_JOB_TYPE",
    "WANDB_MODE",
    "WANDB_NAME",
    "WANDB_NOTES",
    "WANDB_PROJECT",
    "WANDB_RESUME",
    "WANDB_RUN_GROUP",
    "WANDB_RUN_ID",
    "WANDB_SERVICE",
    "WANDB_SWEEP_ID",
    "WANDB_TAGS",
)


class OnlineFailedError(Exception):
    """W&B could not be reached or let nobody in; the message says why. An offline copy can still be made."""


class Wandb:
    """An open W&B run. Raises OnlineFailedError, or whatever wandb raises."""

    def __init__(
        self, run: RunPaths, about: About, journal: Journal, *, online: bool, entity: str | None
    ) -> None:
        for name in _NOT_OURS:
            os.environ.pop(name, None)
        os.environ["WANDB_SILENT"] = "true"
        import wandb

        self._journal = journal
        self._about = about
        self._online = online
        self._tracking = run.tracking
        self._defined: set[str] = set()
        self._best: float | None = None
        self._skipped = 0
        _set_aside(run.tracking)
        try:
            self._run: Any = wandb.init(
                mode="online" if online else "offline",
                dir=str(run.tracking),
                entity=entity,
                project=about.project,
                group=about.group,
                id=about.id,
                name=about.name,
                tags=list(about.tags),
                notes=about.note or None,
                config=about.config,
                resume="allow" if online else None,
                settings=_settings(wandb),
            )
        except Exception as error:
            # wandb's own errors have no common base; whatever it is, the offline copy is worth a try.
            if online:
                raise OnlineFailedError(sentence(error)) from error
            raise
        # The step after the last one that the server has of this run.
        self._first = int(self._run.starting_step) if online else 0
        for axis in ("epoch", "step"):
            self._run.define_metric(axis)
        self._journal.note(f"{'online' if online else 'offline'} run {about.id} in {self._run.dir}")

    def begin(self, retrained: list[Retrained]) -> None:
        """Say what becomes of stretches that were trained twice."""
        for stretch in retrained if self._online else ():
            if min(stretch.until, self._first - 1) > stretch.step:
                self._journal.note(
                    f"attempt {stretch.attempt} started from {stretch.checkpoint} and trained steps "
                    f"{stretch.step + 1} to {stretch.until} again; W&B keeps the earlier values there"
                )

    def write(self, row: Row) -> None:
        """A row's metrics, with its epoch and step, which both serve as an x axis."""
        self._judge(row)
        if row.step < self._first:
            self._skipped += 1
            return
        values: dict[str, float] = dict(row.values)
        for name in values.keys() - self._defined:
            self._defined.add(name)
            self._run.define_metric(name, step_metric=axis_of(name))
        values["step"] = row.step
        if row.epoch is not None:
            values["epoch"] = row.epoch
        if math.isfinite(row.time):
            values["_timestamp"] = row.time
        self._run.log(values, step=row.step)

    def caught_up(self) -> None:
        """Nothing to do: W&B's own process writes and sends."""

    def close(self, outcome: Outcome) -> None:
        """End the run as the attempt ended; older copies go once W&B has all of this one."""
        if self._skipped:
            self._journal.note(f"{self._skipped} rows before step {self._first} were already at W&B")
        self._run.summary["labtui/state"] = outcome.state
        if outcome.reason:
            self._run.summary["labtui/reason"] = outcome.reason
        try:
            self._run.finish(exit_code=_EXIT_CODES.get(outcome.state, _FAILED))
        except TimeoutError:
            self.give_up()
            return
        with suppress(OSError):
            files.remove_tree(self._tracking / _REPLACED)

    def give_up(self) -> None:
        """Say that W&B has not taken everything."""
        self._journal.tell(
            f"W&B did not accept everything within {FINISH_TIMEOUT:.0f} s of the end; "
            f"the rest is sent with the next attempt, or now with: wandb sync {Path(self._run.dir).parent}"
        )

    def _judge(self, row: Row) -> None:
        """Keep the best epoch in the summary, whose own values are the last ones."""
        about = self._about
        value = row.values.get(about.metric, math.nan)
        if not row.whole_epoch or row.attempt == 0:
            return
        if is_better(value, self._best, about.metric_mode):
            self._best = value
            self._run.summary[f"best/{about.metric}"] = value
            self._run.summary["best/epoch"] = row.epoch


def axis_of(name: str) -> str:
    """What a metric is drawn over unless the user chooses: `epoch`, or `step` where it moves within one."""
    known = entry(name)
    return "step" if name.endswith("_step") or (known is not None and known.by_step) else "epoch"


def _settings(wandb: Any) -> Any:
    """Nothing of this machine but the metrics, no console, and short waits; what a version lacks is left."""
    wanted = {
        "silent": True,
        "console": "off",
        "disable_git": True,
        "disable_code": True,
        "x_disable_stats": True,
        "x_disable_meta": True,
        "x_save_requirements": False,
        "init_timeout": INIT_TIMEOUT,
        "x_transaction_log_flush_interval": FLUSH_EVERY,
        "finish_timeout": FINISH_TIMEOUT,
        "finish_timeout_raises": True,
        "login_timeout": INIT_TIMEOUT,
    }
    known = wandb.Settings.model_fields
    return wandb.Settings(**{name: value for name, value in wanted.items() if name in known})


def _set_aside(tracking: Path) -> None:
    """Move folders of earlier attempts out of the way, so that `tracking/wandb` shows one run only."""
    aside = tracking / _REPLACED
    with suppress(FileNotFoundError):
        for entry in os.scandir(tracking / "wandb"):
            if entry.is_dir(follow_symlinks=False) and entry.name.startswith(("run-", "offline-run-")):
                files.make_dir(aside, exist_ok=True)
                target = aside / entry.name
                while target.exists():
                    target = target.with_name(f"{target.name}.1")
                files.rename(entry.path, target)
