"""What is said of the image files of a data set, whatever its format: kinds, damages, faults."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from core.datasets.depth import is_deep
from core.datasets.findings import Findings, count, some
from core.datasets.image_header import Look, exif_words

_KINDS: Mapping[str, Callable[[Look], bool]] = {
    "grey, read as RGB": lambda look: look.mode in ("L", "1", "LA"),
    "with colours of 16 bits, of which the upper 8 are read": lambda look: look.halved,
    "CMYK, read as RGB": lambda look: look.mode == "CMYK",
    "L*a*b*, read as RGB": lambda look: look.mode == "LAB",
    "with a palette, read as RGB": lambda look: look.mode in ("P", "PA"),
    "transparent in places, put on white": lambda look: look.clear and not is_deep(look.mode),
}
_PLAIN_ENDINGS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}


def say_kinds(looks: Mapping[str, Look], found: Findings) -> None:
    """Say which pictures that can be read are not plain 8-bit RGB, and what is done with them."""
    readable = {path: look for path, look in looks.items() if not look.fault}
    for text, holds in _KINDS.items():
        paths = [path for path, look in readable.items() if holds(look)]
        if paths:
            found.note("", f"{count(len(paths), 'image')} {text}: {some(paths)}")
    several = [path for path, look in readable.items() if look.several]
    if several:
        verb = "has" if len(several) == 1 else "have"
        text = f"{verb} several pictures in {'its' if len(several) == 1 else 'their'} file"
        found.note("", f"{count(len(several), 'image')} {text}, of which the first is used: {some(several)}")
    odd = [path for path, look in readable.items() if look.format and not _is_named_so(path, look.format)]
    if odd:
        found.note("", f"{count(len(odd), 'image')} in another format than the file name says: {some(odd)}")


def say_look(path: str, look: Look, found: Findings) -> None:
    """Warn of a file that cannot be read, or that is damaged."""
    if look.fault:
        found.warn(path, f"cannot be read ({look.fault}): left out")
        return
    for words in (look.damage, exif_words(look)):
        if words:
            found.warn(path, words)


def _is_named_so(path: str, kind: str) -> bool:
    meant = _PLAIN_ENDINGS.get(os.path.splitext(path)[1].lower())
    return meant is None or kind in (meant, "MPO" if meant == "JPEG" else "")
