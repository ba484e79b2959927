"""What the documents say is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.binding import Binding

from core.cli.main import COMMANDS, build_parser
from core.cli.reference import page
from core.metrics import METRICS, SELECTABLE

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND_TABLE = README.split("## Commands")[1].split("## Configs")[0]


def test_page_of_config_keys_is_current() -> None:
    """`labtui config keys --markdown > docs/configs.md` renews it."""
    assert (ROOT / "docs" / "configs.md").read_text(encoding="utf-8") == page()


def test_every_metric_has_its_row_in_the_page() -> None:
    table = (ROOT / "docs" / "configs.md").read_text(encoding="utf-8").split("## Metrics")[1].split("## ")[0]
    rows = {row.split("`")[1]: row for row in table.splitlines() if row.startswith("| `")}
    assert list(rows) == [metric.name for metric in METRICS]
    for metric in METRICS:
        better = {"max": "| higher |", "min": "| lower |", None: "|  |"}[metric.better]
        assert better in rows[metric.name]
        assert ("*best*" in rows[metric.name]) is (f"val/{metric.name}" in SELECTABLE)


@pytest.mark.parametrize("command", COMMANDS)
def test_readme_names_every_command(command: str) -> None:
    assert re.search(rf"`{command}[ `]", COMMAND_TABLE)


@pytest.mark.parametrize("command", ["train", "resume"])
def test_readme_names_every_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args([command, "--help"])
    options = set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help", "--json", "--workspace"}
    (line,) = [line for line in COMMAND_TABLE.splitlines() if line.startswith(f"| `{command} ")]
    documented = set(re.findall(r"--[a-z]+", line))
    assert documented == options


def test_readme_options_are_real() -> None:
    """Every `labtui COMMAND --option` in the examples parses."""
    blocks = "".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    examples = re.findall(r"^labtui ([^#\n]+)", blocks, re.MULTILINE)
    assert len(examples) >= 6
    for example in examples:
        build_parser().parse_args(example.split())


@pytest.mark.parametrize(
    "page_name", ["README.md", "CONTRIBUTING.md", "docs/errors.md", "docs/data.md", "docs/studies.md"]
)
def test_links_and_pictures_are_there(page_name: str) -> None:
    file = ROOT / page_name
    targets = re.findall(r"\]\(([^)#]+)\)", file.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (file.parent / target).exists()] == []


def test_keys_in_the_page_of_errors_are_real() -> None:
    from tui.errors.screen import ErrorsScreen
    from tui.widgets.case_picture import CasePicture
    from tui.widgets.matrix import Matrix

    # "e" opens the screen from the list of runs.
    bound = {"e"}
    for binding in (*ErrorsScreen.BINDINGS, *CasePicture.BINDINGS, *Matrix.BINDINGS):
        assert isinstance(binding, Binding)
        bound |= {*binding.key.split(","), *(binding.key_display or "").split()}
    page_text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([^`\s])`", page_text)) - {"T", "P"}
    assert len(named) > 15
    assert named <= bound


def test_keys_in_the_page_of_studies_are_real() -> None:
    from core.config.study_file import StudyFile
    from tui.screens.base import LiveScreen
    from tui.screens.study import StudyScreen

    # "u" opens the screen from the list of runs.
    bound = {"u"}
    for binding in (*LiveScreen.BINDINGS, *StudyScreen.BINDINGS):
        assert isinstance(binding, Binding)
        bound |= {*binding.key.split(","), *(binding.key_display or "").split()}
    page_text = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    keys, _, screen = page_text.partition("## The screen")
    named = set(re.findall(r"`([^`\s]|space)`", screen.split("## Train on?")[0]))
    assert len(named) > 10
    assert named <= bound
    for key in StudyFile.model_fields:
        assert f"`{key}`" in keys
