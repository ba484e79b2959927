"""Two runs beside each other: what was set differently, what came of it, and whether that can be compared."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.cli.compare_classes import ClassOutcome, compare_classes
from core.cli.estimate_lines import best_estimates
from core.errors import DataError
from core.metrics import Mode, mode_of
from core.reading import HUGE
from core.store.estimates import Estimates
from core.store.files import read_json
from core.store.json_values import mapping_of
from core.store.measures import measures
from core.store.metrics import History
from core.store.paths import RunPaths
from core.store.restore import read_run_history
from core.text import clean

if TYPE_CHECKING:
    from core.config.schema import Experiment

_SHOWN = 5


@dataclass(frozen=True)
class Setting:
    """A setting that differs: `values` as JSON has them, `texts` as typed; `result`: it changes numbers."""

    key: str
    values: tuple[Any, Any]
    texts: tuple[str, str]
    result: bool


@dataclass(frozen=True)
class Value:
    """A metric's value and its epoch."""

    value: float
    epoch: int


@dataclass(frozen=True)
class Outcome:
    """A metric that both runs or one of them has: the best value by its mode, and the last one."""

    name: str
    mode: str
    best: tuple[Value | None, Value | None]
    last: tuple[Value | None, Value | None]

    @property
    def delta(self) -> float | None:
        """Second best minus first best."""
        first, second = self.best
        return None if first is None or second is None else second.value - first.value


@dataclass(frozen=True)
class Comparison:
    """`differences` are sentences on images, classes and ways of measuring: with any, no value compares.

    `classes` are only there when they compare; `estimates` are of the best checkpoints, as far as stored.
    """

    settings: tuple[Setting, ...]
    outcomes: tuple[Outcome, ...]
    differences: tuple[str, ...]
    classes: tuple[ClassOutcome, ...] = ()
    estimates: tuple[tuple[str, Estimates], ...] = ()

    @property
    def comparable(self) -> bool:
        return not self.differences


def compare(first: RunPaths, second: RunPaths) -> Comparison:
    """Compare two runs. Raises UnreadableError or ConfigError for a config or split that cannot be read."""
    from core.config.load import read_stored

    runs = (first, second)
    old, new = (read_stored(run.config) for run in runs)
    differences = tuple(_differences(*runs))
    classes = () if differences else compare_classes(*runs)
    outcomes, spread = (
        _outcomes(*map(_history, runs)),
        tuple(item for run in runs for item in best_estimates(run)),
    )
    return Comparison(_settings(old, new), outcomes, differences, classes, spread)


def _settings(old: Experiment, new: Experiment) -> tuple[Setting, ...]:
    from core.cli.config_runs import setting_text
    from core.config.load import changed_fields

    changes = changed_fields(old, new)
    return tuple(
        Setting(
            key,
            (_value(old, key), _value(new, key)),
            (setting_text(old, key), setting_text(new, key)),
            result,
        )
        for keys, result in ((changes.result, True), (changes.operational, False))
        for key in keys
    )


def _value(experiment: Experiment, key: str) -> Any:
    from core.config.load import plain

    value: Any = experiment
    for part in key.split("."):
        value = getattr(value, part, None)
    return plain(value)


def _history(run: RunPaths) -> History:
    return read_run_history(run, steps=False)


def _outcomes(first: History, second: History) -> tuple[Outcome, ...]:

    names = dict.fromkeys(name for history in (first, second) for name in history.names if _counts(name))
    return tuple(
        Outcome(
            name,
            mode_of(name),
            (_best(first, name, mode_of(name)), _best(second, name, mode_of(name))),
            (_last(first, name), _last(second, name)),
        )
        for name in names
    )


def _counts(name: str) -> bool:
    """Losses and accuracies; not learning rates, times and speeds."""
    return name.startswith(("train/", "val/"))


def _best(history: History, name: str, mode: Mode) -> Value | None:
    row = history.best(name, mode)
    return None if row is None else Value(row[name], row["epoch"])


