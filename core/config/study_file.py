"""A study's file as written: its keys, checked, and the trials that its grid and its list come to."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ValidationError
from pydantic_core import PydanticCustomError

from core.config.field_types import Section, as_tuple, field
from core.config.layers import absolute, find_config
from core.config.problems import guess_key, problem_at, show
from core.config.schema import Experiment
from core.config.workspace import Workspace
from core.config.yaml12 import Place, Tree, leaves, parse_document
from core.errors import ConfigError, MissingFileError, Problem, UnreadableError
from core.reading import SMALL, read_text
from core.text import clean, did_you_mean

MANY = 1000
"""Runs beyond which a study is taken for a slip of the pen, unless its user says otherwise."""
_OWN = ("name", "seeds")
_VARIED = ("seed", "data.split.seed")


def _seeds(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1000:
        return tuple(range(value))
    seeds = tuple(value) if isinstance(value, list | tuple) else ()
    whole = all(type(seed) is int and seed >= 0 for seed in seeds)
    if seeds and whole and len(frozenset(seeds)) == len(seeds):
        return seeds
    raise PydanticCustomError("seeds", "expected how many seeds, or different ones: [0, 1, 2]")


Seeds = Annotated[tuple[int, ...], BeforeValidator(_seeds)]
Words = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]


class StopRules(Section):
    """When a study stops queueing runs; those that train are left to end."""

    failures: int | None = field(None, ge=1)
    """After this many failed runs."""
    minutes: float | None = field(None, gt=0)
    """After so many minutes of training, all its runs together."""


class StudyFile(Section):
    """The keys of a study's file."""

    base: str = field()
    """The config that all trials start from: a path relative to this file, or a name in configs/."""
    data: str | None = field(None)
    """Other data for all trials: a name in configs/data, or a folder."""
    set: dict[str, Any] = field({})
    """Settings of all trials: {threads: 1, checkpoint.keep: 3}."""
    grid: dict[str, Any] = field({})
    """Keys with a list of values each; every combination is a trial."""
    trials: Annotated[tuple[dict[str, Any], ...], BeforeValidator(as_tuple)] = field(())
    """Trials one by one: settings, with a `name` and `seeds` of their own where wanted."""
    seeds: Seeds = field((0,))
    """How many seeds each trial gets, or which: 3 or [0, 1, 2]."""
    vary: Annotated[tuple[Literal["seed", "data.split.seed"], ...], BeforeValidator(as_tuple)] = field(
        ("seed",)
    )
    """What a seed changes: weights, order and augmentation (seed), the split (data.split.seed), or both."""
    epochs: int | None = field(None, ge=1)
    """Epochs of every trial; absent: those of the config."""
    metric: str | None = field(None)
    """What trials are compared by; absent: the config's metric."""
    judge: Literal["best", "last"] = field("best")
    """Compare the best epoch's value of each run, or the last one's."""
    columns: Words = field(())
    """More metrics for the table, taken at the epoch that is judged."""
    stop: StopRules = field(StopRules())
    """When no further run is queued."""


@dataclass(frozen=True)
class Cell:
    """A trial as written: where it stands, its name if it has one, its settings by dotted key, its seeds."""

    key: tuple[str | int, ...]
    name: str
    settings: dict[str, Any]
    seeds: tuple[int, ...]


def read_file(path: Path) -> Tree:
    place = Place(path, 1, path.parent)
    try:
        text = read_text(path, SMALL)
    except MissingFileError:
        raise ConfigError([Problem(path, 0, "", "no such study")]) from None
    except UnreadableError as error:
        raise ConfigError([Problem(path, error.line, "", error.reason)]) from None
    tree = parse_document(text, place, frozenset(StudyFile.model_fields))
    if tree.problems:
        raise ConfigError(tree.problems)
    return tree


def checked(tree: Tree) -> StudyFile:
    try:
        return StudyFile.model_validate(tree.value)
    except ValidationError as error:
        problems = [_fault(dict(detail), tree) for detail in error.errors(include_url=False)]
        raise ConfigError(problems) from None


