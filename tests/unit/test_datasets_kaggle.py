"""Data sets from Kaggle: fetched by its client, the version on record, clear words where that cannot be."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from core.config.schema import DataConfig
from core.datasets.kaggle import newest_fetched
from core.datasets.open import open_dataset, require_root
from core.datasets.outline import outline
from core.errors import DataError

DATA = DataConfig(kaggle="ada/diatoms", order="frequency")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def put(cache: Path, box_files: ModuleType, version: int, *, complete: bool = True) -> Path:
    """A version of the set as the client leaves it."""
    base = cache / "datasets/ada/diatoms"
    images = {str(i): [(f"v{version}", 1, 1, 9, 9)] for i in range(4)}
    root: Path = box_files.voc(base / "versions" / str(version), images)
    if complete:
        (base / f"{version}.complete").touch()
    return root


def client(monkeypatch: pytest.MonkeyPatch, answer: Path | Exception) -> list[str]:
    """Stand in for kagglehub; returns the handles asked for."""
    asked: list[str] = []

    def dataset_download(handle: str) -> str:
        asked.append(handle)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    hub, exceptions = ModuleType("kagglehub"), ModuleType("kagglehub.exceptions")
    exceptions.UnauthenticatedError = type("UnauthenticatedError", (Exception,), {})  # type: ignore[attr-defined]
    hub.dataset_download, hub.exceptions = dataset_download, exceptions  # type: ignore[attr-defined]
    hub.__spec__ = object()  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    monkeypatch.setitem(sys.modules, "kagglehub.exceptions", exceptions)
    return asked


def without_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)


def test_a_set_is_fetched_and_its_version_put_on_record(
    cache: Path, box_files: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = client(monkeypatch, put(cache, box_files, 3))
    require_root(DATA)
    found = open_dataset(DATA)
    assert asked == ["ada/diatoms"]
    assert found.origin == {"kaggle": "ada/diatoms", "version": "3"}
    assert (found.root, found.class_names) == (cache / "datasets/ada/diatoms/versions/3", ("v3",))


def test_without_network_the_newest_whole_version_is_used(
    cache: Path, box_files: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    client(monkeypatch, ConnectionError("no route"))
    for version, complete in ((2, True), (10, True), (11, False)):
        put(cache, box_files, version, complete=complete)
    assert (open_dataset(DATA).origin or {})["version"] == "10"
    pinned = DataConfig(kaggle="ada/diatoms/versions/2")
    assert (open_dataset(pinned).origin or {}) == {"kaggle": "ada/diatoms", "version": "2"}
    without_client(monkeypatch)
    assert (open_dataset(DATA).origin or {})["version"] == "10"
    require_root(DATA)
    assert outline(DATA).classes == ("v10",)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConnectionError("HTTPSConnectionPool(host=...)\nmore"), "no connection"),
        (TimeoutError("x"), "no connection"),
        (ValueError("Invalid dataset handle: x."), "Invalid dataset handle: x"),
        (PermissionError(13, "Permission denied"), "[Errno 13] Permission denied"),
    ],
)
def test_failures_are_one_sentence(
    cache: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    client(monkeypatch, error)
    with pytest.raises(DataError) as caught:
        open_dataset(DATA)
    assert str(caught.value) == (
        f"ada/diatoms cannot be downloaded from Kaggle ({why}): check network, name and login, or get it "
        "by hand and name its folder in data.root."
    )


def test_errors_of_the_client_s_own(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client(monkeypatch, RuntimeError())
    refused = sys.modules["kagglehub.exceptions"].UnauthenticatedError("User is not authenticated")
    client(monkeypatch, refused)
    sys.modules["kagglehub.exceptions"].UnauthenticatedError = type(refused)  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="User is not authenticated"):
        open_dataset(DATA)


def test_without_the_package(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_client(monkeypatch)
    said = (
        "ada/diatoms is downloaded with the package kagglehub, which is not installed: `pip install "
        "'labtui[kaggle]'`, or get it by hand and name its folder in data.root."
    )
    for call in (open_dataset, require_root):
        with pytest.raises(DataError) as caught:
            call(DATA)
        assert str(caught.value) == said
    with pytest.raises(DataError, match="ada/diatoms is downloaded from Kaggle when training starts"):
        outline(DATA)
    assert newest_fetched("ada/diatoms") is None
