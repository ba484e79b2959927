"""The runs screen: what it says at every size, and what its keys do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.launch.slots import cpu_slots
from core.store.annotate import set_archived
from core.store.locks import acquire
from core.store.runs import read_meta
from tui.palette import screen_commands
from tui.screens.run import RunScreen
from tui.screens.runs import RunsScreen
from tui.widgets.chart import Chart
from tui.widgets.run_table import RunTable

SIZES = [(80, 24), (160, 50)]


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_an_empty_workspace_says_what_to_do(drive: Any, size: tuple[int, int]) -> None:
    async with drive(*size) as ui:
        await ui.sees("no runs yet", "labtui demo")
        assert "n new run" in ui.footer


async def test_no_config_names_the_command_that_makes_some(lab: Any, drive: Any) -> None:
    for config in lab.workspace.configs.iterdir():
        config.unlink()
    async with drive() as ui:
        await ui.sees("labtui init")
        await ui.press("n")
        assert isinstance(ui.app.screen, RunsScreen)


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_states_values_and_reasons_at_a_glance(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    lab.run(name="alpha", best=2)
    lab.run(name="beta", state="failed", reason="loss is not finite at epoch 4")
    lab.run(name="gamma", state="lost")
    lab.run(name="delta", state="stopped")
    lab.run(name="epsilon", state="queued")
    lab.run(name="zeta", state="running", epochs=2, total=9)
    async with drive(*size) as ui:
        await ui.sees("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
        rows = {
            line[line.index(name) :]: line
            for line in ui.lines()
            for name in ("alpha", "beta")
            if name in line
        }
        shown = "\n".join(rows.values())
        assert "0.9000@2" in shown
        assert "✓" in shown
        assert "✗" in shown
        assert "loss is not" in shown
        await ui.sees("waiting for", "supervisor", "2/9", "≈ 7 m")
        assert "●1" in ui.lines()[0]
        assert "?" in ui.footer
        assert all(len(line) <= size[0] for line in ui.lines())
        assert len(ui.lines()) == size[1]


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_charts_of_the_highlighted_run(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    lab.run(best=2)
    async with drive(*size) as ui:
        await ui.sees("accuracy", "loss", "train", "val", "★ 0.9000@2", "┤")
        assert any("⠀" < sign <= "⣿" for sign in ui.text())
        assert ui.app.screen.query_one("#metric", Chart).size.height >= 8


async def test_a_new_epoch_arrives_by_itself(lab: Any, drive: Any) -> None:
    run = lab.run(state="running", epochs=1, total=4)
    async with drive() as ui:
        await ui.sees("1/4")
        lab.epoch(run, 2, 0.9654)
        await ui.sees("2/4", "0.9654@2")


async def test_a_run_started_elsewhere_appears(lab: Any, drive: Any) -> None:
    async with drive() as ui:
        await ui.sees("no runs yet")
        lab.run(name="from the shell")
        await ui.sees("from the shell")


async def test_a_killed_run_is_lost_without_any_key(lab: Any, drive: Any) -> None:
    lab.run(name="doomed", state="running", epochs=1)
    async with drive() as ui:
        await ui.sees("● running")
        lab.let_go()
        await ui.sees("supervisor and trainer")
        assert "?1" in ui.lines()[0]


async def test_the_keys_follow_the_state_of_the_run_under_the_cursor(lab: Any, drive: Any) -> None:
    lab.run(state="running", epochs=1)
    async with drive() as ui:
        assert "s stop and save" in ui.footer
        lab.let_go()
        await ui.until(lambda: "r resume" in ui.footer)
        assert "stop and save" not in ui.footer


async def test_the_cursor_stays_on_its_run_when_others_appear(lab: Any, drive: Any) -> None:
    lab.run(name="first")
    lab.run(name="second")
    async with drive() as ui:
        table = ui.app.screen.query_one(RunTable)
        await ui.press("down")
        chosen = table.cursor_key
        lab.run(name="third")
        await ui.sees("third")
        assert table.cursor_key == chosen
        assert table.current.label in ("first", "second")


async def test_filter_next_match_and_clear(lab: Any, drive: Any) -> None:
    for name in ("apple one", "apple two", "pear"):
        lab.run(name=name)
    async with drive() as ui:
        await ui.press("slash")
        await ui.type("apple")
        await ui.until(lambda: "pear" not in ui.text())
        await ui.press("enter")
        assert "n next match" in ui.footer
        table = ui.app.screen.query_one(RunTable)
        first = table.cursor_key
        await ui.press("n")
        assert table.cursor_key != first
        await ui.press("n")
        assert table.cursor_key == first
        await ui.press("N")
        assert table.cursor_key != first
        assert isinstance(ui.app.screen, RunsScreen)
        await ui.press("escape")
        await ui.sees("pear")
        assert "n new run" in ui.footer


async def test_filter_without_a_match_says_how_to_leave(lab: Any, drive: Any) -> None:
    lab.run(name="apple")
    async with drive() as ui:
        await ui.press("slash")
        await ui.type("state=failed")
        await ui.sees("no run matches; esc clears the filter")
        await ui.press("escape")
        await ui.sees("apple")


async def test_marked_runs_are_laid_over_each_other(lab: Any, drive: Any) -> None:
    for name in ("aaa", "bbb", "ccc"):
        lab.run(name=name)
    async with drive(160, 50) as ui:
        await ui.press("space", "space")
        assert len(ui.app.screen.chart_runs) == 2
        await ui.until(lambda: len(ui.app.snapshot.curves) == 2)
        await ui.sees("A ccc", "B bbb")
        await ui.press("escape")
        assert len(ui.app.screen.chart_runs) == 1


async def test_sort_goes_round(lab: Any, drive: Any) -> None:
    lab.run(name="old and best", best=1, epochs=2)
    lab.run(name="new", epochs=1)
    async with drive() as ui:
        table = ui.app.screen.query_one(RunTable)
        assert [row.label for row in table.rows] == ["new", "old and best"]
        seen = []
        for _ in range(5):
            await ui.press("o")
            seen.append(ui.app.screen.sorting)
        assert seen == ["best", "state", "name", "config", "newest"]


async def test_the_config_list_filters_the_table(lab: Any, drive: Any) -> None:
    lab.run("demo", name="of demo")
    lab.run("other", name="of other")
    async with drive() as ui:
        await ui.press("tab", "down", "down")
        await ui.until(lambda: "of demo" not in ui.text())
        assert "of other" in ui.text()


async def test_one_pane_at_a_time_when_narrow(lab: Any, drive: Any) -> None:
    lab.run(name="mine")
    async with drive(80, 24) as ui:
        await ui.press("2")
        await ui.sees("all runs", "other")
        assert "mine" not in ui.text()
        await ui.press("3")
        await ui.until(lambda: ui.app.screen.query_one("#metric", Chart).size.width == 80)
        await ui.press("1")
        await ui.sees("mine")
        assert ui.app.screen.query_one(RunTable).has_focus


async def test_chart_keys_reach_the_charts(lab: Any, drive: Any) -> None:
    lab.run(epochs=12, total=12)
    async with drive() as ui:
        await ui.press("y")
        await ui.sees("accuracy log")
        await ui.press("y", "full_stop")
        await ui.sees("smooth 0.6")
        await ui.press("x")
        await ui.sees("step")
        await ui.press("plus")
        await ui.sees("zoom")
        before = ui.app.screen.view.zoom
        await ui.press("left_square_bracket")
        assert ui.app.screen.view.zoom[0] < before[0]
        await ui.press("minus")
        await ui.until(lambda: "zoom" not in ui.text())


async def test_the_mouse_works(lab: Any, drive: Any) -> None:
    for name in ("one", "two", "three"):
        lab.run(name=name)
    async with drive() as ui:
        table = ui.app.screen.query_one(RunTable)
        await ui.pilot.click(RunTable, offset=(10, 4))
        assert table.current.label == "one"
        await ui.pilot.click(RunTable, offset=(6, 1))
        await ui.until(lambda: ui.app.screen.sorting == "name")
        await ui.pilot.click(RunTable, offset=(10, 2), times=2)
        await ui.until(lambda: isinstance(ui.app.screen, RunScreen))


async def test_a_click_in_the_footer_presses_the_key(lab: Any, drive: Any) -> None:
    lab.run()
    async with drive() as ui:
        await ui.pilot.click("KeyBar", offset=(ui.footer.index("sort"), 0))
        await ui.until(lambda: ui.app.screen.sorting == "best")


async def test_going_in_and_back_keeps_cursor_and_scroll(lab: Any, drive: Any) -> None:
    for number in range(30):
        lab.run(name=f"run {number:02}", epochs=1)
    async with drive(80, 24) as ui:
        await ui.press(*["down"] * 20)
        table = ui.app.screen.query_one(RunTable)
        before = table.cursor_key, table.scroll_offset.y
        assert before[1] > 0
        await ui.press("enter")
        await ui.until(lambda: isinstance(ui.app.screen, RunScreen))
        await ui.press("escape")
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))
        assert (table.cursor_key, table.scroll_offset.y) == before


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_leaving_stops_nothing(lab: Any, drive: Any, key: str) -> None:
    run = lab.run(state="running", epochs=1)
    async with drive() as ui:
        await ui.press(key)
        await ui.until(lambda: not ui.app.is_running)
        assert ui.app.return_value == 0
    assert not run.stop_marker(1).exists()


async def test_help_and_palette_use_the_same_words(lab: Any, drive: Any) -> None:
    lab.run()
    async with drive(120, 70) as ui:
        await ui.press("question_mark")
        await ui.sees("Keys and signs", "resume", "stop and save", "log axis", "queued", "lost")
        await ui.press("escape")
        await ui.press("colon")
        await ui.sees("Archive, delete …", "key f", "Fork", "Log axis")
        await ui.type("sort")
        await ui.press("enter")
        await ui.until(lambda: ui.app.screen_stack[0].sorting == "best")


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_gpus_and_jobs_in_the_title(
    lab: Any, drive: Any, size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = tmp_path / "gpus.json"
    card = {"uuid": "GPU-0-a", "name": "NVIDIA A100", "bus_id": "0:01:00.0", "processes": []}
    world.write_text(json.dumps({"gpus": [{**card, "used": 21 * 10**9, "total": 80 * 10**9, "busy": 83}]}))
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "fake"))
    monkeypatch.setenv("LABTUI_NVML", "fake_nvml")
    monkeypatch.setenv("FAKE_NVML", str(world))
    monkeypatch.setattr("core.launch.nvml._open", None)
    monkeypatch.setattr("core.launch.nvml._absent", False)
    run = lab.run(name="measured")
    lab.job(run, state="running", done=3, total=9)
    async with drive(*size) as ui:
        gpu = "GPU0 A100 83 % 21/80 GB" if size[0] >= 110 else "GPU 1/1 busy"
        await ui.sees("1 job", gpu, "measure 3 of 9")


async def test_a_queued_run_says_why_it_waits(lab: Any, drive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABTUI_CPU_SLOTS", "1")
    run = lab.run(state="queued")
    spec = json.loads(run.spec.read_text())
    run.spec.write_text(json.dumps({**spec, "device": "cpu"}))
    lock = acquire(cpu_slots()[0].path)
    assert lock is not None
    with lock:
        async with drive(160, 50) as ui:
            await ui.sees("waiting for a free CPU slot: 1 run has it", "CPU 1/1 busy")


async def test_archived_runs_are_hidden_until_asked_for(lab: Any, drive: Any) -> None:
    lab.run(name="kept")
    put_away = lab.run(name="put away")
    set_archived(put_away, True)
    async with drive(160, 50) as ui:
        await ui.sees("kept", "1, 1 archived")
        assert "put away" not in ui.text()
        assert "✓1" in ui.lines()[0]
        await ui.press("a")
        await ui.sees("kept", "put away")
        await ui.press("a", "slash")
        await ui.type("archived=yes")
        await ui.sees("put away")
        assert "kept" not in ui.text()


async def test_only_archived_runs_says_how_to_see_them(lab: Any, drive: Any) -> None:
    set_archived(lab.run(), True)
    async with drive() as ui:
        await ui.sees("1 archived run hidden: a shows them")


async def test_filter_by_tag_model_and_mode(lab: Any, drive: Any) -> None:
    lab.run(name="one", tags=("baseline",))
    other = lab.run(name="two")
    spec = json.loads(other.spec.read_text())
    other.spec.write_text(json.dumps({**spec, "mode": "split", "model": "resnet18"}))
    async with drive() as ui:
        for query, there, gone in (
            ("tag=base", "one", "two"),
            ("mode=split", "two", "one "),
            ("model=resnet", "two", "one "),
        ):
            await ui.press("slash")
            await ui.type(query)
            await ui.until(lambda gone=gone: gone not in ui.text())
            assert there in ui.text()
            await ui.press("escape")
            await ui.sees("one", "two")


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_tags_note_name_and_archive_are_edited(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    run = lab.run(name="old name", tags=("a",))
    async with drive(*size) as ui:
        await ui.press("t")
        await ui.sees("About old name", "tags", "note", "archived")
        await ui.type(" b c")
        await ui.press("backspace", "backspace")
        assert ui.app.screen.query_one("#tags").value == "a b"
        ui.app.screen.query_one("#tags").value = "baseline, [/] seed 3"
        ui.app.screen.query_one("#name").value = "new [name]"
        ui.app.screen.query_one("#note").text = "first line\nsecond"
        await ui.press("ctrl+s")
        await ui.sees("new [name]")
        await ui.until(lambda: read_meta(run)["note"])
        meta = read_meta(run)
    assert meta == {
        "name": "new [name]",
        "note": "first line\nsecond",
        "tags": ("baseline", "[/] seed 3"),
        "archived": False,
    }


async def test_escape_changes_nothing_and_a_bad_name_is_a_sentence(lab: Any, drive: Any) -> None:
    run = lab.run(name="mine")
    async with drive() as ui:
        await ui.press("t")
        await ui.type("x")
        await ui.press("escape", "y")
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))
        assert read_meta(run)["tags"] == ()
        await ui.press("t")
        await ui.until(lambda: ui.app.screen.query("#name"))
        ui.app.screen.query_one("#name").value = "@home"
        await ui.press("ctrl+s")
        await ui.sees("'@home' cannot be a run's name")


async def test_every_action_is_in_the_palette_and_the_help(lab: Any, drive: Any) -> None:
    lab.run()
    async with drive(120, 60) as ui:
        words = (
            "measure",
            "tags and note",
            "pictures",
            "resume",
            "fork",
            "new run",
            "mark",
            "filter",
            "sort",
        )
        await ui.press("question_mark")
        await ui.sees(*words)
        await ui.press("escape")
        titles = {command.title.lower() for command in screen_commands(ui.app, ui.app.screen)}
        assert {*words} <= titles
        await ui.press("enter", "3")
        await ui.until(lambda: "o sort" in ui.footer)
        titles = {command.title.lower() for command in screen_commands(ui.app, ui.app.screen)}
        assert {"next split", "other checkpoint", "sort", "tags and note", "pictures", "measure"} <= titles
        assert "up" not in titles
        await ui.press("question_mark")
        await ui.sees("next split", "other checkpoint", "pinned: never removed")
        await ui.press("escape", "n", "escape", "escape", "n")
        await ui.sees("new run of demo")
        titles = {command.title.lower() for command in screen_commands(ui.app, ui.app.screen)}
        assert {"start", "pictures", "all settings", "find a setting", "as in the file"} <= titles