def _fault(detail: dict[str, Any], tree: Tree) -> Problem:
    key = tuple(part for part in detail["loc"] if isinstance(part, str | int))
    if detail["type"] == "extra_forbidden":
        word = str(key[-1])
        known = StopRules.model_fields if key[:1] == ("stop",) else StudyFile.model_fields
        return problem_at(tree, key, f"unknown key{did_you_mean(word, known)}; known: {', '.join(known)}")
    if detail["type"] == "missing":
        return problem_at(tree, key, "must be given: the config that all trials start from")
    text = str(detail["msg"])
    return problem_at(tree, key, f"{text[:1].lower()}{clean(text[1:])}, got {show(detail['input'])}")


def base_of(given: StudyFile, tree: Tree, workspace: Workspace) -> Path:
    place = tree.place(("base",))
    folder = place.folder if place else Path.cwd()
    beside = Path(absolute(given.base, folder))
    if beside.is_file():
        return beside
    try:
        return find_config(Path(given.base), workspace)
    except ConfigError as error:
        raise ConfigError([problem_at(tree, ("base",), error.problems[0].text)]) from None


def cells_of(given: StudyFile, tree: Tree, most: int | None) -> list[Cell]:
    """The trials as written: the grid's combinations, then the listed ones."""
    problems: list[Problem] = []
    total = len(given.trials) * len(given.seeds)
    axes: list[tuple[str, list[Any]]] = []
    for key, values in given.grid.items():
        for word, listed in _flat(key, values):
            problems += _key_problems(tree, ("grid", key), word)
            if not isinstance(listed, list) or not listed:
                problems.append(
                    problem_at(tree, ("grid", key), f"expected a list of values, got {show(listed)}")
                )
            else:
                axes.append((word, listed))
    for key in given.set:
        problems += _key_problems(tree, ("set", key), key.split(".")[0])
    combinations = 1
    for _, values in axes:
        combinations *= len(values)
    total += combinations * len(given.seeds) if axes else 0
    if most is not None and total > most and not problems:
        text = f"it has {total:,} runs: --yes queues them all".replace(",", " ")
        problems.append(problem_at(tree, ("grid",) if axes else (), text))
    if problems:
        raise ConfigError(problems)
    cells = [
        Cell(("grid",), "", dict(zip((key for key, _ in axes), values, strict=True)), given.seeds)
        for values in (itertools.product(*(values for _, values in axes)) if axes else ())
    ]
    for number, trial in enumerate(given.trials):
        cells.append(_listed(trial, number, given, tree, problems))
    if not cells:
        problems.append(problem_at(tree, (), "it has no trials: add `grid` or `trials`"))
    if problems:
        raise ConfigError(problems)
    return cells


def _listed(
    trial: dict[str, Any], number: int, given: StudyFile, tree: Tree, problems: list[Problem]
) -> Cell:
    where = ("trials", number)
    settings: dict[str, Any] = {}
    for key, value in trial.items():
        if key in _OWN:
            continue
        for word, item in _flat(key, value):
            problems += _key_problems(tree, (*where, key), word)
            settings[word] = item
    seeds, name = given.seeds, trial.get("name")
    if "seeds" in trial:
        try:
            seeds = _seeds(trial["seeds"])  # type: ignore[assignment]
        except PydanticCustomError as error:
            problems.append(problem_at(tree, (*where, "seeds"), error.message()))
    if name is not None and not (isinstance(name, str | int | float) and str(name).strip()):
        problems.append(problem_at(tree, (*where, "name"), f"expected a name, got {show(name)}"))
    return Cell(where, clean(str(name)) if name is not None else "", settings, seeds)


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """`augment: {scale: 36}` and `augment.scale: 36` are the same."""
    if not isinstance(value, dict):
        yield key, value
        return
    for path, item in leaves(value):
        yield ".".join([key, *map(str, path)]), item


def _key_problems(tree: Tree, where: tuple[str | int, ...], key: str) -> list[Problem]:
    if key in _VARIED:
        return [
            problem_at(tree, where, "seeds are given by `seeds` and `vary`, so that trials can be paired")
        ]
    if key == "epochs":
        return [
            problem_at(
                tree,
                where,
                "give `epochs` once, for all trials: runs of different lengths cannot be compared",
            )
        ]
    parts = tuple(key.split("."))
    if parts[0] in Experiment.model_fields:
        return []
    guess = guess_key(parts)
    return [problem_at(tree, where, f"unknown key{f' (did you mean {guess!r}?)' if guess else ''}")]
