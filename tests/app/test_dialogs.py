"""Questions before something happens: what they say, what they call, and that Esc does nothing."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import StateError
from core.store.files import write_json
from core.store.paths import RunPaths
from tui.dialogs.edit import EditDialog
from tui.dialogs.resume import ResumeChoice, ResumeDialog, split_settings
from tui.screens.runs import RunsScreen

SIZES = [(80, 24), (120, 40)]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What core.launch was asked to do; nothing is started."""
    made: list[tuple[str, Any]] = []

    def resume_run(workspace: Any, run: RunPaths, **options: Any) -> RunPaths:
        made.append(("resume", {"run": run.id, **options}))
        return run

    def stop_run(run: RunPaths, *, kill: bool = False) -> None:
        made.append(("kill" if kill else "stop", run.id))

    def start_job(workspace: Any, run: RunPaths, kind: str, content: Any) -> None:
        made.append((kind, {"run": run.id, **content}))

    monkeypatch.setattr("core.launch.jobs.start_job", start_job)
    monkeypatch.setattr("core.launch.control.resume_run", resume_run)
    monkeypatch.setattr("core.launch.control.stop_run", stop_run)
    return made


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_resume_says_what_it_will_do(lab: Any, drive: Any, calls: Any, size: tuple[int, int]) -> None:
    run = lab.run(state="stopped", epochs=3, total=8, best=2)
    async with drive(*size) as ui:
        await ui.press("r")
        await ui.sees("Resume", "continues at epoch 4", "until epoch 8", "further epochs")
        await ui.press("ctrl+s")
        await ui.until(lambda: calls)
        assert isinstance(ui.app.screen, RunsScreen)
    asked = calls[0][1]
    assert asked["run"] == run.id
    assert asked["start"] == "a01-e0003"
    assert asked["more"] is None
    assert asked["fork"] is False


async def test_resume_from_another_checkpoint_for_further_epochs(lab: Any, drive: Any, calls: Any) -> None:
    lab.run(state="stopped", epochs=3, total=8)
    async with drive() as ui:
        await ui.press("r")
        await ui.sees("continues at epoch 4")
        await ui.press("down", "down")
        await ui.sees("continues at epoch 2")
        await ui.press("enter")
        await ui.type("20")
        await ui.sees("until epoch 21")
        await ui.press("enter")
        await ui.until(lambda: calls)
    assert (calls[0][1]["start"], calls[0][1]["more"]) == ("a01-e0001", 20)
    assert calls[0][1]["argv"][:3] == ["labtui", "resume", calls[0][1]["run"]]


async def test_a_finished_run_is_offered_further_epochs(lab: Any, drive: Any, calls: Any) -> None:
    lab.run(epochs=5, total=5)
    async with drive() as ui:
        await ui.press("r")
        await ui.sees("continues at epoch 6", "until epoch 15")


async def test_what_cannot_be_done_is_said_and_not_done(lab: Any, drive: Any, calls: Any) -> None:
    lab.run(epochs=5, total=5)
    async with drive() as ui:
        await ui.press("r")
        await ui.sees("until epoch 15")
        await ui.press("tab", "end", "backspace", "backspace")
        await ui.sees("nothing to do")
        await ui.press("ctrl+s")
        assert not isinstance(ui.app.screen, RunsScreen)
        await ui.press("escape", "y")
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))
    assert not calls


async def test_changed_settings_fork(lab: Any, drive: Any, calls: Any) -> None:
    lab.run(epochs=3, total=5, best=2)
    async with drive() as ui:
        await ui.press("f")
        await ui.sees("Fork", "[x] train a copy")
        await ui.press("tab", "tab")
        await ui.type("learning_rate=0.001")
        await ui.sees("lr 1e-3", "changed: learning_rate")
        await ui.press("enter")
        await ui.until(lambda: calls)
    assert calls[0][1]["overrides"] == ("learning_rate=0.001",)
    assert calls[0][1]["fork"] is True


async def test_a_wrong_setting_names_the_nearest(lab: Any, drive: Any, calls: Any) -> None:
    lab.run(epochs=3, total=5)
    async with drive() as ui:
        await ui.press("f")
        await ui.sees("forks")
        await ui.press("tab", "tab")
        await ui.type("learnin_rate=1")
        await ui.sees("learning_rate")
        await ui.press("enter")
        assert not calls


async def test_resume_from_the_checkpoint_under_the_cursor(lab: Any, drive: Any, calls: Any) -> None:
    lab.run(state="stopped", epochs=3, total=8)
    async with drive() as ui:
        await ui.press("enter", "2")
        await ui.sees("a01-e0003")
        await ui.press("down", "enter")
        await ui.sees("Resume", "continues at epoch 3")


async def test_stop_asks_and_the_safe_answer_has_the_focus(lab: Any, drive: Any, calls: Any) -> None:
    run = lab.run(name="mine", state="running", epochs=1)
    async with drive() as ui:
        await ui.press("s")
        await ui.sees("Stop mine?", "checkpoint and stops", "keep training")
        await ui.press("enter")
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))
        assert not calls
        await ui.press("s")
        await ui.sees("Stop mine?")
        await ui.press("y")
        await ui.until(lambda: calls)
    assert calls == [("stop", run.id)]


@pytest.mark.parametrize("keys", [["escape"], ["n"], ["q"], ["enter"]])
async def test_kill_needs_a_yes(lab: Any, drive: Any, calls: Any, keys: list[str]) -> None:
    lab.run(name="mine", state="running", epochs=1)
    async with drive() as ui:
        await ui.press("S")
        await ui.sees("Kill mine?", "nothing is saved")
        await ui.press(*keys)
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))
        assert not calls
        assert ui.app.is_running


