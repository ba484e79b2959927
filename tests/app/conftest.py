"""Runs as a trainer would have left them, and an app that reads them."""

from __future__ import annotations

import importlib
import json
import math
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.config.workspace import Workspace
from core.store.changes import mark_changed
from core.store.checkpoints import save_files
from core.store.files import read_json, write_json
from core.store.jobs import create_job
from core.store.locks import Lock, acquire, job_lock_path, run_lock_path
from core.store.metrics import MetricsWriter
from core.store.paths import JobPaths, RunPaths, checkpoint_id
from core.store.process import boot_id, host
from core.store.runs import create_run

# Read when the toolkit is imported: there is no terminal to ask.
os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"
from tui.app import LabApp

STEPS = 20
CLASSES = {"cat": (40, 30), "dog": (50, 20), "[bird]": (10, 9), "eel": (0, 0)}
CONFIG = """\
data: {format: synthetic, root: ../data/demo, synthetic: {images: 200}}
model: tinyvgg_a
learning_rate: 0.02
epochs: 12
batch: 32
"""
BOX_CONFIG = """\
data: {format: synthetic, root: ../data/boxes, synthetic: {images: 200, boxes: true}}
model: fasterrcnn_small
epochs: 6
"""
TERMS = ("classifier", "box_reg", "objectness", "rpn_box_reg")
BOXES = {"Eunotia silesiaca": (805, 1.2), "[rare]": (6, 0.5), "G. olivaceum": (71, 1.3), "unseen": (0, 0.0)}
"""Objects by class, and how its AP compares with mAP."""


def detector_metrics(epoch: int, epochs: int, terms: tuple[str, ...], top: float) -> dict[str, float]:
    """What a detector's epoch record has: mAP climbs to `top`, then slips; losses by terms."""
    share = min(epoch / max(0.8 * epochs, 1), 2 - epoch / max(0.8 * epochs, 1))
    score = top * (1 - math.exp(-3 * share)) / (1 - math.exp(-3))
    loss = {term: (number + 1) * 0.2 * math.exp(-2 * epoch / epochs) for number, term in enumerate(terms)}
    scores = {"map": score, "map_50": min(1.4 * score, 1.0), "map_75": 0.9 * score}
    scores |= {"map_medium": 0.8 * score, "map_large": 1.1 * score}
    scores |= {"mar_1": 0.6 * score, "mar_10": score, "mar_100": 1.15 * score}
    return {
        "train/loss": sum(loss.values()),
        **{f"train/loss_{term}": value for term, value in loss.items()},
        "val/loss": 0.2 + 1.3 * sum(loss.values()),
        **{f"val/loss_{term}": 0.05 + 1.3 * value for term, value in loss.items()},
        **{f"val/{key}": value for key, value in scores.items()},
    }


def _shares(own: Mapping[str, float], objects: int) -> dict[str, float | None]:
    names = {"ap": "map", "ap_50": "map_50", "ap_75": "map_75", "recall": "mar_100"}
    return {key: own.get(name) if objects else None for key, name in names.items()}


def run_time(epoch: int) -> float:
    """When an epoch of a fabricated run ended: one a minute."""
    return time.time() - 3600 + 60 * epoch


