"""The names of networks, without torch."""

from __future__ import annotations

import pytest

from core.config.names import CLASSIFIERS, MODELS, TINYVGG, is_code


def test_names_are_unique_and_sorted_for_display() -> None:
    assert len(set(MODELS)) == len(MODELS)
    assert list(CLASSIFIERS) == sorted(CLASSIFIERS)
    assert len(TINYVGG) == 10


@pytest.mark.parametrize("name", ["/a/net.py:build", "net.py:make_net", "/a:b/net.py:build"])
def test_a_function_in_a_file_is_code(name: str) -> None:
    assert is_code(name)


@pytest.mark.parametrize(
    "name", ["net.py", "net.py:", "net:build", ":build", "net.py:not-a-name", "resnet18"]
)
def test_other_names_are_not(name: str) -> None:
    assert not is_code(name)
