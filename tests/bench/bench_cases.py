"""From a cell of the matrix to the picture behind it: `python tests/bench/bench_cases.py [--rounds 15]`.

CPU time of the program, without a terminal, from the key press in the list of cases of a cell to the drawn
picture of 2112 x 1584 with its boxes: median (lowest to highest). Each picture is opened for the first time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

SIZE = (2112, 1584)
TERMINALS = ((80, 24), (160, 50))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ |= {"XDG_STATE_HOME": str(folder / "state"), "XDG_CACHE_HOME": str(folder / "cache")}
        make_run(folder, rounds + 2)
        for size in TERMINALS:
            asyncio.run(walk(folder, size, rounds))


def make_run(folder: Path, images: int) -> None:
    """A run in which every picture has one object taken for another class, and nine boxes more."""
    from core.analysis.import_predictions import import_predictions
    from core.config.workspace import Workspace

    (folder / "configs").mkdir()
    pictures = folder / "pictures"
    pictures.mkdir()
    random = np.random.default_rng(0)
    truth: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    truth["categories"] = [{"id": number + 1, "name": name} for number, name in enumerate(("one", "two"))]
    found = []
    for number in range(1, images + 1):
        coarse = random.integers(0, 255, (SIZE[1] // 8, SIZE[0] // 8, 3), np.uint8)
        name = f"{number:04d}.jpg"
        Image.fromarray(coarse).resize(SIZE).save(pictures / name, quality=90)
        truth["images"].append({"id": number, "file_name": name, "width": SIZE[0], "height": SIZE[1]})
        box = [600, 500, 700, 500]
        shared = {"image_id": number, "bbox": box}
        truth["annotations"].append({"id": number, "category_id": 1, "area": 350_000, "iscrowd": 0, **shared})
        found.append({"category_id": 2, "score": 1 - number / 1000, **shared})
        for part in range(9):
            away = [100 + 200 * part, 100, 150, 150]
            found.append({"image_id": number, "category_id": 2, "score": 0.6, "bbox": away})
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "found.json").write_text(json.dumps(found))
    import_predictions(Workspace(folder), folder / "truth.json", folder / "found.json", pictures)


async def walk(folder: Path, size: tuple[int, int], rounds: int) -> None:
    from core.config.workspace import Workspace
    from tui.app import LabApp
    from tui.errors.screen import ErrorsScreen
    from tui.widgets.case_table import CaseTable

    app = LabApp(Workspace(folder))
    async with app.run_test(size=size) as pilot:

        async def settled(ready: Any) -> None:
            while not ready():
                await pilot.pause(0.002)
            await pilot.pause()

        await settled(lambda: app.snapshot.runs)
        await pilot.press("e")
        await settled(lambda: isinstance(app.screen, ErrorsScreen))
        screen = app.screen
        assert isinstance(screen, ErrorsScreen)
        await settled(lambda: screen.model.view is not None and screen.newest.idle)
        await pilot.press("home", "right")
        await settled(lambda: len(screen.query_one(CaseTable).rows) == rounds + 2 and screen.newest.idle)
        await pilot.press("enter", "enter")
        side = screen.query_one("#picture-side")
        spent = []
        for turn in range(rounds + 1):
            before = side.border_title
            begun = time.process_time()
            await pilot.press("n")
            # The name of the image is written when its picture is there.
            await settled(lambda before=before: side.border_title != before)
            if turn:
                spent.append((time.process_time() - begun) * 1e3)
        middle = statistics.median(spent)
        what = f"next case to its picture, {SIZE[0]}x{SIZE[1]} JPEG, {size[0]}x{size[1]}"
        print(f"{what}: {middle:.0f} ms ({min(spent):.0f} to {max(spent):.0f})  aim <= 60")


if __name__ == "__main__":
    main()
