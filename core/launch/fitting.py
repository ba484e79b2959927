"""A fork that cannot begin is refused before its run is made."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import CheckpointError
from core.launch.spawn import child_environment, module_command
from core.store.paths import RunPaths
from core.store.process import asker
from core.store.records import Checkpoint
from core.text import clean

if TYPE_CHECKING:
    from core.config.schema import Experiment

TIMEOUT = 60.0
_DECIDES = frozenset({"data", "model", "model_args", "blocks", "image_size"})


def require_fit(
    run: RunPaths, checkpoint: Checkpoint, experiment: Experiment, changed: Sequence[str]
) -> list[str]:
    """Check, in a child process, that a fork's network and classes take the checkpoint's weights.

    Only where a changed setting can make a difference. Where that takes longer than TIMEOUT seconds, or
    cannot be found out, the fork's trainer will say it. Returns sentences on what becomes of the weights.
    Raises CheckpointError.
    """
    from core.config.load import dump

    roots = {key.split(".")[0] for key in changed}
    if not roots & _DECIDES:
        return []
    with tempfile.TemporaryDirectory(prefix="labtui-") as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(dump(experiment), encoding="utf-8", errors="surrogateescape")
        asked = {
            "config": str(config),
            "run": str(run.root),
            "checkpoint": checkpoint.id,
            "data_changed": "data" in roots,
            "model_changed": "model" in roots,
        }
        try:
            child = subprocess.run(
                module_command("core.engine.fitting"),
                input=json.dumps(asked).encode(),
                capture_output=True,
                cwd=folder,
                env=child_environment({"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", **asker()}),
                timeout=TIMEOUT,
                start_new_session=True,
            )
            found = json.loads(child.stdout.decode("utf-8", "replace").strip().rpartition("\n")[2])
        except (subprocess.TimeoutExpired, OSError, ValueError):
            return []
    if not isinstance(found, dict):
        return []
    if isinstance(found.get("error"), str):
        raise CheckpointError(f"nothing was started: {clean(found['error'])}")
    notes = found.get("notes")
    return [clean(str(note)) for note in notes] if isinstance(notes, list) else []
