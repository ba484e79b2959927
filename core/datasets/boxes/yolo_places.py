"""Where the splits of a YOLO data set lie: as its data.yaml says, else in folders images and labels."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.config.schema import DataConfig, SplitName, SplitPaths
from core.config.yaml12 import Place, parse_document
from core.datasets.boxes.annotation_folders import IMAGE_FOLDERS, annotations_near, bases, has, images_near
from core.datasets.boxes.annotations import BoxPlaces, BoxSource
from core.datasets.boxes.image_index import files_below
from core.datasets.class_folders.labels import class_names_in
from core.datasets.class_folders.split_folders import (
    SPLITS,
    names_in,
    no_root,
    no_test_images,
    require_folder,
    split_folders,
    subfolders,
)
from core.datasets.findings import count, some
from core.datasets.names import spelled
from core.errors import DataError, UnreadableError
from core.reading import as_on_disk, exists, read_bytes, read_text, shown
from core.text import clean

_NAME_FILES = ("classes.txt", "obj.names", "labels.txt")
_YAML = (".yaml", ".yml")
_YAML_STEMS = ("data", "dataset")
_KEY_LINE = re.compile(rb"^(names|nc|train|val)[ \t]*:", re.MULTILINE)


def find(data: DataConfig, root: Path | None) -> BoxPlaces:
    """Train, val and test: as the config names them, else as data.yaml does, else found. Raises DataError."""
    if root is not None:
        require_folder(root if not root.is_file() else root.parent)
    file = yaml_of(root) if root is not None else None
    folder = root.parent if root is not None and root.is_file() else root
    named = {
        split: _complete(split, paths, folder)
        for split in SPLITS
        if isinstance(paths := getattr(data, split), SplitPaths)
    }
    notes: list[str] = []
    names = keypoints = None
    if file is not None:
        document = _read_yaml(file)
        names = _names(document, file, notes)
        keypoints = _keypoints(document, file)
        sources = _by_yaml(document, file) | named
    elif "train" in named:
        sources = named
    elif folder is not None:
        sources = _by_folders(folder) | named
    else:
        raise no_root()
    if "train" not in sources:
        raise DataError(f"{clean(str(file))} names no training images: give `train` there.")
    if data.val == "test":
        if "test" not in sources:
            raise no_test_images(f"{clean(str(root))} names no test images", "their folder")
        sources["val"] = replace(sources["test"], split="val")
    if names is None:
        names = _names_beside(folder, sources["train"], notes)
    base = folder if folder is not None else _above(sources)
    if file is not None and folder is not None and not _is_below(folder, sources):
        base = _above(sources)
    return BoxPlaces(
        base,
        sources["train"],
        sources.get("val"),
        sources.get("test"),
        data.val == "test",
        names,
        tuple(notes),
        keypoints,
    )


def yaml_of(root: Path) -> Path | None:
    """The data.yaml of Ultralytics' tools: `root` itself, else the only one of its kind in it."""
    if root.is_file():
        return root if root.suffix.lower() in _YAML else None
    for base in bases(root):
        files = sorted(base / name for name in names_in(base) if name.lower().endswith(_YAML))
        known = [path for path in files if _is_yolo(path)]
        usual = [path for path in known if path.stem.lower() == "data"]
        if len(known) == 1 or usual:
            return (usual or known)[0]
        if known:
            shown = some(path.name for path in known)
            raise DataError(f"{clean(str(base))} has {shown}: name the one that counts in data.root.")
    return None


def looks_like_yolo(root: Path) -> bool:
    """Whether there is a data.yaml, or label files beside images."""
    if root.is_file():
        return root.suffix.lower() in _YAML and _is_yolo(root)
    return yaml_of(root) is not None or any(_label_folders(base) for base in bases(root))


def labels_of(image: Path, source: BoxSource) -> Path:
    """The label file of an image: `labels` in place of the last `images` of its path, else beside it."""
    return Path(as_on_disk(str(_label_of(image, source))))


def _label_of(image: Path, source: BoxSource) -> Path:
    name = f"{image.stem}.txt"
    if source.annotations is not None:
        base = source.images
        if base is not None and base in image.parents:
            return (source.annotations / image.relative_to(base)).with_suffix(".txt")
        return source.annotations / name
    parts = list(image.parts)
    for index in range(len(parts) - 2, 0, -1):
        if parts[index].lower() in IMAGE_FOLDERS:
            swapped = Path(*parts[:index], "labels", *parts[index + 1 :]).with_suffix(".txt")
            if swapped.parent.is_dir() or parts[index] == "images":
                return swapped
    beside = image.parent / "labels" / name
    return beside if beside.parent.is_dir() else image.parent / name


