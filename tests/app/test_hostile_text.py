"""Names and messages with markup and control characters are shown, never obeyed."""

from __future__ import annotations

from typing import Any

import pytest

from core.store.annotate import set_note
from core.store.files import write_json
from tui.screens.run import RunScreen

NAME = "exp [lr=0.1] [/"
REASON = "no such class person[/] in [red]img[1].png[/path]"


@pytest.mark.some(1)
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 50)])
async def test_markup_letter_for_letter_on_every_screen(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    lab.run(name=NAME, state="failed", epochs=2, reason=REASON, log="[bold]loud[/bold] [/] [@click=x]\n")
    async with drive(*size) as ui:
        await ui.sees(NAME)
        await ui.press("slash")
        await ui.type("[lr=0.1] [/")
        await ui.sees(f"Runs /{NAME[4:]}" if size[0] >= 110 else NAME)
        await ui.press("enter", "enter")
        await ui.until(lambda: isinstance(ui.app.screen, RunScreen))
        await ui.sees(NAME)
        await ui.press("6")
        await ui.sees("[bold]loud[/bold] [/] [@click=x]")
        await ui.press("r")
        await ui.sees(f"Resume {NAME}")
        await ui.press("escape", "question_mark")
        await ui.sees("Keys and signs")


async def test_the_reason_is_shown_whole(lab: Any, drive: Any) -> None:
    lab.run(state="failed", epochs=1, reason=REASON)
    async with drive(160, 50) as ui:
        await ui.sees(REASON)


async def test_marked_runs_and_their_legend(lab: Any, drive: Any) -> None:
    lab.run(name=NAME)
    lab.run(name="[/]")
    async with drive(160, 50) as ui:
        await ui.press("space", "space")
        await ui.sees(f"B {NAME}", "A [/]")


async def test_a_config_file_with_a_name_like_markup(lab: Any, drive: Any) -> None:
    source = lab.workspace.configs / "demo.yaml"
    (lab.workspace.configs / "[a] [b] @click.yaml").write_text(source.read_text())
    async with drive() as ui:
        await ui.sees("[a] [b] @click")
        await ui.press("tab", "down", "n")
        await ui.sees("new run of [a] [b] @click", "as in the file")


async def test_control_characters_never_reach_a_line(lab: Any, drive: Any) -> None:
    run = lab.run(log="ok\n\x1b]0;owned\x07\x1b[2J\x9b31mred\rover\u202ertl\n")
    with run.config.open("a") as config:
        config.write("# \x1b[2J\x07\n")
    spec = run.spec.read_text().replace('"tinyvgg_a"', '"tiny\\u001b[2Jvgg"')
    run.spec.write_text(spec)
    run.meta.write_text('{"name": "a\\u001b[31mb", "tags": []}')
    async with drive() as ui:
        await ui.press("enter")
        for tab in ("6", "5", "4", "3", "2", "1"):
            await ui.press(tab)
            await ui.pilot.pause()
            for line in ui.lines():
                assert not [sign for sign in line if ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0]
                assert "\u202e" not in line


@pytest.mark.some(1)
@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
async def test_classes_layers_jobs_tags_and_notes(lab: Any, drive: Any, size: tuple[int, int]) -> None:
    run = lab.run(epochs=2, name=NAME, tags=("[/] seed=1", "[red]"))
    set_note(run, "note [/] \x1b[2J\nsecond line")
    lab.measure(run, "a01-e0002", classes={"[a]": (9, 3), "person[/]": (9, 4), "\x1b[31mred\x07": (9, 5)})
    layer = {"name": "[/conv]", "type": "Conv\x1b[2J", "shape": [1], "parameters": 1, "trainable": 1}
    write_json(run.model, {"model": "net.py:[build]", "parameters": 1, "trainable": 1, "layers": [layer]})
    fault = {"checkpoint": "a01-e0002", "reason": "[/] \x9b5n damaged"}
    lab.job(run, state="finished", done=1, total=1, unreadable=[fault], rows=[])
    async with drive(*size) as ui:
        await ui.sees(NAME)
        await ui.press("t")
        await ui.sees(f"About {NAME}", "[/] seed=1, [red]", "note [/]")
        await ui.press("escape", "enter", "3")
        await ui.sees("[a]", "person[/]", "␛[31mred␇")
        await ui.press("4")
        await ui.sees("net.py:[build]", "[/conv]", "Conv␛[2J")
        await ui.press("2")
        await ui.sees("[/] \ufffd5n damaged")
        await ui.press("m")
        await ui.sees(f"Measure {NAME}")
        await ui.press("escape")
        for line in ui.lines():
            assert not [sign for sign in line if ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0]


async def test_a_job_under_way_shows_only_text(lab: Any, drive: Any) -> None:
    run = lab.run(epochs=2)
    lab.job(run, state="running", done=1, total=3, now="a01 [/] \x1b[2J val")
    async with drive() as ui:
        await ui.press("enter")
        await ui.sees("1 of 3", "a01 [/] ␛[2J val")
