"""The form for a new run: made from the schema, checked while it is filled in."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from core.config.fields import field_specs
from core.store.paths import RunPaths
from tests.app.shown_samples import NETWORK
from tui.screens.launch import LaunchScreen
from tui.screens.launch_preview import Forecast
from tui.screens.runs import RunsScreen
from tui.widgets.form import FormTable

SIZES = [(80, 24), (160, 50)]


@pytest.fixture(autouse=True)
def described(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that were described; no process is started."""
    models: list[str] = []

    def describe(experiment: Any, classes: int) -> dict[str, Any]:
        models.append(experiment.model)
        return {**NETWORK, "error": "net.py has no build" if experiment.model.endswith(":build") else None}

    monkeypatch.setattr("core.launch.preview.describe", describe)
    monkeypatch.setattr("core.launch.preview.free_space", lambda _: 10**11)
    monkeypatch.setattr(
        "tui.screens.launch_preview.place", lambda experiment, queue: "starts at once on cpu0"
    )
    return models


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []

    def start_run(workspace: Any, loaded: Any, *, argv: Any, name: str = "") -> RunPaths:
        made.append({"experiment": loaded.experiment, "config": loaded.name, "argv": argv, "name": name})
        return RunPaths(workspace.runs / "20261125-000000-demo-0000")

    monkeypatch.setattr("core.launch.control.start_run", start_run)
    return made


async def open_form(ui: Any) -> FormTable:
    """The form of the config `demo`, read and checked."""
    await ui.press("tab", "down", "n")
    await ui.until(lambda: isinstance(ui.app.screen, LaunchScreen))
    await ui.sees("as in the file", "learning rate")
    form: FormTable = ui.app.screen.query_one(FormTable)
    return form


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_every_setting_has_a_line(drive: Any, size: tuple[int, int]) -> None:
    async with drive(*size) as ui:
        form = await open_form(ui)
        form.action_all()
        shown = {row.key for row in form.rows}
        assert {spec.key for spec in field_specs()} <= shown
        assert form.current_field.key == "learning_rate"
        await ui.sees("new run of demo", "Learning rate at the start", "200 pictures", "12 epochs")
        assert "ctrl+s start" in ui.footer


async def test_start_as_it_is(drive: Any, started: list[dict[str, Any]]) -> None:
    async with drive() as ui:
        await open_form(ui)
        await ui.press("ctrl+s")
        await ui.until(lambda: started)
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))
    assert started[0]["config"] == "demo"
    assert started[0]["experiment"].learning_rate == 0.02
    assert started[0]["argv"][-1] == "--new"


