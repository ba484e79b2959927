"""The filter of the list of runs: conditions on texts and numbers, and a word on what is no condition."""

from __future__ import annotations

from typing import Any

import pytest

from core.store.records import Best
from tui.widgets.run_filter import matches, problem


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("best>0.3", True),
        ("best>.42", False),
        ("best<=0.42 epoch>=3", True),
        ("epoch>3", False),
        ("lr<1e-2 state=fin", True),
        ("loss>0", False),
        ("best>", False),
        ("tag=a tag=b", True),
        ("a>b", False),
    ],
)
def test_conditions(summary: Any, query: str, found: bool) -> None:
    best = Best("val/map", 0.42, 2, "a01-e0002")
    run = summary(epoch=3, best=best, last={"lr": 5e-3}, tags=("a", "b"))
    assert matches(run, query) is found


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("stat=failed", ("stat is no field (did you mean 'state'?)", "best")),
        ("rnn map>0.3", ("map is no field",)),
        ("state=faild", ("no state faild (did you mean 'failed'?)",)),
        ("best>high", ("best> needs a number, as in best>0.3",)),
        ("name>a", ("name is text: name=a",)),
    ],
)
def test_what_is_no_condition_is_said(query: str, words: tuple[str, ...]) -> None:
    assert all(word in problem(query) for word in words)


@pytest.mark.parametrize("query", ["", "state=", "state=run", "best>0.3", "best>", "a-b c/d", "archived=yes"])
def test_what_is_understood_is_not_complained_of(query: str) -> None:
    assert problem(query) == ""
