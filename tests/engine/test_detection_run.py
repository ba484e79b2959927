"""A detector's training run: what it records, and that it goes on to the bit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.analysis.predictions import BoxPredictions, read_predictions
from core.config.load import apply_overrides, parse_experiment
from core.datasets.dataset import read_dataset
from core.datasets.open import open_dataset
from core.engine.build import build
from core.engine.checkpoint import load_model, read_checkpoint
from core.engine.class_match import Outputs
from core.engine.detection import Detection
from core.engine.resolve import Resolved
from core.engine.state import LossGuard, NonFiniteLossError
from core.engine.tasks import make_task
from core.errors import DataError
from core.models.detection import detector_losses
from core.store.checkpoints import choose, list_checkpoints
from core.store.files import read_json
from core.store.metrics import read_history
from core.store.paths import RunPaths

Sha = Callable[[Any], str]
Curve = Callable[[RunPaths], list[dict[str, float]]]
CPU = Resolved("cpu", 1, "channels_last", "fused", "float32", 4, "")
# 13 images, batch 4.
STEPS = 4
TERMS = ("classifier", "box_reg", "objectness", "rpn_box_reg")
TWELVE = ("map", "map_50", "map_75", "mar_1", "mar_10", "mar_100")


def task_of(run: RunPaths, **changes: Any) -> tuple[Detection, torch.nn.Module]:
    """The task of a run and its last checkpoint's network."""
    experiment = parse_experiment(run.config.read_text(), run.config)
    dataset = read_dataset(run)
    assert dataset is not None
    resolved = Resolved(**{**CPU.__dict__, **changes})
    task = make_task(experiment, dataset, resolved, batch_norm=False, cancelled=lambda: False, training=False)
    assert isinstance(task, Detection)
    model = build(run, experiment, len(dataset.class_names), resolved)
    point = choose(run, "last")
    load_model(run, point, read_checkpoint(run, point), model, Outputs(experiment, dataset.class_names))
    return task, model


def predictions(run: RunPaths, stem: str) -> BoxPredictions:
    read = read_predictions(run.predictions / f"{stem}.npz")
    assert isinstance(read, BoxPredictions)
    return read


# After 4 steps come 7 images to measure: 6 is in the midst of them, and so the epoch is not over yet.
@pytest.mark.some(3)
@pytest.mark.parametrize(("asked", "stop_at"), [(0, 0), (2, 2), (4, 4), (6, 4), (11, 4), (25, 11)])
def test_resume_is_bit_exact(
    box_lab: Any, box_run: RunPaths, sha: Sha, curve: Curve, stop_after: Any, asked: int, stop_at: int
) -> None:
    run = box_lab.train(stop=stop_after(asked))
    assert choose(run, "last").step == stop_at
    assert choose(run, "last").id.startswith("a01-e0001" if stop_at <= STEPS else "a01-e0003-s")
    assert choose(run, "last").mid_epoch == (asked != 11)
    assert box_lab.resume(run) == "finished"
    assert sha(run) == sha(box_run)
    assert curve(run) == curve(box_run)
    ours, theirs = (predictions(r, f"{choose(r, 'last').id}-val").found for r in (run, box_run))
    assert np.array_equal(ours.boxes, theirs.boxes)
    assert np.array_equal(ours.scores, theirs.scores)


@pytest.mark.some(2)
@pytest.mark.parametrize(
    "overrides",
    [
        (
            "augment={hflip: true, scale_jitter: [0.8, 1.25], color_jitter: {brightness: 0.2, hue: 0.1}}",
            "scheduler={name: onecycle, peak: 0.3}",
            "clip_norm=5.0",
            "ema=0.9",
        ),
        ("model=retinanet_small", "optimizer={name: sgd}", "learning_rate=0.001", "clip_norm=1.0"),
        ("mode=split", "back_lr=0.001", "head_lr=0.003", "scheduler={name: plateau, patience: 0}"),
        ("mode=head", "early_stop.patience=2", "batch=5"),
    ],
)
def test_resume_is_bit_exact_with(
    box_lab: Any, sha: Sha, curve: Curve, stop_after: Any, overrides: tuple[str, ...]
) -> None:
    whole = box_lab.train("epochs=2", *overrides)
    run = box_lab.train("epochs=2", *overrides, stop=stop_after(2))
    # An epoch asks at most 4 + 7 times whether to stop.
    while box_lab.resume(run, total=2, stop=stop_after(12)) != "finished":
        pass
    assert sha(run) == sha(whole)
    assert curve(run) == curve(whole)


