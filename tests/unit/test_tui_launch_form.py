"""The launch form's fields: what counts, what can be stepped through, where faults stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config.fields import field_spec
from core.config.load import parse_experiment
from core.config.names import MODELS
from core.config.relevance import unused
from core.config.schedulers import SCHEDULERS
from core.errors import Problem
from tui.dialogs.choose import Choice, narrowed
from tui.screens.launch_form import (
    Fields,
    changed,
    faults_by_field,
    fields_of,
    followed,
    model_choices,
    overrides,
    steps,
    with_value,
)
from tui.widgets.form import form_rows

CONFIG = "data: {format: folder, root: /data/pets}\nmodel: tinyvgg_a\n"


@pytest.fixture
def fields() -> Fields:
    return fields_of(parse_experiment(CONFIG, Path("/tmp/x.yaml")))


def idle(fields: Fields, **values: str) -> set[str]:
    """Keys without effect after changing some; `__` in a name is a dot."""
    for key, value in values.items():
        fields = with_value(fields, key.replace("__", "."), value)
    return {key for key, field in fields.items() if field.unused}


@pytest.mark.parametrize(
    ("values", "without", "counting"),
    [
        ({}, {"back_lr", "head_lr", "blocks", "weights_sha256", "optimizer.beta1"}, {"learning_rate"}),
        ({"mode": "split"}, {"learning_rate"}, {"back_lr", "head_lr"}),
        ({"mode": "head"}, {"back_lr", "head_lr"}, {"learning_rate"}),
        ({"model": "tinyvgg"}, set(), {"blocks"}),
        ({"weights": "imagenet"}, {"weights_sha256"}, set()),
        ({"weights": "/w.pth"}, set(), {"weights_sha256"}),
        ({"optimizer__name": "adamw"}, {"optimizer.momentum", "optimizer.nesterov"}, {"optimizer.beta2"}),
        ({"scheduler__name": "onecycle"}, {"scheduler.warmup", "scheduler.factor"}, {"scheduler.peak"}),
        (
            {"scheduler__name": "step"},
            {"scheduler.peak", "scheduler.patience"},
            {"scheduler.every", "scheduler.factor", "scheduler.warmup"},
        ),
        ({"scheduler__name": "cosine"}, {"scheduler.factor"}, {"scheduler.min_lr"}),
        ({"scheduler__name": "plateau"}, {"scheduler.every"}, {"scheduler.metric", "scheduler.min_lr"}),
        ({"augment__scale": "36"}, {"augment.pad_crop"}, {"augment.scale"}),
        ({"device": "cpu"}, {"gpus"}, set()),
        ({"log__wandb": "online"}, set(), {"log.project", "log.entity"}),
        ({"early_stop__patience": "5"}, set(), {"early_stop.min_delta"}),
        ({"data__format": "cifar10"}, {"data.train", "data.test", "data.synthetic.size"}, {"data.val"}),
        ({"data__format": "synthetic"}, {"data.train"}, {"data.synthetic.size"}),
        ({"data__val": "test"}, {"data.split.ratio"}, set()),
        (
            {},
            {
                *("predict.score_floor", "predict.max_det", "trainable_layers", "augment.vflip"),
                *("augment.scale_jitter", "data.empty", "data.difficult", "data.one_based", "data.boxes"),
            },
            {"label_smoothing", "augment.tta", "augment.scale", "measure.random"},
        ),
        (
            {"model": "fasterrcnn", "data__format": "voc", "weights": "coco"},
            {
                *("label_smoothing", "augment.tta", "augment.scale", "augment.pad_crop", "measure.random"),
                *("augment.test_scale", "weights_sha256", "data.boxes"),
            },
            {
                *("predict.nms_iou", "trainable_layers", "augment.vflip", "augment.scale_jitter"),
                *("augment.hflip", "data.empty", "data.difficult", "data.one_based", "image_size"),
            },
        ),
        ({"model": "retinanet_small", "data__format": "coco"}, {"data.one_based"}, {"data.boxes"}),
        ({"model": "fasterrcnn", "mode": "head"}, {"trainable_layers"}, {"predict.max_det"}),
        ({"data__format": "synthetic"}, {"data.synthetic.most", "data.synthetic.empty"}, set()),
        (
            {"data__format": "synthetic", "data__synthetic__boxes": "true", "model": "fasterrcnn_small"},
            {"data.difficult"},
            {"data.synthetic.most", "data.synthetic.empty", "data.empty"},
        ),
    ],
)
def test_what_counts(fields: Fields, values: dict[str, str], without: set[str], counting: set[str]) -> None:
    found = idle(fields, **values)
    assert without <= found
    assert not counting & found


def test_defaults_follow_the_model_where_nobody_changed_them(fields: Fields) -> None:
    chosen = with_value(with_value(fields, "model", "fasterrcnn_small"), "batch", "7")
    text = CONFIG.replace("tinyvgg_a", "fasterrcnn_small").replace("folder", "voc") + "batch: 7\n"
    moved = followed(chosen, parse_experiment(text, Path("/tmp/x.yaml")))
    assert moved["image_size"].value == "{min: 240, max: 320}"
    assert moved["learning_rate"].value == "0.005"
    assert (moved["batch"].value, moved["batch"].original) == ("7", "32")
    assert overrides(moved) == ["model=fasterrcnn_small", "batch=7"]
    back = with_value(moved, "model", "tinyvgg_a")
    assert followed(back, parse_experiment(CONFIG, Path("/tmp/x.yaml")))["image_size"].value == "32"


def test_detectors_in_the_list_of_networks() -> None:
    notes = {choice.value: choice.note for choice in model_choices(MODELS)}
    assert notes["retinanet_small"] == notes["ssd300_vgg16"] == "detector"
    assert notes["resnet18"] == "torchvision"


def test_every_reason_is_about_a_setting_that_exists(fields: Fields) -> None:
    reasons = unused({key: field.value for key, field in fields.items()})
    assert set(reasons) <= set(fields)
    assert all(reason for reason in reasons.values())


def test_a_changed_or_faulty_setting_is_never_hidden(fields: Fields) -> None:
    rows = {row.key for row in form_rows(list(fields.values()), {}, everything=False)}
    assert "back_lr" not in rows
    fields = with_value(fields, "back_lr", "0.1")
    faults = {"scheduler.peak": "what"}
    rows = {row.key for row in form_rows(list(fields.values()), faults, everything=False)}
    assert {"back_lr", "scheduler.peak", "!scheduler.peak"} <= rows
    assert overrides(fields) == ["back_lr=0.1"]
    assert [field.key for field in changed(fields)] == ["back_lr"]


def test_hidden_settings_are_counted_and_all_can_be_seen(fields: Fields) -> None:
    every = form_rows(list(fields.values()), {}, everything=True)
    some = form_rows(list(fields.values()), {}, everything=False)
    assert sum(row.hidden for row in some) == len(every) - len(some)
    assert sum(row.hidden for row in every) == 0
    assert {row.field.key for row in every if row.field} == set(fields)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("augment.hflip", ("true", "false")),
        ("augment.tta", ("[]", "[hflip]")),
        ("scheduler.name", tuple(SCHEDULERS)),
        ("data.val", ("", "test")),
        ("learning_rate", ()),
        ("tags", ()),
    ],
)
def test_what_the_arrows_go_through(key: str, values: tuple[str, ...]) -> None:
    assert steps(field_spec(key)) == values


def test_splits_step_through_lists_that_the_config_takes(fields: Fields) -> None:
    from core.config.load import apply_overrides

    choices = steps(field_spec("measure.splits"))
    assert "[val]" in choices
    assert "[train, val, test]" in choices
    experiment = parse_experiment(CONFIG, Path("/tmp/x.yaml"))
    for choice in choices:
        apply_overrides(experiment, [f"measure.splits={choice}"])


def test_faults_go_to_their_field_or_the_first_of_their_section(fields: Fields) -> None:
    problems = [
        Problem(None, 0, "learning_rate", "too large"),
        Problem(None, 0, "learning_rate", "twice"),
        Problem(None, 0, "data", "no such data"),
        Problem(None, 0, "blocks.0.channels", "at least 1"),
        Problem(None, 0, "modle", "unknown"),
    ]
    faults, general = faults_by_field(problems, fields)
    assert faults == {
        "learning_rate": "too large; twice",
        "data.format": "data: no such data",
        "blocks": "blocks.0.channels: at least 1",
    }
    assert general == ("modle: unknown",)


def test_long_faults_take_several_lines(fields: Fields) -> None:
    text = "one two three " * 10
    rows = form_rows(list(fields.values()), {"epochs": text}, everything=False, width=40)
    said = [row.text for row in rows if row.bad]
    assert len(said) > 3
    assert all(len(line) <= 38 for line in said)
    assert " ".join(said) == text.strip()


@pytest.mark.parametrize(
    ("typed", "first", "count"),
    [
        ("", "tinyvgg_v0", len(MODELS)),
        ("resnet18", "resnet18", 1),
        ("torchvision v3 small", "mobilenet_v3_small", 1),
        ("vgg1", "vgg11", 9),
        ("nothing", "", 0),
    ],
)
def test_models_narrow_down(typed: str, first: str, count: int) -> None:
    found = narrowed(model_choices(field_spec("model").choices), typed)
    assert len(found) == count
    assert not first or found[0].value == first


def test_what_begins_so_comes_first() -> None:
    choices = [Choice("wide_resnet"), Choice("resnet"), Choice("x", "resnet")]
    assert [choice.value for choice in narrowed(choices, "resnet")] == ["resnet", "wide_resnet", "x"]
