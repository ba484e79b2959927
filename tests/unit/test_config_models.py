"""Keys of models, weights, schedules, precision, trackers: what they take, what does not go together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from core.config.fields import form_values
from core.config.load import apply_overrides, changed_fields, dump, load_experiment, parse_experiment
from core.config.names import CLASSIFIERS, MODELS, STATISTICS
from core.config.resolve_defaults import resolve_normalize
from core.config.schema import Block, EarlyStop, Experiment, Log, Optimizer, Scheduler
from core.config.workspace import Workspace
from core.errors import ConfigError

DATA = "data: ./pictures\n"
BASE = f"{DATA}model: tinyvgg_a\n"
NET = f"{DATA}model: mobilenet_v2\n"
GOLDEN = Path(__file__).parents[1] / "golden" / "run-format1" / "config.yaml"


@pytest.fixture
def lab(tmp_path: Path) -> Workspace:
    (tmp_path / "configs").mkdir()
    return Workspace(tmp_path)


def load(lab: Workspace, text: str, *overrides: str) -> Experiment:
    file = lab.configs / "a.yaml"
    file.write_text(text, encoding="utf-8")
    return load_experiment(file, overrides, workspace=lab).experiment


def problems(lab: Workspace, text: str, *overrides: str) -> list[str]:
    """Each problem as `line key: text`."""
    with pytest.raises(ConfigError) as caught:
        load(lab, text, *overrides)
    return [f"{p.line} {p.key}: {p.text}" for p in caught.value.problems]


def at(experiment: Experiment, key: str) -> Any:
    value: Any = experiment
    for part in key.split("."):
        value = getattr(value, part)
    return value


# Values


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("weights: none", "weights", "none"),
        ("weights_sha256: 0A1B2C3D\nweights: ./w.pth", "weights_sha256", "0a1b2c3d"),
        ("model_args: {hidden: 64, drop: 1e-1, l: [1, no], n: }", "model_args.get", None),
        ("back_lr: 1e-4\nhead_lr: 1e-2\nmode: split", "head_lr", 0.01),
        ("mode: head", "mode", "head"),
        ("optimizer: {name: adamw, beta2: 0.99}", "optimizer", Optimizer(name="adamw", beta2=0.99)),
        ("optimizer: {nesterov: on}", "optimizer.nesterov", True),
        ("scheduler: cosine", "scheduler", Scheduler(name="cosine")),
        (
            "scheduler: {name: step, every: 3, factor: 0.5, warmup: 0.5}",
            "scheduler",
            Scheduler(name="step", every=3, factor=0.5, warmup=0.5),
        ),
        ("scheduler: {name: onecycle, peak: 0.25}", "scheduler.peak", 0.25),
        ("scheduler: {name: plateau, min_lr: 1e-6}", "scheduler.min_lr", 1e-6),
        ("early_stop:", "early_stop", None),
        ("early_stop: {}", "early_stop", EarlyStop(patience=10, min_delta=0)),
        ("early_stop: {patience: 3, min_delta: 1e-3}", "early_stop", EarlyStop(patience=3, min_delta=1e-3)),
        ("label_smoothing: 0.1", "label_smoothing", 0.1),
        ("clip_norm: 1", "clip_norm", 1.0),
        ("ema: 0.999", "ema", 0.999),
        ("precision: bfloat16", "precision", "bfloat16"),
        ("image_size: 16", "image_size", 16),
        ("augment: {scale: 36}", "augment.scale", 36),
        ("augment: {scale: [36, 44], test_scale: 40}", "augment.scale", (36, 44)),
        ("augment: {tta: [hflip, 36, 40]}", "augment.tta", ("hflip", 36, 40)),
        ("checkpoint: {keep: 3}", "checkpoint.keep", 3),
        ("checkpoint: {keep: all}", "checkpoint.keep", "all"),
        ("measure: {random: true}\nmetric: val/accuracy_random", "metric", "val/accuracy_random"),
        ("augment: {tta: [hflip]}\nmetric: val/accuracy_tta", "metric", "val/accuracy_tta"),
        ("metric: val/top5", "metric", "val/top5"),
        ("gpus: 0", "gpus", (0,)),
        ("gpus: [GPU-5d1f]", "gpus", ("GPU-5d1f",)),
        ("log: {wandb: off}", "log", Log()),
        ("log: {wandb: false}", "log", Log()),
        ("log: {wandb: disabled}", "log", Log()),
        ("log: {wandb: on}", "log.wandb", "online"),
        ("log: {wandb: true}", "log.wandb", "online"),
        ("log: {wandb: online}", "log.wandb", "online"),
        (
            "log: {wandb: offline, project: p, entity: e}",
            "log",
            Log(wandb="offline", project="p", entity="e"),
        ),
        ("log: {tensorboard: yes}", "log.tensorboard", True),
    ],
)
def test_values_are_taken_and_read_back(lab: Workspace, line: str, key: str, value: Any) -> None:
    experiment = load(lab, f"{BASE}{line}\n")
    if key == "model_args.get":
        assert experiment.model_args == {"hidden": 64, "drop": 0.1, "l": (1, "no"), "n": None}
    else:
        assert at(experiment, key) == value
    again = parse_experiment(dump(experiment), Path("/elsewhere/config.yaml"))
    assert again == experiment
    assert dump(again) == dump(experiment)


def test_blocks_describe_a_network(lab: Workspace) -> None:
    text = f"{DATA}model: tinyvgg\nblocks: [{{channels: 16}}, {{channels: 32, convs: 3, one_by_one: on}}]\n"
    experiment = load(lab, text)
    assert experiment.blocks == (Block(channels=16), Block(channels=32, convs=3, one_by_one=True))
    assert parse_experiment(dump(experiment), Path("/elsewhere/config.yaml")) == experiment


@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_known(lab: Workspace, model: str) -> None:
    blocks = "blocks: [{channels: 8}]\n" if model == "tinyvgg" else ""
    assert load(lab, f"{DATA}model: {model}\n{blocks}").model == model


# Refusals


WEIGHTS = "expected none, imagenet, coco or a file of weights (./NAME), got"
SCALE = "expected a side from 8 to 1024 pixels, or two: [Smin, Smax], got"
GPU = "expected the index of a GPU (0, 1, ...) or its UUID, got"
METRICS = (
    "auto or val/accuracy or val/loss or val/top5 or val/accuracy_macro or val/f1_macro "
    "or val/accuracy_tta or val/accuracy_random or val/loss_random or val/map or val/map_50 or val/map_75 "
    "or val/mar_100"
)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("weights:", f"weights: {WEIGHTS} nothing"),
        ("weights: true", f"weights: {WEIGHTS} true"),
        ("weights: cocoa", f"weights: {WEIGHTS} 'cocoa'"),
        ("weights: coco", "weights: COCO weights are for detectors: use imagenet or none"),
        ("weights: [a, b]", f"weights: {WEIGHTS} a list"),
        ("weights: imagenet", "weights: there are no ImageNet weights for tinyvgg_a; torchvision's have"),
        ("weights_sha256: abc", "weights_sha256: expected 8 to 64 digits of a sha256, got 'abc'"),
        ("weights_sha256: 12345678", "weights_sha256: expected 8 to 64 digits of a sha256, in quotes, got 1"),
        ("weights_sha256: abcdef12", "weights_sha256: weights_sha256 is only used with a file of weights"),
        ("blocks: [{channels: 8}]", "blocks: blocks are only used with model: tinyvgg, not with tinyvgg_a"),
        ("model_args: 3", "model_args: expected a mapping"),
        ("model_args: {a: {b: 1}}", "model_args: expected numbers, texts, true, false or lists of them"),
        ("model_args: {a: [[1]]}", "model_args: expected numbers, texts, true, false or lists of them"),
        ("mode: heads", "mode: expected full or head or split, got 'heads' (did you mean 'head'?)"),
        ("back_lr: 0.1", "back_lr: back_lr is only used with mode: split; mode full uses learning_rate"),
        ("optimizer: {name: adam, nesterov: on}", "optimizer.nesterov: nesterov needs sgd and a mom"),
        ("optimizer: {momentum: 0, nesterov: on}", "optimizer.nesterov: nesterov needs sgd and a mom"),
        ("scheduler: {warmup: 20}", "scheduler.warmup: warmup must be shorter than epochs, got 20 and 20"),
        (
            "scheduler: {name: onecycle, warmup: 1}",
            "scheduler.warmup: onecycle already starts with a rise: use peak",
        ),
        ("scheduler: {name: onecycle, peak: 1}", "scheduler.peak: must be below 1, got 1"),
        ("scheduler: {name: step, every: 0}", "scheduler.every: must be at least 1, got 0"),
        ("early_stop: {patience: 0}", "early_stop.patience: must be at least 1, got 0"),
        ("early_stop: {min_delta: -1}", "early_stop.min_delta: must be at least 0, got -1"),
        ("early_stop: 5", "early_stop: expected a mapping"),
        ("label_smoothing: 1", "label_smoothing: must be below 1, got 1"),
        ("clip_norm: 0", "clip_norm: must be above 0, got 0"),
        ("ema: 1", "ema: must be below 1, got 1"),
        ("precision: fp16", "precision: expected auto or float32 or bfloat16 or float16, got 'fp16'"),
        ("precision: float16\ndevice: cpu", "precision: float16 needs a GPU: use float32 or bfloat16"),
        ("augment: {scale: [44, 36]}", "augment.scale: the smaller side comes first: [36, 44]"),
        ("augment: {scale: [36]}", f"augment.scale: {SCALE} a list"),
        ("augment: {scale: [36, 40, 44]}", f"augment.scale: {SCALE} a list"),
        ("augment: {scale: [36, 40.5]}", f"augment.scale: {SCALE} a list"),
        ("augment: {scale: big}", f"augment.scale: {SCALE} 'big'"),
        ("augment: {scale: [24, 40]}", "augment.scale: scale must be at least image_size, got 24 and 32"),
        ("augment: {scale: [36, 40], pad_crop: 2}", "augment.scale: scale and pad_crop cannot be combined"),
        ("augment: {test_scale: 24}", "augment.test_scale: test_scale must be at least image_size, got 24"),
        ("augment: {tta: hflip}", "augment.tta: expected a list, got 'hflip'"),
        ("augment: {tta: [hflop]}", "augment.tta: expected hflip and sides from 8 to 1024: [hflip, 36, 40]"),
        ("augment: {tta: [24]}", "augment.tta: sides must be at least image_size, got 24 and 32"),
        ("augment: {tta: [36, 36]}", "augment.tta: 36 is named twice"),
        ("checkpoint: {keep: 0}", "checkpoint.keep: expected all, or how many of the newest to keep"),
        ("checkpoint: {keep: al}", "checkpoint.keep: expected all, or how many of the newest to keep"),
        ("metric: val/accuracy_tta", "metric: val/accuracy_tta is measured only with augment.tta"),
        ("metric: val/loss_random", "metric: val/loss_random is measured only with measure.random: true"),
        (
            "scheduler: {metric: val/accuracy_random}",
            "scheduler.metric: val/accuracy_random is measured only with measure.random: true",
        ),
        ("metric: train/loss", f"metric: expected {METRICS}, got 'train/loss'"),
        ("gpus: [0, 1]", "gpus: a run trains on one GPU: name one, got 2"),
        ("gpus: []", "gpus: a run trains on one GPU: name one, got 0"),
        ("gpus: [-1]", f"gpus: {GPU} a list"),
        ("gpus: 0,1", f"gpus: {GPU} '0,1'"),
        ("gpus: 0\ndevice: cpu", "gpus: gpus cannot be combined with device: cpu"),
        ("log: {wandb: maybe}", "log.wandb: expected off or online or offline, got 'maybe'"),
        ("log: {tensorboard: maybe}", "log.tensorboard: expected true or false, got 'maybe'"),
    ],
)
def test_values_refused(lab: Workspace, line: str, said: str) -> None:
    found = problems(lab, f"{BASE}{line}\n")
    assert len(found) == 1
    assert found[0].startswith(f"3 {said}".replace("torchvision's have", "torchvision's classifiers have"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "model: maskrcnn_resnet50_fpn",
            ["2 model: 'maskrcnn_resnet50_fpn' needs more than boxes: use fasterrcnn or retinanet"],
        ),
        ("model: ./net.py", ["2 model: name the function that builds the network too: ./net.py:build"]),
        ("model: tinyvgg", ["2 model: model tinyvgg needs blocks: [{channels: 16, convs: 2}, ...]"]),
        (
            "model: tinyvgg\nblocks: []",
            ["3 blocks: model tinyvgg needs blocks: [{channels: 16, convs: 2}, ...]"],
        ),
        ("model: tinyvgg\nblocks: [{convs: 2}]", ["3 blocks.0.channels: must be given"]),
        (
            "model: tinyvgg\nblocks: [{channels: 0, conv: 3}, 16]",
            [
                "3 blocks.0.channels: must be at least 1, got 0",
                "3 blocks.0.conv: unknown key (did you mean 'blocks.convs'?)",
                "3 blocks.1: expected a mapping (`key: value`), got 16",
            ],
        ),
        (
            "model: mobilenet_v2\nmode: split\nback_lr: 1e-4",
            ["3 mode: mode split needs head_lr"],
        ),
        (
            "model: ./net.py:build\nweights: imagenet",
            [
                "3 weights: there are no ImageNet weights for your own network; torchvision's classifiers "
                "have some"
            ],
        ),
    ],
)
def test_models_refused(lab: Workspace, text: str, said: list[str]) -> None:
    assert problems(lab, f"{DATA}{text}\n") == said


@pytest.mark.parametrize("model", ["resnet19", "'./net.py:3x'", "3", "''", "':build'", "tinyvgg_f"])
def test_a_model_that_is_not_there_names_those_that_are(lab: Workspace, model: str) -> None:
    (said,) = problems(lab, f"{DATA}model: {model}\n")
    assert said.startswith("2 model: there is no model '")
    assert said.endswith("fasterrcnn_small, retinanet_small, or ./net.py:build")
    assert ("did you mean 'resnet18'?" in said) is (model == "resnet19")


@pytest.mark.parametrize(
    ("line", "guess"),
    [
        ("pretrained: true", "weights"),
        ("amp: true", "precision"),
        ("early_stopping: {patience: 3}", "early_stop"),
        ("clip_grad_norm: 1", "clip_norm"),
        ("wandb: online", "log.wandb"),
        ("gpu: 0", "gpus"),
        ("tta: [hflip]", "augment.tta"),
        ("nesterov: true", "optimizer.nesterov"),
        ("warmup: 3", "scheduler.warmup"),
        ("weight: ./w.pth", "weights"),
    ],
)
def test_what_other_tools_call_it(lab: Workspace, line: str, guess: str) -> None:
    key = line.split(":")[0]
    assert problems(lab, f"{BASE}{line}\n") == [f"3 {key}: unknown key (did you mean '{guess}'?)"]


# Paths


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("weights: w.pth", "weights", "LAB/configs/w.pth"),
        ("weights: ../nets/w.pth", "weights", "LAB/nets/w.pth"),
        ("weights: nets/w", "weights", "LAB/configs/nets/w"),
        ("weights: ~/w.pth", "weights", "/home/ada/w.pth"),
        ("weights: $NETS/w.pth", "weights", "/mnt/nets/w.pth"),
        ("weights: /abs/w.pth", "weights", "/abs/w.pth"),
        ("model: ./net.py:build", "model", "LAB/configs/net.py:build"),
        ("model: net.py:make_it", "model", "LAB/configs/net.py:make_it"),
        ("model: ../nets/net.py:build", "model", "LAB/nets/net.py:build"),
        ("model: ~/net.py:build", "model", "/home/ada/net.py:build"),
        ("model: $NETS/net.py:build", "model", "/mnt/nets/net.py:build"),
    ],
)
def test_paths_are_relative_to_the_file_that_names_them(
    lab: Workspace, line: str, key: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("NETS", "/mnt/nets")
    model = "" if key == "model" else "model: mobilenet_v2\n"
    wanted = value.replace("LAB", str(lab.root))
    for folder in (lab.root, Path("/")):
        monkeypatch.chdir(folder)
        experiment = load(lab, f"{DATA}{model}{line}\n")
        assert str(at(experiment, key)) == wanted
        stored = parse_experiment(dump(experiment), Path("/elsewhere/config.yaml"))
        assert stored == experiment


def test_paths_of_a_base_are_relative_to_the_base(lab: Workspace) -> None:
    (lab.root / "shared").mkdir()
    (lab.root / "shared/base.yaml").write_text("weights: w.pth\nmodel: net.py:build\n")
    experiment = load(lab, f"extends: ../shared/base.yaml\n{DATA}")
    assert experiment.weights == lab.root / "shared/w.pth"
    assert experiment.model == f"{lab.root}/shared/net.py:build"


def test_paths_on_the_command_line_are_relative_to_the_current_folder(
    lab: Workspace, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    experiment = load(lab, f"{NET}weights: w.pth\n", "weights=v.pth", "model=./net.py:build")
    assert (experiment.weights, experiment.model) == (here / "v.pth", f"{here}/net.py:build")
    monkeypatch.chdir(lab.root)
    assert apply_overrides(experiment, ["epochs=3"]).weights == here / "v.pth"


def test_a_variable_that_is_not_set_is_named(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    assert problems(lab, f"{DATA}model: $NOWHERE/net.py:build\n") == [
        "2 model: the variable $NOWHERE is not set"
    ]
    assert problems(lab, f"{NET}weights: $NOWHERE/w.pth\n") == ["3 weights: the variable $NOWHERE is not set"]


def test_stored_paths_are_taken_as_they_are(lab: Workspace) -> None:
    odd = Path("/nets/$x/~a/no")
    experiment = load(lab, NET).model_copy(update={"weights": odd, "model": f"{odd}/net.py:build"})
    assert parse_experiment(dump(experiment), Path("/r/config.yaml")) == experiment


# The form and overrides


@pytest.mark.parametrize(
    "text",
    [
        f"{DATA}model: tinyvgg\nblocks: [{{channels: 16, one_by_one: on}}]\nmodel_args: {{h: [64, no]}}\n",
        f"{NET}mode: split\nback_lr: 1e-5\nhead_lr: 1e-2\nweights: ./w.pth\nweights_sha256: 00000000\n",
        f"{NET}weights: imagenet\nema: 0.99\nclip_norm: 3\ngpus: [0]\nlog: {{wandb: on, project: 'no'}}\n",
        f"{BASE}augment: {{scale: [36, 44], test_scale: 40, tta: [hflip, 36]}}\ncheckpoint: {{keep: 4}}\n",
        f"{BASE}early_stop: {{patience: 4}}\nscheduler: {{name: cosine, warmup: 1.5}}\nmetric: val/loss\n",
    ],
)
def test_form_values_give_the_experiment_back(lab: Workspace, text: str) -> None:
    text = text.replace("00000000", "'00000000'")
    experiment = load(lab, text)
    sections = ["augment.color_jitter.", "data.synthetic."]
    sections += [] if experiment.early_stop else ["early_stop."]
    words = [
        f"{key}={value}"
        for key, value in form_values(experiment).items()
        if not key.startswith(tuple(sections))
    ]
    assert apply_overrides(load(lab, BASE), words) == experiment


def test_arguments_on_the_command_line(lab: Workspace) -> None:
    text = f"{BASE}model_args: {{hidden: 64, dropout: 0.5}}\n"
    assert load(lab, text, "model_args.hidden=32").model_args == {"hidden": 32, "dropout": 0.5}
    for words in (["model_args={hidden: 32}"], ["model_args.dropout=1", "model_args={hidden: 32}"]):
        assert load(lab, text, *words).model_args == {"hidden": 32}
        assert apply_overrides(load(lab, text), words).model_args == {"hidden": 32}
    assert apply_overrides(load(lab, text), ["model_args={}"]).model_args == {}


def test_arguments_of_a_base_are_merged(lab: Workspace) -> None:
    (lab.configs / "_b.yaml").write_text(f"{BASE}model_args: {{hidden: 64, dropout: 0.5}}\n")
    experiment = load(lab, "extends: _b.yaml\nmodel_args: {hidden: 32}\n")
    assert experiment.model_args == {"hidden": 32, "dropout": 0.5}


# The lab's files and what was stored earlier


@pytest.mark.parametrize(
    ("lines", "mode", "rates"),
    [
        ("mode: full\nlearning_rate: 0.005\n", "full", (0.005, None, None)),
        ("mode: head\nlearning_rate: 0.005\n", "head", (0.005, None, None)),
        ("mode: split\nback_lr: 0.0001\nhead_lr: 0.01\n", "split", (0.01, 1e-4, 0.01)),
        ("mode: split\nback_lr: 1e-4\nhead_lr: 1e-2\n", "split", (0.01, 1e-4, 0.01)),
    ],
)
@pytest.mark.parametrize("model", ["mobilenet_v2", "resnet50", "tinyvgg_v4"])
def test_files_of_five_keys(
    lab: Workspace, model: str, lines: str, mode: str, rates: tuple[float | None, ...]
) -> None:
    (lab.configs / "defaults.yaml").write_text("data: ../pictures\n")
    experiment = load(lab, f"model: {model}\n{lines}")
    assert (experiment.mode, experiment.data.root) == (mode, lab.root / "pictures")
    assert (experiment.learning_rate, experiment.back_lr, experiment.head_lr) == rates


EARLIER = """\
data:
  format: auto
  root: PICTURES
  train: null
  val: null
  test: null
  split: {ratio: 0.1, seed: 0, stratify: true}
  classes: null
  order: name
  synthetic: null
