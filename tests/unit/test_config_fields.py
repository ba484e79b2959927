"""The schema as form fields, and what each metric wants."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from core.config.fields import as_text, field_spec, field_specs, form_values
from core.config.load import apply_overrides
from core.config.names import MODELS, MetricChoice
from core.config.resolve_defaults import resolve_metric, resolve_scheduler_metric
from core.config.schema import GROUPS, DataConfig, Experiment, SplitPaths
from core.metrics import mode_of

METRICS = get_args(MetricChoice)


@pytest.fixture
def experiment() -> Experiment:
    return Experiment(data=DataConfig(root=Path("/data/x")), model="tinyvgg_a")


def test_every_field_has_a_help_line_and_a_group() -> None:
    specs = field_specs()
    assert len({spec.key for spec in specs}) == len(specs)
    for spec in specs:
        assert spec.help.endswith("."), spec.key
        assert "\n" not in spec.help
    groups = [spec.group for spec in specs]
    assert set(groups) == set(GROUPS)
    assert groups == sorted(groups, key=GROUPS.index)


@pytest.mark.parametrize(
    ("key", "group", "kind", "choices", "default", "optional", "bounds", "result"),
    [
        ("learning_rate", "Optimiser", "number", (), 0.01, False, "above 0", True),
        ("epochs", "Schedule", "integer", (), 20, False, "at least 1, at most 100000", False),
        ("model", "Model", "text", MODELS, None, False, "", True),
        ("mode", "Model", "choice", ("full", "head", "split"), "full", False, "", True),
        ("weights", "Model", "text", ("none", "imagenet", "coco"), "none", False, "", True),
        ("weights_sha256", "Model", "text", (), None, True, "", True),
        ("image_size", "Model", "text", (), 32, False, "", True),
        ("trainable_layers", "Model", "integer", (), None, True, "at least 0, at most 5", True),
        ("predict.score_floor", "Model", "number", (), 0.05, False, "at least 0, below 1", True),
        ("predict.max_det", "Model", "integer", (), 100, False, "at least 1, at most 10000", True),
        ("augment.scale_jitter", "Augmentation", "list", (), None, True, "", True),
        ("data.empty", "Data", "choice", ("keep", "drop"), "keep", False, "", True),
        ("data.kaggle", "Data", "text", (), None, True, "", True),
        ("blocks", "Model", "list", (), None, True, "", True),
        ("model_args", "Model", "text", (), {}, False, "", True),
        ("back_lr", "Optimiser", "number", (), None, True, "above 0", True),
        ("ema", "Optimiser", "number", (), None, True, "above 0, below 1", True),
        ("scheduler.warmup", "Schedule", "number", (), 0.0, False, "at least 0", True),
        ("early_stop.patience", "Schedule", "integer", (), 10, True, "at least 1", False),
        ("augment.scale", "Augmentation", "text", (), None, True, "", True),
        ("augment.tta", "Augmentation", "list", ("hflip",), [], False, "", True),
        ("checkpoint.keep", "Running", "integer", ("all",), "all", False, "", False),
        ("measure.random", "Running", "boolean", (), False, False, "", False),
        ("gpus", "Running", "list", (), None, True, "", False),
        ("log.wandb", "Running", "choice", ("off", "online", "offline"), "off", False, "", False),
        ("log.project", "Running", "text", (), None, True, "", False),
        ("threads", "Running", "integer", ("auto",), "auto", False, "", True),
        ("device", "Running", "choice", ("auto", "cuda", "mps", "cpu"), "auto", False, "", False),
        ("metric", "Schedule", "choice", METRICS, "auto", False, "", True),
        ("augment.hflip", "Augmentation", "boolean", (), False, False, "", True),
        ("augment.pad_crop", "Augmentation", "integer", (), None, True, "at least 1, at most 64", True),
        (
            "augment.color_jitter.hue",
            "Augmentation",
            "number",
            (),
            0.0,
            True,
            "at least 0, at most 0.5",
            True,
        ),
        ("data.root", "Data", "text", (), None, True, "", True),
        ("data.train", "Data", "text", (), None, True, "", True),
        ("data.val", "Data", "text", ("test",), None, True, "", True),
        ("data.classes", "Data", "list", (), None, True, "", True),
        ("measure.splits", "Running", "list", ("train", "val", "test"), ["val"], False, "", False),
        ("tags", "Running", "list", (), [], False, "", False),
    ],
)
def test_fields(
    key: str,
    group: str,
    kind: str,
    choices: tuple[str, ...],
    default: object,
    optional: bool,
    bounds: str,
    result: bool,
) -> None:
    spec = field_spec(key)
    assert (spec.group, spec.kind, spec.choices) == (group, kind, choices)
    assert (spec.default, spec.optional, spec.bounds, spec.result) == (default, optional, bounds, result)
    assert spec.required is (key == "model")


def test_there_is_no_field_of_that_name() -> None:
    with pytest.raises(KeyError, match="augment"):
        field_spec("augment")


def test_form_values_give_the_experiment_back(experiment: Experiment) -> None:
    data = DataConfig(
        root=Path("/da ta/it's #1: [x]"),
        train=SplitPaths(images=Path("/a, b")),
        val=SplitPaths(images=Path("/v"), list=Path("/v/l, 1.txt")),
        classes=("no", "1e-4", "it's", "a, b", "#x", "{y}", "true"),
    )
    changed = experiment.model_copy(
        update={"data": data, "learning_rate": 1e-7, "tags": ("off", "12", "- x", "", "a\\nb", "~")}
    )
    values = form_values(changed)
    assert values["learning_rate"] == "1e-07"
    assert values["augment.pad_crop"] == ""
    sections = ("augment.color_jitter.", "data.synthetic.", "early_stop.")
    words = [f"{key}={text}" for key, text in values.items() if not key.startswith(sections)]
    assert apply_overrides(experiment, words) == changed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (0.001, "0.001"),
        (1e-5, "1e-05"),
        (7, "7"),
        (["val", "test"], "[val, test]"),
        (["no", "1", "true", "a b"], "[no, '1', 'true', a b]"),
        ("auto", "auto"),
        ("1e-4", "'1e-4'"),
        ("it's: #1", "'it''s: #1'"),
        ({"images": "/a", "list": None}, "/a"),
    ],
)
def test_values_as_typed(value: object, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("name", "mode"),
    [("val/loss", "min"), ("train/loss_box", "min"), ("val/accuracy", "max"), ("val/map_50", "max")],
)
def test_metrics_know_what_is_better(name: str, mode: str) -> None:
    assert mode_of(name) == mode


@pytest.mark.parametrize(
    ("words", "metric", "watched"),
    [
        ([], "val/accuracy", "val/accuracy"),
        (["metric=val/loss"], "val/loss", "val/loss"),
        (["scheduler.metric=val/loss"], "val/accuracy", "val/loss"),
    ],
)
def test_auto_metrics(experiment: Experiment, words: list[str], metric: str, watched: str) -> None:
    changed = apply_overrides(experiment, words)
    assert (resolve_metric(changed), resolve_scheduler_metric(changed)) == (metric, watched)
