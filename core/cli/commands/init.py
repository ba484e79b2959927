"""`labtui init [DIR]`: a new workspace."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.cli.output import out, out_json, say
from core.cli.parser import add_json, folder
from core.cli.scaffold import make_workspace
from core.config.workspace import find_workspace


def add(parser: ArgumentParser) -> None:
    parser.description = (
        "Make a workspace: configs/ with the shipped configs, and runs/. Existing files stay as they are."
    )
    parser.add_argument(
        "dir", metavar="DIR", nargs="?", type=folder, help="folder (default: the current one)"
    )
    add_json(parser)


def run(args: Namespace) -> int:
    target = args.dir if args.dir is not None else folder(".")
    made = make_workspace(target)
    workspace = find_workspace(target)
    if args.json:
        out_json({"workspace": str(workspace.root), "made": [str(path) for path in made]})
        return 0
    out(str(workspace.root))
    say(
        f"made {len(made)} files; `cd {workspace.root}` and `labtui` open it"
        if made
        else "everything is already there; nothing was changed"
    )
    return 0
