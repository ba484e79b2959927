"""Whether a fork can begin, found out before it is made: `python -P -m core.engine.fitting`.

Reads `{"config", "run", "checkpoint", "data_changed", "model_changed"}` from stdin (the fork's config file,
the parent's folder, the checkpoint's id) and prints `{"error": sentence or null, "code": exit code, "notes":
[sentence]}`.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import torch

from core.config.load import parse_experiment
from core.datasets.dataset import read_dataset
from core.datasets.open import open_dataset
from core.engine.build import code_file
from core.engine.checkpoint import read_checkpoint, require_fit
from core.engine.class_match import Outputs
from core.errors import LabError
from core.models.registry import build_model
from core.store.checkpoints import choose
from core.store.paths import RunPaths
from core.store.process import end_with_asker


def try_fork(
    config: Path, run: RunPaths, checkpoint: str, *, data_changed: bool, model_changed: bool
) -> tuple[str, ...]:
    """What becomes of the parent's weights in the fork, in sentences.

    Raises LabError when they do not fit, or the fork's data cannot be opened.
    """
    experiment = parse_experiment(config.read_text(encoding="utf-8"), config)
    point = choose(run, checkpoint)
    content = read_checkpoint(run, point)
    dataset = None if data_changed else read_dataset(run)
    if dataset is None:
        dataset = open_dataset(experiment.data)
    # A network of the user's own that did not change is the copy that the parent keeps.
    code = None if model_changed else code_file(run, experiment)
    model = build_model(experiment, len(dataset.class_names), code=code)
    return require_fit(run, point, content, model, Outputs(experiment, dataset.class_names, code))


def main() -> int:
    """Print the document; the exit code is 0 unless something went wrong that is no fault of the fork."""
    end_with_asker()
    torch.set_num_threads(1)
    asked: dict[str, Any] = json.load(sys.stdin)
    document: dict[str, Any] = {"error": None, "code": 0, "notes": []}
    # Whatever the user's network prints must not get between the lines of the document.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            document["notes"] = try_fork(
                Path(asked["config"]),
                RunPaths(Path(asked["run"])),
                str(asked["checkpoint"]),
                data_changed=bool(asked["data_changed"]),
                model_changed=bool(asked["model_changed"]),
            )
        except LabError as error:
            document |= {"error": str(error), "code": error.exit_code}
    print(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
