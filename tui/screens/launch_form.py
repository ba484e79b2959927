"""The fields of the launch form: from the schema, with what each of them is for and whether it counts now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from core.config.workspace import Workspace
from core.errors import UsageError
from core.reading import is_directory
from core.text import clean
from tui.widgets.form import Field

if TYPE_CHECKING:
    from core.config.fields import FieldSpec
    from core.config.schema import Experiment
    from core.errors import Problem
    from tui.dialogs.choose import Choice

NAME = Field("name", "Run", "", "", "A name for this run; without one it is named after its config.")
Fields = dict[str, Field]
FOLDERS = "folders"
"""What the folders of data sets that were chosen in the form are kept as."""
_ROOT = "data.root"
_SUBSETS_OF = 3
"""Lists of at most so many words can be stepped through."""


def fields_of(experiment: Experiment) -> Fields:
    """One field a setting, by dotted key, with the values of `experiment`; the run's name first."""
    from core.config.fields import as_text, field_specs, form_values

    values = form_values(experiment)
    fields = {NAME.key: NAME}
    for spec in field_specs():
        value = clean(values[spec.key])
        fields[spec.key] = Field(
            spec.key,
            spec.group,
            value,
            value,
            _help(spec.help, spec.choices, spec.bounds, as_text(spec.default)),
            steps(spec),
        )
    return ruled(fields)


def with_value(fields: Fields, key: str, value: str) -> Fields:
    """`fields` with another value, and what then counts."""
    return ruled({**fields, key: replace(fields[key], value=value)})


def with_settings(fields: Fields, experiment: Experiment) -> Fields:
    """`fields` with the settings of another experiment, as changes."""
    from core.config.fields import form_values

    values = form_values(experiment)
    moved = {
        key: replace(field, value=clean(values[key]))
        for key, field in fields.items()
        if key in values and field.value != clean(values[key])
    }
    return ruled({**fields, **moved})


def with_folder(fields: Fields, config: str, folders: Mapping[str, str]) -> Fields:
    """`fields` with the folder that was chosen last time, where that of the file is not there.

    `folders` are folders by what `_folder_key` gives.
    """
    folder = folders.get(_folder_key(fields, config), "")
    original = fields[_ROOT].original
    if not folder or (original and is_directory(original)) or not is_directory(folder):
        return fields
    return with_value(fields, _ROOT, folder)


def folders_chosen(fields: Fields, config: str) -> dict[str, str]:
    """The folder to be chosen again next time, if it was."""
    field = fields[_ROOT]
    return {_folder_key(fields, config): field.value} if field.changed and field.value else {}


def save_config(workspace: Workspace, experiment: Experiment, name: str) -> str:
    """Write an experiment to a new file in configs/; returns where. Raises UsageError, OSError."""
    from core.config.load import dump
    from core.store.files import touch_exclusive, write_bytes

    stem = name.removesuffix(".yaml")
    if not re.fullmatch(r"\w[\w.-]*", stem):
        raise UsageError(f"{clean(name)} is no name for a config: use letters, digits, - and _.")
    path = workspace.configs / f"{stem}.yaml"
    if not touch_exclusive(path):
        raise UsageError(f"{clean(str(path))} is there already: type another name.")
    write_bytes(path, dump(experiment).encode())
    return clean(str(path))


def _folder_key(fields: Fields, config: str) -> str:
    """Configs of the same data set name the same folder; of one that names none, the config itself."""
    return fields[_ROOT].original or config


def followed(fields: Fields, experiment: Experiment) -> Fields:
    """`fields` as `experiment` has them where nobody changed them: defaults depend on the model.

    `experiment` is what the fields say.
    """
    from core.config.fields import form_values

    values = form_values(experiment)
    moved = {
        key: replace(field, value=clean(values[key]), original=clean(values[key]))
        for key, field in fields.items()
        if key in values and not field.changed and field.value != clean(values[key])
    }
    return ruled({**fields, **moved}) if moved else fields


def overrides(fields: Fields) -> list[str]:
    """What was changed, as `KEY=VALUE` words."""
    return [f"{field.key}={field.value}" for field in changed(fields)]


def changed(fields: Fields) -> list[Field]:
    """The settings that are not as in the file."""
    return [field for field in fields.values() if field.changed and field.key != NAME.key]


def ruled(fields: Fields) -> Fields:
    """`fields` with the reason at those that count for nothing."""
    from core.config.relevance import unused

    reasons = unused({key: field.value for key, field in fields.items()})
    return {
        key: field if field.unused == reasons.get(key, "") else replace(field, unused=reasons.get(key, ""))
        for key, field in fields.items()
    }


def faults_by_field(problems: Iterable[Problem], fields: Fields) -> tuple[dict[str, str], tuple[str, ...]]:
    """Sentences by the field they stand under, and those that belong to none.

    A problem of a section (`data`) stands under the first field of it.
    """
    by_field: dict[str, list[str]] = {}
    general: list[str] = []
    for problem in problems:
        if problem.key in fields:
            by_field.setdefault(problem.key, []).append(problem.text)
        elif place := next((key for key in fields if _belongs(problem.key, key)), None):
            by_field.setdefault(place, []).append(f"{problem.key}: {problem.text}")
        else:
            general.append(str(problem))
    return {key: "; ".join(texts) for key, texts in by_field.items()}, tuple(general)


def steps(spec: FieldSpec) -> tuple[str, ...]:
    """The values that the arrow keys go through; nothing for settings that are typed."""
    if spec.kind == "boolean":
        return ("true", "false")
    if spec.kind == "list":
        if not 0 < len(spec.choices) <= _SUBSETS_OF:
            return ()
        least = 0 if spec.optional or not spec.default else 1
        return tuple(
            f"[{', '.join(words)}]"
            for size in range(least, len(spec.choices) + 1)
            for words in combinations(spec.choices, size)
        )
    return (*([""] if spec.optional and spec.choices else []), *spec.choices)


def model_choices(names: Sequence[str]) -> list[Choice]:
    """The networks by name, each with its family."""
    from core.config.names import BLOCKS_MODEL, TINYVGG, is_detector
    from tui.dialogs.choose import Choice

    def note(name: str) -> str:
        if name == BLOCKS_MODEL:
            return "TinyVGG made of blocks"
        if is_detector(name):
            return "detector"
        return "TinyVGG" if name in TINYVGG else "torchvision"

    return [Choice(name, note(name)) for name in names]


def value_choices(field: Field) -> tuple[list[Choice], str]:
    """What a field can be, and what else may be typed."""
    from tui.dialogs.choose import Choice

    if field.key == "model":
        return model_choices(field.choices), "./net.py:build is your own network"
    return [Choice(value) for value in field.choices], ""


def setting_choices(fields: Mapping[str, Field]) -> list[Choice]:
    """Every setting with its help, to be found by a word."""
    from tui.dialogs.choose import Choice

    return [Choice(field.key, field.help) for field in fields.values()]


def _belongs(problem: str, field: str) -> bool:
    """Whether one key is a part of the other: `data` of `data.root`, `blocks.0.channels` of `blocks`."""
    return bool(problem) and (field.startswith(f"{problem}.") or problem.startswith(f"{field}."))


def _help(text: str, choices: Sequence[str], bounds: str, default: str) -> str:
    """The field's help line with what is allowed and the default."""
    words = " | ".join(choices) if len(choices) <= 8 else f"{len(choices)} names: ⏎ lists them"
    extra = [part for part in (words, bounds) if part]
    if default:
        extra.append(f"default {default}")
    return clean(f"{text} ({'; '.join(extra)})" if extra else text)
