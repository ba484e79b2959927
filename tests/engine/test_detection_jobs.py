"""Detectors after training: measured again, on other data, on new images, forked, and out of room."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.analysis.predictions import BoxPredictions, read_predictions
from core.config.load import parse_experiment
from core.datasets.dataset import read_dataset
from core.engine.checkpoint import read_checkpoint
from core.engine.failure import sentence
from core.engine.measure_files import joined
from core.engine.stop import StopFlag
from core.evaluate.plan import plan_measure, plan_predict
from core.evaluate.setup import with_classes
from core.evaluate.worker import run_job
from core.store.checkpoints import choose, list_checkpoints
from core.store.files import read_json
from core.store.jobs import begin_job, create_job
from core.store.metrics import read_history
from core.store.paths import JobPaths, RunPaths


def carry_out(run: RunPaths, kind: str, content: Any, stop: Any = None, code: int = 0) -> dict[str, Any]:
    """Carry out one job here; what its result.json (error.json when it fails) says."""
    job = create_job(run, kind, content)
    begin_job(job, slot="cpu0", threads=1)
    assert run_job(run, job, stop or StopFlag(job.stop)) == code, told(job)
    result = read_json(job.error if code else job.result)
    assert result is not None
    return result


def told(job: JobPaths) -> str:
    return job.error.read_text() if job.error.exists() else ""


def measure(lab: Any, run: RunPaths, *, stop: Any = None, code: int = 0, **wish: Any) -> dict[str, Any]:
    return carry_out(run, "measure", plan_measure(lab.workspace, run, **wish).content, stop, code)


def predict(run: RunPaths, *images: Any, code: int = 0) -> dict[str, Any]:
    return carry_out(run, "predict", plan_predict(run, [str(path) for path in images]).content, code=code)


def boxes(run: RunPaths, name: str) -> BoxPredictions:
    read = read_predictions(run.predictions / name)
    assert isinstance(read, BoxPredictions)
    return read


@pytest.fixture
def own_run(box_lab: Any, box_run: RunPaths) -> RunPaths:
    """A copy of the finished run, to do with as one likes."""
    run = RunPaths(box_lab.workspace.runs / box_run.id)
    shutil.copytree(box_run.root, run.root)
    return run


def test_measured_again_gives_what_training_wrote(box_lab: Any, own_run: RunPaths) -> None:
    run = own_run
    written = {path.name: path.read_bytes() for path in run.measures.iterdir()}
    arrays = {path.name: boxes(run, path.name) for path in run.predictions.iterdir()}
    result = measure(box_lab, run, splits=("val", "train"))
    assert [row["new"] for row in result["rows"]] == [False] * 6
    shutil.rmtree(run.measures)
    shutil.rmtree(run.predictions)
    result = measure(box_lab, run, splits=("val", "train"), batch=3)
    assert [row["new"] for row in result["rows"]] == [True] * 6
    assert result["rows"][0]["metrics"].keys() >= {"loss", "loss_objectness", "map", "mar_100"}
    for path in run.measures.iterdir():
        assert path.read_bytes() == written[path.name]
    for path in run.predictions.iterdir():
        ours, theirs = boxes(run, path.name), arrays[path.name]
        assert np.array_equal(ours.found.boxes, theirs.found.boxes)
        assert np.array_equal(ours.found.scores, theirs.found.scores)
        assert ours.origin.paths == theirs.origin.paths


def test_a_stopped_job_goes_on(box_lab: Any, own_run: RunPaths, stop_after: Any) -> None:
    shutil.rmtree(own_run.measures)
    first = measure(box_lab, own_run, stop=stop_after(12))
    assert first["status"] == "stopped"
    assert len(first["rows"]) == 1
    second = measure(box_lab, own_run)
    assert second["status"] == "finished"
    assert [row["new"] for row in second["rows"]] == [False, True, True]


def other_set(box_lab: Any, root: Path, names: list[str]) -> Path:
    """The val pictures elsewhere, their categories by other numbers and in another order."""
    shutil.copytree(box_lab.pictures / "val", root / "val")
    content = json.loads((box_lab.pictures / "val.json").read_text())
    old = {item["id"]: item["name"] for item in content["categories"]}
    new = {name: 10 * place for place, name in enumerate(names, 1)}
    content["categories"] = [{"id": number, "name": name} for name, number in new.items()]
    content["annotations"] = [
        {**item, "category_id": new[old[item["category_id"]]]}
        for item in content["annotations"]
        if old[item["category_id"]] in new
    ]
    (root / "val.json").write_text(json.dumps(content))
    return root


def test_other_data_are_matched_by_class_name(box_lab: Any, own_run: RunPaths, tmp_path: Path) -> None:
    root = other_set(box_lab, tmp_path / "other", ["blue", "red", "green"])
    data = box_lab.workspace.root / "configs" / "data" / "other.yaml"
    data.parent.mkdir(parents=True)
    data.write_text(
        f"format: coco\nroot: {root}\ntrain: {{images: val, annotations: val.json}}\n"
        "val: {images: val, annotations: val.json}\n"
    )
    own = {row["checkpoint"]: row["metrics"] for row in measure(box_lab, own_run)["rows"]}
    result = measure(box_lab, own_run, data=str(data), splits=("val",))
    for row in result["rows"]:
        assert row["new"]
        assert row["metrics"] == pytest.approx(own[row["checkpoint"]], abs=1e-6)
        read = boxes(own_run, row["file"].replace(".json", ".npz"))
        assert read.origin.root == root
        assert read.origin.class_names == boxes(own_run, "a01-e0001-val.npz").origin.class_names


def test_other_data_of_one_split_are_measured_whole(box_lab: Any, own_run: RunPaths, tmp_path: Path) -> None:
    """What nobody trained on needs no part held out, and is measured in the order of its names."""
    root = other_set(box_lab, tmp_path / "other", ["green", "red", "blue"])
    own = measure(box_lab, own_run, at="3")["rows"][0]
    (row,) = measure(box_lab, own_run, data=str(root), splits=("val",), at="3")["rows"]
    assert (row["n"], row["new"]) == (7, True)
    assert row["metrics"] == pytest.approx(own["metrics"], abs=1e-6)
    read = boxes(own_run, row["file"].replace(".json", ".npz"))
    assert [name.rpartition("/")[2] for name in read.origin.paths] == [f"{n:02d}.png" for n in range(7)]


def test_other_data_may_lack_a_class_but_have_no_other(box_lab: Any, own_run: RunPaths) -> None:
    dataset = read_dataset(own_run)
    assert dataset is not None
    classes = dataset.class_names
    assert dataset.boxes is not None
    one = dataset.boxes["val"].relabelled([0, 0, 0])
    from core.datasets.dataset import make_dataset

    less = make_dataset(dataset.root, (classes[2],), {"val": dataset.splits["val"]}, boxes={"val": one})
    matched = with_classes(less, classes, "run", (7, 8, 9))
    assert matched.class_names == classes
    assert matched.category_ids == (7, 8, 9)
    assert matched.boxes is not None
    assert set(matched.boxes["val"].labels.tolist()) == {2}
    more = make_dataset(dataset.root, ("owl",), {"val": dataset.splits["val"]}, boxes={"val": one})
    with pytest.raises(Exception, match="only it has owl"):
        with_classes(more, classes, "run")


def test_new_images(box_lab: Any, own_run: RunPaths, tmp_path: Path) -> None:
    """Known pictures get the boxes that measuring gave; what cannot be read is named and left out."""
    folder = tmp_path / "new"
    shutil.copytree(box_lab.pictures / "val", folder)
    (folder / "bad.png").write_bytes(b"no picture")
    result = predict(own_run, folder)
    assert [item["path"] for item in result["skipped"]] == ["bad.png"]
    best = choose(own_run, "best").id
    new, val = boxes(own_run, result["file"]), boxes(own_run, f"{best}-val.npz")
    assert new.objects is None
    assert new.origin.paths == tuple(f"{index:02d}.png" for index in range(7))
    assert new.origin.class_names == val.origin.class_names
    assert new.category_ids == val.category_ids
    assert new.sizes.tolist() == val.sizes.tolist()
    assert new.found.offsets.tolist() == val.found.offsets.tolist()
    np.testing.assert_allclose(new.found.boxes, val.found.boxes, atol=1e-3)
    np.testing.assert_allclose(new.found.scores, val.found.scores, atol=1e-5)
    for index, item in enumerate(result["images"]):
        start, end = new.found.offsets[index : index + 2]
        assert item["found"] == end - start
        scores = [top["score"] for top in item["top"]]
        assert scores == new.found.scores[start : min(end, start + 5)].tolist()
    assert read_json(own_run.predictions / result["file"].replace(".npz", ".json"))["images"]


def test_lots_are_joined_as_one() -> None:
    lots = []
    for counts in ([2, 0], [1], [0, 3]):
        rows = sum(counts)
        lots.append(
            {
                "image_offsets": np.cumsum([0, *counts]),
                "scores": np.arange(rows, dtype=np.float32),
                "class_names": np.array(["a", "b"]),
                "score_floor": np.array(0.05),
            }
        )
    whole = joined(lots)
    assert whole["image_offsets"].tolist() == [0, 2, 2, 3, 3, 6]
    assert whole["scores"].tolist() == [0, 1, 0, 0, 1, 2]
    assert whole["class_names"].tolist() == ["a", "b"]
    assert float(whole["score_floor"]) == 0.05


def test_turned_photos_have_boxes_upright(box_lab: Any, own_run: RunPaths, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(box_lab.pictures / "val" / "01.png") as picture:
        picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
        picture.save(tmp_path / "upright.png")
    result = predict(own_run, tmp_path / "turned.png", tmp_path / "upright.png")
    read = boxes(own_run, result["file"])
    assert read.sizes.tolist() == [[96, 72], [96, 72]]
    first, second = (read.found.boxes[read.found.offsets[i] : read.found.offsets[i + 1]] for i in range(2))
    assert np.array_equal(first, second)


def test_fork_from_head_to_full(box_lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The optimiser starts anew with a note; the learning rate in use is the new one."""
    parent = box_lab.train("mode=head", "epochs=2")
    before = read_checkpoint(parent, choose(parent, "last"))
    fork = box_lab.fork(parent, "last", "mode=full", "learning_rate=0.001", total=3)
    assert fork.objects.exists()
    assert box_lab.attempt(fork) == "finished"
    assert "the optimiser starts fresh" in capsys.readouterr().out
    rows = read_history(fork.metrics).epochs
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["lr"] == 0.001
    assert rows[1]["lr"] == 0.003
    after = read_checkpoint(fork, choose(fork, "last"))
    moved = {name for name, value in after["model"].items() if not torch.equal(value, before["model"][name])}
    assert any(name.startswith("backbone.body") for name in moved)
    assert len(after["optimizer"]["state"]) > len(before["optimizer"]["state"])


