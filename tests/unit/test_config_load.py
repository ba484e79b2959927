"""Configs to experiments and back: numbers, words, unknown keys, all problems at once, round trips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from core.config.load import (
    Changes,
    apply_overrides,
    changed_fields,
    dump,
    load_experiment,
    parse_experiment,
    with_data,
)
from core.config.schedulers import SCHEDULERS
from core.config.schema import ColorJitter, DataConfig, Experiment
from core.config.workspace import Workspace
from core.errors import ConfigError

BASE = "data: ./pictures\nmodel: tinyvgg_a\n"
SCHEDULES = " or ".join(SCHEDULERS)
MODELS_THERE_ARE = (
    "use tinyvgg_a to tinyvgg_e, tinyvgg_v0 to tinyvgg_v4, tinyvgg with blocks, a classifier or detector of "
    "torchvision, fasterrcnn_small, retinanet_small, or ./net.py:build"
)


@pytest.fixture
def lab(tmp_path: Path) -> Workspace:
    (tmp_path / "configs").mkdir()
    return Workspace(tmp_path)


def load(lab: Workspace, text: str, *overrides: str, data: str | None = None) -> Experiment:
    file = lab.configs / "a.yaml"
    file.write_text(text, encoding="utf-8")
    return load_experiment(file, overrides, data=data, workspace=lab).experiment


def problems(lab: Workspace, text: str, *overrides: str, data: str | None = None) -> list[str]:
    """Each problem as `line key: text`, `--set key: text` for words of the command line."""
    with pytest.raises(ConfigError) as caught:
        load(lab, text, *overrides, data=data)
    found = caught.value.problems
    assert all(problem.file for problem in found)
    return [f"{p.line or (p.file.name if p.file else '')} {p.key}: {p.text}" for p in found]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-4", 0.0001), ("1.0e4", 10000.0), ("1E-4", 0.0001), ("1", 1.0), (".5", 0.5)],
)
def test_learning_rates_are_numbers(lab: Workspace, text: str, value: float) -> None:
    experiment = load(lab, f"{BASE}learning_rate: {text}\n")
    assert experiment.learning_rate == value
    assert type(experiment.learning_rate) is float
    assert type(yaml.safe_load(dump(experiment))["learning_rate"]) is float


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0,001", "expected a number, got '0,001'"),
        ("'1e-4'", "expected a number, got '1e-4'"),
        ("1_000", "expected a number, got '1_000'"),
        ("nan", "expected a number, got 'nan'"),
        (".nan", "must be a finite number, got .nan"),
        ("-.inf", "must be a finite number, got -.inf"),
        ("1e999", "must be a finite number, got .inf"),
        ("-1", "must be above 0, got -1"),
        ("0", "must be above 0, got 0"),
        ("true", "expected a number, got true"),
        ("", "expected a number, got nothing"),
        ("[1e-3, 1e-2]", "expected a number, got a list"),
        ("{start: 1}", "expected a number, got a mapping"),
    ],
)
def test_learning_rates_refused(lab: Workspace, text: str, said: str) -> None:
    assert problems(lab, f"{BASE}learning_rate: {text}\n") == [f"3 learning_rate: {said}"]


def test_the_message_of_a_refused_number_names_file_line_and_key(lab: Workspace) -> None:
    with pytest.raises(ConfigError) as caught:
        load(lab, f"{BASE}learning_rate: 0,001\n")
    assert str(caught.value) == f"{lab.configs}/a.yaml:3: learning_rate: expected a number, got '0,001'"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("epochs: 1.5", "3 epochs: expected a whole number, got 1.5"),
        ("epochs: 0", "3 epochs: must be at least 1, got 0"),
        ("batch: many", "3 batch: expected a whole number, got 'many'"),
        ("seed: -1", "3 seed: must be at least 0, got -1"),
        ("model: tinyvgg_v5", "3 model: written twice, on lines 2 and 3"),
        ("device: gpu", "3 device: expected auto or cuda or mps or cpu, got 'gpu'"),
        ("threads: 0", "3 threads: expected auto or a whole number from 1 to 1024, got 0"),
        ("threads: many", "3 threads: expected auto or a whole number from 1 to 1024, got 'many'"),
        ("augment: {hflip: 1}", "3 augment.hflip: expected true or false, got 1"),
        ("augment: yes", "3 augment: expected a mapping (`key: value`), got 'yes'"),
        ("augment: {color_jitter: {hue: 0.6}}", "3 augment.color_jitter.hue: must be at most 0.5, got 0.6"),
        ("scheduler: cosin", f"3 scheduler.name: expected {SCHEDULES}, got 'cosin' (did you mean 'cosine'?)"),
        (
            "scheduler: platau",
            f"3 scheduler.name: expected {SCHEDULES}, got 'platau' (did you mean 'plateau'?)",
        ),
        ("optimizer: {momentum: 1}", "3 optimizer.momentum: must be below 1, got 1"),
        ("normalize: {mean: [0, 0]}", "3 normalize.mean.2: must be given"),
        ("normalize: {std: [1, 1, 0]}", "3 normalize.std.2: must be above 0, got 0"),
        (
            "measure: {splits: [val, tset]}",
            "3 measure.splits.1: expected train or val or test, got 'tset' (did you mean 'test'?)",
        ),
        ("tags: baseline", "3 tags: expected a list, got 'baseline'"),
        ("tags: [1]", "3 tags.0: expected text, got 1"),
        ("image_size: 15", "3 image_size: must be at least 16, got 15"),
        (
            "augment: {scale: 36, pad_crop: 4}",
            "3 augment.scale: scale and pad_crop cannot be combined: both cut out image_size",
        ),
        ("augment: {scale: 24}", "3 augment.scale: scale must be at least image_size, got 24 and 32"),
    ],
)
def test_what_the_schema_refuses(lab: Workspace, line: str, said: str) -> None:
    assert problems(lab, f"{BASE}{line}\n") == [said]


def test_class_names_stay_text(lab: Workspace) -> None:
    text = "data: {root: x, classes: [no, yes, on, off]}\nmodel: tinyvgg_a\n"
    experiment = load(lab, text)
    assert experiment.data.classes == ("no", "yes", "on", "off")
    assert parse_experiment(dump(experiment), lab.root / "c.yaml").data.classes == ("no", "yes", "on", "off")
    assert yaml.safe_load(dump(experiment))["data"]["classes"] == ["no", "yes", "on", "off"]


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ("[true, a]", "class names must be text: quote 'true'"),
        ("[a, 1]", "class names must be text: quote '1'"),
        ("[a, '']", "a class name must be text"),
        ("[a, ]", "at least two classes are needed"),
        ("[a, b, a]", "class 'a' is named twice"),
    ],
)
def test_class_names_refused(lab: Workspace, classes: str, said: str) -> None:
    found = problems(lab, f"data: {{root: x, classes: {classes}}}\nmodel: tinyvgg_a\n")
    assert [line.split(": ", 1)[1] for line in found] == [said]


@pytest.mark.parametrize(
    ("word", "value"),
    [("true", True), ("false", False), ("on", True), ("off", False), ("yes", True), ("no", False)],
)
def test_words_for_true_and_false_where_one_is_wanted(lab: Workspace, word: str, value: bool) -> None:
    assert load(lab, f"{BASE}augment: {{hflip: {word}}}").augment.hflip is value


@pytest.mark.parametrize(
    ("line", "guess"),
    [
        ("epoch: 3", "epochs"),
        ("lr: 0.1", "learning_rate"),
        ("learning-rate: 0.1", "learning_rate"),
        ("learnign_rate: 0.1", "learning_rate"),
        ("batch_size: 8", "batch"),
        ("num-workers: 2", "workers"),
        ("num_workers: 2", "workers"),
        ("momentum: 0.9", "optimizer.momentum"),
        ("pad_crop: 4", "augment.pad_crop"),
        ("hue: 0.2", "augment.color_jitter.hue"),
        ("patience: 3", "scheduler.patience"),
        ("augmentation: {hflip: true}", "augment"),
        ("optimiser: {momentum: 0.5}", "optimizer"),
    ],
)
def test_unknown_keys_name_the_nearest_valid_one(lab: Workspace, line: str, guess: str) -> None:
    key = line.split(":")[0]
    assert problems(lab, BASE + line) == [f"3 {key}: unknown key (did you mean '{guess}'?)"]


def test_keys_in_the_wrong_section(lab: Workspace) -> None:
    text = f"{BASE}train:\n  lr: 0.1\n  epochs: 3\noptimizer:\n  lr: 0.1\n  name: sgd\n"
    assert problems(lab, text) == [
        "4 train.lr: unknown key (did you mean 'learning_rate'?)",
        "5 train.epochs: unknown key (did you mean 'epochs'?)",
        "7 optimizer.lr: unknown key (did you mean 'learning_rate'?)",
    ]


def test_an_unknown_key_like_no_other_lists_what_there_is(lab: Workspace) -> None:
    assert problems(lab, f"{BASE}optimizer: {{zzzzzz: 1}}") == [
        "3 optimizer.zzzzzz: unknown key; known in optimizer: name, momentum, nesterov, beta1, beta2, "
        "weight_decay"
    ]


def test_all_problems_at_once(lab: Workspace) -> None:
    text = (
        "data: ./x\nmodel: tinyvgg_f\nlearning_rate: 0,001\nepoch: 3\nnum-workers: 2\nbatch: 4.5\n"
        "batch: 8\naugment:\n  hflip: maybe\n  flip: true\n"
    )
    assert problems(lab, text, "seed=x", "threads=-1", "nonsense") == [
        "--set : expected KEY=VALUE, got 'nonsense'",
        "--set seed: expected a whole number, got 'x'",
        "--set threads: expected auto or a whole number from 1 to 1024, got -1",
        f"2 model: there is no model 'tinyvgg_f' (did you mean 'tinyvgg_e'?): {MODELS_THERE_ARE}",
        "3 learning_rate: expected a number, got '0,001'",
        "4 epoch: unknown key (did you mean 'epochs'?)",
        "5 num-workers: unknown key (did you mean 'workers'?)",
        "7 batch: written twice, on lines 6 and 7",
        "9 augment.hflip: expected true or false, got 'maybe'",
        "10 augment.flip: unknown key (did you mean 'augment.hflip'?)",
    ]


def test_what_must_be_given(lab: Workspace) -> None:
    assert problems(lab, "epochs: 3\n") == [
        "a.yaml data: no data: add `data: FOLDER` here or in configs/defaults.yaml, or give --data",
        "a.yaml model: must be given",
    ]


def test_blank_sections_mean_defaults(lab: Workspace) -> None:
    text = "data: {root: x, split: }\nmodel: tinyvgg_a\naugment:\nscheduler:\nmeasure: null\n"
    assert load(lab, text) == load(lab, "data: {root: x}\nmodel: tinyvgg_a\n")


def test_a_blank_setting_of_an_optional_section_is_its_default(lab: Workspace) -> None:
    experiment = load(lab, f"{BASE}augment: {{color_jitter: {{hue: 0.1, contrast: }}}}")
    assert experiment.augment.color_jitter == ColorJitter(hue=0.1)


FULL = """\
data:
  root: x
  train: {images: tr, list: tr.txt}
  val: va
  test: te
  split: {ratio: 0.2, seed: 3, stratify: false}
  classes: [no, '1e-4', "it's", 'a: b', "#c", 'true']
  order: frequency
