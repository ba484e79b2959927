"""Figures of a data set: `python tests/bench/bench_data.py [--rounds 5] [--images 2197]`.

A set in the Diatom layout with the published counts (2,197 images of 2112 x 1584 with 3,027 boxes; the files
are of one grey, so that they are small). Seconds and CPU seconds, median (lowest to highest), of: the first
figures in a process that has loaded the modules, `labtui data stats --no-pixels` as a command of its own;
then, once, of reading the pixels of 200 of its images, and of finding duplicates among 100,000 records.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests import diatom_files  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ |= {"XDG_STATE_HOME": str(folder / "state"), "XDG_CACHE_HOME": str(folder / "cache")}
        root = folder / "diatoms"
        diatom_files.write(root)
        tell(
            "first figures, modules loaded",
            [timed(lambda: first_figures(root)) for _ in range(rounds + 1)][1:],
        )
        tell("labtui data stats --no-pixels", [timed(lambda: command(root, folder)) for _ in range(rounds)])
        tell("pixels of 200 images of 2112 x 1584", [timed(lambda: pixels(root))])
    tell("duplicates among 100,000 records", [timed(twins)])


def first_figures(root: Path) -> None:
    from core.analysis.data_reading import read_table
    from core.analysis.statistics import statistics as count
    from core.config.data_schema import DataConfig

    found = count(read_table(DataConfig(root=root)))
    mean = found.find("objects:mean")
    assert len(found.table) == diatom_files.IMAGES
    assert mean is not None
    assert mean.shown == "1.38"


def command(root: Path, folder: Path) -> None:
    words = [sys.executable, "-P", "-m", "tui", "data", "stats", str(root), "--no-pixels"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)


def pixels(root: Path) -> None:
    from core.analysis.image_job import read_images

    paths = [f"images/{number}.png" for number in range(1, 201)]
    read_images(root, paths, threads=len(os.sched_getaffinity(0)))


def twins() -> None:
    from core.analysis.duplicates import find_twins
    from core.analysis.image_records import RECORD

    rng = np.random.default_rng(0)
    records = np.zeros(100_000, RECORD)
    records["content"] = [np.void(index.to_bytes(16, "big")) for index in range(len(records))]
    # Ten thousand kinds of hashes, as pictures of one kind have many bands in common.
    kinds = rng.integers(0, 2**63, (10_000, 2), dtype=np.uint64)
    records["hash"] = kinds[rng.integers(0, len(kinds), len(records))]
    records["hash"] ^= np.uint64(1) << rng.integers(0, 63, (len(records), 2), dtype=np.uint64)
    records["thumb"] = rng.integers(0, 255, (len(records), records["thumb"].shape[1]), dtype=np.uint8)
    find_twins(records)


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds and CPU seconds, those of ended children included."""
    start, cpu = time.perf_counter(), used()
    work()
    return time.perf_counter() - start, used() - cpu


def used() -> float:
    """CPU seconds of this process and its ended children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def tell(what: str, rounds: list[tuple[float, float]]) -> None:
    shown = []
    for values in zip(*rounds, strict=True):
        spread = f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
        shown.append(f"{statistics.median(values):.2f}{spread}")
    print(f"{what:40} {shown[0]} s, {shown[1]} CPU-s")


if __name__ == "__main__":
    main()
