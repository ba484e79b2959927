"""`labtui pack RUN`: a run in one file, for a colleague."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from core.cli.output import out, out_json, say
from core.cli.parser import add_json, add_run
from core.errors import UsageError
from core.humanise import size
from core.store.catalogue import find_run, summarise
from core.store.checkpoints import list_checkpoints
from core.store.pack import pack_run
from core.text import clean

_DESCRIPTION = """\
Write a run that has ended to one file with checksums; `labtui unpack FILE` makes it a run elsewhere. By
default its best, last and pinned checkpoints are included, and all that was measured. The images are not."""


def add(parser: ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    add_run(parser)
    parser.add_argument("--out", metavar="FILE", type=Path, help="new file (default: RUN.tar.gz)")
    parser.add_argument(
        "--checkpoints", choices=("some", "all", "none"), default="some", help="some: best, last and pinned"
    )
    parser.add_argument("--no-predictions", action="store_true", help="leave saved predictions out")
    add_json(parser)


def run(args: Namespace) -> int:
    found = find_run(args.workspace, args.run)
    target: Path = args.out or Path(f"{found.id}.tar.gz")
    if target.exists():
        raise UsageError(f"{clean(str(target))} exists: --out FILE names a new one")
    summary = summarise(found)
    every = list_checkpoints(found)
    best = summary.best.checkpoint if summary.best else None
    kept = {item.id for item in every if item.pinned or item.id == best or item is every[-1]}

    def keep(name: str) -> bool:
        folder, _, file = name.partition("/")
        if folder == "predictions" and args.no_predictions:
            return False
        if folder != "checkpoints" or args.checkpoints == "all":
            return True
        # The JSON beside a checkpoint tells its values; the weights are what is large.
        is_weights = not file.endswith(".json")
        return not is_weights or (args.checkpoints == "some" and file.rsplit(".", 1)[0] in kept)

    packed = pack_run(found, target, keep)
    if args.json:
        out_json(
            {"id": packed.run, "file": str(target), "files": packed.files, "bytes": target.stat().st_size}
        )
        return 0
    out(str(target))
    left = f"; left out: {', '.join(packed.left_out)}" if packed.left_out else ""
    say(f"{packed.files} files, {size(target.stat().st_size)}{left}")
    return 0
