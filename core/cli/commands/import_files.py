"""`labtui import FILES...`: the lab's old `.pth` files as finished, read-only runs."""

from __future__ import annotations

import json
import os
import subprocess
from argparse import ArgumentParser, Namespace
from typing import Any

from core.cli.output import out, out_json, say
from core.cli.parser import add_json
from core.errors import LabError, UsageError
from core.launch.spawn import child_environment, module_command
from core.store.process import asker
from core.text import clean

_DESCRIPTION = """\
Make runs of old TinyVGG checkpoint files ({state_dict, optimizer, epoch, logs} or {model_state_dict,
best_val_acc}). Nothing in the files is executed: a file that holds more than tensors and numbers is refused.

Files of one series (c_m_36_44_f_40_ep_15.pth, ..._ep_20.pth, ...) become one run with a checkpoint each
and the joined curve. Names say model, scales and epoch; the weights must fit the model tensor by tensor.
The four lists of logs become train/loss, train/accuracy, val/loss_random and val/accuracy_random: the
lab measured under the training's random changes. The run is read-only; `labtui measure RUN --data D`
measures it, `weights: FILE` in a config starts training from it."""


def add(parser: ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("files", metavar="FILES", nargs="+", help="checkpoint files (.pth)")
    parser.add_argument(
        "--model", metavar="M", help="the network, like tinyvgg_c (default: by name, or shapes)"
    )
    parser.add_argument(
        "--classes",
        metavar="A,B,...",
        type=_words,
        help="class names in the order of the outputs (default: those of --data, or CIFAR-10's ten)",
    )
    parser.add_argument(
        "--data", metavar="D", help="the data set, to measure on: a folder, or a name in configs/data/"
    )
    parser.add_argument("--name", metavar="NAME", default="", help="name of the run")
    add_json(parser)


def run(args: Namespace) -> int:
    asked = {
        "workspace": str(args.workspace.root),
        "files": [_absolute(file) for file in args.files],
        "model": args.model,
        "classes": args.classes,
        "data": _data(args) if args.data else None,
        "name": args.name,
        "argv": args.argv,
    }
    runs = _ask(asked)
    if args.json:
        out_json({"runs": runs})
    for made in runs:
        for note in made["notes"]:
            say(f"note: {note}")
        count = len(made["checkpoints"])
        words = "was already imported" if made["known"] else f"{count} checkpoint{'s' if count > 1 else ''}"
        say(f"{made['id']}: {words}; `labtui show {made['id']}` shows it")
        if not args.json:
            out(made["id"])
    return 0


def _ask(asked: dict[str, Any]) -> list[dict[str, Any]]:
    ended = subprocess.run(
        module_command("core.evaluate.import_checkpoints"),
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env=child_environment(asker()),
        check=False,
    )
    try:
        answer = json.loads(ended.stdout.strip().rpartition("\n")[2])
    except ValueError:
        said = clean(ended.stderr.strip().rpartition("\n")[2]) or f"its process ended with {ended.returncode}"
        raise LabError(f"nothing was imported: {said}") from None
    if "error" in answer:
        error = LabError(answer["error"])
        error.exit_code = int(answer["code"])
        raise error
    runs: list[dict[str, Any]] = answer["runs"]
    return runs


def _data(args: Namespace) -> dict[str, Any]:
    """The data set as a mapping, as a config would hold it."""
    from core.config.load import parse_experiment, plain, with_data

    blank = parse_experiment("data: {root: /}\nmodel: tinyvgg_a\n", args.workspace.root / "import")
    experiment = with_data(blank, args.data, workspace=args.workspace)
    data: dict[str, Any] = plain(experiment.data)
    return data


def _absolute(file: str) -> str:
    path = os.path.abspath(os.path.expanduser(file))
    if not os.path.isfile(path):
        raise UsageError(f"there is no file {clean(path)}")
    return path


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
