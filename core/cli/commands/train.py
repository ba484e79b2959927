"""`labtui train`: a run in the background, or further epochs for the newest run of the same config."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from core.cli.config_runs import Kin, change_options, change_words, newest_kin
from core.cli.estimate import disk_words
from core.cli.output import out, out_json, say
from core.cli.parser import add_json, add_settings, not_negative, positive
from core.config.workspace import require_state_home
from core.errors import StateError, UsageError
from core.launch.control import resume_run, start_run
from core.launch.queue_reasons import waiting_reason
from core.store.paths import RunPaths
from core.store.records import ACTIVE
from core.store.runs_folder import doubts, require_writable_folder
from core.store.state import derive_state

if TYPE_CHECKING:
    from core.config.load import Loaded

_DESCRIPTION = """\
Start a run in the background and print its id. It continues when this terminal closes.

--more N trains N further epochs: it continues the newest finished run of this same config, or starts one.
--epochs TOTAL is the epoch to end at, counted from the very first. The expected disk use is printed before
the start. --epoch N and --checkpoint NAME are the lab's names of --more and --name."""


def add(parser: ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument(
        "--config", metavar="F", required=True, help="config file, or the name of one in configs/"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--more", "--epoch", dest="more", metavar="N", type=positive, help="train N further epochs"
    )
    length.add_argument("--epochs", metavar="TOTAL", type=positive, help="train up to epoch TOTAL")
    parser.add_argument(
        "--data", metavar="D", help="data set: a folder, or the name of a file in configs/data/"
    )
    add_settings(parser, "change one setting of the config, like optimizer.momentum=0.8; may be repeated")
    parser.add_argument("--batch", metavar="N", type=positive, help="images per step")
    parser.add_argument(
        "--worker", metavar="N", type=not_negative, help="accepted for compatibility, no effect"
    )
    parser.add_argument(
        "--prefetch", metavar="N", type=positive, help="accepted for compatibility, no effect"
    )
    parser.add_argument("--device", metavar="D", help="auto, cpu, cuda or mps")
    parser.add_argument(
        "--gpus", metavar="L", help="the GPU to use, by index as in nvidia-smi or by UUID, like 2"
    )
    parser.add_argument(
        "--name", "--checkpoint", dest="name", metavar="NAME", default="", help="name of the run"
    )
    parser.add_argument(
        "--new", action="store_true", help="start a new run even if --more could continue one"
    )
    parser.add_argument("--foreground", action="store_true", help="follow the run; Ctrl-C saves and stops it")
    add_json(parser)


def run(args: Namespace) -> int:
    # Before the seconds that the estimate takes.
    require_state_home()
    require_writable_folder(args.workspace.runs)
    for fact, advice in doubts(args.workspace.runs):
        say(f"warning: {args.workspace.runs} {fact}: {advice}")
    loaded = load(args)
    kin = newest_kin(args.workspace, loaded, args.name) if args.more and not args.new else None
    found = _start(args, loaded) if kin is None else _continue(args, loaded, kin)
    if args.json:
        out_json({"id": found.id})
    else:
        out(found.id)
    if args.foreground:
        from core.cli.follow import follow

        return follow(found)
    return 0


def load(args: Namespace) -> Loaded:
    """The config with everything that the command line changes in it."""
    from core.config.load import load_experiment

    flags = {
        "epochs": args.epochs or args.more,
        "batch": args.batch,
        "workers": args.worker,
        "prefetch": args.prefetch,
        "device": args.device,
        "gpus": f"[{args.gpus}]" if args.gpus is not None else None,
    }
    overrides = [*args.settings, *(f"{key}={value}" for key, value in flags.items() if value is not None)]
    return load_experiment(args.config, overrides, data=args.data, workspace=args.workspace)


def _start(args: Namespace, loaded: Loaded) -> RunPaths:
    from core.config.resolve_defaults import random_words

    estimate = disk_words(args.workspace, loaded.experiment)
    if estimate:
        say(estimate)
    if words := random_words(loaded.experiment):
        say(f"warning: {words}")
    found = start_run(args.workspace, loaded, argv=args.argv, name=args.name)
    hint = "" if args.foreground else f"; `labtui` or `labtui log {found.id} -f` shows it"
    say(started_words(found) + hint)
    return found


def _continue(args: Namespace, loaded: Loaded, kin: Kin) -> RunPaths:
    run_id, state = kin.run.id, kin.summary.state
    if kin.changed:
        changes = change_words(kin.stored, loaded.experiment, kin.changed)
        options = change_options(loaded.experiment, kin.changed)
        raise UsageError(
            f"these are not the settings of run {run_id}: {changes}; --new starts a new run, "
            f"`labtui resume {run_id} --fork --more {args.more} {options}` forks that one"
        )
    if state in ACTIVE:
        raise StateError(
            f"run {run_id} of this config is still {state}: "
            f"`labtui wait {run_id}` waits for it, --new starts another"
        )
    if state != "finished":
        raise StateError(
            f"run {run_id} of this config {'was lost' if state == 'lost' else state} "
            f"at epoch {kin.summary.epoch} of {kin.summary.epochs}: "
            f"`labtui resume {run_id}` continues it, --new starts another"
        )
    say(f"continuing {run_id} at epoch {kin.summary.epoch + 1} for {args.more} further epochs")
    return resume_run(args.workspace, kin.run, more=args.more, argv=args.argv)


def started_words(found: RunPaths) -> str:
    """`started ID`, or why it waits."""
    if derive_state(found).state != "queued":
        return f"started {found.id}"
    reason = waiting_reason(found)
    return f"queued {found.id}: {reason}" if reason else f"queued {found.id}"
