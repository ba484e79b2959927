"""`--plot`: the curves of a run as text, on a terminal or in a file."""

from __future__ import annotations

import io
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import core.cli.main
from core.cli.output import out_styled
from core.config.workspace import Workspace
from core.store.attempts import begin_attempt, write_exit, write_result
from core.store.metrics import MetricsWriter
from core.store.runs import create_run
from tui.__main__ import main

Values = Callable[[int], dict[str, float]]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    (tmp_path / "configs").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("COLUMNS", "NO_COLOR", "LABTUI_MARKER"):
        monkeypatch.delenv(name, raising=False)
    return Workspace(tmp_path)


def make_run(
    workspace: Workspace, epochs: int, values: Values, *, metric: str = "val/accuracy", steps: int = 0
) -> None:
    """A run called `it`; ended when it has an epoch, else with `steps` steps of its first one."""
    mode = "min" if "loss" in metric else "max"
    run = create_run(
        workspace, config_name="small", config_text="model: tinyvgg_a\n", model="tinyvgg_a", metric=metric,
        metric_mode=mode, total_epochs=max(epochs, 3), argv=["labtui"], name="it",
    )  # fmt: skip
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    with MetricsWriter(run.metrics) as metrics:
        for step in range(1, steps + 1):
            place = {"t": float(step), "epoch": 1, "step": step, "attempt": 1, "scope": "step"}
            metrics.write({**place, **values(step), "step_in_epoch": step, "steps_per_epoch": 2 * steps})
        for epoch in range(1, epochs + 1):
            place = {"t": float(epoch), "epoch": epoch, "step": epoch * 5, "attempt": 1, "scope": "epoch"}
            metrics.write({**place, "time/epoch": 1.0, **values(epoch)})
    if epochs:
        write_result(attempt, "finished", epoch=epochs, step=epochs * 5)
        write_exit(attempt, code=0, signal=None)


def classifier(epochs: int) -> Values:
    def values(epoch: int) -> dict[str, float]:
        rise = 1 - math.exp(-3 * epoch / epochs)
        return {
            **{"train/loss": 2.4 - 2 * rise, "val/loss": 2.4 - 1.5 * rise},
            **{"train/accuracy": 0.9 * rise, "val/accuracy": 0.7 * rise, "lr": 0.01},
        }

    return values


def detector(epoch: int) -> dict[str, float]:
    rise = 1 - math.exp(-epoch / 10)
    return {"train/loss": 2 - rise, "val/loss": 2.1 - rise, "val/map": 0.4 * rise, "val/map_50": 0.7 * rise}


def plotted(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """What a command prints, without the facts of `show` above the first chart."""
    assert main([*words]) == 0
    lines = capsys.readouterr().out.splitlines()
    titles = [at for at, line in enumerate(lines) if re.match(r"(accuracy|map|loss)\b", line)]
    return lines[titles[0] :]


def chart(lines: list[str], title: str) -> list[str]:
    """The lines of the chart called `title`, the title first."""
    start = next(at for at, line in enumerate(lines) if re.match(rf"{title}(  | \d|$)", line))
    end = next((at for at, line in enumerate(lines[start:], start) if not line), len(lines))
    return lines[start:end]


def heights(lines: list[str], letter: str) -> tuple[int, int]:
    """Rows from the bottom of the leftmost dots, and of the letter at the end of a line."""
    canvas = [line[7:] for line in lines[1:-2]]
    first = next(at for at, line in enumerate(reversed(canvas)) if line[:1].strip())
    last = next(at for at, line in enumerate(reversed(canvas)) if line.rstrip().endswith(letter))
    return first, last


@pytest.mark.parametrize("epochs", [12, 3000])
def test_accuracy_climbs_and_loss_falls_in_80_plain_columns(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], epochs: int
) -> None:
    make_run(workspace, epochs, classifier(epochs))
    lines = plotted(capsys, "show", "@last", "--plot")
    assert "\x1b" not in "".join(lines)
    assert max(map(len, lines)) <= 80
    accuracy, loss = chart(lines, "accuracy"), chart(lines, "loss")
    assert accuracy[0] == "accuracy  t train  v val  ★ 0.6651@" + str(epochs)
    assert loss[0] == "loss  t train  v val"
    assert re.search(rf"\b{epochs}$", accuracy[-1])
    for letter, title in (("t", "train"), ("v", "val")):
        assert f"{letter} {title}" in accuracy[0]
        begin, end = heights(accuracy, letter)
        assert begin < 3 < 7 < end, accuracy
        begin, end = heights(loss, letter)
        assert begin > 8 > 6 > end, loss
    train, val = (heights(accuracy, letter)[1] for letter in "tv")
    assert train > val
    assert heights(loss, "t")[1] < heights(loss, "v")[1]
    assert "lr" not in {line.split()[0] for line in lines if line.strip()}


