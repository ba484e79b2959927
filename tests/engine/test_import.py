"""The lab's old `.pth` files become finished runs that can be measured; nothing of theirs is executed."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from core.config.load import parse_experiment
from core.config.schema import DataConfig
from core.config.workspace import Workspace
from core.engine.checkpoint import read_checkpoint
from core.engine.stop import StopFlag
from core.errors import CheckpointError, DataError, StateError, UsageError
from core.evaluate.import_checkpoints import Wish, import_files, main
from core.evaluate.lab_checkpoint import read_name
from core.evaluate.plan import plan_measure
from core.evaluate.worker import run_job
from core.launch.plan import plan_resume
from core.models.registry import build_model
from core.store.checkpoints import choose, list_checkpoints, verify
from core.store.files import read_json
from core.store.jobs import begin_job, create_job
from core.store.metrics import read_history
from core.store.paths import RunPaths
from core.store.runs import read_meta
from core.store.state import derive_state
from core.store.summary import summarise

CLASSES = ("class0", "class1", "class2")


def network(model: str, classes: int, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    text = json.dumps({"data": {"root": "/nowhere"}, "model": model})
    return build_model(parse_experiment(text, Path("config")), classes)


def foreign_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tensors in the same order under names of somebody else's."""
    return {
        f"net.part{place}.{name.rpartition('.')[2]}": value
        for place, (name, value) in enumerate(state.items())
    }