def listed(name: str, source: BoxSource, root: Path) -> Path | None:
    """The image file that a line of a list names, None when it is not there."""
    assert source.list is not None
    entry = name.replace("\\", "/") if not os.path.exists(name) else name
    folders = [source.list.parent, root, *([source.images] if source.images else [])]
    for folder in folders:
        path = Path(as_on_disk(os.path.normpath(folder / entry)))
        if path.is_file():
            return path
    return None


def _read_yaml(file: Path) -> dict[str, Any]:
    tree = parse_document(read_text(file), Place(file, 1, file.parent))
    if tree.problems and tree.incomplete:
        problem = tree.problems[0]
        raise UnreadableError(shown(file), clean(problem.text), problem.line)
    return tree.value


def _is_yolo(file: Path) -> bool:
    """Whether a YAML file is a data.yaml. Raises UnreadableError for one that cannot be understood."""
    try:
        keys = set(_read_yaml(file))
    except UnreadableError:
        if file.stem.lower() in _YAML_STEMS or _speaks_of_classes(file):
            raise
        return False
    if file.stem.lower() in _YAML_STEMS and "nc" in keys and bool(keys & {"train", "val"}):
        return True
    return "names" in keys and bool(keys & {"train", "val", "path", "nc"})


def _speaks_of_classes(file: Path) -> bool:
    """Whether there are lines of a data.yaml in a file that as a whole cannot be understood."""
    try:
        data = read_bytes(file)
    except UnreadableError:
        return False
    return len({found[1] for found in _KEY_LINE.finditer(data)}) > 1


def _names(document: dict[str, Any], file: Path, notes: list[str]) -> tuple[str, ...]:
    """The class names of data.yaml, a list or a mapping from numbers. Raises DataError without any."""
    given, shown = document.get("names"), clean(str(file))
    if isinstance(given, dict):
        try:
            numbered = {int(key): name for key, name in given.items()}
        except ValueError:
            raise DataError(f"{shown}: `names` must map numbers to class names.") from None
        if sorted(numbered) != list(range(len(numbered))):
            raise DataError(f"{shown}: `names` must number the classes from 0 without gaps.")
        given = [numbered[index] for index in range(len(numbered))]
    if not isinstance(given, list) or not given:
        raise DataError(f"{shown} has no `names`: give the class names as a list, names: [NAME, NAME].")
    names = tuple(spelled(_word(name)) for name in given)
    if "" in names:
        raise DataError(f"{shown}: name {names.index('')} of `names` is empty.")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"{shown}: `names` has '{twice[0]}' twice.")
    count_given = document.get("nc")
    if isinstance(count_given, int) and count_given != len(names):
        notes.append(f"{clean(file.name)} says nc: {count_given}, but has {count(len(names), 'name')}")
    return names


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


def _by_yaml(document: dict[str, Any], file: Path) -> dict[SplitName, BoxSource]:
    base = file.parent
    given = document.get("path")
    tops = [base]
    if isinstance(given, str) and given.strip():
        tops = [Path(os.path.normpath(base / os.path.expanduser(given))), base]
    found: dict[SplitName, BoxSource] = {}
    for split in SPLITS:
        entries = document.get(split, document.get("valid") if split == "val" else None)
        entries = entries if isinstance(entries, list) else [entries] if entries else []
        parts = [_entry(split, entry, tops, file) for entry in entries]
        if parts:
            first, *more = parts
            found[split] = BoxSource(split, first.images, first.annotations, first.list, tuple(more))
    return found


def _entry(split: SplitName, entry: object, tops: list[Path], file: Path) -> BoxSource:
    """One folder or list that data.yaml names; Roboflow's `../train/images` lies in the yaml's own folder."""
    if not isinstance(entry, str):
        raise DataError(f"{clean(str(file))}: `{split}` must be a folder or a list of images.")
    plain = entry.replace("\\", "/")
    tried = [Path(os.path.normpath(top / plain)) for top in tops]
    tried += [
        Path(os.path.normpath(top / plain.removeprefix("../"))) for top in tops if plain.startswith("../")
    ]
    for path in tried:
        if path.is_dir():
            return BoxSource(split, path)
        if path.is_file():
            return BoxSource(split, list=path)
    raise DataError(
        f"{clean(str(file))}: `{split}` is {clean(entry)}, but {clean(str(tried[0]))} does not exist."
    )


