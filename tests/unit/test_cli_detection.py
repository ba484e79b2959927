"""What the commands say of a detector's run: 12 numbers, classes with their objects, the lab's 22 columns."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import core.cli.commands.measure as measure
import core.datasets.outline as outline
import core.launch.preview as preview
from core.cli.commands.predict import image_lines
from core.cli.estimate import disk_words
from core.cli.lab_columns import DETECTOR, lab_table
from core.cli.main import main
from core.cli.metric_tables import class_table, grouped, metric_lines
from core.cli.progress import Position, epoch_line
from core.config.load import dump, load_experiment
from core.config.workspace import Workspace
from core.datasets.boxes.box_arrays import Boxes
from core.datasets.dataset import FileList, make_dataset, store_dataset
from core.datasets.outline import Outline
from core.errors import UsageError
from core.metrics import BY_NAME, COCO
from core.store.checkpoints import save_files
from core.store.files import write_json
from core.store.measures import Measured
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths
from core.store.runs import create_run
from tests.shared_folder import needs_shared, shared

LOGS = shared("reference/diatom-logs")
CONFIG = "data: {format: coco, root: pictures}\nmodel: fasterrcnn_small\nepochs: 3\n"
TERMS = ("loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg")
PER_CLASS = [
    {"class": "a [b]", "n": 7, "ap": 0.5, "ap_50": 0.75, "ap_75": 0.625, "recall": 0.875},
    {"class": "none", "n": 0, "ap": None, "ap_50": None, "ap_75": None, "recall": None},
]


def numbers(base: float, *, without: str = "large") -> dict[str, float]:
    """A validation without objects of one size: `base` plus a hundredth for each place in COCO's order."""
    values = {name: base + place / 100 for place, name in enumerate(COCO) if not name.endswith(without)}
    return {"loss": base, **dict.fromkeys(TERMS, base / 4), **values}


def record(epoch: int, attempt: Any = 1, **values: float) -> dict[str, Any]:
    return {"t": 1.0, "epoch": epoch, "step": epoch * 5, "attempt": attempt, "scope": "epoch", **values}


