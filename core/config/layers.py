"""The files and words that make up one config, laid over each other; later ones win, mappings merge."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.config.names import is_code
from core.config.schema import DataConfig, Experiment
from core.config.workspace import Workspace, config_files
from core.config.yaml12 import (
    MAX_BYTES,
    Key,
    Place,
    Tree,
    dotted,
    leaves,
    parse_document,
    parse_value,
    unusable,
)
from core.errors import ConfigError, MissingFileError, Problem, UnreadableError
from core.reading import as_on_disk, exists, is_regular, read_text
from core.text import clean, did_you_mean

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SHORTHANDS = {"optimizer": "name", "scheduler": "name"}
_SPLITS = ("train", "val", "test")
_PATHS: tuple[Key, ...] = (
    ("data", "root"),
    *(("data", split, part) for split in _SPLITS for part in ("images", "list", "annotations")),
    ("weights",),
)
_REPLACED = (("model_args",),)
_WORD = re.compile(r"[A-Za-z0-9_]*")
_KEYS = frozenset(Experiment.model_fields) | {"extends"}
_DATA_KEYS = frozenset(DataConfig.model_fields)
# What stays of a config's `data` when --data names another place.
_KEPT_WITH_OTHER_ROOT = ("split", "classes", "order", "empty", "difficult")
# What a split's path is, by its ending; all others are folders of images.
_PARTS = {".json": "annotations", ".txt": "list"}


def read_file(path: Path, known: Collection[str]) -> Tree:
    """The mapping in the file `path` (absolute), `extends` and named data sets not yet followed."""
    place = Place(path, 1, path.parent)
    try:
        text = read_text(path, MAX_BYTES)
    except MissingFileError:
        return unusable(place, "no such file")
    except UnreadableError as error:
        return unusable(place, f"cannot be read: {error.reason}", error.line)
    return parse_document(text, place, known)


def layer(path: Path, workspace: Workspace, chain: tuple[Path, ...] = ()) -> Tree:
    """The file `path` over all that it extends, with data sets filled in by name."""
    path = Path(os.path.realpath(path))
    own = read_file(path, _KEYS)
    parent = own.value.pop("extends", None)
    place = own.places.get(("extends",))
    expand(own, workspace)
    if parent is None:
        return own
    chain = (*chain, path)
    if not isinstance(parent, str):
        return _with(own, place, "extends", "expected the path of one YAML file")
    base_path = Path(os.path.realpath(absolute(parent, path.parent)))
    if base_path in chain:
        names = " -> ".join(clean(link.name) for link in (*chain, base_path))
        return _with(own, place, "extends", f"forms a circle: {names}")
    if not exists(base_path):
        return _with(own, place, "extends", f"no such file: {clean(str(base_path))}")
    return merge(layer(base_path, workspace, chain), own)


def overrides_layer(overrides: Sequence[str], workspace: Workspace) -> Tree:
    """`["learning_rate=1e-3", "augment.hflip=true"]` as a layer; a later word wins."""
    tree = Tree()
    place = Place(Path("--set"), 0, Path.cwd())
    for text in overrides:
        key, equals, value_text = text.partition("=")
        path: Key = tuple(part.strip() for part in key.split("."))
        if not equals or not all(path):
            tree.problems.append(Problem(place.file, 0, "", f"expected KEY=VALUE, got '{clean(text)}'"))
            continue
        try:
            value = parse_value(value_text)
        except ValueError as error:
            tree.problems.append(Problem(place.file, 0, dotted(path), str(error)))
            continue
        if path in _REPLACED and isinstance(value, dict):
            value = _Whole(value)
        for part in reversed(path):
            value = {part: value}
        one = Tree(value, {path[:end]: place for end in range(len(path) + 1)})
        one.places.update({where: place for where, _ in leaves(value)})
        expand(one, workspace)
        tree = merge(tree, one)
    return tree


def data_layer(given: str, config: Tree, workspace: Workspace) -> Tree:
    """`--data` over the `data` of `config`: a data set's name, or a folder in place of the config's."""
    place = Place(Path("--data"), 0, Path.cwd())
    new = Tree({"data": given}, {(): place, ("data",): place})
    expand(new, workspace)
    new.value["data"] = dict(new.value["data"])
    old = config.value.get("data")
    kept: dict[str, Any] = {}
    if isinstance(old, dict):
        kept = {key: old[key] for key in _KEPT_WITH_OTHER_ROOT if key in old}
        if kept.get("order") == "file":  # the order of the other set's own file
            del kept["order"]
        if old.get("val") == "test":
            kept["val"] = "test"
        if "root" in old:
            kept.update({key: old[key] for key in _SPLITS if _relative(old.get(key))})
    return merge(replace(config, value={**config.value, "data": kept}), new)


def merge(base: Tree, over: Tree) -> Tree:
    """`over` laid on `base`: mappings merge deeply, all else is replaced."""
    places = dict(base.places)
    value = _merge(base.value, over.value, (), places)
    places.update(over.places)
    problems = [*base.problems, *over.problems]
    return Tree(value, places, problems, incomplete=base.incomplete or over.incomplete)


def _merge(base: dict[str, Any], over: dict[str, Any], key: Key, places: dict[Key, Place]) -> dict[str, Any]:
    merged: dict[str, Any] = _Whole(base) if isinstance(base, _Whole) else dict(base)
    for word, item in over.items():
        here = (*key, word)
        below = merged.get(word)
        if isinstance(below, dict) and isinstance(item, _Whole):
            below = None
        if isinstance(below, dict) and isinstance(item, dict):
            merged[word] = _merge(below, item, here, places)
            continue
        for old in [old for old in places if old[: len(here)] == here]:
            del places[old]
        merged[word] = item
    return merged


def fill(value: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    """Put `defaults` where `value` says nothing, deeply."""
    for word, default in defaults.items():
        if word not in value:
            value[word] = dict(default) if isinstance(default, Mapping) else default
        elif isinstance(default, Mapping) and isinstance(value[word], dict):
            fill(value[word], default)


class _Whole(dict[str, Any]):
    """A mapping that replaces what lies beneath instead of merging with it."""


def expand(tree: Tree, workspace: Workspace) -> None:
    """Put mappings in place of shorthands: `scheduler: plateau`, `data: name or folder`, `train: folder`."""
    for section, key in _SHORTHANDS.items():
        if isinstance(tree.value.get(section), str):
            tree.value[section] = {key: tree.value[section]}
            tree.places[(section, key)] = tree.place((section,)) or place_of(tree)
    data = tree.value.get("data")
    place = tree.places.get(("data",))
    if isinstance(data, str) and place:
        tree.value["data"] = _Whole(_data_set(data, tree, place, workspace))
    elif isinstance(data, dict):
        parent = data.pop("extends", None)
        where = tree.places.get(("data", "extends"))
        if isinstance(parent, str) and where:
            base = _data_file(Path(absolute(parent, where.folder)), where, tree)
            tree.value["data"] = _Whole(_merge(base, data, ("data",), {}))
        elif where:
            _with(tree, where, "data.extends", "expected the path of one YAML file")
    data = tree.value.get("data")
    if isinstance(data, dict):
        for split in _SPLITS:
            if isinstance(data.get(split), str) and not (split == "val" and data[split] == "test"):
                part = _PARTS.get(Path(data[split]).suffix.lower(), "images")
                data[split] = {part: data[split]}
                tree.places[("data", split, part)] = tree.place(("data", split)) or place_of(tree)


def place_of(tree: Tree) -> Place:
    """The place of the whole tree."""
    return tree.places.get(()) or Place(Path("config"), 0, Path.cwd())


def _data_set(given: str, tree: Tree, place: Place, workspace: Workspace) -> dict[str, Any]:
    """The mapping for `data: given`: a file in configs/data of that name, else a folder."""
    homes = (place.folder, workspace.configs)
    found = _named_data(given, homes)
    if found is not None:
        return _data_file(found, place, tree)
    folder = Path(absolute(given, place.folder))
    if folder.suffix in (".yaml", ".yml") and folder.is_file() and not _is_yolo(folder):
        return _data_file(folder, place, tree)
    if not folder.exists() and _NAME.fullmatch(given):
        names = data_names(workspace)
        guess = did_you_mean(given, names)
        where = clean(str(workspace.configs / "data"))
        text = f"no data set '{given}' in {where}{guess} and no folder {clean(str(folder))}"
        _with(tree, place, "data", text)
    tree.places[("data", "root")] = place
    return {"root": given}


def _is_yolo(path: Path) -> bool:
    """Whether a YAML file describes a data set as Ultralytics' tools do, not as a file in configs/data."""
    return bool({"names", "nc", "path"} & set(read_file(path, _DATA_KEYS).value))


