"""Judgements: kept beside the predictions, written out as CSV and as boxes to mend; likely mistakes."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from core.analysis.errors import View
from core.analysis.judged import as_coco, as_csv, as_voc, judgement_of
from core.analysis.label_errors import likely_mistakes
from core.cli.error_document import case_documents
from core.cli.error_lines import case_lines
from core.errors import DataError, UsageError
from core.store.judgements import Judgement, judge, judgements_path, read_judgements
from core.store.paths import FORMAT, RunPaths


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    run = RunPaths(tmp_path / "runs" / "20261125-080000-demo-1a2b")
    run.predictions.mkdir(parents=True)
    run.spec.write_text(f'{{"format": {FORMAT}}}')
    return run


@pytest.fixture
def predictions(run: RunPaths) -> Path:
    return run.predictions / "a01-e0001-val.npz"


@pytest.fixture
def view(error_files: ModuleType) -> View:
    found: View = error_files.boxed(*error_files.example()).at(0.5)
    return found


def test_a_judgement_is_kept_replaced_and_taken_back(run: RunPaths, predictions: Path, view: View) -> None:
    (case,) = view.cases(1, 0)
    judge(run, predictions, judgement_of(view, case, "label wrong", "a valve\x1b[31m view"))
    (kept,) = read_judgements(predictions).values()
    assert (kept.verdict, kept.truth, kept.predicted) == (
        "label wrong",
        view.errors.classes[1],
        view.errors.classes[0],
    )
    assert "\x1b" not in kept.note
    assert kept.truth_box == kept.predicted_box == (100, 120, 140, 160)
    assert kept.time > 0
    judge(run, predictions, judgement_of(view, case, "unclear"))
    assert [item.verdict for item in read_judgements(predictions).values()] == ["unclear"]
    judge(run, predictions, judgement_of(view, case))
    assert read_judgements(predictions) == {}


def test_a_judgement_stays_when_the_threshold_moves(run: RunPaths, predictions: Path, view: View) -> None:
    (case,) = view.cases(3, 0, "duplicate")
    judge(run, predictions, judgement_of(view, case, "model wrong"))
    (again,) = view.errors.at(0.6).cases(3, 0, "duplicate")
    assert judgement_of(view, again).key in read_judgements(predictions)


def test_cases_of_an_image_are_told_apart(view: View) -> None:
    keys = [judgement_of(view, case).key for case in view.cases()]
    assert len(set(keys)) == len(keys) == 8


def test_what_cannot_be_judged(run: RunPaths, predictions: Path) -> None:
    with pytest.raises(UsageError, match="'wrong' is not a judgement: use model wrong, label wrong, unclear"):
        judge(run, predictions, Judgement("a.png", "wrong"))
    with pytest.raises(UsageError, match="2000 is the maximum"):
        judge(run, predictions, Judgement("a.png", "unclear", "x" * 2001))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": 2, "judgements": []}'])
def test_what_somebody_wrote_is_never_overwritten(run: RunPaths, predictions: Path, content: str) -> None:
    judgements_path(predictions).write_text(content)
    with pytest.raises(DataError):
        read_judgements(predictions)
    with pytest.raises(DataError):
        judge(run, predictions, Judgement("a.png", "unclear"))
    assert judgements_path(predictions).read_text() == content


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a)", "|cmd"])
def test_csv_has_no_formulas(text: str) -> None:
    rows = list(csv.reader(io.StringIO(as_csv([Judgement(text, "unclear", text, truth=text)]))))
    assert rows[0][:3] == ["image", "verdict", "note"]
    assert (rows[1][0], rows[1][2], rows[1][4]) == (f"'{text}",) * 3


def test_csv_keeps_quotes_commas_and_lines() -> None:
    note = 'one, "two"\nthree 규조류'
    rows = list(csv.reader(io.StringIO(as_csv([Judgement("a.png", "unclear", note, score=0.5)]))))
    assert rows[1][2] == note
    assert rows[1][6] == "0.5000"


def test_boxes_to_mend(view: View) -> None:
    (confused,), (extra, *_) = view.cases(1, 0), view.cases(3, 2, "background")
    (missed,) = view.cases(2, 3)
    items = [
        judgement_of(view, confused, "label wrong", "A"),
        judgement_of(view, extra, "label wrong"),
        judgement_of(view, missed, "label wrong"),
        judgement_of(view, view.cases(3, 0)[0], "model wrong"),
        judgement_of(view, view.cases(1, 1)[0], "unclear", "half <of> it\n\uffff"),
    ]
    document = as_coco(view.errors, items)
    assert [image["file_name"] for image in document["images"]] == ["0.png"]
    names = {record["id"]: record["name"] for record in document["categories"]}
    labels = [names[record["category_id"]].split()[1] for record in document["annotations"]]
    assert labels == ["silesiacum", "ventricosum", "reichardtiana", "silesiacum", "reichardtiana"]
    assert document["annotations"][3]["attributes"] == {
        "judgement": "label wrong",
        "note": "A",
        "kind": "confused",
        "was": "Encyonema ventricosum",
    }
    assert document["annotations"][4]["bbox"] == [160, 160, 30, 30]
    assert len({record["id"] for record in document["annotations"]}) == 5
    ((name, data),) = as_voc(document).items()
    root = ElementTree.fromstring(data)
    assert name == "0.xml"
    assert root.findtext("filename") == "0.png"
    assert len(root.findall("object")) == 5
    assert root.findtext("object/bndbox/xmax") == "60"
    judged = [
        [thing.findtext(tag) for tag in ("name", "judgement", "note", "kind", "was")]
        for thing in root.findall("object")
        if thing.find("judgement") is not None
    ]
    silesiacum, ventricosum, reichardtiana = view.errors.classes
    assert judged == [
        [ventricosum, "unclear", "half <of> it\n\ufffd", "correct", ventricosum],
        [reichardtiana, "label wrong", None, "missed", reichardtiana],
        [silesiacum, "label wrong", "A", "confused", ventricosum],
        [reichardtiana, "label wrong", None, "background", None],
    ]


def test_files_of_voc_lie_as_their_images_do() -> None:
    names = ("../a/x.png", "b/x.png", "b/x.jpg", "b/.png", "규조.png")
    document = {
        "categories": [{"id": 4, "name": "A"}],
        "images": [
            {"id": place, "file_name": name, "width": 2000, "height": 1000}
            for place, name in enumerate(names)
        ],
        "annotations": [{"image_id": 1, "category_id": 4, "bbox": [1234.5678, 0.1 + 0.2, 100, 7.25]}],
    }
    files = as_voc(document)
    assert list(files) == ["a/x.xml", "b/x.xml", "b/x.jpg.xml", "b/.png.xml", "규조.xml"]
    root = ElementTree.fromstring(files["b/x.xml"])
    assert [root.findtext(tag) for tag in ("folder", "filename", "size/width")] == ["b", "x.png", "2000"]
    corners = [root.findtext(f"object/bndbox/{tag}") for tag in ("xmin", "ymin", "xmax", "ymax")]
    assert corners == ["1234.568", "0.3", "1334.568", "7.55"]


def test_images_without_a_wrong_label_are_not_exported(view: View) -> None:
    items = [judgement_of(view, view.cases(1, 0)[0], "model wrong")]
    assert as_coco(view.errors, items)["images"] == []


def test_whole_images_have_no_boxes(error_files: ModuleType) -> None:
    with pytest.raises(DataError, match="as CSV"):
        as_coco(error_files.classified([0], [[1, 0, 0]]), [])


def test_likely_mistakes_of_boxes(view: View) -> None:
    ranked = likely_mistakes(view)
    assert [(round(case.doubt or 0, 2), case.kind, case.prediction) for case in ranked] == [
        (0.65, "confused", 4),
        (0.55, "background", 6),
    ]


def test_likely_mistakes_of_classes(error_files: ModuleType) -> None:
    table = [[0.5, 0.45, 0.05], [0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.6, 0.1, 0.3]]
    view = error_files.classified([1, 1, 1, 2], table).at(0.0)
    assert [(round(case.doubt or 0, 2), case.path) for case in likely_mistakes(view)] == [(0.85, "1.png")]
    lines = case_lines(view, likely_mistakes(view), 1)
    assert lines[0].split()[-1] == "doubt"
    assert lines[1].split()[-1] == "0.850"
    (row,) = case_documents(view, likely_mistakes(view))
    assert row["doubt"] == pytest.approx(0.85)


def test_a_model_that_is_not_sure_doubts_no_label(error_files: ModuleType) -> None:
    table = [[0.18, 0.33, 0.25, 0.24]] * 8 + [[0.45, 0.1, 0.4, 0.05]] * 4
    view = error_files.classified([0, 2, 3, 0, 2, 3, 0, 0, 1, 3, 2, 2], table).at(0.0)
    assert view.kinds["confused"] == 12
    assert likely_mistakes(view) == []


def test_pictures_of_cases(view: View, error_files: ModuleType, tmp_path: Path) -> None:
    from PIL import Image

    from core.analysis.drawing import TRUTH, WRONG, draw_case, draw_matrix

    Image.new("RGB", (200, 200), "white").save(tmp_path / "0.png")
    (case,) = view.cases(2, 3)
    picture = draw_case(view, case, tmp_path)
    assert picture.width == 480
    pixels = np.asarray(picture)
    scale, top = 480 / 200, picture.height - 480
    # The middle of the left edge of the missed object, which no other box crosses.
    edge_of_missed = top + int(130 * scale), int(20 * scale) + 1
    assert tuple(pixels[edge_of_missed]) == WRONG
    (confused,) = view.cases(1, 0)
    assert tuple(np.asarray(draw_case(view, confused, tmp_path))[edge_of_missed]) == TRUTH
    dashed = np.asarray(draw_case(view, confused, tmp_path, only=True))
    edge = dashed[top + int(122 * scale) : top + int(158 * scale), int(140 * scale) - 1]
    is_wrong = (edge == WRONG).all(axis=1)
    assert 0 < is_wrong.sum() < len(edge)
    missing = draw_case(view, case, tmp_path / "gone")
    assert missing.height > 200
    names = ("대한 규조", "Encyonema [b]", "c")
    matrix = draw_matrix(view.matrix, names, "t")
    assert matrix.width > 100


def test_a_picture_of_68_classes() -> None:
    from core.analysis.drawing import draw_matrix

    picture = draw_matrix(np.ones((69, 69), np.int64), tuple(f"Genus species {n}" for n in range(68)))
    assert picture.width > 69 * 20