def _by_folders(root: Path) -> dict[SplitName, BoxSource]:
    for base in bases(root):
        if found := _label_folders(base):
            return found
    raise DataError(
        f"{clean(str(root))} has no data.yaml and no folders images and labels: name the data.yaml in "
        "data.root."
    )


def _label_folders(base: Path) -> dict[SplitName, BoxSource]:
    """images/train beside labels/train, train/images beside train/labels, or images beside labels."""
    folders = {name.lower(): base / name for name in subfolders(base)}
    labels = folders.get("labels")
    images = next((folders[name] for name in IMAGE_FOLDERS if name in folders), None)
    if labels is not None and images is not None and _has_labels(labels):
        inner = {split: name for split, name in split_folders(images).items() if (labels / name).is_dir()}
        if "train" in inner:
            return {split: BoxSource(split, images / inner[split], labels / inner[split]) for split in inner}
        return {"train": BoxSource("train", images, labels)}
    found: dict[SplitName, BoxSource] = {}
    for split, name in split_folders(base).items():
        inside = _label_folders(base / name)
        if "train" in inside:
            found[split] = BoxSource(split, inside["train"].images, inside["train"].annotations)
    return found if "train" in found else {}


def _has_labels(folder: Path) -> bool:
    """Whether the first label file with something in it has lines of numbers."""
    for name in files_below(folder, ".txt"):
        if name.rpartition("/")[2].lower() in _NAME_FILES:
            continue
        try:
            words = read_text(folder / name).split("\n", 1)[0].split()
        except UnreadableError:
            continue
        if words:
            return len(words) >= 5 and all(word.replace(".", "").replace("-", "").isalnum() for word in words)
    return False


def _complete(split: SplitName, paths: SplitPaths, root: Path | None) -> BoxSource:
    """A split of the config with the folder that it does not name."""
    if paths.list is not None:
        if not exists(paths.list):
            raise DataError(f"{clean(str(paths.list))} does not exist: correct data.{split}.list.")
        return BoxSource(split, paths.images, paths.annotations, paths.list)
    images, annotations = paths.images, paths.annotations
    if images is None and annotations is not None:
        near = [annotations.parent, annotations]
        images = next(filter(None, (images_near(folder, but=annotations) for folder in near)), None)
    if images is None:
        raise DataError(f"data.{split}.images must be given: the folder of the images.")
    require_folder(images)
    if annotations is not None:
        require_folder(annotations)
    elif (
        not has(images, ".txt") and not labels_of(images / "a.jpg", BoxSource(split, images)).parent.is_dir()
    ):
        annotations = annotations_near(images.parent, ".txt")
    return BoxSource(split, images, annotations)


def _names_beside(folder: Path | None, train: BoxSource, notes: list[str]) -> tuple[str, ...] | None:
    """The names in a classes.txt of the data set. Raises DataError for one that is there twice."""
    near = [
        folder,
        train.annotations,
        train.images,
        *(p.parent for p in (train.annotations, train.images) if p),
    ]
    for place in dict.fromkeys(path for path in near if path is not None):
        for name in _NAME_FILES:
            found = class_names_in(place / name)
            if found is None:
                continue
            names = tuple(spelled(each) for each in found.names)
            twice = [each for each in names if names.count(each) > 1]
            if twice:
                raise DataError(f"{clean(str(place / name))} has '{twice[0]}' twice: each class once.")
            if found.first is not None:
                last = found.first + len(names) - 1
                notes.append(
                    f"{name} numbers its classes from {found.first} to {last}: the names are without"
                )
            return names
    return None


def _is_below(folder: Path, sources: dict[SplitName, BoxSource]) -> bool:
    parts = [part for source in sources.values() for part in (source, *source.more)]
    return all(
        folder == path or folder in path.parents for part in parts if (path := part.images or part.list)
    )


def _above(sources: dict[SplitName, BoxSource]) -> Path:
    parts = [part for source in sources.values() for part in (source, *source.more)]
    return Path(os.path.commonpath([part.images or (part.list or Path("/")).parent for part in parts]))
