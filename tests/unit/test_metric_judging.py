"""One judgement of which way a metric is better: every place that has to choose makes the same choice."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core import metrics
from core.analysis.main_effects import Result, main_effects
from core.analysis.outlook import outlook
from core.analysis.paired import paired_verdict
from core.analysis.study_table import study_table
from core.cli.study_text import verdict_words
from core.config.schema import EarlyStop
from core.engine.early_stop import Patience
from core.metrics import Mode, as_mode, is_better, mode_of
from core.store.checkpoints import best_row, choose, save_files
from core.store.files import append, make_dir, write_json
from core.store.history import History
from core.store.metrics import encode
from core.store.paths import RunPaths, checkpoint_id
from core.store.records import Best, RunSummary
from core.store.study_run import StudyRun
from core.store.summary import summarise
from core.tracking.about import About, describe
from core.tracking.journal import Journal
from core.tracking.rows import Row
from tui.widgets.run_table import sort_runs

LESS = {
    *("loss", "loss_random", "time/epoch", "time/step"),
    *(f"loss_{term}" for term in ("classifier", "box_reg", "objectness", "rpn_box_reg")),
    *(f"loss_{term}" for term in ("classification", "bbox_regression", "bbox_ctrness")),
}
"""The registered metrics of which less is better, written down a second time."""
DERIVED: dict[str, Mode] = {
    "val/loss_random": "min",
    "train/loss_box": "min",
    "train/loss_step": "min",
    "test/map_50": "max",
    "val/accuracy_top3": "max",
    "val/f2_macro": "max",
    "val/focal_loss": "min",
    "val/FocalLoss": "min",
    "val/log-loss": "min",
    "val/top1_error": "min",
    "val/RMSE": "min",
    "my score": "max",
    "loss/accuracy": "max",
    "lr/head": "max",
}
NAMES: dict[str, Mode] = {
    **{f"val/{name}": "min" if name in LESS else "max" for name in metrics.BY_NAME if "/" not in name},
    **{name: "min" if name in LESS else "max" for name in metrics.BY_NAME if "/" in name},
    **DERIVED,
}
LOW, HIGH = 0.25, 0.75
VALUES = (LOW, HIGH, LOW, float("nan"))
"""By epoch, from 1."""

Chooser = Callable[[str, Path], float]


def records(name: str) -> list[dict[str, Any]]:
    return [
        {"scope": "epoch", "attempt": 1, "epoch": epoch, "step": epoch * 10, "t": 1.0, name: value}
        for epoch, value in enumerate(VALUES, 1)
    ]


def run_of(name: str, folder: Path, *, told: bool = True) -> RunPaths:
    """A run of this metric; with `told` its direction and its curve are on disk."""
    run = RunPaths(folder / "20260101-000000-a-0001")
    make_dir(run.root)
    write_json(run.spec, {"format": 1, "metric": name, **({"metric_mode": mode_of(name)} if told else {})})
    if told:
        with open(run.metrics, "ab") as file:
            for record in records(name):
                append(file.fileno(), encode(record), run.metrics)
    else:
        for epoch, value in enumerate(VALUES, 1):
            about = {"attempt": 1, "epoch": epoch, "step": epoch, "metrics": {name: value}}
            save_files(run, checkpoint_id(1, epoch), b"weights", about)
    return run


def in_history(name: str, _: Path) -> float:
    history = History()
    history.extend(records(name))
    row = history.best(name, mode_of(name))
    assert row is not None
    return float(row[name])


def in_best_row(name: str, folder: Path) -> float:
    row = best_row(run_of(name, folder))
    assert row is not None
    return float(row[name])


def in_checkpoints_of_a_run_without_a_direction(name: str, folder: Path) -> float:
    return choose(run_of(name, folder, told=False), "best").metrics[name]


def in_summary(name: str, folder: Path) -> float:
    best = summarise(run_of(name, folder)).best
    assert best is not None
    return best.value


def in_run_table(name: str, folder: Path) -> float:
    summary = summarise(run_of(name, folder))
    runs = [replaced(summary, Best(name, value, 1, None, mode=mode_of(name))) for value in VALUES]
    best = sort_runs(runs, "best")[0].best
    assert best is not None
    return best.value


def replaced(summary: RunSummary, best: Best) -> RunSummary:
    return RunSummary(**{**vars(summary), "best": best})


def in_early_stop(name: str, _: Path) -> float:
    patience = Patience(EarlyStop(patience=9), mode_of(name))
    for value in VALUES:
        patience.see(value)
    assert patience.best is not None
    return patience.best


def at_wandb(name: str, folder: Path) -> float:
    from core.tracking.to_wandb import Wandb

    about: About = describe(run_of(name, folder), {"wandb": "offline"})
    assert about.metric_mode == mode_of(name)
    sink = Wandb(RunPaths(folder), about, Journal(RunPaths(folder), 1, "wandb"), online=False, entity=None)
    for epoch, value in enumerate(VALUES, 1):
        sink.write(Row(epoch * 10, float(epoch), 1.0, 1, True, {name: value}))
    return float(sink._run.summary[f"best/{about.metric}"])


def in_study_table(name: str, _: Path) -> float:
    runs = [
        StudyRun(f"t{value}", 0, "finished", id=f"r{value}", best=value, last=value) for value in VALUES[:2]
    ]
    table = study_table(
        [(run.trial, {}) for run in runs], runs, metric=name, mode=mode_of(name), judge="best", epochs=4
    )
    value = table.cells[0].value
    assert value is not None
    return value.mean


def in_main_effects(name: str, _: Path) -> float:
    results = [Result({"k": str(value)}, seed, value) for value in VALUES[:2] for seed in (0, 1)]
    (effect,) = main_effects(results, ["k"], mode=mode_of(name))
    return effect.levels[0].mean


def in_verdicts(name: str, _: Path) -> float:
    verdict = paired_verdict([HIGH - LOW + seed / 100 for seed in range(8)])
    assert verdict.decided
    return HIGH if verdict_words(verdict, mode_of(name)).startswith("better") else LOW


def in_outlook(name: str, _: Path) -> float:
    rows = [{"epoch": float(epoch), name: value} for epoch, value in enumerate(VALUES, 1)]
    return VALUES[outlook(rows, name, mode_of(name)).best_epoch - 1]


CHOOSERS: tuple[Chooser, ...] = (
    in_history,
    in_best_row,
    in_checkpoints_of_a_run_without_a_direction,
    in_summary,
    in_run_table,
    in_early_stop,
    at_wandb,
    in_study_table,
    in_main_effects,
    in_verdicts,
    in_outlook,
)


class FakeWandb(SimpleNamespace):
    """As much of wandb as a run needs."""

    class Settings:
        model_fields: dict[str, object] = {}

    @staticmethod
    def init(**_: object) -> SimpleNamespace:
        return SimpleNamespace(
            id="x",
            dir="x",
            step=0,
            summary={},
            config=SimpleNamespace(update=lambda *_, **__: None),
            define_metric=lambda *_, **__: None,
            log=lambda *_, **__: None,
        )


@pytest.mark.parametrize("choose_value", CHOOSERS, ids=lambda chooser: chooser.__name__)
def test_every_place_takes_the_same_value_for_better(
    choose_value: Chooser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every registered metric, and of derived and unknown names."""
    monkeypatch.setitem(sys.modules, "wandb", FakeWandb())
    chosen = {}
    for number, name in enumerate(NAMES):
        make_dir(tmp_path / f"{number}")
        chosen[name] = choose_value(name, tmp_path / f"{number}")
    assert chosen == {name: LOW if mode == "min" else HIGH for name, mode in NAMES.items()}


