"""One reader for all pictures: image files, and members of files that hold many (`data_batch_1#00042`)."""

from __future__ import annotations

import gzip
import io
import math
import os
import re
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from core.datasets.depth import PLAIN, Opening
from core.datasets.opening import missing, read_header, read_rgb
from core.errors import DataError, MissingFileError, PictureError, PicturesError, UnreadableError
from core.reading import HUGE, open_regular, read_bytes, shown
from core.text import clean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

T = TypeVar("T")

_MEMBER = re.compile(r"(.+)#(\d{5,})", re.DOTALL)
_OPEN = 8
_GZIP = b"\x1f\x8b"
_IDX = b"\0\0"
_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_MOST_BYTE = 255
BINARY = ".bin"
_CIFAR = 3 * 32 * 32
_TWO_LABELS = ("train", "test")
_MOST_PIXELS = 1 << 32
_IMAGES = 3


@dataclass(frozen=True)
class Pictures:
    """The pictures of one file: `pixels` uint8 (n, height, width, 3 or 1)."""

    pixels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.pixels)

    def rgb(self, index: int) -> NDArray[np.uint8]:
        """Picture `index` as (height, width, 3), C order."""
        import numpy as np

        return np.ascontiguousarray(np.broadcast_to(self.pixels[index], (*self.pixels.shape[1:3], 3)))


def member(file: str, index: int) -> str:
    """The path of picture `index` in `file`."""
    return f"{file}#{index:05d}"


def is_member(path: str) -> bool:
    """Whether `path` is a picture inside a file of many."""
    return _MEMBER.fullmatch(path) is not None


def member_file(path: str) -> str:
    """The file on disk that holds the picture `path`: for an image file that file itself."""
    found = _MEMBER.fullmatch(path)
    return found[1] if found else path


def open_picture(root: Path, path: str, how: Opening = PLAIN) -> Image:
    """The picture at `path` below `root`: RGB, upright, deeper greys scaled to eight bits as `how` says, on
    white where it is transparent. What is missing of a JPEG that was cut off is grey.

    Raises DataError, naming the file, when it is missing or no image.
    """
    from PIL import Image

    if is_member(path):
        (pixels,) = member_pixels(root, [path])
        return Image.fromarray(pixels)
    return read_rgb(root / path, None, how)[0]


def open_reduced(
    root: Path, path: str, least: tuple[int, int], how: Opening = PLAIN
) -> tuple[Image, tuple[int, int]]:
    """The picture as `open_picture` has it, and the width and height of the whole one.

    A JPEG comes at a half, a quarter or an eighth of its sides where these are still `least` (width, height)
    or more: that takes a fraction of the time. Raises DataError as `open_picture` does.
    """
    if is_member(path):
        image = open_picture(root, path)
        return image, image.size
    return read_rgb(root / path, least, how)


def open_fitting(
    root: Path, path: str, wanted: tuple[int, int], how: Opening
) -> tuple[Image, tuple[int, int]]:
    """The picture that is to be resized to `wanted`, and its whole size.

    Whole, so that resizing is exact; reduced, where that can be, when it is too large to be opened unasked.
    Raises DataError as `open_picture` does.
    """
    allowed = how.max_megapixels > PLAIN.max_megapixels and not is_member(path)
    if allowed and PLAIN.is_too_large(read_header(root / path, how).size):
        return open_reduced(root, path, (2 * wanted[0], 2 * wanted[1]), how)
    picture = open_picture(root, path, how)
    return picture, picture.size


def each(paths: Iterable[str], read: Callable[[str], T]) -> list[T]:
    """What `read` makes of each path. Raises PicturesError with all those that are no pictures."""
    made: list[T] = []
    errors: dict[str, PictureError] = {}
    for path in paths:
        try:
            made.append(read(path))
        except PictureError as error:
            errors[path] = error
    if errors:
        raise PicturesError(errors)
    return made


def member_pixels(root: Path, paths: Sequence[str]) -> Iterator[NDArray[np.uint8]]:
    """Pixels (height, width, 3), uint8, of pictures inside files of many, in the order of `paths`.

    The last files stay open in memory, so calls for parts of one file cost little, from any thread. Raises
    DataError when a file is missing, damaged, or has no such picture.
    """
    name, held = "", None
    for path in paths:
        found = _MEMBER.fullmatch(path)
        if found is None:
            raise DataError(f"{clean(path)} does not name a picture inside a file.")
        if held is None or found[1] != name:
            name, held = found[1], _opened(root / found[1])
        index = int(found[2])
        if index >= len(held):
            file = clean(str(root / name))
            raise DataError(
                f"{file} has {len(held)} pictures, but number {index} is needed: restore the file."
            )
        yield held.rgb(index)


def release() -> None:
    """Forget the files held in memory."""
    with _lock:
        _held.clear()


