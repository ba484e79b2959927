"""Train on? What the last epochs of a run say about the next ones, and what is wrong where something is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.analysis.boxes import Floats
from core.config.schedulers import SCHEDULERS
from core.metrics import Mode, rank

MIN_EPOCHS = 5
"""Measured epochs below which nothing is said about the trend."""
DAMPING = 0.85
"""Each further epoch is taken to gain this share of the one before it."""
WIDENING = 2.8
"""Standard errors to either side of a projection.

With these two numbers 90 % of 414 projections five epochs ahead hold, on 16 published curves of detectors and
classifiers, with no bias left; a t interval alone holds 81 %, because learning rates fall in between.
"""
_MIN_WINDOW, _MAX_WINDOW = 5, 10
_SPENT = 1e-3

Kind = Literal["not_finite", "rate_too_high", "not_moving", "chance", "overfitting", "schedule_spent"]
Advice = Literal["train on", "enough", "mend", "wait"]


@dataclass(frozen=True)
class Schedule:
    """How the learning rate goes on. `start` and `now` are rates, `left` epochs until the run's goal.

    `drop_at` is the next epoch at which a step schedule lowers it; `floor` the least it goes to.
    """

    name: str
    start: float
    now: float
    left: int
    floor: float = 0.0
    drop_at: int | None = None
    since_drop: int | None = None


@dataclass(frozen=True)
class Chance:
    """What guessing reaches: the value for the commonest class, and how many images were measured."""

    value: float
    images: int


@dataclass(frozen=True)
class Trend:
    """Change of the metric an epoch over the last `window` measured epochs, with its standard error.

    `noise` is the standard deviation about the line; `level` the line's value at the last epoch.
    """

    slope: float
    error: float
    noise: float
    level: float
    window: int

    @property
    def moves(self) -> bool:
        """Whether the slope is more than noise, at about 5 %."""
        return abs(self.slope) > _t(self.window - 2) * self.error


@dataclass(frozen=True)
class Projection:
    """What `more` epochs change: the value measured then minus the line now; 9 of 10 in `low` to `high`."""

    more: int
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Trouble:
    """Something wrong, from `epoch` on, in a sentence that says what to do."""

    kind: Kind
    epoch: int
    sentence: str


@dataclass(frozen=True)
class Outlook:
    """`sentence` says all the rest in one; `gap` is the training metric minus the validation metric."""

    advice: Advice
    sentence: str
    trend: Trend | None
    best_epoch: int
    gap: float | None
    projection: Projection | None
    schedule: str
    troubles: tuple[Trouble, ...]


def outlook(
    rows: Sequence[Mapping[str, float]],
    metric: str,
    mode: Mode,
    *,
    schedule: Schedule | None = None,
    chance: Chance | None = None,
    more: int = 5,
) -> Outlook:
    """What to expect of a run with these epochs (each with `epoch` and its metrics, ascending)."""
    measured = [(int(row["epoch"]), row[metric]) for row in rows if math.isfinite(row.get(metric, math.nan))]
    troubles = tuple(_troubles(rows, metric, mode, schedule, chance))
    words, gap = _schedule_words(schedule), _gap(rows, metric)
    sign = rank(1, mode)
    epochs = np.array([epoch for epoch, _ in measured], np.float64)
    values = np.array([value for _, value in measured])
    best = int(np.argmax(sign * values)) if measured else -1
    best_epoch, since = (int(epochs[best]), int(epochs[-1] - epochs[best])) if measured else (0, 0)
    if len(measured) < MIN_EPOCHS:
        early: Advice = "mend" if troubles else "wait"
        said = f"{_epochs(len(measured), 'measured ')}, {MIN_EPOCHS} are needed to say more"
        sentence = _sentence(early, troubles, [said])
        return Outlook(early, sentence, None, best_epoch, gap, None, words, troubles)
    trend = _trend(epochs, values, schedule)
    spent = any(trouble.kind == "schedule_spent" for trouble in troubles)
    # Where the schedule is spent the trend was that of larger steps: it says nothing of what is to come.
    projection = None if spent else _project(trend, more)
    advice = _advice(trend, projection, troubles, schedule, since, sign)
    parts = [_trend_words(metric.rsplit("/", 1)[-1], trend, sign), _best_words(since)]
    if gap is not None and abs(gap) >= 0.05:
        parts.append(f"train is {abs(gap):.3f} {'above' if gap > 0 else 'below'} val")
    if not troubles:
        parts.append(words)
    if projection is not None:
        interval = f"[{projection.low:+.4f}, {projection.high:+.4f}]"
        parts.append(f"{_epochs(more, 'more ')}: {projection.gain:+.4f} {interval}")
    sentence = _sentence(advice, troubles, parts)
    return Outlook(advice, sentence, trend, best_epoch, gap, projection, words, troubles)


def _advice(
    trend: Trend,
    projection: Projection | None,
    troubles: Sequence[Trouble],
    schedule: Schedule | None,
    since: int,
    sign: float,
) -> Advice:
    kinds = {trouble.kind for trouble in troubles}
    if kinds - {"overfitting", "schedule_spent"}:
        return "mend"
    falls = schedule is not None and schedule.left > 0 and _still_falls(schedule)
    if kinds:
        return "enough"
    if trend.moves and sign * trend.slope > 0:
        return "train on"
    if falls:
        return "train on"
    if trend.moves or since >= _MIN_WINDOW or projection is None or sign * projection.gain <= 0:
        return "enough"
    return "train on"


def _trend(epochs: Floats, values: Floats, schedule: Schedule | None) -> Trend:
    """Least squares over the last third of the epochs, 5 to 10 of them, or those since the rate dropped."""
    window = min(max(_MIN_WINDOW, len(values) // 3), _MAX_WINDOW)
    if schedule is not None and schedule.since_drop is not None and schedule.since_drop >= _MIN_WINDOW:
        window = min(window, schedule.since_drop)
    x, y = epochs[-window:] - epochs[-window:].mean(), values[-window:]
    spread = float((x * x).sum())
    slope = float((x * y).sum()) / spread
    residuals = y - y.mean() - slope * x
    noise = math.sqrt(float((residuals**2).sum()) / (window - 2))
    return Trend(slope, noise / math.sqrt(spread), noise, float(y.mean() + slope * x[-1]), window)


def _project(trend: Trend, more: int) -> Projection:
    """A damped trend (Gardner and McKenzie 1985), its width as `WIDENING` says."""
    reach = sum(DAMPING**step for step in range(1, more + 1))
    gain = trend.slope * reach
    ahead = (trend.window - 1) / 2 + reach
    error = math.sqrt(trend.noise**2 * (1 + 1 / trend.window) + (trend.error * ahead) ** 2)
    return Projection(more, gain, gain - WIDENING * error, gain + WIDENING * error)


def _troubles(
    rows: Sequence[Mapping[str, float]],
    metric: str,
    mode: str,
    schedule: Schedule | None,
    chance: Chance | None,
) -> list[Trouble]:
    found: list[Trouble] = []
    losses = [(int(row["epoch"]), row["train/loss"]) for row in rows if "train/loss" in row]
    odd = next((epoch for epoch, loss in losses if not math.isfinite(loss)), None)
    if odd is not None:
        text = (
            f"the loss has not been finite since epoch {odd}: "
            "go back to an earlier epoch with a lower learning rate"
        )
        return [Trouble("not_finite", odd, text)]
    learns = _loss_says_little(rows, metric, mode)
    if not learns and len(losses) >= 4 and (trouble := _too_high(losses)):
        found.append(trouble)
    stuck = None if learns else _not_moving(losses)
    level = _level(rows, metric)
    if stuck is not None and not found:
        found.append(stuck)
    elif chance is not None and level is not None and len(losses) >= 3 and _is_chance(level, chance, mode):
        epoch = losses[-1][0]
        text = f"not better than chance after {epoch} epochs ({level:.3f}, guessing gives {chance.value:.3f})"
        found.append(Trouble("chance", epoch, f"{text}: check the labels and the learning rate"))
    if not found and (trouble := _overfitting(rows)):
        found.append(trouble)
    if schedule is not None and _spent(schedule):
        text = (
            "the schedule has ended: further epochs change little; fork with a new schedule to train further"
        )
        found.append(Trouble("schedule_spent", losses[-1][0] if losses else 0, text))
    return found


def _loss_says_little(rows: Sequence[Mapping[str, float]], metric: str, mode: str) -> bool:
    """Whether a detector's metric rises: then its loss may rise as well.

    The loss of its boxes counts more, the more of its proposals lie on objects.
    """
    if not any(name.startswith("train/loss_") for row in rows for name in row):
        return False
    sign = rank(1, "min" if mode == "min" else "max")
    values = [sign * row[metric] for row in rows if math.isfinite(row.get(metric, math.nan))]
    if len(values) < 2:
        return False
    recent = values[-3:] if len(values) > 3 else values[-1:]
    return float(np.median(recent)) > float(np.median(values[: -len(recent)]))


def _too_high(losses: Sequence[tuple[int, float]]) -> Trouble | None:
    """The training loss has stayed well above its least for three epochs: the steps are too long."""
    values = [loss for _, loss in losses]
    least = min(values[:-3])
    if sorted(values[-3:])[1] <= max(1.25 * least, least + 0.05 * values[0]):
        return None
    epoch = next(e for e, v in losses[values.index(least) + 1 :] if v > least)
    text = (
        f"the training loss has been rising since epoch {epoch}: "
        "the learning rate is too high, fork from an earlier epoch"
    )
    return Trouble("rate_too_high", epoch, text)


def _not_moving(losses: Sequence[tuple[int, float]]) -> Trouble | None:
    values = [loss for _, loss in losses]
    if len(values) < 3 or values[0] <= 0 or min(values) < 0.98 * values[0]:
        return None
    text = (
        f"the training loss has not moved in {len(values)} epochs: the learning rate or the network is wrong"
    )
    return Trouble("not_moving", losses[0][0], text)


def _overfitting(rows: Sequence[Mapping[str, float]]) -> Trouble | None:
    """val/loss rises since its lowest running median, by more than noise, while train/loss falls."""
    both = [
        (int(row["epoch"]), row["train/loss"], row["val/loss"])
        for row in rows
        if math.isfinite(row.get("train/loss", math.nan)) and math.isfinite(row.get("val/loss", math.nan))
    ]
    if len(both) < MIN_EPOCHS + 1:
        return None
    epochs, train, val = (np.array(column, np.float64) for column in zip(*both, strict=True))
    smooth = np.array([np.median(val[max(0, i - 1) : i + 2]) for i in range(len(val))])
    low = int(np.argmin(smooth))
    if len(val) - low < MIN_EPOCHS:
        return None
    x = epochs[low:] - epochs[low:].mean()
    slope, error = _line(x, val[low:])
    falls, _ = _line(x, train[low:])
    rise = slope * float(x[-1] - x[0])
    # The line begins at the least value, which makes noise alone rise from there: 1.6 times the usual bound.
    if slope <= 1.6 * _t(len(x) - 2) * error or falls >= 0 or rise < 0.03 * float(smooth[low]):
        return None
    epoch = int(epochs[low])
    text = f"overfitting since epoch {epoch}: val/loss rises while train/loss falls; take an earlier "
    text += "checkpoint, or more augmentation or weight decay"
    return Trouble("overfitting", epoch, text)


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope of a least-squares line and its standard error; `x` has mean 0."""
    spread = float((x * x).sum())
    slope = float((x * y).sum()) / spread
    residuals = y - y.mean() - slope * x
    return slope, math.sqrt(float((residuals**2).sum()) / max(len(x) - 2, 1) / spread)


