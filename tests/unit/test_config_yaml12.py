"""YAML text to values: YAML 1.2 scalars, duplicate keys, merge keys, bounded aliases, lines."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from core.config.yaml12 import MAX_BYTES, Place, Tree, parse_document, parse_value

FILE = Path("/p/conf/a.yaml")


def parse(text: str, known: tuple[str, ...] = ()) -> Tree:
    return parse_document(text, Place(FILE, 1, FILE.parent), known)


def only_problem(text: str) -> str:
    problems = parse(text).problems
    assert len(problems) == 1
    return str(problems[0])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1.0e4", 1e4),
        ("1E-4", 1e-4),
        ("1e4", 1e4),
        (".5", 0.5),
        ("5.", 5.0),
        ("+3", 3),
        ("-0", 0),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("0,001", "0,001"),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("2001-01-01", "2001-01-01"),
        ("0b11", "0b11"),
        ("=", "="),
        ("'1e-4'", "1e-4"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("!!float 1", 1.0),
        ("[a, 1e-4, no]", ["a", 1e-4, "no"]),
        ("{hue: 0.1, on: off}", {"hue": 0.1, "on": "off"}),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars_read_as_in_yaml_1_2(text: str, value: Any) -> None:
    read = parse_value(text)
    assert read == value
    assert type(read) is type(value)


def test_nan_is_a_number() -> None:
    assert math.isnan(parse_value(".nan"))


def test_keys_stay_text() -> None:
    assert parse("on: 1\nno: 2\n1: 3\nnull: 4").value == {"on": 1, "no": 2, "1": 3, "null": 4}


def test_duplicate_key_names_dotted_key_and_both_lines() -> None:
    text = "model: x\ntrain:\n  epochs: 2\n  batch: 4\n\n\n\n\n  epochs: 50\n"
    assert only_problem(text) == "/p/conf/a.yaml:9: train.epochs: written twice, on lines 3 and 9"


def test_every_duplicate_is_told() -> None:
    problems = parse("a: 1\na: 2\nb: {c: 1, c: 2}\na: 3\n").problems
    assert [(problem.line, problem.key) for problem in problems] == [(2, "a"), (3, "b.c"), (4, "a")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("base: &b {lr: 0.1}\nopt: {<<: *b, lr: 0.2}\n", {"opt": {"lr": 0.2}}),
        ("base: &b {lr: 0.1, m: 1}\nopt:\n  lr: 0.2\n  <<: *b\n", {"opt": {"lr": 0.2, "m": 1}}),
        (
            "a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nopt: {<<: [*a, *b], z: 3}\n",
            {"opt": {"x": 1, "y": 1, "z": 3}},
        ),
        ("base: &b 3\nx: *b\ny: *b\n", {"x": 3, "y": 3}),
    ],
)
def test_merge_keys_and_aliases(text: str, expected: dict[str, Any]) -> None:
    tree = parse(text)
    assert tree.problems == []
    assert tree.value == expected


def test_a_known_key_stays_though_an_alias_uses_it() -> None:
    tree = parse("optimizer: &o {name: sgd}\nscheduler: *o\nholder: &h 1\nseed: *h", known=("optimizer",))
    assert set(tree.value) == {"optimizer", "scheduler", "seed"}


def test_merged_keys_keep_their_own_line() -> None:
    tree = parse("base: &b\n  lr: 0.1\n  m: 1\nopt:\n  <<: *b\n  lr: 2\n")
    assert tree.places[("opt", "lr")].line == 6
    assert tree.places[("opt", "m")].line == 3


def test_place_of_an_unwritten_key_is_that_of_the_key_above() -> None:
    place = parse("a:\n  b: 1\n").place(("a", "c", "d"))
    assert place is not None
    assert (place.file, place.line, place.folder) == (FILE, 1, FILE.parent)


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (bomb(9), "aliases expand to more than 20000 values"),
        ("a: &a [*a]", "an alias refers to itself"),
        ("a: &a {b: {c: *a}}", "an alias refers to itself"),
        ("x: " + "[" * 60 + "]" * 60, "nested too deeply"),
        ("x: " + "[" * 200_000, "nested too deeply"),
        ("- " * 20_000, "nested too deeply"),
        ("a: " + "x" * MAX_BYTES, "larger than 1 MB, not a config"),
        ("- a\n- b\n", "expected `key: value` lines at the top"),
        ("just text", "expected `key: value` lines at the top"),
        ("a: 1\n---\nb: 2\n", "not valid YAML: but found another document"),
        ("a: *nowhere", "not valid YAML: found undefined alias 'nowhere'"),
        ("a: 1\n\tb: 2", "not valid YAML: found character '\\t' that cannot start any token"),
        ("a: [1, 2", "not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\nb: \x07", "a character that YAML does not allow"),
        (
            "a: !!python/object/apply:os.system [id]",
            "the tag 'tag:yaml.org,2002:python/object/apply:os.system'",
        ),
        ("a: !mine 3", "the tag '!mine' is not allowed"),
        ("a: !!int x", "the tag 'tag:yaml.org,2002:int' is not allowed"),
        ("? [a, b]\n: 1", "a key must be a word"),
        ("a: {<<: 3}", "`<<` needs a mapping or a list of mappings"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    problems = parse(text).problems
    assert any(problem.text.startswith(said) for problem in problems), problems
    assert all(problem.file == FILE for problem in problems)


@pytest.mark.parametrize(
    ("text", "line"), [("a: 1\nb: \x07", 2), ("a: 1\nb: 2\nc: [", 3), ("a: 1\n b: 2", 2)]
)
def test_syntax_problems_carry_the_line(text: str, line: int) -> None:
    assert [problem.line for problem in parse(text).problems] == [line]


def test_refusals_are_harmless_for_terminals() -> None:
    problem = only_problem('"\\e[2Jkey": 1\n"\\e[2Jkey": 2\n')
    assert "\x1b" not in problem
    assert "␛[2Jkey" in problem


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "{}"])
def test_empty_documents_hold_nothing(text: str) -> None:
    tree = parse(text)
    assert (tree.value, tree.problems) == ({}, [])


def test_values_on_the_command_line_refuse_what_is_no_yaml() -> None:
    with pytest.raises(ValueError, match="not valid YAML"):
        parse_value("[1, 2")
    with pytest.raises(ValueError, match="written twice"):
        parse_value("{a: 1, a: 2}")
