"""The objects of one split as arrays, and how they lie in a run's folder."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError

OBJECTS_FORMAT = 1
_TYPES: dict[str, tuple[str, tuple[int, ...]]] = {
    "offsets": ("<i8", ()),
    "corners": ("<f4", (4,)),
    "labels": ("<i8", ()),
    "crowd": ("|b1", ()),
    "difficult": ("|b1", ()),
    "area": ("<f4", ()),
    "source": ("<i8", ()),
    "sizes": ("<i4", (2,)),
}


@dataclass(frozen=True, eq=False)
class Boxes:
    """The objects of a split's images; those of image i of its FileList are rows `offsets[i]:offsets[i + 1]`.

    offsets (images + 1,) int64. corners (n, 4) float32: x1, y1, x2, y2 in continuous pixels of the upright
    image, inside it and never empty. labels (n,) int64, 0-based without background. `crowd` marks regions of
    many objects, `difficult` objects that are neither right nor wrong to find. area (n,) float32 in square
    pixels. source (n,) int64: ids of the annotations, 0 where the format has none. sizes (images, 2) int32:
    width and height of the upright images. image_ids: the images' ids in the source, their paths where the
    format has none.
    """

    offsets: NDArray[np.int64]
    corners: NDArray[np.float32]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    difficult: NDArray[np.bool_]
    area: NDArray[np.float32]
    source: NDArray[np.int64]
    sizes: NDArray[np.int32]
    image_ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def images(self) -> int:
        return len(self.offsets) - 1

    def counts(self, classes: int) -> tuple[int, ...]:
        """Objects of each class, crowds not counted."""
        return tuple(np.bincount(self.labels[~self.crowd], minlength=classes).tolist())

    def select(self, images: Sequence[int]) -> Boxes:
        """The boxes of these images, in this order."""
        chosen = np.asarray(images, np.int64)
        counts = np.diff(self.offsets)[chosen]
        offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        rows = np.repeat(self.offsets[chosen] - offsets[:-1], counts) + np.arange(offsets[-1])
        return Boxes(
            offsets,
            self.corners[rows],
            self.labels[rows],
            self.crowd[rows],
            self.difficult[rows],
            self.area[rows],
            self.source[rows],
            self.sizes[chosen],
            tuple(self.image_ids[index] for index in chosen),
        )

    def relabelled(self, places: Sequence[int]) -> Boxes:
        """The same boxes with class `places[label]` in place of each label."""
        labels = np.asarray(places, np.int64)[self.labels]
        return Boxes(**{**{name: getattr(self, name) for name in _NAMES}, "labels": labels})


_NAMES = tuple(field.name for field in fields(Boxes))


def update_digest(digest: hashlib._Hash, boxes: Boxes) -> None:
    """Add all that training sees of `boxes` to a fingerprint."""
    for name in ("offsets", "corners", "labels", "crowd", "difficult", "sizes"):
        digest.update(f"{name}\n".encode())
        digest.update(np.ascontiguousarray(getattr(boxes, name), _TYPES[name][0]).tobytes())


def pack(splits: Mapping[str, Boxes]) -> bytes:
    """The boxes of all splits as the bytes of an `.npz` file without pickled objects."""
    arrays: dict[str, Any] = {"format": np.array(OBJECTS_FORMAT)}
    for split, boxes in splits.items():
        for name, (kind, _) in _TYPES.items():
            arrays[f"{split}/{name}"] = np.ascontiguousarray(getattr(boxes, name), kind)
        ids = "\n".join(boxes.image_ids).encode("utf-8", "surrogateescape")
        arrays[f"{split}/image_ids"] = np.frombuffer(ids, np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def unpack(data: bytes, images: Mapping[str, int]) -> dict[str, Boxes]:
    """The boxes that `pack` packed, for splits of so many `images`. Raises DataError for damaged ones."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            if int(arrays["format"]) > OBJECTS_FORMAT:
                raise DataError(
                    "objects.npz was written by a newer labtui: update labtui to continue this run."
                )
            return {split: _unpacked(arrays, split, count) for split, count in images.items()}
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile):
        raise DataError("objects.npz of this run is damaged: start a new run of the same config.") from None


def _unpacked(arrays: Mapping[str, NDArray[np.generic]], split: str, images: int) -> Boxes:
    found = {name: arrays[f"{split}/{name}"] for name in _TYPES}
    objects = len(found["labels"])
    for name, array in found.items():
        kind, inner = _TYPES[name]
        length = {"offsets": images + 1, "sizes": images}.get(name, objects)
        if array.shape != (length, *inner) or array.dtype != np.dtype(kind):
            raise ValueError(name)
    offsets = np.asarray(found["offsets"], np.int64)
    if offsets[0] != 0 or offsets[-1] != objects or (np.diff(offsets) < 0).any():
        raise ValueError("offsets")
    text = arrays[f"{split}/image_ids"].tobytes().decode("utf-8", "surrogateescape")
    ids = tuple(text.split("\n")) if images else ()
    if len(ids) != images:
        raise ValueError("image_ids")
    values: dict[str, object] = {**found, "image_ids": ids}
    return Boxes(**values)  # type: ignore[arg-type]
