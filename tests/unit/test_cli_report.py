"""Reports: the same bytes each time, below 2 MB, nothing fetched, nothing that text could break."""

from __future__ import annotations

import html.parser
import importlib.util
import io
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.cli.main import main
from core.cli.report.blocks import Bullets, Figure, Picture, Pictures, Report, Section, Source, Table, Text
from core.cli.report.figures import Line, bars, curves, matrix
from core.cli.report.html import MAX_BYTES, page
from core.cli.report.markdown import files
from core.config.workspace import Workspace
from tests.unit import study_files

pytestmark = pytest.mark.slow

NASTY = '<script>alert("x")</script> & | `code` *b* [l](u) 강아지'


def figure(name: str = "a") -> Figure:
    return curves(name, [("loss", [Line("한국어 <b>", [1, 2, 3], [3.0, 2.0, 1.5], mark=(3, 1.5))])])[0]


def jpeg(side: int, seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, format="JPEG", quality=90)
    return out.getvalue()


def report(pictures: int = 0, side: int = 64) -> Report:
    items = tuple(
        Picture(f"{n}.png", f"case {n}", jpeg(side, n % 7), b"png", (side, side)) for n in range(pictures)
    )
    return Report(
        f"Title {NASTY}",
        ("made by: labtui report x",),
        (
            Section(
                "One",
                (
                    Text(NASTY),
                    Bullets((NASTY,)),
                    Table(
                        ("a", "b"),
                        ((NASTY, "1"),),
                        frozenset({1}),
                        Source("labtui show x", "a01-e0001", "ab" * 32),
                    ),
                    figure(),
                ),
            ),
            Section("Two", (figure("b"), *((Pictures(items),) if items else ()))),
        ),
    )


class Checker(html.parser.HTMLParser):
    """Collects ids, references and tags; notes tags that are closed in the wrong order."""

    VOID = {"meta", "img", "br", "use", "path", "rect", "circle"}

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href") or (value or "").startswith("url("):
                self.references.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_same_page_twice() -> None:
    assert page(report(3)) == page(report(3))
    assert dict(files(report(3))) == dict(files(report(3)))


def test_a_page_stands_alone_and_is_whole() -> None:
    data = page(report(2)).decode()
    seen = Checker()
    seen.feed(data)
    assert seen.wrong == []
    assert seen.open == []
    assert "script" not in seen.tags
    assert not {"link", "iframe", "object", "embed"} & set(seen.tags)
    assert all(ref.startswith(("#", "data:image/", "url(#")) for ref in seen.references)
    assert len(seen.ids) == len(set(seen.ids))
    inside = {
        ref.strip("()").removeprefix("url(").lstrip("#") for ref in seen.references if "data:" not in ref
    }
    assert inside <= set(seen.ids)
    assert 'lang="en"' in data
    assert "prefers-color-scheme:dark" in data
    assert "@media print" in data
    assert "currentColor" in data


def test_text_is_text() -> None:
    data = page(report()).decode()
    assert "<script>alert" not in data
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; | `code` *b* [l](u) 강아지" in data
    text = dict(files(report()))["report.md"].decode()
    assert "<script>" not in text
    row = next(line for line in text.splitlines() if line.startswith("| &lt;script"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
    assert "강아지" in text


def test_a_page_stays_small_and_says_what_it_leaves_out() -> None:
    big = report(60, 500)
    total = sum(len(item.data) for item in big.sections[1].blocks[1].items)  # type: ignore[union-attr]
    assert total > MAX_BYTES
    data = page(big)
    assert len(data) < MAX_BYTES
    left = re.search(r"(\d+) of 60 pictures are left out", data.decode())
    assert left is not None
    assert data.count(b"<img ") == 60 - int(left[1])
    assert data.count(b"<img ") > 5
    assert len([name for name, _ in files(big) if name.startswith("cases/")]) == 60


def test_sources_stand_behind_numbers() -> None:
    data = page(report()).decode()
    assert "<code>labtui show x</code> · checkpoint a01-e0001, sha256 abababababababab" in data
    assert "`labtui show x` · checkpoint a01-e0001" in dict(files(report()))["report.md"].decode()


def test_charts_need_no_display_and_repeat() -> None:
    first, again = (matrix("m", [[3, 1], [0, 4]], ["a", "b"], ["a", "b"], "t", None) for _ in range(2))
    assert first == again
    assert first.png.startswith(b"\x89PNG")
    assert "<text" not in first.svg
    made = bars("c", ["a", "b"], [("train", [1, 2]), ("val", [0, 1])], "t")
    assert "<svg" in made.svg
    assert curves("e", [("nothing", [])]) == []


def test_without_the_extra_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert main(["--workspace", str(tmp_path), "report", "x"]) == 2
    assert "pip install 'labtui[plots]'" in capsys.readouterr().err


@pytest.fixture
def runs() -> ModuleType:
    """The makers of runs that have ended."""
    return study_files


def make(runs: ModuleType, root: Path) -> tuple[Workspace, Any]:
    workspace: Workspace = runs.workspace_at(root)
    slow = runs.made(workspace, runs.settings(workspace, "learning_rate=0.01"), [0.1, 0.5, 0.4], name="slow")
    fast = runs.made(workspace, runs.settings(workspace, "learning_rate=0.1"), [0.2, 0.7, 0.6], name="fast")
    return workspace, (slow, fast)


def test_a_report_of_runs(tmp_path: Path, runs: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    workspace, (slow, fast) = make(runs, tmp_path / "w")
    at = ["--workspace", str(workspace.root), "report", slow.id, fast.id, "--out"]
    assert main([*at, str(tmp_path / "r")]) == 0
    text = (tmp_path / "r" / "report.md").read_text()
    assert "| learning\\_rate | 0.01 | 0.1 |" in text
    assert "| slow | 0.5000 | 2 | 0.4000 |" in text
    assert f"labtui measure {slow.id} --at" in text
    assert (tmp_path / "r" / "figures" / "curves-1.png").read_bytes().startswith(b"\x89PNG")
    assert main([*at, str(tmp_path / "r")]) == 2
    assert "exists: --out DIR names a new folder" in capsys.readouterr().err
    assert main([*at, str(tmp_path / "again")]) == 0
    for name in ("report.html", "report.md", "figures/curves-1.svg", "figures/curves-1.png"):
        assert (tmp_path / "r" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_a_report_of_a_study(tmp_path: Path, runs: ModuleType) -> None:
    workspace, _ = make(runs, tmp_path / "w")
    assert main(["--workspace", str(workspace.root), "report", "s", "--out", str(tmp_path / "r")]) == 0
    text = (tmp_path / "r" / "report.md").read_text()
    assert text.startswith("# Study s\n")
    assert "| fast | 1 | 0.7000 |" in text
    assert "cannot be decided: 1 pair, 6 needed" in text
