"""A number that does not fit is put shorter or left out: never cut into another."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.strip import Strip

from core import humanise
from core.text import middle_cut, number_start
from tui.cell_text import crop, cut, fit
from tui.chart.axes import LABEL_WIDTH, tick_label
from tui.widgets.layer_table import LayerRow, LayerTable

RUN = re.compile(r"\d+(?:[\u2009.]\d+)*(?:\u2009[kMGT]\b)?")
COUNTS = (7, 999, 10_240, 1_028_525, 45_000_000, 123_456_789_012)


def numbers(text: str) -> set[str]:
    return set(RUN.findall(text))


def short(value: int) -> set[str]:
    return {humanise.count(value), *(humanise.short_count(str(value), width) or "" for width in range(4, 12))}


@pytest.mark.parametrize("value", COUNTS)
@pytest.mark.parametrize("width", range(1, 18))
def test_a_count_in_a_cell(value: int, width: int) -> None:
    text = fit(humanise.count(value), width, "right")
    assert cell_len(text) == width
    assert text.strip() in short(value) | {"…"}


@pytest.mark.parametrize(
    "text", ["loss 0.5841 at 12.25 s", "took 1 h 12 m of 300", "가나 1\u2009028\u2009525 B"]
)
@pytest.mark.parametrize("width", range(1, 26))
def test_a_sentence_ends_before_or_after_a_number(text: str, width: int) -> None:
    assert numbers(cut(text, width)) <= numbers(text)
    assert cell_len(cut(text, width)) <= width
    strip = crop(Strip([Segment(text[:7]), Segment(text[7:])]), width)
    assert strip.cell_length == width
    assert numbers(strip.text) <= numbers(text)


@pytest.mark.parametrize(
    ("name", "width", "wanted"),
    [
        ("BloodImage_00123.jpg", 14, "Bloo…00123.jpg"),
        ("000000397133.jpg", 12, "…0397133.jpg"),
        ("faster-1000-of-2000-epochs", 16, "faster-…0-epochs"),
        ("a-long-name-without-any", 11, "a-lon…t-any"),
    ],
)
def test_names_keep_their_numbers_where_there_is_room(name: str, width: int, wanted: str) -> None:
    found = middle_cut(name, width)
    assert len(found) == width or len(found) < width
    if "of-2000" not in name:
        assert found == wanted
    assert "100…" not in found


def test_where_a_number_begins() -> None:
    assert number_start("epoch 12.5 kB", 8) == 6
    assert number_start("epoch 12.5 kB", 10) == 6
    assert number_start("epoch 12.5 kB", 6) is None
    assert number_start("epoch 12.5 left", 10) is None


@pytest.mark.parametrize(
    "value", [-1.2e-3, 123_456.7, -98_765.0, 1e6, -1.2e-5, 0.30000000000000004, 65_536.0]
)
@pytest.mark.parametrize("share", [0.1, 0.2, 1.0])
def test_a_tick_is_its_value_or_nothing(value: float, share: float) -> None:
    step = abs(value) * share
    text = tick_label(value, step)
    assert len(text) <= LABEL_WIDTH
    if text != "…":
        read = float(text[:-1]) * 1000 if text.endswith("k") else float(text)
        assert read == pytest.approx(value, abs=max(0.1 * step, 0.05 * abs(value)))


class Tables(App[None]):
    def compose(self) -> ComposeResult:
        yield LayerTable()


async def test_the_layers_at_any_width() -> None:
    values = (1_028_525, 45_000_000, 123)
    app = Tables()
    async with app.run_test(size=(120, 8)) as pilot:
        table = app.query_one(LayerTable)
        table.set_rows([LayerRow(str(v), "features.block", "Conv", "64x32x32", v, v) for v in values])
        allowed = {"64", "32"}.union(*(numbers(text) for v in values for text in short(v)))
        for width in range(20, 121, 3):
            await pilot.resize_terminal(width, 8)
            await pilot.pause()
            for y in range(1, 4):
                text = table.render_line(y).text
                assert numbers(text.replace("x", " ")) <= allowed, (width, text)