def named(split: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{split}/{name}": value for name, value in values.items()}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "small.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


@pytest.fixture
def run(workspace: Workspace) -> RunPaths:
    """Three epochs; the second was measured on the training images too, the third is measured in a job."""
    loaded = load_experiment("small", workspace=workspace)
    made = create_run(
        workspace,
        config_name="small",
        config_text=dump(loaded.experiment),
        model="fasterrcnn_small",
        metric="val/map",
        metric_mode="max",
        total_epochs=3,
        argv=["labtui"],
    )
    with MetricsWriter(made.metrics) as metrics:
        for epoch in (1, 2, 3):
            val = named("val", numbers(epoch / 10)) if epoch < 3 else {}
            metrics.write(record(epoch, **{"train/loss": 1 / epoch, "lr": 0.001}, **val))
            stem = f"a01-e000{epoch}"
            values = {"attempt": 1, "epoch": epoch, "step": epoch * 5, "metrics": val}
            save_files(made, stem, b"weights", values)
            sha256 = hashlib.sha256(b"weights").hexdigest()
            for split in ("val", "train") if epoch == 2 else ("val",):
                row = {"checkpoint": stem, "sha256": sha256, "split": split, "n": 9, "settings": {}}
                base = epoch / 10 + (split == "train") / 2
                write_json(
                    made.measures / f"{stem}-{split}.json",
                    {**row, **numbers(base), "per_class": PER_CLASS},
                )
    return made


def test_the_lab_s_22_columns_in_its_order(run: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", run.id, "--csv", "--format", "lab"]) == 0
    header, *rows = csv.reader(capsys.readouterr().out.splitlines())
    assert len(header) == 22
    table = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["train/loss"] for row in table] == ["1.0", "0.5", str(1 / 3)]
    assert [row["train/map"] for row in table] == ["", "0.7", ""]
    # COCO's order differs from the lab's: mar_medium is 11th there, its value 0.1 higher.
    assert [float(row["val/mar_medium"]) for row in table] == pytest.approx([0.2, 0.3, 0.4])
    assert [row["val/map_large"] for row in table] == ["-1.0"] * 3
    assert [row["train/mar_large"] for row in table] == ["", "-1.0", ""]
    assert [row["val/loss"] for row in table] == ["0.1", "0.2", "0.3"]


@needs_shared("reference/diatom-logs")
@pytest.mark.parametrize("path", sorted(LOGS.glob("*.csv")), ids=lambda path: path.stem)
def test_the_lab_s_own_tables_come_back(path: Path) -> None:
    """Its numbers, as they would be stored here, make its file again."""
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == DETECTOR
    epochs, measured = [], []
    for epoch, row in enumerate(rows, 1):
        values = dict(zip(header, map(float, row), strict=True))
        kept = {name: value for name, value in values.items() if value != -1}
        train = {name[6:]: kept.pop(name) for name in list(kept) if name.startswith("train/m")}
        epochs.append(record(epoch, **kept))
        measured.append(Measured(f"a01-e{epoch:04d}", "train", "", "", 1747, train))
    assert lab_table("fasterrcnn", epochs, measured)[1:] == [[float(cell) for cell in row] for row in rows]


def measured(checkpoint: str, split: str, value: float, key: str = "") -> Measured:
    return Measured(checkpoint, split, key, "", 9, {"loss": value, "map": value})


def test_rows_belong_to_the_attempt_of_the_curve() -> None:
    rows = [
        measured("a01-e0002", "train", 0.9),
        measured("a02-e0002", "train", 0.5),
        measured("a02-e0002", "train", 0.7, key="12345678"),
        measured("a02-e0002-s000007", "train", 0.8),
        measured("a00-e0001", "train", 0.25),
        measured("a01-e0004", "val", 0.125),
    ]
    header, *table = lab_table("retinanet", [record(1, 0), record(2, 2)], rows)
    assert [row[header.index("train/map")] for row in table] == [0.25, 0.5, "", ""]
    assert [row[header.index("val/map")] for row in table] == ["", "", "", 0.125]
    assert lab_table("retinanet", [], []) == [list(DETECTOR)]


def test_a_validation_without_objects_has_a_loss_only() -> None:
    header, row = lab_table("retinanet", [record(1, **{"val/loss": 0.5})], [])
    assert row[header.index("val/loss") :] == [0.5, *[-1.0] * 10]


def test_metrics_of_a_detector_are_three_tables_and_never_minus_one(
    run: RunPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["metrics", run.id]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "epoch  train/loss    lr  val/loss  val/map  val/map_50  val/map_75  val/mar_100",
        "    1       1.000  1e-3    0.1000   0.1000      0.1100      0.1200       0.1800",
        "    2      0.5000  1e-3    0.2000   0.2000      0.2100      0.2200       0.2800",
        "    3      0.3333  1e-3         –        –           –           –            –",
    ]
    sizes = ("map_small", "map_medium", "mar_1", "mar_10", "mar_small", "mar_medium")
    assert lines[5].split() == ["by", "size,", "number", *(f"val/{name}" for name in sizes)]
    assert lines[10].split() == ["loss", "terms", *(f"val/{term}" for term in TERMS)]
    assert "-1" not in " ".join(lines).replace("1e-3", "")


def test_show_has_main_numbers_then_the_rest_then_classes(
    run: RunPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", run.id]) == 0
    text = capsys.readouterr().out
    blocks = [block.splitlines() for block in text.split("\n\n")]
    heads = [block[0].split() for block in blocks]
    main_numbers = ["map", "map_50", "map_75", "mar_100"]
    assert heads[1][:8] == ["checkpoint", "epoch", "step", "val/loss", *(f"val/{n}" for n in main_numbers)]
    assert heads[2] == ["measured", "split", "images", "loss", *main_numbers]
    assert heads[3][:3] == ["by", "size,", "number"]
    assert heads[4][:2] == ["loss", "terms"]
    assert blocks[5] == [
        "class, val at a01-e0002  objects      AP    AP50    AP75      AR",
        "a [b]                          7  0.5000  0.7500  0.6250  0.8750",
        "none                           0       –       –       –       –",
    ]
    assert main(["show", run.id, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["measures"][0]["metrics"]["map_medium"] == pytest.approx(0.14)
    assert "map_large" not in document["measures"][0]["metrics"]


def test_other_programs_minus_one_is_not_shown() -> None:
    lines = metric_lines(("",), [(("x",), {"map": 0.5, "map_large": -1.0, "loss": -1.0})], "l")
    assert [line.split() for line in lines] == [
        ["map", "loss"],
        ["x", "0.5000", "-1.000"],
        [],
        ["by", "size,", "number", "map_large"],
        ["x", "–"],
    ]


@pytest.mark.parametrize("names", [["loss", "accuracy", "loss_random"], ["train/loss", "val/top5", "lr"], []])
def test_a_classifier_has_one_table(names: list[str]) -> None:
    assert grouped(names) == [names]


def test_many_classes_begin_with_the_worst() -> None:
    rows = [{**PER_CLASS[0], "class": f"c{place}", "ap": place / 100} for place in range(40)]
    lines = class_table([PER_CLASS[1], *reversed(rows)], "class")
    assert [line.split()[0] for line in lines[1:31]] == [f"c{place}" for place in range(30)]
    assert lines[31:] == ["and 11 more, all better, or without objects"]


def test_new_images_have_a_count_and_their_surest_boxes() -> None:
    top = [{"class": "cat", "score": 0.91, "box": [1, 2, 3, 4]}, {"class": "dog", "score": 0.5, "box": []}]
    lines = image_lines(
        [{"path": "a.png", "found": 12, "top": top}, {"path": "b.png", "found": 0, "top": []}]
    )
    assert lines == [
        "image  boxes  top",
        "a.png     12  cat 0.910  dog 0.500",
        "b.png      0",
    ]


def second_run(run: RunPaths, workspace: Workspace, ap: float) -> RunPaths:
    """Another run of the config, whose best checkpoint finds the first class with `ap`."""
    made = create_run(
        workspace,
        config_name="small",
        config_text=run.config.read_text(),
        model="fasterrcnn_small",
        metric="val/map",
        metric_mode="max",
        total_epochs=3,
        argv=["labtui"],
        name="second",
    )
    val = named("val", numbers(0.5))
    with MetricsWriter(made.metrics) as metrics:
        metrics.write(record(1, **val))
    save_files(made, "a01-e0001", b"weights", {"attempt": 1, "epoch": 1, "step": 5, "metrics": val})
    sha256 = hashlib.sha256(b"weights").hexdigest()
    row = {"checkpoint": "a01-e0001", "sha256": sha256, "split": "val", "n": 9, "settings": {}}
    classes = [{**PER_CLASS[0], "ap": ap}, PER_CLASS[1]]
    write_json(made.measures / "a01-e0001-val.json", {**row, **numbers(0.5), "per_class": classes})
    return made


def with_boxes(run: RunPaths, *corners: tuple[float, float, float, float]) -> None:
    """Store a validation image with these objects as the run's data."""
    count = len(corners)
    boxes = Boxes(
        offsets=np.array([0, count]),
        corners=np.array(corners, np.float32),
        labels=np.zeros(count, np.int64),
        crowd=np.zeros(count, np.bool_),
        difficult=np.zeros(count, np.bool_),
        area=np.ones(count, np.float32),
        source=np.arange(count),
        sizes=np.array([[64, 64]], np.int32),
        image_ids=("1",),
    )
    files = FileList(("val/1.png",), (-1,), (9,))
    names = ("a [b]", "none")
    store_dataset(run, make_dataset(Path("/pictures"), names, {"val": files}, boxes={"val": boxes}))


def test_diff_compares_classes_at_each_run_s_best(
    run: RunPaths, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    other = second_run(run, workspace, 0.625)
    for one in (run, other):
        with_boxes(one, (1, 2, 30, 40), (5, 5, 9, 9))
    assert main(["diff", run.id, other.id]) == 0
    lines = capsys.readouterr().out.splitlines()
    best = next(line.split() for line in lines if line.startswith("val/map_medium"))
    assert best == ["val/map_medium", "0.2400@2", "0.5400@1", "+0.3000", "0.2400@2", "0.5400@1"]
    label = f"small-{run.id[-4:]}"
    at = next(place for place, line in enumerate(lines) if line.startswith("class, val at best"))
    assert [line.split() for line in lines[at : at + 2]] == [
        ["class,", "val", "at", "best", "objects", "AP", label, "AP", "second", "delta"],
        ["a", "[b]", "7", "0.5000", "0.6250", "+0.1250"],
    ]
    assert lines[at + 2].endswith(f"labtui errors {run.id} --compare {other.id}")
    assert main(["diff", run.id, other.id, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    nothing = {"class": "none", "n": 0, "score": "ap", "first": None, "second": None, "delta": None}
    assert document["comparable"] is True
    assert document["classes"] == [
        {"class": "a [b]", "n": 7, "score": "ap", "first": 0.5, "second": 0.625, "delta": 0.125},
        nothing,
    ]


def test_diff_compares_no_row_of_another_file(
    run: RunPaths, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    other = second_run(run, workspace, 0.625)
    path = other.measures / "a01-e0001-val.json"
    path.write_text(path.read_text().replace(hashlib.sha256(b"weights").hexdigest(), "0" * 64))
    for one in (run, other):
        with_boxes(one, (1, 2, 30, 40), (5, 5, 9, 9))
    assert main(["diff", run.id, other.id]) == 0
    assert "class, val at best" not in capsys.readouterr().out


def test_diff_does_not_compare_runs_on_other_boxes(
    run: RunPaths, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    other = second_run(run, workspace, 0.625)
    with_boxes(run, (1, 2, 30, 40), (5, 5, 9, 9))
    with_boxes(other, (1, 2, 31, 40))
    assert main(["diff", run.id, other.id]) == 0
    text = capsys.readouterr().out
    assert "the validation images are the same, their boxes are not: 2 and 1 objects" in text
    assert "class, val at best" not in text
    assert "+0." not in text


def test_the_lab_s_form_of_measure_takes_the_training_images_too(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def plan(*given: Any, **wish: Any) -> None:
        asked.append(wish["splits"])
        raise UsageError("enough")

    monkeypatch.setattr(measure, "plan_measure", plan)
    for words in ([run.id], ["--config", "small"], ["--config", "small", "--splits", "test"]):
        assert main(["measure", *words]) == 2
    assert asked == [["val"], ["val", "train"], ["test"]]
    capsys.readouterr()
    for option in ("--name", "--checkpoint"):
        assert main(["measure", run.id, option, "x"]) == 2
        assert "--name is only used with --config" in capsys.readouterr().err


def test_a_followed_run_s_line_has_the_main_numbers() -> None:
    position = Position(total=3)
    row = record(1, **{"train/loss": 1.25, "train/loss_box_reg": 0.5}, **named("val", numbers(0.5)))
    position.take(row)
    assert epoch_line(position, row).startswith(
        "epoch 1/3  train/loss 1.250  val/loss 0.5000  val/map 0.5000  val/map_50 0.5100  val/map_75 0.5200  "
        "val/mar_100 0.5800"
    )


def test_the_disk_estimate_counts_boxes(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_experiment("small", ["epochs=5", "predict.max_det=50"], workspace=workspace)
    data = Outline(("a", "b"), 90, 40, 0, False, False, False, "/pictures")
    monkeypatch.setattr(outline, "outline", lambda _: data)
    monkeypatch.setattr(preview, "describe", lambda *_: {"checkpoint_bytes": 1_000_000})
    # 28 bytes for each of 50 boxes in 40 images, five times.
    words = disk_words(workspace, loaded.experiment)
    assert words.startswith("disk: ≈ 5.3 MB for 5 checkpoints and their predictions")


def test_columns_of_the_lab_are_metrics() -> None:
    names = [name.removeprefix("train/").removeprefix("val/") for name in DETECTOR]
    assert [name for name in names if name not in BY_NAME] == []
    assert {*names, "map_small", "mar_small"} == {"loss", *COCO}


def test_classes_of_a_classifier_have_precision_where_it_was_measured() -> None:
    row = {"class": "a", "n": 3, "correct": 2, "accuracy": 2 / 3}
    assert class_table([row], "class")[0].split() == ["class", "images", "correct", "accuracy"]
    header, *lines = class_table([{**row, "precision": 0.5, "recall": 2 / 3, "f1": None}], "class")
    assert header.split() == ["class", "images", "correct", "accuracy", "precision", "F1"]
    assert lines[-1].split() == ["a", "3", "2", "0.6667", "0.5000", "–"]