def _level(rows: Sequence[Mapping[str, float]], metric: str) -> float | None:
    values = [row[metric] for row in rows if math.isfinite(row.get(metric, math.nan))][-3:]
    return sorted(values)[len(values) // 2] if values else None


def _is_chance(level: float, chance: Chance, mode: str) -> bool:
    """Whether a share is within what guessing gives on so many images, one-sided at 5 %."""
    error = math.sqrt(max(chance.value * (1 - chance.value), 0.0) / max(chance.images, 1))
    return level <= chance.value + 1.645 * error if mode == "max" else level >= chance.value - 1.645 * error


def _gap(rows: Sequence[Mapping[str, float]], metric: str) -> float | None:
    twin = f"train/{metric.partition('/')[2]}"
    pairs = [(row[twin], row[metric]) for row in rows if twin in row and metric in row]
    pairs = [(a, b) for a, b in pairs if math.isfinite(a) and math.isfinite(b)][-3:]
    return math.fsum(a - b for a, b in pairs) / len(pairs) if pairs else None


def _spent(schedule: Schedule) -> bool:
    kind = SCHEDULERS[schedule.name]
    if kind.by_horizon:
        return schedule.left <= 0
    return kind.changes and schedule.now <= max(schedule.floor, _SPENT * schedule.start)


def _still_falls(schedule: Schedule) -> bool:
    return SCHEDULERS[schedule.name].changes and not _spent(schedule)


def _schedule_words(schedule: Schedule | None) -> str:
    if schedule is None or not _still_falls(schedule):
        return ""
    kind = SCHEDULERS[schedule.name]
    if kind.by_horizon:
        return f"the learning rate still falls for {schedule.left} epochs"
    if schedule.drop_at is not None:
        return f"the learning rate drops after epoch {schedule.drop_at}"
    if kind.needs_metric:
        if schedule.now >= schedule.start * 0.999:
            return "the learning rate has not fallen yet: a drop often helps"
        if schedule.since_drop is not None and schedule.since_drop < _MIN_WINDOW:
            return f"the learning rate fell {_epochs(schedule.since_drop)} ago"
    return ""


def _trend_words(leaf: str, trend: Trend, sign: float) -> str:
    width = _t(trend.window - 2) * trend.error
    change = f"{leaf} {trend.slope:+.4f} ± {width:.4f} an epoch over the last {trend.window}"
    if not trend.moves:
        return f"{change}: flat within noise"
    return f"{change}: still getting better" if sign * trend.slope > 0 else f"{change}: getting worse"


def _best_words(since: int) -> str:
    return "the last epoch is the best" if since == 0 else f"best {_epochs(since)} ago"


def _epochs(count: int, which: str = "") -> str:
    return f"{count} {which}epoch{'' if count == 1 else 's'}"


def _sentence(advice: Advice, troubles: Sequence[Trouble], parts: Sequence[str]) -> str:
    said = [*(trouble.sentence for trouble in troubles), *(part for part in parts if part)]
    return f"{advice}: {'; '.join(said)}"


# Two-sided 95 % points of Student's t for 1 to 10 degrees of freedom.
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


def _t(freedom: int) -> float:
    return _T95[max(freedom, 1) - 1] if freedom <= len(_T95) else 1.96 + 2.4 / freedom
