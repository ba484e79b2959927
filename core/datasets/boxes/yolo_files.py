"""What the file of a YOLO data set says: data.yaml of Ultralytics, obj.data of Darknet and CVAT."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config.data_formats import DATA_FORMATS
from core.config.schema import SplitName
from core.config.yaml12 import Place, parse_document
from core.datasets.boxes.annotation_folders import bases
from core.datasets.boxes.annotations import BoxSource
from core.datasets.boxes.yolo_lists import moved_path
from core.datasets.class_folders.class_names import class_names_in
from core.datasets.class_folders.split_folders import SPLITS, names_in
from core.datasets.findings import count, some
from core.datasets.names import spelled
from core.errors import DataError, UnreadableError
from core.reading import as_on_disk, is_directory, is_regular, read_bytes, read_text, shown
from core.text import clean

_YAML = (".yaml", ".yml")
_DARKNET = ".data"
_YAML_STEMS = ("data", "dataset")
_KEY_LINE = re.compile(rb"^(names|nc|train|val)[ \t]*:", re.MULTILINE)
_ASSIGNED = re.compile(r"(\w+)\s*=\s*(.*)")
_OTHER_WORD = {"val": "valid"}


@dataclass(frozen=True)
class Described:
    """The file of a data set, and what it says: class names, keypoints of each box, where splits lie.

    `names` is None where the file gives none that can be found; `notes` are sentences on what is not as it
    says.
    """

    file: Path
    names: tuple[str, ...] | None
    keypoints: tuple[int, int] | None
    sources: dict[SplitName, BoxSource]
    notes: tuple[str, ...]


def file_of(root: Path) -> Path | None:
    """The file of a YOLO data set: `root` itself, else the only one of its kind in it. Raises DataError."""
    if root.is_file():
        return root if root.suffix.lower() in DATA_FORMATS["yolo"].files else None
    for base in bases(root):
        files = sorted(base / name for name in names_in(base) if name.lower().endswith(_YAML))
        known = [path for path in files if is_yolo_file(path)]
        usual = [path for path in known if path.stem.lower() == "data"]
        if not known:
            files = sorted(base / name for name in names_in(base) if name.lower().endswith(_DARKNET))
            known = [path for path in files if is_yolo_file(path)]
        if len(known) == 1 or usual:
            return (usual or known)[0]
        if known:
            several = some(path.name for path in known)
            raise DataError(f"{shown(base)} has {several}: name the one that counts in data.root.")
    return None


def is_yolo_file(file: Path) -> bool:
    """Whether a file is a data.yaml or an obj.data. Raises UnreadableError for one not to be understood."""
    if file.suffix.lower() == _DARKNET:
        return _is_darknet(file)
    if file.suffix.lower() not in _YAML:
        return False
    try:
        keys = set(_read_yaml(file))
    except UnreadableError:
        if file.stem.lower() in _YAML_STEMS or _speaks_of_classes(file):
            raise
        return False
    if file.stem.lower() in _YAML_STEMS and "nc" in keys and bool(keys & {"train", "val"}):
        return True
    return "names" in keys and bool(keys & {"train", "val", "path", "nc"})


def described(file: Path, named: frozenset[SplitName]) -> Described:
    """What `file` says of all splits but those that are `named` elsewhere. Raises DataError."""
    notes: list[str] = []
    if file.suffix.lower() == _DARKNET:
        document = _assignments(read_text(file))
        names, keypoints = _named_file(document, file, notes), None
    else:
        document = _read_yaml(file)
        names, keypoints = _names(document, file, notes), _keypoints(document, file)
    sources = _splits(document, file, named, notes)
    return Described(file, names, keypoints, sources, tuple(notes))


def _read_yaml(file: Path) -> dict[str, Any]:
    tree = parse_document(read_text(file), Place(file, 1, file.parent))
    if tree.problems and tree.incomplete:
        problem = tree.problems[0]
        raise UnreadableError(shown(file), clean(problem.text), problem.line)
    return tree.value


def _speaks_of_classes(file: Path) -> bool:
    """Whether there are lines of a data.yaml in a file that as a whole cannot be understood."""
    try:
        data = read_bytes(file)
    except UnreadableError:
        return False
    return len({found[1] for found in _KEY_LINE.finditer(data)}) > 1


def _is_darknet(file: Path) -> bool:
    try:
        return {"names", "train"} <= _assignments(read_text(file)).keys()
    except UnreadableError:
        if file.stem.lower() == "obj":
            raise
        return False


def _assignments(text: str) -> dict[str, Any]:
    """The `key = value` lines of an obj.data."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    found = (match for line in lines if (match := _ASSIGNED.fullmatch(line)))
    return {match[1].lower(): match[2].strip() for match in found}


