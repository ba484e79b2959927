"""A run in one file: the same again after unpacking, refused when anything in it is not as listed."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.cli.main import main
from core.config.workspace import Workspace
from core.errors import DataError, StateError
from core.store.catalogue import summarise
from core.store.pack import MANIFEST, pack_run, unpack_run
from core.store.paths import RunPaths

GOLDEN = Path(__file__).parents[1] / "golden" / "run-format1"


def golden(folder: Path) -> RunPaths:
    """A copy of a golden run, under the id that its spec.json says."""
    source = next(path.parent for path in sorted(GOLDEN.rglob("spec.json")))
    target = folder / "runs" / json.loads((source / "spec.json").read_text())["id"]
    shutil.copytree(source, target)
    return RunPaths(target)


def contents(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return golden(tmp_path / "old")


def test_there_and_back(run: RunPaths, tmp_path: Path) -> None:
    (run.root / "sup.lock").touch()
    (run.root / "odd").symlink_to("/etc/passwd")
    made = pack_run(run, tmp_path / "x.tar.gz")
    again = pack_run(run, tmp_path / "y.tar.gz")
    assert made == again
    assert (tmp_path / "x.tar.gz").read_bytes() == (tmp_path / "y.tar.gz").read_bytes()
    new = Workspace(tmp_path / "new")
    new.root.mkdir()
    back = unpack_run(tmp_path / "x.tar.gz", new)
    assert back.run == run.id
    there = {name: digest for name, digest in contents(run.root).items() if name != "odd"}
    assert contents(new.runs / run.id) == there
    assert summarise(RunPaths(new.runs / run.id)) == summarise(run)
    with pytest.raises(StateError, match=f"There is a run {run.id} already"):
        unpack_run(tmp_path / "x.tar.gz", new)


def test_what_stays_behind_is_said(run: RunPaths, tmp_path: Path) -> None:
    made = pack_run(run, tmp_path / "x.tar.gz", lambda name: not name.startswith("checkpoints/"))
    assert "all of checkpoints" in made.left_out
    with pytest.raises(FileExistsError):
        pack_run(run, tmp_path / "x.tar.gz")


def rewritten(file: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> None:
    """The pack with its entries changed, otherwise whole."""
    with tarfile.open(file) as archive:
        entries = []
        for entry in archive:
            content = archive.extractfile(entry)
            entries.append((entry, content.read() if content else b""))
    change(entries)
    with tarfile.open(file, "w:gz") as archive:
        for entry, data in entries:
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def flip(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    entry, data = entries[-1]
    entries[-1] = entry, bytes([data[0] ^ 1]) + data[1:]


def drop(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    del entries[-1]


def add(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    entries.append((tarfile.TarInfo("more.json"), b"{}"))


def swap(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    entries[-1], entries[-2] = entries[-2], entries[-1]


def link(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    entry, _ = entries[-1]
    entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    entries[-1] = entry, b""


def listed(
    change: Callable[[dict[str, object]], object],
) -> Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]:
    def apply(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        manifest = json.loads(entries[0][1])
        change(manifest)
        entries[0] = entries[0][0], json.dumps(manifest).encode()

    return apply


def outside(manifest: dict[str, object]) -> None:
    manifest["files"][-1]["path"] = "../../escaped"  # type: ignore[index]


def hidden(manifest: dict[str, object]) -> None:
    manifest["files"][-1]["path"] = "checkpoints/.x"  # type: ignore[index]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(flip, "does not match its checksum", id="bit"),
        pytest.param(drop, "is not where it should be", id="missing"),
        pytest.param(add, "holds more than its list", id="more"),
        pytest.param(swap, "is not where it should be", id="order"),
        pytest.param(link, "has another size than listed", id="link"),
        pytest.param(listed(outside), "is not that of a run", id="outside"),
        pytest.param(listed(hidden), "is not that of a run", id="hidden"),
        pytest.param(listed(lambda m: m.update(run="../x")), "is not that of a run", id="id"),
        pytest.param(listed(lambda m: m.update(format=2)), "by a newer labtui", id="newer"),
        pytest.param(listed(lambda m: m.pop("files")), "its list of files cannot be read", id="no-list"),
    ],
)
def test_a_pack_that_is_not_as_it_was_made(
    run: RunPaths, tmp_path: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None], words: str
) -> None:
    pack_run(run, tmp_path / "x.tar.gz")
    rewritten(tmp_path / "x.tar.gz", change)
    new = Workspace(tmp_path / "new")
    new.root.mkdir()
    with pytest.raises(DataError, match=words):
        unpack_run(tmp_path / "x.tar.gz", new)
    assert list(new.runs.iterdir()) == []
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"PK\x03\x04 a zip", id="other"),
        pytest.param(gzip.compress(b"no tar" * 200, mtime=0), id="no-tar"),
    ],
)
def test_what_is_no_pack(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    new = Workspace(tmp_path / "new")
    new.root.mkdir()
    with pytest.raises(DataError, match="is not a packed run"):
        unpack_run(tmp_path / "x", new)


def test_a_cut_pack(run: RunPaths, tmp_path: Path) -> None:
    pack_run(run, tmp_path / "x.tar.gz")
    os.truncate(tmp_path / "x.tar.gz", (tmp_path / "x.tar.gz").stat().st_size // 2)
    new = Workspace(tmp_path / "new")
    new.root.mkdir()
    with pytest.raises(DataError):
        unpack_run(tmp_path / "x.tar.gz", new)
    assert list(new.runs.iterdir()) == []


def test_the_commands(run: RunPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "p.tar.gz"
    assert main(["--workspace", str(run.root.parents[1]), "pack", run.id, "--out", str(file), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["bytes"] == file.stat().st_size
    with tarfile.open(file) as archive:
        names = archive.getnames()
    assert names[0] == MANIFEST
    (tmp_path / "new" / "configs").mkdir(parents=True)
    at = ["--workspace", str(tmp_path / "new")]
    assert main([*at, "unpack", str(file), "--data-root", str(tmp_path / "nowhere")]) == 2
    assert main([*at, "unpack", str(file)]) == 0
    assert capsys.readouterr().out.strip() == run.id
    assert main([*at, "unpack", str(file)]) == 5
    assert main([*at, "unpack", str(tmp_path / "none")]) == 3


def test_images_that_lie_elsewhere(run: RunPaths, tmp_path: Path) -> None:
    paths = {"train": ["a/1.png", "b/2.png"], "val": ["a/3.png"]}
    splits = {name: {"paths": some} for name, some in paths.items()}
    run.split.write_text(json.dumps({"root": "/old", "splits": splits}))
    root = tmp_path / "images"
    for part in splits.values():
        for name in part["paths"]:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
    file = tmp_path / "p.tar.gz"
    pack_run(run, file)
    (tmp_path / "new" / "configs").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    at = ["--workspace", str(tmp_path / "new"), "unpack", str(file), "--data-root"]
    assert main([*at, str(tmp_path / "empty")]) == 3
    assert main([*at, str(root)]) == 0
    new = RunPaths(tmp_path / "new" / "runs" / run.id)
    assert json.loads(new.split.read_text())["root"] == str(root)
    assert f"root: {root}" in new.config.read_text()
