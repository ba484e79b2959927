"""Configs in and out: a file or a run's stored text to an `Experiment`, and back."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from core.config.conflicts import conflicts
from core.config.data_formats import BOX_FORMATS
from core.config.layers import (
    config_named,
    data_layer,
    expand,
    fill,
    find_config,
    layer,
    merge,
    overrides_layer,
    place_of,
    resolve_paths,
)
from core.config.problems import MUST_BE_GIVEN, problem_at, schema_problems, section_of
from core.config.resolve_defaults import other_defaults, resolve_normalize
from core.config.schema import DataConfig, Experiment, Normalize
from core.config.workspace import Workspace
from core.config.yaml12 import Key, Place, Tree, dotted, leaves, parse_document, plain_scalar
from core.errors import ConfigError, Problem
from core.reading import read_text
from core.text import clean


@dataclass(frozen=True)
class Loaded:
    """An experiment, the config file it came from (absolute) and that file's name without suffix."""

    experiment: Experiment
    source: Path
    name: str


@dataclass(frozen=True)
class Changes:
    """Dotted keys that differ: `result` ones change numbers, `operational` ones do not."""

    result: tuple[str, ...]
    operational: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.result or self.operational)


def load_experiment(
    path: Path | str, overrides: Sequence[str] = (), *, data: str | None = None, workspace: Workspace
) -> Loaded:
    """The experiment of the config `path`: a file, or the name of one in the workspace's configs.

    Beneath it lies the workspace's `configs/defaults.yaml`; over it `data` (a data set's name or a folder,
    in place of the config's own), then `overrides` (`KEY=VALUE`, values as YAML). Raises ConfigError with
    every problem found.
    """
    source = find_config(Path(path), workspace)
    tree = layer(source, workspace)
    defaults = workspace.configs / "defaults.yaml"
    if defaults.is_file() and not defaults.samefile(source):
        tree = merge(layer(defaults, workspace), tree)
    if data is not None:
        tree = data_layer(data, tree, workspace)
    tree = merge(tree, overrides_layer(overrides, workspace))
    if not tree.value.get("data") and not tree.incomplete:
        text = "no data: add `data: FOLDER` here or in configs/defaults.yaml, or give --data"
        tree.problems.append(Problem(source, 0, "data", text))
    return Loaded(_validated(tree), source, clean(source.stem))


def load_data(file: Path, workspace: Workspace) -> DataConfig:
    """The data set in a file of configs/data. Raises ConfigError with every problem found."""
    place = Place(file, 1, file.parent)
    tree = Tree({"data": {"extends": str(file)}}, {(): place, ("data", "extends"): place})
    expand(tree, workspace)
    return _data_of(tree)


def named_data(given: str, overrides: Sequence[str] = (), *, workspace: Workspace) -> DataConfig:
    """The data set `given`: a name in configs/data, a file of that kind, a folder, a COCO or YOLO file.

    Also that of a config: of its file, or of its name where no data set has it. Raises ConfigError with every
    problem found.
    """
    config = config_named(given, workspace)
    if config is not None:
        return load_experiment(config, overrides, workspace=workspace).experiment.data
    place = Place(Path("data"), 0, Path.cwd())
    tree = Tree({"data": given}, {(): place, ("data",): place})
    expand(tree, workspace)
    return _data_of(merge(tree, overrides_layer(overrides, workspace)))


def _data_of(tree: Tree) -> DataConfig:
    """The data alone, checked with a model of the kind that they are for."""
    data = tree.value.get("data")
    data = data if isinstance(data, dict) else {}
    drawn = data.get("synthetic")
    boxes = data.get("format") in BOX_FORMATS or (isinstance(drawn, dict) and drawn.get("boxes") is True)
    tree.value["model"] = "fasterrcnn" if boxes else "tinyvgg_a"
    return _validated(tree).data


def parse_experiment(text: str, where: Path) -> Experiment:
    """The experiment in a run's stored config; `where` is the file that errors name. Raises ConfigError."""
    where = Path(os.path.abspath(where))
    place = Place(where, 1, where.parent, stored=True)
    tree = parse_document(text, place, frozenset(Experiment.model_fields))
    expand(tree, Workspace(where.parent))
    return _validated(tree)


def read_stored(file: Path) -> Experiment:
    """The experiment in a run's config.yaml. Raises UnreadableError, ConfigError."""
    return parse_experiment(read_text(file), file)


def apply_overrides(
    experiment: Experiment, overrides: Sequence[str], *, workspace: Workspace | None = None
) -> Experiment:
    """`experiment` with `KEY=VALUE` words applied. Raises ConfigError; its problems name `--set`."""
    return _validated(
        merge(_tree_of(experiment), overrides_layer(overrides, workspace or Workspace(Path.cwd())))
    )


