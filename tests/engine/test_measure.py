"""`labtui measure` as its process does it: rows once each, equal to training's, whatever lies in the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassAUROC, MulticlassAveragePrecision, MulticlassF1Score

from core.analysis.errors import Errors
from core.analysis.estimates import estimates
from core.analysis.predictions import ClassPredictions, Origin
from core.cli.estimate_lines import best_estimates, show_lines
from core.engine.measure_files import same_settings, settings_key
from core.engine.stop import StopFlag
from core.errors import CheckpointError, DataError, UsageError
from core.evaluate.plan import plan_measure
from core.evaluate.worker import run_job
from core.store.checkpoints import list_checkpoints
from core.store.estimates import read_estimates
from core.store.files import read_json, write_json
from core.store.jobs import begin_job, create_job, read_job
from core.store.json_documents import show_document
from core.store.measures import measures
from core.store.metrics import read_history
from core.store.paths import JobPaths, RunPaths
from core.store.state import derive_state


def job_of(lab: Any, run: RunPaths, **wish: Any) -> JobPaths:
    job = create_job(run, "measure", plan_measure(lab.workspace, run, **wish).content)
    begin_job(job, slot="cpu0", threads=1)
    return job


def measure(
    lab: Any, run: RunPaths, *, stop: Callable[[], bool] | None = None, **wish: Any
) -> dict[str, Any]:
    """Carry out one job here; what its result.json says."""
    job = job_of(lab, run, **wish)
    code = run_job(run, job, stop or StopFlag(job.stop))  # type: ignore[arg-type]
    assert code == 0, job.error.read_text() if job.error.exists() else ""
    result = read_json(job.result)
    assert result is not None
    return result


def failure(lab: Any, run: RunPaths, **wish: Any) -> dict[str, Any]:
    """What error.json says of a job that fails."""
    job = job_of(lab, run, **wish)
    assert run_job(run, job, StopFlag()) == 1
    error = read_json(job.error)
    assert error is not None
    assert not job.result.exists()
    return error


def rows(run: RunPaths) -> dict[str, bytes]:
    """Every measure row as it lies on the disk."""
    return {path.name: path.read_bytes() for path in run.measures.iterdir()}


def predicted(run: RunPaths, stem: str) -> dict[str, Any]:
    with np.load(run.predictions / f"{stem}.npz", allow_pickle=False) as saved:
        return {name: saved[name] for name in saved.files}


def forget(run: RunPaths) -> None:
    for folder in (run.measures, run.predictions):
        shutil.rmtree(folder)
        folder.mkdir()


def test_what_training_measured_is_not_measured_again(lab: Any) -> None:
    run = lab.train()
    before = {path: path.stat().st_mtime_ns for path in run.measures.iterdir()}
    result = measure(lab, run)
    assert {path: path.stat().st_mtime_ns for path in run.measures.iterdir()} == before
    assert result["status"] == "finished"
    assert [(row["checkpoint"], row["split"], row["new"]) for row in result["rows"]] == [
        (f"a01-e000{epoch}", "val", False) for epoch in (1, 2, 3)
    ]
    assert plan_measure(lab.workspace, run).done == 3
    for row, epoch in zip(result["rows"], read_history(run.metrics).epochs, strict=True):
        assert row["metrics"]["accuracy"] == epoch["val/accuracy"]
        assert row["n"] == 27


@pytest.mark.some(2)
@pytest.mark.parametrize("batch", [None, 1, 4, 7])
def test_measured_again_gives_what_training_wrote(batch: int | None, lab: Any) -> None:
    run = lab.train("epochs=2", "augment.tta=[hflip]", "measure.random=true", "ema=0.9")
    written, arrays = rows(run), predicted(run, "a01-e0002-val")
    forget(run)
    result = measure(lab, run, batch=batch)
    assert [row["new"] for row in result["rows"]] == [True, True]
    assert rows(run).keys() == {name for name in written if "-val" in name}
    for name, content in rows(run).items():
        ours, theirs = json.loads(content), json.loads(written[name])
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            assert ours[key] == (pytest.approx(value, abs=1e-5) if isinstance(value, float) else value), key
        assert {"accuracy_tta", "accuracy_random", "loss_random", "accuracy_macro"} <= ours.keys()
    again = predicted(run, "a01-e0002-val")
    assert again.keys() == arrays.keys()
    for key, values in arrays.items():
        if values.dtype == np.float32:
            np.testing.assert_allclose(again[key], values, atol=1e-5)
        else:
            np.testing.assert_array_equal(again[key], values)
    if batch is None:
        assert rows(run) == {name: content for name, content in written.items() if "-val" in name}


def test_chosen_checkpoints_and_splits(lab: Any) -> None:
    run = lab.train()
    forget(run)
    result = measure(lab, run, at="3,best,a01-e0001", splits=("train", "val"))
    best = max(read_history(run.metrics).epochs, key=lambda row: (row["val/accuracy"], -row["epoch"]))[
        "epoch"
    ]
    epochs = sorted({1, 3, best})
    assert [(row["checkpoint"], row["split"]) for row in result["rows"]] == [
        (f"a01-e000{epoch}", split) for epoch in epochs for split in ("train", "val")
    ]
    train = [row for row in result["rows"] if row["split"] == "train"]
    assert [row["n"] for row in train] == [51] * len(epochs)
    assert not [name for name in rows(run) if "test" in name]
    (row,) = measure(lab, run, at="last", splits=("test",))["rows"]
    assert (row["checkpoint"], row["split"], row["n"]) == ("a01-e0003", "test", 15)


@pytest.mark.parametrize(
    ("wish", "error", "words"),
    [
        ({"at": "9"}, CheckpointError, "no checkpoint '9'"),
        ({"at": ","}, UsageError, "--at"),
        ({"splits": ("tset",)}, UsageError, "did you mean 'test'"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_before_a_job(
    wish: dict[str, Any], error: type[Exception], words: str, lab: Any
) -> None:
    run = lab.train("epochs=1")
    with pytest.raises(error, match=words):
        plan_measure(lab.workspace, run, **wish)
    assert not run.jobs.exists()


def test_a_split_that_the_run_has_not_is_named(lab: Any, tmp_path: Path) -> None:
    only = tmp_path / "only"
    shutil.copytree(lab.pictures / "train", only / "train")
    run = lab.train("epochs=1", f"data={only}")
    with pytest.raises(UsageError, match="no test images; its splits are"):
        plan_measure(lab.workspace, run, splits=("test",))


@pytest.mark.some(2)
@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "gone", "foreign"])
def test_one_bad_checkpoint_is_marked_and_the_rest_is_measured(damage: str, lab: Any) -> None:
    run = lab.train()
    complete = rows(run)
    forget(run)
    bad = list_checkpoints(run)[1]
    data = bad.file.read_bytes()
    if damage == "cut":
        bad.file.write_bytes(data[:-1])
    elif damage == "empty":
        bad.file.write_bytes(b"")
    elif damage == "flipped":
        middle = len(data) // 2
        bad.file.write_bytes(data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :])
    job = job_of(lab, run)
    if damage == "gone":
        bad.file.with_suffix(".json").unlink()
    elif damage == "foreign":
        replace_weights(run, bad.id, {"other.weight": torch.zeros(2)})
    assert run_job(run, job, StopFlag()) == 0
    result = read_json(job.result)
    assert result is not None
    assert [row["checkpoint"] for row in result["rows"]] == ["a01-e0001", "a01-e0003"]
    (marked,) = result["unreadable"]
    assert marked["checkpoint"] == bad.id
    assert bad.id in marked["reason"]
    assert rows(run) == {name: complete[name] for name in ("a01-e0001-val.json", "a01-e0003-val.json")}
    state = read_job(job)
    assert (state.state, state.done, state.total) == ("finished", 3, 3)


def test_damage_is_marked_though_the_row_is_there(lab: Any) -> None:
    run = lab.train("epochs=2")
    bad = list_checkpoints(run)[0]
    bad.file.write_bytes(bad.file.read_bytes()[:-1])
    result = measure(lab, run, splits=("val", "train"))
    assert [(row["checkpoint"], row["split"], row["new"]) for row in result["rows"]] == [
        ("a01-e0001", "val", False),
        ("a01-e0002", "val", False),
        ("a01-e0002", "train", True),
    ]
    assert [marked["checkpoint"] for marked in result["unreadable"]] == ["a01-e0001"]
    assert [marked["checkpoint"] for marked in measure(lab, run)["unreadable"]] == ["a01-e0001"]


def replace_weights(run: RunPaths, name: str, weights: dict[str, torch.Tensor]) -> None:
    """Put other weights into a checkpoint and its sidecar right."""
    import hashlib

    file = run.checkpoints / f"{name}.pt"
    content = torch.load(file, weights_only=True)
    torch.save({**content, "model": weights}, file)
    sidecar = json.loads(file.with_suffix(".json").read_text())
    sidecar |= {"bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    file.with_suffix(".json").write_text(json.dumps(sidecar))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_weights_under_a_wrappers_prefix_measure_the_same(prefix: str, lab: Any) -> None:
    run = lab.train("epochs=1")
    right = read_history(run.metrics).epochs[-1]
    weights = torch.load(run.checkpoints / "a01-e0001.pt", weights_only=True)["model"]
    replace_weights(run, "a01-e0001", {prefix + name: value for name, value in weights.items()})
    (row,) = measure(lab, run)["rows"]
    assert row["new"]
    assert row["metrics"]["accuracy"] == right["val/accuracy"]
    assert row["metrics"]["loss"] == pytest.approx(right["val/loss"], abs=1e-6)


def test_a_stopped_job_keeps_what_it_has_and_the_next_does_the_rest(lab: Any) -> None:
    run = lab.train("epochs=2")
    complete = rows(run)
    forget(run)

    def after_first_row() -> bool:
        return any(run.measures.iterdir())

    result = measure(lab, run, stop=after_first_row)
    assert result["status"] == "stopped"
    assert [row["checkpoint"] for row in result["rows"]] == ["a01-e0001"]
    assert rows(run) == {"a01-e0001-val.json": complete["a01-e0001-val.json"]}
    result = measure(lab, run)
    assert [(row["checkpoint"], row["new"]) for row in result["rows"]] == [
        ("a01-e0001", False),
        ("a01-e0002", True),
    ]
    assert rows(run) == {name: content for name, content in complete.items() if "-val" in name}


def test_a_stop_comes_within_a_split(lab: Any) -> None:
    run = lab.train("epochs=1")
    forget(run)
    asked = iter([False, False, False])
    result = measure(lab, run, batch=1, stop=lambda: next(asked, True))
    assert (result["status"], result["rows"]) == ("stopped", [])
    assert rows(run) == {}


def test_the_run_itself_stays_as_it_is(lab: Any) -> None:
    run = lab.train("epochs=1")
    forget(run)
    kept = {
        path: path.read_bytes()
        for path in run.root.rglob("*")
        if path.is_file() and path.parent not in (run.measures, run.predictions)
    }
    random = torch.get_rng_state()
    torch.manual_seed(1)
    measure(lab, run)
    torch.set_rng_state(random)
    for path, content in kept.items():
        if path.suffix != ".lock":
            assert path.read_bytes() == content, path
    assert derive_state(run).state == "finished"


def other_pictures(lab: Any, folder: Path, names: dict[str, str]) -> Path:
    """The validation images under other class names, in a folder without splits."""
    for old, new in names.items():
        shutil.copytree(lab.pictures / "val" / old, folder / new)
    return folder


def test_other_data_make_rows_of_their_own(lab: Any, tmp_path: Path) -> None:
    run = lab.train("epochs=1")
    before = rows(run)
    names = {f"class{number}": f"class{number}" for number in range(3)}
    data = other_pictures(lab, tmp_path / "others", names)
    (data / "class0" / "000.png").unlink()
    result = measure(lab, run, data=str(data))
    (row,) = result["rows"]
    assert (row["split"], row["n"], row["new"]) == ("val", 26, True)
    assert row["file"].startswith("a01-e0001-val-")
    assert rows(run) == {**before, row["file"]: (run.measures / row["file"]).read_bytes()}
    stored = read_json(run.measures / row["file"])
    assert stored is not None
    assert stored["settings"]["data"]["root"] == str(data)
    assert row["file"] == f"a01-e0001-val-{settings_key(stored['settings'])}.json"
    assert len(predicted(run, row["file"].removesuffix(".json"))["labels"]) == 26
    (again,) = measure(lab, run, data=str(data))["rows"]
    assert (again["file"], again["new"]) == (row["file"], False)


def test_the_same_images_elsewhere_are_the_same_row(lab: Any, tmp_path: Path) -> None:
    run = lab.train("epochs=1")
    copy = tmp_path / "copy"
    shutil.copytree(lab.pictures, copy)
    (row,) = measure(lab, run, data=str(copy))["rows"]
    assert (row["file"], row["new"]) == ("a01-e0001-val.json", False)


def test_classes_in_another_order_are_matched_by_name(lab: Any, tmp_path: Path) -> None:
    """The classes file turns the order round: label 0 is then class2."""
    run = lab.train("epochs=1")
    names = {f"class{number}": f"class{number}" for number in range(3)}
    data = other_pictures(lab, tmp_path / "others", names)
    (data / "classes.txt").write_text("class2\nclass1\nclass0\n")
    config = lab.workspace.root / "configs" / "data"
    config.mkdir(parents=True)
    (config / "turned.yaml").write_text(f"root: {data}\norder: file\n")
    (row,) = measure(lab, run, data="turned")["rows"]
    assert row["metrics"]["accuracy"] == read_history(run.metrics).epochs[-1]["val/accuracy"]
    labels = predicted(run, row["file"].removesuffix(".json"))
    assert list(labels["class_names"]) == ["class0", "class1", "class2"]
    assert [int(path.split("class")[1][0]) for path in labels["paths"]] == labels["labels"].tolist()


def test_other_classes_are_refused_naming_the_difference(lab: Any, tmp_path: Path) -> None:
    run = lab.train("epochs=1")
    names = {"class0": "class0", "class1": "klass1", "class2": "more"}
    data = other_pictures(lab, tmp_path / "others", names)
    error = failure(lab, run, data=str(data))
    assert error["type"] == "DataError"
    assert "it lacks class1, class2; only it has klass1, more" in error["message"]
    assert run.id in error["message"]
    with pytest.raises(DataError):
        plan_measure(lab.workspace, run, data=str(tmp_path / "nowhere"))


def test_images_that_are_gone_are_named(lab: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(lab.pictures, copy)
    run = lab.train("epochs=1", f"data={copy}")
    forget(run)
    (copy / "val" / "class1" / "003.png").unlink()
    error = failure(lab, run)
    assert "class1/003.png" in error["message"]


def test_a_run_of_a_gpu_is_measured_on_the_cpu_in_a_row_of_its_own(lab: Any) -> None:
    run = lab.train("epochs=1")
    before = rows(run)
    resolved = json.loads(run.resolved.read_text())
    write_json(run.resolved, {**resolved, "device": "cuda", "precision": "bfloat16"})
    settings = json.loads(before["a01-e0001-val.json"])
    write_json(
        run.measures / "a01-e0001-val.json",
        {**settings, "settings": {**settings["settings"], "precision": "bfloat16"}},
    )
    kept = rows(run)
    (row,) = measure(lab, run)["rows"]
    assert row["file"] != "a01-e0001-val.json"
    assert rows(run) == {**kept, row["file"]: (run.measures / row["file"]).read_bytes()}
    assert row["metrics"]["accuracy"] == settings["accuracy"]
    assert read_json(run.resolved) == {**resolved, "device": "cuda", "precision": "bfloat16"}
    (again,) = measure(lab, run)["rows"]
    assert (again["file"], again["new"]) == (row["file"], False)


def test_settings_that_are_absent_off_or_empty_are_the_same() -> None:
    plain = {"resize": 36, "mean": [0.5, 0.5, 0.5], "precision": "float32"}
    assert same_settings(plain, {**plain, "mean": (0.5, 0.5, 0.5), "tta": [], "random": False, "data": None})
    assert not same_settings(plain, {**plain, "resize": 40})
    assert settings_key(plain) == settings_key({"precision": "float32", **plain, "tta": ()})
    assert settings_key(plain) != settings_key({**plain, "tta": [[36, "plain"]]})
    assert len(settings_key(plain)) == 8


def test_measuring_leaves_intervals_beside_the_row(lab: Any) -> None:
    run = lab.train()
    of_best = read_estimates(run, "a01-e0003-val", list_checkpoints(run)[-1].sha256)
    assert of_best is not None
    assert {"accuracy", "accuracy_macro", "f1_macro", "log_loss"} <= set(of_best.metrics)
    shown = show_lines(run, measures(run))
    assert any(line.startswith("a01-e0003 val") and "accuracy" in line for line in shown)
    assert "another seed may differ" in shown[-1]
    assert show_document(run)["measures"][-1]["intervals"]["metrics"]["accuracy"]["low"] is not None
    assert [name for name, _ in best_estimates(run)] == [run.id]
    shutil.rmtree(run.intervals)
    assert show_lines(run, measures(run)) == best_estimates(run) == []
    measure(lab, run, at="2")
    assert [path.name for path in run.intervals.iterdir()] == ["a01-e0002-val.json"]
    point = list_checkpoints(run)[1]
    found = read_estimates(run, "a01-e0002-val", point.sha256)
    row = read_json(run.measures / "a01-e0002-val.json")
    assert found is not None
    assert row is not None
    assert found.metrics["accuracy"].value == pytest.approx(row["accuracy"])
    assert found.metrics["accuracy_macro"].value == pytest.approx(row["accuracy_macro"])
    # The loss is that of logits, the log loss that of the stored probabilities.
    assert found.metrics["log_loss"].value == pytest.approx(row["loss"], rel=1e-4)


@pytest.mark.parametrize("classes", [2, 6])
def test_areas_and_f1_are_those_of_torchmetrics(classes: int, tmp_path: Path) -> None:
    random = torch.Generator().manual_seed(classes)
    labels = torch.randint(classes - (classes > 2), (200,), generator=random)
    logits = torch.randn(200, classes, generator=random) + torch.nn.functional.one_hot(labels, classes)
    table = (logits.softmax(dim=1) * 50).round() / 50  # ties
    origin = Origin(tmp_path, "", "", tmp_path, tuple(map(str, range(200))), tuple(map(str, range(classes))))
    found = estimates(Errors(ClassPredictions(origin, labels.numpy(), table.numpy(), None, None, {})))
    assert found is not None
    there = [label for label in range(classes) if (labels == label).any()]
    roc = MulticlassAUROC(classes, average="none")(table, labels)[there].mean()
    precision = MulticlassAveragePrecision(classes, average="none")(table, labels)[there].mean()
    f1 = MulticlassF1Score(classes, average="macro")(table.argmax(dim=1), labels)
    assert found.metrics["roc_auc"].value == pytest.approx(float(roc), abs=1e-5)
    assert found.metrics["pr_auc"].value == pytest.approx(float(precision), abs=1e-5)
    assert found.metrics["f1_macro"].value == pytest.approx(float(f1), abs=1e-5)
