"""Event files for TensorBoard, written by its own package and without torch or TensorFlow.

Every attempt writes all current rows anew into one file; once it has caught up, the older one is emptied. It
begins with a session start at step 0: readers that had the older file drop what they held.
"""

from __future__ import annotations

import math
import os
import socket
import time
from contextlib import suppress
from typing import Any, BinaryIO

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.text.metadata import create_summary_metadata
from tensorboard.summary.writer.record_writer import RecordWriter

from core.store import files
from core.store.paths import RunPaths
from core.tracking.about import About, flattened
from core.tracking.ending import Outcome
from core.tracking.journal import Journal
from core.tracking.rows import Retrained, Row

FOLDER = "tensorboard"
_EVENTS = "events.out.tfevents."
_STATUS = {"finished": api_pb2.STATUS_SUCCESS, "stopped": api_pb2.STATUS_UNKNOWN}


class TensorBoard:
    """One event file in `tracking/tensorboard`. Raises OSError when it cannot be written."""

    def __init__(self, run: RunPaths, about: About, journal: Journal) -> None:
        self._folder = run.tracking / FOLDER
        self._journal = journal
        files.make_dir(self._folder, exist_ok=True)
        files.sweep(self._folder)
        self._older = sorted(path for path in self._folder.iterdir() if path.name.startswith(_EVENTS))
        self._path = self._folder / _name(self._older[-1].name if self._older else "")
        # Under this name no reader looks at it before it has caught up.
        self._temporary: str | None = os.path.join(self._folder, files.temporary_name("catching-up"))
        self._file: BinaryIO = open(self._temporary, "xb")  # noqa: SIM115
        self._records = RecordWriter(self._file)
        self._last: dict[str, int] = {}
        self._begin(about)

    def begin(self, retrained: list[Retrained]) -> None:
        """Nothing to do: only current rows are written."""

    def write(self, row: Row) -> None:
        """A row's metrics under their names; a name gets one value a step."""
        values = dict(row.values)
        if row.epoch is not None:
            values["epoch"] = row.epoch
        summary = Summary()
        for tag, value in values.items():
            if self._last.get(tag, -1) < row.step:
                self._last[tag] = row.step
                summary.value.add(tag=tag, simple_value=value)
        if summary.value:
            self._event(row.time, row.step, summary=summary)

    def caught_up(self) -> None:
        """Show readers what was written."""
        self._file.flush()
        if self._temporary is not None:
            files.rename(self._temporary, self._path)
            self._temporary = None
            for path in self._older:
                # Emptied, and removed an attempt later: a reader that has it open goes on to the next.
                if path.stat().st_size:
                    files.write_bytes(path, b"")
                else:
                    files.unlink(path)

    def close(self, outcome: Outcome) -> None:
        """Write how the attempt ended."""
        now = time.time()
        self._event(now, 0, summary=_end(_STATUS.get(outcome.state, api_pb2.STATUS_FAILURE), now))
        self.caught_up()
        with suppress(OSError):
            files.sync(self._file.fileno(), self._path)
        self._file.close()

    def give_up(self) -> None:
        """Say that the disk did not take the rest."""
        self._journal.tell(f"{self._path} could not be written to its end")

    def _begin(self, about: About) -> None:
        now = time.time()
        self._records.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        self._event(now, 0, session_log=SessionLog(status=SessionLog.START))
        settings = {
            key: _setting(value) for key, value in flattened(about.config).items() if value is not None
        }
        self._event(now, 0, summary=hparams_pb(settings, trial_id=about.id))
        self._event(now, 0, summary=_text("config", f"```yaml\n{about.text}\n```"))
        if about.note:
            self._event(now, 0, summary=_text("note", about.note))

    def _event(self, when: float, step: int, **content: Any) -> None:
        moment = when if math.isfinite(when) else time.time()
        self._records.write(Event(wall_time=moment, step=step, **content).SerializeToString())


def _name(newest: str) -> str:
    """A file name that sorts after `newest`: readers take files in the order of their names."""
    digits = newest.removeprefix(_EVENTS)[:10]
    second = max(int(time.time()), int(digits) + 1 if digits.isdigit() else 0)
    return f"{_EVENTS}{second:010d}.{socket.gethostname() or 'localhost'}.{os.getpid()}.0"


def _setting(value: Any) -> str | float | bool:
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def _end(status: int, when: float) -> Summary:
    data = HParamsPluginData(session_end_info=SessionEndInfo(status=status, end_time_secs=when))
    return Summary(
        value=[
            Summary.Value(
                tag=hparams_metadata.SESSION_END_INFO_TAG,
                metadata=hparams_metadata.create_summary_metadata(data),
                tensor=hparams_metadata.NULL_TENSOR,
            )
        ]
    )


def _text(tag: str, text: str) -> Summary:
    metadata = create_summary_metadata(display_name="", description="")
    metadata.data_class = DATA_CLASS_TENSOR
    tensor = TensorProto(
        dtype=DT_STRING,
        string_val=[text.encode("utf-8", "replace")],
        tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]),
    )
    return Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)])
