"""Configs of detectors: their own defaults, the lab's five files, what does not fit a classifier."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config.fields import form_values
from core.config.load import apply_overrides, changed_fields, dump, load_experiment, parse_experiment
from core.config.names import DETECTORS, SMALL_DETECTORS, STATISTICS, is_detector
from core.config.resolve_defaults import resolve_metric, resolve_normalize
from core.config.schema import DataConfig, Experiment, ImageSize, Predict, SplitPaths
from core.config.workspace import Workspace
from core.errors import ConfigError

DATA = "data: ./pictures\n"
BASE = f"{DATA}model: fasterrcnn\n"
LAB_FILES = {
    "fasterrcnn-full": "model: fasterrcnn\nmode: full\nlearning_rate: 0.005\n",
    "fasterrcnn-head": "model: fasterrcnn\nmode: head\nlearning_rate: 0.005\n",
    "retinanet-full": "model: retinanet\nmode: full\nlearning_rate: 0.005\n",
    "retinanet-head": "model: retinanet\nmode: head\nlearning_rate: 0.005\n",
    "retinanet-b1e-4-h1e-2": "model: retinanet\nmode: split\nback_lr: 0.0001\nhead_lr: 0.01\n",
}


@pytest.fixture
def lab(tmp_path: Path) -> Workspace:
    (tmp_path / "configs/data").mkdir(parents=True)
    return Workspace(tmp_path)


def load(lab: Workspace, text: str, *overrides: str, data: str | None = None) -> Experiment:
    file = lab.configs / "a.yaml"
    file.write_text(text, encoding="utf-8")
    return load_experiment(file, overrides, data=data, workspace=lab).experiment


def problems(lab: Workspace, text: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(lab, text, *overrides)
    return [f"{p.line} {p.key}: {p.text}" for p in caught.value.problems]


# Defaults


@pytest.mark.parametrize("name", LAB_FILES)
def test_the_lab_s_files_are_valid_with_data_from_elsewhere(lab: Workspace, name: str) -> None:
    text = LAB_FILES[name]
    by_option = load(lab, text, data="/sets/diatom")
    (lab.configs / "defaults.yaml").write_text("data: {root: /sets/diatom}\n")
    assert load(lab, text) == by_option
    assert (by_option.batch, by_option.learning_rate, by_option.weights) == (4, 0.005, "coco")
    assert by_option.image_size == ImageSize(min=800, max=1333)
    assert by_option.data == DataConfig(root=Path("/sets/diatom"), order="frequency")
    assert by_option.sides == (800, 1333)
    rates = (by_option.back_lr, by_option.head_lr)
    assert rates == ((1e-4, 1e-2) if by_option.mode == "split" else (None, None))


@pytest.mark.parametrize("model", DETECTORS)
def test_detectors_have_defaults_of_their_own(lab: Workspace, model: str) -> None:
    experiment = load(lab, f"{DATA}model: {model}\n")
    small = model in SMALL_DETECTORS
    assert experiment.is_detector
    assert is_detector(model)
    made_for = {"ssd300_vgg16": (300, 400), "ssdlite320_mobilenet_v3_large": (320, 427)}
    made_for |= {"fasterrcnn_mobilenet_v3_large_320_fpn": (320, 640)}
    assert experiment.sides == ((240, 320) if small else made_for.get(model, (800, 1333)))
    assert experiment.weights == ("none" if small else "coco")
    assert (experiment.batch, experiment.learning_rate, experiment.data.order) == (4, 0.005, "frequency")
    assert resolve_metric(experiment) == "val/map"
    if not model.startswith("ssd"):
        assert resolve_normalize(experiment) == STATISTICS["imagenet"]
    assert parse_experiment(dump(experiment), Path("/r/config.yaml")) == experiment


def test_statistics_that_the_ssds_were_trained_with(lab: Workspace) -> None:
    mean, std = resolve_normalize(load(lab, f"{DATA}model: ssdlite320_mobilenet_v3_large\n"))
    assert (mean, std) == ((0.5,) * 3, (0.5,) * 3)
    text = f"{DATA}model: ssd300_vgg16\nnormalize: {{mean: [0.1, 0.2, 0.3]}}\n"
    mean, std = resolve_normalize(load(lab, text))
    assert (mean, std) == ((0.1, 0.2, 0.3), (1 / 255,) * 3)


def test_what_a_file_says_comes_before_a_detector_s_defaults(lab: Workspace) -> None:
    text = (
        "data: {root: x, order: name}\nmodel: retinanet\nbatch: 2\nlearning_rate: 1e-3\nweights: none\n"
        "image_size: {min: 200}\n"
    )
    experiment = load(lab, text, "image_size.max=300")
    assert (experiment.batch, experiment.learning_rate, experiment.weights) == (2, 1e-3, "none")
    assert (experiment.data.order, experiment.sides) == ("name", (200, 300))
    assert load(lab, text).sides == (200, 1333)


def test_workspace_defaults_come_before_a_detector_s(lab: Workspace) -> None:
    (lab.configs / "defaults.yaml").write_text("batch: 3\nimage_size: {max: 900}\n")
    experiment = load(lab, BASE)
    assert (experiment.batch, experiment.sides) == (3, (800, 900))


def test_a_named_data_set_keeps_its_own_order(lab: Workspace) -> None:
    (lab.configs / "data/a.yaml").write_text("root: /a\norder: file\n")
    (lab.configs / "data/b.yaml").write_text("root: /b\n")
    assert load(lab, "data: a\nmodel: fasterrcnn\n").data.order == "file"
    assert load(lab, "data: b\nmodel: fasterrcnn\n").data.order == "frequency"
    assert load(lab, "data: b\nmodel: resnet18\n").data.order == "name"


def test_classifiers_keep_theirs(lab: Workspace) -> None:
    experiment = load(lab, f"{DATA}model: tinyvgg_a\n")
    assert not experiment.is_detector
    assert (experiment.batch, experiment.learning_rate, experiment.weights) == (32, 0.01, "none")
    assert (experiment.side, experiment.data.order) == (32, "name")
    assert resolve_metric(experiment) == "val/accuracy"


def test_sides_and_side_are_for_one_kind_each(lab: Workspace) -> None:
    with pytest.raises(TypeError):
        _ = load(lab, BASE).side
    with pytest.raises(TypeError):
        _ = load(lab, f"{DATA}model: tinyvgg_a\n").sides


def test_a_stored_classifier_from_before_there_were_detectors(lab: Workspace) -> None:
    golden = Path(__file__).parents[1] / "golden" / "run-format1" / "config.yaml"
    experiment = parse_experiment(golden.read_text(), golden)
    assert experiment.predict == Predict()
    assert (experiment.trainable_layers, experiment.data.empty, experiment.data.kaggle) == (
        None,
        "keep",
        None,
    )


def test_a_detector_without_data_says_so_once(lab: Workspace) -> None:
    text = "no data: add `data: FOLDER` here or in configs/defaults.yaml, or give --data"
    assert problems(lab, "model: fasterrcnn\n") == [f"0 data: {text}"]


# Values


def test_detectors_take_what_is_theirs(lab: Workspace) -> None:
    text = (
        f"{BASE}trainable_layers: 0\nmetric: val/map_50\naugment: {{hflip: on, vflip: on, "
        "scale_jitter: [0.8, 2], color_jitter: {brightness: 0.2}}\n"
        "predict: {score_floor: 0.01, max_det: 300, nms_iou: 0.6}\nmeasure: {splits: [val, train]}\n"
        "scheduler: {name: plateau, metric: val/mar_100}\n"
    )
    experiment = load(lab, text)
    assert experiment.augment.scale_jitter == (0.8, 2.0)
    assert experiment.predict == Predict(score_floor=0.01, max_det=300, nms_iou=0.6)
    assert experiment.trainable_layers == 0
    assert parse_experiment(dump(experiment), Path("/r/config.yaml")) == experiment
    assert form_values(experiment)["image_size"] == "{min: 800, max: 1333}"
    words = [f"{key}={text}" for key, text in form_values(experiment).items() if "early_stop." not in key]
    words = [word for word in words if not word.startswith("data.synthetic.")]
    assert apply_overrides(experiment, words) == experiment


def test_a_change_of_the_sides_makes_another_run(lab: Workspace) -> None:
    one, other = load(lab, BASE), load(lab, BASE, "image_size.min=640")
    assert changed_fields(one, other).result == ("image_size.min",)
    assert changed_fields(one, load(lab, BASE, "predict.nms_iou=0.6")).result == ("predict.nms_iou",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "image_size: 512",
            "3 image_size: fasterrcnn keeps the shape of its images: image_size is {min: 512, max: ...}",
        ),
        (
            "image_size: {min: 900, max: 600}",
            "3 image_size.min: min must be at most max, got 900 and 600",
        ),
        ("image_size: {min: 8}", "3 image_size.min: must be at least 32, got 8"),
        ("image_size: {mni: 200}", "3 image_size.mni: unknown key (did you mean 'image_size.min'?)"),
        (
            "augment: {scale: 900}",
            "3 augment.scale: scale is for classifiers, not for detectors: use scale_jitter",
        ),
        ("augment: {pad_crop: 4}", "3 augment.pad_crop: pad_crop is for classifiers, not for detectors"),
        (
            "augment: {test_scale: 900}",
            "3 augment.test_scale: test_scale is for classifiers, not for detectors",
        ),
        ("augment: {tta: [hflip]}", "3 augment.tta: tta is for classifiers, not for detectors"),
        (
            "augment: {scale_jitter: [2, 1]}",
            "3 augment.scale_jitter: the smaller factor comes first: [1.0, 2.0]",
        ),
        (
            "augment: {scale_jitter: 2}",
            "3 augment.scale_jitter: expected two factors from 0.1 to 10: [0.8, 1.25], got 2",
        ),
        ("measure: {random: on}", "3 measure.random: measure.random is for classifiers, not for detectors"),
        ("label_smoothing: 0.1", "3 label_smoothing: label_smoothing is for classifiers, not for detectors"),
        ("metric: val/top5", "3 metric: detectors are not measured by val/top5: auto works with every model"),
        ("trainable_layers: 6", "3 trainable_layers: must be at most 5, got 6"),
        ("flipud: true", "3 flipud: unknown key (did you mean 'augment.vflip'?)"),
        ("score_thresh: 0.1", "3 score_thresh: unknown key (did you mean 'predict.score_floor'?)"),
    ],
)
def test_what_a_detector_does_not_take(lab: Workspace, text: str, said: str) -> None:
    assert problems(lab, f"{BASE}{text}\n") == [said]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "image_size: {min: 200, max: 300}",
            "3 image_size: tinyvgg_a needs square images: image_size is one number",
        ),
        ("image_size: x", "3 image_size: expected a whole number, got 'x'"),
        ("weights: coco", "3 weights: COCO weights are for detectors: use imagenet or none"),
        ("augment: {vflip: on}", "3 augment.vflip: vflip is for detectors, not for classifiers"),
        (
            "trainable_layers: 2",
            "3 trainable_layers: trainable_layers is for detectors; a classifier has mode: head or split",
        ),
        (
            "predict: {max_det: 10}",
            "3 predict: predict is for detectors: a classifier has one answer for each image",
        ),
        ("metric: val/map", "3 metric: classifiers are not measured by val/map: auto works with every model"),
    ],
)
def test_what_a_classifier_does_not_take(lab: Workspace, text: str, said: str) -> None:
    assert problems(lab, f"{DATA}model: tinyvgg_a\n{text}\n") == [said]


@pytest.mark.parametrize(
    ("model", "weights", "said"),
    [
        (
            "fasterrcnn_small",
            "coco",
            "there are no COCO weights for fasterrcnn_small: use none or a file of weights",
        ),
        ("retinanet_small", "imagenet", "there are no ImageNet weights for retinanet_small: use none"),
        (
            "fasterrcnn_mobilenet_v2",
            "coco",
            "there are no COCO weights for fasterrcnn_mobilenet_v2: use none or a file of weights",
        ),
        ("fasterrcnn_mobilenet_v2", "imagenet", None),
        ("fcos_resnet50_fpn", "imagenet", None),
        ("ssd300_vgg16", "imagenet", None),
        (
            "ssdlite320_mobilenet_v3_large",
            "imagenet",
            "there are no ImageNet weights for ssdlite320_mobilenet_v3_large: use coco or none",
        ),
    ],
)
def test_weights_of_detectors(lab: Workspace, model: str, weights: str, said: str | None) -> None:
    text = f"{DATA}model: {model}\nweights: {weights}\n"
    if said is None:
        assert load(lab, text).weights == weights
    else:
        assert problems(lab, text) == [f"3 weights: {said}"]


# Data


def test_keys_of_data_with_boxes(lab: Workspace) -> None:
    text = (
        "data:\n  format: voc\n  root: /s\n  train: {list: ImageSets/Main/trainval.txt}\n"
        "  val: {images: JPEGImages, annotations: Annotations, list: ImageSets/Main/test.txt}\n"
        "  empty: drop\n  one_based: yes\n  difficult: keep\nmodel: fasterrcnn\n"
    )
    data = load(lab, text).data
    lists = Path("/s/ImageSets/Main")
    assert data.train == SplitPaths(list=lists / "trainval.txt")
    assert data.val == SplitPaths(
        images=Path("/s/JPEGImages"), list=lists / "test.txt", annotations=Path("/s/Annotations")
    )
    assert (data.empty, data.one_based, data.difficult) == ("drop", True, "keep")
    assert form_values(load(lab, text))["data.train"] == "{list: /s/ImageSets/Main/trainval.txt}"


def test_a_split_is_what_its_ending_says(lab: Workspace) -> None:
    text = "data: {root: /s, train: instances.json, val: val.txt, test: te}\nmodel: fasterrcnn\n"
    data = load(lab, text).data
    assert data.train == SplitPaths(annotations=Path("/s/instances.json"))
    assert data.val == SplitPaths(list=Path("/s/val.txt"))
    assert data.test == SplitPaths(images=Path("/s/te"))


def test_drawn_boxes_have_larger_pictures(lab: Workspace) -> None:
    text = "data: {root: x, synthetic: {boxes: yes}}\nmodel: fasterrcnn_small\n"
    assert [getattr(load(lab, text).data.synthetic, key) for key in ("size", "most", "empty")] == [
        160,
        4,
        0.03,
    ]
    said = "data.synthetic.size: pictures with boxes must have at least 64 pixels a side, got 32"
    assert problems(lab, text, "data.synthetic.size=32") == [f"0 {said}"]


def test_other_data_keeps_lists_within_the_root(lab: Workspace) -> None:
    text = "data: {root: d, train: {list: a.txt}, val: {list: /b.txt}}\nmodel: fasterrcnn\n"
    data = load(lab, text, data="/new").data
    assert (data.train, data.val) == (SplitPaths(list=Path("/new/a.txt")), None)


def test_yaml_files_of_both_kinds_as_data(lab: Workspace) -> None:
    yolo = lab.root / "set/data.yaml"
    yolo.parent.mkdir()
    yolo.write_text("path: .\ntrain: images/train\nval: images/val\nnames: {0: a, 1: b}\n")
    assert load(lab, "data: ../set/data.yaml\nmodel: fasterrcnn\n").data.root == yolo
    own = lab.root / "set/own.yaml"
    own.write_text("root: here\nempty: drop\n")
    data = load(lab, "data: ../set/own.yaml\nmodel: fasterrcnn\n").data
    assert (data.root, data.empty) == (lab.root / "set/here", "drop")


@pytest.mark.parametrize(
    ("data", "model", "said"),
    [
        (
            "{root: x, format: folder}",
            "fasterrcnn",
            "format: a detector needs boxes, which `format: folder` does not have",
        ),
        (
            "{root: x, format: cifar10}",
            "fasterrcnn",
            "format: a detector needs boxes, which `format: cifar10` does not have",
        ),
        (
            "{root: x, format: synthetic}",
            "fasterrcnn",
            "format: a detector needs boxes: synthetic: {boxes: true}",
        ),
        (
            "{root: x, format: voc}",
            "resnet18",
            "format: `format: voc` is for detectors: use one, as model: fasterrcnn",
        ),
        (
            "{root: x, synthetic: {boxes: on}}",
            "resnet18",
            "synthetic: pictures with boxes are for detectors: use one, or synthetic: {boxes: false}",
        ),
        (
            "{root: x, kaggle: a/b}",
            "fasterrcnn",
            "kaggle: kaggle chooses the folder of the data set: leave data.root out",
        ),
        (
            "{root: x, kaggle: b}",
            "fasterrcnn",
            "kaggle: expected OWNER/NAME as in the address of the data set's page, got 'b'",
        ),
        ("{root: x, train: {}}", "fasterrcnn", "train: images must be given: a folder"),
        ("{format: voc}", "fasterrcnn", "root: must be given: the folder of the data set"),
        ("{root: x, empty: no}", "fasterrcnn", "empty: expected keep or drop, got 'no'"),
        (
            "{root: x, boxes: xyhw}",
            "fasterrcnn",
            "boxes: expected auto or xywh or xyxy or cxcywh, got 'xyhw' (did you mean 'xywh'?)",
        ),
    ],
)
def test_data_refused(lab: Workspace, data: str, model: str, said: str) -> None:
    assert problems(lab, f"data: {data}\nmodel: {model}\n") == [f"1 data.{said}"]


@pytest.mark.parametrize(
    "data", ["{kaggle: a-b/c.d}", "{kaggle: a/b/versions/3}", "{root: x, classes: [one]}"]
)
def test_data_for_detectors_only(lab: Workspace, data: str) -> None:
    load(lab, f"data: {data}\nmodel: fasterrcnn\n")
