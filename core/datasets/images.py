"""Image files: which names are images, and which files cannot be read as one."""

from __future__ import annotations

import io
import os
import warnings

from core.text import clean

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
# Beginning and end of a whole file; what does not look like this is decoded to find out.
_WHOLE = ((b"\xff\xd8\xff", b"\xff\xd9"), (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"))


def has_image_suffix(name: str) -> bool:
    """Whether a name ends as those of images do."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def is_image_name(name: str) -> bool:
    """Whether a file's name says it is an image; hidden files are not."""
    return not name.startswith(".") and has_image_suffix(name)


def fault(path: str, size: int) -> str | None:
    """Why the image file `path` of `size` bytes cannot be read, or None.

    Whole JPEG and PNG files are told by their first and last bytes; all others are decoded.
    """
    if size == 0:
        return "empty file"
    try:
        return None if opens_whole(path, size) else decoding_fault(path)
    except OSError as error:
        return (error.strerror or "cannot be opened").lower()


def opens_whole(path: str, size: int) -> bool:
    """Whether a file of `size` bytes begins and ends as a JPEG or PNG does. Raises OSError."""
    with open(path, "rb") as file:
        head = file.read(8)
        file.seek(-min(size, 8), os.SEEK_END)
        tail = file.read(8)
    return any(head.startswith(start) and tail.endswith(end) for start, end in _WHOLE)


def mended(path: str | os.PathLike[str]) -> io.BytesIO:
    """A JPEG file with its end put on: of one that was cut off, the missing part then decodes as grey."""
    with open(path, "rb") as file:
        return io.BytesIO(file.read() + _WHOLE[0][1])


def decoding_fault(path: str, *, mend: bool = False) -> str | None:
    """Why an image file cannot be decoded, or None; `mend`: as a JPEG that was cut off."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(mended(path) if mend else path) as image:
                if mend and image.format != "JPEG":
                    return "not a JPEG"
                image.load()
    except UnidentifiedImageError:
        return "not an image"
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        return clean(str(error)).rstrip(".") or type(error).__name__
    return None
