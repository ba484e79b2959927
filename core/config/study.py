"""A study in one YAML file: a base config, settings that vary, seeds. Checked whole before any run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.config.fields import as_text
from core.config.layers import absolute
from core.config.load import load_experiment, result_key
from core.config.problems import problem_at
from core.config.resolve_defaults import resolve_metric
from core.config.schema import Experiment
from core.config.study_file import (
    MANY,
    Cell,
    StopRules,
    StudyFile,
    base_of,
    cells_of,
    checked,
    read_file,
)
from core.config.workspace import Workspace
from core.config.yaml12 import Tree
from core.errors import ConfigError, Problem
from core.metrics import Mode, mode_of
from core.text import clean, did_you_mean


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
    mode: Mode
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
            f"'{clean(name)}' matches {len(like)} trials: {', '.join(trial.name for trial in like[:5])}"
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
    tree = read_file(path)
    given = checked(tree)
    source = base_of(given, tree, workspace)
    cells = cells_of(given, tree, most)
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
        mode=mode_of(metric),
        judge=given.judge,
        columns=given.columns,
        stop=given.stop,
    )


def _overrides(given: StudyFile, cell: Cell) -> list[str]:
    words = [f"{key}={as_text(value)}" for key, value in given.set.items()]
    words += [f"{key}={as_text(value)}" for key, value in cell.settings.items()]
    return [*words, f"epochs={given.epochs}"] if given.epochs is not None else words


def _moved(problem: Problem, cell: Cell, tree: Tree) -> Problem:
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
        problems.append(
            problem_at(tree, (), "it mixes classifiers and detectors: they have no common metric")
        )
    if given.metric is None and len({resolve_metric(trial.experiments[0]) for trial in trials}) > 1:
        problems.append(problem_at(tree, (), "its trials have different metrics: give `metric`"))
    if len({trial.experiments[0].epochs for trial in trials}) > 1:
        problems.append(problem_at(tree, (), "its trials have different numbers of epochs: give `epochs`"))
    if not first.is_detector and given.metric is not None and given.metric.startswith("val/ma"):
        problems.append(problem_at(tree, ("metric",), f"classifiers have no {clean(given.metric)}"))
    return problems