@dataclass
class Lab:
    """A workspace with configs; `run` adds runs to it."""

    workspace: Workspace
    locks: list[Lock] = field(default_factory=list)

    def run(
        self,
        config: str = "demo",
        *,
        epochs: int = 3,
        total: int = 5,
        state: str = "finished",
        name: str = "",
        reason: str = "",
        best: int | None = None,
        log: str = "epoch 1 done\n",
        tags: tuple[str, ...] = (),
    ) -> RunPaths:
        """A run with `epochs` epochs in its metrics; its accuracy is best at epoch `best` (the last)."""
        run = create_run(
            self.workspace,
            config_name=config,
            config_text=_stored_config(),
            model="tinyvgg_a",
            metric="val/accuracy",
            metric_mode="max",
            total_epochs=total,
            argv=["test"],
            tags=tags,
        )
        if name:
            # Straight to the file: screens show whatever stands there.
            run.meta.write_text(json.dumps({"name": name, "tags": list(tags), "note": ""}))
        if state == "queued":
            return run
        self.attempt(run, log=log)
        for epoch in range(1, epochs + 1):
            self.epoch(run, epoch, 0.9 if epoch == (best or epochs) else 0.5 + epoch / 1000)
        self.end(run, state, epochs, reason)
        return run

    def attempt(self, run: RunPaths, number: int = 1, log: str = "") -> None:
        attempt = run.attempt(number)
        attempt.root.mkdir(parents=True)
        start = {"request": 1, "time": time.time(), "slot": "cpu0", "threads": 1, "argv": [], "trainer": None}
        supervisor = {"pid": 1, "ticks": 1, "boot_id": boot_id(), "host": host()}
        attempt.start.write_text(json.dumps({**start, "supervisor": supervisor}))
        attempt.log.write_text(log)

    def epoch(
        self, run: RunPaths, epoch: int, accuracy: float, *, attempt: int = 1, checkpoint: bool = True
    ) -> None:
        """One epoch's step records, epoch record and checkpoint."""
        now = time.time()
        with MetricsWriter(run.metrics) as writer:
            for step in range(1, STEPS + 1, 4):
                writer.write(
                    {
                        **{"t": now, "epoch": epoch, "step": (epoch - 1) * STEPS + step, "attempt": attempt},
                        **{
                            "scope": "step",
                            "step_in_epoch": step,
                            "steps_per_epoch": STEPS,
                            "time/step": 0.5,
                        },
                        "train/loss": 2 * math.exp(-epoch / 3),
                    }
                )
            metrics = {
                "train/loss": 2 * math.exp(-epoch / 3),
                "train/accuracy": accuracy - 0.05,
                "val/loss": 2 * math.exp(-epoch / 4),
                "val/accuracy": accuracy,
            }
            place = {"t": now, "epoch": epoch, "step": epoch * STEPS, "attempt": attempt, "scope": "epoch"}
            writer.write({**place, **metrics, "lr": 0.02, "time/epoch": 60.0, "images/s": 500.0})
        if checkpoint:
            identifier = checkpoint_id(attempt, epoch)
            place = {"attempt": attempt, "epoch": epoch, "step": epoch * STEPS, "mid_epoch": False}
            save_files(run, identifier, b"weights", {**place, "metrics": metrics})

    def end(self, run: RunPaths, state: str, epochs: int, reason: str = "") -> None:
        """Leave the run in `state`: running ones hold their lock until the test is over."""
        attempt = run.attempt(1)
        place = {"epoch": epochs, "step": epochs * STEPS, "time": time.time()}
        if state in ("running", "stopping"):
            self.hold(run)
            if state == "stopping":
                run.stop_marker(1).touch()
        elif state in ("finished", "stopped"):
            attempt.result.write_text(json.dumps({"status": state, **place}))
        elif state == "failed":
            attempt.error.write_text(json.dumps({"type": "RuntimeError", "message": reason, **place}))
            attempt.exit.write_text(json.dumps({"code": 1, "signal": None, "oom_kill": False, **place}))
        else:
            assert state == "lost"
        mark_changed(self.workspace.runs, run.id)

    def measure(
        self,
        run: RunPaths,
        checkpoint: str,
        split: str = "val",
        classes: Mapping[str, tuple[int, int]] = CLASSES,
        *,
        key: str = "",
        sha256: str = "",
    ) -> None:
        """A measure row; `classes` are images and correct ones by name. The file's own sha256 by default."""
        side = read_json(run.checkpoints / f"{checkpoint}.json") or {}
        images, correct = (sum(numbers) for numbers in zip(*classes.values(), strict=True))
        row = {
            "checkpoint": checkpoint,
            "sha256": sha256 or side.get("sha256", ""),
            "split": split,
            "settings": {},
            "n": images,
            "loss": 0.5,
            "accuracy": correct / images,
            "per_class": [
                {"class": name, "n": n, "correct": hits, "accuracy": hits / n if n else None}
                for name, (n, hits) in classes.items()
            ],
        }
        name = f"{checkpoint}-{split}-{key}" if key else f"{checkpoint}-{split}"
        write_json(run.measures / f"{name}.json", row)

    def detector(
        self,
        *,
        name: str = "",
        epochs: int = 6,
        total: int = 0,
        terms: tuple[str, ...] = TERMS,
        train: tuple[int, ...] = (),
        top: float = 0.46,
        state: str = "finished",
        checkpoints: bool = True,
    ) -> RunPaths:
        """A run of a detector; mAP rises to `top`, a little before the last epoch.

        There is no small object, so that map_small is absent. `train` are epochs measured on the training
        images, too.
        """
        run = create_run(
            self.workspace,
            config_name="boxes",
            config_text=_stored_config("boxes"),
            model="fasterrcnn_small",
            metric="val/map",
            metric_mode="max",
            total_epochs=total or epochs,
            argv=["test"],
        )
        run.meta.write_text(json.dumps({"name": name, "tags": [], "note": ""}))
        splits = {"train": {"paths": []}, "val": {"paths": []}}
        write_json(run.split, {"kind": "detection", "class_names": list(BOXES), "splits": splits})
        self.attempt(run)
        with MetricsWriter(run.metrics) as writer:
            for epoch in range(1, epochs + 1):
                metrics = detector_metrics(epoch, epochs, terms, top)
                place = {"t": run_time(epoch), "epoch": epoch, "step": epoch * STEPS, "attempt": 1}
                more = {"lr": 0.005 * 0.9**epoch, "time/epoch": 60.0, "images/s": 50.0}
                writer.write({**place, "scope": "epoch", **metrics, **more})
                identifier = checkpoint_id(1, epoch)
                if checkpoints:
                    place = {**place, "mid_epoch": False}
                    save_files(run, identifier, b"weights", {**place, "metrics": metrics})
                self.measure_boxes(run, identifier, metrics, "val")
                if epoch in train:
                    self.measure_boxes(run, identifier, metrics, "train", better=1.5)
        self.end(run, state, epochs)
        return run

    def measure_boxes(
        self, run: RunPaths, checkpoint: str, metrics: Mapping[str, float], split: str, better: float = 1.0
    ) -> None:
        """A measure row of boxes; classes without objects have no AP."""
        side = read_json(run.checkpoints / f"{checkpoint}.json") or {}
        own = {key[4:]: value for key, value in metrics.items() if key.startswith("val/")}
        own = {key: value * better if key.startswith("m") else value for key, value in own.items()}
        classes = [
            {
                "class": label,
                "n": objects,
                **{key: value and share * value for key, value in _shares(own, objects).items()},
            }
            for label, (objects, share) in BOXES.items()
        ]
        row = {"checkpoint": checkpoint, "sha256": side.get("sha256", ""), "split": split, "settings": {}}
        file = run.measures / f"{checkpoint}-{split}.json"
        write_json(file, {**row, "n": 72, **own, "per_class": classes})

    def job(
        self,
        run: RunPaths,
        *,
        state: str = "running",
        done: int = 0,
        total: int = 0,
        now: str = "",
        **result: Any,
    ) -> JobPaths:
        """A measuring job; running ones hold their lock until the test is over."""
        job = create_job(run, "measure", {"at": ["a01-e0001"], "splits": ["train"]})
        if state == "queued":
            return job
        supervisor = {"pid": 1, "ticks": 1, "boot_id": boot_id(), "host": host()}
        start = {"time": time.time() - 60, "slot": "cpu0", "threads": 1, "argv": [], "supervisor": supervisor}
        write_json(job.start, start)
        if total:
            write_json(job.progress, {"done": done, "total": total, "now": now})
        if state == "running":
            lock = acquire(job_lock_path(job, "work"))
            assert lock is not None
            self.locks.append(lock)
        else:
            write_json(
                job.result, {"status": state, "time": time.time(), "done": done, "total": total, **result}
            )
        mark_changed(self.workspace.runs, run.id)
        return job

    def hold(self, run: RunPaths) -> None:
        lock = acquire(run_lock_path(run, "train"))
        assert lock is not None
        self.locks.append(lock)

    def let_go(self) -> None:
        """The trainers die."""
        while self.locks:
            self.locks.pop().release()


