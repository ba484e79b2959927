"""What a run was trained on, in a report."""

from __future__ import annotations

from core.cli.report.blocks import Block, Section, Table, Text
from core.cli.report.figures import bars
from core.datasets.dataset import Dataset, read_dataset
from core.errors import LabError
from core.store.paths import RunPaths

_BARS = 40


def data_section(run: RunPaths) -> list[Section]:
    """One section on classes and splits; a word where the run has no list of its images yet."""
    try:
        dataset = read_dataset(run)
    except (LabError, OSError) as error:
        return [Section("Data", (Text(str(error), warn=True),))]
    if dataset is None:
        return [Section("Data", (Text("The run has not listed its images yet."),))]
    return [Section("Data", tuple(_blocks(dataset)))]


def _blocks(dataset: Dataset) -> list[Block]:
    splits = list(dataset.splits)
    counts = {name: dataset.counts(name) for name in splits}
    order = sorted(range(len(dataset.class_names)), key=lambda at: -sum(counts[name][at] for name in splits))
    boxes = dataset.boxes is not None
    what = "objects" if boxes else "images"
    images = ", ".join(f"{len(dataset.splits[name].paths)} {name}" for name in splits)
    largest, least = (sum(counts[name][at] for name in splits) for at in (order[0], order[-1]))
    ratio = f", the largest class is {largest / least:.1f} times the smallest" if least else ""
    blocks: list[Block] = [
        Text(
            f"{len(dataset.class_names)} classes; images: {images}{ratio}. Fingerprint {dataset.fingerprint}."
        )
    ]
    absent = [
        f"{name}: {', '.join(dataset.class_names[at] for at in order if not counts[name][at])}"
        for name in splits
        if not all(counts[name])
    ]
    if absent:
        blocks.append(Text(f"Classes without {what}: {'; '.join(absent)}.", warn=True))
    shown = order[:_BARS]
    parts = [(name, [float(counts[name][at]) for at in shown]) for name in splits]
    title = f"{what.capitalize()} by class" + (f", the {_BARS} largest" if len(order) > _BARS else "")
    blocks.append(bars("classes", [dataset.class_names[at] for at in shown], parts, title))
    rows = tuple((dataset.class_names[at], *(str(counts[name][at]) for name in splits)) for at in order)
    header = ("class", *splits)
    right = frozenset(range(1, len(header)))
    blocks.append(Table(header, rows, right, folded=f"{what.capitalize()} of all classes"))
    return blocks
