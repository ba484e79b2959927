"""The table of a study: what is averaged, what is said instead, verdicts and main effects."""

from __future__ import annotations

import itertools
import statistics
from typing import Any

import numpy as np
import pytest

from core.analysis.main_effects import Result, main_effects
from core.analysis.paired import paired_verdict
from core.analysis.study_table import Cell, StudyTable, corrected, planned_verdict, study_table
from core.store.study_run import StudyRun

VALUES = {
    "a": [0.701, 0.712, 0.695, 0.708, 0.699, 0.705],
    "b": [0.721, 0.735, 0.716, 0.724, 0.722, 0.728],
}


def run(trial: str, seed: int, best: float | None, **fields: Any) -> StudyRun:
    values: dict[str, Any] = {
        "status": "finished",
        "id": f"{trial}{seed}",
        "epoch": 10,
        "best": best,
        "last": None if best is None else best - 0.01,
        "minutes": 2.0,
        "images": "one",
    }
    return StudyRun(trial, seed, **{**values, **fields})


def table(runs: list[StudyRun], **options: Any) -> StudyTable:
    names = list(dict.fromkeys(run.trial for run in runs))
    values = {"metric": "val/accuracy", "mode": "max", "judge": "best", "epochs": 10}
    return study_table([(name, {"k": name}) for name in names], runs, **{**values, **options})


def cell(made: StudyTable, name: str) -> Cell:
    return next(cell for cell in made.cells if cell.trial == name)


def six(**options: Any) -> StudyTable:
    return table([run(t, s, v) for t, values in VALUES.items() for s, v in enumerate(values)], **options)


def test_mean_deviation_and_number() -> None:
    made = six()
    assert [c.trial for c in made.cells] == ["b", "a"]
    value = cell(made, "a").value
    assert value is not None
    assert value.mean == pytest.approx(statistics.mean(VALUES["a"]), abs=1e-12)
    assert value.sd == pytest.approx(statistics.stdev(VALUES["a"]), abs=1e-12)
    assert value.n == 6
    last = cell(made, "a").last
    assert last is not None
    assert last.mean == pytest.approx(statistics.mean(VALUES["a"]) - 0.01, abs=1e-12)
    assert cell(made, "a").minutes == 2.0


def test_the_verdict_is_that_of_the_paired_differences() -> None:
    made = six()
    verdict = made.versus["a"].verdict
    assert verdict is not None
    assert verdict == paired_verdict([a - b for a, b in zip(VALUES["a"], VALUES["b"], strict=True)])
    assert verdict.outcome == "less"
    assert made.baseline == "b"
    low = six(mode="min", judge="best")
    assert (low.baseline, low.versus["b"].verdict and low.versus["b"].verdict.outcome) == ("a", "more")


def test_pairs_are_made_by_seed_whatever_their_order() -> None:
    runs = [run("a", s, v) for s, v in enumerate(VALUES["a"])]
    runs += [run("b", s, v) for s, v in reversed(list(enumerate(VALUES["b"])))]
    runs += [run("b", 99, 0.1)]
    made = table(runs, baseline="a")
    assert made.versus["b"].seeds == (0, 1, 2, 3, 4, 5)
    assert made.versus["b"].verdict == paired_verdict(
        [b - a for a, b in zip(VALUES["a"], VALUES["b"], strict=True)]
    )
    assert any("seeds differ between trials" in note for note in made.notes)


def test_a_mean_does_not_change_with_what_else_is_shown() -> None:
    rest = [run("c", 0, 0.9, images="others"), run("d", 0, None, status="failed", reason="out of memory")]
    runs = [run(t, s, v) for t, values in VALUES.items() for s, v in enumerate(values)]
    assert cell(table(runs), "a").value == cell(table([*runs, *rest]), "a").value
    assert cell(table(runs[:6]), "a").value == cell(table(runs), "a").value


@pytest.mark.parametrize(
    ("odd", "note"),
    [
        pytest.param(
            {"images": "others"}, "its runs were validated on different images: not averaged", id="images"
        ),
        pytest.param(
            {"measured": {"precision": "bfloat16"}},
            "its runs were measured in different ways: not averaged",
            id="way",
        ),
    ],
)
def test_what_does_not_compare_is_said_not_averaged(odd: dict[str, Any], note: str) -> None:
    made = table([run("a", 0, 0.5), run("a", 1, 0.6, **odd), run("b", 0, 0.4)])
    assert cell(made, "a").value is None
    assert note in cell(made, "a").notes
    assert made.baseline == "b"


def test_trials_on_other_images_have_no_difference() -> None:
    made = table([run("a", 0, 0.5), run("b", 0, 0.6, images="others")])
    assert made.versus["a"].verdict is None
    assert "other validation images" in made.versus["a"].refused
    assert made.effects == ()