@cache
def _stored_config(name: str = "demo") -> str:
    from core.config.load import dump, parse_experiment

    text = BOX_CONFIG if name == "boxes" else CONFIG
    return dump(parse_experiment(text, Path(f"/tmp/labtui-test/{name}.yaml")))


@pytest.fixture(autouse=True)
def no_network_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """The form's process that describes a network would import torch for seconds."""
    told = {"model": "tinyvgg_a", "parameters": 154218, "trainable": 154218, "checkpoint_bytes": 1_250_000}
    monkeypatch.setattr("core.launch.preview._ask_child", lambda *_: {**told, "error": None})


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    root = tmp_path / "lab"
    (root / "configs").mkdir(parents=True)
    for name in ("demo", "other"):
        (root / "configs" / f"{name}.yaml").write_text(CONFIG)
    made = Lab(Workspace(root))
    yield made
    made.let_go()


class Driven:
    """An app under a pilot, with words for what tests wait for and look at."""

    def __init__(self, app: LabApp, pilot: Any) -> None:
        self.app = app
        self.pilot = pilot

    async def until(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait until something is so; fails with the screen when it does not come about."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"it did not happen; the screen:\n{self.text()}"
            await self.pilot.pause(0.02)

    async def sees(self, *words: str) -> None:
        await self.until(lambda: all(word in self.text() for word in words))

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        names = {" ": "space", "=": "equals_sign", ".": "full_stop", "-": "minus", "_": "underscore"}
        await self.pilot.press(*(names.get(sign, sign) for sign in text))

    def lines(self) -> list[str]:
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]

    def text(self) -> str:
        return "\n".join(self.lines())

    @property
    def footer(self) -> str:
        return self.lines()[-1]