model: tinyvgg_v4
image_size: 64
normalize: {mean: [0, 0.5, 1], std: [1, 2e-5, 3]}
learning_rate: 1e-7
optimizer: {momentum: 0, weight_decay: 5e-4}
batch: 7
scheduler: {name: plateau, metric: val/loss, factor: 0.5, patience: 0}
epochs: 100000
metric: val/loss
augment: {scale: 72, hflip: yes, color_jitter: {brightness: 0.2, hue: 1e-3}}
seed: 9223372036854775807
device: cpu
threads: 3
workers: 0
checkpoint: {every: 5}
measure: {splits: [train, val, test], every: 2}
tags: [off, '12', "\\e[2J", ünï]
"""


@pytest.mark.parametrize("text", [BASE, FULL])
def test_dump_reads_back_the_same(lab: Workspace, text: str) -> None:
    experiment = load(lab, text)
    again = parse_experiment(dump(experiment), Path("/elsewhere/runs/r/config.yaml"))
    assert again == experiment
    assert dump(again) == dump(experiment)


def test_dump_is_complete_and_in_the_order_of_the_schema(lab: Workspace) -> None:
    stored = yaml.safe_load(dump(load(lab, FULL)))
    assert list(stored) == list(Experiment.model_fields)
    assert stored["learning_rate"] == 1e-7
    assert stored["data"]["root"] == str(lab.configs / "x")
    assert stored["tags"][2] == "␛[2J"


def test_stored_paths_are_taken_as_they_are() -> None:
    experiment = Experiment(data=DataConfig(root=Path("/data/$x/~y")), model="tinyvgg_a")
    assert parse_experiment(dump(experiment), Path("/r/config.yaml")) == experiment
    assert apply_overrides(experiment, ["epochs=3"]).data == experiment.data


def test_stored_configs_name_their_file_when_damaged(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^{tmp_path}/config.yaml:2: epochs: expected a whole number"):
        parse_experiment("data: {root: /x}\nepochs: many\nmodel: tinyvgg_a", tmp_path / "config.yaml")


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("learning_rate=1e-3", "learning_rate", 0.001),
        ("epochs = 7", "epochs", 7),
        ("scheduler=plateau", "scheduler.name", "plateau"),
        ("augment.pad_crop=null", "augment.pad_crop", None),
        ("augment.pad_crop=", "augment.pad_crop", None),
        ("augment={hflip: true}", "augment.hflip", True),
        ("tags=[a, no]", "tags", ("a", "no")),
        ("data.classes=[yes, no]", "data.classes", ("yes", "no")),
        ("data.val=test", "data.val", "test"),
        ("augment.color_jitter.hue=0.1", "augment.color_jitter.hue", 0.1),
    ],
)
def test_overrides_are_yaml(lab: Workspace, override: str, key: str, value: Any) -> None:
    base = load(lab, f"{BASE}augment: {{pad_crop: 4}}\nscheduler: {{patience: 9}}\n")
    for found in (
        load(lab, f"{BASE}augment: {{pad_crop: 4}}\nscheduler: {{patience: 9}}\n", override),
        apply_overrides(base, [override]),
    ):
        item: Any = found
        for part in key.split("."):
            item = getattr(item, part)
        assert item == value
        assert found.scheduler.patience == 9


def test_a_key_is_changed_without_a_round_through_text(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever would be quoted in YAML stays what it is, and nothing is written or read to change one key."""
    words = "[yes, '1e3', 'a: b', '- c', '~', '#', \"'\"]"
    base = load(lab, f"{BASE}tags: {words}\nmodel_args: {{hidden: [8, 16]}}\nlearning_rate: 1e-5\n")

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("a valid experiment went through YAML")

    monkeypatch.setattr("core.config.load.dump", never)
    monkeypatch.setattr("core.config.load.parse_document", never)
    changed = apply_overrides(base, ["seed=7"])
    assert changed == base.model_copy(update={"seed": 7})
    assert changed.tags == ("yes", "1e3", "a: b", "- c", "~", "#", "'")
    other = with_data(base, "/other", workspace=lab)
    assert (other.data.root, other.tags) == (Path("/other"), base.tags)


