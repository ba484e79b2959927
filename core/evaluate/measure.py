"""Measuring checkpoints: a row and predictions for each checkpoint and split, none of them twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from core.data.cache import Cancelled
from core.datasets.dataset import Dataset, require_unchanged
from core.engine.build import build
from core.engine.checkpoint import load_model, read_checkpoint
from core.engine.intervals import write_intervals
from core.engine.log import log, told
from core.engine.measure_files import measure_path, read_measure, same_settings, settings_key, write_outputs
from core.engine.task import Measurement
from core.engine.tasks import make_task
from core.errors import CheckpointError, UsageError
from core.evaluate.progress import Progress
from core.evaluate.setup import Setup, other_dataset, own_dataset, prepare
from core.reading import HUGE
from core.store.checkpoints import choose, list_checkpoints, verify
from core.store.files import read_json
from core.store.metrics import decode_numbers
from core.store.paths import JobPaths, RunPaths
from core.store.records import Checkpoint
from core.text import clean

_NO_METRIC = frozenset({"checkpoint", "sha256", "split", "settings", "n", "per_class"})
_FEW = 3
"""Of so many checkpoints all get intervals, of more only the best and the last: they take seconds."""
_GONE = "it is no longer there"


@dataclass
class Outcome:
    """`rows` in the order asked for, `unreadable` checkpoints with reasons; `finished`: nothing is left."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    unreadable: list[dict[str, str]] = field(default_factory=list)
    finished: bool = True

    def document(self) -> dict[str, Any]:
        return {"rows": self.rows, "unreadable": self.unreadable}


def run_measure(
    run: RunPaths,
    job: JobPaths,
    content: Mapping[str, Any],
    stop: Callable[[], bool],
    *,
    on_gpu: bool,
) -> Outcome:
    """Carry out one job; what is measured already is only listed. Raises LabError, OSError."""
    setup = prepare(run, on_gpu=on_gpu, batch=content.get("batch"))
    loading = {key: content[key] for key in ("workers", "prefetch") if content.get(key) is not None}
    setup = replace(setup, experiment=setup.experiment.model_copy(update=loading))
    dataset, about = _dataset(setup, content)
    wanted, splits = [str(name) for name in content["at"]], [str(name) for name in content["splits"]]
    for split in splits:
        if split not in dataset.splits:
            raise UsageError(f"{clean(str(dataset.root))} has no {split} images; it has {_names(dataset)}.")
    progress = Progress(job, len(wanted) * len(splits))
    log(f"{len(wanted)} checkpoints on {', '.join(splits)}: {dataset.root}, device {setup.resolved.device}")
    return _Measuring(setup, dataset, about, content.get("data_config") is None, progress, stop).carry_out(
        wanted, splits
    )


