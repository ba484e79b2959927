"""How an image file is to be opened: one place decides, for checks, training, predicting and screens.

A file is opened as a regular one, turned as its EXIF says, made eight-bit RGB on white, and put right where a
JPEG was cut off. An EXIF that cannot be read turns nothing: the picture is used as it is stored. Whatever
Pillow raises on the way becomes a `PictureError` that names the file.
"""

from __future__ import annotations

import io
import os
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from core.datasets.depth import PLAIN, Opening, eight_bit, is_deep
from core.datasets.images import FORMATS
from core.datasets.png_jpeg import ON_ITS_SIDE, Header, has_notes, read_plain
from core.errors import DataError, MissingFileError, PictureError
from core.reading import AnyPath, open_regular, shown
from core.text import clean

if TYPE_CHECKING:
    from PIL.Image import Image

END_OF_JPEG = b"\xff\xd9"
_ORIENTATION = 0x0112
_TURNS = range(2, 9)
_PILLOW = re.compile(r"PIL\.")
_LOOKED_THROUGH = 8
_DARK = 16
_SIXTEEN = ";16"
"""In Pillow's words for how the bytes of a file become pixels."""
_USUAL = tuple(FORMATS)[:5]
# What Pillow's readers raise on files that are broken or made to break them.
_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@contextmanager
def opened(
    path: AnyPath, how: Opening = PLAIN, *, mend: bool = False, quiet: bool = True
) -> Iterator[tuple[Image, Header]]:
    """The image file at `path`, its pixels not read yet; `mend`: with an end put on, for a JPEG cut off.

    Unless `quiet`, Pillow's warnings go where the caller wants them.

    Raises PictureError for whatever goes wrong, also within the `with`, and for more pixels than are allowed;
    MissingFileError and UnreadableError when it is no file, no regular one, or one that the system refuses;
    DataError when memory runs out.
    """
    from PIL import UnidentifiedImageError

    if quiet:
        _quieten()
    with os.fdopen(open_regular(path), "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise PictureError(shown(path), "empty file")
        try:
            source = io.BytesIO(file.read() + END_OF_JPEG) if mend else file
            with _identified(source) as image:
                require_size(image.size, how, path)
                yield image, _header(image)
        except MemoryError as error:
            raise DataError(f"{shown(path)}: there is not enough memory to open this picture.") from error
        except UnidentifiedImageError as error:
            raise PictureError(shown(path), "not an image") from error
        except _FAULTS as error:
            raise PictureError(shown(path), _words(error)) from error


def _identified(source: BinaryIO) -> Image:
    """The image in a file of one of the formats that are read, the usual ones tried first."""
    from PIL import Image as images
    from PIL import UnidentifiedImageError

    # Sizes are looked at here: its own limit is one for the process.
    images.MAX_IMAGE_PIXELS = None
    try:
        return images.open(source, formats=_USUAL)
    except UnidentifiedImageError:
        images.init()
        return images.open(source, formats=[name for name in FORMATS if name in images.OPEN])


def require_size(size: tuple[int, int], how: Opening, path: AnyPath) -> None:
    """Raise PictureError for a picture that has more pixels than are allowed."""
    if how.is_too_large(size):
        pixels = size[0] * size[1] / 1e6
        text = f"{size[0]} x {size[1]} are {pixels:.0f} megapixels, {how.max_megapixels:g} are allowed"
        raise PictureError(shown(path), f"{text}: raise data.max_megapixels")


def read_header(path: AnyPath, how: Opening = PLAIN) -> Header:
    """The header alone. Raises as `opened` does."""
    if (plain := read_plain(path)) is not None:
        require_size(plain.header.size, how, path)
        return plain.header
    with opened(path, how) as (_, header):
        return header


def read_rgb(
    path: AnyPath, least: tuple[int, int] | None = None, how: Opening = PLAIN
) -> tuple[Image, tuple[int, int]]:
    """The picture, upright and RGB, and the width and height of the whole one.

    Deeper greys are scaled to eight bits, as `how` says; what is transparent comes on white; what is missing
    of a JPEG that was cut off is grey. With `least` (width, height) a JPEG comes at a half, a quarter or an
    eighth of its sides where these are still that or more. Raises as `opened` does, but DataError with the
    way out when the file is gone.
    """
    try:
        with opened(path, how) as (image, header):
            if least is not None and header.format == "JPEG":
                image.draft(None, least[::-1] if header.turn in ON_ITS_SIDE else least)
            try:
                image.load()
            except OSError:
                if header.format != "JPEG":
                    raise
            else:
                return _upright(image, header, how), header.size
        with opened(path, how, mend=True) as (whole, header):
            return _upright(whole, header, how), header.size
    except MissingFileError:
        raise missing(path) from None


def decoding_fault(path: AnyPath, how: Opening = PLAIN, *, mend: bool = False) -> str:
    """Why the pixels of an image file cannot be had, empty when they can; `mend`: as a JPEG cut off."""
    try:
        with opened(path, how, mend=mend) as (image, header):
            if mend and header.format != "JPEG":
                return "not a JPEG"
            image.load()
            _upright(image, header, how)
    except PictureError as error:
        return error.reason
    return ""


def is_dark(path: AnyPath, how: Opening = PLAIN) -> bool:
    """Whether a picture that can be read is not black, but has only values in the lowest sixteenth."""
    picture, _ = read_rgb(path, how=how)
    most = max(high for _, high in picture.getextrema())  # type: ignore[misc]
    return 0 < most < _DARK


def missing(path: AnyPath) -> DataError:
    """The error for a picture that was there when its data set was read."""
    return DataError(f"{shown(path)} is missing: put it back, or start a new run.")


def _quieten() -> None:
    """Keep Pillow's warnings off the terminal: what is odd about a file is told with its name, by `look`.

    A filter for its modules, as `warnings.catch_warnings` is not for several threads.
    """
    if not any(_PILLOW in entry for entry in warnings.filters[:_LOOKED_THROUGH]):
        warnings.filterwarnings("ignore", module=_PILLOW.pattern)


def _header(image: Image) -> Header:
    from PIL import Image as images

    turn, exif = 1, ""
    is_png = image.format == "PNG"
    if is_png and "exif" not in image.info and _notes_behind(image):
        # Pillow reads on to the end for an EXIF behind the pixels: a fault of theirs is none of the EXIF.
        image.load()
    try:
        # Of a PNG, its own way would decode the pixels to look behind them.
        exif_data = images.Image.getexif(image) if is_png else image.getexif()
        found = exif_data.get(_ORIENTATION, 1)
        # Some writers have it as a float or a fraction.
        turn = next((turn for turn in _TURNS if found == turn), 1)
    except _FAULTS as error:
        exif = _words(error)
    size = stored = image.size
    if turn in ON_ITS_SIDE:
        # Pillow turns TIFF by itself when it decodes, and says so beforehand.
        if image.format == "TIFF":
            stored = (size[1], size[0])
        else:
            size = (stored[1], stored[0])
    clear = image.has_transparency_data
    several = image.format != "MPO" and bool(getattr(image, "is_animated", False))
    halved = not is_deep(image.mode) and any(_SIXTEEN in str(tile[3]) for tile in getattr(image, "tile", ()))
    return Header(size, stored, turn, image.mode, image.format or "", clear, exif, several, halved)


def _notes_behind(image: Image) -> bool:
    """Whether a PNG has texts or EXIF data after its pixels, where few have any."""
    source = image.fp  # type: ignore[attr-defined]
    if isinstance(source, io.BytesIO):
        return True
    file, at = source.fileno(), 8
    while len(head := os.pread(file, 8, at)) == 8 and head[4:] != b"IDAT":
        at += 12 + int.from_bytes(head[:4], "big")
    return has_notes(file, at)


def _upright(image: Image, header: Header, how: Opening) -> Image:
    """The decoded picture turned by the header's orientation, as RGB.

    By hand and not by `ImageOps.exif_transpose`, which writes the EXIF anew and fails where that cannot be
    (https://github.com/python-pillow/Pillow/issues/8965).
    """
    from PIL.Image import Transpose

    method = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(header.turn)
    image.load()
    if method is not None and header.format != "TIFF":
        image = image.transpose(method)
    return _rgb(image, how)


def _rgb(image: Image, how: Opening) -> Image:
    if is_deep(image.mode):
        return eight_bit(image, how).convert("RGB")
    if image.mode == "LAB":
        return _from_lab(image)
    if image.has_transparency_data:
        from PIL import Image as images

        seen = image.convert("RGBA")
        return images.alpha_composite(images.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")


def _from_lab(image: Image) -> Image:
    from PIL import ImageCms

    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    changed = ImageCms.applyTransform(image, ImageCms.buildTransform(*profiles, "LAB", "RGB"))
    assert changed is not None
    return changed


def _words(error: BaseException) -> str:
    text = ""
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror.lower()
    return clean(text or str(error)).rstrip(".") or type(error).__name__
