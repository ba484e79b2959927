"""Every key of a config, from the schema: as a table on the terminal and as the page in docs/."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from core.cli.output import table
from core.config.fields import FieldSpec, as_text, field_specs
from core.config.names import CLASSIFIERS, DETECTORS, TINYVGG
from core.metrics import METRICS, Metric

REQUIRED = "required"
NOTHING = "nothing"
_MANY = 20
_HEAD = """\
# Config keys

One table for each group of the launch form; `labtui config keys` prints the same. A key with a dot is
written nested (`optimizer: {momentum: 0.9}`), or after `--set` with its dots (`--set
optimizer.momentum=0.9`). Keys marked *operational* do not change numbers: runs that differ only in them
are runs of the same config. All others make a fork when they are changed on `resume`.
"""
_METRICS = """
## Metrics

What training and measuring record, as `train/NAME`, `val/NAME` or `test/NAME` where it belongs to a split.
`metric` and `scheduler.metric` may name those that are marked *best*, of validation images. A name that is
not listed, such as a term of your own loss, counts as a loss (lower is better) if it contains `loss`, `error`
or the like; for all others higher is better.

| name | label | what it is | task | better | values | chance level |
|---|---|---|---|---|---|---|
"""
_MODELS = """
## Names of models

Tiny VGGs for small pictures: {tiny}; `tinyvgg` with `blocks`.

torchvision's classifiers: {torchvision}.

Detectors: {detectors}.

Your own: `./net.py:build`, a function called with `num_classes` and the keys of `model_args`.
"""


def lines() -> list[str]:
    """A plain table of all keys."""
    rows = [(spec.key, takes(spec), default(spec), spec.help) for spec in field_specs()]
    return table(("key", "accepts", "default", "what it does"), rows)


def page() -> str:
    """The same in Markdown, by group."""
    parts = [_HEAD]
    for group, specs in groupby(field_specs(), key=lambda spec: spec.group):
        parts.append(f"\n## {group}\n\n| key | accepts | default | what it does |\n|---|---|---|---|\n")
        for spec in specs:
            mark = "" if spec.result else " *operational*"
            value = default(spec)
            shown = value if value in (REQUIRED, NOTHING) else f"`{value}`"
            cells = (f"`{spec.key}`", takes(spec), shown, f"{spec.help}{mark}")
            parts.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n")
    parts += [_METRICS, *(f"| {' | '.join(metric_cells(metric))} |\n" for metric in METRICS)]
    parts.append(
        _MODELS.format(tiny=_names(TINYVGG), torchvision=_names(CLASSIFIERS), detectors=_names(DETECTORS))
    )
    return "".join(parts)


def metric_cells(metric: Metric) -> tuple[str, ...]:
    """A metric's row in the page."""
    return (
        f"`{metric.name}`",
        metric.label,
        f"{metric.about}{' *best*' if metric.selectable else ''}",
        "all" if len(metric.tasks) > 1 else metric.tasks[0],
        {"max": "higher", "min": "lower", None: ""}[metric.better],
        "0 to 1" if metric.bounded else "",
        metric.baseline,
    )


def takes(spec: FieldSpec) -> str:
    """What may stand there: `number, above 0`, `sgd`, `true or false`."""
    words = " or ".join(spec.choices) if len(spec.choices) <= _MANY else f"one of {len(spec.choices)} names"
    if not spec.types:
        return words
    bounds = f", {spec.bounds}" if spec.bounds else ""
    others = f", or {words}" if words and spec.kind != "list" else ""
    return f"{' or '.join(spec.types)}{bounds}{others}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def default(spec: FieldSpec) -> str:
    """What holds when the key is absent."""
    return REQUIRED if spec.required else as_text(spec.default) or NOTHING
