"""What an experiment's network is, before it runs: `python -P -m core.engine.describe CONFIG --classes N`.

Prints one JSON document on stdout; faults of the network are in it, under `error`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.config.load import read_stored
from core.config.names import SMALL_DETECTORS, TINYVGG, is_code
from core.config.schema import Experiment
from core.errors import LabError
from core.models.meta import without_storage
from core.models.modes import apply_mode
from core.models.registry import build_model
from core.models.summary import ModelSummary, summarise_model
from core.store.process import end_with_asker

_USAGE = "usage: python -P -m core.engine.describe CONFIG_FILE --classes N"
# What torch.save adds: generators, counters and names in all; headers, names and alignment for each tensor.
_FILE_BYTES = 14_000
_TENSOR_BYTES = 330


def model_document(experiment: Experiment, model: nn.Module) -> dict[str, Any]:
    """The summary of a network whose mode is applied: `model.json` of a run, and this module's output.

    `{"model", "parameters", "trainable", "parts": [{"name", "parameters", "trainable"}], "layers": [{"name",
    "type", "shape", "parameters", "trainable"}], "checkpoint_bytes", "error": null}`; shapes without batch.
    """
    summary = summarise_model(model, experiment.sides if experiment.is_detector else experiment.side)
    trained = sum(parameter.requires_grad for parameter in model.parameters())
    return {
        "model": experiment.model,
        **summary.as_json(),
        "checkpoint_bytes": checkpoint_bytes(summary, experiment, trained),
        "error": None,
    }


def checkpoint_bytes(summary: ModelSummary, experiment: Experiment, tensors: int) -> int:
    """About how long one checkpoint file will be: weights, buffers, optimiser state and moving average.

    `tensors` is the number of trained parameter tensors.
    """
    moments, counters = experiment.optimizer.kind.kept_tensors(experiment.optimizer)
    copies = 2 if experiment.ema is not None else 1
    entries = summary.state_tensors * copies + tensors * (moments + counters)
    numbers = summary.state_bytes * copies + 4 * summary.trainable * moments + 4 * tensors * counters
    return numbers + entries * _TENSOR_BYTES + _FILE_BYTES


def describe(experiment: Experiment, classes: int) -> dict[str, Any]:
    """`model_document` of a network built for it, without storage unless it is small or the user's own.

    A fault becomes `{"model", "error": sentence}`.
    """
    try:
        if is_code(experiment.model) or _is_light(experiment):
            model = build_model(experiment, classes)
        else:
            # Builders of classifiers compute with small tensors; those of detectors look at shapes only.
            with torch.device("meta") if experiment.is_detector else without_storage():
                model = build_model(experiment, classes)
            model.to("meta")
        apply_mode(model, experiment)
        return model_document(experiment, model)
    except LabError as error:
        return {"model": experiment.model, "error": str(error)}


def _is_light(experiment: Experiment) -> bool:
    """Whether a real pass is cheaper than one on the meta device, which loads torch's compiler first."""
    if experiment.is_detector:
        return experiment.model in SMALL_DETECTORS and max(experiment.sides) <= 640
    return experiment.model in TINYVGG and experiment.side <= 64 and not experiment.model_args


def main(arguments: list[str]) -> int:
    """Print the document; 0 also when it holds an error, 2 for a wrong call."""
    if len(arguments) != 3 or arguments[1] != "--classes" or not arguments[2].isdigit():
        print(_USAGE, file=sys.stderr)
        return 2
    end_with_asker()
    file = Path(os.path.abspath(arguments[0]))
    # Whatever the user's network prints must not get between the lines of the document.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            document = describe(read_stored(file), int(arguments[2]))
        except OSError as error:
            document = {"model": None, "error": f"{file} cannot be read: {error.strerror}."}
        except LabError as error:
            document = {"model": None, "error": str(error)}
    print(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