def test_direction_of_every_name() -> None:
    assert {name: mode_of(name) for name in NAMES} == NAMES


def test_a_stored_direction_holds() -> None:
    assert as_mode("min", "val/accuracy") == "min"
    assert as_mode("max", "val/loss") == "max"
    assert [as_mode(odd, "val/loss") for odd in (None, "", "up", 1)] == ["min"] * 4


@pytest.mark.parametrize("mode", ["max", "min"])
def test_what_is_not_finite_beats_nothing(mode: Mode) -> None:
    for odd in (float("nan"), float("inf"), float("-inf")):
        assert not is_better(odd, 0.5, mode)
        assert not is_better(odd, None, mode)
        assert is_better(0.5, odd, mode)
    assert not is_better(0.5, 0.5, mode)


def test_better_by_a_margin() -> None:
    assert is_better(0.52, 0.5, "max", 0.01)
    assert not is_better(0.505, 0.5, "max", 0.01)
    assert is_better(0.48, 0.5, "min", 0.01)
    assert not is_better(0.495, 0.5, "min", 0.01)


def test_entries_are_whole() -> None:
    assert len(metrics.BY_NAME) == len(metrics.METRICS)
    families = {metric.family for metric in metrics.METRICS}
    for metric in metrics.METRICS:
        assert metric.label
        assert metric.about.endswith("."), metric.name
        assert metric.is_plain or metric.letter or "/" in metric.name, metric.name
        assert not metric.beside or metrics.BY_NAME[metric.beside].beside == metric.name
        assert metrics.is_bounded(metric.name) is metric.bounded
    for family in families:
        lines = [metric for metric in metrics.METRICS if metric.family == family and metric.letter]
        assert len({metric.letter for metric in lines}) >= len(lines) - 2, family
        assert len({metric.bounded for metric in metrics.METRICS if metric.family == family}) == 1, family
        assert len({mode_of(metric.name) for metric in metrics.METRICS if metric.family == family}) == 1


def test_best_ranks_by_its_own_direction() -> None:
    falling = [Best("val/loss", value, 1, None, mode="min").rank for value in (0.1, 0.2, 0.3)]
    assert all(a > b for a, b in pairwise(falling))
