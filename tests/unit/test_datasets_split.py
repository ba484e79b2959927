"""Which training images are held out for validation."""

from __future__ import annotations

import pytest

from core.datasets.split import held_out


def test_the_held_out_part_is_the_same_everywhere() -> None:
    images = {"a": [f"a/{n}.png" for n in range(10)], "b": ["b/0.png", "b/1.png"], "c": ["c/0.png"]}
    chosen = held_out(images, 0.2, 0)
    assert chosen == {"a/4.png", "a/8.png", "b/0.png"}
    backwards = {name: paths[::-1] for name, paths in reversed(images.items())}
    assert held_out(backwards, 0.2, 0) == chosen


def test_files_added_later_leave_the_others_where_they_are() -> None:
    paths = [f"a/{number}.png" for number in range(1000)]
    before, after = held_out({"a": paths[:900]}, 0.1, 0), held_out({"a": paths}, 0.1, 0)
    assert len(before) == 90
    assert len(before - after) <= 10


@pytest.mark.parametrize("ratio", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("stratify", [True, False])
def test_no_class_is_held_out_whole(ratio: float, stratify: bool) -> None:
    images = {str(count): [f"{count}/{n}" for n in range(count)] for count in (1, 2, 3, 50)}
    chosen = held_out(images, ratio, 0, stratify=stratify)
    assert chosen
    for paths in images.values():
        assert set(paths) - chosen
    if not stratify:
        assert len(chosen) == max(1, round(56 * ratio))
