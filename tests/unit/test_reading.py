"""The reader of whole files: what it takes, and the sentence for each thing that it does not."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from core import reading
from core.errors import MissingFileError, UnreadableError


def test_empty_is_neither_missing_nor_unreadable(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert reading.read_bytes(tmp_path / "empty") == b""
    assert reading.read_text(tmp_path / "empty") == ""


@pytest.mark.parametrize("name", ["none", "file/below"])
def test_a_missing_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MissingFileError, match=f"{name}: there is no such file"):
        reading.read_bytes(tmp_path / name)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(make_pipe, "it is a named pipe, not a regular file", id="pipe"),
        pytest.param(Path.mkdir, "it is a folder, not a regular file", id="folder"),
        pytest.param(make_link_to_a_device, "it is a device, not a regular file", id="device"),
        pytest.param(make_loop, "a link in this path leads back to itself", id="loop"),
        pytest.param(make_socket, "no such device or address", id="socket"),
    ],
)
def test_what_is_no_regular_file(tmp_path: Path, make: object, words: str) -> None:
    path = tmp_path / "x"
    make(path)  # type: ignore[operator]
    with pytest.raises(UnreadableError, match=words) as caught:
        reading.read_bytes(path)
    assert not isinstance(caught.value, MissingFileError)
    assert not reading.is_regular(path)
    assert reading.exists(path)


def test_the_limit_is_exact_and_needs_no_reading(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert reading.read_bytes(path, 5) == b"12345"
    with pytest.raises(UnreadableError, match="it is longer than 4 bytes"):
        reading.read_bytes(path, 4)
    os.truncate(path, 1 << 40)  # sparse
    with pytest.raises(UnreadableError, match="it is longer than 4 MiB"):
        reading.read_bytes(path)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param("강아지\n".encode(), "강아지\n", id="utf-8"),
        pytest.param("강아지".encode("utf-8-sig"), "강아지", id="marked"),
        pytest.param("강아지".encode("utf-16"), "강아지", id="utf-16"),
        pytest.param("\ufeff강아지".encode("utf-32-be"), "강아지", id="utf-32"),
    ],
)
def test_bytes_to_text(data: bytes, text: str) -> None:
    assert reading.decode(data, "x") == text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(
            "a: 1\nb: 고양이\n".encode("cp949"), r"n.yaml:2: it is not UTF-8 text \(byte 0xb0\)", id="cp949"
        ),
        pytest.param(
            "a\nb\né".encode("latin-1"), r"n.yaml:3: it is not UTF-8 text \(byte 0xe9\)", id="latin-1"
        ),
        pytest.param(
            "ab".encode("utf-16") + b"x", "n.yaml:1: it is marked as UTF-16 text but is not", id="odd"
        ),
    ],
)
def test_bytes_that_are_no_text(data: bytes, words: str) -> None:
    with pytest.raises(UnreadableError, match=words):
        reading.decode(data, "n.yaml")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"", "it is empty", id="empty"),
        pytest.param(b'{"a": 1,\n"b"', "x:2: it is not complete JSON", id="torn"),
        pytest.param(b"[1]", "it holds a JSON list, not an object", id="list"),
    ],
)
def test_json_that_is_no_object(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(UnreadableError, match=words):
        reading.read_object(tmp_path / "x")


def test_names_that_are_no_text_are_shown_with_their_bytes(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xb0\xed.txt"
    with pytest.raises(MissingFileError, match=r"\\xb0\\xed.txt"):
        reading.read_bytes(os.fsdecode(path))
