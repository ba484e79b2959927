"""What this machine offers and lacks, each with what to do about it; nothing here imports torch."""

from __future__ import annotations

import locale
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Literal

from core.config.workspace import (
    WORKSPACE_ENV,
    Workspace,
    cache_path,
    config_files,
    require_state_home,
    state_path,
)
from core.errors import StateFolderError
from core.humanise import size
from core.launch.nvml import unlisted_cards
from core.launch.queue import QueueView
from core.launch.slots import SLOTS_ENV, cores, cpu_slots, gpu_fault, gpu_status
from core.reading import exists
from core.store.locks import is_network
from core.store.runs_folder import doubts

Level = Literal["ok", "note", "bad"]
_LOW_DISK = 5e9
_EXTRAS = {
    "wandb": ("wandb", "log.wandb"),
    "tensorboard": ("tensorboard", "log.tensorboard"),
    "kagglehub": ("kaggle", "data.kaggle"),
}
"""By package: the extra that brings it, and the key that needs it."""


@dataclass(frozen=True)
class Finding:
    """One fact. `advice` says what to do; it is empty when there is nothing to do."""

    name: str
    level: Level
    value: str
    advice: str = ""


def examine(workspace: Workspace) -> list[Finding]:
    """All findings, in the order in which they are shown."""
    return [
        *_software(),
        *_extras(),
        *_devices(),
        *_processor(),
        *_disk(workspace),
        *_workspace(workspace),
        *_session(),
        *_terminal(),
    ]


def _software() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{sys.version.split()[0]} at {sys.executable}")
    missing = []
    for line in _requirements():
        try:
            version(line)
        except PackageNotFoundError:
            missing.append(line)
    if missing:
        yield Finding(
            "packages",
            "bad",
            f"missing: {', '.join(missing)}",
            "install labtui again in its own environment",
        )
    else:
        yield Finding("packages", "ok", "complete")
    if "torch" not in missing:
        yield Finding("torch", "ok", version("torch"))


def _requirements() -> list[str]:
    """Names of the distributions that labtui needs, without those of its extras."""
    try:
        lines = requires("labtui") or []
    except PackageNotFoundError:
        return ["labtui"]
    return [re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in lines if "extra ==" not in line]


def _devices() -> Iterator[Finding]:
    gpus = gpu_status()
    if fault := gpu_fault():
        yield Finding(
            "GPUs",
            "bad",
            fault,
            "see nvidia-smi; until this is fixed, runs that may use a GPU wait",
        )
        if not gpus:
            return
    elif not gpus and unlisted_cards():
        advice = "NVIDIA_DRIVER_CAPABILITIES=compute,utility lets NVML in; until then one run at a time"
        yield Finding("GPUs", "note", "/dev/nvidia* exists, but NVML is missing", advice)
        return
    build = _installed("torch")
    for gpu in gpus:
        memory = f", {size(gpu.total)}" if gpu.total is not None else ""
        value = f"{gpu.name} at {gpu.bus_id}{memory}"
        taken = ", ".join((*gpu.runs, *gpu.strangers))
        if build.endswith("+cpu"):
            advice = f"torch {build} cannot use it: install a CUDA build, see https://pytorch.org/get-started"
            yield Finding(f"GPU {gpu.label}", "bad", value, advice)
        elif gpu.blocked:
            yield Finding(f"GPU {gpu.label}", "note", value, f"busy, runs wait for it: {taken}")
        else:
            yield Finding(f"GPU {gpu.label}", "ok", f"{value}; {taken}" if taken else value)
    if gpus:
        return
    if sys.platform == "darwin":
        yield Finding("devices", "ok", "Apple GPU (mps) where torch supports it, and the CPU")
    else:
        yield Finding(
            "devices", "note", "CPU only: no NVIDIA driver found", "fine for small pictures and the demo"
        )


def _extras() -> Iterator[Finding]:
    for package, (extra, key) in _EXTRAS.items():
        found = _installed(package)
        if found:
            yield Finding(package, "ok", found)
        else:
            advice = f"only needed for `{key}`: `pip install 'labtui[{extra}]'`"
            yield Finding(package, "note", "not installed", advice)