Drive = Callable[..., Any]


@pytest.fixture
def drive(lab: Lab) -> Drive:
    """`async with drive(80, 24) as ui`: the app on the lab, its runs read and its first charts drawn."""

    @asynccontextmanager
    async def opened(width: int = 120, height: int = 40) -> AsyncIterator[Driven]:
        app = LabApp(lab.workspace)
        async with app.run_test(size=(width, height)) as pilot:
            ui = Driven(app, pilot)
            await ui.until(
                lambda: (
                    app.snapshot.loaded
                    and (app.snapshot.curves or all(run.archived for run in app.snapshot.runs))
                )
            )
            await pilot.pause()
            yield ui

    return opened


@pytest.fixture(scope="session")
def errors() -> ModuleType:
    """Predictions files and words for tests of the screen that shows them."""
    return importlib.import_module("tests.app.error_steps")


@pytest.fixture
def predicted(lab: Lab, errors: ModuleType, tmp_path: Path) -> RunPaths:
    """A run with boxes kept at two checkpoints; the second finds nothing, the first is the best."""
    run = lab.run(epochs=3, best=2)
    errors.write_boxes(run.predictions / "a01-e0002-val.npz", tmp_path / "images")
    errors.write_boxes(run.predictions / "a01-e0003-val.npz", tmp_path / "images", found=[[], [], []])
    return run
