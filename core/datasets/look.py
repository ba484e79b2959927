"""What the header of an image file says: its size the right way up, its mode, whether it is whole."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

from core.datasets.images import decoding_fault, opens_whole
from core.text import clean

_SWAPPED = (5, 6, 7, 8)
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Look:
    """One image file. `size`: width and height as the picture is seen, turned as its EXIF says; `stored`: as
    it lies in the file; `turn`: the EXIF orientation, 1 for none. `fault` says why it cannot be read,
    `damage` what is missing of one that can. `mode` and `format` are Pillow's words; `clear`: some of it may
    be transparent. `bytes` is the size of the file.
    """

    size: tuple[int, int] = (0, 0)
    stored: tuple[int, int] = (0, 0)
    turn: int = 1
    mode: str = ""
    format: str = ""
    clear: bool = False
    bytes: int = 0
    fault: str = ""
    damage: str = ""


def look_at(path: str) -> Look:
    """Look at an image file; one that is not whole is decoded to see what is left of it."""
    from PIL import Image, UnidentifiedImageError

    try:
        size = os.stat(path).st_size
        if size == 0:
            return Look(fault="empty file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                turn = _turn(image)
                stored, mode, kind = image.size, image.mode, image.format or ""
                clear = image.has_transparency_data
                seen = (stored[1], stored[0]) if turn in _SWAPPED else stored
    except FileNotFoundError:
        return Look(fault="no such file")
    except UnidentifiedImageError:
        return Look(fault="not an image")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        return Look(fault=clean(str(error)).rstrip(".") or type(error).__name__)
    damage = fault = ""
    if not opens_whole(path, size):
        fault = decoding_fault(path) or ""
        if fault and decoding_fault(path, mend=True) is None:
            fault, damage = "", "it is cut off; what is missing is grey"
    return Look(seen, stored, turn, mode, kind, clear, size, fault, damage)


def _turn(image: object) -> int:
    try:
        found = image.getexif().get(_ORIENTATION, 1)  # type: ignore[attr-defined]
    except (OSError, ValueError, SyntaxError, KeyError, TypeError):
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1
