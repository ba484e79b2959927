"""The classification task: one label an image, cross entropy, accuracy."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.config.fields import resolve_normalize
from core.config.schema import Experiment
from core.data.augment import Augmentation, Jitter
from core.data.batches import Batch, ImageStore, Normalisation, TrainBatches, eval_batches
from core.data.cache import cached_pixels
from core.datasets.dataset import Dataset
from core.engine.checkpoint import DataKey
from core.engine.log import log
from core.engine.resolve import Resolved
from core.engine.task import Measurement, StepOutcome
from core.errors import DataError
from core.models.registry import build_model

# Resident pixels may take this share of what is free on a device; else batches are made on the CPU.
_DEVICE_SHARE = 0.5
_DECODE_THREADS = 8


class Classification:
    """A `core.engine.task.Task`; images of the splits that every epoch needs are loaded when it is made.

    `batch_norm` says whether the model normalises by batch statistics. Raises DataError for images that
    cannot be read, `core.data.cache.Cancelled` when `cancelled()` turns true.
    """

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        resolved: Resolved,
        *,
        batch_norm: bool,
        cancelled: Callable[[], bool],
    ) -> None:
        self.device = torch.device(resolved.device)
        self.classes = dataset.class_names
        self.splits = tuple(dataset.splits)
        self._experiment = experiment
        self._dataset = dataset
        self._resolved = resolved
        self._cancelled = cancelled
        self._augmentation = augmentation_of(experiment)
        self._stores: dict[str, ImageStore] = {}
        for split in ("train", "val", *experiment.measure.splits):
            if split in dataset.splits:
                self._store(split)
        self._train = TrainBatches(
            self._store("train"),
            self._augmentation,
            batch=experiment.batch,
            seed=experiment.seed,
            drop_single=batch_norm,
        )
        self.steps_per_epoch = self._train.steps
        self.images_per_epoch = self._train.images
        if self._train.left_out:
            log("note: 1 image left out per epoch: a last batch of one has no batch statistics")
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
        with self._autocast():
            logits: Tensor = model(batch.images)
            loss = functional.cross_entropy(logits, batch.labels)
        images = batch.labels.shape[0]
        correct = (logits.detach().argmax(dim=1) == batch.labels).sum()
        return StepOutcome(loss, images, {"loss": loss.detach() * images, "accuracy": correct})

    def measure(self, model: nn.Module, split: str) -> Measurement:
        store = self._store(split)
        classes = len(self.classes)
        loss_sum = torch.zeros((), dtype=torch.float64)
        parts: list[Tensor] = []
        was_training = model.training
        model.eval()
        with torch.inference_mode():
            for batch in eval_batches(store, self._resolved.eval_batch):
                with self._autocast():
                    logits = model(batch.images)
                logits = logits.float()
                losses = functional.cross_entropy(logits, batch.labels, reduction="none")
                loss_sum += losses.cpu().double().sum()
                parts.append(logits.softmax(dim=1).cpu())
        model.train(was_training)
        probabilities = torch.cat(parts)
        labels = store.labels.cpu()
        correct = probabilities.argmax(dim=1) == labels
        total = torch.bincount(labels, minlength=classes)
        right = torch.bincount(labels[correct], minlength=classes)
        count = store.count
        return Measurement(
            images=count,
            metrics={"loss": loss_sum.item() / count, "accuracy": int(correct.sum()) / count},
            per_class=[
                {"class": name, "n": n, "correct": hits, "accuracy": hits / n if n else None}
                for name, n, hits in zip(self.classes, total.tolist(), right.tolist(), strict=True)
            ],
            predictions=self._predictions(split, probabilities, labels),
            settings=self._settings(),
        )

    def _predictions(self, split: str, probabilities: Tensor, labels: Tensor) -> dict[str, Any]:
        import numpy as np

        return {
            "probabilities": probabilities.numpy(),
            "labels": labels.numpy(),
            "paths": np.array(self._dataset.splits[split].paths, dtype=np.str_),
            "root": np.array(str(self._dataset.root), dtype=np.str_),
            "class_names": np.array(self.classes, dtype=np.str_),
        }

    def _settings(self) -> dict[str, Any]:
        augmentation = self._augmentation
        mean, std = resolve_normalize(self._experiment)
        return {
            "image_size": augmentation.size,
            "resize": augmentation.stored_size,
            "crop": "centre",
            "mean": list(mean),
            "std": list(std),
            "precision": self._resolved.precision,
        }

    def _store(self, split: str) -> ImageStore:
        if split not in self._stores:
            self._stores[split] = self._load(split)
        return self._stores[split]

    def _load(self, split: str) -> ImageStore:
        files = self._dataset.splits[split]
        if not files.paths:
            raise DataError(f"The {split} split of {self._dataset.root} has no images.")
        size = self._augmentation.stored_size
        announced = False

        def progress(done: int, total: int) -> None:
            nonlocal announced
            if not announced or done == total:
                log(f"{split}: decoded {done} of {total} images to {size} px")
                announced = True

        pixels = cached_pixels(
            Path(self._dataset.root),
            files.paths,
            size,
            threads=min(self._resolved.threads, _DECODE_THREADS),
            progress=progress,
            cancelled=self._cancelled,
        )
        if self._fits(pixels):
            pixels = pixels.to(self.device)
        return ImageStore(
            pixels,
            torch.tensor(files.labels, dtype=torch.int64),
            size=self._augmentation.size,
            normalisation=Normalisation(*resolve_normalize(self._experiment)),
            device=self.device,
        )

    def _fits(self, pixels: Tensor) -> bool:
        if self.device.type != "cuda":
            return True
        free, _ = torch.cuda.mem_get_info(self.device)
        return pixels.numel() < _DEVICE_SHARE * free

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self._resolved.precision == "bfloat16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()


def build_classifier(experiment: Experiment, classes: int, resolved: Resolved) -> nn.Module:
    """A fresh model on the device, in the run's memory layout; weights come from torch's global generator."""
    model = build_model(experiment, classes)
    layout = torch.channels_last if resolved.memory_format == "channels_last" else torch.contiguous_format
    return model.to(torch.device(resolved.device)).to(memory_format=layout)


def augmentation_of(experiment: Experiment) -> Augmentation:
    """The config's random changes as the data room takes them."""
    augment = experiment.augment
    jitter = augment.color_jitter
    return Augmentation(
        size=experiment.image_size,
        scale=augment.scale if isinstance(augment.scale, int) else None,
        pad=augment.pad_crop or 0,
        flip=augment.hflip,
        jitter=None
        if jitter is None
        else Jitter(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue),
    )