def _named_data(given: str, homes: Iterable[Path]) -> Path | None:
    if not _NAME.fullmatch(given):
        return None
    files = [home / "data" / f"{given}{suffix}" for home in homes for suffix in (".yaml", ".yml")]
    return next((file for file in files if file.is_file()), None)


def config_named(given: str, workspace: Workspace) -> Path | None:
    """The config that `given` is, where it is no data set: a YAML file of a config's keys, or its name."""
    path = Path(absolute(given, Path.cwd()))
    if is_regular(path):
        if path.suffix.lower() not in (".yaml", ".yml") or _is_yolo(path):
            return None
        is_config = bool(_KEYS & set(read_file(path, _KEYS).value) - {"extends"})
        return path if is_config or path.parent == workspace.configs else None
    if exists(path) or not _NAME.fullmatch(given) or _named_data(given, (Path.cwd(), workspace.configs)):
        return None
    files = (workspace.configs / f"{given}{suffix}" for suffix in (".yaml", ".yml"))
    return next(filter(is_regular, files), None)


def data_names(workspace: Workspace) -> list[str]:
    """Names of the data sets in `configs/data/`, sorted."""
    folder = workspace.configs / "data"
    if not folder.is_dir():
        return []
    return sorted(path.stem for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))


def _data_file(path: Path, place: Place, tree: Tree) -> dict[str, Any]:
    """The mapping in a data set's file; its places and problems go to `tree`, under `data`."""
    path = Path(os.path.realpath(path))
    if not exists(path):
        _with(tree, place, "data.extends", f"no such file: {clean(str(path))}")
        return {}
    read = read_file(path, _DATA_KEYS)
    tree.places = {("data", *key): where for key, where in read.places.items()} | tree.places
    for problem in read.problems:
        key = f"data.{problem.key}" if problem.key else "data"
        tree.problems.append(Problem(problem.file, problem.line, key, problem.text))
    tree.incomplete = tree.incomplete or read.incomplete
    return read.value


