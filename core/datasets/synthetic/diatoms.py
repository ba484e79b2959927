"""Drawn diatoms: valves of a few genera, whose species differ a little in striae and proportions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]
Edges = tuple[Plane, Plane]

SPECIES = ("gracilis", "lata", "densa")
"""Second words of the names: narrow valves, broad ones, and ones with many striae."""


@dataclass(frozen=True)
class Genus:
    """`edges` gives the lower and upper edge (v) of a valve at places u in -1..1 along its axis."""

    edges: Callable[[Plane], Edges]
    striae: float


def _bow(u: Plane, power: float) -> Plane:
    bow: Plane = np.maximum(1 - u * u, 0) ** power
    return bow


def _lance(u: Plane) -> Edges:
    return -0.26 * _bow(u, 1.1), 0.26 * _bow(u, 1.1)


def _club(u: Plane) -> Edges:
    half = 0.25 * _bow(u, 0.6) * (1 + 0.45 * u)
    return -half, half


def _crescent(u: Plane) -> Edges:
    return -0.06 * _bow(u, 0.8) + 0.12 * (1 - u * u) - 0.12, 0.36 * _bow(u, 0.7) - 0.06


def _half_moon(u: Plane) -> Edges:
    return -0.08 * _bow(u, 1.0), 0.36 * _bow(u, 0.6)


def _needle(u: Plane) -> Edges:
    return -0.11 * _bow(u, 0.35), 0.11 * _bow(u, 0.35)


def _ellipse(u: Plane) -> Edges:
    return -0.58 * _bow(u, 0.5), 0.58 * _bow(u, 0.5)


def _disc(u: Plane) -> Edges:
    return -0.95 * _bow(u, 0.5), 0.95 * _bow(u, 0.5)


def _egg(u: Plane) -> Edges:
    half = 0.46 * _bow(u, 0.5) * (1 + 0.3 * u)
    return -half, half


GENERA: dict[str, Genus] = {
    "Navicula": Genus(_lance, 11),
    "Cocconeis": Genus(_ellipse, 13),
    "Cymbella": Genus(_crescent, 11),
    "Gomphonema": Genus(_club, 11),
    "Encyonema": Genus(_half_moon, 12),
    "Cyclotella": Genus(_disc, 9),
    "Nitzschia": Genus(_needle, 17),
    "Surirella": Genus(_egg, 7),
}
# Breadth and number of striae of the species against their genus; they overlap a little.
_BREADTH = {"gracilis": (0.74, 0.9), "lata": (1.06, 1.26), "densa": (0.88, 1.08)}
_STRIAE = {"gracilis": (0.92, 1.08), "lata": (0.92, 1.08), "densa": (1.5, 1.75)}


def paper(size: int, rng: np.random.Generator) -> Plane:
    """A microscope's field (size, size, 3) in 0..1: bright, uneven, with specks and short fibres."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, size),) * 2, indexing="ij")
    light = rng.uniform(0.68, 0.86)
    slope_x, slope_y, bow = rng.uniform(-0.06, 0.06, 3)
    field = light + x * slope_x + y * slope_y + (x * x + y * y) * bow
    for _ in range(rng.integers(1, 7)):
        centre_x, centre_y = rng.uniform(-1, 1, 2)
        angle, length = rng.uniform(0, math.pi), rng.choice([0.0, 0.0, 0.12])
        along = np.clip((x - centre_x) * math.cos(angle) + (y - centre_y) * math.sin(angle), -length, length)
        away = np.hypot(x - centre_x - along * math.cos(angle), y - centre_y - along * math.sin(angle))
        field -= rng.uniform(0.05, 0.3) * np.exp(-((away / rng.uniform(0.012, 0.03)) ** 2))
    tint = 1 + rng.uniform(-0.05, 0.05, 3)
    tinted: Plane = field[..., None] * tint
    return tinted


def valve(
    genus: str, species: str, length: float, angle: float, rng: np.random.Generator
) -> tuple[Plane, Plane]:
    """Cover and shade (side, side), both in 0..1, of one valve of `length` pixels turned by `angle`.

    Its middle is the middle of the square; `cover` is 1 inside the valve, `shade` is how dark it is there.
    """
    kind = GENERA[genus]
    side = math.ceil(length * 1.15) + 4
    axis = (np.arange(side) + 0.5 - side / 2) / (length / 2)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    u = math.cos(angle) * x + math.sin(angle) * y
    v = (math.cos(angle) * y - math.sin(angle) * x) / rng.uniform(*_BREADTH[species])
    low, high = kind.edges(np.clip(u, -1, 1))
    pixel = 2 / length
    inside = np.minimum(np.minimum(high - v, v - low), (1 - np.abs(u)))
    cover = np.clip(inside / pixel + 0.5, 0, 1)
    rim = np.exp(-((inside / (1.6 * pixel)) ** 2))
    middle = (low + high) / 2
    raphe = np.exp(-(((v - middle) / (1.1 * pixel)) ** 2)) * (np.abs(u) < 0.86)
    striae = kind.striae * rng.uniform(*_STRIAE[species])
    lines = 0.5 + 0.5 * np.cos(u * striae * math.pi + rng.uniform(0, 2 * math.pi))
    lines = lines * (np.abs(v - middle) > 2 * pixel)
    shade = cover * np.clip(0.22 + 0.5 * rim + 0.3 * raphe + 0.34 * lines**2, 0, 1)
    return cover, shade
