"""Where images lie now: as measured, else where somebody said, which is remembered."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from core.analysis.errors import Errors
from core.analysis.image_root import image_root, remember_root
from core.errors import DataError, StateError
from core.store.files import read_json
from core.store.image_roots import remembered_root
from core.store.paths import FORMAT, RunPaths


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    run = RunPaths(tmp_path / "runs" / "20261125-080000-demo-1a2b")
    run.predictions.mkdir(parents=True)
    run.spec.write_text(f'{{"format": {FORMAT}}}')
    return run


@pytest.fixture
def errors(error_files: ModuleType, tmp_path: Path) -> Errors:
    """Two images, measured in `old`, which is gone."""
    found: Errors = error_files.boxed(*error_files.crowded(1, images=2), root=tmp_path / "old")
    found.paths = ("sub/0.png", "sub/1.png#7")
    return found


def image(root: Path, name: str = "sub/1.png") -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).touch()
    return root


def test_a_named_root_is_remembered(
    run: RunPaths, errors: Errors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert image_root(run, errors) == tmp_path / "old"
    image(tmp_path / "new")
    monkeypatch.chdir(tmp_path)
    remember_root(run, errors, Path("new"))
    assert image_root(run, errors) == tmp_path / "new"
    assert remembered_root(run, tmp_path / "other") is None
    # Another set of the run has another root; both are kept.
    errors.root = tmp_path / "test"
    assert image_root(run, errors) == tmp_path / "test"
    remember_root(run, errors, image(tmp_path / "newer"))
    assert image_root(run, errors) == tmp_path / "newer"
    errors.root = tmp_path / "old"
    assert image_root(run, errors) == tmp_path / "new"
    image(tmp_path / "old")
    assert image_root(run, errors) == tmp_path / "old"


def test_what_is_remembered_may_be_gone_or_damaged(run: RunPaths, errors: Errors, tmp_path: Path) -> None:
    folder = image(tmp_path / "new")
    remember_root(run, errors, folder)
    (folder / "sub" / "1.png").unlink()
    assert image_root(run, errors) == errors.root
    for text in ("{", '{"roots": []}', f'{{"roots": {{"{errors.root}": 3}}}}'):
        (run.predictions / "root.json").write_text(text)
        assert image_root(run, errors) == errors.root


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("empty", r"empty has no image sub/0\.png, nor any other"),
        ("none", r"There is no folder .*none"),
        ("new/sub", r"new/sub has no image sub/0\.png: give .*new instead"),
    ],
)
def test_a_folder_without_the_images_is_refused(
    run: RunPaths, errors: Errors, tmp_path: Path, folder: str, words: str
) -> None:
    (tmp_path / "empty").mkdir()
    image(tmp_path / "new", "sub/0.png")
    with pytest.raises(DataError, match=words):
        remember_root(run, errors, tmp_path / folder)
    assert not (run.predictions / "root.json").exists()


def test_a_run_of_a_newer_labtui_is_left_alone(run: RunPaths, errors: Errors, tmp_path: Path) -> None:
    run.spec.write_text(f'{{"format": {FORMAT + 1}}}')
    with pytest.raises(StateError):
        remember_root(run, errors, image(tmp_path / "new"))
    assert read_json(run.predictions / "root.json") is None
