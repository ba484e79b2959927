"""What a measure is worth: intervals over images and what needs no model, stored beside the measure row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.store import files
from core.store.json_values import number_of
from core.store.paths import RunPaths

_FORMAT = 1


@dataclass(frozen=True)
class Estimate:
    """A number, its interval (None where there is none), and what `baseline` reaches without looking.

    The baseline is the training set's commonest class, or chance.
    """

    value: float
    low: float | None = None
    high: float | None = None
    baseline: float | None = None


@dataclass(frozen=True)
class Estimates:
    """By metric: intervals at `confidence` over the `images` that were measured, from `draws` of them.

    They say how far the number may be off for other images like these, and nothing of other seeds.
    """

    images: int
    confidence: float
    draws: int
    metrics: Mapping[str, Estimate]


def estimates_path(run: RunPaths, stem: str) -> Path:
    """Where they lie for the measure row `stem`.json."""
    return run.intervals / f"{stem}.json"


def write_estimates(run: RunPaths, stem: str, sha256: str, found: Estimates) -> None:
    """Write them beside the row of the checkpoint file `sha256`. Raises OSError."""
    files.make_dir(run.intervals, exist_ok=True)
    files.write_json(
        estimates_path(run, stem),
        {
            "format": _FORMAT,
            "sha256": sha256,
            "of": "images",
            "method": "bootstrap percentiles, set back by their bias",
            "images": found.images,
            "confidence": found.confidence,
            "draws": found.draws,
            "metrics": {name: asdict(value) for name, value in found.metrics.items()},
        },
    )


def read_estimates(run: RunPaths, stem: str, sha256: str) -> Estimates | None:
    """Those of the checkpoint file `sha256`, None when there are none or they are damaged; never raises."""
    stored = files.peek_json(estimates_path(run, stem))
    if stored is None or stored.get("sha256") != sha256 or stored.get("format") != _FORMAT:
        return None
    images, draws, confidence = (stored.get(key) for key in ("images", "draws", "confidence"))
    metrics = stored.get("metrics")
    if not isinstance(images, int) or not isinstance(draws, int) or not isinstance(metrics, dict):
        return None
    found = {str(name): _estimate(item) for name, item in metrics.items() if isinstance(item, dict)}
    kept = {name: item for name, item in found.items() if item is not None}
    share = number_of(confidence)
    return None if share is None else Estimates(images, share, draws, kept)


def estimates_document(found: Estimates | None) -> dict[str, Any] | None:
    """As `--json` prints them."""
    return None if found is None else {"of": "images", **asdict(found)}


def _estimate(item: Mapping[str, object]) -> Estimate | None:
    value, low, high, baseline = (number_of(item.get(key)) for key in ("value", "low", "high", "baseline"))
    return None if value is None else Estimate(value, low, high, baseline)