model: tinyvgg_a
image_size: 32
normalize:
  mean: [0.4914, 0.4822, 0.4465]
  std: [0.2023, 0.1994, 0.201]
learning_rate: 0.01
optimizer: {name: sgd, momentum: 0.9, weight_decay: 0.0}
batch: 32
scheduler: {name: none, metric: auto, factor: 0.1, patience: 3}
epochs: 20
metric: auto
augment: {pad_crop: null, hflip: false, scale: null, color_jitter: null}
seed: 0
device: auto
threads: auto
workers: 2
prefetch: 2
checkpoint: {every: 1}
measure:
  splits: [val]
  every: 1
tags: []
"""


def test_a_config_stored_before_these_keys_means_the_same(lab: Workspace) -> None:
    stored = parse_experiment(EARLIER.replace("PICTURES", str(lab.configs / "pictures")), Path("/r/c.yaml"))
    now = load(lab, BASE)
    assert not changed_fields(stored, now)
    assert not changed_fields(now, stored)
    assert resolve_normalize(stored) == resolve_normalize(now) == STATISTICS["cifar10"]
    other = load(lab, f"{BASE}normalize: {{mean: [0, 0, 0]}}\n")
    assert changed_fields(stored, other).result == ("normalize.mean",)


def test_the_golden_run_s_config_is_read() -> None:
    experiment = parse_experiment(GOLDEN.read_text(encoding="utf-8"), GOLDEN)
    assert (experiment.model, experiment.mode, experiment.weights) == ("tinyvgg_v4", "full", "none")
    assert (experiment.epochs, experiment.data.root) == (3, Path(os.sep, "data", "demo"))
    assert resolve_normalize(experiment) == STATISTICS["cifar10"]


@pytest.mark.parametrize(
    ("lines", "known"),
    [
        ("model: tinyvgg_a", "cifar10"),
        ("model: mobilenet_v2\nweights: imagenet", "imagenet"),
        ("model: mobilenet_v2\nweights: ./w.pth", "imagenet"),
        ("model: tinyvgg_a\nweights: ./w.pth", "cifar10"),
        ("model: mobilenet_v2", "cifar10"),
    ],
)
def test_channel_statistics_left_out(lab: Workspace, lines: str, known: str) -> None:
    assert resolve_normalize(load(lab, f"{DATA}{lines}\n")) == STATISTICS[known]
    data = "data: {root: x, format: fashionmnist}\n"
    wanted = "fashionmnist" if known == "cifar10" else known
    assert resolve_normalize(load(lab, f"{data}{lines}\n")) == STATISTICS[wanted]


def test_there_are_many_classifiers() -> None:
    assert len(CLASSIFIERS) == len(set(CLASSIFIERS)) == 80