def read_pictures(path: Path) -> Pictures:
    """All pictures in `path`: a batch of CIFAR, or an idx file, which may be gzipped. Raises DataError."""
    if path.suffix.lower() == BINARY:
        return read_records(path)[0]
    if _is_idx(path):
        return Pictures(read_idx(path, _IMAGES)[..., None])
    from core.datasets.published.pickles import read_pickle

    return cifar_pictures(path, read_pickle(path))


def cifar_pictures(path: Path, content: Mapping[str, Any]) -> Pictures:
    """The pictures in the `content` of the CIFAR batch `path`. Raises DataError."""
    import numpy as np

    found = content.get("data")
    shape, data = found if isinstance(found, tuple) else ((), b"")
    if len(shape) != 2 or shape[1] != 3 * 32 * 32:
        raise DataError(f"{clean(str(path))} holds no pictures of 32 x 32 pixels: get the data set again.")
    return Pictures(np.frombuffer(data, np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def read_records(path: Path) -> tuple[Pictures, NDArray[np.uint8]]:
    """The pictures of a file of CIFAR's "binary version", and their labels (n, 1), of CIFAR-100 (n, 2).

    A record is a label byte, in CIFAR-100 one for the group and one for the class, and 1024 bytes each of
    red, green and blue (https://www.cs.toronto.edu/~kriz/cifar.html). Raises DataError.
    """
    import numpy as np

    data = _content(path)
    labels = 2 if path.stem.lower() in _TWO_LABELS else 1
    if len(data) % (labels + _CIFAR):
        raise DataError(f"{shown(path)} is cut off or damaged: get the data set again.")
    rows = np.frombuffer(data, np.uint8).reshape(-1, labels + _CIFAR)
    return Pictures(rows[:, labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), rows[:, :labels]


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """The array of bytes in an idx file (3 axes: images, 1: labels). Raises DataError.

    The format: http://yann.lecun.com/exdb/mnist/ (magic 0x0000, type, axes; sides as big-endian int32;
    numbers, big-endian). Numbers of other types must be those of bytes, 0 to 255.
    """
    import numpy as np

    name, data = shown(path), _content(path)
    try:
        with gzip.open(io.BytesIO(data)) if data.startswith(_GZIP) else io.BytesIO(data) as file:
            head = file.read(4 + 4 * axes)
            sides = tuple(int.from_bytes(head[4 * i + 4 : 4 * i + 8], "big") for i in range(axes))
            count = math.prod(sides)
            kind = _IDX_TYPES.get(head[2]) if len(head) == 4 + 4 * axes and head[:2] == _IDX else None
            if kind is None or head[3] != axes or count > _MOST_PIXELS:
                what = "pictures" if axes == _IMAGES else "labels"
                raise DataError(f"{name} is not an idx file of {what}: get the data set again.")
            size = count * np.dtype(kind).itemsize
            values = file.read(size)
            whole = len(values) == size and not file.read(1)
    except (OSError, EOFError, ValueError, zlib.error):
        raise DataError(f"{name} cannot be read: it is cut off or damaged. Get the data set again.") from None
    if not whole:
        raise DataError(f"{name} is cut off or damaged: get the data set again.")
    numbers = np.frombuffer(values, kind)
    if kind == _IDX_TYPES[8]:
        return numbers.reshape(sides)
    if not ((numbers >= 0) & (numbers <= _MOST_BYTE) & (numbers % 1 == 0)).all():
        raise DataError(f"{name} has numbers that are not whole from 0 to 255: write them as bytes.")
    return numbers.astype(np.uint8).reshape(sides)


def _content(path: Path) -> bytes:
    """All of a file of many pictures. Raises DataError where it is gone, UnreadableError for an empty one."""
    try:
        data = read_bytes(path, HUGE)
    except MissingFileError:
        raise missing(path) from None
    if not data:
        raise UnreadableError(shown(path), "it is empty: get the data set again")
    return data


def _is_idx(path: Path) -> bool:
    try:
        fd = open_regular(path)
    except MissingFileError:
        raise missing(path) from None
    try:
        head = os.read(fd, 3)
    except OSError as error:
        raise UnreadableError(shown(path), (error.strerror or "cannot be read").lower()) from error
    finally:
        os.close(fd)
    return head.startswith(_GZIP) or (head[:2] == _IDX and head[2] in _IDX_TYPES)


_Stamp = tuple[str, int, int]
_held: OrderedDict[_Stamp, Pictures] = OrderedDict()
_lock = threading.Lock()


def _opened(path: Path) -> Pictures:
    try:
        status = os.stat(path)
    except OSError:
        raise missing(path) from None
    stamp = (str(path), status.st_size, status.st_mtime_ns)
    with _lock:
        found = _held.get(stamp)
        if found is None:
            found = _held[stamp] = read_pictures(path)
            while len(_held) > _OPEN:
                _held.popitem(last=False)
        _held.move_to_end(stamp)
        return found