async def test_a_start_before_the_check_is_not_lost(
    drive: Any, started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a slow disk, where counting the images takes a while."""
    counted = threading.Event()

    def describe(experiment: Any, changed: Any) -> Forecast:
        counted.wait(30)
        return Forecast()

    monkeypatch.setattr("tui.screens.launch_preview.describe", describe)
    async with drive() as ui:
        await ui.press("tab", "down", "n")
        await ui.until(lambda: isinstance(ui.app.screen, LaunchScreen))
        await ui.press("ctrl+s")
        assert not started
        counted.set()
        await ui.until(lambda: started)
    assert len(started) == 1


async def test_typing_changes_a_value_and_the_right_side_tells(
    drive: Any, started: list[dict[str, Any]]
) -> None:
    async with drive() as ui:
        await open_form(ui)
        await ui.type("0.005")
        await ui.press("enter")
        await ui.sees("changed from the file (1)", "learning_rate: 0.02 → 0.005", "learning rate 5e-3")
        await ui.press("ctrl+s")
        await ui.until(lambda: started)
    assert started[0]["experiment"].learning_rate == 0.005
    assert started[0]["argv"][-2:] == ["--set", "learning_rate=0.005"]


async def test_a_fault_stands_under_its_field_and_blocks_the_start(
    drive: Any, started: list[dict[str, Any]]
) -> None:
    async with drive() as ui:
        form = await open_form(ui)
        await ui.type("9x")
        await ui.press("enter")
        await ui.until(lambda: any(row.bad for row in form.rows))
        at = [row.key for row in form.rows].index("learning_rate")
        assert form.rows[at + 1].bad
        await ui.sees(
            "1 setting is wrong (marked on the left)", "learning_rate: 0.02 → 9x", "that were right", "epochs"
        )
        await ui.press("ctrl+s")
        assert isinstance(ui.app.screen, LaunchScreen)
        form.select("learning_rate")
        await ui.press("backspace")
        await ui.sees("as in the file")
        assert not any(row.bad for row in form.rows)
    assert not started


async def test_choices_step_with_the_arrows(drive: Any) -> None:
    async with drive() as ui:
        form = await open_form(ui)
        form.select("scheduler.name")
        await ui.press("right")
        await ui.sees("scheduler.name: none → plateau", "times 0.1 after 3 epochs")
        await ui.press("left")
        await ui.sees("as in the file")


async def test_escape_leaves_an_edit_then_the_form(drive: Any, started: list[dict[str, Any]]) -> None:
    async with drive() as ui:
        form = await open_form(ui)
        await ui.press("enter")
        await ui.type("77")
        await ui.press("escape")
        assert isinstance(ui.app.screen, LaunchScreen)
        assert form.current_field.value == "0.02"
        await ui.press("escape")
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))
        form = await open_form(ui)
        await ui.type("77")
        await ui.press("enter")
        await ui.until(lambda: ui.app.screen.unsaved)
        for key, answer in (("escape", "escape"), ("escape", "n"), ("ctrl+c", "enter")):
            await ui.press(key)
            await ui.sees("Discard the changes?", "1 changed field would be lost")
            await ui.press(answer)
            await ui.until(lambda: isinstance(ui.app.screen, LaunchScreen))
        # Letters are typed here: the key that leaves elsewhere does not.
        form.select("name")
        await ui.press("q")
        await ui.until(lambda: ui.app.focused.id == "edit")
        assert ui.app.focused.value == "q"
        await ui.press("enter", "escape")
        await ui.sees("2 changed fields would be lost")
        await ui.press("y")
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))
    assert not started


async def test_a_name_is_no_setting(drive: Any, started: list[dict[str, Any]]) -> None:
    async with drive() as ui:
        form = await open_form(ui)
        form.select("name")
        await ui.press("enter")
        await ui.type("my run")
        await ui.press("enter")
        assert form.rows[1].field.value == "my run"
        await ui.press("ctrl+s")
        await ui.until(lambda: started)
    assert started[0]["name"] == "my run"
    assert "--set" not in started[0]["argv"]


async def test_missing_data_is_said_before_the_start(
    lab: Any, drive: Any, started: list[dict[str, Any]]
) -> None:
    (lab.workspace.configs / "demo.yaml").write_text("data: ../nowhere\nmodel: tinyvgg_a\n")
    async with drive(160, 50) as ui:
        await ui.press("tab", "down", "n")
        await ui.sees("✗", "correct the path")
        await ui.press("ctrl+s")
        assert isinstance(ui.app.screen, LaunchScreen)
    assert not started


async def test_counts_of_a_folder_data_set(lab: Any, drive: Any) -> None:
    for split, count in (("train", 40), ("test", 10)):
        for name in ("cat", "dog"):
            folder = lab.workspace.root / "pets" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number}.png").touch()
    (lab.workspace.configs / "demo.yaml").write_text(
        "data: {root: ../pets, val: test}\nmodel: tinyvgg_a\nbatch: 32\n"
    )
    async with drive(160, 50) as ui:
        await open_form(ui)
        await ui.sees("80 training images in 2 classes", "20 to validate: the test", "3 steps an epoch")


async def test_a_config_with_faults_opens_no_form(lab: Any, drive: Any) -> None:
    (lab.workspace.configs / "demo.yaml").write_text("modle: tinyvgg_a\nbatch: x\n")
    async with drive() as ui:
        await ui.press("tab", "down", "n")
        await ui.sees("Config", "modle", "batch")
        await ui.press("escape")
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))


async def test_settings_that_do_not_count_are_out_of_the_way(drive: Any) -> None:
    async with drive(120, 50) as ui:
        form = await open_form(ui)
        keys = {row.key for row in form.rows}
        assert "learning_rate" in keys
        assert not keys & {"back_lr", "head_lr", "blocks", "scheduler.peak", "optimizer.beta1"}
        await ui.sees("more, unused here (* shows them)", "* all settings")
        await ui.press("asterisk")
        assert form.select("back_lr")
        await ui.sees("currently has no effect: only used with mode: split")
        await ui.press("asterisk")
        assert not form.select("back_lr")
        form.select("mode")
        await ui.press("left")
        await ui.sees("✗ mode split needs back_lr", "1 setting is wrong (marked on the left)")
        assert form.select("back_lr")
        await ui.type("0.001")
        await ui.press("enter")
        assert form.select("head_lr")
        await ui.type("0.1")
        await ui.press("enter")
        await ui.sees("learning rate 1e-3", "(back) and 1e-1 (head)")
        assert not form.select("learning_rate")


async def test_parameters_checkpoint_disk_and_place_are_said(drive: Any, described: list[str]) -> None:
    async with drive(160, 50) as ui:
        await open_form(ui)
        await ui.sees("154\u2009218 parameters, all trained", "head: 13\u2009218 parameters")
        await ui.sees("checkpoint: ≈ 1.2 MB", "disk: ≈ 15.0 MB of 100 GB free", "starts at once on cpu0")
    assert described == ["tinyvgg_a"]


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_a_model_is_chosen_from_a_list(drive: Any, size: tuple[int, int], described: list[str]) -> None:
    async with drive(*size) as ui:
        form = await open_form(ui)
        form.select("model")
        await ui.press("enter")
        await ui.sees("model of the new run", "tinyvgg_a", "./net.py:build is your own network")
        await ui.type("mobilenet small")
        await ui.sees("mobilenet_v3_small")
        assert "resnet18" not in ui.text()
        await ui.press("enter")
        await ui.until(lambda: form.current_field.value == "mobilenet_v3_small")
        await ui.until(lambda: described[-1] == "mobilenet_v3_small")
        await ui.press("enter")
        await ui.sees("model of the new run")
        assert ui.app.screen.table.current.value == "mobilenet_v3_small"
        await ui.press("down", "enter")
        await ui.until(lambda: form.current_field.value == "regnet_x_16gf")
        await ui.press("enter", "escape")
        assert form.current_field.value == "regnet_x_16gf"


async def test_a_network_that_cannot_be_built_is_said_and_not_started(
    lab: Any, drive: Any, started: list[dict[str, Any]]
) -> None:
    (lab.workspace.configs / "net.py").write_text("")
    async with drive(160, 50) as ui:
        form = await open_form(ui)
        form.select("model")
        await ui.press("enter")
        await ui.sees("model of the new run")
        ui.app.screen.query_one("#filter").value = str(lab.workspace.configs / "net.py") + ":build"
        await ui.sees("⏎ select")
        await ui.press("enter")
        await ui.sees("✗ net.py has no build")
        await ui.press("ctrl+s")
        await ui.sees("Start anyway?")
        await ui.press("enter")
        await ui.until(lambda: isinstance(ui.app.screen, LaunchScreen))
        assert not started
        await ui.press("ctrl+s", "y")
        await ui.until(lambda: started)


async def test_a_setting_is_found_by_a_word(drive: Any) -> None:
    async with drive() as ui:
        form = await open_form(ui)
        await ui.press("ctrl+f")
        await ui.sees("Find a setting")
        await ui.type("model")
        await ui.press("enter")
        await ui.until(lambda: form.current_field.key == "model")
        await ui.press("ctrl+f")
        await ui.sees("Find a setting")
        await ui.type("onecycle rises")
        await ui.press("enter")
        await ui.until(lambda: form.current_field.key == "scheduler.peak")
        await ui.sees("currently has no effect: only used with scheduler.name: onecycle")


async def test_a_conflict_stands_under_the_setting_that_brought_it(drive: Any) -> None:
    async with drive() as ui:
        form = await open_form(ui)
        form.select("scheduler.warmup")
        await ui.type("30")
        await ui.press("enter")
        await ui.sees("warmup must be shorter than epochs")
        keys = [row.key for row in form.rows]
        assert keys[keys.index("scheduler.warmup") + 1] == "!scheduler.warmup"


async def test_an_answer_about_earlier_settings_is_not_shown(
    drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process about the first network answers last."""
    gate = threading.Event()
    asked: list[str] = []

    def network(experiment: Any, forecast: Any, runs: Any) -> Forecast:
        asked.append(experiment.model)
        if len(asked) == 1:
            gate.wait(30)
        return Forecast((f"about {experiment.model}",))

    monkeypatch.setattr("tui.screens.launch_preview.network", network)
    async with drive(160, 50) as ui:
        form = await open_form(ui)
        await ui.until(lambda: asked == ["tinyvgg_a"])
        form.select("model")
        await ui.press("right")
        await ui.sees("model: tinyvgg_a → tinyvgg_b", "counting parameters")
        gate.set()
        await ui.sees("about tinyvgg_b")
        assert "about tinyvgg_a" not in ui.text()
    assert asked == ["tinyvgg_a", "tinyvgg_b"]
