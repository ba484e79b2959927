"""No style of line loses an extreme; `tests/bench/bench_spikes.py` does all widths."""

from __future__ import annotations

import numpy as np
import pytest

from tests import spikes
from tui.chart.raster import cells, dots, dotted, ends


@pytest.mark.parametrize("style", list(spikes.STYLES))
def test_an_extreme_of_one_point_is_seen(style: str) -> None:
    many = spikes.STYLES[style].points > 1000
    for width in (40, 73, 200) if not many else (55,):
        assert spikes.lost(spikes.STYLES[style], width, 8, seed=3) == 0


def test_an_extreme_on_the_edge_of_the_window_is_seen() -> None:
    """As 221 is in a window from 0.316... of 699: by rounding it lies just outside."""
    assert spikes.lost(spikes.STYLES["solid"], 52, 25) == 0
    assert spikes.lost(spikes.STYLES["dotted"], 67, 25) == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("width", [2, 40, 161])
def test_a_dotted_line_reaches_as_far_in_every_cell(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 1, 90))
    grid = dots(x, rng.uniform(0, 1, 90) ** 6, (0.0, 1.0), (0.0, 1.0), 2 * (width // 2), 40)
    paired = grid.reshape(40, -1, 2).any(axis=2)
    for light in (dotted(grid), dotted(ends(grid))):
        seen = light.reshape(40, -1, 2).any(axis=2)
        assert (seen.argmax(axis=0) == paired.argmax(axis=0)).all()
        assert (seen[::-1].argmax(axis=0) == paired[::-1].argmax(axis=0)).all()
        assert not light[:, 1::2].any()
    assert (cells(dotted(grid)) > 0).tolist() == (cells(grid) > 0).tolist()
