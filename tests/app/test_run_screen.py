"""The screen of one run: charts, checkpoints, config and log, each at every size."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from core.store.checkpoints import list_checkpoints
from core.store.files import write_json
from core.store.metrics import MetricsWriter
from tui.screens.run import RunScreen
from tui.screens.runs import RunsScreen
from tui.widgets.checkpoint_table import CheckpointTable
from tui.widgets.class_table import ClassTable
from tui.widgets.line_view import LineView

SIZES = [(80, 24), (160, 50)]


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_charts_first(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    lab.run(name="mine", epochs=3, total=3, best=2)
    async with drive(*size) as ui:
        await ui.press("enter")
        await ui.sees("labtui ▸ mine", "✓ finished", "3/3", "val/accuracy ★ 0.9000@2", "accuracy", "loss")
        await ui.sees("Charts", "Checkpoints", "Classes", "Model", "Config", "Log")
        assert ("images/s" in ui.text()) is (size[0] >= 110)
        assert "esc back" in ui.footer
        assert len(ui.lines()) == size[1]


@pytest.mark.some(1)
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
        await ui.sees("fork of demo-ffff")


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_classes_worst_first_with_both_accuracies(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    run = lab.run(epochs=3, best=2)
    for epoch in (1, 2, 3):
        lab.measure(run, f"a01-e000{epoch}")
    async with drive(*size) as ui:
        await ui.press("enter", "3")
        await ui.sees("val of a01-e0002", "★ best", "micro 0.5900", "macro 0.6833", "dog", "[bird]")
        rows = [line.split() for line in ui.lines()[4:9]]
        assert [row[-5 if "▓" in row[-1] else -4] for row in rows if "dog" in row] == ["dog"]
        assert [
            next(word for word in row if word in ("dog", "cat", "[bird]", "eel")) for row in rows[:4]
        ] == [*("dog", "cat", "[bird]", "eel")]
        assert rows[3][-2:] == ["–", "–"]
        assert "←→ other checkpoint" in ui.footer
        assert "o sort" in ui.footer


async def test_classes_of_other_checkpoints_and_splits(lab: Any, drive: Any) -> None:
    run = lab.run(epochs=3, best=2)
    for epoch in (1, 2, 3):
        lab.measure(run, f"a01-e000{epoch}", classes={"cat": (10, epoch)})
    lab.measure(run, "a01-e0003", "train", classes={"cat": (90, 81)})
    async with drive() as ui:
        await ui.press("enter", "3")
        await ui.sees("val of a01-e0002", "micro 0.2000")
        await ui.press("right")
        await ui.sees("val of a01-e0003", "micro 0.3000")
        await ui.press("right")
        await ui.press("space")
        await ui.sees("train of a01-e0003", "micro 0.9000")
        await ui.press("space", "left", "left")
        await ui.sees("val of a01-e0001", "micro 0.1000")


async def test_classes_in_another_order(lab: Any, drive: Any) -> None:
    run = lab.run(epochs=1)
    lab.measure(run, "a01-e0001")
    async with drive() as ui:
        await ui.press("enter", "3")
        await ui.sees("worst first")
        table = ui.app.screen.query_one(ClassTable)
        await ui.press("o")
        await ui.sees("best first")
        assert [row.name for row in table.rows] == ["[bird]", "cat", "dog", "eel"]
        await ui.pilot.click(ClassTable, offset=(3, 0))
        await ui.sees("by name")
        assert [row.name for row in table.rows] == ["[bird]", "cat", "dog", "eel"]


async def test_nothing_measured_says_what_to_press(lab: Any, drive: Any) -> None:
    lab.run(epochs=1)
    async with drive() as ui:
        await ui.press("enter", "3")
        await ui.sees("nothing measured on val: press m")


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_the_network_layer_by_layer(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    run = lab.run()
    parts = [
        {"name": "backbone", "parameters": 141_000, "trainable": 0},
        {"name": "head", "parameters": 520, "trainable": 520},
    ]
    layer = {"name": "features.0", "type": "Conv2d", "shape": [8, 32, 32], "parameters": 224, "trainable": 0}
    write_json(
        run.model,
        {"model": "tinyvgg_a", "parameters": 141_520, "trainable": 520, "parts": parts, "layers": [layer]},
    )
    async with drive(*size) as ui:
        await ui.press("enter", "4")
        await ui.sees(
            "backbone", "head", "frozen", "features.0", "Conv2d", "8 x 32 x 32", "141\u2009520", "520"
        )


async def test_a_run_without_a_summary_of_its_network_says_so(lab: Any, drive: Any) -> None:
    lab.run()
    async with drive() as ui:
        await ui.press("enter", "4")
        await ui.sees("this run has no summary of its network")


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_a_measuring_job_tells_how_far_it_is_and_can_be_stopped(
    lab: Any, drive: Any, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []
    monkeypatch.setattr("core.launch.jobs.stop_job", lambda job, kill=False: stopped.append(job.root.name))
    run = lab.run(epochs=2)
    job = lab.job(run, state="running", done=1, total=4, now="a01-e0001 train")
    async with drive(*size) as ui:
        await ui.press("enter")
        await ui.sees("● measure", "1 of 4", "a01-e0001 train", "≈ 3 m", "M stops it")
        assert "M stop measuring" in ui.footer
        write_json(job.progress, {"done": 2, "total": 4, "now": "a01-e0002 train"})
        await ui.sees("2 of 4")
        await ui.press("M")
        await ui.sees("Stop measure-0001", "2 of 4 are done and stay")
        await ui.press("enter")
        assert not stopped
        await ui.press("M", "y")
        await ui.until(lambda: stopped)
        lab.let_go()
        write_json(job.result, {"status": "stopped", "time": time.time(), "rows": []})
        await ui.sees("■ measure stopped", "2 of 4")
        await ui.until(lambda: "M stop measuring" not in ui.footer)
    assert stopped == ["measure-0001"]


async def test_an_unreadable_checkpoint_is_marked_with_the_reason(lab: Any, drive: Any) -> None:
    run = lab.run(epochs=3)
    fault = {"checkpoint": "a01-e0003", "reason": "Checkpoint [/x] is damaged: it has 3 bytes"}
    lab.job(run, state="finished", done=3, total=3, unreadable=[fault], rows=[])
    async with drive(160, 50) as ui:
        await ui.press("enter", "2")
        await ui.sees(
            "1 checkpoint unreadable", "a01-e0003 unreadable", "Checkpoint [/x] is damaged: it has 3"
        )


async def test_measured_splits_stand_beside_the_rest(lab: Any, drive: Any) -> None:
    run = lab.run(epochs=3)
    lab.measure(run, "a01-e0003", "train", {"a": (1000, 912)})
    lab.measure(run, "a01-e0003", "test", {"a": (1000, 834)})
    lab.measure(run, "a01-e0002", "test", {"a": (1000, 111)}, sha256="0" * 64)
    async with drive(160, 50) as ui:
        await ui.press("enter", "2")
        await ui.sees("train score", "test score", "0.9120", "0.8340", "run ", "of it checkpoints")
        assert "0.1110" not in ui.text()
        await ui.sees("test: accuracy 0.8340 (1\u2009000 images)")


async def test_pin_and_unpin(lab: Any, drive: Any) -> None:
    run = lab.run(epochs=3)
    async with drive() as ui:
        await ui.press("enter")
        assert "pin" not in ui.footer
        await ui.press("2")
        await ui.until(lambda: "p pin or unpin" in ui.footer)
        await ui.press("down", "p")
        await ui.sees("⚑", "pinned")
        assert [item.id for item in list_checkpoints(run) if item.pinned] == ["a01-e0002"]
        await ui.press("p")
        await ui.until(lambda: "⚑" not in ui.text())
        assert not [item for item in list_checkpoints(run) if item.pinned]


async def test_an_early_end_is_said_and_marked(lab: Any, drive: Any) -> None:
    run = lab.run(epochs=3, total=9, best=1)
    place = {"epoch": 3, "step": 60, "time": time.time()}
    result = {"status": "finished", **place, "early_stop": {"epoch": 3, "best_epoch": 1}}
    run.attempt(1).result.write_text(json.dumps(result))
    async with drive(160, 50) as ui:
        await ui.sees("finished early at epoch 3 of 9")
        await ui.press("enter")
        await ui.sees("✓ finished early 3/9", "finished early@3", "╎")


async def test_an_imported_run_is_read_only(lab: Any, drive: Any) -> None:
    run = lab.run(epochs=3)
    spec = json.loads(run.spec.read_text())
    run.spec.write_text(json.dumps({**spec, "imported": True}))
    async with drive(160, 50) as ui:
        await ui.press("enter")
        await ui.sees("imported, read-only")
        assert "resume" not in ui.footer
        assert "fork" not in ui.footer
        await ui.press("2", "enter")
        await ui.pilot.pause()
        assert isinstance(ui.app.screen, RunScreen)


async def test_retention_leaves_no_holes(lab: Any, drive: Any) -> None:
    run = lab.run(state="running", epochs=3, total=9)
    async with drive() as ui:
        await ui.press("enter", "2")
        await ui.sees("a01-e0001")
        lab.epoch(run, 4, 0.9)
        for name in ("a01-e0001.json", "a01-e0001.pt"):
            (run.checkpoints / name).unlink()
        await ui.until(lambda: "a01-e0001" not in ui.text() and "a01-e0004" in ui.text())
        assert "4/9" in ui.text()
