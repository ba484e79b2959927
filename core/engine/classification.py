"""The classification task: one label an image, cross entropy, accuracy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from core.config.resolve_defaults import resolve_normalize
from core.config.schema import Experiment
from core.data.augment import Augmentation, Jitter, View, make_views
from core.data.batches import Batch, TrainBatches, eval_batch
from core.data.decode import decode_pixels
from core.data.epoch_rng import MEASURING
from core.data.splits import Loading, SplitStores, as_store
from core.data.store import ImageStore, Normalisation
from core.datasets.dataset import Dataset
from core.datasets.depth import as_numbers
from core.engine.amp import autocast
from core.engine.checkpoint import DataKey
from core.engine.log import log
from core.engine.resolve import Resolved
from core.engine.scoring import Scores, require_logits
from core.engine.state import Answers
from core.engine.task import SINGLE_LEFT_OUT, Measurement, StepOutcome, require_company
from core.models.summary import in_evaluation


class Classification:
    """A `core.engine.task.Task`; images that every epoch needs are loaded when it is made.

    `batch_norm` says whether the model normalises by batch statistics. Without `training` nothing is loaded
    before it is measured, and there are no training batches. Raises DataError for images that cannot be read,
    `core.data.cache.Cancelled` when `cancelled()` turns true.
    """

    steps_per_epoch: int
    images_per_epoch: int
    quiet: tuple[str, ...] = ()

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        resolved: Resolved,
        *,
        batch_norm: bool,
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
        self._augmentation = augmentation_of(experiment)
        self._side = test_side(experiment)
        self._views = make_views(self._side, experiment.augment.tta)
        self._loading = Loading(
            size=experiment.side,
            normalisation=Normalisation(*resolve_normalize(experiment)),
            device=self.device,
            threads=resolved.threads,
            tell=log,
            cancelled=cancelled,
        )
        self._stores = SplitStores(dataset, self._loading)
        if training:
            self._prepare_training(batch_norm, alone)

    def _prepare_training(self, batch_norm: bool, alone: Callable[[], bool]) -> None:
        experiment = self._experiment
        self._train = TrainBatches(
            self._train_store("train"),
            self._augmentation,
            batch=experiment.batch,
            seed=experiment.seed,
            drop_single=batch_norm,
        )
        require_company(experiment, self._train.images, alone)
        self.steps_per_epoch = self._train.steps
        self.images_per_epoch = self._train.images
        for split in ("val", *experiment.measure.splits):
            if split in self.splits:
                for side in self._sides(self._views if split == "val" else ()):
                    self._stores.store(split, side)
        if experiment.measure.random and "val" in self.splits:
            self._train_store("val")
        if self._train.left_out:
            log(SINGLE_LEFT_OUT)
        if experiment.batch == 1 and batch_norm:
            log("note: batch 1 with batch normalisation: statistics come from single images")

    @property
    def key(self) -> DataKey:
        """What a checkpoint's place within an epoch depends on."""
        files = self._dataset.splits["train"]
        digest = hashlib.sha256()
        for path, label in zip(files.paths, files.labels, strict=True):
            digest.update(f"{path}\0{label}\n".encode("utf-8", "surrogateescape"))
        return DataKey(digest.hexdigest(), self.classes, self._experiment.seed, self._experiment.batch)

    def batches(self, epoch: int, first: int) -> Iterator[Batch]:
        return self._train.epoch(epoch, first)

    def step(self, model: nn.Module, batch: Batch) -> StepOutcome:
        with autocast(self._resolved):
            logits = self._logits(model, batch.images)
            loss = functional.cross_entropy(
                logits, batch.labels, label_smoothing=self._experiment.label_smoothing
            )
        images = batch.labels.shape[0]
        answers = Answers(logits.detach().argmax(dim=1), batch.labels)
        return StepOutcome(loss, images, {"loss": loss.detach() * images}, answers=answers)

    def measure(self, model: nn.Module, split: str, *, extras: bool = False) -> Measurement:
        """Measure `model` on a split: means over its images, without gradients or batch statistics.

        Metrics: loss (plain cross entropy), accuracy, accuracy_macro (mean of the classes' accuracies),
        f1_macro (mean of their F1), top5 with more than five classes; with `extras` accuracy_tta when the
        config has views for it (mean softmax over them), and for val, with measure.random, accuracy_random
        and loss_random under the training's random changes, which are the same each time.

        Predictions: labels (n,), paths (n,) relative to root, class_names, probabilities (n, classes)
        float32; with more than 1,000 classes instead top_probabilities (n, 20) float32, falling, and
        top_classes (n, 20) int32; with `extras` the mean over views by the same names after `tta_`.
        """
        store = self._stores.store(split, self._side)
        views = self._views if extras else ()
        with in_evaluation(model), torch.inference_mode():
            plain, mean = self._scores(
                model, {side: self._stores.store(split, side) for side in self._sides(views)}, views
            )
            metrics = plain.metrics()
            if views:
                metrics["accuracy_tta"] = mean.metrics()["accuracy"]
            if self._is_random(split, extras):
                found = self._random_scores(model, split).metrics()
                metrics |= {"accuracy_random": found["accuracy"], "loss_random": found["loss"]}
        predictions: dict[str, Any] = {
            "labels": store.labels.cpu().numpy(),
            "paths": np.array(self._dataset.splits[split].paths, dtype=np.str_),
            "root": np.array(str(self._dataset.root), dtype=np.str_),
            "opening": np.array(as_numbers(self._dataset.opening)),
            "class_names": np.array(self.classes, dtype=np.str_),
            **plain.probabilities(),
        }
        if views:
            predictions |= mean.probabilities("tta_")
        return Measurement(
            images=store.count,
            metrics=metrics,
            per_class=plain.per_class(self.classes),
            predictions=predictions,
            settings=self.settings(split, extras=extras),
        )

    def predict(
        self, model: nn.Module, root: Path, paths: Sequence[str], *, extras: bool = False
    ) -> dict[str, NDArray[Any]]:
        """Probabilities of images that have no labels, by the keys of `measure`'s predictions.

        `paths` are relative to `root`. Raises DataError naming an image that cannot be read.
        """
        views = self._views if extras else ()
        unknown = (0,) * len(paths)
        stores = {
            side: as_store(decode_pixels(root, paths, side, self._dataset.opening), unknown, self._loading)
            for side in self._sides(views)
        }
        with in_evaluation(model), torch.inference_mode():
            plain, mean = self._scores(model, stores, views)
        return plain.probabilities() | (mean.probabilities("tta_") if views else {})

    def settings(self, split: str, *, extras: bool = False) -> dict[str, Any]:
        """What `measure` does to the images, as its Measurement's settings say."""
        mean, std = resolve_normalize(self._experiment)
        found: dict[str, Any] = {
            "image_size": self._experiment.side,
            "resize": self._side,
            "crop": "centre",
            "mean": list(mean),
            "std": list(std),
            "precision": self._resolved.precision,
        }
        if extras and self._views:
            found["tta"] = [[view.side, "flipped" if view.flip else "plain"] for view in self._views]
        if self._is_random(split, extras):
            found["random"] = True
        return found

    def _is_random(self, split: str, extras: bool) -> bool:
        return extras and split == "val" and self._experiment.measure.random

    def _sides(self, views: Sequence[View]) -> tuple[int, ...]:
        return tuple(dict.fromkeys((self._side, *(view.side for view in views))))

    def _scores(
        self, model: nn.Module, stores: dict[int, ImageStore], views: Sequence[View]
    ) -> tuple[Scores, Scores]:
        """The plain view's scores, and those of the mean over `views`; `stores` by side."""
        plain, mean = Scores(len(self.classes)), Scores(len(self.classes))
        size = self._resolved.eval_batch
        store = stores[self._side]
        for start in range(0, store.count, size):
            batch = eval_batch(store, start, size)
            first = plain.add(self._measured(model, batch.images), batch.labels)
            total = torch.zeros_like(first)
            for view in views:
                if view == View(self._side):
                    total += first
                    continue
                images = eval_batch(stores[view.side], start, size, flip=view.flip).images
                total += self._measured(model, images).softmax(dim=1)
            if views:
                mean.add_probabilities(total.div_(len(views)), batch.labels)
        return plain, mean

    def _random_scores(self, model: nn.Module, split: str) -> Scores:
        """Scores under the training's random changes, with the draws of an epoch that is never trained.

        In the training's batches, as an order of colour changes is drawn for each of them.
        """
        experiment = self._experiment
        batches = TrainBatches(
            self._train_store(split),
            self._augmentation,
            batch=experiment.batch,
            seed=experiment.seed,
            drop_single=False,
        )
        scores = Scores(len(self.classes), keep=False)
        for batch in batches.epoch(MEASURING):
            scores.add(self._measured(model, batch.images), batch.labels)
        return scores

    def _measured(self, model: nn.Module, images: Tensor) -> Tensor:
        with autocast(self._resolved):
            return self._logits(model, images).float()

    def _logits(self, model: nn.Module, images: Tensor) -> Tensor:
        return require_logits(model(images), len(images), len(self.classes))

    def _train_store(self, split: str) -> ImageStore:
        """A split's images as training cuts them."""
        whole = self._augmentation.cuts and self._resolved.crops == "whole"
        return (self._stores.whole if whole else self._stores.store)(split, self._train_side())

    def _train_side(self) -> int:
        native = self._stores.native_side() if self._augmentation.sides else self._experiment.side
        return self._augmentation.stored_side(native)


def augmentation_of(experiment: Experiment) -> Augmentation:
    """The config's random changes as the data room takes them."""
    augment = experiment.augment
    jitter = augment.color_jitter
    return Augmentation(
        size=experiment.side,
        scale=augment.scale,
        pad=augment.pad_crop or 0,
        flip=augment.hflip,
        jitter=None
        if jitter is None
        else Jitter(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue),
    )


def test_side(experiment: Experiment) -> int:
    """Side that images are resized to for measuring."""
    return experiment.augment.test_scale or augmentation_of(experiment).measured_side
