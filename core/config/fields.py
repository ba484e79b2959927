"""The schema as a flat list of fields, for the launch form and the documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from core.config.load import plain
from core.config.names import MODELS
from core.config.problems import section_of
from core.config.relevance import only_for
from core.config.schema import GROUPS, Experiment, Group, ImageSize, SplitPaths
from core.config.yaml12 import parse_value

Kind = Literal["number", "integer", "text", "choice", "boolean", "list"]


@dataclass(frozen=True)
class FieldSpec:
    """One setting. `optional`: may be left empty (nothing). `default` is None when nothing or required.

    `choices` are the words accepted (beside a number, for kind `integer`); `types` says what else may stand
    there (`whole number`, `list of 2 numbers`, `mapping`), `bounds` what numbers, in words. `result`: a
    change alters numbers, so a run with it is another run.
    """

    key: str
    group: Group
    kind: Kind
    choices: tuple[str, ...]
    types: tuple[str, ...]
    default: Any
    required: bool
    optional: bool
    bounds: str
    help: str
    result: bool


@cache
def field_specs() -> tuple[FieldSpec, ...]:
    """All fields in the order of the groups, then of the schema."""
    specs = list(_walk(Experiment, "", None, True))
    return tuple(sorted(specs, key=lambda spec: GROUPS.index(spec.group)))


def field_spec(key: str) -> FieldSpec:
    """The field with the dotted `key`. Raises KeyError."""
    return next((spec for spec in field_specs() if spec.key == key), None) or _no_field(key)


def form_values(experiment: Experiment) -> dict[str, str]:
    """The text of every field of `experiment`; `f"{key}={text}"` is an override that gives it back."""
    value = plain(experiment)
    return {spec.key: as_text(_at(value, spec.key)) for spec in field_specs()}


def as_text(value: Any) -> str:
    """A value as one types it in a config: `1.0e-05`, `true`, `[val, test]`, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_inner, value))}]"
    if isinstance(value, dict):
        if value.get("images") is not None and value.get("list") is value.get("annotations") is None:
            return as_text(value["images"])
        if "images" in value:
            value = {part: path for part, path in value.items() if path is not None}
        return _flow(value)
    return _quoted(value, inside=False) if isinstance(value, str) else str(value)


def _walk(
    model: type[BaseModel], prefix: str, group: Group | None, result: bool, in_optional: bool = False
) -> Iterator[FieldSpec]:
    for name, info in model.model_fields.items():
        extra: dict[str, Any] = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        own_group: Group = extra.get("group") or group or "Running"
        own_result = bool(extra.get("result", True)) and result
        section = section_of(info.annotation)
        if section is not None and section not in (SplitPaths, ImageSize):
            may_be_absent = type(None) in _members(info.annotation)
            yield from _walk(section, f"{prefix}{name}.", own_group, own_result, may_be_absent)
            continue
        kind, choices, optional = _kind(info.annotation)
        if info.annotation is str and name == "model":
            choices = MODELS
        if section is ImageSize:
            kind = "text"
        types = ("path", "mapping") if section is SplitPaths else _types(info.annotation)
        required = info.is_required()
        default = None if required else plain(info.get_default(call_default_factory=True))
        default = None if default is PydanticUndefined else default
        help_text = " ".join((info.description or "").split()) + only_for(f"{prefix}{name}")
        yield FieldSpec(
            f"{prefix}{name}",
            own_group,
            kind,
            choices,
            types,
            default,
            required,
            optional or in_optional,
            _bounds(info),
            help_text,
            own_result,
        )


def _kind(annotation: Any) -> tuple[Kind, tuple[str, ...], bool]:
    """Kind of input, accepted words, and whether nothing is accepted."""
    parts = list(_members(annotation))
    optional = type(None) in parts
    words = tuple(str(word) for part in parts if get_origin(part) is Literal for word in get_args(part))
    plain_types = [part for part in parts if part is not type(None) and get_origin(part) is not Literal]
    if plain_types and all(get_origin(part) is tuple for part in plain_types):
        inside = next(part for part in plain_types if get_origin(part) is tuple)
        words = tuple(
            str(w) for p in _members(get_args(inside)[0]) if get_origin(p) is Literal for w in get_args(p)
        )
        return "list", words, optional
    if bool in plain_types:
        return "boolean", (), optional
    if any(get_origin(part) is tuple for part in plain_types):
        return "text", words, optional
    if int in plain_types:
        return "integer", words, optional
    if float in plain_types:
        return "number", words, optional
    return ("choice" if words and not plain_types else "text"), words, optional


def _types(annotation: Any) -> tuple[str, ...]:
    """What may stand there beside words, each once: `whole number`, `list of train, val, test`."""
    names = [_type_name(part) for part in _members(annotation)]
    return tuple(dict.fromkeys(name for name in names if name))


def _type_name(part: Any) -> str:
    """The name of a type; empty for words and nothing."""
    origin, inside = get_origin(part), get_args(part)
    if origin is tuple:
        count = f"{len(inside)} " if inside[-1] is not Ellipsis else ""
        words = [
            str(word)
            for item in _members(inside[0])
            if get_origin(item) is Literal
            for word in get_args(item)
        ]
        return f"list of {count}{', '.join([*words, *(f'{name}s' for name in _types(inside[0]))])}"
    if origin is dict or (isinstance(part, type) and issubclass(part, BaseModel)):
        return "mapping"
    plain_types = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}
    return plain_types.get(part, "")


def _members(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _members(part)
    else:
        yield annotation


def _bounds(info: FieldInfo) -> str:
    words = []
    for mark in info.metadata:
        if isinstance(mark, Gt):
            words.append(f"above {mark.gt}")
        elif isinstance(mark, Ge):
            words.append(f"at least {mark.ge}")
        elif isinstance(mark, Lt):
            words.append(f"below {mark.lt}")
        elif isinstance(mark, Le):
            words.append(f"at most {mark.le}")
    return ", ".join(words)


def _at(value: Any, key: str) -> Any:
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _quoted(text: str, *, inside: bool = True) -> str:
    """`text`, in quotes where YAML would read something else (`inside`: between brackets)."""
    try:
        same = parse_value(f"[{text}]") == [text] if inside else parse_value(text) == text
    except ValueError:
        same = False
    if same:
        return text
    if "\n" in text:
        return json.dumps(text, ensure_ascii=False)
    return "'" + text.replace("'", "''") + "'"


def _flow(value: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{_quoted(key)}: {_inner(item)}" for key, item in value.items()) + "}"


def _inner(value: Any) -> str:
    """A value as it stands between brackets."""
    if value is None:
        return "null"
    return _quoted(value) if isinstance(value, str) else as_text(value)


def _no_field(key: str) -> FieldSpec:
    raise KeyError(key)
