"""Runs of detectors on the screens: charts, checkpoints, classes, measuring, the form."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from core.store.paths import RunPaths
from tui.screens.runs import RunsScreen
from tui.widgets.chart import Chart
from tui.widgets.class_table import ClassTable
from tui.widgets.form import FormTable

SIZES = [(80, 24), (160, 50)]
RETINANET = ("classification", "bbox_regression")


def titles(ui: Any) -> list[str]:
    """The charts that are shown."""
    charts = ui.app.screen.query(Chart)
    return [chart._data.title for chart in charts if chart.size and chart.display and chart._data]


async def open_run(ui: Any, *keys: str) -> None:
    await ui.press("enter", *keys)
    await ui.until(lambda: ui.app.snapshot.detail is not None)


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_map_and_loss_first_then_the_rest(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    lab.detector(name="frcnn", epochs=10)
    async with drive(*size) as ui:
        await open_run(ui)
        await ui.sees(
            "labtui ▸ frcnn", "val/map ★ 0.4600@8", " map ", "IoU .50", "IoU .75", " loss ", "v val"
        )
        await ui.until(lambda: "v more charts" in ui.footer)
        names = [
            *("map", "loss", "loss terms", "lr", "val/map against val/loss"),
            *("val/map_50 against val/map_75", "map by size", "mar", "images/s"),
        ]
        shown = 2 if size[0] < 110 else 4
        for start in range(0, len(names), shown):
            wanted = names[start : start + shown]
            own = [f"#chart{n}" for n in range(len(wanted))]
            await ui.until(
                lambda own=own: [ui.app.screen.query_one(name, Chart)._data.title for name in own] == wanted  # noqa: B023
            )
            await ui.press("v")
        await ui.sees(" map ", "IoU .50")
        assert len(ui.lines()) == size[1]


async def test_terms_are_named_and_absent_numbers_are_absent(lab: Any, drive: Any) -> None:
    lab.detector(epochs=10, terms=RETINANET)
    async with drive(160, 50) as ui:
        await open_run(ui)
        await ui.sees("loss terms", "C classification", "B bbox_regression")
        await ui.press("v")
        await ui.sees(
            "val/map against val/loss", "epoch 1 ••••••••", "★ 0.4600@8", "•", "M medium", "L large"
        )
        assert "small" not in ui.text()
        assert "-1" not in ui.text().replace("lr-1", "")


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_a_point_an_epoch_from_early_to_late(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    lab.detector(epochs=50)
    async with drive(*size) as ui:
        await open_run(ui)
        await ui.press(*(["v", "v"] if size[0] < 110 else ["v"]))
        await ui.sees("val/map_50 against val/map_75", "epoch 1 •••••••• 50")
        chart = ui.app.screen.query_one("#chart0", Chart)
        colours = {
            segment.style.color.name
            for strip in chart._strips[1:]
            for segment in strip
            if "•" in segment.text and segment.style
        }
        assert len(colours) >= 5
        await ui.press("y", "x", "plus")
        await ui.sees("val/map against val/loss")


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_checkpoints_with_map_and_map_50(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    lab.detector(epochs=5, train=(4,))
    async with drive(*size) as ui:
        await open_run(ui, "2")
        await ui.sees("val/map", "map_50", "val/loss", "train score")
        best = next(line for line in ui.lines() if "★" in line.split()[:2])
        assert {"4", "0.4600", "0.6440", "0.6900"} <= set(best.split())
        assert "train/map" not in ui.text()
        await ui.sees("┊")


async def test_classes_with_n_the_worst_first(lab: Any, drive: Any) -> None:
    lab.detector(epochs=5)
    async with drive() as ui:
        await open_run(ui, "3")
        await ui.sees("val of a01-e0004 ★ best", "class", "ap_50", "ap_75", "AR")
        await ui.sees("AP 0.4600", "mean of 3 classes, n = 882 objects")
        table = ui.app.screen.query_one(ClassTable)
        assert [row.name for row in table.rows] == ["[rare]", "Eunotia silesiaca", "G. olivaceum", "unseen"]
        rows = [line.split() for line in ui.lines()]
        assert next(row for row in rows if "[rare]" in row)[2:7] == [
            "6",
            "0.2300",
            "0.3220",
            "0.2070",
            "0.2645",
        ]
        assert next(row for row in rows if row[:1] == ["unseen"]) == ["unseen", "0", "–", "–", "–", "–"]
        await ui.press("left")
        await ui.sees("val of a01-e0003")
        await ui.press("o")
        await ui.until(lambda: table.rows[0].name == "G. olivaceum")
        assert table.rows[-1].name == "unseen"


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_classes_fit(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    lab.detector(epochs=3)
    async with drive(*size) as ui:
        await open_run(ui, "3")
        await ui.sees("[rare]", "AR", "n = 882")
        assert all(len(line) <= size[0] for line in ui.lines())


async def test_training_images_on_request(lab: Any, drive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dialog plans it, the job does it, and mAP of training joins the curve while one looks on."""
    run = lab.detector(epochs=4)
    asked: list[dict[str, Any]] = []

    def start_job(workspace: Any, paths: RunPaths, kind: str, content: dict[str, Any]) -> None:
        asked.append(content)
        for number, checkpoint in enumerate(content["at"], 1):
            lab.measure_boxes(paths, checkpoint, {"val/map": number / 10, "val/map_50": 0.5}, "train")

    async with drive() as ui:
        await open_run(ui)
        await ui.sees("IoU .75")
        assert "t train" not in next(line for line in ui.lines() if "IoU .75" in line).split("loss")[0]
        monkeypatch.setattr("core.launch.jobs.start_job", start_job)
        await ui.press("m")
        await ui.sees("4 checkpoints on train: 4 measurements", "training images")
        await ui.press("ctrl+s")
        await ui.until(lambda: asked)
        assert (len(asked[0]["at"]), asked[0]["splits"]) == (4, ["train"])
        await ui.until(lambda: "train/map" in ui.app.snapshot.curves[run.id].epochs)
        assert ui.app.snapshot.curves[run.id].epochs["train/map"].y.tolist() == [0.1, 0.2, 0.3, 0.4]
        await ui.sees("t train  v val  5 IoU .50")
        await ui.press("3", "space")
        await ui.sees("train of a01-e0003")


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_runs_with_map_and_map_50(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    lab.detector(name="frcnn", epochs=5)
    async with drive(*size) as ui:
        await ui.sees("frcnn", "0.4600@4", "0.6440", "map_50", "map", "loss", "v val")


async def test_classifiers_beside_detectors(lab: Any, drive: Any) -> None:
    lab.run(name="classifier")
    lab.detector(name="frcnn", epochs=5)
    async with drive() as ui:
        await ui.sees("0.4600@4", "0.9000@3", "map_50")
        line = next(line for line in ui.lines() if "classifier" in line and "0.9000@3" in line)
        assert "–" in line


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_four_charts_of_marked_runs(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    lab.detector(name="aaa", epochs=6, train=(3, 6))
    lab.detector(name="bbb", epochs=8, top=0.3)
    async with drive(*size) as ui:
        assert "four charts" not in ui.footer
        await ui.press("space", "space")
        await ui.until(lambda: len(ui.app.snapshot.curves) == 2)
        await ui.until(lambda: ui.app.screen.marked)
        await ui.press("v")
        await ui.sees("train/loss", "val/loss", "train/map", "val/map", "A bbb", "B aaa")
        assert titles(ui) == ["train/loss", "val/loss", "train/map", "val/map"]
        heights = [chart.size.height for chart in ui.app.screen.query(Chart)]
        assert min(heights) >= 7
        await ui.press("v")
        await ui.until(lambda: titles(ui) == ["map", "loss"])
        await ui.press("v", "escape")
        await ui.until(lambda: titles(ui) == ["map", "loss"])
        assert isinstance(ui.app.screen, RunsScreen)


async def test_marks_of_which_none_is_measured_on_train_say_what_to_do(lab: Any, drive: Any) -> None:
    lab.detector(name="aaa", epochs=6)
    async with drive(160, 50) as ui:
        await ui.press("space", "v")
        await ui.sees("train/map", "not measured: m measures train")


async def test_a_run_that_has_just_begun(lab: Any, drive: Any) -> None:
    lab.detector(epochs=0, total=20, state="running")
    async with drive() as ui:
        await open_run(ui)
        await ui.sees("0/20", "no data yet: first epoch is running")
        await ui.press("3")
        await ui.sees("nothing measured yet: validation follows the first epoch")


async def test_a_network_without_objects_to_find(lab: Any, drive: Any) -> None:
    """Rows as a damaged or foreign tool could leave them: -1 is shown nowhere."""
    run = lab.detector(epochs=1)
    file = run.measures / "a01-e0001-val.json"
    row = json.loads(file.read_text())
    row["per_class"] = [
        {"class": "a", "n": 4, "ap": -1, "ap_50": -1.0, "ap_75": None, "recall": None},
        {"class": "b", "n": 2, "ap": 0.5, "ap_50": 0.75, "ap_75": 0.25, "recall": 0.6},
    ]
    file.write_text(json.dumps(row))
    async with drive() as ui:
        await open_run(ui, "3")
        await ui.sees("AP 0.5000", "mean of 1 class, n = 6 objects")
        assert not any("-1" in line for line in ui.lines()[1:]), "the first line names the run"
        assert next(line.split() for line in ui.lines() if line.startswith("  a ")) == ["a", "4", *["–"] * 4]


@pytest.fixture
def form(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"parameters": 1000, "trainable": 1000, "parts": [], "checkpoint_bytes": 1, "error": None}
    monkeypatch.setattr("core.launch.preview.describe", lambda experiment, classes: told)
    monkeypatch.setattr("core.launch.preview.free_space", lambda _: 10**11)
    monkeypatch.setattr(
        "tui.screens.launch_preview.place", lambda experiment, queue: "starts at once on cpu0"
    )


def voc(root: Path) -> None:
    """Six images with 0 to 4 objects of two classes."""
    from PIL import Image

    shape = "<size><width>64</width><height>48</height></size>"
    box = "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>20</xmax><ymax>20</ymax></bndbox>"
    for folder in ("JPEGImages", "Annotations"):
        (root / folder).mkdir(parents=True)
    for number, names in enumerate(("a", "ab", "", "aab", "aabb", "a")):
        Image.new("RGB", (64, 48)).save(root / "JPEGImages" / f"{number}.png")
        objects = "".join(f"<object><name>{name}</name>{box}</object>" for name in names)
        text = f"<annotation><filename>{number}.png</filename>{shape}{objects}</annotation>"
        (root / "Annotations" / f"{number}.xml").write_text(text)


@pytest.mark.usefixtures("form")
async def test_the_form_of_a_detector(lab: Any, drive: Any) -> None:
    """A file for a classifier; with a detector its defaults are shown, and what its data come to."""
    voc(lab.workspace.root / "voc")
    (lab.workspace.configs / "boxes.yaml").write_text("data: ../voc\nmodel: tinyvgg_a\n")
    async with drive(160, 50) as ui:
        await ui.press("2", "down", "n")
        await ui.sees("new run of boxes", "tinyvgg_a: 20 epochs, learning rate 1e-2")
        form = ui.app.screen.query_one(FormTable)
        form.select("model")
        await ui.press("f")
        await ui.type("asterrcnn_small")
        await ui.press("enter")
        await ui.sees("4 training images", "2 more held out for validation", "11 objects in 2 classes")
        await ui.sees("1 step an epoch with batch 4", "fasterrcnn_small: 20 epochs, learning rate 5e-3")
        await ui.sees("short side of the images 240 pixels, long side at most 320", "{min: 240, max: 320}")
        shown = {row.key for row in form.rows}
        assert {"predict.max_det", "augment.vflip", "augment.scale_jitter", "image_size"} <= shown
        assert not {"augment.tta", "label_smoothing", "augment.pad_crop", "blocks"} & shown
        form.select("image_size")
        await ui.press("enter", "ctrl+u")
        await ui.press(*("left_curly_bracket", *"min", "colon", "space", *"144", "comma", "space"))
        await ui.press(*(*"max", "colon", "space", *"192", "right_curly_bracket", "enter"))
        await ui.sees(
            "image_size: {min: 240, max: 320} → {min: 144, max: 192}", "short side of the images 144"
        )


async def test_pictures_with_boxes_are_larger(
    lab: Any, drive: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = (
        "import sys, numpy as np; n = int(sys.argv[sys.argv.index('--count') + 1]);"
        "np.savez(sys.argv[2], pixels=np.full((n, 64, 64, 3), 200, np.uint8), columns=np.array(4),"
        " titles=np.array(['RBC 3, WBC 1'] * n), labels=np.full(n, -1))"
    )
    monkeypatch.setattr(
        "tui.read.samples.module_command", lambda _, *words: [sys.executable, "-P", "-c", code, *words]
    )
    async with drive() as ui:
        await ui.press("tab", "down", "i")
        await ui.sees("RBC 3, WBC 1")
        assert ui.app.screen.grid._width == 32
