"""What colours mean, the same on screens and in saved pictures; lines and letters say it as well.

Okabe and Ito's, brightened for dark backgrounds and darkened for light ones.
"""

from __future__ import annotations

Rgb = tuple[int, int, int]

ROLES: dict[str, tuple[str, str]] = {
    "truth": ("#56B4E9", "#0072B2"),
    "predicted": ("#E69F00", "#B45F00"),
    "second": ("#00C08B", "#007A59"),
    "right": ("#3FC48A", "#00704F"),
    "wrong": ("#F0703A", "#B83A00"),
    "chosen": ("#E58CC0", "#A8407F"),
}
"""On dark and on light. `second`: predictions of another model; `wrong`: a wrong or missed box or count."""

NOT_WRONG = ("correct", "ignored", "crowd")
"""Kinds of boxes that are drawn as no error."""


def rgb(role: str) -> Rgb:
    """The colour of a role in a saved picture."""
    packed = int(ROLES[role][0][1:], 16)
    return packed >> 16, packed >> 8 & 255, packed & 255
