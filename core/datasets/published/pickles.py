"""The pickles of CIFAR, read without running anything that is in them."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

from core.errors import DataError, UnreadableError
from core.reading import read_bytes
from core.text import clean

MOST_BYTES = 1 << 30


class _Refused(pickle.UnpicklingError):
    """The pickle asks for something that no array needs."""


class _Dtype:
    """Stands for `numpy.dtype`: keeps its name only."""

    __slots__ = ("name",)

    def __init__(self, name: object = "", *_: object) -> None:
        self.name = _text(name)

    def __setstate__(self, state: object) -> None:
        pass


class _Array:
    """Stands for `numpy.ndarray`: keeps shape and bytes of an array of uint8, or refuses."""

    __slots__ = ("data", "shape")

    def __init__(self, *_: object) -> None:
        self.shape: tuple[int, ...] = ()
        self.data = b""

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise _Refused("holds an incomplete array")
        self._fill(shape=state[1], dtype=state[2], turned=state[3], data=state[4])

    def _fill(self, *, shape: object, dtype: object, turned: object, data: object) -> None:
        if not isinstance(dtype, _Dtype) or dtype.name not in ("u1", "|u1", "uint8") or turned:
            raise _Refused("holds an array that is not of bytes")
        raw = data.encode("latin-1") if isinstance(data, str) else data
        if not isinstance(raw, (bytes, bytearray)) or not isinstance(shape, tuple):
            raise _Refused("holds an incomplete array")
        count = 1
        for side in shape:
            if not isinstance(side, int) or side < 0:
                raise _Refused("holds an incomplete array")
            count *= side
        if count != len(raw):
            raise _Refused("holds an incomplete array")
        self.shape, self.data = tuple(shape), bytes(raw)


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _from_buffer(data: object, dtype: object, shape: object, order: object = "C") -> _Array:
    array = _Array()
    array._fill(shape=shape, dtype=dtype, turned=order != "C", data=data)
    return array


def _encode(text: object, encoding: object = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise _Refused("holds an incomplete array")
    return text.encode("latin-1")


_ALLOWED = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _Refused(f"asks for {clean(module)}.{clean(name)}, which no picture needs") from None


def read_pickle(path: Path) -> dict[str, Any]:
    """The mapping in a pickle of plain values and arrays of bytes; arrays come as (shape, bytes).

    Nothing but the pieces that arrays are made of is looked up, and stand-ins take their place: no code of
    the file runs. Raises DataError for a file that is missing, too large, cut off, or that asks for more.
    """
    shown = clean(str(path))
    content = read_bytes(path, MOST_BYTES)
    if not content:
        raise UnreadableError(shown, "it is empty: get the data set again")
    try:
        value = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except _Refused as refused:
        raise DataError(f"{shown} {refused}: it was not opened. Get the data set again.") from None
    except Exception as error:
        raise DataError(
            f"{shown} is damaged or not a file of CIFAR ({type(error).__name__}): get the data set again."
        ) from None
    if not isinstance(value, dict):
        raise DataError(f"{shown} is not a file of CIFAR: get the data set again.")
    return {_text(key): _plain(item) for key, item in value.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.shape, value.data
    if isinstance(value, list):
        return [_text(item) if isinstance(item, (bytes, str)) else item for item in value]
    return _text(value) if isinstance(value, bytes) else value


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
