"""Event files as TensorBoard's own readers see them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from core.store.paths import RunPaths
from core.tracking.about import About
from core.tracking.ending import Outcome
from core.tracking.journal import Journal
from core.tracking.rows import Row

pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata as hparams_metadata

from core.tracking.to_tensorboard import TensorBoard

ABOUT = About(
    id="20261125-080000-demo-1a2b",
    name="first",
    project="tinyvgg_a",
    group="full",
    tags=(),
    note="try *this*",
    metric="val/accuracy",
    metric_mode="max",
    config={"learning_rate": 0.01, "augment": {"hflip": True, "tta": ()}, "ema": None},
    text="model: tinyvgg_a\n",
)


def row(step: int, attempt: int = 1, **values: float) -> Row:
    named = {name.replace("_", "/", 1): value for name, value in values.items()}
    return Row(step, step / 10, 1000.0 + step, attempt, step % 10 == 0, named)


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    run = RunPaths(tmp_path / ABOUT.id)
    run.tracking.mkdir(parents=True)
    return run


def copy(run: RunPaths, *rows: Row, state: str = "finished") -> None:
    """What one attempt's worker does."""
    sink = TensorBoard(run, ABOUT, Journal(run, 1, "tensorboard"))
    sink.begin([])
    for each in rows:
        sink.write(each)
    sink.caught_up()
    sink.close(Outcome(state))


def events(run: RunPaths) -> list[str]:
    """Names of the files that hold anything."""
    files = (run.tracking / "tensorboard").glob("events.out.tfevents.*")
    return sorted(path.name for path in files if path.stat().st_size)


def reader(run: RunPaths) -> EventAccumulator:
    everything = {"scalars": 0, "tensors": 0}
    return EventAccumulator(str(run.tracking / "tensorboard"), size_guidance=everything).Reload()


def scalars(read: EventAccumulator, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read.Scalars(tag)]


def test_scalars_come_back_by_step_with_their_times(run: RunPaths) -> None:
    copy(
        run,
        row(5, train_loss_step=0.5),
        row(10, train_loss=0.25, val_accuracy=0.75),
        row(15, train_loss_step=math.nan),
    )
    read = reader(run)
    assert scalars(read, "val/accuracy") == [(10, 0.75)]
    assert scalars(read, "epoch") == [(5, 0.5), (10, 1.0), (15, 1.5)]
    (first, second) = read.Scalars("train/loss_step")
    assert (first.step, first.value, first.wall_time) == (5, 0.5, 1005.0)
    assert math.isnan(second.value)


def test_a_name_gets_one_value_a_step(run: RunPaths) -> None:
    copy(run, row(10, lr=0.125, train_loss_step=1.0), row(10, lr=0.25, val_loss=2.0), row(11, lr=0.5))
    read = reader(run)
    assert scalars(read, "lr") == [(10, 0.125), (11, 0.5)]
    assert scalars(read, "val/loss") == [(10, 2.0)]


def test_a_resumed_run_is_one_curve_in_one_file(run: RunPaths) -> None:
    copy(run, *(row(step, val_loss=1.0) for step in (10, 20, 30)), state="stopped")
    watching = reader(run)
    (before,) = events(run)
    copy(run, row(10, val_loss=1.0), *(row(step, 2, val_loss=0.5) for step in (20, 30, 40)))
    (after,) = events(run)
    assert after > before, "readers go through files by name"
    continuous = [(10, 1.0), (20, 0.5), (30, 0.5), (40, 0.5)]
    assert scalars(reader(run), "val/loss") == continuous
    # A TensorBoard that had the older file open drops what it held of it.
    assert scalars(watching.Reload(), "val/loss") == continuous
    copy(run, row(10, val_loss=1.0), *(row(step, 3, val_loss=0.25) for step in (20, 30)))
    assert scalars(watching.Reload(), "val/loss") == [(10, 1.0), (20, 0.25), (30, 0.25)]
    assert len(list((run.tracking / "tensorboard").iterdir())) == 2, "one of them empty"


def test_attempts_within_one_second_still_sort(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    names = []
    for _ in range(3):
        copy(run, row(10, val_loss=1.0))
        names += events(run)
    assert len(set(names)) == 3
    assert names == sorted(names)


def test_the_older_file_stays_until_the_new_one_has_caught_up(run: RunPaths) -> None:
    copy(run, row(10, val_loss=1.0))
    old = events(run)
    sink = TensorBoard(run, ABOUT, Journal(run, 2, "tensorboard"))
    sink.write(row(10, val_loss=1.0))
    assert events(run) == old
    sink.caught_up()
    assert events(run) != old
    assert len(events(run)) == 1
    sink.write(row(20, val_loss=0.5))
    sink.caught_up()
    assert scalars(reader(run), "val/loss") == [(10, 1.0), (20, 0.5)], "readable while it grows"
    sink.close(Outcome("finished"))


def test_settings_text_and_outcome_are_there(run: RunPaths) -> None:
    copy(run, row(10, val_loss=1.0), state="failed")
    read = reader(run)
    (config,) = read.Tensors("config")
    assert config.tensor_proto.string_val[0] == b"```yaml\nmodel: tinyvgg_a\n\n```"
    (note,) = read.Tensors("note")
    assert note.tensor_proto.string_val[0] == b"try *this*"

    def content(tag: str) -> Any:
        return read.SummaryMetadata(tag).plugin_data.content

    start = hparams_metadata.parse_session_start_info_plugin_data(
        content(hparams_metadata.SESSION_START_INFO_TAG)
    )
    assert start.group_name == ABOUT.id
    assert start.hparams["learning_rate"].number_value == 0.01
    assert start.hparams["augment.hflip"].bool_value is True
    assert "ema" not in start.hparams
    end = hparams_metadata.parse_session_end_info_plugin_data(content(hparams_metadata.SESSION_END_INFO_TAG))
    assert end.status == 2, "STATUS_FAILURE"


def test_a_folder_that_cannot_be_is_an_os_error(run: RunPaths) -> None:
    (run.tracking / "tensorboard").write_text("in the way")
    with pytest.raises(OSError, match="tensorboard"):
        TensorBoard(run, ABOUT, Journal(run, 1, "tensorboard"))


def test_neither_torch_nor_tensorflow_is_imported(tmp_path: Path) -> None:
    """With a TensorFlow at hand that must not be touched."""
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise SystemExit('TensorFlow was imported')\n")
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom core.store.paths import RunPaths\n"
        "from core.tracking.journal import Journal\nfrom core.tracking.worker import _open\n"
        "run = RunPaths(Path(sys.argv[1]) / 'run'); run.tracking.mkdir(parents=True)\n"
        "_open(run, 1, 'tensorboard', Journal(run, 1, 'tensorboard'), offline=False)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-P", "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    loaded = {name.split(".")[0] for name in json.loads(ended.stdout)}
    assert not {"torch", "tensorflow"} & loaded
