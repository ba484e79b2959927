"""What the pixels of one image say: how bright and how sharp it is, and what it looks like."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.analysis.image_records import RECORD, THUMB
from core.datasets.depth import PLAIN, Opening
from core.datasets.image_header import Look, look_at
from core.datasets.leaks import content_digest
from core.datasets.pictures import is_member, open_picture, open_reduced
from core.errors import DataError

_SIDE = 512
_HASH = 8
_BITS = 1 << np.arange(64, dtype=np.uint64)


def measure_image(root: Path, path: str, key: bytes, how: Opening = PLAIN) -> NDArray[np.void]:
    """The record (a scalar of `RECORD`) of the image at `path` below `root`. What cannot be read has `fault`.

    brightness and contrast: mean and standard deviation of the luma (ITU-R 601), 0 to 255. sharpness: the
    variance of its Laplacian (Pech-Pacheco et al. 2000), with the longer side brought to 512 pixels when it
    is above.
    """
    record = np.zeros((), RECORD)
    record["key"] = np.void(key)
    if is_member(path):
        try:
            image = open_picture(root, path)
        except DataError as error:
            record["fault"] = _short(str(error))
            return record
        look = Look(size=image.size)
        content = hashlib.blake2b(image.tobytes() + str(image.size).encode(), digest_size=16).digest()
    else:
        look = look_at(os.path.join(root, path), how)
        if look.fault:
            record["fault"] = _short(look.fault)
            return record
        try:
            image, _ = open_reduced(root, path, (_SIDE, _SIDE), how)
        except DataError as error:
            record["fault"] = _short(str(error))
            return record
        content = content_digest(os.path.join(root, path))[:16]
    grey = image.convert("L")
    if max(grey.size) > _SIDE:
        grey.thumbnail((_SIDE, _SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    pixels = np.asarray(grey, np.float32)
    record["content"] = np.void(content)
    record["hash"] = difference_hash(grey)
    record["thumb"] = np.asarray(grey.resize((THUMB, THUMB), Image.Resampling.BOX)).reshape(-1)
    record["brightness"], record["contrast"] = pixels.mean(), pixels.std()
    record["sharpness"] = laplacian_variance(pixels)
    record["width"], record["height"] = look.size
    record["mode"], record["kind"] = look.mode.encode()[:12], look.format.encode()[:12]
    record["damage"] = bool(look.damage)
    return record


def difference_hash(grey: Image.Image) -> NDArray[np.uint64]:
    """128 bits as two numbers: whether each of 8 x 8 places is darker than its neighbour to the right, and
    than the one below (dHash, N. Krawetz 2013, in both directions).
    """
    across = np.asarray(grey.resize((_HASH + 1, _HASH), Image.Resampling.BOX), np.int16)
    down = np.asarray(grey.resize((_HASH, _HASH + 1), Image.Resampling.BOX), np.int16)
    bits = (across[:, 1:] > across[:, :-1], down[1:] > down[:-1])
    return np.array([(part.reshape(-1) * _BITS).sum(dtype=np.uint64) for part in bits], np.uint64)


def laplacian_variance(pixels: NDArray[np.float32]) -> float:
    """Variance of the four-neighbour Laplacian of (height, width) pixels; 0 for what is too small."""
    if min(pixels.shape) < 3:
        return 0.0
    middle = pixels[1:-1, 1:-1]
    edges = pixels[:-2, 1:-1] + pixels[2:, 1:-1] + pixels[1:-1, :-2] + pixels[1:-1, 2:] - 4 * middle
    return float(edges.var())


def _short(text: str) -> bytes:
    return text.encode()[:120].decode("utf-8", "ignore").encode()
