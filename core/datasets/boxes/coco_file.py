"""COCO's JSON files: read whole, with their three lists, and numbers that were written as text."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import orjson

from core.datasets.findings import some
from core.errors import DataError, MissingFileError, UnreadableError
from core.reading import open_regular, read_bytes, shown
from core.text import clean

_MOST_BYTES = 4_000_000_000
_LISTS = ("images", "annotations", "categories")
_SAMPLE = 1 << 16
_NAMED = re.compile(r"coco|instances|annotations|train|val|test")
_GZIP = b"\x1f\x8b"
_SPACES = (b'" :', b'"\t:', b'"\n:', b'"\r:')
_SPACED = re.compile(rb'"\s+:')
TWICE = "\0twice"
"""A key that no file has: the names of those that a mapping gives more than once, with different values."""
_KEYS = re.compile(rb'"(images|annotations|categories|image_id|file_name|bbox)"\s*:')
_NAMES, _ADDRESSES = ("file_name", "filename"), ("coco_url", "flickr_url", "url")


class Integer(NamedTuple):
    """A whole number, and whether it was written as text."""

    value: int
    was_text: bool


def read_coco(path: Path) -> dict[str, list[Any]]:
    """The lists `images`, `annotations` and `categories` of a file. Raises DataError without them."""
    document = read_json_file(path)
    name = clean(str(path))
    if not isinstance(document, dict):
        raise DataError(f"{name} is not a COCO file of annotations: it holds a list, as files of results do.")
    twice = [key for key in _LISTS if key in document.get(TWICE, ())]
    if twice:
        raise DataError(f"{name} gives `{twice[0]}` more than once: put them into one list.")
    absent = [name for name in _LISTS if not isinstance(document.get(name), list)]
    if absent:
        raise DataError(f"{name} is not a COCO file: it has no list {some(absent)}.")
    return {name: document[name] for name in _LISTS}


def read_json_file(path: Path) -> Any:
    """What is in a JSON file, with or without byte order mark; NaN is taken. Raises DataError.

    Of a key that a mapping gives twice the last value counts, as everywhere; its name is then in `TWICE`.
    """
    name = clean(str(path))
    data = read_bytes(path, _MOST_BYTES)
    if not data.strip():
        raise UnreadableError(name, "it is empty")
    if data.startswith(_GZIP):
        raise DataError(f"{name} is compressed: unpack it with gunzip first.")
    try:
        document = orjson.loads(data)
        if _keys_written(data) <= _keys_in(document):
            return document
    except orjson.JSONDecodeError:
        pass  # orjson takes neither byte order marks nor NaN
    try:
        return json.loads(data, object_pairs_hook=_mapping)
    except json.JSONDecodeError as error:
        raise DataError(f"{name}:{error.lineno}: not JSON: {clean(error.msg)}.") from None
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise DataError(f"{name} is not JSON: {clean(str(error))}.") from None


def _keys_written(data: bytes) -> int:
    """How many keys there are in JSON text, at least: text that looks like one may be counted too."""
    spaced = any(blank in data for blank in _SPACES)
    return data.count(b'":') + (sum(1 for _ in _SPACED.finditer(data)) if spaced else 0)


def _keys_in(value: object) -> int:
    """How many keys are left of them; lists that begin with a number or a text are passed over."""
    if isinstance(value, dict):
        return len(value) + sum(_keys_in(item) for item in value.values() if isinstance(item, dict | list))
    if isinstance(value, list) and value and isinstance(value[0], dict | list):
        return sum(map(_keys_in, value))
    return 0


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = {key for key, value in pairs if value != found[key]}
        if twice:
            found[TWICE] = sorted(twice)
    return found


def looks_like_coco(path: Path) -> bool:
    """Whether a JSON file has what COCO files of annotations have, by its beginning and end.

    Raises UnreadableError when it is there but cannot be read, or is empty though its name says that it has
    annotations.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            head = file.read(_SAMPLE)
            file.seek(max(len(head), os.fstat(file.fileno()).st_size - _SAMPLE))
            tail = file.read(_SAMPLE)
    except MissingFileError:
        return False
    except OSError as error:
        raise UnreadableError(shown(path), (error.strerror or "").lower()) from error
    if not head.strip() and _NAMED.search(path.name.lower()):
        raise UnreadableError(shown(path), "it is empty")
    text = (head + b" " + tail).replace(b"\0", b"")
    mapping = text.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"{")
    keys = {found[1] for found in _KEYS.finditer(text)}
    return mapping and len(keys) > 1 and bool(keys & {b"images", b"annotations", b"categories"})


def image_names(record: Mapping[str, Any]) -> tuple[str, ...]:
    """What the file of an image may be called, the likeliest first: as `file_name` says, else as its address.

    LVIS gives addresses only; the folder in one (`train2017/1.jpg`) is that of the image.
    """
    for key in _NAMES:
        if isinstance(name := record.get(key), str) and name.strip():
            return (name,)
    for key in _ADDRESSES:
        if isinstance(address := record.get(key), str):
            parts = [part for part in unquote(urlsplit(address).path).split("/") if part]
            if parts:
                return tuple(dict.fromkeys(("/".join(parts[-2:]), parts[-1])))
    return ()


def as_integer(value: object) -> Integer | None:
    """`value` as a whole number, when it is one or text that reads as one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Integer(value, False)
    if isinstance(value, float):
        return Integer(int(value), False) if math.isfinite(value) and value == int(value) else None
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d{1,18}(\.0+)?\s*", value):
        return Integer(int(float(value)) if "." in value else int(value), True)
    return None


def as_number(value: object) -> tuple[float, bool] | None:
    """`value` as a number and whether it was written as text, when it is one or text that reads as one."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value), isinstance(value, str)
    except (ValueError, OverflowError):
        return None
