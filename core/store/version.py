"""Which code made a run."""

from __future__ import annotations

import functools
import re
from pathlib import Path

_SHA = re.compile(r"[0-9a-f]{40,64}")


@functools.cache
def code_version() -> dict[str, str | None]:
    """`{"version", "git"}`: the installed labtui's version and, in a checkout, the commit it stands on."""
    from importlib import metadata

    try:
        version: str | None = metadata.version("labtui")
    except metadata.PackageNotFoundError:
        version = None
    return {"version": version, "git": git_commit(Path(__file__).parents[2])}


def git_commit(checkout: Path) -> str | None:
    """The commit that HEAD names, read from the files under `.git`; None outside a checkout."""
    try:
        git = checkout / ".git"
        if git.is_file():
            git = checkout / git.read_text().removeprefix("gitdir:").strip()
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref:"):
            return head if _SHA.fullmatch(head) else None
        name = head.removeprefix("ref:").strip()
        common = git / "commondir"
        shared = git / common.read_text().strip() if common.is_file() else git
        for folder in (git, shared):
            if (folder / name).is_file():
                sha = (folder / name).read_text().strip()
                return sha if _SHA.fullmatch(sha) else None
        for line in (shared / "packed-refs").read_text().splitlines():
            sha, _, packed = line.partition(" ")
            if packed == name and _SHA.fullmatch(sha):
                return sha
    except (OSError, UnicodeDecodeError):
        pass
    return None