def absolute(text: str, folder: Path) -> str:
    """`text` as an absolute path: `~` and `$NAME` expanded, relative to `folder`.

    With `..` in it, symbolic links are followed, so that it means what it means to the system. Accents are
    as on disk.
    """
    path = os.path.join(folder, os.path.expanduser(os.path.expandvars(text)))
    return as_on_disk(os.path.realpath(path) if ".." in Path(path).parts else os.path.normpath(path))


def resolve_paths(tree: Tree) -> None:
    """Make every path of `tree` absolute; `train`, `val` and `test` are relative to `data.root` if given."""
    data = tree.value.get("data")
    root = None
    for key in _PATHS:
        holder: Any = tree.value
        for part in key[:-1]:
            holder = holder.get(part) if isinstance(holder, dict) else None
        text = holder.get(key[-1]) if isinstance(holder, dict) else None
        if isinstance(text, str) and not (key == ("weights",) and text and _WORD.fullmatch(text)):
            path = _resolved(tree, key, text, root if key[0] == "data" else None)
            holder[key[-1]] = path if path is not None else text
        if key == ("data", "root") and isinstance(data, dict) and isinstance(data.get("root"), Path):
            root = data["root"]
    model = tree.value.get("model")
    if isinstance(model, str) and is_code(model):
        file, _, function = model.rpartition(":")
        path = _resolved(tree, ("model",), file, None)
        tree.value["model"] = f"{path}:{function}" if path is not None else model


def _resolved(tree: Tree, key: Key, text: str, base: Path | None) -> Path | None:
    """The path at `key`, absolute: relative to `base`, else to the folder of the file that names it."""
    place = tree.place(key)
    if place is None:
        return None
    if problem := _path_problem(text, place):
        tree.problems.append(Problem(place.file, place.line, dotted(key), problem))
    folder = base or place.folder
    return Path(os.path.join(folder, text) if place.stored else absolute(text, folder))


def _path_problem(text: str, place: Place) -> str | None:
    if not text.strip() or "\0" in text:
        return "expected a path"
    names = [] if place.stored else re.findall(r"\$(?:(\w+)|\{([^}]*)\})", text)
    unset = [plain or braced for plain, braced in names if (plain or braced) not in os.environ]
    return f"the variable ${clean(unset[0])} is not set" if unset else None


def _relative(split: object) -> bool:
    paths = list(split.values()) if isinstance(split, dict) else []
    return bool(paths) and all(
        isinstance(path, str) and not os.path.isabs(os.path.expanduser(os.path.expandvars(path)))
        for path in paths
    )


def _with(tree: Tree, place: Place | None, key: str, text: str) -> Tree:
    place = place or place_of(tree)
    tree.incomplete = True
    tree.problems.append(Problem(place.file, place.line, key, text))
    return tree


def find_config(given: Path, workspace: Workspace) -> Path:
    """The absolute path of the config `given`: a file, or the name of one in the workspace's configs.

    Raises ConfigError that names the absolute path tried.
    """
    path = Path(absolute(str(given), Path.cwd()))
    if path.is_file():
        return path
    if os.sep not in str(given):
        for suffix in (".yaml", ".yml", ""):
            inside = workspace.configs / f"{given}{suffix}"
            if inside.is_file():
                return inside
    names = [file.name for file in config_files(workspace)]
    guess = did_you_mean(path.name, [*names, *(Path(name).stem for name in names)])
    what = "a folder, not a config" if path.is_dir() else f"no such config{guess}"
    raise ConfigError([Problem(path, 0, "", what)])
