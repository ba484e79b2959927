"""A study in one YAML file: a base config, settings that vary, seeds. Checked whole before any run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ValidationError
from pydantic_core import PydanticCustomError

from core.config.fields import as_text, metric_mode, resolve_metric
from core.config.layers import absolute, find_config
from core.config.load import load_experiment, result_key
from core.config.parts import Section, as_tuple, field
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
class Trial:
    """One setting of a study. `levels` holds the text of each varied key, empty where it is the base's.

    `experiments` are the complete settings of each of its `seeds`; `keys` stand for all of them that change
    numbers (`result_key`).
    """

    name: str
    levels: Mapping[str, str]
    seeds: tuple[int, ...]
    experiments: tuple[Experiment, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """A checked study. `metric` is better when `mode` says so; its runs are filed under `config`."""

    name: str
    source: Path
    config: str
    trials: tuple[Trial, ...]
    factors: tuple[str, ...]
    vary: tuple[str, ...]
    epochs: int
    metric: str
    mode: Literal["max", "min"]
    judge: Literal["best", "last"]
    columns: tuple[str, ...]
    stop: StopRules

    @property
    def size(self) -> int:
        """How many runs it has."""
        return sum(len(trial.seeds) for trial in self.trials)

    def trial(self, name: str) -> Trial:
        """The trial called `name`, or the only one whose name has it in it. Raises ConfigError."""
        same = [trial for trial in self.trials if trial.name == name]
        like = same or [trial for trial in self.trials if name.lower() in trial.name.lower()]
        if len(like) == 1:
            return like[0]
        names = [trial.name for trial in self.trials]
        text = (
            f"'{clean(name)}' fits {len(like)} trials: {', '.join(trial.name for trial in like[:5])}"
            if like
            else f"no trial is called '{clean(name)}'{did_you_mean(name, names)}: {', '.join(names[:20])}"
        )
        raise ConfigError([Problem(self.source, 0, "", text)])


def study_files(workspace: Workspace) -> list[Path]:
    """The studies in `configs/studies`, by name; an unreadable folder has none."""
    try:
        entries = sorted((workspace.configs / "studies").iterdir())
    except OSError:
        return []
    return [
        path for path in entries if path.suffix in (".yaml", ".yml") and not path.name.startswith(("_", "."))
    ]


def find_study(given: str, workspace: Workspace) -> Path:
    """The file of the study `given`: a path, or a name in `configs/studies`. Raises ConfigError."""
    path = Path(absolute(given, Path.cwd()))
    if path.is_file():
        return path
    known = {file.stem: file for file in study_files(workspace)}
    if given in known:
        return known[given]
    guess = did_you_mean(given, known)
    where = clean(str(workspace.configs / "studies"))
    raise ConfigError(
        [Problem(path, 0, "", f"no such study{guess}: give a file, or the name of one in {where}")]
    )


def load_study(
    path: Path,
    *,
    workspace: Workspace,
    data: str | None = None,
    more_seeds: Mapping[str, Sequence[int]] | None = None,
    most: int | None = MANY,
) -> Study:
    """The study in the file `path`. Raises ConfigError with all its problems.

    `data` takes the place of the file's own; `more_seeds` adds seeds to trials by name. `most` is the number
    of runs that needs no question (None: any).
    """
    tree = _read(path)
    given = _file(tree)
    source = _base(given, tree, workspace)
    cells = _cells(given, tree, most)
    factors = tuple(dict.fromkeys(key for cell in cells for key in cell.settings))
    problems: list[Problem] = []
    trials: list[Trial] = []
    seen: dict[str, str] = {}
    for cell in cells:
        try:
            first = load_experiment(
                source, _overrides(given, cell), data=data or given.data, workspace=workspace
            ).experiment
        except ConfigError as error:
            problems += [_moved(problem, cell, tree) for problem in error.problems]
            continue
        name = cell.name or _default_name(cell.settings, factors)
        seeds = (*cell.seeds, *(seed for seed in (more_seeds or {}).get(name, ()) if seed not in cell.seeds))
        experiments = tuple(_with_seed(first, seed, given.vary) for seed in seeds)
        keys = tuple(result_key(experiment) for experiment in experiments)
        for key in keys:
            if key in seen:
                text = f"trial '{name}' has the same settings as '{seen[key]}'"
                problems.append(problem_at(tree, cell.key, text))
                break
        seen.update(dict.fromkeys(keys, name))
        if any(trial.name == name for trial in trials):
            problems.append(problem_at(tree, cell.key, f"two trials are called '{name}'"))
        levels = {key: as_text(cell.settings[key]) if key in cell.settings else "" for key in factors}
        trials.append(Trial(name, levels, seeds, experiments, keys))
    if not problems:
        problems += _unequal(trials, given, tree)
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    first = trials[0].experiments[0]
    metric = given.metric or resolve_metric(first)
    return Study(
        name=clean(path.stem),
        source=path,
        config=clean(source.stem),
        trials=tuple(trials),
        factors=factors,
        vary=given.vary,
        epochs=first.epochs,
        metric=metric,
        mode=metric_mode(metric),
        judge=given.judge,
        columns=given.columns,
        stop=given.stop,
    )


@dataclass(frozen=True)
class _Cell:
    key: tuple[str | int, ...]
    name: str
    settings: dict[str, Any]
    seeds: tuple[int, ...]


def _read(path: Path) -> Tree:
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


def _file(tree: Tree) -> StudyFile:
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


def _base(given: StudyFile, tree: Tree, workspace: Workspace) -> Path:
    place = tree.place(("base",))
    folder = place.folder if place else Path.cwd()
    beside = Path(absolute(given.base, folder))
    if beside.is_file():
        return beside
    try:
        return find_config(Path(given.base), workspace)
    except ConfigError as error:
        raise ConfigError([problem_at(tree, ("base",), error.problems[0].text)]) from None


def _cells(given: StudyFile, tree: Tree, most: int | None) -> list[_Cell]:
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
        _Cell(("grid",), "", dict(zip((key for key, _ in axes), values, strict=True)), given.seeds)
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
) -> _Cell:
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
    return _Cell(where, clean(str(name)) if name is not None else "", settings, seeds)


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """`augment: {scale: 36}` and `augment.scale: 36` are the same."""
    if not isinstance(value, dict):
        yield key, value
        return
    for path, item in leaves(value):
        yield ".".join([key, *map(str, path)]), item


def _key_problems(tree: Tree, where: tuple[str | int, ...], key: str) -> list[Problem]:
    if key in _VARIED:
        return [problem_at(tree, where, "seeds are given by `seeds` and `vary`, so that they pair")]
    if key == "epochs":
        return [problem_at(tree, where, "give `epochs` once, for all trials: other lengths do not compare")]
    parts = tuple(key.split("."))
    if parts[0] in Experiment.model_fields:
        return []
    guess = guess_key(parts)
    return [problem_at(tree, where, f"unknown key{f' (did you mean {guess!r}?)' if guess else ''}")]


def _overrides(given: StudyFile, cell: _Cell) -> list[str]:
    words = [f"{key}={as_text(value)}" for key, value in given.set.items()]
    words += [f"{key}={as_text(value)}" for key, value in cell.settings.items()]
    return [*words, f"epochs={given.epochs}"] if given.epochs is not None else words


def _moved(problem: Problem, cell: _Cell, tree: Tree) -> Problem:
    """A problem of a setting, at the line of the study's file that gives it."""
    if problem.file is None or not problem.file.name.startswith("--"):
        return problem
    for where in ((*cell.key, problem.key), ("set", problem.key), (*cell.key, problem.key.split(".")[0])):
        if where in tree.places:
            place = tree.places[where]
            return Problem(place.file, place.line, problem.key, problem.text)
    return problem_at(tree, cell.key, f"{problem.key}: {problem.text}")


