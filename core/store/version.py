"""Which code made a run."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from core.errors import UnreadableError
from core.reading import LARGE, read_text

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
            git = checkout / read_text(git).removeprefix("gitdir:").strip()
        head = read_text(git / "HEAD").strip()
        if not head.startswith("ref:"):
            return head if _SHA.fullmatch(head) else None
        name = head.removeprefix("ref:").strip()
        common = git / "commondir"
        shared = git / read_text(common).strip() if common.is_file() else git
        for folder in (git, shared):
            if (folder / name).is_file():
                sha = read_text(folder / name).strip()
                return sha if _SHA.fullmatch(sha) else None
        for line in read_text(shared / "packed-refs", LARGE).splitlines():
            sha, _, packed = line.partition(" ")
            if packed == name and _SHA.fullmatch(sha):
                return sha
    except UnreadableError:
        pass
    return None
