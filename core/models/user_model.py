"""The user's own network: a function in a Python file, `./net.py:build`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType, TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from core.config.schema import Experiment
from core.errors import MissingFileError, UnreadableError, UsageError
from core.models.summary import in_evaluation
from core.reading import read_bytes
from core.text import clean, did_you_mean

_LONGEST = 300


def build_own(experiment: Experiment, classes: int, code: Path | None) -> nn.Module:
    """What `build(num_classes=classes, **model_args)` of the file returns, tried on two blank images.

    The file is read from `code`, by default from where the config says; it has to stand alone. Raises
    UsageError, naming file and line, for any fault in it.
    """
    path, _, name = experiment.model.rpartition(":")
    file = code or Path(path)
    with _faults_of(file):
        module = _executed(file)
    build = getattr(module, name, None)
    if not callable(build):
        names = [key for key, value in vars(module).items() if isinstance(value, FunctionType)]
        raise UsageError(f"{_shown(file)} has no function '{name}'{did_you_mean(name, names)}.")
    with _faults_of(file, build):
        model = build(num_classes=classes, **experiment.model_args)
    where = f"{_shown(file)}:{_first_line(build)}"
    if not isinstance(model, nn.Module):
        raise UsageError(f"{where}: {name} must return a torch.nn.Module, not {type(model).__name__}.")
    with _faults_of(file, build):
        logits = _tried(model, experiment.side)
    if not isinstance(logits, Tensor) or logits.shape != (2, classes):
        got = f"of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise UsageError(
            f"{where}: the network of {name} must give logits of shape (images, {classes}): for 2 images of "
            f"{experiment.side} pixels it gave {got}."
        )
    return model


def _executed(file: Path) -> ModuleType:
    """The file as a module, without a bytecode file beside it."""
    module = ModuleType(f"_labtui_own_{file.stem}")
    module.__file__ = str(file)
    # Data classes and pickling look a module up by its name.
    sys.modules[module.__name__] = module
    exec(compile(read_bytes(file), str(file), "exec"), module.__dict__)
    return module


def _tried(model: nn.Module, image_size: int) -> Any:
    """The output for two blank images."""
    with in_evaluation(model), torch.no_grad():
        return model(torch.zeros(2, 3, image_size, image_size))


@contextmanager
def _faults_of(file: Path, build: Callable[..., Any] | None = None) -> Iterator[None]:
    """Whatever the user's code raises becomes one sentence; `build` gives the line when no frame does."""
    try:
        yield
    except MissingFileError as error:
        raise UsageError(f"{_shown(file)}: no such file; the config's model names it.") from error
    except UnreadableError as error:
        raise UsageError(str(error)) from error
    except SyntaxError as error:
        inside = error.filename == str(file)
        line = error.lineno if inside else _line(file, error.__traceback__)
        raise UsageError(f"{_shown(file)}:{line or 1}: {_text(error)}.") from error
    except ModuleNotFoundError as error:
        beside = (file.parent / f"{(error.name or '').partition('.')[0]}.py").exists()
        hint = "the network must be in a single file" if beside else "install it in labtui's environment"
        raise UsageError(f"{_sentence(file, error, build)[:-1]}: {hint}.") from error
    except (Exception, SystemExit) as error:
        raise UsageError(_sentence(file, error, build)) from error


def _sentence(file: Path, error: BaseException, build: Callable[..., Any] | None) -> str:
    line = _line(file, error.__traceback__) or (_first_line(build) if build else 0)
    place = f"{_shown(file)}:{line}" if line else _shown(file)
    return f"{place}: {_text(error)}."


def _text(error: BaseException) -> str:
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    lines = clean(message, newlines=True).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return text[:_LONGEST].rstrip(". ")


def _line(file: Path, traceback: TracebackType | None) -> int:
    """The innermost line of `file` that the error passed through, 0 when there is none."""
    line = 0
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(file):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _first_line(build: Callable[..., Any]) -> int:
    code = getattr(build, "__code__", None)
    return int(code.co_firstlineno) if code is not None else 1


def _shown(file: Path) -> str:
    return clean(str(file))
