"""The runs of a study: found by their settings, never listed; what is missing queued as ordinary runs."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.config.load import Loaded, read_stored, result_key
from core.config.study import Study, Trial
from core.config.workspace import Workspace
from core.datasets.boxes.box_arrays import update_digest
from core.datasets.dataset import read_dataset
from core.errors import ConfigError, DataError, LabError, UnreadableError
from core.launch.control import resume_run, start_run, stop_run
from core.metrics import rank
from core.reading import HUGE
from core.store.catalogue import Catalogue
from core.store.files import peek_json
from core.store.history import History
from core.store.measures import measures
from core.store.metrics import MetricsReader
from core.store.paths import RunPaths
from core.store.records import ACTIVE, ENDED, Record, RunSummary
from core.store.restore import read_run_history
from core.store.runs import NAME_LIMIT, read_meta
from core.store.study_run import Status, StudyRun

_MEASURED_ALIKE = ("precision", "score_floor", "max_det", "nms_iou")


class StudyRuns:
    """Looks at the runs of studies again and again; reads only what changed. Used by one thread at a time."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._catalogue = Catalogue(workspace)
        self._keys: dict[str, str] = {}
        self._readers: dict[str, MetricsReader] = {}
        self._images: dict[str, str] = {}
        self._ended: dict[str, History] = {}

    def look(self, study: Study) -> list[StudyRun]:
        """Every seed of every trial, in the study's order.

        A run counts when all its settings that change numbers are those of the trial, whoever started it:
        forks, imported and archived runs do not. Of several, the one that is furthest.
        """
        wanted = {key for trial in study.trials for key in trial.keys}
        models = {experiment.model for trial in study.trials for experiment in trial.experiments[:1]}
        by_key: dict[str, list[RunSummary]] = {}
        for summary in self._catalogue.refresh():
            if summary.model not in models or summary.parent or summary.imported or summary.archived:
                continue
            key = self._key(summary.id)
            if key in wanted:
                by_key.setdefault(key, []).append(summary)
        return [
            self._seed(study, trial, seed, by_key.get(key, ()))
            for trial in study.trials
            for seed, key in zip(trial.seeds, trial.keys, strict=True)
        ]

    def history(self, run_id: str, *, ended: bool = False) -> History:
        """The epochs of a run, kept and followed; of one that has `ended` with what its file has lost."""
        run = RunPaths(self.workspace.runs / run_id)
        if ended:
            if run_id not in self._ended:
                self._ended[run_id] = read_run_history(run, steps=False)
            return self._ended[run_id]
        self._ended.pop(run_id, None)
        reader = self._readers.setdefault(run_id, MetricsReader(run.metrics, steps=False))
        reader.poll()
        return reader.history

    def _key(self, run_id: str) -> str:
        if run_id not in self._keys:
            run = RunPaths(self.workspace.runs / run_id)
            try:
                # A run's config never changes.
                self._keys[run_id] = result_key(read_stored(run.config))
            except (ConfigError, UnreadableError):
                self._keys[run_id] = ""
        return self._keys[run_id]

    def _seed(self, study: Study, trial: Trial, seed: int, summaries: Sequence[RunSummary]) -> StudyRun:
        if not summaries:
            return StudyRun(trial.name, seed, "missing")
        summary = min(summaries, key=lambda summary: (_rank(summary, study.epochs), summary.created))
        ended = summary.state in ENDED
        rows = [row for row in self.history(summary.id, ended=ended).epochs if row["epoch"] <= study.epochs]
        done = int(rows[-1]["epoch"]) if rows else 0
        status = _status(summary, done, study.epochs)
        judged = [row for row in rows if math.isfinite(row.get(study.metric, math.nan))]
        best = None
        if judged:
            best = max(judged, key=lambda row: (rank(row[study.metric], study.mode), -row["epoch"]))
        at = best if study.judge == "best" else (judged[-1] if judged else None)
        run = RunPaths(self.workspace.runs / summary.id)
        return StudyRun(
            trial.name,
            seed,
            status,
            id=summary.id,
            reason=summary.reason,
            epoch=done,
            early=summary.early_stop is not None and done < study.epochs,
            best=best[study.metric] if best else None,
            best_epoch=int(best["epoch"]) if best else 0,
            last=judged[-1][study.metric] if judged else None,
            minutes=_minutes(rows),
            seconds_per_epoch=summary.seconds_per_epoch,
            columns={name: at[name] for name in study.columns if name in at} if at else {},
            images=self._validated_on(run),
            measured=_measured(run),
        )

    def _validated_on(self, run: RunPaths) -> str:
        known = self._images.get(run.id)
        if known is None:
            known = validated_on(run)
            if known:
                self._images[run.id] = known
        return known


def validated_on(run: RunPaths) -> str:
    """A digest of the classes, validation files and objects of a run; empty before they are known."""
    stored = peek_json(run.split, HUGE)
    if stored is None:
        return ""
    part = (stored.get("splits") or {}).get("val") or {}
    content = [stored.get("class_names"), part.get("paths"), part.get("labels"), part.get("sizes")]
    digest = hashlib.sha256(json.dumps(content).encode())
    if stored.get("kind") == "detection":
        try:
            dataset = read_dataset(run)
        except (DataError, OSError):
            return ""
        if dataset is not None and dataset.boxes and "val" in dataset.boxes:
            update_digest(digest, dataset.boxes["val"])
    return digest.hexdigest()


