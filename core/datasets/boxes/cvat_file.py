"""Which XML files are those of CVAT."""

from __future__ import annotations

from pathlib import Path

from core.datasets.recognised import document_kind, head_of

_WORDS = (b"<annotations", b"<image ")


def is_cvat(file: Path) -> bool:
    """Whether an XML file is one of "CVAT for images", by its beginning."""
    head = head_of(file)
    return all(word in head for word in _WORDS) or (_WORDS[0] in head and b"<dumped>" in head)


def is_of_cvat(file: Path) -> bool:
    """Whether an XML file is one of CVAT, be it for images or for video."""
    return is_cvat(file) or document_kind(file) is not None
