"""A study's file: what its trials come to, and the sentence for each thing that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config.load import load_experiment, result_key
from core.config.study import Study, find_study, load_study, study_files
from core.config.workspace import Workspace
from core.errors import ConfigError

BASE = "data: {format: synthetic, root: /nowhere}\nmodel: tinyvgg_a\nepochs: 4\nlearning_rate: 0.02\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "configs" / "studies").mkdir(parents=True)
    (tmp_path / "configs" / "base.yaml").write_text(BASE)
    return Workspace(tmp_path)


def study(workspace: Workspace, text: str, **options: object) -> Study:
    path = workspace.configs / "studies" / "s.yaml"
    path.write_text(text)
    return load_study(path, workspace=workspace, **options)  # type: ignore[arg-type]


def problems(workspace: Workspace, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        study(workspace, text)
    return [f"{problem.line} {problem.key}: {problem.text}" for problem in caught.value.problems]


def test_a_grid_and_a_list(workspace: Workspace) -> None:
    made = study(
        workspace,
        "base: ../base.yaml\nseeds: 2\ngrid: {learning_rate: [1e-2, 1e-3], augment: {hflip: [true, false]}}\n"
        "trials:\n  - {name: big, model: tinyvgg_b, seeds: [7]}\n",
    )
    assert [(trial.name, trial.seeds) for trial in made.trials] == [
        ("learning_rate=0.01 hflip=true", (0, 1)),
        ("learning_rate=0.01 hflip=false", (0, 1)),
        ("learning_rate=0.001 hflip=true", (0, 1)),
        ("learning_rate=0.001 hflip=false", (0, 1)),
        ("big", (7,)),
    ]
    assert made.size == 9
    assert made.factors == ("learning_rate", "augment.hflip", "model")
    assert made.trials[2].levels == {"learning_rate": "0.001", "augment.hflip": "true", "model": ""}
    first = made.trials[0].experiments
    assert [(e.seed, e.learning_rate, e.augment.hflip, e.epochs) for e in first] == [
        (0, 0.01, True, 4),
        (1, 0.01, True, 4),
    ]
    assert (made.metric, made.mode, made.judge, made.epochs) == ("val/accuracy", "max", "best", 4)


def test_what_a_seed_changes(workspace: Workspace) -> None:
    made = study(workspace, "base: base\nseeds: [3, 5]\nvary: [data.split.seed]\ntrials: [{name: a}]\n")
    assert [(e.seed, e.data.split.seed) for e in made.trials[0].experiments] == [(0, 3), (0, 5)]
    both = study(workspace, "base: base\nseeds: [3]\nvary: [seed, data.split.seed]\ntrials: [{name: a}]\n")
    assert [(e.seed, e.data.split.seed) for e in both.trials[0].experiments] == [(3, 3)]


def test_a_trial_is_the_config_with_the_same_settings(workspace: Workspace) -> None:
    made = study(
        workspace, "base: base\nset: {batch: 8}\nepochs: 9\ntrials: [{learning_rate: 0.5}]\nseeds: [4]\n"
    )
    plain = load_experiment(
        "base", ["batch=8", "learning_rate=0.5", "seed=4", "epochs=2"], workspace=workspace
    )
    assert made.trials[0].keys == (result_key(plain.experiment),)  # the number of epochs is not among them
    assert made.epochs == 9
    other = load_experiment("base", ["batch=8", "learning_rate=0.5", "seed=5"], workspace=workspace)
    assert result_key(other.experiment) not in made.trials[0].keys


def test_where_the_schedule_depends_on_them_the_epochs_count(workspace: Workspace) -> None:
    keys = {
        name: {
            result_key(
                load_experiment("base", [f"scheduler={name}", f"epochs={n}"], workspace=workspace).experiment
            )
            for n in (3, 4)
        }
        for name in ("plateau", "cosine", "onecycle", "step")
    }
    assert {name: len(found) for name, found in keys.items()} == {
        "plateau": 1,
        "cosine": 2,
        "onecycle": 2,
        "step": 1,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "grid: {batch: [1]}\n",
            ["0 base: must be given: the config that all trials start from"],
            id="no-base",
        ),
        pytest.param("base: base\n", ["1 : it has no trials: add `grid` or `trials`"], id="no-trials"),
        pytest.param(
            "base: base\ngrid:\n  lerning_rate: [1e-3]\n",
            ["3 grid.lerning_rate: unknown key (did you mean 'learning_rate'?)"],
            id="unknown-key",
        ),
        pytest.param(
            "base: base\ngrid:\n  batch: [4, many]\n",
            ["3 batch: expected a whole number, got 'many'"],
            id="bad-value",
        ),
        pytest.param(
            "base: base\ntrials:\n  - {batch: 4}\n  - {batch: 0}\n  - {model: vgg}\n",
            [
                "4 batch: must be at least 1, got 0",
                "5 model: there is no model 'vgg' (did you mean 'vgg19'?): use tinyvgg_a to tinyvgg_e, "
                "tinyvgg_v0 to tinyvgg_v4, tinyvgg with blocks, a classifier or detector of torchvision, "
                "fasterrcnn_small, retinanet_small, or ./net.py:build",
            ],
            id="all-at-once",
        ),
        pytest.param(
            "base: base\ngrid: {seed: [1, 2]}\n",
            ["2 grid.seed: seeds are given by `seeds` and `vary`, so that trials can be paired"],
            id="seed-in-grid",
        ),
        pytest.param(
            "base: base\ntrials: [{epochs: 3}]\n",
            [
                "2 trials.0.epochs: give `epochs` once, for all trials: "
                "runs of different lengths cannot be compared"
            ],
            id="epochs-in-a-trial",
        ),
        pytest.param(
            "base: base\ntrials: [{name: a, batch: 4}, {name: b, batch: 4}]\n",
            ["2 trials.1: trial 'b' has the same settings as 'a'"],
            id="twice",
        ),
        pytest.param(
            "base: base\nseeds: [1, 1]\ntrials: [{batch: 4}]\n",
            ["2 seeds: expected how many seeds, or different ones: [0, 1, 2], got a list"],
            id="equal-seeds",
        ),
        pytest.param("base: nowhere\ntrials: [{batch: 4}]\n", ["1 base: no such config"], id="no-such-base"),
        pytest.param(
            "base: base\ntrials: [{batch: 4}]\njudges: last\n",
            [
                "3 judges: unknown key (did you mean 'judge'?); known: base, data, set, grid, trials, seeds, "
                "vary, epochs, metric, judge, columns, stop"
            ],
            id="unknown-word",
        ),
        pytest.param(
            "base: base\ntrials: [{model: tinyvgg_a}, {model: retinanet_small}]\n",
            None,
            id="two-kinds",
        ),
    ],
)
def test_what_is_refused(workspace: Workspace, text: str, expected: list[str] | None) -> None:
    found = problems(workspace, text)
    if expected is not None:
        assert found == expected
    assert found


def test_a_grid_by_mistake(workspace: Workspace) -> None:
    values = ", ".join(str(number / 1000) for number in range(1, 101))
    text = f"base: base\ngrid: {{learning_rate: [{values}], label_smoothing: [{values}]}}\n"
    assert problems(workspace, text) == ["2 grid: it has 10 000 runs: --yes queues them all"]


def test_names(workspace: Workspace) -> None:
    made = study(workspace, "base: base\ntrials: [{name: tall, batch: 4}, {name: taller, batch: 8}]\n")
    assert made.trial("tall").name == "tall"
    assert made.trial("ALLER").name == "taller"
    with pytest.raises(ConfigError, match="'all' matches 2 trials: tall, taller"):
        made.trial("all")
    with pytest.raises(
        ConfigError, match=r"no trial is called 'tal1' \(did you mean 'tall'\?\): tall, taller"
    ):
        made.trial("tal1")


def test_finding_a_study(workspace: Workspace, tmp_path: Path) -> None:
    study(workspace, "base: base\ntrials: [{batch: 4}]\n")
    (workspace.configs / "studies" / "_part.yaml").touch()
    assert [path.name for path in study_files(workspace)] == ["s.yaml"]
    assert find_study("s", workspace) == workspace.configs / "studies" / "s.yaml"
    with pytest.raises(ConfigError, match="no such study"):
        find_study("t", workspace)
    assert study_files(Workspace(tmp_path / "nowhere")) == []


def test_the_shipped_studies_are_valid() -> None:
    root = Path(__file__).parents[2]
    for path in study_files(Workspace(root)):
        made = load_study(path, workspace=Workspace(root), data=str(root))
        assert made.size >= 2