def _named_file(document: dict[str, Any], file: Path, notes: list[str]) -> tuple[str, ...] | None:
    """The class names in the file that an obj.data names. Raises DataError for one that is not there."""
    given = document["names"]
    path = _existing(given, [file.parent], file)
    listed = class_names_in(path) if path is not None else None
    if listed is None:
        raise DataError(f"{shown(file)}: `names` is {clean(given)}, which does not exist: put it beside.")
    names = tuple(map(spelled, listed.names))
    _refuse_twice(names, shown(path or file), "the name")
    number = document.get("classes", "")
    if number.isdecimal() and int(number) != len(names):
        notes.append(f"{clean(file.name)} says classes = {number}, but has {count(len(names), 'name')}")
    return names


def _names(document: dict[str, Any], file: Path, notes: list[str]) -> tuple[str, ...]:
    """The class names of data.yaml, a list or a mapping from numbers. Raises DataError without any."""
    given, said = document.get("names"), clean(str(file))
    if isinstance(given, dict):
        try:
            numbered = {int(key): name for key, name in given.items()}
        except ValueError:
            raise DataError(f"{said}: `names` must map numbers to class names.") from None
        if sorted(numbered) != list(range(len(numbered))):
            raise DataError(f"{said}: `names` must number the classes from 0 without gaps.")
        given = [numbered[index] for index in range(len(numbered))]
    if isinstance(given, str) and (path := _existing(given, [file.parent], file)) is not None:
        listed = class_names_in(path)
        given = list(listed.names) if listed is not None else None
    if not isinstance(given, list) or not given:
        raise DataError(f"{said} has no `names`: give the class names as a list, names: [NAME, NAME].")
    names = tuple(spelled(_word(name)) for name in given)
    if "" in names:
        raise DataError(f"{said}: name {names.index('')} of `names` is empty.")
    _refuse_twice(names, f"{said}: `names`", "")
    number = document.get("nc")
    if isinstance(number, int) and number != len(names):
        notes.append(f"{clean(file.name)} says nc: {number}, but has {count(len(names), 'name')}")
    return names


def _refuse_twice(names: tuple[str, ...], where: str, what: str) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{where} has {what}{' ' if what else ''}'{twice}' twice.")


def _keypoints(document: dict[str, Any], file: Path) -> tuple[int, int] | None:
    """`kpt_shape` of data.yaml: how many keypoints a box has, and the numbers of each."""
    given = document.get("kpt_shape")
    if given is None:
        return None
    whole = isinstance(given, list) and len(given) == 2 and all(type(number) is int for number in given)
    if not whole or given[0] < 1 or given[1] not in (2, 3):
        raise DataError(
            f"{clean(str(file))}: `kpt_shape` must be [keypoints, 2] or [keypoints, 3], as [17, 3]."
        )
    return given[0], given[1]


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _splits(
    document: dict[str, Any], file: Path, named: frozenset[SplitName], notes: list[str]
) -> dict[SplitName, BoxSource]:
    base, top = file.parent, document.get("path")
    tops = [base]
    if isinstance(top, str) and top.strip():
        tops = [_path(base / os.path.expanduser(top)), base]
    found: dict[SplitName, BoxSource] = {}
    for split in SPLITS:
        if split in named:
            continue
        key = split if document.get(split) else _OTHER_WORD.get(split, split)
        entries = document.get(key)
        entries = entries if isinstance(entries, list) else [entries] if entries else []
        parts = [part for entry in entries if (part := _entry(split, key, entry, tops, file, notes))]
        if parts:
            first, *more = parts
            found[split] = BoxSource(split, first.images, first.annotations, first.list, tuple(more))
    return found


def _entry(
    split: SplitName, key: str, entry: object, tops: list[Path], file: Path, notes: list[str]
) -> BoxSource | None:
    """One folder or list that the file names; None for one of val or test that does not exist, which is said.

    Raises DataError for what is no path, and for training images that do not exist.
    """
    if not isinstance(entry, str):
        raise DataError(f"{clean(str(file))}: `{key}` must be a folder or a list of images.")
    path = _existing(entry, tops, file)
    said = f"`{key}` is {clean(entry)}"
    if path is None and split != "train":
        notes.append(f"{clean(file.name)}: {said}, which does not exist: no {split} images")
        return None
    first = _path(tops[0] / entry.replace("\\", "/"))
    if path is None:
        raise DataError(
            f"{clean(str(file))}: {said}, but {clean(str(first))} does not exist: correct it there, or name "
            f"the folder of images in data.{split}."
        )
    inside = os.path.relpath(path, file.parent)
    if Path(os.path.normpath(path)) != first and entry.replace("\\", "/").removeprefix("../") != inside:
        notes.append(f"{clean(file.name)}: {said}, which does not exist: {clean(inside)} is used")
    return BoxSource(split, path) if is_directory(path) else BoxSource(split, list=path)


def _path(path: Path) -> Path:
    """`path` without `..`, in the spelling of the disk."""
    return Path(as_on_disk(os.path.normpath(path)))


def _existing(entry: str, tops: list[Path], file: Path) -> Path | None:
    """The folder or file that an entry means: as written, else inside the folder of the data set.

    Roboflow's `../train/images` lies beside its data.yaml.
    """
    plain = entry.replace("\\", "/")
    for top in tops:
        path = _path(top / plain)
        if is_directory(path) or is_regular(path):
            return path
    return moved_path(plain, file.parent)
