"""What the schema is made of: the base of its sections, fields with group and kind, checked types."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from core.config.names import MODELS, OTHER_DETECTORS, is_code
from core.text import clean, did_you_mean

Group = Literal["Data", "Model", "Optimiser", "Schedule", "Augmentation", "Running"]
GROUPS: tuple[Group, ...] = get_args(Group)

_WORDS = {"yes": True, "on": True, "no": False, "off": False}


class Section(BaseModel):
    """Base of all parts of an experiment: frozen, strict, no unknown keys, no NaN."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


def field(
    default: Any = ..., *, group: Group | None = None, result: bool = True, **bounds: Any
) -> Any:  # the value of a pydantic field
    """A field of the schema; `group` and `result` of a section hold for the fields in it."""
    extra: dict[str, Any] = {"group": group, "result": result}
    return Field(default, json_schema_extra=extra, **bounds)


def section(make: Callable[[], Any], group: Group, *, result: bool = True) -> Any:
    """A field that holds a section, made with its defaults when absent."""
    return Field(default_factory=make, json_schema_extra={"group": group, "result": result})


def as_tuple(value: object) -> object:
    """Lists become tuples: frozen like all the rest."""
    return tuple(value) if isinstance(value, list) else value


def _switch(value: object) -> object:
    """In a true/false field, `on`, `off`, `yes` and `no` are meant as such; as class names they are text."""
    return _WORDS.get(value.lower(), value) if isinstance(value, str) else value


def _class_name(value: object) -> object:
    if isinstance(value, str) and value.strip():
        return clean(value)
    if value is None or isinstance(value, (dict, list, str)):
        raise PydanticCustomError("class_name", "a class name must be text")
    word = str(value).lower() if isinstance(value, bool) else str(value)
    raise PydanticCustomError("class_name", "class names must be text: quote '{word}'", {"word": word})


