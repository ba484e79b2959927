"""A click on the head of a column orders the rows by what its cells say, in any table."""

from __future__ import annotations

import pytest

from tui.cell_text import number_said
from tui.widgets.case_table import PictureTable, TableRow
from tui.widgets.columns import Column


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.8021@3", 0.8021),
        ("1\u2009028\u2009525", 1028525),
        ("2.5\u2009k", 2500),
        ("12.4 MB", 12.4e6),
        ("1 h 12 m", 4320),
        (".7841 ± .0031", 0.7841),
        ("1e-3", 0.001),
        ("-0.25", -0.25),
        ("now", 0),
        ("", None),
        ("0002.png", None),
        ("NaN", None),
        ("3 of 4", None),
    ],
)
def test_the_number_of_a_cell(text: str, number: float | None) -> None:
    said = number_said(text)
    assert said == (None if number is None else pytest.approx(number))


def test_rows_follow_a_head_three_times() -> None:
    cells = {"x": ("beta", "9 MB"), "y": ("Alpha", "120 kB"), "z": ("gamma", "–"), "w": ("delta", "1.2 GB")}
    table = PictureTable().with_columns([Column("name", "name", 9), Column("size", "size", 8, "right")])
    rows = [
        TableRow(key, {"name": (name, "text"), "size": (size, "text")}) for key, (name, size) in cells.items()
    ]
    table.set_rows(rows)
    orders = []
    for column in ("size", "size", "size", "name", "name", "size"):
        table.order_by(column)
        orders.append("".join(row.key for row in table.rows))
    assert orders == ["wxyz", "yxwz", "xyzw", "yxwz", "zwxy", "wxyz"]
    table.set_rows(rows[:2])
    assert "".join(row.key for row in table.rows) == "xy"
    table.clear_order()
    table.set_rows(rows[::-1])
    assert "".join(row.key for row in table.rows) == "wzyx"
