"""Fetching data sets, from a server on this machine: resumed, restarted, refused, never half there."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from core.config.schema import DataConfig
from core.datasets.open import open_dataset
from core.datasets.published.catalogue import PUBLISHED, Archive
from core.datasets.published.fetch import fetch
from core.errors import DataError


@dataclass
class Server:
    """Files by name; `break_after`: bytes after which the connection is cut; `seen`: path and range asked."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    break_after: int | None = None
    seen: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.seen.append((self.path, asked))
            content = state.files.get(self.path.rsplit("/", 1)[-1])
            if content is None or "/none/" in self.path:
                self.send_error(404)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and state.ranges else 0
            if asked and state.ranges and start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if asked and state.ranges else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            end = len(content) if state.break_after is None else start + state.break_after
            self.wfile.write(content[start:end])

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{listening.server_address[1]}"
    yield state
    listening.shutdown()
    thread.join()
    listening.server_close()


def packed(folder: Path, *extra: tuple[str, bytes]) -> bytes:
    """A tar.gz of `folder` with further members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, content in extra:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
        file.add(folder, folder.name)
    return buffer.getvalue()


def offer(
    server: Server, patch: pytest.MonkeyPatch, name: str, files: dict[str, bytes], *mirrors: str
) -> None:
    """Make `files` what `name` is published as, at the server."""
    server.files = files
    archives = tuple(
        Archive(file, hashlib.md5(data).hexdigest(), len(data), tuple(f"{m}/{file}" for m in mirrors))
        for file, data in files.items()
    )
    patch.setitem(PUBLISHED, name, replace(PUBLISHED[name], archives=archives))


@pytest.fixture
def cifar10(
    server: Server, tmp_path: Path, torchvision_files: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> bytes:
    torchvision_files.write_cifar10(tmp_path / "origin")
    data = packed(tmp_path / "origin/cifar-10-batches-py", ("cifar-10-batches-py/readme.html", b"x" * 50))
    offer(server, monkeypatch, "cifar10", {"cifar-10-python.tar.gz": data}, server.address)
    return data


def refused(name: str, root: Path) -> str:
    with pytest.raises(DataError) as caught:
        fetch(name, root)
    return str(caught.value).replace(str(root), "ROOT")


def visible(root: Path) -> list[str]:
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    )


NAMES = sorted(
    f"cifar-10-batches-py/{name}"
    for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta")
)


def test_a_packed_set_is_fetched_and_unpacked(server: Server, cifar10: bytes, tmp_path: Path) -> None:
    root = tmp_path / "data/cifar10"
    told: list[tuple[str, int, int]] = []
    assert fetch("cifar10", root, lambda name, done, total: told.append((name, done, total)))
    assert visible(root) == NAMES
    assert told[0] == ("cifar-10-python.tar.gz", 0, len(cifar10))
    assert told[-1] == ("cifar-10-python.tar.gz", len(cifar10), len(cifar10))
    assert len(open_dataset(DataConfig(root=root, val="test")).splits["train"]) == 100
    assert not fetch("cifar10", root)
    assert len(server.seen) == 1


def test_files_are_fetched_as_they_are(
    server: Server, tmp_path: Path, torchvision_files: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchvision_files.write_idx(tmp_path / "origin", packed=True)
    files = {path.name: path.read_bytes() for path in (tmp_path / "origin").iterdir()}
    offer(server, monkeypatch, "mnist", files, f"{server.address}/none", server.address)
    root = tmp_path / "data"
    assert fetch("mnist", root)
    assert visible(root) == sorted(f"MNIST/raw/{name}" for name in files)
    assert len(open_dataset(DataConfig(root=root)).splits["test"]) == 10
    (root / "MNIST/raw/t10k-labels-idx1-ubyte.gz").unlink()
    server.seen.clear()
    assert fetch("mnist", root)
    assert [path.rsplit("/", 1)[-1] for path, _ in server.seen] == ["t10k-labels-idx1-ubyte.gz"] * 2


@pytest.mark.parametrize("ranges", [True, False])
def test_what_broke_off_goes_on(server: Server, cifar10: bytes, tmp_path: Path, ranges: bool) -> None:
    root = tmp_path / "data"
    server.ranges, server.break_after = ranges, 5000
    said = refused("cifar10", root)
    assert said.startswith("CIFAR-10 cannot be downloaded (127.0.0.1: ")
    assert visible(root) == [".cifar-10-python.tar.gz.part"]
    assert (root / ".cifar-10-python.tar.gz.part").stat().st_size == 5000
    server.break_after = None
    assert fetch("cifar10", root)
    assert server.seen[-1][1] == "bytes=5000-"
    assert visible(root) == NAMES


def test_a_part_of_something_else_is_fetched_anew(server: Server, cifar10: bytes, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    for left in (b"another file", cifar10[:-1] + b"?", cifar10 + b"more"):
        (root / ".cifar-10-python.tar.gz.part").write_bytes(left)
        assert fetch("cifar10", root)
        assert visible(root) == NAMES
        for name in NAMES:
            (root / name).unlink()


def test_a_whole_part_is_used(server: Server, cifar10: bytes, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / ".cifar-10-python.tar.gz.part").write_bytes(cifar10)
    assert fetch("cifar10", root)


def test_what_has_another_checksum_is_refused(server: Server, cifar10: bytes, tmp_path: Path) -> None:
    server.files["cifar-10-python.tar.gz"] = b"<html>please log in</html>"
    root = tmp_path / "data"
    said = refused("cifar10", root)
    assert said.startswith(
        "CIFAR-10 cannot be downloaded (127.0.0.1: the downloaded file is not cifar-10-python.tar.gz)."
    )
    assert visible(root) == []


def test_without_a_network_it_says_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    offer(server, monkeypatch, "cifar10", {"cifar-10-python.tar.gz": b"x"}, "http://127.0.0.1:9")
    assert refused("cifar10", tmp_path) == (
        "CIFAR-10 cannot be downloaded (127.0.0.1: Connection refused). On a machine with a network get "
        "http://127.0.0.1:9/cifar-10-python.tar.gz, put it in ROOT and give this command again."
    )
    files = {f"{name}-idx-ubyte.gz": b"x" for name in "abcd"}
    offer(server, monkeypatch, "mnist", files, f"{server.address}/none")
    assert refused("mnist", tmp_path) == (
        "MNIST cannot be downloaded (127.0.0.1: 404 Not Found). On a machine with a network get "
        "a-idx-ubyte.gz, b-idx-ubyte.gz, c-idx-ubyte.gz, d-idx-ubyte.gz from "
        f"{server.address}/none/, put them in ROOT/MNIST/raw and give this command again."
    )


def test_an_archive_put_there_by_hand_is_unpacked_and_kept(
    server: Server, cifar10: bytes, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / "cifar-10-python.tar.gz").write_bytes(cifar10)
    with pytest.raises(
        DataError, match=r"holds cifar-10-python.tar.gz, still packed: `labtui data add cifar10"
    ):
        open_dataset(DataConfig(root=root))
    assert fetch("cifar10", root)
    assert server.seen == []
    assert visible(root) == [*NAMES, "cifar-10-python.tar.gz"]


def test_another_archive_put_there_is_refused(cifar10: bytes, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / "cifar-10-python.tar.gz").write_bytes(cifar10[:-10])
    assert refused("cifar10", root) == (
        "ROOT/cifar-10-python.tar.gz is not the published cifar-10-python.tar.gz: its checksum differs. "
        "Remove it and try again."
    )


def test_a_missing_file_is_brought_back_and_the_others_stay(
    server: Server, cifar10: bytes, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    fetch("cifar10", root)
    (root / NAMES[2]).unlink()
    (root / NAMES[3]).write_bytes(b"mine")
    assert fetch("cifar10", root)
    assert (root / NAMES[3]).read_bytes() == b"mine"
    assert visible(root) == NAMES


def test_archives_reach_nothing_outside(
    server: Server, tmp_path: Path, torchvision_files: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchvision_files.write_cifar10(tmp_path / "origin")
    evil = [
        ("../evil", b"x"),
        ("/tmp/labtui-evil", b"x"),
        ("cifar-10-batches-py/../../evil", b"x"),
        ("test_batch", b"x"),
    ]
    data = packed(tmp_path / "origin/cifar-10-batches-py", *evil)
    offer(server, monkeypatch, "cifar10", {"cifar-10-python.tar.gz": data}, server.address)
    root = tmp_path / "a/b"
    assert fetch("cifar10", root)
    assert visible(tmp_path / "a") == [f"b/{name}" for name in NAMES]
    assert not os.path.exists("/tmp/labtui-evil")


@pytest.mark.parametrize("how", ["no tar", "link", "lacks"])
def test_archives_that_are_not_whole(
    server: Server, tmp_path: Path, torchvision_files: ModuleType, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    torchvision_files.write_cifar10(tmp_path / "origin")
    folder = tmp_path / "origin/cifar-10-batches-py"
    (folder / "test_batch").unlink()
    if how == "link":
        (folder / "test_batch").symlink_to("/etc/passwd")
    data = packed(folder) if how != "no tar" else b"no tar at all"
    offer(server, monkeypatch, "cifar10", {"cifar-10-python.tar.gz": data}, server.address)
    root = tmp_path / "data"
    said = refused("cifar10", root)
    wanted = (
        "is damaged ("
        if how == "no tar"
        else "has no cifar-10-batches-py/test_batch: remove it and try again"
    )
    assert said.startswith(f"ROOT/cifar-10-python.tar.gz {wanted}")
    assert visible(root) == ["cifar-10-python.tar.gz"]


def test_a_folder_that_cannot_be_written(tmp_path: Path, cifar10: bytes) -> None:
    (tmp_path / "file").write_text("x")
    assert refused("cifar10", tmp_path / "file/data").startswith("ROOT cannot be written: Not a directory")


def test_two_at_once_fetch_it_once(server: Server, cifar10: bytes, tmp_path: Path) -> None:
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda: results.append(fetch("cifar10", tmp_path / "data"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, False, True]
    assert len(server.seen) == 1


def test_addresses_and_checksums_are_complete() -> None:
    for name, known in PUBLISHED.items():
        assert known.archives, name
        for archive in known.archives:
            assert len(archive.md5) == 32
            assert archive.bytes > 1000
            assert all(url.endswith(archive.name) and url.startswith("http") for url in archive.urls)
        assert all(len(md5) == 32 for md5 in known.md5.values())
