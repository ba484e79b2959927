"""`labtui config check F`: all problems of a config in one go; `config keys`: what can stand in one."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

from core.cli.output import out, out_json, say
from core.cli.parser import Parser, add_json, add_settings, add_workspace
from core.errors import ConfigError, Problem


def add(parser: ArgumentParser) -> None:
    parser.description = "Work on config files."
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    check = actions.add_parser("check", help="check a config and print what it resolves to")
    check.add_argument("file", metavar="F", help="config file, or the name of one in configs/")
    check.add_argument(
        "--data", metavar="D", help="data set: a folder, or the name of a file in configs/data/"
    )
    add_settings(check)
    add_json(check)
    add_workspace(check)
    check.set_defaults(act=_check)
    keys = actions.add_parser(
        "keys", help="every key of a config: what it accepts, its default, what it does"
    )
    keys.add_argument("--markdown", action="store_true", help="as a page of documentation")
    keys.set_defaults(act=_keys)


def run(args: Namespace) -> int:
    act: Callable[[Namespace], int] = args.act
    return act(args)


def _keys(args: Namespace) -> int:
    from core.cli.reference import lines, page

    out(page().rstrip("\n") if args.markdown else "\n".join(lines()))
    return 0


def _check(args: Namespace) -> int:
    from core.config.load import dump, load_experiment

    try:
        loaded = load_experiment(args.file, args.settings, data=args.data, workspace=args.workspace)
    except ConfigError as error:
        if not args.json:
            raise
        out_json({"file": args.file, "valid": False, "problems": [_problem(item) for item in error.problems]})
        return error.exit_code
    if args.json:
        out_json({"file": str(loaded.source), "valid": True, "problems": []})
    else:
        say(f"{loaded.source} is valid; with all defaults it reads:")
        out(dump(loaded.experiment).rstrip())
    return 0


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "file": str(problem.file) if problem.file else None,
        "line": problem.line,
        "key": problem.key,
        "text": problem.text,
    }
