"""`labtui demo [DIR]`: a workspace with a small data set, a run in the background, and the screens on it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from core.cli.output import out, out_json, say
from core.cli.parser import add_json, folder
from core.cli.scaffold import make_workspace
from core.config.workspace import Workspace, find_workspace
from core.launch.control import start_run
from core.store.catalogue import Catalogue
from core.store.paths import RunPaths
from core.store.records import ACTIVE

CONFIG = "demo-detector"
DEFAULT_FOLDER = "labtui-demo"


def add(parser: ArgumentParser) -> None:
    parser.description = (
        "Train a small detector on synthetic diatom images for about 90 seconds and open the screens on it."
    )
    parser.add_argument(
        "dir", metavar="DIR", nargs="?", type=folder, help=f"workspace to make (default: ./{DEFAULT_FOLDER})"
    )
    parser.add_argument("--no-ui", action="store_true", help="only start the run and print its id")
    add_json(parser)


def run(args: Namespace) -> int:
    target = args.dir if args.dir is not None else Path(DEFAULT_FOLDER)
    make_workspace(target)
    workspace = find_workspace(target)
    going = _active(workspace)
    found = going or _start(workspace, args.argv)
    say(f"{'already training' if going else 'training'} {found.id} in {workspace.root}")
    if args.json:
        out_json({"id": found.id, "workspace": str(workspace.root)})
    elif args.no_ui or args.open_ui is None:
        out(found.id)
    if args.no_ui or args.json or args.open_ui is None:
        return 0
    code: int = args.open_ui(workspace)
    return code


def _active(workspace: Workspace) -> RunPaths | None:
    for summary in Catalogue(workspace).refresh():
        if summary.config == CONFIG and summary.state in ACTIVE:
            return RunPaths(workspace.runs / summary.id)
    return None


def _start(workspace: Workspace, argv: list[str]) -> RunPaths:
    from core.config.load import load_experiment

    loaded = load_experiment(workspace.configs / f"{CONFIG}.yaml", workspace=workspace)
    return start_run(workspace, loaded, argv=argv)
