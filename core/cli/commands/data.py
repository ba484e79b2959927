"""`labtui data add PATH`: what a data set is, written down; `data check D`: what is odd about it; `data
stats D`: its figures; `data samples CONFIG`: pictures of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.output import is_terminal, out, out_json, say
from core.cli.parser import Parser, add_json, add_settings, add_workspace, folder, not_negative, positive
from core.config.data_formats import PUBLISHED_FORMATS
from core.errors import DataError, LabError, UsageError
from core.text import clean

if TYPE_CHECKING:
    from core.analysis.statistics import Statistics
    from core.cli.mosaic import Mosaic

_KNOWN = ", ".join(PUBLISHED_FORMATS)


def add(parser: ArgumentParser) -> None:
    parser.description = "Describe a data set, find what is wrong with it, count it, look at its pictures."
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    adding = actions.add_parser(
        "add",
        help="detect the format of a data set and write configs/data/NAME.yaml",
        description=(
            "Read a data set, say what is in it, and write configs/data/NAME.yaml for configs to "
            f"name. Given {_KNOWN}, download that set first if it is missing; a folder of such a name is "
            "./NAME."
        ),
    )
    adding.add_argument(
        "path",
        metavar="PATH",
        help=f"the folder of the data set, its file (COCO, YOLO, CVAT, CSV), or {_KNOWN}",
    )
    adding.add_argument("--name", metavar="NAME", help="name in configs/data/ (default: the folder's)")
    adding.add_argument(
        "--root",
        metavar="DIR",
        type=folder,
        help="where to download to (default: data/NAME of the workspace)",
    )
    add_json(adding)
    add_workspace(adding)
    adding.set_defaults(act=_add)
    checking = actions.add_parser(
        "check",
        help="read all of a data set and list what is changed, dropped or looks wrong",
        description=(
            "Read every image and annotation of a data set, count objects and classes, and list what is "
            "repaired, dropped or looks wrong, with its file. Exits 3 when the set cannot be used."
        ),
    )
    checking.add_argument(
        "data", metavar="DATA", help="a folder, a name in configs/data/, or a file of COCO, YOLO, CVAT or CSV"
    )
    checking.add_argument(
        "--deep", action="store_true", help="decode every image, also of a large set, as training does"
    )
    checking.add_argument(
        "--all", action="store_true", help="list every finding, also of a kind that there are many of"
    )
    _add_settings(checking)
    add_json(checking)
    add_workspace(checking)
    checking.set_defaults(act=_check)
    stats = actions.add_parser(
        "stats",
        help="counts, areas, shapes, positions, sizes, duplicates; the images behind every number",
        description=(
            "Count a data set: classes, objects per image, box areas, aspect ratios, positions, image "
            "sizes, brightness, sharpness, duplicates. Figures that need no pixels come at once; the images "
            "are read once and then remembered."
        ),
    )
    stats.add_argument(
        "data", metavar="D", help="a folder, a name in configs/data/, or a file of COCO, YOLO, CVAT or CSV"
    )
    stats.add_argument(
        "--list",
        metavar="WHAT",
        help="the images behind a figure, as class:NAME, objects:3, area:1000..5000, near:leaks; or the "
        "figures of a page, as classes",
    )
    stats.add_argument(
        "--plots", metavar="DIR", type=folder, help="write stats.md and plots (PNG, SVG) into a folder"
    )
    stats.add_argument("--split", metavar="NAME", default="", help="only this split: train, val or test")
    stats.add_argument("--no-pixels", action="store_true", help="leave out figures that need the pixels")
    _add_settings(stats)
    add_json(stats)
    add_workspace(stats)
    stats.set_defaults(act=_stats)
    samples = actions.add_parser(
        "samples",
        help="training pictures of a config, original or augmented",
        description="Show training pictures in the terminal, or save them as one PNG file.",
    )
    samples.add_argument("config", metavar="CONFIG", help="config file, or the name of one in configs/")
    samples.add_argument(
        "--augment", action="store_true", help="show an augmented version next to each picture"
    )
    samples.add_argument("--count", metavar="N", type=positive, help="pictures (default: 8, augmented 4)")
    samples.add_argument(
        "--seed",
        metavar="N",
        type=not_negative,
        default=0,
        help="seed that chooses the pictures (default: 0)",
    )
    samples.add_argument("--save", metavar="FILE", type=Path, help="write a PNG file instead")
    samples.add_argument(
        "--data", metavar="D", help="data set: a folder, or the name of a file in configs/data/"
    )
    _add_settings(samples)
    add_workspace(samples)
    samples.set_defaults(act=_samples)


def _add_settings(parser: ArgumentParser) -> None:
    add_settings(parser)


def run(args: Namespace) -> int:
    act: Callable[[Namespace], int] = args.act
    return act(args)


def _add(args: Namespace) -> int:
    from core.cli.adding import add_data_set, as_json, next_command, summary
    from core.cli.fetching import fetch_progress

    with fetch_progress(sys.stderr) as progress:
        added = add_data_set(args.workspace, args.path, name=args.name, root=args.root, progress=progress)
    if args.json:
        out_json(as_json(added))
    else:
        out("\n".join(summary(added)))
    say(f"{'wrote' if added.written else 'already there:'} {added.file}")
    say(f"train on it with: {next_command(args.workspace, added)}")
    return 0


def _check(args: Namespace) -> int:
    from core.cli.checking import lines
    from core.config.load import named_data
    from core.datasets.check import check_dataset

    check = check_dataset(named_data(args.data, args.settings, workspace=args.workspace), deep=args.deep)
    if args.json:
        out_json(check.as_json(all_findings=args.all))
    else:
        out("\n".join(lines(check, all_findings=args.all)))
    return DataError.exit_code if check.errors else 0


def _stats(args: Namespace) -> int:
    from core.analysis.data_reading import read_table
    from core.analysis.image_stats import records_of
    from core.analysis.statistics import headline, statistics
    from core.cli import stats, stats_plots, stats_text
    from core.config.load import named_data

    if args.plots is not None:
        stats_plots.require_matplotlib()
    table = read_table(named_data(args.data, args.settings, workspace=args.workspace))
    split = args.split
    if split and split not in table.splits:
        raise UsageError(f"--split: there is no {clean(split)}, only {', '.join(table.splits)}")
    if args.list is not None:
        wanted = stats.needs_pixels(table, args.list) and not args.no_pixels
        return _list(stats.with_pixels(table, split) if wanted else statistics(table, split=split), args)
    known = not records_of(table).waiting
    whole = args.no_pixels or known
    first = (
        stats.with_pixels(table, split) if known and not args.no_pixels else statistics(table, split=split)
    )
    if not args.json:
        out(f"{clean(str(table.root))}: {table.format}, {headline(first)}")
        out("\n".join(stats_text.lines(first, first.pages)))
        sys.stdout.flush()
    found = first if whole else stats.with_pixels(table, split)
    if args.json:
        out_json(stats.as_json(found))
    elif not whole:
        out("\n".join(stats_text.lines(found, stats.later_pages(first, found))))
    if args.plots is not None:
        files = stats.write_folder(found, args.plots.absolute())
        say(f"wrote {files[0]} and {len(files) - 1} plots next to it")
    return DataError.exit_code if table.problems else 0


def _list(found: Statistics, args: Namespace) -> int:
    from core.cli import stats, stats_text

    page = found.page(args.list)
    if page is not None:
        if args.json:
            out_json(next(item for item in stats.as_json(found)["pages"] if item["key"] == page.key))
        else:
            out("\n".join(stats_text.page_keys(page)))
        return 0
    figure = stats.find(found, args.list)
    rows = stats.listing(found, figure)
    if args.json:
        shown = {"key": figure.key, "label": figure.label, "shown": figure.shown, "lines": list(figure.lines)}
        out_json({**shown, "root": str(found.table.root), "images": rows})
        return 0
    say(f"{figure.label}: {figure.shown}; {len(rows)} image{'s' * (len(rows) != 1)} in {found.table.root}")
    for line in figure.lines:
        out(line)
    if rows:
        out("\n".join(stats_text.list_lines(rows)))
    return 0


def _samples(args: Namespace) -> int:
    from core.cli.mosaic import draw, save
    from core.config.load import dump, load_experiment

    target = Path(args.save).expanduser().absolute() if args.save is not None else None
    if target is not None and target.suffix.lower() != ".png":
        raise UsageError(f"--save: {clean(str(args.save))} must end in .png")
    if target is not None and target.exists():
        raise UsageError(f"--save: {clean(str(target))} already exists: give another name")
    if target is None and not is_terminal(sys.stdout):
        raise UsageError("pictures need a terminal; give --save FILE.png")
    loaded = load_experiment(args.config, args.settings, data=args.data, workspace=args.workspace)
    width = shutil.get_terminal_size().columns
    count = args.count or (4 if args.augment else 8)
    mosaic = _drawn(dump(loaded.experiment), args.augment, count, args.seed, width)
    if target is None:
        draw(mosaic, sys.stdout, width)
        return 0
    try:
        save(mosaic, target)
    except FileExistsError:
        raise UsageError(f"--save: {clean(str(target))} already exists: give another name") from None
    say(f"wrote {target}")
    return 0


def _drawn(config: str, augmented: bool, count: int, seed: int, width: int) -> Mosaic:
    """The pictures, read and augmented in a child process, which has torch."""
    import numpy as np

    from core.cli.mosaic import as_mosaic, columns_for
    from core.launch.spawn import child_environment, module_command
    from core.store.process import asker

    with tempfile.TemporaryDirectory(prefix="labtui-") as scratch:
        file, result = Path(scratch, "config.yaml"), Path(scratch, "samples.npz")
        file.write_text(config, encoding="utf-8")
        words = [str(file), str(result), "--count", str(count), "--seed", str(seed)]
        command = module_command("core.evaluate.samples", *words, *["--augmented"] * augmented)
        done = subprocess.run(
            command,
            env=child_environment(asker()),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not result.exists():
            lines = done.stderr.strip().splitlines()
            said = clean(lines[-1]) if lines else f"it ended with {done.returncode}"
            error = DataError if done.returncode == DataError.exit_code else LabError
            raise error(said if error is DataError else f"The pictures could not be made: {said}")
        with np.load(result, allow_pickle=False) as held:
            pixels, titles = held["pixels"], held["titles"].tolist()
            columns = int(held["columns"]) if augmented else columns_for(len(pixels), width)
    return as_mosaic(pixels, titles, columns)
