"""YAML text to plain values with the place of every key; scalars read as in the YAML 1.2 core schema.

https://yaml.org/spec/1.2.2/#103-core-schema: `1e-4` is a number, `no`, `off`, `1_000`, `12:30` are text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from core.errors import Problem
from core.text import clean

MAX_BYTES = 1_000_000
MAX_VALUES = 20_000
MAX_DEPTH = 32
Key = tuple[str | int, ...]

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_PLAIN = "plain"


@dataclass(frozen=True)
class Place:
    """Where a value was written: file (or `--set`, `--data`), line from 1, folder of its relative paths.

    In what people wrote, `~` and `$NAME` are expanded; in what was `stored` they are part of the name.
    """

    file: Path
    line: int
    folder: Path
    stored: bool = False


@dataclass
class Tree:
    """Plain nested values, the place of each key path, and what was wrong with the text.

    `incomplete`: a file or a part of one could not be used, so keys may be missing for that reason alone.
    """

    value: dict[str, Any] = field(default_factory=dict)
    places: dict[Key, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    incomplete: bool = False

    def place(self, key: Key) -> Place | None:
        """Place of `key`, else of the nearest key above it."""
        for end in range(len(key), -1, -1):
            if key[:end] in self.places:
                return self.places[key[:end]]
        return None


class _Refused(Exception):
    """The text as a whole cannot be used; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Loader(yaml.SafeLoader):
    """SafeLoader that leaves every plain scalar but the merge key to `plain_scalar`."""

    def fetch_flow_collection_start(self, token: Any) -> None:
        # The scanner's time grows with the square of this depth.
        if self.flow_level > MAX_DEPTH:
            raise _TooDeep(problem="nested too deeply", problem_mark=self.get_mark())
        super().fetch_flow_collection_start(token)


class _TooDeep(yaml.MarkedYAMLError):
    pass


_Loader.yaml_implicit_resolvers = {
    "<": [(_MERGE, re.compile(r"<<\Z"))],
    None: [(_PLAIN, re.compile(r""))],
}


