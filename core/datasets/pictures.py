"""One reader for all pictures: image files, and members of files that hold many (`data_batch_1#00042`)."""

from __future__ import annotations

import gzip
import math
import os
import re
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from core.datasets.images import mended
from core.errors import DataError
from core.text import clean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_MEMBER = re.compile(r"(.+)#(\d{5,})", re.DOTALL)
_OPEN = 8
_GZIP = b"\x1f\x8b"
_IDX = b"\0\0\x08"
_MOST_PIXELS = 1 << 32
_IMAGES = 3
_ORIENTATION = 0x0112
_ON_ITS_SIDE = (5, 6, 7, 8)


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


def open_picture(root: Path, path: str) -> Image:
    """The picture at `path` below `root`: RGB, upright, sixteen-bit greys scaled to eight bits, on white
    where it is transparent. What is missing of a JPEG that was cut off is grey.

    Raises DataError, naming the file, when it is missing or no image.
    """
    from PIL import Image

    if is_member(path):
        (pixels,) = member_pixels(root, [path])
        return Image.fromarray(pixels)
    return _read(root / path)[0]


def open_reduced(root: Path, path: str, least: tuple[int, int]) -> tuple[Image, tuple[int, int]]:
    """The picture as `open_picture` has it, and the width and height of the whole one.

    A JPEG comes at a half, a quarter or an eighth of its sides where these are still `least` (width, height)
    or more: that takes a fraction of the time. Raises DataError as `open_picture` does.
    """
    if is_member(path):
        image = open_picture(root, path)
        return image, image.size
    return _read(root / path, least)


def member_pixels(root: Path, paths: Sequence[str]) -> Iterator[NDArray[np.uint8]]:
    """Pixels (height, width, 3), uint8, of pictures inside files of many, in the order of `paths`.

    The last files stay open in memory, so calls for parts of one file cost little, from any thread. Raises
    DataError when a file is missing, damaged, or has no such picture.
    """
    name, held = "", None
    for path in paths:
        found = _MEMBER.fullmatch(path)
        if found is None:
            raise DataError(f"{clean(path)} is no picture inside a file of many.")
        if held is None or found[1] != name:
            name, held = found[1], _opened(root / found[1])
        index = int(found[2])
        if index >= len(held):
            file = clean(str(root / name))
            raise DataError(f"{file} has {len(held)} pictures, but number {index} is asked for: restore it.")
        yield held.rgb(index)


def release() -> None:
    """Forget the files held in memory."""
    with _lock:
        _held.clear()


def read_pictures(path: Path) -> Pictures:
    """All pictures in `path`: a batch of CIFAR, or an idx file, which may be gzipped. Raises DataError."""
    if _is_idx(path):
        return Pictures(read_idx(path, _IMAGES)[..., None])
    from core.datasets.pickles import read_pickle

    return cifar_pictures(path, read_pickle(path))


def cifar_pictures(path: Path, content: Mapping[str, Any]) -> Pictures:
    """The pictures in the `content` of the CIFAR batch `path`. Raises DataError."""
    import numpy as np

    found = content.get("data")
    shape, data = found if isinstance(found, tuple) else ((), b"")
    if len(shape) != 2 or shape[1] != 3 * 32 * 32:
        raise DataError(f"{clean(str(path))} holds no pictures of 32 x 32 pixels: get the data set again.")
    return Pictures(np.frombuffer(data, np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """The array of bytes in an idx file (3 axes: images, 1: labels). Raises DataError.

    The format: http://yann.lecun.com/exdb/mnist/ (magic 0x0000 08 axes, sides as big-endian int32, bytes).
    """
    import numpy as np

    shown = clean(str(path))
    try:
        with _plain(path) as file:
            head = file.read(4 + 4 * axes)
            sides = tuple(int.from_bytes(head[4 * i + 4 : 4 * i + 8], "big") for i in range(axes))
            count = math.prod(sides)
            if len(head) < 4 + 4 * axes or head[:4] != _IDX + bytes([axes]) or count > _MOST_PIXELS:
                what = "pictures" if axes == _IMAGES else "labels"
                raise DataError(f"{shown} is no idx file of {what}: get the data set again.")
            data = file.read(count)
            whole = len(data) == count and not file.read(1)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        said = getattr(error, "strerror", None) or "it is cut off or damaged"
        raise DataError(f"{shown} cannot be read: {said}. Get the data set again.") from None
    if not whole:
        raise DataError(f"{shown} is cut off or damaged: get the data set again.")
    return np.frombuffer(data, np.uint8).reshape(sides)


def _plain(path: Path) -> IO[bytes]:
    with open(path, "rb") as file:
        packed = file.read(2) == _GZIP
    return cast(IO[bytes], gzip.open(path, "rb")) if packed else open(path, "rb")


def _is_idx(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            head = file.read(3)
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        raise DataError(f"{clean(str(path))} cannot be read: {error.strerror}.") from None
    return head.startswith(_GZIP) or head == _IDX


_Stamp = tuple[str, int, int]
_held: OrderedDict[_Stamp, Pictures] = OrderedDict()
_lock = threading.Lock()


def _opened(path: Path) -> Pictures:
    try:
        status = os.stat(path)
    except OSError:
        raise _missing(path) from None
    stamp = (str(path), status.st_size, status.st_mtime_ns)
    with _lock:
        found = _held.get(stamp)
        if found is None:
            found = _held[stamp] = read_pictures(path)
            while len(_held) > _OPEN:
                _held.popitem(last=False)
        _held.move_to_end(stamp)
        return found


def _missing(path: Path) -> DataError:
    return DataError(f"{clean(str(path))} is missing: put it back, or start a new run.")


def _read(file: Path, least: tuple[int, int] | None = None) -> tuple[Image, tuple[int, int]]:
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as opened:
            turned = opened.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE
            size = opened.size[::-1] if turned else opened.size
            if least is not None and opened.format == "JPEG":
                opened.draft(None, least[::-1] if turned else least)
            try:
                opened.load()
            except OSError:
                if opened.format != "JPEG":
                    raise
                with Image.open(mended(file)) as whole:
                    return _rgb(ImageOps.exif_transpose(whole)), size
            return _rgb(ImageOps.exif_transpose(opened)), size
    except FileNotFoundError:
        raise _missing(file) from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{clean(str(file))} cannot be read as an image ({clean(str(error)) or type(error).__name__}): "
            "replace it or take it out of the data set."
        ) from error


def _rgb(image: Image) -> Image:
    if image.has_transparency_data:
        from PIL import Image as images

        seen = image.convert("RGBA")
        return images.alpha_composite(images.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return _eight_bit(image).convert("RGB")


def _eight_bit(image: Image) -> Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        import numpy as np
        from PIL import Image as images

        return images.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    return image