@dataclass(frozen=True)
class Step:
    """What one call of `advance` did. `stopped` says which rule of the study has ended it, or is empty.

    `failures` are sentences about runs that could not be queued.
    """

    started: tuple[str, ...] = ()
    resumed: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    stopped: str = ""


def rule_reached(study: Study, runs: Sequence[StudyRun]) -> str:
    """The sentence of the stop rule that holds, or the empty string."""
    failed = sum(run.status == "failed" for run in runs)
    if study.stop.failures is not None and failed >= study.stop.failures:
        count = "1 run has" if failed == 1 else f"{failed} runs have"
        return f"{count} failed (stop.failures: {study.stop.failures}): no further run is queued"
    minutes = sum(run.minutes for run in runs)
    if study.stop.minutes is not None and minutes >= study.stop.minutes:
        return (
            f"{minutes:.0f} minutes have been trained (stop.minutes: {study.stop.minutes:g}): "
            "no further run is queued"
        )
    return ""


def advance(
    workspace: Workspace,
    study: Study,
    runs: Sequence[StudyRun],
    *,
    argv: Sequence[str],
    retry: bool = False,
) -> Step:
    """Queue what the study still lacks: new runs, and the rest of those that ended before its last epoch.

    Failed runs go on only with `retry`. One that cannot be queued does not hold up the others. When a stop
    rule holds, runs that the study queued and that have not begun are taken out of the queue.
    """
    rule = rule_reached(study, runs)
    if rule:
        return Step(withdrawn=tuple(_withdraw(workspace, study, runs)), stopped=rule)
    started: list[str] = []
    resumed: list[str] = []
    failures: list[str] = []
    wanted = {
        (trial.name, seed): experiment
        for trial in study.trials
        for seed, experiment in zip(trial.seeds, trial.experiments, strict=True)
    }
    for run in runs:
        goes_on = run.status in ("short", "stopped", "lost") or (retry and run.status == "failed")
        try:
            if run.status == "missing":
                experiment = wanted[run.trial, run.seed]
                experiment = experiment.model_copy(update={"tags": (*experiment.tags, tag_of(study))})
                loaded = Loaded(experiment, study.source, study.config)
                name = f"{study.name} {run.trial} s{run.seed}"
                made = start_run(workspace, loaded, argv=argv, name=name if len(name) <= NAME_LIMIT else "")
                started.append(made.id)
            elif goes_on and not run.early:
                resume_run(workspace, RunPaths(workspace.runs / run.id), total=study.epochs, argv=argv)
                resumed.append(run.id)
        except (LabError, OSError) as error:
            failures.append(f"{run.trial}, seed {run.seed}: {error}")
            if len(failures) == len(started) + len(resumed) + len(failures) >= 3:
                # What keeps three from being queued keeps all: the data, the disk.
                break
    return Step(tuple(started), tuple(resumed), failures=tuple(failures))


def tag_of(study: Study) -> str:
    """The tag of runs that a study has queued."""
    return f"study:{study.name}"


def _withdraw(workspace: Workspace, study: Study, runs: Sequence[StudyRun]) -> list[str]:
    gone = []
    for run in runs:
        folder = RunPaths(workspace.runs / run.id) if run.id else None
        if run.status == "queued" and folder is not None and tag_of(study) in read_meta(folder)["tags"]:
            try:
                stop_run(folder)
            except LabError:
                continue
            gone.append(run.id)
    return gone


def _rank(summary: RunSummary, epochs: int) -> int:
    """The lower the further: ended at the study's last epoch, under way, to be gone on with, failed."""
    if summary.state == "finished":
        return 0 if summary.epoch >= epochs or summary.early_stop is not None else 2
    if summary.state in ACTIVE:
        return 1 if summary.epoch < epochs else 0
    return 0 if summary.epoch >= epochs else 3 if summary.state in ("stopped", "lost") else 4


def _status(summary: RunSummary, done: int, epochs: int) -> Status:
    if done >= epochs:
        return "finished"
    if summary.state == "queued":
        return "queued"
    if summary.state in ACTIVE:
        return "running"
    if summary.state == "finished":
        return "short"
    return summary.state  # type: ignore[return-value]


def _minutes(rows: Sequence[Record]) -> float:
    seconds = [float(row.get("time/epoch", 0.0)) for row in rows]
    return math.fsum(value for value in seconds if math.isfinite(value)) / 60


def _measured(run: RunPaths) -> dict[str, Any]:
    """How the run measures its validation images, as far as that does not follow from what a study varies."""
    rows = [row for row in measures(run) if row.split == "val" and not row.key]
    return (
        {key: rows[-1].settings[key] for key in _MEASURED_ALIKE if key in rows[-1].settings} if rows else {}
    )
