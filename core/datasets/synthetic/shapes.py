"""The drawn pictures of the format `synthetic`: shapes (groups) in variants that differ little (classes)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]
VARIANTS = ("thin", "thick", "broken")
# Thin and thick overlap a little: a few pictures of a pair cannot be told apart.
_HALF_WIDTH = {"thin": (0.05, 0.115), "thick": (0.1, 0.18), "broken": (0.07, 0.13)}


def _ring(x: Plane, y: Plane) -> Plane:
    return np.abs(np.hypot(x, y) - 0.62)


def _cross(x: Plane, y: Plane) -> Plane:
    beyond = np.maximum(np.maximum(np.abs(x), np.abs(y)) - 0.7, 0)
    return np.hypot(np.minimum(np.abs(x), np.abs(y)), beyond)


def _square(x: Plane, y: Plane) -> Plane:
    return np.abs(np.maximum(np.abs(x), np.abs(y)) - 0.55)


def _triangle(x: Plane, y: Plane) -> Plane:
    return np.abs(np.maximum(np.abs(x) * 0.866 + y * 0.5, -y) - 0.36)


def _star(x: Plane, y: Plane) -> Plane:
    outline: Plane = np.hypot(x, y) - 0.2 * np.cos(5 * np.arctan2(y, x))
    return np.abs(outline - 0.52)


def _wave(x: Plane, y: Plane) -> Plane:
    beyond = np.maximum(np.abs(x) - 0.75, 0)
    return np.hypot(np.abs(y - 0.3 * np.sin(x * 5.5)) * 0.75, beyond)


def _arc(x: Plane, y: Plane) -> Plane:
    beyond = np.maximum(-y - 0.1, 0)
    return np.hypot(np.hypot(x, y) - 0.6, beyond)


def _bars(x: Plane, y: Plane) -> Plane:
    beyond = np.maximum(np.abs(y) - 0.6, 0)
    return np.hypot(np.abs(np.abs(x) - 0.35), beyond)


SHAPES: dict[str, Callable[[Plane, Plane], Plane]] = {
    "ring": _ring,
    "cross": _cross,
    "square": _square,
    "star": _star,
    "triangle": _triangle,
    "wave": _wave,
    "arc": _arc,
    "bars": _bars,
}


def draw(shape: str, variant: str, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """RGB pixels (size, size, 3) of one picture: place, size, turn, stroke, colours, light and noise vary."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    y, x = np.meshgrid(axis, axis, indexing="ij")
    angle = rng.uniform(0, 2 * math.pi)
    zoom = rng.uniform(0.72, 1.0)
    shift_x, shift_y = rng.uniform(-0.18, 0.18, 2)
    moved_x, moved_y = (x - shift_x) / zoom, (y - shift_y) / zoom
    turned_x = math.cos(angle) * moved_x + math.sin(angle) * moved_y
    turned_y = math.cos(angle) * moved_y - math.sin(angle) * moved_x
    half = rng.uniform(*_HALF_WIDTH[variant])
    softness = 1.2 / size
    ink = np.clip((half - SHAPES[shape](turned_x, turned_y)) / softness + 0.5, 0, 1)
    if variant == "broken":
        dashes = np.sin(9 * np.arctan2(turned_y, turned_x) + rng.uniform(0, 2 * math.pi))
        ink *= np.clip(dashes * 3 + 0.9, 0, 1)

    paper = rng.uniform(0.08, 0.38, 3)
    colour = rng.uniform(0.5, 1, 3)
    picture = paper + ink[..., None] * (colour - paper)
    light_x, light_y = rng.uniform(-0.1, 0.1, 2)
    picture += (x * light_x + y * light_y)[..., None]
    picture += rng.normal(0, rng.uniform(0.01, 0.06), (size, size, 3))
    return (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)
