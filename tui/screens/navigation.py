"""What the first screen opens for a config or a run, and the way to the studies."""

from __future__ import annotations

import importlib
import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from core.config.workspace import config_path
from core.reading import read_text
from core.text import clean
from tui.cell_text import shown_path
from tui.lab import Lab
from tui.run_actions import run_paths

if TYPE_CHECKING:
    from core.config.schema import Experiment
    from core.store.records import RunSummary


def launch(lab: Lab, config: str) -> None:
    """Open the form for a new run of `config`."""
    from tui.screens.launch import LaunchScreen

    lab.push_screen(LaunchScreen(config))


def launch_like(lab: Lab, run: RunSummary) -> None:
    """Open the form with the settings of a run, as changes of its config."""
    from tui.screens.launch import LaunchScreen

    lab.push_screen(LaunchScreen(run.config, like=run))


def edit_config(lab: Lab, config: str) -> None:
    """Open a config in the user's editor; the screens wait for it."""
    words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    path = config_path(lab.workspace, config)
    try:
        with lab.suspend():
            subprocess.run([*words, str(path)], check=False)
    except (OSError, SuspendNotSupported) as error:
        lab.notify(f"{clean(words[0])} does not open: {clean(str(error))}; set $EDITOR", markup=False)
    lab.refresh()


def pictures_of_config(lab: Lab, config: str) -> None:
    """Show what a config trains on."""
    from tui.screens.samples import SamplesScreen

    workspace = lab.workspace

    def dumped() -> str:
        from core.config.load import dump, load_experiment

        return dump(load_experiment(config_path(workspace, config), workspace=workspace).experiment)

    lab.push_screen(SamplesScreen(config, dumped))


def data_of_config(lab: Lab, config: str) -> None:
    """Show the figures of what a config trains on."""
    from tui.screens.data import DataScreen

    workspace = lab.workspace

    def loaded() -> Experiment:
        from core.config.load import load_experiment

        return load_experiment(config_path(workspace, config), workspace=workspace).experiment

    lab.push_screen(DataScreen(config, loaded))


def pictures_of_run(lab: Lab, run: RunSummary) -> None:
    """Show what a run trains on."""
    from tui.screens.samples import SamplesScreen

    config = run_paths(lab, run).config
    lab.push_screen(SamplesScreen(run.label, lambda: read_text(config)))


def data_of_run(lab: Lab, run: RunSummary) -> None:
    """Show the figures of what a run trains on: its own data, which need not be those of its config."""
    from tui.screens.data import DataScreen

    config = run_paths(lab, run).config

    def loaded() -> Experiment:
        from core.config.load import read_stored

        return read_stored(config)

    lab.push_screen(DataScreen(run.label, loaded))


def studies(lab: Lab) -> None:
    """Open the study of the workspace; of several, ask which."""
    from tui.dialogs.choose import Choice, ChooseDialog
    from tui.screens.study import StudyScreen

    workspace = lab.workspace

    def find() -> list[Path]:
        # What the screen needs is loaded here, off the UI thread: it takes a second on a busy machine.
        from core.config.study import study_files

        for module in ("tui.read.study_reader", "tui.screens.study_text", "tui.chart.views"):
            importlib.import_module(module)
        return study_files(workspace)

    def choose(files: list[Path]) -> None:
        names = {clean(path.stem): path for path in files}

        def chosen(name: str | None) -> None:
            if name is not None:
                lab.push_screen(StudyScreen(names[name]))

        if not files:
            where = shown_path(workspace.configs / "studies")
            lab.notify(
                f"no studies in {where}: `labtui study --help` shows how one looks", markup=False, timeout=10
            )
        elif len(files) == 1:
            lab.push_screen(StudyScreen(files[0]))
        else:
            lab.push_screen(ChooseDialog("Which study?", [Choice(name) for name in names]), chosen)

    lab.perform(find, choose)
