"""`labtui unpack FILE`: a packed run becomes a run of this workspace."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from core.cli.output import out, out_json, say
from core.cli.parser import add_json
from core.errors import DataError, UsageError
from core.store.pack import unpack_run
from core.store.paths import RunPaths
from core.text import clean

_DESCRIPTION = """\
Make a packed run a run of this workspace, each file checked against its checksum. --data-root says where its
images are here, so that errors show them and `labtui resume` can continue."""
_LOOKED_AT = 50


def add(parser: ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("file", metavar="FILE", type=Path, help="what `labtui pack` wrote")
    parser.add_argument(
        "--data-root", metavar="D", type=Path, help="the folder of its images on this machine"
    )
    add_json(parser)


def run(args: Namespace) -> int:
    root: Path | None = args.data_root.expanduser().absolute() if args.data_root is not None else None
    if root is not None and not root.is_dir():
        raise UsageError(f"--data-root: there is no folder {clean(str(root))}")

    def change(new: RunPaths) -> None:
        if root is not None:
            _move_data(new, root)

    made = unpack_run(args.file, args.workspace, change)
    if args.json:
        out_json({"id": made.run, "files": made.files, "bytes": made.bytes})
    else:
        out(made.run)
        if root is None:
            say("--data-root was not given: without its images the run can be looked at, but not continued")
    return 0


def _move_data(new: RunPaths, root: Path) -> None:
    """Point the run's list of images, its config and its predictions at `root`. Raises DataError."""
    from core.config.load import dump, read_stored
    from core.reading import HUGE, read_object
    from core.store.files import write_bytes, write_json
    from core.store.image_roots import write_root

    if not new.split.exists():
        return
    split = read_object(new.split, HUGE)
    old = Path(str(split.get("root")))
    paths = [path for part in (split.get("splits") or {}).values() for path in part.get("paths", ())]
    looked = paths[:: max(1, len(paths) // _LOOKED_AT)]
    lost = [path for path in looked if not os.path.lexists(root / str(path).partition("::")[0])]
    if lost:
        raise DataError(
            f"{clean(str(root))} does not have the images of this run: {clean(str(lost[0]))} is not there "
            f"({len(lost)} of {len(looked)} looked for)."
        )
    write_json(new.split, {**split, "root": str(root)})
    experiment = read_stored(new.config)
    data = experiment.data.model_copy(update={"root": root})
    write_bytes(new.config, dump(experiment.model_copy(update={"data": data})).encode())
    write_root(new, old, root)