async def test_kill_by_the_button(lab: Any, drive: Any, calls: Any) -> None:
    run = lab.run(name="mine", state="running", epochs=1)
    async with drive() as ui:
        await ui.press("S")
        await ui.sees("Kill mine?")
        await ui.pilot.click("#yes")
        await ui.until(lambda: calls)
    assert calls == [("kill", run.id)]


async def test_an_ended_run_cannot_be_stopped(lab: Any, drive: Any, calls: Any) -> None:
    lab.run()
    async with drive() as ui:
        assert "stop" not in ui.footer
        await ui.press("s", "S")
        assert isinstance(ui.app.screen, RunsScreen)


async def test_an_error_is_a_sentence_in_a_dialog(
    lab: Any, drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(run: RunPaths, *, kill: bool = False) -> None:
        raise StateError("run [x] is finished: there is [/nothing] to stop")

    monkeypatch.setattr("core.launch.control.stop_run", refuse)
    lab.run(state="running", epochs=1)
    async with drive() as ui:
        await ui.press("s", "y")
        await ui.sees("Not possible now", "run [x] is finished: there is [/nothing] to stop")
        await ui.press("enter")
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))


async def test_an_unexpected_error_goes_to_the_log(
    lab: Any, drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui.crash import log_path

    def break_down(run: RunPaths, *, kill: bool = False) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("core.launch.control.stop_run", break_down)
    lab.run(state="running", epochs=1)
    async with drive() as ui:
        await ui.press("s", "y")
        await ui.sees("Unexpected error", "RuntimeError: a bug", "training continues")
        await ui.press("escape")
        assert ui.app.is_running
    assert "in break_down" in log_path().read_text()


async def test_forms_ask_before_what_was_written_is_lost(lab: Any, drive: Any) -> None:
    lab.run(name="mine", epochs=3)
    async with drive() as ui:
        for key, form, lines in (
            ("t", EditDialog, "#tags"),
            ("r", ResumeDialog, "#more"),
            ("f", ResumeDialog, "#set"),
        ):
            await ui.press(key)
            await ui.until(lambda form=form: isinstance(ui.app.screen, form))
            await ui.press("escape")
            await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))
            await ui.press(key)
            await ui.until(lambda form=form: isinstance(ui.app.screen, form))
            ui.app.screen.query_one(lines).focus()
            await ui.press("7", "escape")
            await ui.sees("1 changed field would be lost")
            await ui.press("enter")
            await ui.until(lambda form=form: isinstance(ui.app.screen, form))
            assert ui.app.screen.query_one(lines).value.endswith("7")
            await ui.press("escape", "y")
            await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("a=1 b=2", ("a=1", "b=2")),
        ('tags="[x, y]"', ("tags=[x, y]",)),
        ("note='it", ("note='it",)),
    ],
)
def test_settings_as_words(text: str, words: tuple[str, ...]) -> None:
    assert split_settings(text) == words


def test_a_choice_as_a_command() -> None:
    choice = ResumeChoice("a01-e0004", 7, ("learning_rate=1e-3",), True)
    assert " ".join(choice.command("RUN")) == (
        "labtui resume RUN --from a01-e0004 --more 7 --set learning_rate=1e-3 --fork"
    )


@pytest.fixture
def measurable(lab: Any) -> RunPaths:
    """A run of three epochs with training, validation and no test images; one row is there."""
    run: RunPaths = lab.run(name="mine", epochs=3, best=2)
    write_json(run.split, {"splits": {"train": {}, "val": {}}})
    lab.measure(run, "a01-e0003", "train")
    return run


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_measure_says_what_it_comes_to(
    measurable: RunPaths, drive: Any, calls: Any, size: tuple[int, int]
) -> None:
    async with drive(*size) as ui:
        await ui.press("enter")
        await ui.until(lambda: ui.app.screen.detail)
        await ui.press("m")
        await ui.sees("Measure mine", "3 checkpoints on train: 3 measurements, 1 of them already done")
        assert "test images" not in ui.text()
        await ui.press("right")
        await ui.sees("the best one", "1 checkpoint on train: 1 measurement;")
        await ui.press("down", "space", "down", "space")
        await ui.sees("1 checkpoint on val")
        await ui.press("ctrl+s")
        await ui.until(lambda: calls)
    kind, asked = calls[0]
    assert kind == "measure"
    assert (asked["run"], asked["at"], asked["splits"]) == (measurable.id, ["a01-e0002"], ["val"])


async def test_measure_the_checkpoint_under_the_cursor(measurable: RunPaths, drive: Any, calls: Any) -> None:
    async with drive() as ui:
        await ui.press("enter", "2")
        await ui.sees("a01-e0003")
        await ui.press("down", "down", "m")
        await ui.sees("a01-e0001, under the cursor", "1 checkpoint on train")
        await ui.press("ctrl+s")
        await ui.until(lambda: calls)
    assert calls[0][1]["at"] == ["a01-e0001"]


async def test_measure_refuses_in_words(measurable: RunPaths, drive: Any, calls: Any) -> None:
    async with drive() as ui:
        await ui.press("m")
        await ui.sees("Measure mine", "3 checkpoints on train", "test images")
        await ui.press("down", "space")
        await ui.sees("choose at least one kind of images")
        await ui.press("down", "down", "space")
        await ui.sees("has no test images")
        await ui.press("ctrl+s")
        await ui.press("escape")
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))
    assert not calls


async def test_all_measured_already(lab: Any, measurable: RunPaths, drive: Any) -> None:
    for epoch in (1, 2):
        lab.measure(measurable, f"a01-e000{epoch}", "train")
    async with drive() as ui:
        await ui.press("m")
        await ui.sees("all of them already done")
