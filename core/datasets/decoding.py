"""The pixels of images read as training reads them, to see which of them cannot be had."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.datasets.depth import Opening
from core.datasets.findings import Findings, count
from core.datasets.image_header import Look
from core.datasets.opening import decoding_fault, is_dark

QUICK_IMAGES, QUICK_PIXELS = 2000, 150_000_000
"""So many images, of so many pixels together, are decoded in a few seconds."""
_MOST_THREADS = 8
_BY_ENDS = ("JPEG", "PNG", "MPO")
"""Formats of which `look_at` decodes no file whose first and last bytes are right."""
NEARLY_BLACK = "its colours of 16 bits seem to hold 12 or fewer: it is nearly black, save it with 8 bits"
CUT_OFF = "it is damaged; what cannot be read of it is grey"


@dataclass
class Decoder:
    """Decodes images that only their headers are known of: all when `deep`, else as long as that is quick."""

    root: Path
    how: Opening
    deep: bool
    _images: int = 0
    _pixels: int = 0
    _left: int = field(default=0)

    def look(self, looks: Mapping[str, Look]) -> dict[str, Look]:
        """`looks` (by path) with the faults and damages that decoding shows."""
        paths = [path for path, look in looks.items() if _is_open(look)]
        self._images += len(paths)
        self._pixels += sum(looks[path].size[0] * looks[path].size[1] for path in paths)
        if not self.deep and (self._images > QUICK_IMAGES or self._pixels > QUICK_PIXELS):
            self._left += len(paths)
            return dict(looks)
        with ThreadPoolExecutor(min(_MOST_THREADS, len(os.sched_getaffinity(0)))) as pool:
            decoded = dict(
                zip(paths, pool.map(lambda path: self._decoded(path, looks[path]), paths), strict=True)
            )
        return {path: decoded.get(path, look) for path, look in looks.items()}

    def tell(self, found: Findings) -> None:
        """Say how many images were not decoded."""
        if self._left:
            text = f"{count(self._left, 'image')} looked at without decoding the pixels"
            found.note("", f"{text}: `labtui data check --deep` decodes all")

    def _decoded(self, path: str, look: Look) -> Look:
        file = os.path.join(self.root, path)
        fault = decoding_fault(file, self.how)
        if not fault:
            return replace(look, damage=NEARLY_BLACK) if look.halved and is_dark(file, self.how) else look
        if decoding_fault(file, self.how, mend=True):
            return replace(look, fault=fault)
        return replace(look, damage=CUT_OFF)


def _is_open(look: Look) -> bool:
    """Whether decoding could say more of an image than its header did."""
    return not look.fault and not look.damage and look.format in _BY_ENDS
