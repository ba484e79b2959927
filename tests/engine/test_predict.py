"""`labtui predict` as its process does it: new images give a set like a validation pass leaves."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.engine.stop import StopFlag
from core.errors import UsageError
from core.evaluate.plan import plan_predict
from core.evaluate.worker import run_job
from core.store.files import read_json
from core.store.jobs import begin_job, create_job
from core.store.paths import JobPaths, RunPaths


def predict(run: RunPaths, *images: str | Path, at: str | None = None, code: int = 0) -> JobPaths:
    plan = plan_predict(run, [str(image) for image in images], at=at)
    job = create_job(run, "predict", plan.content)
    begin_job(job, slot="cpu0", threads=1)
    assert run_job(run, job, StopFlag(job.stop)) == code, job.error.read_text() if job.error.exists() else ""
    return job


def loaded(run: RunPaths, name: str) -> dict[str, Any]:
    with np.load(run.predictions / f"{name}.npz", allow_pickle=False) as saved:
        return {key: saved[key] for key in saved.files}


@pytest.mark.parametrize("tta", ["[]", "[hflip, 36]"])
def test_known_images_get_the_probabilities_that_measuring_gave(tta: str, lab: Any) -> None:
    run = lab.train("epochs=1", f"augment.tta={tta}")
    val = loaded(run, "a01-e0001-val")
    predict(run, lab.pictures / "val")
    new = loaded(run, "a01-e0001-new-0001")
    assert str(new["root"]) == str(lab.pictures / "val")
    measured = dict(zip(val["paths"].tolist(), val["probabilities"], strict=True))
    assert new["paths"].tolist() == sorted(path.removeprefix("val/") for path in measured)
    for path, row in zip(new["paths"].tolist(), new["probabilities"], strict=True):
        np.testing.assert_allclose(row, measured[f"val/{path}"], atol=1e-6)
    assert new["class_names"].tolist() == ["class0", "class1", "class2"]
    assert "labels" not in new
    assert ("tta_probabilities" in new) == (tta != "[]")
    sidecar = read_json(run.predictions / "a01-e0001-new-0001.json")
    assert sidecar is not None
    assert (sidecar["checkpoint"], sidecar["sha256"]) == ("a01-e0001", str(new["sha256"]))
    shown = new["tta_probabilities" if tta != "[]" else "probabilities"]
    for item, path, row in zip(sidecar["images"], new["paths"], shown, strict=True):
        assert item["path"] == path
        assert [top["class"] for top in item["top"]] == [f"class{place}" for place in np.argsort(-row)]
        assert [top["probability"] for top in item["top"]] == sorted(row.tolist(), reverse=True)


def test_each_job_leaves_a_set_of_its_own(lab: Any) -> None:
    run = lab.train("epochs=2")
    image = lab.pictures / "test" / "class1" / "000.png"
    first, second = predict(run, image, at="1"), predict(run, image, image, at="last")
    assert first.number != second.number
    names = sorted(path.name for path in run.predictions.iterdir() if "-new-" in path.name)
    assert names == [
        "a01-e0001-new-0001.json",
        "a01-e0001-new-0001.npz",
        "a01-e0002-new-0002.json",
        "a01-e0002-new-0002.npz",
    ]
    assert loaded(run, "a01-e0002-new-0002")["paths"].tolist() == ["000.png"]


def test_broken_files_are_named_and_the_others_predicted(lab: Any, tmp_path: Path) -> None:
    run = lab.train("epochs=1")
    folder = tmp_path / "new"
    shutil.copytree(lab.pictures / "test" / "class0", folder / "some")
    (folder / "some" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (folder / "empty.jpg").touch()
    Image.new("L", (50, 40)).save(folder / "grey.png")
    (folder / "notes.txt").write_text("no image")
    (folder / "phone.HEIC").write_bytes(b"x")
    Image.effect_noise((64, 64), 90).save(folder / "cut.jpg")
    data = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    os.link(folder / "grey.png", os.path.join(os.fsencode(folder), b"\xb0\xed.png"))
    job = predict(run, folder, lab.pictures / "test" / "class1" / "001.png")
    result = read_json(job.result)
    assert result is not None
    assert sorted(Path(item["path"]).name for item in result["skipped"]) == [
        "\\xb0\\xed.png",
        "broken.png",
        "empty.jpg",
        "phone.HEIC",
    ]
    assert all(Path(item["path"]).name in item["reason"] for item in result["skipped"])
    assert len(result["images"]) == 5 + 1 + 1 + 1
    (damaged,) = result["damaged"]
    assert damaged["reason"].endswith("cut.jpg: it is cut off; the missing part is grey")
    new = loaded(run, "a01-e0001-new-0001")
    root = str(new["root"])
    assert all(os.path.isfile(os.path.join(root, path)) for path in new["paths"])
    assert new["probabilities"].shape == (8, 3)


def test_only_broken_files_is_an_error_that_names_one(lab: Any, tmp_path: Path) -> None:
    run = lab.train("epochs=1")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    job = predict(run, broken, code=1)
    error = read_json(job.error)
    assert error is not None
    assert error["type"] == "DataError"
    assert str(broken) in error["message"]
    assert not [path for path in run.predictions.iterdir() if "-new-" in path.name]


def test_paths_that_are_not_there_are_refused_before_a_job(lab: Any, tmp_path: Path) -> None:
    run = lab.train("epochs=1")
    (tmp_path / "none").mkdir()
    for path, words in ((tmp_path / "gone.png", "no file or folder"), (tmp_path / "none", "no images in it")):
        with pytest.raises(UsageError, match=words):
            plan_predict(run, [str(path)])
    assert not run.jobs.exists()


def test_a_stopped_job_keeps_the_images_that_were_looked_at(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.evaluate.predict._CHUNK", 4)
    run = lab.train("epochs=1")
    job = create_job(run, "predict", plan_predict(run, [str(lab.pictures / "val")]).content)
    begin_job(job, slot="cpu0", threads=1)
    asked = iter([False, False])
    assert run_job(run, job, lambda: next(asked, True)) == 0  # type: ignore[arg-type]
    result = read_json(job.result)
    assert result is not None
    assert (result["status"], len(result["images"])) == ("stopped", 8)
    assert len(loaded(run, "a01-e0001-new-0001")["paths"]) == 8
