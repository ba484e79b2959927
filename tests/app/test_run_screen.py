"""The screen of one run: charts, checkpoints, config and log, each at every size."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from core.store.metrics import MetricsWriter
from tui.screens.run import RunScreen
from tui.screens.runs import RunsScreen
from tui.widgets.checkpoint_table import CheckpointTable
from tui.widgets.line_view import LineView

SIZES = [(80, 24), (120, 40), (160, 50)]


@pytest.mark.parametrize("size", SIZES)
async def test_charts_first(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    lab.run(name="mine", epochs=3, total=3, best=2)
    async with drive(*size) as ui:
        await ui.press("enter")
        await ui.sees("labtui ▸ mine", "✓ finished", "3/3", "val/accuracy ★ 0.9000@2", "accuracy", "loss")
        await ui.sees("Charts", "Checkpoints", "Config", "Log")
        assert ("images/s" in ui.text()) is (size[0] >= 110)
        assert "esc back" in ui.footer
        assert len(ui.lines()) == size[1]


@pytest.mark.parametrize("size", SIZES)
async def test_checkpoints_with_their_metrics(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    lab.run(epochs=3, best=2)
    async with drive(*size) as ui:
        await ui.press("enter", "2")
        await ui.sees("epoch", "val/accuracy", "0.9000", "0.5030", "0.5010")
        assert any(line.split()[:2] == ["★", "2"] and "0.9000" in line for line in ui.lines()), ui.text()
        await ui.sees("┊")


async def test_the_cursor_moves_a_line_on_the_curve(lab: Any, drive: Any) -> None:
    lab.run(epochs=5)
    async with drive() as ui:
        await ui.press("enter", "2")
        await ui.sees("┊")

        def column() -> int:
            return next(line.index("┊") for line in ui.lines() if "┊" in line)

        before = column()
        await ui.press("down", "down")
        await ui.until(lambda: column() < before)


async def test_the_config_letter_for_letter(lab: Any, drive: Any) -> None:
    run = lab.run()
    async with drive() as ui:
        await ui.press("enter", "5")
        first = run.config.read_text().splitlines()[0]
        await ui.sees(first[:40], "learning_rate: 0.02")


async def test_the_log_follows_its_end(lab: Any, drive: Any) -> None:
    run = lab.run(state="running", epochs=1, log="".join(f"line {n}\n" for n in range(200)))
    async with drive(80, 24) as ui:
        await ui.press("enter", "6")
        await ui.sees("line 199")
        with run.attempt(1).log.open("a") as log:
            log.write("the newest line\n")
        await ui.sees("the newest line")
        await ui.press("home")
        await ui.sees("line 0")
        with run.attempt(1).log.open("a") as log:
            log.write("one more\n")
        await ui.until(lambda: ui.app.snapshot.detail.log[-1] == "one more")
        await ui.sees("line 0")


async def test_a_huge_log_shows_its_last_part(lab: Any, drive: Any) -> None:
    lab.run(log="".join(f"{n:07} {'x' * 90}\n" for n in range(20_000)))
    async with drive(80, 24) as ui:
        await ui.press("enter", "6")
        await ui.sees("0019999")
        assert len(ui.app.screen.query_one("#log", LineView)._text) < 5000


async def test_a_run_without_a_log_or_checkpoints_says_so(lab: Any, drive: Any) -> None:
    lab.run(state="queued")
    async with drive() as ui:
        await ui.press("enter")
        await ui.sees("no data yet: waiting for")
        await ui.press("2")
        await ui.sees("no checkpoint yet")
        await ui.press("6")
        await ui.sees("no log yet")


async def test_the_test_result_is_shown_when_the_run_has_ended(lab: Any, drive: Any) -> None:
    run = lab.run()
    with MetricsWriter(run.metrics) as writer:
        place = {"t": time.time(), "epoch": 3, "step": 60, "attempt": 1, "scope": "final"}
        writer.write({**place, "test/accuracy": 0.7712, "test/loss": 0.5})
    async with drive() as ui:
        await ui.press("enter")
        await ui.sees("test/accuracy 0.7712")


async def test_a_failed_run_says_why_everywhere(lab: Any, drive: Any) -> None:
    lab.run(state="failed", epochs=0, reason="loss is not finite at epoch 1, step 7")
    async with drive() as ui:
        await ui.sees("no data: loss is not finite at epoch 1")
        await ui.press("enter")
        await ui.sees("✗ failed", "loss is not finite at epoch 1, step 7")


async def test_tabs_by_key_and_mouse_and_back(lab: Any, drive: Any) -> None:
    lab.run()
    async with drive() as ui:
        await ui.press("enter")
        await ui.until(lambda: isinstance(ui.app.screen, RunScreen))
        await ui.press("tab")
        assert ui.app.screen.tab == "checkpoints"
        assert ui.app.screen.query_one(CheckpointTable).has_focus
        await ui.press("shift+tab", "shift+tab")
        assert ui.app.screen.tab == "log"
        await ui.pilot.click("TabLine", offset=(ui.lines()[1].index("Config"), 0))
        await ui.until(lambda: ui.app.screen.tab == "config")
        await ui.press("escape")
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))


async def test_a_removed_run_closes_its_screen(lab: Any, drive: Any) -> None:
    from core.store.runs import remove_run

    run = lab.run()
    async with drive() as ui:
        await ui.press("enter")
        await ui.until(lambda: isinstance(ui.app.screen, RunScreen))
        remove_run(run)
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))


async def test_a_damaged_sidecar_leaves_the_others(lab: Any, drive: Any) -> None:
    run = lab.run(epochs=3)
    (run.checkpoints / "a01-e0002.json").write_text("{")
    async with drive() as ui:
        await ui.press("enter", "2")
        await ui.sees("a01-e0003", "a01-e0001")
        assert "a01-e0002" not in ui.text()


async def test_keys_follow_the_state(lab: Any, drive: Any) -> None:
    lab.run(state="running", epochs=1)
    async with drive() as ui:
        await ui.press("enter")
        await ui.sees("s stop and save")
        assert "r resume" not in ui.footer
        lab.let_go()
        await ui.until(lambda: "r resume" in ui.footer)
        assert "stop and save" not in ui.footer


async def test_a_fork_names_its_parent(lab: Any, drive: Any) -> None:
    run = lab.run()
    spec = json.loads(run.spec.read_text())
    run.spec.write_text(
        json.dumps({**spec, "parent": {"run": "20260101-000000-demo-ffff", "checkpoint": "a01-e0002"}})
    )
    async with drive(160, 50) as ui:
        await ui.press("enter")
        await ui.sees("fork of 20260101-000000-demo-ffff")
