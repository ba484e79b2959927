"""What is known about ended runs, kept between starts; a cache that may be deleted at any time."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from core.config.workspace import cache_home, cache_path
from core.errors import UnreadableError
from core.reading import read_bytes
from core.store import files
from core.store.metrics import decode_numbers, encode_value
from core.store.records import Best, RunSummary
from core.store.version import code_version

Stamp = tuple[int, ...]
_FIELDS = [field.name for field in dataclasses.fields(RunSummary)]
_VERSION = 4
_LIMIT = 1 << 28


def load_index(runs: Path) -> dict[str, tuple[Stamp, RunSummary]]:
    """Stamps and summaries by run id; empty when there is no index that fits this version."""
    try:
        content = orjson.loads(read_bytes(cache_path() / _name(runs), _LIMIT))
        if (content["version"], content["fields"], content["runs"]) != (_version(), _FIELDS, str(runs)):
            return {}
        return {
            name: (tuple(map(int, stamp)), _summary(values))
            for name, (stamp, values) in content["known"].items()
        }
    except (UnreadableError, orjson.JSONDecodeError, KeyError, TypeError, ValueError, IndexError):
        return {}


def save_index(runs: Path, known: Mapping[str, tuple[Stamp, RunSummary]]) -> None:
    """Replace the index; a fault leaves the old one."""
    try:
        content = {
            "version": _version(),
            "fields": _FIELDS,
            "runs": str(runs),
            "known": {
                name: (stamp, [_value(summary, field) for field in _FIELDS])
                for name, (stamp, summary) in known.items()
            },
        }
        files.write_bytes(cache_home() / _name(runs), orjson.dumps(content))
    except (OSError, TypeError):
        return


def _version() -> list[object]:
    """Another labtui may answer otherwise from the same files."""
    code = code_version()
    return [_VERSION, code["version"], code["git"]]


def _value(summary: RunSummary, field: str) -> object:
    if field == "last":
        return {name: encode_value(number) for name, number in summary.last.items()}
    return getattr(summary, field)


def _summary(values: list[object]) -> RunSummary:
    fields: dict[str, Any] = dict(zip(_FIELDS, values, strict=True))
    if fields["best"] is not None:
        fields["best"] = Best(**fields["best"])
    fields["tags"], fields["problems"] = tuple(fields["tags"]), tuple(fields["problems"])
    fields["last"] = decode_numbers(fields["last"])
    return RunSummary(**fields)


def _name(runs: Path) -> str:
    key = hashlib.sha256(str(runs).encode(errors="surrogateescape")).hexdigest()[:16]
    return f"runs-{key}.json"
