"""What the header of an image file says: its size the right way up, its mode, whether it is whole."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

from core.datasets.depth import PLAIN, Opening
from core.datasets.images import read_ends
from core.datasets.opening import decoding_fault, opened
from core.datasets.png_jpeg import read_plain
from core.errors import PictureError, UnreadableError
from core.text import clean


@dataclass(frozen=True)
class Look:
    """One image file. `size`: width and height as the picture is seen, turned as its EXIF says; `stored`: as
    it lies in the file; `turn`: the EXIF orientation, 1 for none. `fault` says why it cannot be read,
    `damage` what is missing of one that can. `mode` and `format` are Pillow's words; `clear`: some of it may
    be transparent. `bytes` is the size of the file. `exif` says what is odd about its EXIF. `several`: there
    are pictures behind the first, which are not used; `halved`: of sixteen bits a channel the upper eight are
    read.
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
    exif: str = ""
    several: bool = False
    halved: bool = False


def exif_words(look: Look) -> str:
    """What a damaged EXIF means for the picture, empty where it is whole."""
    if not look.exif:
        return ""
    if look.turn == 1:
        return f"its EXIF is damaged ({look.exif}): used as stored"
    return f"its EXIF is damaged ({look.exif}), except for the orientation: rotated"


def look_at(path: str, how: Opening = PLAIN) -> Look:
    """Look at an image file; one that is not whole is decoded to see what is left of it."""
    plain = read_plain(path)
    if plain is not None and plain.whole and not how.is_too_large(plain.header.size):
        header = plain.header
        return Look(
            header.size,
            header.stored,
            header.turn,
            header.mode,
            header.format,
            header.clear,
            plain.bytes,
            halved=header.halved,
        )
    try:
        size = os.stat(path).st_size
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            with opened(path, how, quiet=False) as (_, header):
                pass
        whole = read_ends(path).whole
    except FileNotFoundError:
        return Look(fault="no such file")
    except OSError as error:
        return Look(fault=(error.strerror or "cannot be opened").lower())
    except (PictureError, UnreadableError) as error:
        return Look(fault=error.reason)
    damage = fault = ""
    if not whole:
        fault = decoding_fault(path, how)
        if fault and not decoding_fault(path, how, mend=True):
            fault, damage = "", "it is cut off; the missing part is grey"
    exif = header.exif or next((str(item.message) for item in told if item.category is UserWarning), "")
    return Look(
        header.size,
        header.stored,
        header.turn,
        header.mode,
        header.format,
        header.clear,
        size,
        fault,
        damage,
        " ".join(clean(exif).split()).rstrip("."),
        header.several,
        header.halved,
    )
