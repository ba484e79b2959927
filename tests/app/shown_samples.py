"""What several tests of screens show: a network's summary and a small data set with boxes."""

from __future__ import annotations

from pathlib import Path

from tests import box_files

NETWORK = {
    "model": "tinyvgg_a",
    "parameters": 154218,
    "trainable": 154218,
    "parts": [
        {"name": "backbone", "parameters": 141000, "trainable": 141000},
        {"name": "head", "parameters": 13218, "trainable": 13218},
    ],
    "layers": [],
    "checkpoint_bytes": 1_250_000,
    "error": None,
}


def cells_and_betas(root: Path) -> Path:
    """A VOC set of five images: one without boxes, one that cannot be read."""
    box_files.voc(
        root,
        {
            "one": [("cell [a]", 2, 2, 20, 20), ("cell [a]", 30, 20, 60, 40)],
            "two": [("beta", 5, 5, 25, 45)],
            "three": [],
            "four": [("cell [a]", 1, 1, 40, 40)],
        },
    )
    (root / "JPEGImages" / "five.png").write_bytes(b"")
    box_files.xml(root / "Annotations" / "five.xml", [("beta", 1, 1, 9, 9)], filename="five.png")
    return root
