"""Marked runs are acted on together; marks, order and folders are kept; a run is begun like another."""

from __future__ import annotations

from typing import Any

from core.config.load import load_experiment
from core.store.paths import RunPaths
from core.store.runs import read_meta
from tui.dialogs.choose import ChooseDialog
from tui.dialogs.confirm import ConfirmDialog
from tui.dialogs.text import TextDialog
from tui.screens.launch import LaunchScreen
from tui.screens.runs import RunsScreen


def tags(run: RunPaths) -> list[str]:
    return list(read_meta(run).get("tags", []))


def messages(ui: Any) -> list[str]:
    return [str(said.message) for said in ui.app._notifications]


async def choose(ui: Any, text: str) -> None:
    await ui.press("A")
    await ui.until(lambda: isinstance(ui.app.screen, ChooseDialog))
    await ui.type(text)
    await ui.press("enter")


async def test_marked_runs_are_tagged_archived_and_deleted(lab: Any, drive: Any) -> None:
    names = ["one", "two", "three", "four"]
    runs = {name: lab.run(name=name, epochs=2) for name in names}
    runs["busy"] = lab.run(name="busy", epochs=1, state="running")
    async with drive(120, 34) as ui:
        screen = ui.app.screen
        screen.table.select(runs["two"].id)
        await ui.press("space")
        screen.table.select(runs["one"].id)
        await ui.press("space")
        await choose(ui, "tag")
        await ui.sees("Tag 2 runs", "type a new tag")
        await ui.type("keep")
        await ui.press("enter")
        await ui.until(lambda: "2 runs tagged keep" in messages(ui))
        await ui.until(lambda: "one" in ui.text() and tags(runs["one"]) == ["keep"])
        assert [tags(runs[name]) for name in names] == [["keep"], ["keep"], [], []]
        await choose(ui, "archive")
        await ui.until(lambda: all(read_meta(runs[name]).get("archived") for name in ("one", "two")))
        await ui.until(lambda: "2 archived" in ui.text())
        await ui.press("escape")
        # One that trains is left alone, also when it is marked with others.
        screen.set_marks({})
        for name in ("busy", "three"):
            screen.table.select(runs[name].id)
            await ui.press("space")
        await choose(ui, "delete")
        await ui.until(lambda: isinstance(ui.app.screen, ConfirmDialog))
        await ui.sees("Delete three for good?", "three  finished 2/5", "1 still active: not deleted")
        await ui.press("enter")
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))
        assert runs["three"].root.exists()
        await choose(ui, "delete")
        await ui.until(lambda: isinstance(ui.app.screen, ConfirmDialog))
        await ui.press("y")
        await ui.until(lambda: "three deleted" in messages(ui))
        assert not runs["three"].root.exists()
        assert runs["busy"].root.exists()
        await ui.press("o")
        await ui.sees("by best")
        await ui.until(lambda: ui.app.screen.marked.keys() == {runs["busy"].id})
    async with drive(120, 34) as ui:
        await ui.sees("by best")
        assert ui.app.screen.marked.keys() == {runs["busy"].id}


async def test_a_run_like_another_and_the_folder_of_last_time(
    lab: Any, drive: Any, monkeypatch: Any, tmp_path: Any
) -> None:
    started: list[dict[str, Any]] = []

    def start_run(workspace: Any, loaded: Any, *, argv: Any, name: str = "") -> RunPaths:
        started.append({"loaded": loaded, "argv": argv})
        return RunPaths(workspace.runs / "20261125-000000-demo-0001")

    monkeypatch.setattr("core.launch.control.start_run", start_run)
    monkeypatch.setattr("tui.screens.launch_preview.place", lambda *_: "starts at once on cpu0")
    for folder in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / "here" / folder).mkdir(parents=True)
        (tmp_path / "here" / folder / "0.png").write_bytes(b"")
    (lab.workspace.configs / "demo.yaml").write_text(
        "data: {root: ../data/nowhere}\nmodel: tinyvgg_a\nepochs: 7\n"
    )
    lab.run(name="earlier", epochs=2)
    async with drive(120, 34) as ui:
        await ui.press("L")
        await ui.sees("new run like earlier", "epochs: 7 → 12", "data.format")
        assert "changed from the file" in ui.text()
        await ui.press("escape", "y")
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))
        await ui.press("n")
        await ui.until(lambda: isinstance(ui.app.screen, LaunchScreen))
        await ui.sees("--data.")
        form = ui.app.screen.query_one("#form")
        form.select("data.root")
        await ui.press("enter", "ctrl+u")
        ui.app.focused.value = str(tmp_path / "here")
        await ui.press("enter")
        await ui.sees("data: ", "starts at once")
        await ui.press("ctrl+s")
        await ui.until(lambda: started)
        assert started[0]["loaded"].name == "demo"
        await ui.press("n")
        await ui.sees("data.root: ", str(tmp_path / "here")[-4:], "changed from the file (1)")
        for name in ("mine", "demo", "a/b"):
            await ui.press("ctrl+n")
            await ui.until(lambda: isinstance(ui.app.screen, ChooseDialog))
            ui.app.screen.query_one("#filter").value = name
            await ui.press("enter")
            await ui.until(lambda: isinstance(ui.app.screen, LaunchScreen | TextDialog))
            words = {"mine": "written: ", "demo": "is there already", "a/b": "is no name"}[name]
            await ui.until(lambda words=words: words in "".join(messages(ui)) + ui.text().replace("\n", " "))
            await ui.press(*["escape"] * isinstance(ui.app.screen, TextDialog))
    assert load_experiment("mine", workspace=lab.workspace).experiment.data.root == tmp_path / "here"