def _cleaned(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


def _auto_or_count(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1024):
        return value
    raise PydanticCustomError("auto_or_count", "expected auto or a whole number from 1 to 1024")


def _model_name(value: object) -> object:
    if isinstance(value, str) and (value in MODELS or is_code(value)):
        return value
    shown = clean(str(value))
    if shown.startswith(OTHER_DETECTORS):
        text = "'{name}' needs more than boxes: use fasterrcnn or retinanet"
        raise PydanticCustomError("model_name", text, {"name": shown})
    if shown.endswith(".py"):
        text = "name the function that builds the network too: {name}:build"
        raise PydanticCustomError("model_name", text, {"name": shown})
    raise PydanticCustomError(
        "model_name",
        "there is no model '{name}'{guess}: use tinyvgg_a to tinyvgg_e, tinyvgg_v0 to tinyvgg_v4, tinyvgg "
        "with blocks, a classifier or detector of torchvision, fasterrcnn_small, retinanet_small, or "
        "./net.py:build",
        {"name": shown, "guess": did_you_mean(shown, MODELS)},
    )


def _scale(value: object) -> object:
    value = as_tuple(value)
    sides = value if isinstance(value, tuple) else (value,)
    whole = all(isinstance(side, int) and not isinstance(side, bool) and 8 <= side <= 1024 for side in sides)
    if value is None or (whole and len(sides) in (1, 2) and not (len(sides) == 1 and sides is value)):
        return value
    raise PydanticCustomError("scale", "expected a side from 8 to 1024 pixels, or two: [Smin, Smax]")


def _views(value: object) -> object:
    value = as_tuple(value)
    for view in value if isinstance(value, tuple) else ():
        side = isinstance(view, int) and not isinstance(view, bool) and 8 <= view <= 1024
        if view != "hflip" and not side:
            raise PydanticCustomError("views", "expected hflip and sides from 8 to 1024: [hflip, 36, 40]")
    return value


def _keep(value: object) -> object:
    if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise PydanticCustomError("keep", "expected all, or how many of the newest to keep (at least 1)")


def _logger(value: object) -> object:
    """W&B's own words and those for true and false are understood too."""
    word = value.lower() if isinstance(value, str) else value
    if word in ("disabled", "no", "false", "none") or word is False:
        return "off"
    return "online" if word in ("on", "yes", "true") or word is True else word


def _weights(value: object) -> object:
    if isinstance(value, Path) or value in ("none", "imagenet", "coco"):
        return value
    raise PydanticCustomError("weights", "expected none, imagenet, coco or a file of weights (./NAME)")


def _jitter(value: object) -> object:
    value = as_tuple(value)
    numbers = [
        factor
        for factor in (value if isinstance(value, tuple) else ())
        if isinstance(factor, (int, float)) and not isinstance(factor, bool) and 0.1 <= factor <= 10
    ]
    if value is None or (isinstance(value, tuple) and len(numbers) == len(value) == 2):
        return value if value is None else (float(numbers[0]), float(numbers[1]))
    raise PydanticCustomError("jitter", "expected two factors from 0.1 to 10: [0.8, 1.25]")


def _kaggle(value: object) -> object:
    if value is None or (
        isinstance(value, str) and re.fullmatch(r"[\w-]+(/[\w.-]+){1}(/versions/\d+)?", value)
    ):
        return value
    raise PydanticCustomError("kaggle", "expected OWNER/NAME as in the address of the data set's page")


def _sides(value: object) -> str:
    return "sides" if isinstance(value, (dict, BaseModel)) else "side"


def _digest(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{8,64}", value):
        return value.lower()
    more = "" if isinstance(value, str) else ", in quotes"
    raise PydanticCustomError("digest", "expected 8 to 64 digits of a sha256{more}", {"more": more})


def _gpus(value: object) -> object:
    value = as_tuple(value)
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        value = (value,)
    for item in value if isinstance(value, tuple) else ():
        index = isinstance(item, int) and not isinstance(item, bool) and item >= 0
        if not index and not (isinstance(item, str) and re.fullmatch(r"[A-Za-z0-9/-]{1,80}", item)):
            raise PydanticCustomError("gpus", "expected the index of a GPU (0, 1, ...) or its UUID")
    return value


def _arguments(value: object) -> object:
    for item in value.values() if isinstance(value, dict) else ():
        for part in item if isinstance(item, (list, tuple)) else (item,):
            if not (part is None or isinstance(part, (bool, int, float, str))):
                raise PydanticCustomError(
                    "arguments", "expected numbers, texts, true, false or lists of them"
                )
    if isinstance(value, dict):
        return {key: as_tuple(item) for key, item in value.items()}
    return value


Scalar = bool | int | float | str | None
Switch = Annotated[bool, BeforeValidator(_switch)]
AutoOrCount = Annotated[int | Literal["auto"], BeforeValidator(_auto_or_count)]
ClassNames = Annotated[tuple[Annotated[str, BeforeValidator(_class_name)], ...], BeforeValidator(as_tuple)]
Texts = Annotated[tuple[Annotated[str, BeforeValidator(_cleaned)], ...], BeforeValidator(as_tuple)]
Channels = Annotated[tuple[float, float, float], BeforeValidator(as_tuple)]
Deviations = Annotated[
    tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]],
    BeforeValidator(as_tuple),
]
ModelName = Annotated[str, BeforeValidator(_model_name)]
Scale = Annotated[int | tuple[int, int] | None, BeforeValidator(_scale)]
Views = Annotated[tuple[Literal["hflip"] | int, ...], BeforeValidator(_views)]
Keep = Annotated[int | Literal["all"], BeforeValidator(_keep)]
Jitter = Annotated[tuple[float, float] | None, BeforeValidator(_jitter)]
KaggleName = Annotated[str | None, BeforeValidator(_kaggle)]
Weights = Annotated[Literal["none", "imagenet", "coco"] | Path, BeforeValidator(_weights)]
Digest = Annotated[str, BeforeValidator(_digest)]
Logger = Annotated[Literal["off", "online", "offline"], BeforeValidator(_logger)]
Arguments = Annotated[dict[str, Scalar | tuple[Scalar, ...]], BeforeValidator(_arguments)]
Gpus = Annotated[tuple[int | str, ...], BeforeValidator(_gpus)]


class ImageSize(Section):
    """Size of a detector's images: as large as both bounds allow, with their aspect ratio kept."""

    min: int = field(ge=32, le=4096)
    """The shorter side in pixels, unless the longer one would pass `max`."""
    max: int = field(ge=32, le=8192)
    """Most pixels of the longer side."""


Size = Annotated[
    Annotated[Annotated[int, Field(ge=16, le=1024)], Tag("side")] | Annotated[ImageSize, Tag("sides")],
    Discriminator(_sides),
]
