"""Who asked for work: on which machine, with which interpreter and which settings of the environment.

Written with a request or a job, so that it is carried out as there, whoever's process starts it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import core
from core.store import process
from core.store.json_values import mapping_of, text_of

_KEY = "asked_by"
_LONGEST = 4000
_NAMES = frozenset(
    ["PYTHONPATH", "PYTHONHASHSEED", "LD_LIBRARY_PATH", "XDG_CACHE_HOME", "TMPDIR", "LABTUI_FONT"]
)
_PREFIXES = (
    *("TORCH_", "PYTORCH_", "CUDA_", "CUBLAS_", "CUDNN_", "NCCL_"),
    *("MKL_", "ATEN_", "HF_", "KAGGLE_", "WANDB_"),
)
_NEVER = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|CUDA_VISIBLE_DEVICES|CUDA_DEVICE_ORDER")
_ENTRY = Path("core/engine/__main__.py")


@dataclass(frozen=True)
class Origin:
    """`python` is an interpreter, `root` the folder of the packages that it ran. Empty where nothing says so.

    `env` are the variables that count, as they were; None in requests of earlier versions.
    """

    host: str = ""
    python: str = ""
    root: str = ""
    env: Mapping[str, str] | None = field(default=None)

    @property
    def can_run(self) -> bool:
        """Whether its interpreter and packages are still there."""
        if not (os.path.isabs(self.python) and os.path.isabs(self.root)):
            return False
        return os.access(self.python, os.X_OK) and os.path.isfile(os.path.join(self.root, _ENTRY))

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """`environ` with the variables that count as they were where this was asked for."""
        if self.env is None:
            return dict(environ)
        return {**{name: value for name, value in environ.items() if not counts(name)}, **self.env}


def counts(name: str) -> bool:
    """Whether a variable is taken along: what changes numbers or says where files are; never a secret."""
    if _NEVER.search(name):
        return False
    return name in _NAMES or name.startswith(_PREFIXES)


def asked_by(environ: Mapping[str, str]) -> dict[str, Any]:
    """What a request says of this process."""
    root = Path(core.__file__).parents[1]
    env = {name: value for name, value in sorted(environ.items()) if counts(name) and len(value) <= _LONGEST}
    about = {"host": process.host(), "python": sys.executable, "root": str(root), "env": env}
    return {_KEY: _plain(about), **_visible(environ)}


def origin_of(content: Mapping[str, Any]) -> Origin:
    """Who wrote a request or a job, by its content; never raises."""
    about = mapping_of(content.get(_KEY))
    env = about.get("env")
    host = text_of(about.get("host"), 255)
    if host != process.host() or not isinstance(env, dict):
        # Its paths mean nothing here.
        return Origin(host)
    kept = {
        name: value
        for name, value in env.items()
        if counts(name) and isinstance(value, str) and _word(value) == value
    }
    return Origin(host, _word(about.get("python")), _word(about.get("root")), kept)


def _visible(environ: Mapping[str, str]) -> dict[str, str]:
    """The GPUs that whoever asks may use: `{"visible": "0,1"}`, or nothing."""
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    return {} if visible is None else {"visible": visible[:1000]}


def _word(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= _LONGEST and "\0" not in value else ""


def _plain(about: dict[str, Any]) -> dict[str, Any]:
    """Without what JSON cannot hold: bytes that are no UTF-8."""
    env = {name: value for name, value in about["env"].items() if _is_text(name + value)}
    return {**{name: value for name, value in about.items() if name == "env" or _is_text(value)}, "env": env}


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