def test_a_later_override_wins(lab: Workspace) -> None:
    assert load(lab, BASE, "epochs=3", "epochs=4").epochs == 4


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("learning_rate=fast", "--set: learning_rate: expected a number, got 'fast'"),
        ("scheduler=fast", f"--set: scheduler.name: expected {SCHEDULES}, got 'fast'"),
        ("lr=1", "--set: lr: unknown key (did you mean 'learning_rate'?)"),
        ("epochs", "--set: expected KEY=VALUE, got 'epochs'"),
        ("=3", "--set: expected KEY=VALUE, got '=3'"),
        ("a..b=3", "--set: expected KEY=VALUE, got 'a..b=3'"),
        ("tags=[a", "--set: tags: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("augment.scale=40", "--set: augment.scale: scale and pad_crop cannot be combined"),
        ("image_size=64", "--set: image_size: scale must be at least image_size, got 40 and 64"),
    ],
)
def test_problems_of_overrides_name_set(lab: Workspace, override: str, said: str) -> None:
    text = f"{BASE}augment: {{{'scale: 40' if 'image_size' in override else 'pad_crop: 4'}}}\n"
    base = load(lab, text)
    with pytest.raises(ConfigError) as caught:
        load(lab, text, override)
    assert str(caught.value).startswith(said)
    with pytest.raises(ConfigError) as again:
        apply_overrides(base, [override])
    assert str(again.value).startswith(said)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], Changes((), ())),
        (["learning_rate=0.01"], Changes((), ())),
        (["learning_rate=0.02", "epochs=3"], Changes(("learning_rate",), ("epochs",))),
        (["augment.hflip=true", "batch=4"], Changes(("batch", "augment.hflip"), ())),
        (["augment.color_jitter.hue=0.1"], Changes(("augment.color_jitter",), ())),
        (["data.split.seed=1", "data.val=test"], Changes(("data.val", "data.split.seed"), ())),
        (["workers=9", "prefetch=9", "tags=[x]"], Changes((), ("workers", "prefetch", "tags"))),
        (["device=cpu", "checkpoint.every=2"], Changes((), ("device", "checkpoint.every"))),
        (["threads=1", "seed=5"], Changes(("seed", "threads"), ())),
        (["normalize.mean=[0,0,0]"], Changes(("normalize.mean",), ())),
    ],
)
def test_changed_fields(lab: Workspace, overrides: list[str], expected: Changes) -> None:
    base = load(lab, BASE)
    changes = changed_fields(base, apply_overrides(base, overrides))
    assert changes == expected
    assert bool(changes) is bool(overrides and expected != Changes((), ()))
