"""`labtui data stats`: text, lists, JSON, markdown and plots; the job behind it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.cli.main import main
from core.cli.stats_text import bar_lengths

pytestmark = pytest.mark.slow


@pytest.fixture
def boxed(tmp_path: Path, box_files: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    images = {
        "one": [("cell [a]", 0, 0, 10, 10), ("cell [a]", 20, 20, 60, 40)],
        "two": [("b|b", 5, 5, 25, 45)],
        "three": [],
        "four": [("cell [a]", 1, 1, 40, 40)],
    }
    root: Path = box_files.voc(tmp_path / "set", images)
    (root / "JPEGImages" / "four.png").write_bytes((root / "JPEGImages" / "one.png").read_bytes())
    return root


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    for index in range(8):
        file = tmp_path / "plain" / "ab"[index % 2] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(file)
    return tmp_path / "plain"


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["data", "stats", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_figures_are_printed_at_once_and_those_of_pixels_after_them(
    boxed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "stats", str(boxed)]) == 0
    out, said = capsys.readouterr()
    assert out.startswith(f"{boxed}: voc, 4 images  4 objects  2 classes  1 without objects\n")
    first, _, later = out.partition("images by brightness")
    assert "objects by class" in first
    assert "the same image as another" in later
    assert "reading 4 of 4 images" in said
    # What has been read is remembered.
    assert main(["data", "stats", str(boxed)]) == 0
    again = capsys.readouterr()
    assert "reading" not in again.err
    assert "images by brightness" in again.out


def test_pixels_can_be_left_out(boxed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "stats", str(boxed), "--no-pixels"]) == 0
    out, said = capsys.readouterr()
    assert "brightness" not in out
    assert said == ""


def test_every_figure_lists_its_images(boxed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, str(boxed))
    figures = [item for page in found["pages"] for item in (*page["facts"], *page["bars"], *page["log_bars"])]
    assert len({item["key"] for item in figures}) > 100
    for figure in figures[::25]:
        listed = document(capsys, str(boxed), "--list", figure["key"])
        assert len(listed["images"]) == figure["images"], figure["key"]
    listed = document(capsys, str(boxed), "--list", "class:cell [a]")
    images = {item["image"]: item["objects"] for item in listed["images"]}
    assert sorted(images) == ["JPEGImages/four.png", "JPEGImages/one.png"]
    assert images["JPEGImages/one.png"][1] == {"class": "cell [a]", "box": [20, 20, 60, 40]}


def test_a_list_for_people_has_images_objects_and_a_range(
    boxed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "stats", str(boxed), "--list", "area:700..800.5"]) == 0
    out, said = capsys.readouterr()
    names = [line.split()[0] for line in out.splitlines()]
    assert names[0] == "image"
    assert sorted(names[1:]) == ["JPEGImages/one.png", "JPEGImages/two.png"]
    assert "cell [a] 20,20,60,40" in out
    assert "2 images in" in said
    assert main(["data", "stats", str(boxed), "--list", "same:all"]) == 0
    out = capsys.readouterr().out
    names = [line.split()[0] for line in out.splitlines()[1:]]
    assert sorted(names) == ["JPEGImages/four.png", "JPEGImages/one.png"]


def test_a_page_lists_its_figures(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "stats", str(folders), "--list", "classes"]) == 0
    assert "class:b" in capsys.readouterr().out


def test_unknown_words_are_refused_with_the_nearest(boxed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "stats", str(boxed), "--list", "area:outlier"]) == 2
    assert "did you mean 'area:outliers'?" in capsys.readouterr().err
    assert main(["data", "stats", str(boxed), "--split", "valid"]) == 2
    assert "there is no valid, only train, val" in capsys.readouterr().err


def test_one_split_alone(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, str(folders), "--split", "val", "--no-pixels")
    whole = document(capsys, str(folders), "--no-pixels")
    assert found["splits"] == {"val": whole["splits"]["val"]}
    assert found["images"] == whole["splits"]["val"] == 2


def test_a_set_that_cannot_be_trained_on_is_counted_and_ends_with_3(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (folders / "b").iterdir():
        file.unlink()
    (folders / "b").rmdir()
    assert main(["data", "stats", str(folders), "--no-pixels"]) == 3
    out = capsys.readouterr().out
    assert "only one class" in out
    assert "4 images" in out


def test_the_jobs_own_fault_is_told_in_its_sentence(
    folders: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import sys; sys.stderr.write('Traceback\\nstats: No space left on device\\n'); sys.exit(4)"
    monkeypatch.setattr(
        "core.cli.image_reading.module_command", lambda *_: [sys.executable, "-P", "-c", code]
    )
    assert main(["data", "stats", str(folders)]) == 4
    assert "could not all be read: stats: No space left on device" in capsys.readouterr().err


def test_plots_and_markdown_are_written(
    boxed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    assert main(["data", "stats", str(boxed), "--no-pixels", "--plots", "out"]) == 0
    folder = Path("out")
    assert {"classes", "objects", "area", "area-log", "ratio-log", "places", "places-centres", "sizes"} <= {
        file.stem for file in folder.glob("*.png")
    }
    for file in folder.glob("*.png"):
        with Image.open(file) as image:
            assert len(image.convert("RGB").getcolors(1 << 24) or ()) > 5, file
        assert b"<svg" in file.with_suffix(".svg").read_bytes()[:600]
    page = (folder / "stats.md").read_text()
    assert "| cell \\[a\\] |" in page
    assert "| b\\|b |" in page
    assert "![box area, square pixels](area.svg)" in page
    # The same figures give the same bytes, whatever is drawn; what is there is never written over.
    kinds = ["classes", "objects", "area-log", "places", "places-centres"]
    monkeypatch.setattr("core.cli.stats_plots.plot_names", lambda _: kinds)
    assert main(["data", "stats", str(boxed), "--no-pixels", "--plots", "again"]) == 0
    again = sorted(file.name for file in Path("again").iterdir() if file.suffix != ".md")
    assert again == sorted(f"{kind}.{ending}" for kind in kinds for ending in ("png", "svg"))
    for name in again:
        assert (folder / name).read_bytes() == Path("again", name).read_bytes(), name
    assert set(Path("again/stats.md").read_text().splitlines()) < set(page.splitlines())
    capsys.readouterr()
    assert main(["data", "stats", str(boxed), "--no-pixels", "--plots", "out"]) == 2
    assert "already exists" in capsys.readouterr().err


def test_plots_without_matplotlib_are_refused_before_anything_is_read(
    boxed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.cli.stats_plots.importlib.util.find_spec", lambda _: None)
    assert main(["data", "stats", str(boxed), "--plots", "out"]) == 2
    assert capsys.readouterr().err == (
        "--plots needs matplotlib, which is not installed: `pip install 'labtui[plots]'`.\n"
    )
    assert not Path("out").exists()


def test_matplotlib_is_loaded_only_for_plots(boxed: Path) -> None:
    import subprocess

    code = (
        "import sys; from core.cli.main import main\n"
        f"assert main(['data', 'stats', {str(boxed)!r}, '--no-pixels']) == 0\n"
        "assert not {'matplotlib', 'torch', 'textual'} & set(sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=Path(__file__).parents[2], capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("counts", "most", "expected"),
    [
        ((10, 0, 0), 10, [20, 0, 0]),
        ((5, 5), 10, [10, 10]),
        ((999, 1), 1000, [20, 0]),
        ((1, 1), 1000, [1, 1]),
        ((0, 0), 0, [0, 0]),
    ],
    ids=["one", "halves", "full", "least", "none"],
)
def test_bars_have_the_length_of_their_counts(
    counts: tuple[int, ...], most: int, expected: list[int]
) -> None:
    assert bar_lengths(counts, most, 20) == expected