def plain_scalar(text: str) -> str | int | float | bool | None:
    """A plain (unquoted) scalar as YAML 1.2 reads it."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    try:
        if _DECIMAL.fullmatch(text):
            return int(text)
        if _BASED.fullmatch(text):
            return int(text, 0)
    except ValueError:  # more digits than Python converts
        return text
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "").lower())
    return text


def dotted(key: Key) -> str:
    """`data.classes.0`, made harmless for terminals."""
    return clean(".".join(map(str, key)))


def parse_value(text: str) -> Any:
    """The value of `--set KEY=text`. Raises ValueError with a plain sentence."""
    place = Place(Path("--set"), 0, Path.cwd())
    try:
        node = _compose(text, place)
        walker = _Walker(place)
        value = walker.build(node, (), 0) if node is not None else None
    except _Refused as refused:
        raise ValueError(refused.problem.text) from None
    if walker.problems:
        raise ValueError(walker.problems[0].text)
    return value


def parse_document(text: str, place: Place, known: Collection[str] = ()) -> Tree:
    """The mapping in `text`; faults (syntax, duplicate keys, tags, aliases without bound) are in `.problems`.

    Top-level keys outside `known` that only hold what an alias uses (`base: &b {...}`) are left out.
    """
    if len(text.encode("utf-8", "surrogateescape")) > MAX_BYTES:
        return unusable(place, f"larger than {MAX_BYTES // 1_000_000} MB, not a config")
    walker = _Walker(place)
    try:
        node = _compose(text, place)
        value = walker.build(node, (), 0) if node is not None else {}
    except _Refused as refused:
        return Tree({}, {(): place}, [*walker.problems, refused.problem], incomplete=True)
    if value is None:
        value = {}
    if not isinstance(value, dict):
        return unusable(place, "expected `key: value` lines at the top")
    holders = walker.aliased(node) - set(known) if isinstance(node, yaml.MappingNode) else set()
    value = {key: item for key, item in value.items() if key not in holders}
    return Tree(value, {(): place, **walker.places}, walker.problems)


def unusable(place: Place, text: str, line: int = 0) -> Tree:
    """A tree that holds nothing but the problem `text` with the whole file, or with one line."""
    return Tree({}, {(): place}, [Problem(place.file, line, "", text)], incomplete=True)


def _compose(text: str, place: Place) -> yaml.Node | None:
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _Refused(Problem(place.file, line, "", "a character that YAML does not allow")) from None
    try:
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark and place.line else 0
        said = clean(error.problem or error.context or "not YAML")
        said = said if isinstance(error, _TooDeep) else f"not valid YAML: {said}"
        raise _Refused(Problem(place.file, line, "", said)) from None
    except yaml.YAMLError as error:
        raise _Refused(Problem(place.file, 0, "", f"not valid YAML: {clean(str(error))}")) from None
    except RecursionError:
        raise _Refused(Problem(place.file, 0, "", "nested too deeply")) from None
    finally:
        loader.dispose()


class _Walker:
    """Builds values from nodes and keeps places and problems."""

    def __init__(self, place: Place) -> None:
        self.base = place
        self.places: dict[Key, Place] = {}
        self.problems: list[Problem] = []
        self._visits: dict[int, int] = {}
        self._open: set[int] = set()
        self._count = 0

    def problem(self, line: int, key: Key, text: str) -> None:
        self.problems.append(Problem(self.base.file, line if self.base.line else 0, dotted(key), text))

    def build(self, node: yaml.Node, key: Key, depth: int) -> Any:
        """The value of `node`, aliases expanded."""
        line = node.start_mark.line + 1
        self._count += 1
        self._visits[id(node)] = self._visits.get(id(node), 0) + 1
        if self._count > MAX_VALUES:
            text = f"aliases expand to more than {MAX_VALUES} values"
            raise _Refused(Problem(self.base.file, line, "", text))
        if depth > MAX_DEPTH:
            raise _Refused(Problem(self.base.file, line, dotted(key[:4]), "nested too deeply"))
        if id(node) in self._open:
            raise _Refused(Problem(self.base.file, line, dotted(key[:4]), "an alias refers to itself"))
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode) and self._tag_is(node, "map", key):
                return self._mapping(node, key, depth)
            if isinstance(node, yaml.SequenceNode) and self._tag_is(node, "seq", key):
                return self._sequence(node, key, depth)
            return self._scalar(node, key) if isinstance(node, yaml.ScalarNode) else None
        finally:
            self._open.discard(id(node))

    def aliased(self, root: yaml.MappingNode) -> set[str]:
        """Keys of `root` whose value is defined there and used again somewhere."""
        return {
            str(name.value)
            for name, value in root.value
            if self._visits.get(id(value), 0) > 1 and value.start_mark.index > name.start_mark.index
        }

    def _tag_is(self, node: yaml.Node, kind: str, key: Key) -> bool:
        if node.tag == _TAG + kind:
            return True
        self.problem(node.start_mark.line + 1, key, f"the tag '{clean(node.tag)}' is not allowed")
        return False

    def _sequence(self, node: yaml.SequenceNode, key: Key, depth: int) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            self.places[(*key, index)] = self._place(item)
            items.append(self.build(item, (*key, index), depth + 1))
        return items

    def _mapping(self, node: yaml.MappingNode, key: Key, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        lines: dict[str, int] = {}
        merged: dict[str, tuple[Any, dict[Key, Place]]] = {}
        for name, value in node.value:
            line = name.start_mark.line + 1
            if not isinstance(name, yaml.ScalarNode):
                self.problem(line, key, "a key must be a word")
                continue
            word = str(name.value)
            if word in lines:
                where = (
                    f"written twice, on lines {lines[word]} and {line}" if self.base.line else "written twice"
                )
                self.problem(line, (*key, word), where)
                continue
            lines[word] = line
            if name.tag == _MERGE:
                self._merge(value, key, depth, merged)
                continue
            self.places[(*key, word)] = self._place(name)
            own[word] = self.build(value, (*key, word), depth + 1)
        for word, (value, places) in merged.items():
            if word not in own:
                own[word] = value
                self.places.update(places)
        return own

    def _merge(
        self, node: yaml.Node, key: Key, depth: int, merged: dict[str, tuple[Any, dict[Key, Place]]]
    ) -> None:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                self.problem(node.start_mark.line + 1, key, "`<<` needs a mapping or a list of mappings")
                continue
            outer, self.places = self.places, {}
            value = self.build(source, key, depth + 1)
            places, self.places = self.places, outer
            for word, item in value.items():
                under = {path: place for path, place in places.items() if path[len(key)] == word}
                merged.setdefault(word, (item, under))

    def _scalar(self, node: yaml.ScalarNode, key: Key) -> Any:
        line = node.start_mark.line + 1
        text = str(node.value)
        if node.tag in (_PLAIN, _MERGE):
            return plain_scalar(text)
        if node.tag == _TAG + "str":
            return text
        value = plain_scalar(text)
        kinds: Mapping[str, tuple[type, ...]] = {
            _TAG + "int": (int,),
            _TAG + "float": (int, float),
            _TAG + "bool": (bool,),
            _TAG + "null": (type(None),),
        }
        if node.tag in kinds and isinstance(value, kinds[node.tag]):
            return float(text) if node.tag == _TAG + "float" and not isinstance(value, float) else value
        self.problem(line, key, f"the tag '{clean(node.tag)}' is not allowed")
        return None

    def _place(self, node: yaml.Node) -> Place:
        line = node.start_mark.line + 1 if self.base.line else 0
        return replace(self.base, line=line)


def leaves(value: Any, key: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Every value that is not a non-empty mapping, with its key path."""
    if isinstance(value, dict) and value:
        for word, item in value.items():
            yield from leaves(item, (*key, word))
    else:
        yield key, value
