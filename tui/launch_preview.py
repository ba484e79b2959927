"""What a run of these settings would be, in a few lines, without opening an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core import humanise
from core.errors import LabError
from core.text import clean

if TYPE_CHECKING:
    from core.config.schema import Experiment


def describe(experiment: Experiment, changed: Sequence[tuple[str, str, str]]) -> tuple[tuple[str, ...], str]:
    """Lines for the form's right side, and what stands in the way of a start (or nothing).

    `changed` is (key, in the file, now).
    """
    lines: list[str] = []
    if changed:
        lines.append(f"changed from the file ({len(changed)})")
        lines += [f"  {key}: {before or '–'} → {now or '–'}" for key, before, now in changed]
    else:
        lines.append("as in the file")
    lines.append("")
    problem = ""
    try:
        lines += _data(experiment)
    except LabError as error:
        problem = str(error)
    lines += ["", *_training(experiment)]
    return tuple(lines), problem


def _data(experiment: Experiment) -> list[str]:
    from core.datasets.folder import class_folders, find_folders, scan
    from core.datasets.open import is_synthetic, require_root
    from core.datasets.synthetic import drawn_already

    data = experiment.data
    require_root(data)
    if is_synthetic(data) and not drawn_already(data):
        assert data.synthetic is not None, "a synthetic set says what to draw"
        return [
            f"data: {humanise.count(data.synthetic.images)} pictures in {data.synthetic.classes} classes,"
            " drawn when training starts"
        ]
    folders = find_folders(data)
    classes = class_folders(folders.train.images)
    names = [name for name in (data.classes or classes) if name in classes]
    images = scan(folders.train, {name: classes[name] for name in names}).images
    train = sum(map(len, images.values()))
    lines = [f"data: {clean(str(data.root or folders.train.images))}"]
    if folders.val is None:
        val = round(train * data.split.ratio)
        train -= val
        lines.append(f"  ≈ {humanise.count(train)} training images in {len(names)} classes")
        lines.append(f"  ≈ {humanise.count(val)} more held out for validation")
    else:
        lines.append(f"  {humanise.count(train)} training images in {len(names)} classes")
    if folders.val_is_test:
        lines.append("  validation is the test folder: the best epoch is chosen on it")
    steps = math.ceil(train / experiment.batch)
    lines.append(f"  {humanise.count(steps)} steps an epoch with batch {experiment.batch}")
    return lines


def _training(experiment: Experiment) -> list[str]:
    schedule = experiment.scheduler
    rate = humanise.learning_rate(experiment.learning_rate)
    if schedule.name == "plateau":
        rate += f", times {schedule.factor:g} after {schedule.patience} epochs without progress"
    saved = math.ceil(experiment.epochs / experiment.checkpoint.every)
    return [
        f"{experiment.model}: {experiment.epochs} epochs, learning rate {rate}",
        f"saves {saved} checkpoint{'s' * (saved > 1)}; device {experiment.device}",
    ]
