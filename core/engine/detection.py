"""The detection task: boxes with classes in images, the network's own losses, COCO's precision and recall."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from core.analysis.coco_ap import average_precision
from core.analysis.predictions import found_boxes, true_objects
from core.config.resolve_defaults import resolve_normalize
from core.config.schema import Experiment
from core.data.augment import Jitter
from core.data.batches import is_single
from core.data.box_epoch_rng import BoxAugmentation
from core.data.boxes_batches import BoxBatch, BoxBatches
from core.data.boxes_store import (
    PictureStore,
    cached_pictures,
    decoded_pictures,
    equal_sizes,
    fitted_sizes,
)
from core.data.boxes_targets import Targets, make_targets
from core.data.cache import Cancelled
from core.data.splits import announced, fits
from core.datasets.boxes.box_arrays import Boxes
from core.datasets.dataset import Dataset
from core.datasets.depth import as_numbers
from core.engine.amp import autocast
from core.engine.checkpoint import DataKey
from core.engine.detection_scores import (
    Found,
    class_rows,
    found_arrays,
    in_original,
    precision_metrics,
    truth_arrays,
)
from core.engine.log import log
from core.engine.resolve import Resolved
from core.engine.task import SINGLE_LEFT_OUT, Measurement, StepOutcome, require_company
from core.errors import DataError
from core.models.detection import detector_losses, detector_measure, detector_predict
from core.models.summary import in_evaluation
from core.text import clean

_DECODE_THREADS = 8
_SEED = 20_250_401


class Detection:
    """A `core.engine.task.Task`; pictures that every epoch needs are loaded when it is made.

    Without `training` nothing is loaded before it is measured, and there are no training batches. Raises
    DataError for pictures that cannot be read, `core.data.cache.Cancelled` when `cancelled()` turns true.
    """

    steps_per_epoch: int
    images_per_epoch: int
    quiet: tuple[str, ...] = ("loss_", "map_small", "map_medium", "map_large", "mar_")

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        resolved: Resolved,
        *,
        alone: Callable[[], bool] = lambda: False,
        cancelled: Callable[[], bool],
        training: bool = True,
    ) -> None:
        self.device = torch.device(resolved.device)
        self.classes = dataset.class_names
        self.splits = tuple(dataset.splits)
        self._experiment = experiment
        self._dataset = dataset
        self._resolved = resolved
        self._cancelled = cancelled
        self._ignore_difficult = experiment.data.difficult == "ignore"
        self._stores: dict[str, PictureStore] = {}
        if training:
            self._prepare_training(alone)

    def _prepare_training(self, alone: Callable[[], bool]) -> None:
        experiment = self._experiment
        store = self._store("train")
        targets = self._targets("train")
        single = is_single(store.count, experiment.batch) and alone()
        self._train = BoxBatches(
            store,
            targets,
            box_augmentation(experiment),
            batch=experiment.batch,
            seed=experiment.seed,
            drop_single=single,
        )
        require_company(experiment, store.count, alone)
        if single:
            log(SINGLE_LEFT_OUT)
        self.steps_per_epoch = self._train.steps
        self.images_per_epoch = self._train.images
        for split in dict.fromkeys(("val", *experiment.measure.splits)):
            if split in self.splits:
                self._store(split)
                self._tell_crowded(split)
        if targets.dropped:
            log(
                f"note: {targets.dropped} training boxes are thinner than half a pixel at this image_size, "
                "so they are not trained on"
            )

    def _tell_crowded(self, split: str) -> None:
        """Say when the cap on boxes an image must miss objects."""
        boxes, most = self._boxes(split), self._experiment.predict.max_det
        counted = ~boxes.crowd & ~(boxes.difficult if self._ignore_difficult else np.zeros_like(boxes.crowd))
        images = np.repeat(np.arange(len(boxes.offsets) - 1), np.diff(boxes.offsets))
        objects = np.bincount(images[counted], minlength=len(boxes.offsets) - 1)
        if (over := objects[objects > most]).size:
            log(
                f"note: {over.size} {split} images have more than {most} objects, and predict.max_det: "
                f"{most} lets no more boxes through: at least {int((over - most).sum())} count as missed"
            )

    @property
    def key(self) -> DataKey:
        """What a checkpoint's place within an epoch depends on."""
        digest = hashlib.sha256()
        for path in self._dataset.splits["train"].paths:
            digest.update(f"{path}\n".encode("utf-8", "surrogateescape"))
        boxes = self._boxes("train")
        for column in (boxes.offsets, boxes.corners, boxes.labels, boxes.crowd, boxes.difficult, boxes.sizes):
            digest.update(np.ascontiguousarray(column).tobytes())
        return DataKey(digest.hexdigest(), self.classes, self._experiment.seed, self._experiment.batch)

    def batches(self, epoch: int, first: int) -> Iterator[BoxBatch]:
        return self._train.epoch(epoch, first)

    def step(self, model: nn.Module, batch: BoxBatch) -> StepOutcome:
        """The sum of the network's loss terms is what goes down; each is recorded as `loss_<term>`."""
        with autocast(self._resolved):
            terms = detector_losses(model, batch.images, batch.targets)
        loss = torch.stack([value.float() for value in terms.values()]).sum()
        images = len(batch.images)
        parts = {f"loss_{name}": value.detach() for name, value in terms.items()}
        totals = {name: value * images for name, value in {"loss": loss.detach(), **parts}.items()}
        return StepOutcome(loss, images, totals, parts)

    def measure(self, model: nn.Module, split: str, *, extras: bool = False) -> Measurement:
        """Measure `model` on a split, image by image, without gradients or batch statistics.

        Metrics: loss and loss_<term>, means over the images; map, map_50, map_75, map_small, map_medium,
        map_large, mar_1, mar_10, mar_100, mar_small, mar_medium, mar_large as COCO defines them, on boxes in
        the pixels of the originals. Those that no object has a say in are absent. Raises
        `core.data.cache.Cancelled` when the task is asked to stop.

        Predictions: what `found_arrays` and `truth_arrays` say; format, paths (n,) relative to root,
        class_names, category_ids.
        """
        store, boxes = self._store(split), self._boxes(split)
        found, losses = self._measured(model, split)
        arrays = {
            **found_arrays(found, boxes.sizes, self._experiment.predict),
            **truth_arrays(boxes, ignore_difficult=self._ignore_difficult),
            **self._about(),
            "paths": np.array(self._dataset.splits[split].paths, dtype=np.str_),
            "root": np.array(str(self._dataset.root), dtype=np.str_),
            "opening": np.array(as_numbers(self._dataset.opening)),
        }
        truth = true_objects(arrays, len(self.classes))
        assert truth is not None
        precision = average_precision(truth, found_boxes(arrays, len(self.classes)), len(self.classes))
        return Measurement(
            images=store.count,
            metrics={**losses, **precision_metrics(precision)},
            per_class=class_rows(precision, self.classes),
            predictions=arrays,
            settings=self.settings(split, extras=extras),
        )

    def predict(
        self, model: nn.Module, root: Path, paths: Sequence[str], *, extras: bool = False
    ) -> dict[str, NDArray[Any]]:
        """Boxes in images that have no annotations, by the keys of `measure`'s predictions.

        `paths` are relative to `root`. Raises DataError naming an image that cannot be read.
        """
        pixels, fitted, sizes = decoded_pictures(root, paths, self._experiment.sides, self._dataset.opening)
        with in_evaluation(model), torch.no_grad():
            found = self._find(model, PictureStore(pixels, fitted, self.device), sizes)
        return {**found_arrays(found, sizes, self._experiment.predict), **self._about()}

    def settings(self, split: str, *, extras: bool = False) -> dict[str, Any]:
        """What `measure` does to the images, as its Measurement's settings say."""
        mean, std = resolve_normalize(self._experiment)
        return {
            "image_size": list(self._experiment.sides),
            "mean": list(mean),
            "std": list(std),
            "precision": self._resolved.precision,
            **self._experiment.predict.model_dump(),
            "difficult": self._experiment.data.difficult,
        }

    def _about(self) -> dict[str, Any]:
        return {
            "class_names": np.array(self.classes, dtype=np.str_),
            "category_ids": np.array(self._dataset.category_ids or (), dtype=np.int64),
        }

    def _find(self, model: nn.Module, store: PictureStore, sizes: NDArray[np.integer]) -> list[Found]:
        """What `model` finds in every picture; `sizes` (n, 2) are those of the originals."""
        found: dict[int, Found] = {}
        for group in equal_sizes(store.sizes, self._resolved.eval_batch):
            with autocast(self._resolved):
                answers = detector_predict(model, store.images(group))
            for index, answer in zip(group, answers, strict=True):
                width, height = sizes[index].tolist()
                found[index] = in_original(answer, store.sizes[index], (width, height))
        return [found[index] for index in range(store.count)]

    def _measured(self, model: nn.Module, split: str) -> tuple[list[Found], dict[str, float]]:
        """What `model` finds in every picture of a split, and its mean losses: the same numbers each time.

        Detectors sample anchors and proposals at random for their losses: each picture gets the same seed, in
        a generator that is set back, and is looked at by itself. So the numbers depend neither on the batch
        nor on what was measured before.
        """
        store, targets, sizes = self._store(split), self._targets(split), self._boxes(split).sizes
        found: list[Found] = []
        sums: dict[str, float] = {}
        devices = [self.device] if self.device.type == "cuda" else []
        with in_evaluation(model), torch.no_grad(), torch.random.fork_rng(devices):
            for index in range(store.count):
                # Hundreds of large images can take minutes.
                if self._cancelled():
                    raise Cancelled
                boxes, labels = targets.of(index)
                target = {"boxes": store.place(boxes), "labels": store.place(labels)}
                torch.manual_seed(_SEED)
                with autocast(self._resolved):
                    terms, (answer,) = detector_measure(model, store.images([index]), [target])
                for name, value in terms.items():
                    sums[name] = sums.get(name, 0.0) + float(value)
                width, height = sizes[index].tolist()
                found.append(in_original(answer, store.sizes[index], (width, height)))
        means = {f"loss_{name}": total / store.count for name, total in sums.items()}
        return found, {"loss": sum(means.values()), **means}

    def _targets(self, split: str) -> Targets:
        boxes = self._boxes(split)
        fitted = fitted_sizes(boxes.sizes, self._experiment.sides)
        return make_targets(boxes, fitted, ignore_difficult=self._ignore_difficult)

    def _boxes(self, split: str) -> Boxes:
        assert self._dataset.boxes is not None
        return self._dataset.boxes[split]

    def _store(self, split: str) -> PictureStore:
        if split not in self._stores:
            self._stores[split] = self._load(split)
        return self._stores[split]

    def _load(self, split: str) -> PictureStore:
        paths, root = self._dataset.splits[split].paths, Path(self._dataset.root)
        if not paths:
            raise DataError(f"The {split} split of {clean(str(root))} has no images.")
        sizes, sides = self._boxes(split).sizes, self._experiment.sides
        pixels = cached_pictures(
            root,
            paths,
            sizes,
            sides,
            how=self._dataset.opening,
            threads=min(self._resolved.threads, _DECODE_THREADS),
            progress=announced(log, f"{split}: decoded {{}} of {{}} images to {sides[0]} px"),
            cancelled=self._cancelled,
        )
        if fits(pixels, self.device):
            pixels = pixels.to(self.device)
        return PictureStore(pixels, fitted_sizes(sizes, sides), self.device)


def box_augmentation(experiment: Experiment) -> BoxAugmentation:
    """The config's random changes as the data room takes them."""
    augment = experiment.augment
    jitter = augment.color_jitter
    return BoxAugmentation(
        scale=augment.scale_jitter,
        across=augment.hflip,
        over=augment.vflip,
        jitter=None
        if jitter is None
        else Jitter(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue),
    )
