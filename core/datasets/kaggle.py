"""Data sets from Kaggle, through its own client: `kaggle: owner/name`, the version put on record."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from pathlib import Path

from core.config.schema import DataConfig
from core.errors import DataError
from core.text import clean

_VERSION = re.compile(r"versions/(\d+)/?$")
_CACHE = "KAGGLEHUB_CACHE"


def fetched(data: DataConfig) -> tuple[DataConfig, Mapping[str, str]]:
    """`data` with the folder that the set was put in, and which version of what it is.

    Without network the newest version that was fetched before is used. Raises DataError: the extra package is
    not there, no network, no such set, no permission.
    """
    assert data.kaggle is not None
    folder = _downloaded(data.kaggle)
    found = _VERSION.search(str(folder).replace(os.sep, "/"))
    version = found[1] if found else ""
    origin = {"kaggle": _name(data.kaggle), "version": version}
    return data.model_copy(update={"root": folder, "kaggle": None}), origin


def require_kaggle(handle: str) -> None:
    """Raise DataError when the set can neither be fetched nor is there already."""
    if importlib.util.find_spec("kagglehub") is None and newest_fetched(handle) is None:
        raise _no_package(handle)


def newest_fetched(handle: str) -> Path | None:
    """The folder of the version of `handle`, or of its newest, that was fetched before."""
    home = Path(os.environ.get(_CACHE) or Path.home() / ".cache" / "kagglehub")
    versions = home / "datasets" / _name(handle) / "versions"
    wanted = _VERSION.search(handle)
    try:
        numbers = sorted(int(name) for name in os.listdir(versions) if name.isdecimal())
    except OSError:
        return None
    numbers = [number for number in numbers if (versions.parent / f"{number}.complete").exists()]
    if wanted:
        numbers = [number for number in numbers if number == int(wanted[1])]
    return versions / str(numbers[-1]) if numbers else None


def _downloaded(handle: str) -> Path:
    try:
        import kagglehub
    except ImportError:
        before = newest_fetched(handle)
        if before is None:
            raise _no_package(handle) from None
        return before
    from kagglehub import exceptions

    own = [
        item for item in vars(exceptions).values() if isinstance(item, type) and issubclass(item, Exception)
    ]
    faults: tuple[type[Exception], ...] = (*own, OSError, ValueError, RuntimeError)  # requests has OSErrors
    try:
        return Path(kagglehub.dataset_download(handle))
    except faults as error:
        before = newest_fetched(handle)
        if before is not None:
            return before
        said = clean(str(error), newlines=True).strip().splitlines()
        why = said[0][:200].rstrip(".") if said else type(error).__name__
        if isinstance(error, OSError) and re.search("connection|timeout", type(error).__name__.lower()):
            why = "no connection"
        raise DataError(
            f"{clean(handle)} cannot be downloaded from Kaggle ({why}): check network, name and login, "
            "or get it by hand and name its folder in data.root."
        ) from error


def _no_package(handle: str) -> DataError:
    return DataError(
        f"{clean(handle)} is downloaded with the package kagglehub, which is not installed: "
        "`pip install 'labtui[kaggle]'`, or get it by hand and name its folder in data.root."
    )


def _name(handle: str) -> str:
    return handle.split("/versions/")[0]
