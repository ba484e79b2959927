""" "Train on?" on the screens: for the run under the cursor, the verdict first."""

from __future__ import annotations

from typing import Any

import pytest

from core.cli import run_outlook
from tui.screens.run import RunScreen
from tui.widgets.bars import SpanLine


async def test_the_status_line_of_the_runs_has_it(lab: Any, drive: Any) -> None:
    lab.run(name="alpha", epochs=2)
    lab.run(name="beta", epochs=10, total=10, best=4)
    async with drive(160, 50) as ui:
        await ui.sees("train on? train on: still getting better;")
        await ui.press("down")
        await ui.sees("train on? wait: 2 measured epochs, 5 are needed to say more")
        assert "still getting better" not in ui.text()


async def test_it_follows_the_cursor_while_others_are_marked(lab: Any, drive: Any) -> None:
    lab.run(name="alpha", epochs=2)
    lab.run(name="beta", epochs=10, total=10)
    async with drive(160, 50) as ui:
        await ui.press("space")
        await ui.sees("train on? wait: 2 measured epochs")
        assert len(ui.app.snapshot.curves) == 1


async def test_it_is_cut_at_whole_parts(lab: Any, drive: Any) -> None:
    lab.run(name="beta", epochs=10, total=10, best=4)
    async with drive(120, 34) as ui:
        await ui.sees("train on? train on: still getting better … ")


@pytest.mark.some(1)
@pytest.mark.parametrize("size", [(80, 24), (160, 50)], ids=str)
async def test_the_charts_of_a_run_have_it(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    run = lab.run(name="beta", state="running", epochs=7, total=12)
    async with drive(*size) as ui:
        await ui.press("enter")
        await ui.until(lambda: isinstance(ui.app.screen, RunScreen))
        await ui.sees("train on? train on: ")
        await ui.press("3")
        await ui.until(lambda: "train on?" not in ui.text())
        await ui.press("1")
        await ui.sees("train on?")
        for epoch in range(8, 11):
            lab.epoch(run, epoch, 0.2)
        await ui.until(lambda: "train on? train on: " not in ui.text())
        await ui.sees("train on? enough: ")


async def test_a_run_without_an_epoch_has_no_line(lab: Any, drive: Any) -> None:
    lab.run(name="gamma", state="running", epochs=0)
    async with drive(160, 50) as ui:
        await ui.press("enter")
        await ui.sees("first epoch")
        assert not ui.app.screen.query_one("#advice", SpanLine).display
        assert "train on?" not in ui.text()


async def test_it_is_worked_out_once_an_epoch(lab: Any, drive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lab.run(name="beta", state="running", epochs=7, total=12)
    calls: list[int] = []
    real = run_outlook.outlook_of

    def counted(run: Any, summary: Any, history: Any) -> Any:
        calls.append(len(history.epochs))
        return real(run, summary, history)

    monkeypatch.setattr(run_outlook, "outlook_of", counted)
    async with drive(160, 50) as ui:
        await ui.sees("train on?")
        lab.epoch(run, 8, 0.9)
        await ui.sees("8/12")
        await ui.until(lambda: 8 in calls)
        await ui.press("space", "y", "x")
        await ui.pilot.pause(1.5)
        assert calls == [7, 8]