def _installed(distribution: str) -> str:
    """The version of a distribution; empty when it is not there."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _processor() -> Iterator[Finding]:
    import psutil

    slots = cpu_slots()
    runs = f"{len(slots)} run{'s' if len(slots) > 1 else ''}"
    yield Finding(
        "processor",
        "ok",
        f"{cores()} cores; {runs} at once, {slots[0].threads} threads each",
        f"{SLOTS_ENV}=N sets how many runs train at once",
    )
    memory = psutil.virtual_memory()
    yield Finding("memory", "ok", f"{size(memory.available)} of {size(memory.total)} free")


def _disk(workspace: Workspace) -> Iterator[Finding]:
    try:
        require_state_home()
    except StateFolderError as error:
        yield Finding("state folder", "bad", str(error), "nothing can be started until it can be written")
    for name, folder in (("disk, runs", workspace.runs), ("disk, cache", cache_path())):
        place = next(path for path in (folder, *folder.parents) if exists(path))
        free = shutil.disk_usage(place).free
        low = free < _LOW_DISK
        advice = "free some: checkpoints need room (`labtui rm RUN` deletes a run)" if low else ""
        yield Finding(name, "bad" if low else "ok", f"{size(free)} free at {folder}", advice)


def _workspace(workspace: Workspace) -> Iterator[Finding]:
    configs = config_files(workspace)
    if configs:
        yield Finding("workspace", "ok", f"{workspace.root}, {len(configs)} configs")
    else:
        advice = f"`labtui init` makes a workspace; or go to yours, or set ${WORKSPACE_ENV}"
        yield Finding("workspace", "note", f"{workspace.root} has no configs", advice)
    yield from _queue()
    place = next(path for path in (workspace.runs, *workspace.runs.parents) if exists(path))
    if is_network(str(place)):
        advice = f"locks are kept in {state_path() / 'locks'}: start and stop runs from this machine only"
        yield Finding("runs folder", "note", "on a network file system", advice)
    else:
        yield Finding("runs folder", "ok", "on a local file system")
    for fact, advice in doubts(workspace.runs):
        yield Finding("runs folder", "bad", fact, advice)


def _queue() -> Iterator[Finding]:
    """What waits, or may wait, and cannot be looked at."""
    view = QueueView()
    view.works()
    for where, why in view.problems.items():
        yield Finding("queue", "note", f"passed over {where}: {why}", "what waits elsewhere starts")


def _session() -> Iterator[Finding]:
    kills = kill_user_processes()
    if kills is None:
        yield Finding("logout", "ok", "no systemd-logind: runs continue after logout")
    elif not kills:
        yield Finding("logout", "ok", "runs continue after logout")
    else:
        advice = "`loginctl enable-linger` keeps them alive; ask your administrator if that is refused"
        yield Finding("logout", "bad", "this machine ends all processes of a user at logout", advice)


def kill_user_processes() -> bool | None:
    """Whether systemd-logind kills what a user leaves running; None when it is not there to ask."""
    if not shutil.which("busctl"):
        return None
    name = "org.freedesktop.login1"
    command = [
        "busctl",
        "get-property",
        name,
        "/org/freedesktop/login1",
        f"{name}.Manager",
        "KillUserProcesses",
    ]
    answer = _ask(command)
    if answer not in ("b true", "b false"):
        return None
    return (
        answer == "b true"
        and _ask(["loginctl", "show-user", str(os.getuid()), "-p", "Linger"]) != "Linger=yes"
    )


def _ask(command: list[str]) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=3, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()


def _terminal() -> Iterator[Finding]:
    if not sys.stdout.isatty():
        yield Finding("terminal", "note", "none: the screens need one", "the commands work without")
        return
    term = os.environ.get("TERM", "")
    columns, rows = shutil.get_terminal_size()
    yield Finding(
        "terminal",
        "bad" if term in ("", "dumb") else "ok",
        f"{term or 'TERM not set'}, {columns} x {rows}",
        "set TERM, for example `export TERM=xterm-256color`" if term in ("", "dumb") else "",
    )
    colours = colour_depth(os.environ.get("TERM", ""), os.environ.get("COLORTERM", ""))
    advice = (
        ""
        if colours != "16"
        else "`export TERM=xterm-256color` (in tmux: `set -g default-terminal tmux-256color`)"
    )
    yield Finding("colours", "note" if advice else "ok", f"{colours} colours", advice)
    utf8 = "utf" in locale.getpreferredencoding(False).lower()
    yield Finding(
        "characters",
        "ok" if utf8 else "bad",
        "UTF-8" if utf8 else locale.getpreferredencoding(False),
        "" if utf8 else "`export LC_ALL=C.UTF-8`: charts are drawn in Braille characters",
    )
    if os.environ.get("TMUX") or term.startswith(("screen", "tmux")):
        yield Finding(
            "multiplexer", "ok", "inside tmux or screen: the screens stay when the connection drops"
        )
    else:
        tmux = "is there" if shutil.which("tmux") else "is not installed"
        advice = "not needed for training: runs continue without it"
        yield Finding("multiplexer", "ok", f"this shell is not inside one; tmux {tmux}", advice)


def colour_depth(term: str, colorterm: str) -> str:
    """`16 million`, `256` or `16`, as the screens will assume it."""
    if colorterm.lower() in ("truecolor", "24bit"):
        return "16 million"
    return "256" if "256" in term or "kitty" in term or "direct" in term else "16"