def _last(history: History, name: str) -> Value | None:
    row = next((row for row in reversed(history.epochs) if math.isfinite(row.get(name, math.nan))), None)
    return None if row is None else Value(row[name], row["epoch"])


def _differences(first: RunPaths, second: RunPaths) -> list[str]:
    splits = [read_json(run.split, HUGE) for run in (first, second)]
    missing = [run.id for run, split in zip((first, second), splits, strict=True) if split is None]
    if missing:
        verb = "have" if len(missing) > 1 else "has"
        return [f"{' and '.join(missing)} {verb} no list of the images"]
    a, b = (split or {} for split in splits)
    found = []
    if a.get("class_names") != b.get("class_names"):
        found.append(_about_classes(a.get("class_names"), b.get("class_names")))
    if a.get("fingerprint") != b.get("fingerprint"):
        images = _about_images(_part(a, "val"), _part(b, "val"))
        found += images or _about_objects(first, second)
    settings = [_eval_settings(run) for run in (first, second)]
    if settings[0] is not None and settings[1] is not None:
        found += _about_settings(settings[0], settings[1])
    return found


def _about_classes(a: object, b: object) -> str:
    first, second = (list(map(str, names)) if isinstance(names, list) else [] for names in (a, b))
    if sorted(first) == sorted(second):
        return "the classes are in another order"
    only = [clean(name) for name in first if name not in second], [n for n in second if n not in first]
    words = [
        f"only the {which} has {', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''}"
        for which, names in zip(("first", "second"), only, strict=True)
        if names
    ]
    return f"the classes differ: {'; '.join(words)}"


def _about_images(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Whether the validation images are the same; other training images alone do not stand in the way."""
    keys = ("paths", "labels", "sizes")
    if all(a.get(key) == b.get(key) for key in keys):
        return []
    counts = [len(part.get("paths") or ()) for part in (a, b)]
    if counts[0] != counts[1]:
        return [f"the validation images differ: {counts[0]} and {counts[1]}"]
    shared = len(set(a.get("paths") or ()) & set(b.get("paths") or ()))
    return [f"the validation images differ: {shared} of {counts[0]} are the same"]


def _about_objects(first: RunPaths, second: RunPaths) -> list[str]:
    """Whether the same validation images have the same boxes."""
    counts = [_val_objects(run) for run in (first, second)]
    if counts[0] is None or counts[1] is None or counts[0] == counts[1]:
        return []
    return [
        f"the validation images are the same, their boxes are not: {counts[0][0]} and {counts[1][0]} objects"
    ]


def _val_objects(run: RunPaths) -> tuple[int, str] | None:
    """How many objects the validation images have, and a hash of all about them; None without boxes."""
    from core.datasets.boxes.box_arrays import update_digest
    from core.datasets.dataset import read_dataset

    try:
        dataset = read_dataset(run) if run.objects.exists() else None
    except (DataError, OSError):
        return None
    if dataset is None or dataset.boxes is None or "val" not in dataset.boxes:
        return None
    digest = hashlib.sha256()
    update_digest(digest, dataset.boxes["val"])
    return len(dataset.boxes["val"]), digest.hexdigest()


def _part(split: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return mapping_of((split.get("splits") or {}).get(name))


def _eval_settings(run: RunPaths) -> Mapping[str, Any] | None:
    """How the run measures its validation images, by its newest own row."""
    rows = [row for row in measures(run) if row.split == "val" and not row.key]
    return rows[-1].settings if rows else None


def _about_settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    keys = [key for key in dict.fromkeys((*a, *b)) if (a.get(key) or None) != (b.get(key) or None)]
    if not keys:
        return []
    words = ", ".join(f"{clean(str(key))} {_short(a.get(key))} and {_short(b.get(key))}" for key in keys)
    return [f"they are measured differently: {words}"]


def _short(value: object) -> str:
    text = clean(str(value)) if value not in (None, [], False) else "none"
    return text if len(text) <= 40 else f"{text[:39]}…"