def _with_seed(experiment: Experiment, seed: int, vary: Sequence[str]) -> Experiment:
    changed: dict[str, Any] = {}
    if "seed" in vary:
        changed["seed"] = seed
    if "data.split.seed" in vary:
        split = experiment.data.split.model_copy(update={"seed": seed})
        changed["data"] = experiment.data.model_copy(update={"split": split})
    return experiment.model_copy(update=changed)


def _default_name(settings: Mapping[str, Any], factors: Sequence[str]) -> str:
    """`model=tinyvgg_a scale=36`: last words of the keys, whole keys where those are ambiguous."""
    last = [key.rsplit(".", 1)[-1] for key in factors]
    words = []
    for key, value in settings.items():
        leaf = key.rsplit(".", 1)[-1]
        words.append(f"{leaf if last.count(leaf) == 1 else key}={as_text(value) or 'none'}")
    return clean(" ".join(words)) or "base"


def _unequal(trials: Sequence[Trial], given: StudyFile, tree: Tree) -> list[Problem]:
    """Trials that cannot stand in one table: another metric, or another number of epochs."""
    first = trials[0].experiments[0]
    problems = []
    kinds = {trial.experiments[0].is_detector for trial in trials}
    if len(kinds) > 1:
        problems.append(problem_at(tree, (), "it mixes classifiers and detectors: they share no metric"))
    if given.metric is None and len({resolve_metric(trial.experiments[0]) for trial in trials}) > 1:
        problems.append(problem_at(tree, (), "its trials have different metrics: give `metric`"))
    if len({trial.experiments[0].epochs for trial in trials}) > 1:
        problems.append(problem_at(tree, (), "its trials have different numbers of epochs: give `epochs`"))
    if not first.is_detector and given.metric is not None and given.metric.startswith("val/ma"):
        problems.append(problem_at(tree, ("metric",), f"classifiers have no {clean(given.metric)}"))
    return problems