def test_fork_without_changes_is_the_run_itself(box_lab: Any, box_run: RunPaths, curve: Any) -> None:
    fork = box_lab.fork(box_run, "1", total=3)
    box_lab.attempt(fork)
    assert curve(fork) == curve(box_run)


def test_head_moves_nothing_but_the_head(box_lab: Any) -> None:
    run = box_lab.train("mode=head", "epochs=2", "measure.every=2")
    first, last = (read_checkpoint(run, point)["model"] for point in list_checkpoints(run))
    moved = {name.split(".")[0] for name, value in last.items() if not torch.equal(value, first[name])}
    assert moved == {"rpn", "roi_heads"}


def test_config_of_a_run_says_all(own_run: RunPaths) -> None:
    experiment = parse_experiment(own_run.config.read_text(), own_run.config)
    assert experiment.is_detector
    assert read_json(own_run.split)["kind"] == "detection"
    assert read_json(own_run.model)["error"] is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "The GPU is out of memory"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "The GPU is out of memory"),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:119] . DefaultCPUAllocator: can't allocate memory: you tried"
            ),
            "The machine is out of memory: lower batch or image_size",
        ),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/x"), "Too many open files"),
    ],
)
def test_what_is_said_when_there_is_no_room(tmp_path: Path, error: Exception, words: str) -> None:
    assert sentence(RunPaths(tmp_path), error).startswith(words)


def test_files_stay_closed(box_lab: Any, own_run: RunPaths) -> None:
    """Neither epochs nor images hold files open: there are no workers that could run out of any."""

    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    measure(box_lab, own_run)
    before = count()
    box_lab.train("epochs=2")
    assert count() <= before + 1
