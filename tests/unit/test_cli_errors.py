"""`errors` and `predictions`: detections of another tool become a run, and what is wrong in it is told."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.analysis.errors import open_errors
from core.analysis.judged import judgement_of
from core.analysis.prediction_files import find_predictions, prediction_sets
from core.analysis.predictions import read_predictions
from core.cli.main import main
from core.config.workspace import Workspace
from core.errors import DataError, UsageError
from core.store.catalogue import find_run, summarise
from core.store.estimates import Estimate, Estimates, write_estimates
from core.store.json_documents import show_document
from core.store.judgements import judge
from core.store.paths import RunPaths

ACCENTS = "Encyonema [b] 규조 ü"
TRUTH: dict[str, Any] = {
    "images": [
        {"id": 7, "file_name": "a.png", "width": 200, "height": 200},
        {"id": 3, "file_name": "../sub/b.png", "width": 200, "height": 200},
    ],
    "categories": [{"id": 9, "name": ACCENTS}, {"id": 2, "name": "Navicula"}],
    "annotations": [
        {"id": 0, "image_id": 7, "category_id": 9, "bbox": [20, 20, 40, 40], "area": 1600, "iscrowd": 0},
        {"id": 1, "image_id": 7, "category_id": 2, "bbox": [100, 20, 40, 40]},
        {"id": 2, "image_id": 3, "category_id": 2, "bbox": [20, 120, 40, 40], "iscrowd": 1},
        {"id": 3, "image_id": 3, "category_id": 2, "bbox": [20, 20, 0, 40]},
        {"id": 4, "image_id": 99, "category_id": 2, "bbox": [20, 20, 4, 40]},
    ],
}
RESULTS = [
    {"image_id": 7, "category_id": 9, "bbox": [20, 20, 40, 40], "score": 0.9},
    {"image_id": 7, "category_id": 9, "bbox": [100, 20, 40, 40], "score": 0.7},
    {"image_id": 7, "category_id": 9, "bbox": [160, 160, 30, 30], "score": 0.3},
    {"image_id": 3, "category_id": 2, "bbox": [20, 120, 40, 40], "score": 0.8},
]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    (tmp_path / "configs").mkdir()
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (200, 200), "white").save(tmp_path / "pictures" / "a.png")
    (tmp_path / "gt.json").write_text(json.dumps(TRUTH))
    (tmp_path / "dt.json").write_text(json.dumps(RESULTS))
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def imported(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert main(["predictions", "import", "--images", "pictures", "gt.json", "dt.json", *more]) == 0
    return capsys.readouterr().out.strip()


def document(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert main([*argv, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_an_import_is_a_finished_run(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [
        "predictions",
        "import",
        "--images",
        "pictures",
        "gt.json",
        "dt.json",
        "--name",
        "theirs",
        "--json",
    ]
    assert main(argv) == 0
    captured = capsys.readouterr()
    made = json.loads(captured.out)
    assert (made["images"], made["objects"], made["boxes"]) == (2, 3, 4)
    assert made["missing"] == ["sub/b.png"]
    assert len(made["notes"]) == 2
    assert "1 of 2 images are not in pictures, such as sub/b.png" in captured.err
    run = find_run(workspace, "theirs")
    summary = summarise(run)
    assert (summary.state, summary.imported, summary.metric) == ("finished", True, "val/map")
    assert summary.best is not None
    assert summary.best.value == pytest.approx(made["ap"]["map"])
    assert show_document(run)["measures"][0]["split"] == "val"
    assert main(["show", "theirs"]) == 0
    assert main(["resume", "theirs", "--more", "1"]) == 5


def test_the_same_files_again_are_the_same_run(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = imported(capsys)
    (workspace.root / "elsewhere").mkdir()
    argv = ["predictions", "import", "--images", "elsewhere", "gt.json", "dt.json", "--json"]
    assert main(argv) == 0
    captured = capsys.readouterr()
    again = json.loads(captured.out)
    assert (again["id"], again["known"]) == (run, True)
    assert (again["images"], again["objects"], again["boxes"]) == (2, 3, 4)
    assert again["ap"]["map_50"] == pytest.approx(0.5)
    assert again["missing"] == ["sub/b.png", "a.png"]
    assert "already imported" in captured.err
    assert f"labtui errors {run} --root elsewhere" in captured.err
    (workspace.root / "gt.json").write_text(json.dumps(TRUTH) + "\n")
    assert imported(capsys) != run


def test_ids_names_and_order_of_an_import(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    errors = open_errors(find_predictions(find_run(workspace, imported(capsys))).file)
    assert errors.classes == ("Navicula", ACCENTS)
    assert errors.paths == ("sub/b.png", "a.png")
    assert errors.root == workspace.root / "pictures"
    assert errors.scene.objects.crowd.tolist() == [True, False, False]


def test_the_document(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "errors", imported(capsys))
    assert found["classes"] == ["Navicula", ACCENTS]
    assert (found["score"], found["iou"]) == (0.5, 0.5)
    assert found["matrix"] == [[0, 1], [0, 1]]
    assert (found["missed"], found["false_alarm"]) == ([0, 0], [0, 0])
    assert found["kinds"] == dict.fromkeys(
        ("duplicate", "extra_label", "loose", "loose_wrong", "background"), 0
    )
    assert found["totals"] == {"correct": 1, "confused": 1, "missed": 0, "ignored": 1}
    assert set(found["ap"]) == {"map", "map_50", "map_75"}
    assert found["ap"]["map_50"] == pytest.approx(0.5)
    row = found["per_class"][0]
    assert (row["class"], row["n_train"], row["n_val"], row["recall"]) == ("Navicula", None, 1, 0.0)
    (case,) = found["cases"]
    assert {key: case[key] for key in ("image", "truth", "prediction", "score", "iou", "kind")} == {
        "image": "a.png",
        "truth": "Navicula",
        "prediction": ACCENTS,
        "score": 0.7,
        "iou": 1.0,
        "kind": "confused",
    }
    assert case["truth_box"] == [100, 20, 140, 60]


def test_thresholds_and_cells(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = imported(capsys)
    found = document(capsys, "errors", run, "--score", "0.2", "--cases", "false_alarm", ACCENTS)
    assert [case["kind"] for case in found["cases"]] == ["background"]
    assert found["kinds"]["background"] == 1
    assert (
        document(capsys, "errors", run, "--cases", "Navicula", "missed", "--score", "0.8")["cases_total"] == 1
    )
    for words in (["1", "Missed"], ["Navicula ", "missed"], ["any", "missed"]):
        argv = ["errors", run, "--cases", *words, "--score", "0.8"]
        assert document(capsys, *argv)["cases_total"] == 1
    spelt = ("loose_wrong", "loose wrong", "Loose-Wrong")
    assert [document(capsys, "errors", run, "--kind", kind)["cases_total"] for kind in spelt] == [0, 0, 0]
    # With groups numbers are those of the grouped matrix, and a group comes before a class of its name.
    grouped = ["errors", run, "--group", "genus", "--cases"]
    assert document(capsys, *grouped, "2", "any")["cases_total"] == 1
    assert document(capsys, "errors", run, "--kind", "ignored")["cases"][0]["image"] == "sub/b.png"
    groups = document(capsys, "errors", run, "--group", "genus", "--cases", "Encyonema", "any")["groups"]
    assert groups["names"] == ["Navicula", "Encyonema"]
    assert groups["ap"]["map_50"] == pytest.approx(0.5)
    assert [(row["group"], row["n_val"], row["recall"]) for row in groups["per_group"]] == [
        ("Navicula", 1, 0.0),
        ("Encyonema", 1, 1.0),
    ]
    assert document(capsys, "errors", run, "--mistakes")["cases"][0]["kind"] == "confused"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--cases", "Navicla", "any"], "did you mean 'Navicula'?"),
        (
            ["--cases", "Encyonema", "any"],
            "there is no class 'Encyonema' in this run (with --group genus it is",
        ),
        (["--cases", "3", "any"], "there is no class '3'"),
        (["--cases", "missed", "any"], "say --cases any missed, --cases false_alarm any"),
        (["--cases", "any", "False alarm"], "say --cases any missed, --cases false_alarm any"),
        (["--kind", "wrong"], "there is no kind 'wrong'"),
        (["--kind", "false alarm"], "all false alarms: --cases false_alarm any"),
        (["--kind", "extra lable"], "did you mean 'extra_label'?"),
        (["--mistakes", "--kind", "missed"], "--mistakes and --kind cannot be combined"),
        (["--judged", "--compare", "x"], "--judged and --compare cannot be combined"),
        (["--compare-at", "2"], "give both"),
        (["--save", "gt.json"], "--save: gt.json is a file: give a new folder"),
        (["--save", "pictures"], "--save: pictures is not empty"),
        (["--split", "foo"], "of split 'foo', only of val."),
        (["--split", "train"], "--splits train` makes them"),
        (["--split", "new"], "IMAGES` makes them"),
        (["--score", "2"], "not a number from 0 to 1"),
        (["--iou", "0.05"], "is too low to mean anything"),
        (["--split", "test"], "only of val"),
        (["--at", "5"], "only of a01-e0001"),
        (["--compare", "nobody"], "nobody"),
    ],
)
def test_what_cannot_be_asked(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    assert main(["errors", imported(capsys), *more]) == 2
    assert words in capsys.readouterr().err


def test_classes_called_like_the_words(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    named = {**TRUTH, "categories": [{"id": 9, "name": "missed"}, {"id": 2, "name": "any"}]}
    (workspace.root / "gt.json").write_text(json.dumps(named))
    run = imported(capsys)
    # Sorted by id: any is the first, missed the second.
    assert document(capsys, "errors", run, "--cases", "any", "any")["cases_total"] == 2
    assert document(capsys, "errors", run, "--cases", "1", "2")["cases_total"] == 1
    assert document(capsys, "errors", run, "--cases", "any", "missed")["cases_total"] == 0
    assert main(["errors", run, "--cases", "missed", "any"]) == 2
    assert "class 2 is called that: say its number" in capsys.readouterr().err


def test_groups_of_two_runs_are_compared(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    sisters = {**TRUTH, "categories": [{"id": 9, "name": "Navicula a"}, {"id": 2, "name": "Navicula b"}]}
    (workspace.root / "gt.json").write_text(json.dumps(sisters))
    first = imported(capsys)
    (workspace.root / "dt.json").write_text(json.dumps([*RESULTS, RESULTS[-1]]))
    second = imported(capsys)
    assert document(capsys, "errors", first, "--compare", second)["compare"]["counts"]["both_right"] == 1
    found = document(capsys, "errors", first, "--compare", second, "--group", "genus")["compare"]
    assert found["counts"]["both_right"] == 2
    assert (found["group"], [row["class"] for row in found["per_class"]]) == ("genus", ["Navicula"])


def test_text_for_people(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = imported(capsys)
    assert main(["errors", run]) == 0
    text = capsys.readouterr().out
    assert "2 images, 2 objects, 3 predictions at score >= 0.5, IoU >= 0.5" in text
    assert "correct 1, confused 1, missed 0" in text
    assert "the score threshold does not matter" in text
    assert ACCENTS in text
    assert main(["errors", run, "--cases", "Navicula", "any", "--score", "0.1"]) == 0
    assert "a.png" in capsys.readouterr().out
    capsys.readouterr()
    assert main(["errors", run, "--group", "genus"]) == 0
    text = capsys.readouterr().out
    assert "most confused with" in text
    assert "by group: map 0.5000, map_50 0.5000, map_75 0.5000 (recomputed with groups" in text
    assert main(["errors", run, "--agnostic-nms", "0.5", "--score", "0.1"]) == 0
    changes = (
        "boxes 4 -> 4, extra label 0 -> 0, duplicate 0 -> 0, correct 1 -> 1, confused 1 -> 1, missed 0 -> 0"
    )
    assert f"class-agnostic NMS 0.5, before -> after: {changes}" in capsys.readouterr().out
    for more in (["--group", "two"], ["--agnostic-nms", "0.5"], ["--mistakes"]):
        assert main(["errors", run, *more]) == 0


def test_a_comparison(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    first = imported(capsys)
    better = [dict(item) for item in RESULTS]
    better[1]["category_id"] = 2
    (workspace.root / "dt.json").write_text(json.dumps(better))
    second = imported(capsys)
    found = document(capsys, "errors", first, "--compare", second)["compare"]
    assert found["counts"] == {"fixed": 1, "broken": 0, "still_wrong": 0, "both_right": 1}
    assert found["fixed"][0]["second_prediction"] == "Navicula"
    assert found["intervals"]["map"]["difference"] == pytest.approx(0.5)
    assert found["confidence"] == 0.95
    assert {item["verdict"] for item in found["per_class"]} <= {"too_few", "nothing"}
    assert found["intervals"]["map"]["p"] is found["mcnemar_p"] is None
    assert main(["errors", first, "--compare", second]) == 0
    text = capsys.readouterr().out
    assert "fixed 1, broken 0" in text
    assert "at score >= 0.5, IoU >= 0.5:" in text
    assert "too few images (1) to tell" in text
    assert "2 on fewer than 5 images: too few to tell" in text
    assert "more than chance" not in text
    nms = ["--agnostic-nms", "0.4"]
    assert document(capsys, "errors", first, "--compare", second, *nms)["compare"]["agnostic_nms"] == 0.4
    assert main(["errors", first, "--compare", second, *nms]) == 0
    assert "class-agnostic NMS 0.4 on both sides:" in capsys.readouterr().out


def test_intervals_stand_beside_the_numbers(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    name = imported(capsys)
    assert document(capsys, "errors", name)["intervals"] is None
    run = RunPaths(workspace.runs / name)
    (file,) = run.predictions.iterdir()
    sha256 = read_predictions(file).origin.sha256
    write_estimates(run, file.stem, sha256, Estimates(2, 0.95, 1000, {"map": Estimate(0.5, 0.25, 0.75, 0.0)}))
    found = document(capsys, "errors", name)["intervals"]
    assert (found["of"], found["images"], found["metrics"]["map"]["high"]) == ("images", 2, 0.75)
    assert main(["errors", name]) == 0
    text = capsys.readouterr().out
    assert "0.2500 to 0.7500" in text
    assert (
        "intervals over images (1000 bootstrap draws, bias removed): another seed may differ by more" in text
    )


def test_pictures_are_saved_once(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = imported(capsys)
    assert main(["errors", run, "--score", "0.2", "--save", "out"]) == 0
    names = sorted(path.name for path in (workspace.root / "out").iterdir())
    assert names == ["case-0001-confused.png", "case-0002-background.png", "matrix.png"]
    assert main(["errors", run, "--save", "out"]) == 2
    assert "not empty" in capsys.readouterr().err


def test_a_root_is_told_once(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = imported(capsys)
    (workspace.root / "pictures").rename(workspace.root / "moved")
    assert main(["errors", run, "--save", "one"]) == 0
    assert "images of 1 cases are not in" in capsys.readouterr().err
    (workspace.root / "empty").mkdir()
    assert main(["errors", run, "--root", "empty"]) == 3
    assert "empty has no image sub/b.png" in capsys.readouterr().err
    moved = str(workspace.root / "moved")
    assert document(capsys, "errors", run, "--root", "moved")["image_root"] == moved
    assert document(capsys, "errors", run)["image_root"] == moved
    assert main(["errors", run, "--save", "two"]) == 0
    assert "are not in" not in capsys.readouterr().err


def test_judgements_are_listed_and_saved(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = find_run(workspace, imported(capsys))
    source = find_predictions(run)
    view = open_errors(source.file).at(0.5)
    judge(run, source.file, judgement_of(view, view.cases(kind="confused")[0], "label wrong", "=sum"))
    assert document(capsys, "errors", run.id, "--judged")["judgements"][0]["verdict"] == "label wrong"
    assert main(["errors", run.id, "--judged"]) == 0
    assert "'=sum" in capsys.readouterr().out
    assert main(["errors", run.id, "--judged", "--save", "out"]) == 0
    saved = json.loads((workspace.root / "out" / "annotations.json").read_text())
    assert [item["category_id"] for item in saved["annotations"]] == [9, 9]
    assert (workspace.root / "out" / "voc" / "a.xml").is_file()
    (workspace.root / "pictures" / "annotations.json").write_text(json.dumps(saved))
    (workspace.root / "set").mkdir()
    (workspace.root / "out" / "voc").rename(workspace.root / "set" / "Annotations")
    (workspace.root / "pictures").rename(workspace.root / "set" / "JPEGImages")
    for data in ("set", "set/JPEGImages"):
        capsys.readouterr()
        assert main(["data", "check", data]) == 0
        captured = capsys.readouterr()
        assert "0 repaired, 0 dropped, 0 warnings" in captured.out
        assert "1 image, 2 objects" in captured.out


def test_export_gives_back_what_was_imported(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = imported(capsys)
    assert main(["predictions", "export", run]) == 0
    records = json.loads(capsys.readouterr().out)
    key = lambda item: (item["image_id"], -item["score"])  # noqa: E731
    assert sorted(records, key=key) == sorted(RESULTS, key=key)
    assert main(["predictions", "export", run, "--out", "o.json", "--truth", "t.json"]) == 0
    truth = json.loads((workspace.root / "t.json").read_text())
    assert {item["id"]: item["file_name"] for item in truth["images"]} == {3: "sub/b.png", 7: "a.png"}
    assert [item["iscrowd"] for item in truth["annotations"]] == [1, 0, 0]
    assert main(["predictions", "export", run, "--out", "o.json"]) == 2
    capsys.readouterr()
    for files, words in (
        (["--out", "new.json", "--truth", "new.json"], "--out and --truth are both new.json"),
        (["--out", "none/o.json", "--truth", "new.json"], "there is no folder"),
    ):
        assert main(["predictions", "export", run, *files]) == 2
        assert words in capsys.readouterr().err
        assert not (workspace.root / "new.json").exists()
    capsys.readouterr()
    argv = ["predictions", "import", "--images", "pictures", "t.json", "o.json", "--json"]
    assert main(argv) == 0
    again = json.loads(capsys.readouterr().out)
    first, second = (document(capsys, "errors", name) for name in (run, again["id"]))
    assert first["matrix"] == second["matrix"]
    assert first["ap"] == second["ap"]


@pytest.mark.parametrize("name", ["coco_val2014_100", "cartucho_map"])
def test_public_sets(
    name: str,
    workspace: Workspace,
    reference: ModuleType,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for file, path in zip(reference.FILES[name], ("gt.json", "dt.json"), strict=True):
        (workspace.root / path).write_text(json.dumps(reference.document(f"{name}/{file}")))
    run = imported(capsys)
    wanted = reference.expected(name)
    for score, values in wanted["matrix_iou_0_5"].items():
        found = document(capsys, "errors", run, "--score", score)
        kinds = {**found["kinds"], **found["totals"]}
        words = {"tp": "correct", "localization": "loose", "both": "loose_wrong"}
        for kind, count in values["kinds"].items():
            assert kinds[words.get(kind, kind)] == count
        names = [*found["classes"], "background"]
        rows = [[*row, lost] for row, lost in zip(found["matrix"], found["missed"], strict=True)]
        table = np.array([*rows, [*found["false_alarm"], 0]])
        cells = {(names[row], names[column]): int(table[row, column]) for row, column in np.argwhere(table)}
        assert cells == {(row, column): count for row, column, count in values["nonzero_cells_gt_pred_count"]}
        assert found["tide"]["counts"] == values["tidecv_counts"]
        assert found["cases_total"] == sum(kinds.values()) - kinds["correct"] - kinds["ignored"]
        numbers = [found["summary"][key] for key in ("map", "map_50", "map_75", "mar_1", "mar_100")]
        stats = wanted["stats12"]
        assert numbers == pytest.approx([stats[0], stats[1], stats[2], stats[6], stats[8]], abs=1e-9)
        for row in found["per_class"]:
            for key, theirs in (("ap", "ap"), ("ap_50", "ap50")):
                value = wanted["per_class"][row["class"]][theirs]
                assert row[key] == (None if value is None else pytest.approx(value, abs=1e-6))


@pytest.mark.parametrize(
    ("truth", "results", "words"),
    [
        ({}, RESULTS, "no list"),
        (TRUTH, {}, "expected a list"),
        (TRUTH, [{**RESULTS[0], "image_id": 1}], "of images that are not in the annotations (id 1)"),
        (TRUTH, [{**RESULTS[0], "category_id": 1}], "of classes that are not in them (id 1)"),
        ({**TRUTH, "images": [TRUTH["images"][0]] * 2}, RESULTS, "image id 7 is given to"),
        ({**TRUTH, "categories": [{"id": 1}]}, RESULTS, "no id or no name"),
    ],
)
def test_files_that_do_not_fit(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], truth: Any, results: Any, words: str
) -> None:
    (workspace.root / "gt.json").write_text(json.dumps(truth))
    (workspace.root / "dt.json").write_text(json.dumps(results))
    assert main(["predictions", "import", "--images", "pictures", "gt.json", "dt.json"]) == 3
    assert words in capsys.readouterr().err
    assert not list((workspace.root / "runs").glob("*")) if (workspace.root / "runs").exists() else True


def test_nothing_found_at_all(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.root / "dt.json").write_text("[]")
    found = document(capsys, "errors", imported(capsys))
    assert found["missed"] == [1, 1]
    assert found["ap"]["map"] == 0


def test_predictions_are_found_by_checkpoint_and_split(tmp_path: Path) -> None:
    run = RunPaths(tmp_path / "20261125-080000-demo-1a2b")
    run.predictions.mkdir(parents=True)
    with pytest.raises(DataError, match="labtui measure"):
        find_predictions(run)
    names = "a01-e0001-val a01-e0005-val a01-e0005-train a01-e0005-val-0123abcd a02-e0006-new-0001"
    for name in names.split():
        (run.predictions / f"{name}.npz").write_bytes(b"")
    (run.predictions / "a01-e0001-val.judged.json").write_text("{}")
    assert len(prediction_sets(run)) == 5
    assert find_predictions(run).checkpoint == "a01-e0005"
    assert find_predictions(run).key == ""
    assert find_predictions(run, "1").file.name == "a01-e0001-val.npz"
    assert find_predictions(run, split="new").key == "0001"
    assert find_predictions(run, "a01-e0005", "train").split == "train"
    with pytest.raises(UsageError, match="only of a01-e0001, a01-e0005"):
        find_predictions(run, "7")