def test_rows_of_an_epoch(box_run: RunPaths) -> None:
    run = box_run
    assert read_json(run.spec)["metric"] == "val/map"
    for row in read_history(run.metrics).epochs:
        for side in ("train", "val"):
            terms = [row[f"{side}/loss_{term}"] for term in TERMS]
            assert row[f"{side}/loss"] == pytest.approx(sum(terms), rel=1e-6)
        assert {f"val/{name}" for name in TWELVE} <= row.keys()
        # No object is larger than 96 x 96 pixels, or smaller than 16 x 16.
        assert "val/map_large" not in row
        assert not any(value == -1 for value in row.values())
    assert read_history(run.metrics).finals[0]["test/map"] >= 0
    for split, images in (("train", 13), ("val", 7), ("test", 5)):
        name = choose(run, "best").id if split == "test" else "a01-e0003"
        measured = read_json(run.measures / f"{name}-{split}.json")
        assert measured is not None
        assert measured["n"] == images
        assert [set(row) for row in measured["per_class"]] == [
            {"class", "n", "ap", "ap_50", "ap_75", "recall"}
        ] * 3
        assert measured["settings"]["image_size"] == [48, 64]
        assert measured["settings"]["score_floor"] == 0.01
        read = predictions(run, f"{name}-{split}")
        assert read.origin.sha256 == measured["sha256"]
        assert read.objects is not None
        assert sum(row["n"] for row in measured["per_class"]) == len(read.objects.classes)
    best = max(read_history(run.metrics).epochs, key=lambda row: (row["val/map"], -row["epoch"]))
    assert choose(run, "best").epoch == best["epoch"]


def test_training_loss_is_the_mean_over_images(box_lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, int]] = []
    original = Detection.step

    def spy(self: Detection, model: torch.nn.Module, batch: Any) -> Any:
        outcome = original(self, model, batch)
        seen.append((outcome.loss.item(), outcome.images))
        return outcome

    monkeypatch.setattr(Detection, "step", spy)
    run = box_lab.train("epochs=1")
    assert [images for _, images in seen] == [4, 4, 4, 1]
    want = sum(loss * images for loss, images in seen) / 13
    assert read_history(run.metrics).epochs[0]["train/loss"] == pytest.approx(want, rel=1e-6)


