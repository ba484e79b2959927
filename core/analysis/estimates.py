"""One model's numbers with their intervals over images, and what the commonest class or chance reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from core.analysis.bootstrap import CONFIDENCE, ROUNDS, drawn_ap, draws, mean_over_classes, ranked
from core.analysis.boxes import Floats, Ints
from core.analysis.chance import LEAST_IMAGES
from core.analysis.errors import DETECTION, Errors
from core.analysis.predictions import ClassPredictions
from core.store.estimates import Estimate, Estimates

_CELLS = 2_000_000
_SEED = 0


def estimates(errors: Errors) -> Estimates | None:
    """Estimates of a predictions file; None without annotations or images.

    Detection: map, map_50. Classification: accuracy, accuracy_macro (balanced accuracy), f1_macro with
    intervals, and without: log_loss, roc_auc and pr_auc (mean over classes, each against the rest), as far as
    the probabilities of all classes were kept. Intervals are percentiles of a bootstrap, set back by its bias
    (its mean less the number itself): that of mAP is upward, as copies of few boxes rank too well and draws
    without a rare class leave it out. On fewer than `LEAST_IMAGES` images there are none.
    """
    if not errors.labelled or not errors.images:
        return None
    if errors.kind == DETECTION:
        return _of_boxes(errors)
    return _of_classes(errors)


def _of_boxes(errors: Errors) -> Estimates:
    images, boxes = errors.images, ranked(errors.scene)
    weights = draws(images, len(errors.scene.found.scores), _SEED)
    values = drawn_ap(boxes, weights)
    by_name = {"map": values.mean(axis=2), "map_50": values[:, :, 0]}
    found = {}
    for name, classes in by_name.items():
        means = mean_over_classes(classes)
        if np.isfinite(means[0]):
            found[name] = Estimate(float(means[0]), *_interval(means[0], means[1:], images), 0.0)
    return Estimates(images, CONFIDENCE, len(weights) - 1, found)


def _of_classes(errors: Errors) -> Estimates:
    truth, guess = errors.scene.objects.classes, errors.scene.found.classes
    images, classes = errors.images, len(errors.classes)
    counted = _Confusions(truth, guess, classes)
    random = np.random.default_rng(_SEED)
    seen = counted.scores(counted.counts[None])
    drawn = counted.drawn(lambda rows: random.multinomial(images, counted.counts / images, rows), ROUNDS)
    base = _baselines(truth, classes, errors.train_counts)
    found = {
        name: Estimate(float(value[0]), *_interval(value[0], drawn[name], images), base.get(name))
        for name, value in seen.items()
    }
    plain = _of_probabilities(errors, truth)
    found |= {name: Estimate(value, baseline=base.get(name)) for name, value in plain.items()}
    return Estimates(images, CONFIDENCE, ROUNDS, found)


class _Confusions:
    """The cells of the confusion matrix that are not empty: a draw of images is a draw of their counts."""

    def __init__(self, truth: Ints, guess: Ints, classes: int) -> None:
        cells, self.counts = np.unique(truth * classes + guess, return_counts=True)
        self._truth, self._guess = cells // classes, cells % classes
        self._classes = classes
        self._right = self._truth == self._guess

    def scores(self, counts: NDArray[np.integer]) -> dict[str, Floats]:
        """The metrics (rounds,) of counts (rounds, cells)."""
        right = counts * self._right
        there, named, hits = (
            _summed(part, at, self._classes)
            for part, at in ((counts, self._truth), (counts, self._guess), (right, self._truth))
        )
        either = there + named
        recall = np.divide(hits, there, out=np.full(hits.shape, np.nan), where=there > 0)
        f1 = np.divide(2 * hits, either, out=np.full(hits.shape, np.nan), where=either > 0)
        return {
            "accuracy": right.sum(axis=1) / np.maximum(counts.sum(axis=1), 1),
            "accuracy_macro": mean_over_classes(recall),
            "f1_macro": mean_over_classes(f1),
        }

    def drawn(self, draw: Callable[[int], NDArray[np.integer]], rounds: int) -> dict[str, Floats]:
        """The metrics of `rounds` draws, in lots that stay small in memory."""
        step = max(_CELLS // max(len(self.counts), self._classes), 1)
        lots = [self.scores(draw(min(step, rounds - first))) for first in range(0, rounds, step)]
        return {name: np.concatenate([lot[name] for lot in lots]) for name in lots[0]}


def _summed(counts: NDArray[np.integer], at: Ints, classes: int) -> Floats:
    """Sums (rounds, classes) of the columns of each class."""
    found = np.zeros((len(counts), classes))
    order = np.argsort(at, kind="stable")
    starts = np.flatnonzero(np.diff(at[order], prepend=-1))
    found[:, at[order][starts]] = np.add.reduceat(counts[:, order], starts, axis=1)
    return found


def _interval(seen: float, drawn: Floats, images: int) -> tuple[float | None, float | None]:
    drawn = drawn[np.isfinite(drawn)]
    if images < LEAST_IMAGES or not len(drawn) or np.ptp(drawn) == 0:
        return None, None
    edge = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, (edge, 1 - edge)) - (drawn.mean() - seen)
    return float(np.clip(low, 0.0, seen)), float(np.clip(high, seen, 1.0))


def _baselines(truth: Ints, classes: int, train: tuple[int, ...] | None) -> dict[str, float]:
    """What always naming the commonest class of training gets, or knowing the training's shares."""
    there = np.bincount(truth, minlength=classes)
    known = np.asarray(there if train is None else train, np.float64)
    if not known.sum():
        known = there.astype(np.float64)
    commonest = int(known.argmax())
    share, present = there / len(truth), there > 0
    named = present.copy()
    named[commonest] = True
    found = {
        "accuracy": float(share[commonest]),
        "accuracy_macro": float(present[commonest] / present.sum()),
        "f1_macro": float(2 * share[commonest] / (1 + share[commonest]) / named.sum()),
        "roc_auc": 0.5,
    }
    both = present & (there < len(truth))
    if both.any():
        found["pr_auc"] = float(share[both].mean())
    if known[present].all():
        found["log_loss"] = float(-(share[present] * np.log(known[present] / known.sum())).sum())
    return found


def _of_probabilities(errors: Errors, truth: Ints) -> Mapping[str, float]:
    source = errors.source
    if not isinstance(source, ClassPredictions) or source.probabilities is None:
        return {}
    table = source.probabilities.astype(np.float64)
    least = float(np.finfo(source.probabilities.dtype).eps)
    sure = np.clip(table[np.arange(len(truth)), truth], least, 1.0)
    found = {"log_loss": float(-np.log(sure).mean())}
    areas = [
        _areas(table[:, label], truth == label)
        for label in range(table.shape[1])
        if 0 < np.count_nonzero(truth == label) < len(truth)
    ]
    if areas:
        roc, precision = np.mean(areas, axis=0)
        found |= {"roc_auc": float(roc), "pr_auc": float(precision)}
    return found


def _areas(scores: Floats, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Area under ROC and under precision against recall (average precision, by steps); ties count at once."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.cumsum(right[order])[ends].astype(np.float64)
    alarms = ends + 1 - hits
    recall, false = hits / hits[-1], alarms / alarms[-1]
    steps, rises = np.diff(false, prepend=0.0), np.diff(recall, prepend=0.0)
    roc = float((steps * (recall - rises / 2)).sum())
    return roc, float((rises * hits / (ends + 1)).sum())