def test_metrics_draws_every_chart(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(workspace, 20, detector, metric="val/map")
    lines = plotted(capsys, "metrics", "it", "--plot")
    headed = [line.split("  ")[0] for line in lines if re.match(r"[a-z]", line)]
    assert headed == ["map", "loss", "val/map against val/loss"]
    assert chart(lines, "map")[0].startswith("map  v val  5 IoU .50")
    against = chart(lines, "val/map against val/loss")
    assert "•" in "".join(against)
    assert "20" in "".join(against)


@pytest.mark.parametrize(
    ("values", "said", "title"),
    [
        (lambda epoch: {"val/accuracy": math.nan, "train/loss": math.nan}, "no finite value", "4 NaN"),
        (lambda epoch: {"val/accuracy": math.inf, "train/loss": 1.0}, "no finite value", "4 ∞"),
        (lambda epoch: {"train/loss": 1.0 / epoch}, "not measured in this run", "accuracy"),
    ],
    ids=["nan", "infinite", "absent"],
)
def test_what_cannot_be_drawn_is_said(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], values: Values, said: str, title: str
) -> None:
    make_run(workspace, 4, values)
    accuracy = chart(plotted(capsys, "show", "it", "--plot"), "accuracy")
    assert title in accuracy[0]
    assert accuracy[1:] == [f"  {said}"]


def test_where_a_value_is_not_finite_the_line_breaks(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = classifier(20)
    make_run(workspace, 20, lambda epoch: {**whole(epoch), **({"val/loss": math.nan} if epoch > 10 else {})})
    loss = chart(plotted(capsys, "show", "it", "--plot"), "loss")
    assert loss[0].startswith("loss 10 NaN  t train")
    assert heights(loss, "t")
    ends = next(line.index("v") for line in loss[1:-2] if "v" in line)
    assert 35 < ends < 50


def test_one_epoch_is_a_point(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(workspace, 1, lambda epoch: {"train/loss": 1.5, "val/loss": 2.5, "val/accuracy": 0.25})
    lines = plotted(capsys, "show", "it", "--plot")
    assert any(line[7:].startswith("★v") for line in chart(lines, "accuracy"))
    marked = [line[8:] for line in chart(lines, "loss")[1:-2] if line[7:].strip()]
    assert [line[:1] for line in marked if line[:1].isalpha()] == ["v", "t"]


def test_within_the_first_epoch_steps_are_drawn(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(workspace, 0, lambda step: {"train/loss": 2.0 / math.sqrt(step)}, steps=200)
    begin, end = heights(chart(plotted(capsys, "metrics", "it", "--plot"), "loss"), "t")
    assert begin > end + 3


def test_the_width_is_that_of_the_terminal(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(workspace, 8, classifier(8))
    for width, widest in ((120, 120), (50, 50), (5, 24)):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = plotted(capsys, "show", "it", "--plot")
        assert widest - 3 <= max(map(len, lines)) <= widest


def test_without_braille_there_are_dots_and_dashes(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(workspace, 8, classifier(8))
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    monkeypatch.setattr("core.cli.main.prepare_streams", lambda: None)
    assert main(["metrics", "it", "--plot"]) == 0
    ascii_only.seek(0)
    lines = ascii_only.read().splitlines()
    assert heights(chart(lines, "accuracy"), "t")[0] < heights(chart(lines, "accuracy"), "t")[1]
    assert "|" in lines[2]
    assert "?" not in "".join(lines)


class Screen(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "colored"),
    [
        (Screen(), {"TERM": "xterm"}, True),
        (Screen(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Screen(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
    ids=["terminal", "no-color", "dumb", "pipe"],
)
def test_colours_only_where_they_are_wanted(
    stream: io.StringIO, variables: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", stream)
    out_styled([[("loss", "bold"), (" \x1b[2Jx", "")], [("⣿" * 200, "red")]])
    said = stream.getvalue()
    assert ("\x1b[" in said) is colored
    assert "\x1b[2J" not in said
    assert re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines() == ["loss ␛[2Jx", "⣿" * 200]


@pytest.mark.parametrize("words", [["show", "it", "--plot", "--json"], ["metrics", "it", "--plot", "--csv"]])
def test_one_form_at_a_time(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    make_run(workspace, 2, classifier(2))
    assert main(words) == 2
    assert "not allowed with argument --plot" in capsys.readouterr().err


def test_the_command_line_alone_does_not_draw(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(workspace, 2, classifier(2))
    assert core.cli.main.main(["metrics", "it", "--plot"]) == 2
    assert "drawn by `labtui`" in capsys.readouterr().err