def lab_file(
    path: Path, model: nn.Module, epoch: int, *, logs: object = None, momentum: bool = True, **more: object
) -> Path:
    """As the lab's trainer saved: state_dict, optimizer, epoch, logs of four lists."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    if momentum:
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 0.5)
        with torch.no_grad():
            kept = [parameter.clone() for parameter in model.parameters()]
            optimizer.step()
            for parameter, value in zip(model.parameters(), kept, strict=True):
                parameter.copy_(value)
    content = {
        "state_dict": foreign_names(model.state_dict()),
        "optimizer": optimizer.state_dict(),
        "epoch": epoch,
        "logs": curves(epoch) if logs is None else logs,
        **more,
    }
    torch.save(content, path)
    return path


def curves(epochs: int) -> list[list[float]]:
    """train loss, train accuracy, validation loss, validation accuracy."""
    steps = range(1, epochs + 1)
    return [
        [scale * (1 + sign * at / 100) for at in steps]
        for scale, sign in ((2, -1), (0.2, 1), (1.9, -1), (0.3, 1))
    ]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "lab" / "runs").mkdir(parents=True)
    return Workspace(tmp_path / "lab")


def test_names_say_model_scales_and_epoch() -> None:
    name = read_name(Path("model/c_m_36_44_f_40_ep_30.pth"))
    assert (name.series, name.model, name.scale) == ("c_m_36_44_f_40", "tinyvgg_c", (36, 44))
    assert (name.test_scale, name.epoch) == (40, 30)
    name = read_name(Path("a_f_36_f_36_ep_15.pth"))
    assert (name.model, name.scale, name.test_scale, name.epoch) == ("tinyvgg_a", 36, 36, 15)
    name = read_name(Path("TinyVGGCIFAR10_v4_chk_0.pth"))
    assert (name.series, name.model, name.epoch) == ("TinyVGGCIFAR10_v4_chk_0", "tinyvgg_v4", None)
    assert read_name(Path("weights_ep_7.pth")).epoch == 7


def test_a_series_is_one_run_with_the_joined_curve(workspace: Workspace, tmp_path: Path) -> None:
    models = {epoch: network("tinyvgg_c", 10, seed=epoch) for epoch in (15, 20, 30)}
    files = [
        lab_file(tmp_path / f"c_m_36_44_f_40_ep_{epoch}.pth", models[epoch], epoch) for epoch in (30, 15, 20)
    ]
    (made,) = import_files(Wish(workspace, tuple(files), name="old c"))
    run = made.run
    assert derive_state(run).state == "finished"
    summary = summarise(run)
    assert (summary.name, summary.model, summary.epoch, summary.epochs) == ("old c", "tinyvgg_c", 30, 30)
    assert [point.epoch for point in list_checkpoints(run)] == [15, 20, 30]
    assert all(verify(point) is None for point in list_checkpoints(run))
    rows = read_history(run.metrics).epochs
    assert [row["epoch"] for row in rows] == list(range(1, 31))
    expected = curves(30)
    for place, name in enumerate(("train/loss", "train/accuracy", "val/loss_random", "val/accuracy_random")):
        assert [row[name] for row in rows] == expected[place]
    assert summary.best is not None
    assert (summary.best.metric, summary.best.epoch) == ("val/accuracy_random", 30)
    assert choose(run, "best").epoch == 30
    experiment = parse_experiment(run.config.read_text(), run.config)
    assert experiment.augment.scale == (36, 44)
    assert (experiment.augment.test_scale, experiment.batch, experiment.scheduler.name) == (40, 32, "plateau")
    assert experiment.data.classes == (
        *("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    )
    for point in list_checkpoints(run):
        content = read_checkpoint(run, point)
        for (name, ours), theirs in zip(
            content["model"].items(), models[point.epoch].state_dict().values(), strict=True
        ):
            assert torch.equal(ours, theirs), name
        buffers = [kept["momentum_buffer"] for kept in content["optimizer"]["state"].values()]
        assert len(buffers) == len(list(models[15].parameters()))
        assert all(torch.equal(buffer, torch.full_like(buffer, 0.5)) for buffer in buffers)
        assert content["optimizer"]["param_groups"][0]["lr"] == 0.01
    spec = read_json(run.spec)
    assert spec is not None
    assert spec["imported"] is True
    with pytest.raises(StateError, match="imported, read-only: start a new run with weights"):
        plan_resume(run, more=5)


def test_curves_in_pieces_are_joined_and_disagreement_is_said(workspace: Workspace, tmp_path: Path) -> None:
    whole = curves(20)
    model = network("tinyvgg_a", 10)
    first = lab_file(tmp_path / "a_f_36_f_36_ep_15.pth", model, 15, logs=[part[:15] for part in whole])
    pieces = [part[15:] for part in whole]
    second = lab_file(tmp_path / "a_f_36_f_36_ep_20.pth", model, 20, logs=pieces)
    (made,) = import_files(Wish(workspace, (first, second)))
    rows = read_history(made.run.metrics).epochs
    assert [row["train/loss"] for row in rows] == whole[0]
    other = lab_file(tmp_path / "b_f_36_f_36_ep_15.pth", network("tinyvgg_b", 10), 15)
    changed = [[value + 1 for value in part] for part in curves(20)]
    newer = lab_file(tmp_path / "b_f_36_f_36_ep_20.pth", network("tinyvgg_b", 10), 20, logs=changed)
    (made,) = import_files(Wish(workspace, (other, newer)))
    assert read_history(made.run.metrics).epochs[0]["train/loss"] == changed[0][0]
    assert any("differ on epochs 1 to 15" in note for note in made.notes)


def test_several_series_are_several_runs_and_the_same_files_no_second_one(
    workspace: Workspace, tmp_path: Path
) -> None:
    files = tuple(
        lab_file(tmp_path / f"{arch}_f_36_f_36_ep_5.pth", network(f"tinyvgg_{arch}", 10), 5) for arch in "ab"
    )
    made = import_files(Wish(workspace, files))
    assert [item.run.id.split("-", 2)[2].rpartition("-")[0] for item in made] == [
        "a_f_36_f_36",
        "b_f_36_f_36",
    ]
    again = import_files(Wish(workspace, files))
    assert [item.run.id for item in again] == [item.run.id for item in made]
    assert all(item.known for item in again)
    with pytest.raises(UsageError, match="2 series"):
        import_files(Wish(workspace, files, name="x"))


def test_the_v4_file_has_no_curve_and_its_best_is_only_a_note(workspace: Workspace, tmp_path: Path) -> None:
    model = network("tinyvgg_v4", 10)
    path = tmp_path / "TinyVGGCIFAR10_v4_chk_0.pth"
    torch.save({"model_state_dict": foreign_names(model.state_dict()), "best_val_acc": 0.80761}, path)
    (made,) = import_files(Wish(workspace, (path,)))
    assert summarise(made.run).model == "tinyvgg_v4"
    assert summarise(made.run).best is None
    assert "best_val_acc 0.8076" in read_meta(made.run)["note"]
    assert choose(made.run, "last").metrics == {}
    assert any("kept as epoch 1" in note for note in made.notes)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_of_wrappers_are_removed(prefix: str, workspace: Workspace, tmp_path: Path) -> None:
    model = network("tinyvgg_a", 10)
    state = {prefix + name: value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "a_f_36_f_36_ep_1.pth")
    (made,) = import_files(Wish(workspace, (tmp_path / "a_f_36_f_36_ep_1.pth",)))
    content = read_checkpoint(made.run, choose(made.run, "last"))
    assert list(content["model"]) == list(model.state_dict())


def test_what_does_not_fit_is_refused_naming_the_shapes(workspace: Workspace, tmp_path: Path) -> None:
    path = lab_file(tmp_path / "a_f_36_f_36_ep_2.pth", network("tinyvgg_d", 10), 2)
    with pytest.raises(CheckpointError, match=r"shape 8x8x3x3.*shape 16x8x3x3.*It fits tinyvgg_d") as raised:
        import_files(Wish(workspace, (path,)))
    assert str(path) in str(raised.value)
    (made,) = import_files(Wish(workspace, (path,), model="tinyvgg_d"))
    assert summarise(made.run).model == "tinyvgg_d"
    with pytest.raises(UsageError, match="no model 'tinyvgg_x'"):
        import_files(Wish(workspace, (path,), model="tinyvgg_x"))
    torch.save({"state_dict": {"weight": torch.zeros(3, 4)}}, tmp_path / "odd.pth")
    with pytest.raises(UsageError, match="no TinyVGG fits it: give --model"):
        import_files(Wish(workspace, (tmp_path / "odd.pth",)))
    with pytest.raises(UsageError, match="distinguishes 10 classes, --classes names 2"):
        import_files(Wish(workspace, (path,), model="tinyvgg_d", classes=("a", "b")))
    assert [run.name for run in workspace.runs.iterdir() if not run.name.startswith(".")] == [made.run.id]


def test_numbers_of_numpy_in_the_logs_are_read(workspace: Workspace, tmp_path: Path) -> None:
    logs = [[np.float64(value) for value in part] for part in curves(3)]
    logs[1] = [np.float32(0.5)] * 3
    logs[2] = [torch.tensor(0.25)] * 3
    path = lab_file(tmp_path / "a_f_36_f_36_ep_3.pth", network("tinyvgg_a", 10), 3, logs=logs)
    (made,) = import_files(Wish(workspace, (path,)))
    row = read_history(made.run.metrics).epochs[-1]
    assert (row["train/accuracy"], row["val/loss_random"]) == (0.5, 0.25)


class Malicious:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def test_pickled_code_is_refused_in_words_and_never_run(workspace: Workspace, tmp_path: Path) -> None:
    model = network("tinyvgg_a", 10)
    evil = lab_file(
        tmp_path / "a_f_36_f_36_ep_1.pth", model, 1, extra=Malicious(f"touch {tmp_path / 'owned'}")
    )
    with pytest.raises(CheckpointError, match="could run code") as raised:
        import_files(Wish(workspace, (evil,)))
    assert str(evil) in str(raised.value)
    whole = tmp_path / "b_f_36_f_36_ep_1.pth"
    torch.save(model, whole)
    with pytest.raises(CheckpointError, match="could run code"):
        import_files(Wish(workspace, (whole,)))
    assert not (tmp_path / "owned").exists()
    assert [path for path in workspace.runs.iterdir() if not path.name.startswith(".")] == []


@pytest.mark.parametrize("content", [b"", b"not a file of torch", None])
def test_broken_files_are_named(content: bytes | None, workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "a_f_36_f_36_ep_1.pth"
    if content is None:
        lab_file(path, network("tinyvgg_a", 10), 1)
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=str(path)):
        import_files(Wish(workspace, (path,)))


def test_an_imported_run_is_measured_like_the_run_it_came_from(lab: Any, tmp_path: Path) -> None:
    trained: RunPaths = lab.train("epochs=1", "augment={scale: 36, pad_crop: null}")
    content = read_checkpoint(trained, choose(trained, "last"))
    path = tmp_path / "a_f_36_f_36_ep_1.pth"
    torch.save({"state_dict": foreign_names(content["model"]), "epoch": 1}, path)
    data = DataConfig(root=lab.pictures)
    (with_data,) = import_files(Wish(lab.workspace, (path,), data=data))
    expected = read_history(trained.metrics).epochs[-1]
    plan = plan_measure(lab.workspace, with_data.run)
    assert measured(with_data.run, plan.content)["accuracy"] == expected["val/accuracy"]

    copy = tmp_path / "copy" / "a_f_36_f_36_ep_1.pth"
    copy.parent.mkdir()
    torch.save({"state_dict": content["model"], "epoch": 1, "note": "another file"}, copy)
    (without,) = import_files(Wish(lab.workspace, (copy,), classes=CLASSES))
    with pytest.raises(StateError, match="no data set: give --data"):
        plan_measure(lab.workspace, without.run)
    plan = plan_measure(lab.workspace, without.run, data=str(lab.pictures))
    row = measured(without.run, plan.content)
    assert row["accuracy"] == expected["val/accuracy"]
    assert row["loss"] == pytest.approx(expected["val/loss"], abs=1e-5)
    with pytest.raises(DataError, match="other classes"):
        import_files(Wish(lab.workspace, (path,), data=data, classes=("class0", "class1", "other")))


def test_the_test_images_are_the_validation_as_the_lab_had_it(lab: Any, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for split in ("train", "test"):
        shutil.copytree(lab.pictures / split, data / split)
    path = lab_file(tmp_path / "a_f_36_f_36_ep_1.pth", network("tinyvgg_a", 3), 1)
    (made,) = import_files(Wish(lab.workspace, (path,), data=DataConfig(root=data)))
    stored = read_json(made.run.split)
    assert stored is not None
    assert {name: len(files["paths"]) for name, files in stored["splits"].items()} == {"train": 51, "val": 15}
    assert all(item.startswith("test/") for item in stored["splits"]["val"]["paths"])
    copy = lab_file(tmp_path / "b_f_36_f_36_ep_1.pth", network("tinyvgg_b", 3), 1)
    (without,) = import_files(Wish(lab.workspace, (copy,), classes=CLASSES))
    plan = plan_measure(lab.workspace, without.run, data=str(data))
    assert measured(without.run, plan.content)
    row = read_json(next(without.run.measures.iterdir()))
    assert row is not None
    assert row["n"] == 15


def measured(run: RunPaths, content: dict[str, Any]) -> dict[str, Any]:
    """The metrics of the one row that a measuring job makes."""
    job = create_job(run, "measure", content)
    begin_job(job, slot="cpu0", threads=1)
    assert run_job(run, job, StopFlag(job.stop)) == 0, job.error.read_text() if job.error.exists() else ""
    result = read_json(job.result)
    assert result is not None
    (row,) = result["rows"]
    metrics: dict[str, Any] = row["metrics"]
    return metrics


def test_the_process_answers_with_one_document(workspace: Workspace, tmp_path: Path) -> None:
    path = lab_file(tmp_path / "a_f_36_f_36_ep_2.pth", network("tinyvgg_a", 10), 2)
    command = [sys.executable, "-P", "-m", "core.evaluate.import_checkpoints"]
    asked = json.dumps({"workspace": str(workspace.root), "files": [str(path)]})
    ended = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=120, check=True)
    assert len(json.loads(ended.stdout)["runs"]) == 1


def test_an_error_is_a_document_with_the_code(
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = json.dumps({"workspace": str(workspace.root), "files": [str(tmp_path / "none.pth")]})
    monkeypatch.setattr(sys, "stdin", io.StringIO(asked))
    assert main() == 0
    document = json.loads(capsys.readouterr().out)
    assert document["code"] == 4
    assert "none.pth" in document["error"]