class _Measuring:
    def __init__(
        self,
        setup: Setup,
        dataset: Dataset,
        about: Mapping[str, Any],
        of_run: bool,
        progress: Progress,
        stop: Callable[[], bool],
    ) -> None:
        self._setup = setup
        self._dataset = dataset
        self._of_run = of_run
        self._about = about
        self._own = setup.own and not about
        self._progress = progress
        self._stop = stop
        self._outcome = Outcome()
        self._model: nn.Module | None = None
        self._spread: set[str] = set()
        self._task = make_task(
            setup.experiment, dataset, setup.resolved, batch_norm=False, cancelled=stop, training=False
        )

    def carry_out(self, wanted: list[str], splits: list[str]) -> Outcome:
        there = {point.id: point for point in list_checkpoints(self._setup.run)}
        self._spread = set(wanted) & _telling(self._setup.run) if len(wanted) > _FEW else set(wanted)
        for number, name in enumerate(wanted):
            self._progress.tell(name, done=number * len(splits))
            try:
                self._checkpoint(there.get(name), name, splits)
            except Cancelled:
                log("stopped: what is measured stays, the next job measures the rest")
                self._outcome.finished = False
                return self._outcome
            except CheckpointError as error:
                log(f"{name} was left out: {error}")
                self._outcome.unreadable.append({"checkpoint": name, "reason": str(error)})
        self._progress.tell("", done=self._progress.total)
        return self._outcome

    def _checkpoint(self, point: Checkpoint | None, name: str, splits: list[str]) -> None:
        if point is None:
            raise CheckpointError(f"Checkpoint {name} of run {self._setup.run.id} cannot be read: {_GONE}.")
        problem: CheckpointError | None = None
        model: nn.Module | None = None
        for split in splits:
            if self._stop():
                raise Cancelled
            row, key = self._row(point, split)
            new = row is None
            if row is None and problem is None:
                try:
                    model = model or self._loaded(point)
                    self._progress.tell(f"{name} {split}")
                    measured = self._measure(model, split)
                    row = write_outputs(self._setup.run, point.id, point.sha256, split, measured, key=key)
                except CheckpointError as error:
                    problem = error
            if row is not None:
                self._add(row, key, new)
                if name in self._spread:
                    write_intervals(self._setup.run, point.id, point.sha256, split, key)
        if problem is None and model is None and (damage := verify(point)):
            problem = CheckpointError(damage)
        if problem is not None:
            raise problem

    def _loaded(self, point: Checkpoint) -> nn.Module:
        """The network with a checkpoint's weights; built, and the images looked for, when first needed."""
        setup = self._setup
        content = read_checkpoint(setup.run, point)
        if self._model is None:
            if self._of_run:
                require_unchanged(self._dataset)
            self._model = build(setup.run, setup.experiment, len(setup.classes), setup.resolved)
            self._model.register_forward_pre_hook(self._look)
        for note in load_model(setup.run, point, content, self._model, setup.outputs):
            log(f"note: {point.id}: {note}")
        return self._model

    def _measure(self, model: nn.Module, split: str) -> Measurement:
        measured = self._task.measure(model, split, extras=_extras(split))
        return replace(measured, settings={**measured.settings, **self._about})

    def _row(self, point: Checkpoint, split: str) -> tuple[dict[str, Any] | None, str]:
        """The row if it is there, and the key it has or is to have."""
        run, settings = self._setup.run, {**self._task.settings(split, extras=_extras(split)), **self._about}
        plain = read_measure(run, point.id, point.sha256, split)
        if plain is not None and same_settings(plain.get("settings") or {}, settings):
            return plain, ""
        key = "" if self._own and plain is None else settings_key(settings)
        return read_measure(run, point.id, point.sha256, split, key=key, settings=settings), key

    def _add(self, row: Mapping[str, Any], key: str, new: bool) -> None:
        metrics = decode_numbers({name: value for name, value in row.items() if name not in _NO_METRIC})
        checkpoint, split = str(row["checkpoint"]), str(row["split"])
        self._outcome.rows.append(
            {
                "checkpoint": checkpoint,
                "split": split,
                "file": measure_path(self._setup.run, checkpoint, split, key).name,
                "new": new,
                "n": row["n"],
                "metrics": {name: row[name] for name in metrics},
            }
        )
        numbers = told(metrics, self._task.quiet)
        log(f"{checkpoint} {split}  {numbers}{'' if new else '  (measured before)'}")
        self._progress.done += 1

    def _look(self, *_: object) -> None:
        """Before a classifier's every batch: a job that is asked to stop need not finish a million images."""
        if self._stop():
            raise Cancelled


def _telling(run: RunPaths) -> set[str]:
    """The checkpoints that intervals are wanted of in any case."""
    found = set()
    for word in ("best", "last"):
        try:
            found.add(choose(run, word).id)
        except CheckpointError:
            continue
    return found


def _extras(split: str) -> bool:
    """Whether the config's views and random changes are measured too: not on the training images."""
    return split != "train"


def _dataset(setup: Setup, content: Mapping[str, Any]) -> tuple[Dataset, dict[str, Any]]:
    """The images to measure, and what the settings say of them when they are not the run's own."""
    config = content.get("data_config")
    if config is None:
        return own_dataset(setup.run), {}
    dataset = other_dataset(setup, config)
    stored = read_json(setup.run.split, HUGE)
    if stored is not None and stored.get("fingerprint") == dataset.fingerprint:
        return dataset, {}
    return dataset, {"data": {"root": str(dataset.root), "fingerprint": dataset.fingerprint}}


def _names(dataset: Dataset) -> str:
    return ", ".join(dataset.splits)
