"""The page of config keys against the schema and against the code that reads the settings."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from core.cli.main import main
from core.config.load import load_experiment
from core.config.optimizers import OPTIMIZERS
from core.config.relevance import NO_EFFECT
from core.config.schedulers import SCHEDULERS
from core.config.schema import Experiment
from core.config.workspace import Workspace

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configs.md").read_text(encoding="utf-8")
ROWS = [
    row
    for section in PAGE.split("\n## ")
    if "| key | accepts | default |" in section
    for row in re.findall(r"^\| `([\w.]+)` \| (.+?) \| .+? \| (.+) \|$", section, flags=re.MULTILINE)
]
TAKES = {key: takes for key, takes, _ in ROWS}
HELP = {key: text for key, _, text in ROWS}
WORDS = {
    "whole number": "integer",
    "number": "number",
    "true or false": "boolean",
    "mapping": "object",
    "path": "path",
    "text": "string",
    "list": "array",
}
SCHEMA: dict[str, Any] = Experiment.model_json_schema()
SHORTHANDS = {"data.train": "path", "data.val": "path", "data.test": "path"}
"""Keys that take a path in place of a mapping."""


def variants(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternatives of a JSON schema, references followed."""
    if "$ref" in schema:
        return variants(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    inner = schema.get("anyOf") or schema.get("oneOf")
    return [part for item in inner for part in variants(item)] if inner else [schema]


def schema_of(key: str) -> list[dict[str, Any]]:
    found = [SCHEMA]
    for part in key.split("."):
        found = [item for one in found for item in variants(one["properties"][part]) if "properties" in one]
        found = [item for item in found if item.get("type") != "null"] or found
    return found


def schema_types(key: str) -> set[str]:
    kinds = set()
    for item in schema_of(key):
        if "const" in item or "enum" in item:
            kinds.add("words")
        elif item.get("format") == "path":
            kinds.add("path")
        else:
            kinds.add(item["type"])
    return kinds


def documented_types(key: str) -> set[str]:
    """Types and words that the page says: `whole number, at least 1`, `path, or none or coco`."""
    takes = TAKES[key]
    kinds = set()
    rest = takes
    for word, kind in WORDS.items():
        pattern = rf"(^| or ){word}(?=$|,| or | of )"
        if re.search(pattern, rest):
            kinds.add(kind)
            rest = re.sub(pattern, "", rest)
    rest = re.sub(r" of [^,|]*(, [\w ]+)*$", "", rest) if "array" in kinds else rest
    rest = re.sub(r", (at least|at most|above|below) [\d.]+", "", rest)
    return kinds | ({"words"} if rest.strip(" ,") else set())


@pytest.mark.parametrize("key", TAKES)
def test_documented_type_is_that_of_the_schema(key: str) -> None:
    allowed = {SHORTHANDS[key]} if key in SHORTHANDS else set()
    extra = {"words"} if key == "model" else set()
    assert documented_types(key) - extra == schema_types(key) | allowed


def leaves(schema: dict[str, Any], prefix: str = "") -> set[str]:
    keys = set()
    for name, part in schema["properties"].items():
        sections = [item for item in variants(part) if "properties" in item]
        whole = [item for item in variants(part) if item not in sections and item.get("type") != "null"]
        if sections and not whole and f"{prefix}{name}" not in SHORTHANDS:
            keys |= leaves(sections[0], f"{prefix}{name}.")
        else:
            keys.add(f"{prefix}{name}")
    return keys


def test_every_key_is_documented() -> None:
    assert set(TAKES) == leaves(SCHEMA)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_split_is_a_path_or_a_mapping(tmp_path: Path, split: str) -> None:
    for value in ("pictures", "{images: pictures}"):
        file = tmp_path / "c.yaml"
        file.write_text(f"data: {{root: /data, {split}: {value}}}\nmodel: tinyvgg_a\n")
        data = load_experiment(file, workspace=Workspace(tmp_path)).experiment.data
        assert getattr(data, split).images == Path("/data/pictures")


def names_read() -> set[str]:
    """Names read off objects anywhere below the command line; trackers get theirs as a mapping."""
    names = set()
    for file in (ROOT / "core").rglob("*.py"):
        room = file.relative_to(ROOT).parts[1]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if room not in ("config", "cli") and isinstance(node, ast.Attribute):
                names.add(node.attr)
            if room == "tracking" and isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.add(node.value)
    return names


READ_AS = {"image_size": "sides"}
"""Properties of an experiment that stand for a key."""


def test_a_key_without_effect_says_so_and_only_such_a_key() -> None:
    """What nothing reads has no effect, whatever its help promises."""
    tables = [*(k.settings for k in OPTIMIZERS.values()), *(k.keys for k in SCHEDULERS.values())]
    read = names_read() | {key for keys in tables for key in keys}
    unread = {key for key in HELP if READ_AS.get(key, key.rpartition(".")[2]) not in read}
    said = {key for key, text in HELP.items() if "no effect" in text}
    assert unread == said == set(NO_EFFECT)


@pytest.mark.parametrize("command", ["train", "measure"])
def test_the_options_for_keys_without_effect_say_so(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for option in ("--worker N", "--prefetch N"):
        assert f"{option} accepted for compatibility, no effect" in text
