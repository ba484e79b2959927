"""Names give way where they are equal; time left, reasons and sentences are never cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

from core.store.records import Best
from tui.cell_text import told_apart
from tui.chart.compose import message
from tui.screens.run_text import parent_name, reason, top


@pytest.mark.parametrize("width", [8, 12, 20, 30])
def test_names_are_cut_where_they_do_not_differ(width: int) -> None:
    names = ["bccd-fasterrcnn-small-ccb9", "bccd-fasterrcnn-small-1f", "bccd-fasterrcnn-small-ccb9-fork"]
    shown = told_apart(names, width)
    assert all(cell_len(name) <= width for name in shown)
    assert len(set(shown)) == len(names)
    assert told_apart(["short", "names"], width) == ["short", "names"]


def test_one_name_alone_is_cut_in_the_middle() -> None:
    assert told_apart(["bccd-fasterrcnn-small-ccb9"], 12) == ["bccd-…l-ccb9"]
    assert told_apart(["규조류-사진-가", "규조류-사진-나"], 6) == ["규…가", "규…나"]


def words(spans: Any) -> str:
    return "".join(text for text, _ in spans)


@pytest.mark.parametrize("name", ["tiny", "bccd-fasterrcnn-small-with-a-long-name-seed-3", "규조류 " * 12])
def test_the_header_of_80_columns_has_state_and_time_left(summary: Any, name: str) -> None:
    best = Best("val/accuracy", 0.8021, 12, "a01-e0012")
    run = summary(
        name=name, state="running", epoch=12, epochs=60, best=best, seconds_per_epoch=45.0, parent="x" * 40
    )
    left, right = top(run, None, width=80)
    needed = words(left[:-1])
    assert "● running 12/60" in needed
    assert "≈ 36 m" in needed
    assert "★ 0.8021@12" in words(right)
    assert cell_len(needed.partition("≈ 36 m")[0]) + 6 + cell_len(words(right)) <= 80
    assert needed.strip().removeprefix("labtui ▸ ")[:4] == name[:4]


def test_a_parent_is_named_by_what_differs(summary: Any) -> None:
    assert parent_name("20261130-232819-bccd-fasterrcnn-small-2768@3") == "bccd-fasterrcnn-small-2768@3"
    assert parent_name("elsewhere") == "elsewhere"
    run = summary(state="failed", reason="out of GPU memory")
    assert (reason(run), reason(summary(reason="finished early"))) == ("out of GPU memory", "")
    assert "out of GPU memory" not in words(top(run, None, width=80)[0])


def test_a_sentence_takes_as_many_lines_as_it_needs() -> None:
    text = "no data: The training loss became nan at epoch 1, step 2. Lower learning_rate and start again."
    picture = message("accuracy", text, 38, 10)
    lines = ["".join(row) for row in picture.chars]
    assert " ".join(" ".join(lines).split()) == text
    assert all(cell_len(line) == 38 for line in lines)
    assert "…" in "".join("".join(row) for row in message("accuracy", text, 38, 1).chars)
    wide = ["".join(row) for row in message("", "실행이 없습니다", 20, 3).chars]
    assert [cell_len(line) for line in wide] == [20, 20, 20]
    assert isinstance(picture.chars, np.ndarray)