def test_measuring_is_deterministic_and_moves_nothing(box_run: RunPaths) -> None:
    task, model = task_of(box_run)
    model.train()
    row = read_history(box_run.metrics).epochs[-1]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(5)
    before = torch.get_rng_state()
    measured = [task.measure(model, "val") for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert measured[0].metrics == measured[1].metrics
    assert {f"val/{name}": value for name, value in measured[0].metrics.items()}.items() <= row.items()


@pytest.mark.parametrize("eval_batch", [1, 7])
def test_numbers_do_not_depend_on_the_batch(box_run: RunPaths, eval_batch: int) -> None:
    task, model = task_of(box_run, eval_batch=eval_batch)
    row = read_history(box_run.metrics).epochs[-1]
    for name, value in task.measure(model, "val").metrics.items():
        assert row[f"val/{name}"] == pytest.approx(value, abs=1e-5)


def test_predictions_are_in_pixels_of_the_originals(box_run: RunPaths, box_pictures: Path) -> None:
    read = predictions(box_run, "a01-e0003-val")
    truth = json.loads((box_pictures / "val.json").read_text())
    assert read.sizes.tolist() == [[image["width"], image["height"]] for image in truth["images"]]
    assert read.image_ids == tuple(str(image["id"]) for image in truth["images"])
    assert read.origin.paths == tuple(f"val/{image['file_name']}" for image in truth["images"])
    assert read.objects is not None
    boxes, numbers = [], []
    for image in truth["images"]:
        for item in truth["annotations"]:
            if item["image_id"] == image["id"]:
                x, y, w, h = item["bbox"]
                boxes.append([x, y, x + w, y + h])
                numbers.append(item["id"])
    assert read.objects.boxes.tolist() == boxes
    assert read.source.tolist() == numbers
    names = {number: item["name"] for number, item in enumerate(truth["categories"], 1)}
    assert [names[number] for number in read.category_ids] == list(read.origin.class_names)
    assert (read.score_floor, read.nms_iou, read.max_det) == (0.01, 0.5, 100)
    assert (read.found.scores >= 0.01).all()
    for index, (width, height) in enumerate(read.sizes.tolist()):
        part = slice(read.found.offsets[index], read.found.offsets[index + 1])
        assert (np.diff(read.found.scores[part]) <= 0).all()
        assert (read.found.boxes[part] >= 0).all()
        assert (read.found.boxes[part][:, 2:] <= [width, height]).all()
    # Images of 96 x 72 are seen at 64 x 48: boxes beyond that show that they were scaled back.
    assert read.found.boxes[:, 2].max() > 65


@pytest.mark.parametrize("split", ["train", "val"])
def test_numbers_are_torchmetrics(box_run: RunPaths, split: str) -> None:
    from torchmetrics.detection import MeanAveragePrecision

    run = box_run
    read = predictions(run, f"a01-e0003-{split}")
    assert read.objects is not None
    oracle = MeanAveragePrecision(backend="faster_coco_eval", class_metrics=True)
    for index in range(read.found.images):
        ours = slice(read.found.offsets[index], read.found.offsets[index + 1])
        theirs = slice(read.objects.offsets[index], read.objects.offsets[index + 1])
        oracle.update(
            [
                {
                    "boxes": torch.tensor(read.found.boxes[ours]).float(),
                    "scores": torch.tensor(read.found.scores[ours]).float(),
                    "labels": torch.tensor(read.found.classes[ours]),
                }
            ],
            [
                {
                    "boxes": torch.tensor(read.objects.boxes[theirs]).float(),
                    "labels": torch.tensor(read.objects.classes[theirs]),
                }
            ],
        )
    want = oracle.compute()
    measured = read_json(run.measures / f"a01-e0003-{split}.json")
    assert measured is not None
    assert measured["mar_100"] > 0
    for name, value in want.items():
        if name.startswith(("map", "mar")) and value.dim() == 0 and not name.endswith("per_class"):
            if value < 0:
                assert name not in measured
            else:
                assert measured[name] == pytest.approx(float(value), abs=1e-4), name
    for label, ap in zip(want["classes"].tolist(), want["map_per_class"].tolist(), strict=True):
        assert measured["per_class"][label]["ap"] == pytest.approx(ap, abs=1e-4)


def answer(boxes: list[list[float]], labels: list[int], scores: list[float]) -> dict[str, torch.Tensor]:
    return {
        "boxes": torch.tensor(boxes).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
        "scores": torch.tensor(scores),
    }


def say(monkeypatch: pytest.MonkeyPatch, answers: list[dict[str, torch.Tensor]]) -> None:
    """Let every detector give these answers, in turn."""
    turns = iter(answers)
    monkeypatch.setattr(
        "core.engine.detection.detector_measure",
        lambda *_: ({"classifier": torch.tensor(1.0)}, [next(turns)]),
    )


def rename(dataset: Any, keep: str) -> Any:
    """Take the boxes of all other classes out of val."""
    boxes = dataset.boxes["val"]
    kept = boxes.labels == dataset.class_names.index(keep) if keep else np.zeros(len(boxes), np.bool_)
    image = np.repeat(np.arange(boxes.images), np.diff(boxes.offsets))
    columns = ("corners", "labels", "crowd", "difficult", "area", "source")
    changed = replace(
        boxes,
        offsets=np.concatenate(([0], np.cumsum(np.bincount(image[kept], minlength=boxes.images)))),
        **{name: getattr(boxes, name)[kept] for name in columns},
    )
    return replace(dataset, boxes={**dataset.boxes, "val": changed})


def task_on(box_lab: Any, dataset: Any = None) -> tuple[Detection, Any]:
    text = box_lab.config.format(root=box_lab.pictures)
    experiment = parse_experiment(text, Path("/c.yaml"))
    dataset = dataset or open_dataset(experiment.data)
    task = make_task(experiment, dataset, CPU, batch_norm=False, cancelled=lambda: False, training=False)
    assert isinstance(task, Detection)
    return task, dataset


def test_classes_without_objects_are_no_zeros(box_lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Red is found, green missed; blue is nowhere in val, but predicted once."""
    _, dataset = task_on(box_lab)
    red, green, blue = (dataset.class_names.index(name) for name in ("red", "green", "blue"))
    boxes = dataset.boxes["val"]
    labels = np.where(boxes.labels == blue, green, boxes.labels)
    dataset = replace(dataset, boxes={**dataset.boxes, "val": replace(boxes, labels=labels)})
    answers = []
    for index, size in enumerate(boxes.sizes.tolist()):
        part = slice(boxes.offsets[index], boxes.offsets[index + 1])
        scale = 48 / min(size)
        mine = boxes.corners[part][labels[part] == red] * scale
        extra = [[1.0, 1.0, 9.0, 9.0]] if index == 0 else []
        answers.append(
            answer(
                [*mine.tolist(), *extra],
                [red] * len(mine) + [blue] * len(extra),
                [0.9] * len(mine) + [0.8] * len(extra),
            )
        )
    say(monkeypatch, answers)
    task, _ = task_on(box_lab, dataset)
    measured = task.measure(torch.nn.Linear(1, 1), "val")
    assert measured.metrics["map"] == 0.5
    assert measured.metrics["map_50"] == 0.5
    rows = {row["class"]: row for row in measured.per_class}
    assert rows["red"]["ap"] == rows["red"]["ap_50"] == rows["red"]["recall"] == 1.0
    assert rows["green"]["ap"] == rows["green"]["recall"] == 0.0
    assert rows["green"]["n"] == int((labels == green).sum())
    assert rows["blue"] == {
        "class": "blue",
        "n": 0,
        "ap": None,
        "ap_50": None,
        "ap_75": None,
        "recall": None,
    }
    assert min(measured.metrics.values()) >= 0


def test_no_object_at_all_in_val(box_lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, dataset = task_on(box_lab)
    say(monkeypatch, [answer([], [], []), *[answer([[1, 1, 9, 9]], [0], [0.9])] * 6])
    task, _ = task_on(box_lab, rename(dataset, ""))
    measured = task.measure(torch.nn.Linear(1, 1), "val")
    assert measured.metrics == {"loss": 1.0, "loss_classifier": 1.0}
    assert [row["n"] for row in measured.per_class] == [0, 0, 0]
    assert [row["ap"] for row in measured.per_class] == [None] * 3


def test_run_without_objects_in_val_goes_on(box_lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.engine.train.open_dataset", lambda data: rename(open_dataset(data), ""))
    run = box_lab.train("epochs=1", "scheduler.name=plateau", "early_stop.patience=1")
    row = read_history(run.metrics).epochs[0]
    assert "val/loss" in row
    assert not any(key.startswith(("val/map", "val/mar")) for key in row)
    assert choose(run, "last").epoch == 1


def test_boxes_that_are_not_finite_are_left_out(box_lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = answer([[1, 1, math.nan, 9], [2, 2, 9, 9], [3, 3, 9, 9]], [0, 0, 1], [0.9, math.nan, 0.5])
    say(monkeypatch, [bad] * 7)
    task, _ = task_on(box_lab)
    arrays = task.measure(torch.nn.Linear(1, 1), "val").predictions
    assert arrays["scores"].tolist() == [0.5] * 7


def test_loss_that_explodes(box_lab: Any) -> None:
    run = box_lab.create("learning_rate=1000", "optimizer={name: sgd}", "epochs=4")
    with pytest.raises(
        NonFiniteLossError, match=r"became \S+ at epoch \d, step \d+ \(in [a-z_, ]+\)\. Lower learning_rate"
    ):
        box_lab.attempt(run)
    error = read_json(run.attempt(1).error)
    assert error is not None
    assert any(term in error["message"] for term in TERMS)
    for point in list_checkpoints(run):
        content = read_checkpoint(run, point)
        assert all(value.isfinite().all() for value in content["model"].values())


@pytest.mark.some(1)
@pytest.mark.parametrize("term", TERMS)
def test_the_term_at_fault_is_named(box_lab: Any, monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    calls = iter(range(100))

    def losses(*given: Any) -> dict[str, torch.Tensor]:
        terms = detector_losses(*given)
        return {**terms, term: terms[term] * math.nan} if next(calls) == STEPS + 1 else terms

    monkeypatch.setattr("core.engine.detection.detector_losses", losses)
    run = box_lab.create()
    with pytest.raises(NonFiniteLossError, match=rf"became nan at epoch 2, step {STEPS + 2} \(in {term}\)\."):
        box_lab.attempt(run)
    assert [point.id for point in list_checkpoints(run)] == ["a01-e0001"]
    read_checkpoint(run, choose(run, "last"))
    assert box_lab.resume(run) == "finished"


def test_terms_that_are_seen_late() -> None:
    """On other devices than the CPU."""
    guard = LossGuard()
    guard._names = ("loss_classifier", "loss_objectness", "loss_box_reg")
    guard._remember(torch.tensor([1.0, 0.5, 0.25, 0.25]), 1)
    guard._remember(torch.tensor([math.nan, 0.5, math.inf, 0.25]), 2)
    guard._remember(torch.tensor([math.nan, math.nan, math.nan, 0.25]), 3)
    with pytest.raises(NonFiniteLossError, match=r"became nan at epoch 1, step 2 \(in objectness\)\."):
        guard.check(1)


def test_keep_drops_checkpoints_but_no_number(box_lab: Any) -> None:
    run = box_lab.train("epochs=8", "checkpoint.keep=3", "learning_rate=0.001")
    points = {point.epoch for point in list_checkpoints(run)}
    assert {6, 7, 8} <= points
    assert len(points) <= 4
    names = {f"a01-e{epoch:04d}-val" for epoch in range(1, 9)}
    assert {path.stem for path in run.measures.iterdir()} - names == {f"{choose(run, 'best').id}-test"}
    for name in names:
        row = read_json(run.measures / f"{name}.json")
        assert row is not None
        assert predictions(run, name).origin.sha256 == row["sha256"]
    assert [row["epoch"] for row in read_history(run.metrics).epochs] == list(range(1, 9))


def test_early_stop_watches_map(box_lab: Any) -> None:
    run = box_lab.train("epochs=9", "early_stop={patience: 2, min_delta: 1.0}", "learning_rate=1e-6")
    result = read_json(run.attempt(1).result)
    assert result is not None
    assert result["early_stop"]["epoch"] == result["epoch"] == 3


def test_averaged_weights_are_what_is_measured(box_lab: Any) -> None:
    run = box_lab.train("epochs=2", "ema=0.9")
    content = read_checkpoint(run, choose(run, "last"))
    task, model = task_of(run)
    row = read_history(run.metrics).epochs[-1]
    assert task.measure(model, "val").metrics["loss"] == pytest.approx(row["val/loss"], abs=1e-6)
    model.load_state_dict(content["model"])
    assert task.measure(model, "val").metrics["loss"] != pytest.approx(row["val/loss"], abs=1e-4)


def test_a_detector_learns(box_lab: Any) -> None:
    run = box_lab.train(
        "epochs=16",
        "measure.every=4",
        "batch=2",
        "augment={hflip: true}",
        "scheduler={name: onecycle, peak: 0.2}",
        "clip_norm=5.0",
    )
    rows = read_history(run.metrics).epochs
    assert rows[-1]["train/loss"] < 0.5 * rows[0]["train/loss"]
    assert max(row.get("val/map_50", 0) for row in rows) > 0.5


def test_models_and_data_of_different_kinds(lab: Any, box_lab: Any) -> None:
    text = box_lab.config.format(root=box_lab.pictures)
    detector = parse_experiment(text, Path("/c.yaml"))
    boxes = open_dataset(detector.data)
    classifier = parse_experiment(lab.config.format(root=lab.pictures), Path("/c.yaml"))
    labels = open_dataset(classifier.data)
    with pytest.raises(DataError, match=r"fasterrcnn_small learns from images with boxes, and .* has none"):
        make_task(detector, labels, CPU, batch_norm=False, cancelled=lambda: False)
    with pytest.raises(DataError, match=r"tinyvgg_a learns from images with one class an image, and"):
        make_task(classifier, boxes, CPU, batch_norm=True, cancelled=lambda: False)


def test_difficult_objects_are_ignored_or_kept(box_lab: Any) -> None:
    text = box_lab.config.format(root=box_lab.pictures)
    experiment = parse_experiment(text, Path("/c.yaml"))
    dataset = open_dataset(experiment.data)
    boxes = dataset.boxes["val"]
    hard = replace(boxes, difficult=np.arange(len(boxes)) % 2 == 0)
    dataset = replace(dataset, boxes={**dataset.boxes, "val": hard})
    counts = []
    for word in ("ignore", "keep"):
        chosen = apply_overrides(experiment, [f"data.difficult={word}"])
        task = make_task(chosen, dataset, CPU, batch_norm=False, cancelled=lambda: False, training=False)
        model = build(RunPaths(Path("/none")), chosen, 3, CPU)
        counts.append(sum(row["n"] for row in task.measure(model, "val").per_class))
        assert task.settings("val")["difficult"] == word
    assert counts == [int((~hard.difficult).sum()), len(boxes)]
