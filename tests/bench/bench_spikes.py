"""Extremes one point wide that a chart does not show: `python tests/bench/bench_spikes.py [--windows 200]`.

Every style of line, every width from 40 to 200 cells; aim: 0 lost.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests import spikes

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=3)
    arguments = parser.parse_args()
    sys.exit(spikes.report(range(40, 201), arguments.windows) > 0)
