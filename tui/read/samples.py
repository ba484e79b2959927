"""Pictures that a config trains on, made by a child: as they are, or originals beside augmented draws."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError
from core.launch.spawn import child_environment, module_command
from core.store.process import asker
from core.text import clean

MODULE = "core.evaluate.samples"
SECONDS = 120
_LAST = 4000
"""Characters of the child's complaint that are read."""


@dataclass(frozen=True, eq=False)
class Samples:
    """`pixels` is (n, height, width, 3) uint8 with a title each; `columns` of them stand in a row.

    With `augmented`, each row is an original and what training would make of it. `boxes`: they are drawn in.
    """

    pixels: NDArray[np.uint8]
    titles: tuple[str, ...]
    columns: int
    augmented: bool = False
    boxes: bool = False


class SampleReader:
    """Starts one child at a time; another thread may stop it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def read(self, config: str, *, augmented: bool, seed: int, count: int) -> Samples | None:
        """Pictures of a dumped config; None when stopped. Raises DataError with the child's sentence."""
        with tempfile.TemporaryDirectory(prefix="labtui-") as folder:
            source, target = Path(folder, "config.yaml"), Path(folder, "samples.npz")
            source.write_text(config, encoding="utf-8", errors="surrogateescape")
            words = [str(source), str(target), "--seed", str(seed), "--count", str(count)]
            code, said = self._run([*words, "--augmented"] if augmented else words)
            if self._stopped:
                return None
            if code or not target.exists():
                raise DataError(_sentence(said) or f"the pictures could not be read (exit code {code})")
            return load(target, augmented=augmented)

    def stop(self) -> None:
        """End the child, if any; later calls of `read` give nothing."""
        with self._lock:
            self._stopped = True
            if self._child is not None:
                with suppress(ProcessLookupError):
                    os.killpg(self._child.pid, signal.SIGKILL)

    def _run(self, words: list[str]) -> tuple[int, str]:
        with self._lock:
            if self._stopped:
                return 0, ""
            child = self._child = subprocess.Popen(
                module_command(MODULE, *words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=child_environment(asker()),
                start_new_session=True,
            )
        try:
            _, said = child.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            raise DataError(f"the pictures were not ready within {SECONDS} s") from None
        finally:
            with self._lock:
                self._child = None
        return child.returncode, said[-_LAST:].decode("utf-8", "replace")


def load(path: Path, *, augmented: bool) -> Samples:
    """The pictures in a file of the child's. Raises DataError when it is not one."""
    try:
        with np.load(path, allow_pickle=False) as content:
            pixels, titles, columns = content["pixels"], content["titles"], int(content["columns"])
            boxes = "labels" in content and bool((content["labels"] < 0).all())
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"the pictures could not be read: {clean(str(error))}") from error
    if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8 or len(titles) != len(pixels):
        raise DataError(f"the pictures could not be read: {pixels.dtype} of shape {pixels.shape}")
    return Samples(pixels, tuple(clean(str(title)) for title in titles), max(columns, 1), augmented, boxes)


def _sentence(said: str) -> str:
    """The last line of what a child wrote: its sentence, or a traceback's."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return clean(lines[-1]) if lines else ""