def with_data(experiment: Experiment, data: str, *, workspace: Workspace) -> Experiment:
    """`experiment` on other data: a data set's name, or a folder. Raises ConfigError; it names `--data`."""
    return _validated(data_layer(data, _tree_of(experiment), workspace))


def _tree_of(experiment: Experiment) -> Tree:
    """The settings of `experiment` as a tree, as if all were stored in one place."""
    value, place = plain(experiment), Place(Path("config"), 0, Path.cwd(), stored=True)
    keys = [key[:end] for key, _ in leaves(value) for end in range(len(key) + 1)]
    return Tree(value, dict.fromkeys(keys, place))


def dump(experiment: Experiment) -> str:
    """`experiment` as YAML, complete and with absolute paths; `parse_experiment` reads the same back."""
    return yaml.dump(
        plain(experiment),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=None,
    )


def plain(value: Any) -> Any:
    """`value` in plain mappings, lists, text and numbers."""
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, PurePath) else value


def changed_fields(a: Experiment, b: Experiment) -> Changes:
    """Dotted keys whose values differ between `a` and `b`, in the schema's order.

    Channel statistics are the same when they come to the same numbers, whether given or left to be found.
    """
    a, b = _with_statistics(a), _with_statistics(b)
    result: list[str] = []
    operational: list[str] = []
    for name, info in Experiment.model_fields.items():
        extra = info.json_schema_extra
        keys = result if isinstance(extra, dict) and extra["result"] else operational
        keys += [dotted(key) for key in _differing(getattr(a, name), getattr(b, name), (name,))]
    return Changes(tuple(result), tuple(operational))


def result_key(experiment: Experiment) -> str:
    """16 hex digits that stand for every setting that changes numbers: equal where `changed_fields` has none.

    Where the schedule's course depends on it, the number of epochs is one of them.
    """
    whole = _with_statistics(experiment)
    values = {
        name: plain(getattr(whole, name))
        for name, info in Experiment.model_fields.items()
        if isinstance(info.json_schema_extra, dict) and info.json_schema_extra["result"]
    }
    if experiment.scheduler.kind.by_horizon:
        values["epochs"] = experiment.epochs
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _with_statistics(experiment: Experiment) -> Experiment:
    mean, std = resolve_normalize(experiment)
    return experiment.model_copy(update={"normalize": Normalize(mean=mean, std=std)})


def _differing(a: Any, b: Any, key: Key) -> list[Key]:
    if isinstance(a, BaseModel) and isinstance(b, type(a)):
        fields = type(a).model_fields
        return [found for f in fields for found in _differing(getattr(a, f), getattr(b, f), (*key, f))]
    return [] if a == b else [key]


def _validated(tree: Tree) -> Experiment:
    resolve_paths(tree)
    fill(tree.value, other_defaults(tree.value))
    problems = list(tree.problems)
    experiment = None
    try:
        experiment = Experiment.model_validate(_without_blanks(tree.value, Experiment))
    except ValidationError as error:
        told = {problem.key for problem in problems}
        found = [problem for problem in schema_problems(error, tree) if problem.key not in told]
        problems += [p for p in found if not (tree.incomplete and p.text == MUST_BE_GIVEN)]
    if experiment is not None:
        problems += [problem_at(tree, _typed_last(tree, keys), text) for keys, text in conflicts(experiment)]
    if problems or experiment is None:
        raise ConfigError(_in_order(problems, place_of(tree).file))
    return experiment


def _without_blanks(value: Any, model: type[BaseModel], optional: bool = False) -> Any:
    """`value` without blank sections (`augment:`) and blank settings of sections that may be absent."""
    if not isinstance(value, dict):
        return value
    kept = {}
    for word, item in value.items():
        info = model.model_fields.get(word)
        blank = item is None and info is not None and (info.default_factory is not None or optional)
        section = section_of(info.annotation) if info is not None else None
        inner_optional = info is not None and info.default is None
        if not blank:
            kept[word] = _without_blanks(item, section, inner_optional) if section else item
    return kept


def _typed_last(tree: Tree, keys: Sequence[Key]) -> Key:
    """The one of `keys` that was given on the command line, else the first that was given."""
    given = [(key, tree.places[key]) for key in keys if key in tree.places]
    typed = [key for key, place in given if place.file.name.startswith("--")]
    return next(iter([*typed, *(key for key, _ in given), *keys]))


def _in_order(problems: list[Problem], main: Path) -> list[Problem]:
    """Problems once each, by file (the config itself first) and line."""
    once = list(dict.fromkeys(problems))
    files = list(dict.fromkeys([main, *(problem.file for problem in once if problem.file)]))
    return sorted(once, key=lambda p: (files.index(p.file) if p.file else len(files), p.line))


class _Dumper(yaml.SafeDumper):
    """Writes text in quotes wherever YAML 1.1 or 1.2 would read something else."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(plain_scalar(text), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


def _float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    text = re.sub(r"^(-?\d+)e", r"\1.0e", repr(value))
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _float)
