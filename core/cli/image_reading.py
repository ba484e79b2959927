"""The child that reads the pixels of a data set's images, for the command line and the screens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import LabError
from core.launch.spawn import child_environment, module_command
from core.text import clean

if TYPE_CHECKING:
    from core.analysis.data_table import DataTable

MODULE = "core.analysis.image_job"
_LAST = 4000


class ImageReader:
    """Starts at once; `stop`, or leaving the block, ends the child. What it has read stays in the cache."""

    def __init__(self, table: DataTable, waiting: int) -> None:
        from core.analysis.image_records import RECORD, record_file

        self._folder = tempfile.TemporaryDirectory(prefix="labtui-")
        folder = Path(self._folder.name)
        asked = folder / "list.json"
        opening = table.opening.as_stored()
        content = {"root": str(table.root), "paths": table.paths, "opening": opening}
        asked.write_text(json.dumps(content), encoding="utf-8")
        self._file, self._bytes = record_file(table.root), RECORD.itemsize
        self._before, self.total = self._records(), waiting
        self._said = folder / "said.txt"
        with open(self._said, "wb") as said:
            self._child = subprocess.Popen(
                module_command(MODULE, str(asked)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env=child_environment({"OMP_NUM_THREADS": "1"}),
                start_new_session=True,
            )

    def __enter__(self) -> ImageReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def done(self) -> int:
        """Images read since the start, of `total`."""
        return min(self._records() - self._before, self.total)

    def ended(self, seconds: float) -> bool:
        """Wait so long for the end. Raises LabError with the child's sentence when it has failed."""
        try:
            code = self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        if code and code != -signal.SIGKILL:
            lines = self._said.read_bytes()[-_LAST:].decode("utf-8", "replace").strip().splitlines()
            said = clean(lines[-1]) if lines else f"it ended with {code}"
            raise LabError(f"The images could not all be read: {said}")
        return True

    def stop(self) -> None:
        """End the child, if it still runs. Twice is fine."""
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._folder.cleanup()

    def _records(self) -> int:
        try:
            return self._file.stat().st_size // self._bytes
        except OSError:
            return 0