@pytest.mark.parametrize(
    ("fields", "note", "counts"),
    [
        pytest.param(
            {"status": "failed", "reason": "out of memory"}, "seed 1: out of memory", False, id="failed"
        ),
        pytest.param(
            {"status": "short", "epoch": 7}, "seed 1 ended at epoch 7 of 10: not averaged", False, id="short"
        ),
        pytest.param(
            {"status": "stopped", "epoch": 4},
            "seed 1 was stopped at epoch 4 of 10: not averaged",
            False,
            id="stopped",
        ),
        pytest.param({"status": "lost", "epoch": 4}, "seed 1 was lost at epoch 4", False, id="lost"),
        pytest.param(
            {"status": "short", "epoch": 7, "early": True},
            "seed 1 stopped early at epoch 7, by its early_stop",
            True,
            id="early",
        ),
        pytest.param({"best": None}, "seed 1 has no finite value of the metric", False, id="no-value"),
        pytest.param({"status": "running", "epoch": 4}, "", False, id="running"),
    ],
)
def test_runs_of_another_length_or_end(fields: dict[str, Any], note: str, counts: bool) -> None:
    odd = run("a", 1, **{"best": 0.9, **fields})
    made = cell(table([run("a", 0, 0.5), odd]), "a")
    assert made.value is not None
    assert made.value.n == (2 if counts else 1)
    assert made.notes == ((note,) if note else ())
    assert made.open == (fields.get("status") == "running")


def test_the_last_epoch_of_a_run_that_stopped_early_is_no_last_epoch() -> None:
    made = cell(
        table([run("a", 0, 0.5), run("a", 1, 0.9, status="short", epoch=7, early=True)], judge="last"), "a"
    )
    assert made.value is not None
    assert made.value.n == 1
    assert "seed 1 ended early at epoch 7 of 10: not averaged" in made.notes


def test_several_comparisons_share_the_level() -> None:
    random = np.random.default_rng(3)
    sure = [0.02 + 0.001 * float(random.standard_normal()) for _ in range(8)]
    none = {f"n{i}": [0.01 * float(random.standard_normal()) for _ in range(8)] for i in range(4)}
    made = corrected({"sure": sure, **none})
    assert made["sure"].level == pytest.approx(0.05 / 5)
    assert made["sure"].outcome == "more"
    # After the first the next smallest has a quarter; what fails ends it, all others keep that share.
    assert {round(made[name].level, 6) for name in none} == {0.0125}
    assert not any(made[name].decided for name in none)


def test_a_planned_pair_shares_the_level_over_its_looks() -> None:
    pairs = [(seed, 0.5 + 0.02 + 0.001 * (seed % 3), 0.5) for seed in range(12)]
    verdict = planned_verdict(pairs, 12)
    assert verdict.looks
    assert verdict.level == pytest.approx(0.05 / len(verdict.looks))
    runs = [run(name, s, v) for s, a, b in pairs for name, v in (("a", a), ("b", b))]
    made = table(runs, plans={frozenset("ab"): 12})
    assert made.versus["b"].verdict == planned_verdict([(s, b, a) for s, a, b in pairs], 12)


def results(effect: float, noise: float, seeds: int = 4) -> list[Result]:
    random = np.random.default_rng(0)
    return [
        Result(
            {"lr": lr, "flip": flip},
            seed,
            0.7 + (effect if lr == "b" else 0) + noise * float(random.standard_normal()),
        )
        for lr, flip, seed in itertools.product(("a", "b", "c"), ("on", "off"), range(seeds))
    ]


def test_a_setting_that_matters_and_one_that_does_not() -> None:
    lr, flip = main_effects(results(0.05, 0.004), ["lr", "flip"], mode="max")
    assert (lr.key, lr.levels[0].level, lr.blocks, lr.skipped) == ("lr", "b", 8, 0)
    assert lr.decided
    assert lr.low is not None
    assert lr.high is not None
    assert 0.03 < lr.low < lr.spread < lr.high < 0.07
    assert flip.key == "flip"
    assert flip.blocks == 12
    assert not flip.decided


def test_the_means_of_a_setting_are_over_whole_blocks_only() -> None:
    some = [r for r in results(0.05, 0.0) if not (r.levels["lr"] == "c" and r.seed == 0)]
    lr = main_effects(some, ["lr", "flip"], mode="max")[0]
    assert (lr.blocks, lr.skipped) == (6, 4)
    assert {level.level: level.mean for level in lr.levels} == pytest.approx({"b": 0.75, "a": 0.7, "c": 0.7})
    assert lr.spread == pytest.approx(0.05)


def test_the_better_end_comes_first_also_where_less_is_better() -> None:
    lr = main_effects(results(0.05, 0.0), ["lr"], mode="min")[0]
    assert lr.levels[-1].level == "b"
    assert lr.spread == pytest.approx(0.05)


def test_too_few_blocks_are_no_verdict() -> None:
    lr = main_effects(results(0.05, 0.004, seeds=2), ["lr", "flip"], mode="max")[0]
    assert (lr.blocks, lr.p, lr.decided) == (4, None, False)


def test_settings_without_effect_are_seldom_found() -> None:
    found = 0
    for index in range(60):
        random = np.random.default_rng(index)
        null = [
            Result({"x": x, "y": y}, seed, float(random.standard_normal()))
            for x, y, seed in itertools.product("ab", "abc", range(3))
        ]
        found += any(effect.decided for effect in main_effects(null, ["x", "y"], mode="max"))
    assert found <= 8  # 3 expected; more than 8 of 60 has a chance of .4 %
