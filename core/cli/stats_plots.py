"""Plots of a data set as PNG and SVG. matplotlib is imported only in the process that writes them."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import UsageError
from core.store.outputs import new_file

if TYPE_CHECKING:
    from core.analysis.figures import Page
    from core.analysis.statistics import Statistics

BINS = 150
_MOST_CLASSES = 60
_MOST_POINTS = 20_000
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
_ABOUT: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
"""Nothing about when and by what: the same figures give the same bytes."""


def require_matplotlib() -> None:
    """Raises UsageError when matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("--plots needs matplotlib, which is not installed: `pip install 'labtui[plots]'`.")


def plot_names(found: Statistics) -> list[str]:
    """The plots of a data set, without ending: the page's key, then `-log` where the axis is."""
    names = []
    for page in found.pages:
        if page.key in ("problems", "boxes", "duplicates"):
            continue
        if page.key == "places":
            names += ["places", "places-centres"]
        elif page.values is not None and page.log_bars:
            names += [page.key, f"{page.key}-log"]
        elif any(item.total for item in page.bars):
            names.append(page.key)
    return names


def write_plots(found: Statistics, folder: Path) -> None:
    """Write every plot into `folder` as NAME.png and NAME.svg. Raises FileExistsError, OSError."""
    import matplotlib

    # Text as outlines: it looks the same where the fonts are not.
    settings: dict[str, Any] = {
        "svg.fonttype": "path",
        "svg.hashsalt": "labtui",
        "font.family": _families(found),
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for name in plot_names(found):
            key, _, way = name.partition("-")
            page = found.page(key)
            assert page is not None
            figure = _drawn(found, page, way)
            for kind in ("png", "svg"):
                with new_file(folder / f"{name}.{kind}") as target:
                    figure.savefig(target, format=kind, dpi=150, metadata=_ABOUT[kind])


def _families(found: Statistics) -> list[str]:
    """Families that have the letters of all class names, DejaVu Sans first; none that is not there."""
    from matplotlib import font_manager

    from core.analysis.fonts import font_of

    families = ["DejaVu Sans"]
    letters = {letter for name in found.table.classes for letter in name if ord(letter) > 0x24F}
    for file in sorted({file for letter in letters if (file := font_of(letter))}):
        font_manager.fontManager.addfont(file)
        families.append(font_manager.FontProperties(fname=file).get_name())
    return list(dict.fromkeys(families))


def _drawn(found: Statistics, page: Page, way: str) -> Any:
    from matplotlib.figure import Figure

    tall = max(3.6, 0.22 * min(len(page.bars), _MOST_CLASSES) + 1.2) if _is_list(page) else 4.2
    figure = Figure(figsize=(8, tall), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(page.title)
    if way == "centres":
        _centres(found, axes)
    elif page.grid is not None:
        _heat(page, axes, figure)
    elif page.values is not None and page.key != "objects":
        _histogram(page, axes, log=way == "log")
    elif _is_list(page):
        _lying(found, page, axes)
    else:
        _standing(found, page, axes)
    return figure


def _is_list(page: Page) -> bool:
    return page.key in ("classes", "sizes")


def _lying(found: Statistics, page: Page, axes: Any) -> None:
    """Bars from top to bottom with their names, one colour a split."""
    bars = page.bars[:_MOST_CLASSES]
    places = np.arange(len(bars))
    left = np.zeros(len(bars))
    for number, split in enumerate(found.table.splits):
        counts = np.array([item.counts[number] for item in bars])
        axes.barh(places, counts, left=left, label=split, color=_COLOURS[number % len(_COLOURS)])
        left += counts
    axes.set_yticks(places, [_text(item.label) for item in bars], fontsize=7)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel(page.unit)
    if len(page.bars) > len(bars):
        axes.set_title(f"{page.title}: the first {len(bars)} of {len(page.bars)}")
    axes.legend()


def _standing(found: Statistics, page: Page, axes: Any) -> None:
    """Bars side by side; the mean as a line where the page has one."""
    places = np.arange(len(page.bars))
    bottom = np.zeros(len(places))
    for number, split in enumerate(found.table.splits):
        counts = np.array([item.counts[number] for item in page.bars])
        axes.bar(places, counts, bottom=bottom, label=split, color=_COLOURS[number % len(_COLOURS)])
        bottom += counts
    axes.set_xticks(places, [item.key.partition(":")[2] for item in page.bars])
    mean = next((item.value for item in page.facts if item.key.endswith(":mean")), None)
    if mean is not None and page.bars[0].key == "objects:0" and len(page.bars) <= 31:
        axes.axvline(mean, color="black", linestyle="--", label=f"mean {mean:.2f}")
    axes.set_ylabel(page.unit)
    axes.legend()


def _histogram(page: Page, axes: Any, *, log: bool) -> None:
    """150 bins, with median and mean; linear axes end at the 98th percentile."""
    values = page.values
    assert values is not None
    if log:
        values = values[values > 0]
        axes.set_xscale("log")
        edges = np.geomspace(values.min(), max(values.max(), values.min() * 1.001), BINS + 1)
    else:
        top = float(np.percentile(values, 98))
        low = min(0.0, float(values.min()))
        edges = np.linspace(low, top if top > low else low + 1, BINS + 1)
        beyond = int((values > edges[-1]).sum())
        if beyond:
            axes.set_title(f"{page.title} ({beyond} beyond {_number(edges[-1])})")
    axes.hist(values, bins=edges, color=_COLOURS[0])
    for name, value, style in (("median", np.median(values), "-"), ("mean", values.mean(), "--")):
        axes.axvline(value, color="black", linestyle=style, linewidth=1, label=f"{name} {_number(value)}")
    axes.set_ylabel(page.of)
    axes.legend()


def _heat(page: Page, axes: Any, figure: Any) -> None:
    assert page.grid is not None
    counts = np.array([item.total for item in page.bars]).reshape(page.grid)
    image = axes.imshow(counts, cmap="viridis", extent=(0, 1, 1, 0), aspect="auto")
    figure.colorbar(image, ax=axes, label="centres")
    axes.set_xlabel("x / width")
    axes.set_ylabel("y / height")


def _centres(found: Statistics, axes: Any) -> None:
    """Every centre as a point, its size and colour by the fraction of the image that the box takes."""
    table, objects = found.table, found.table.objects
    assert objects is not None
    which = np.flatnonzero(~objects.crowd)
    if len(which) > _MOST_POINTS:
        which = np.random.default_rng(0).choice(which, _MOST_POINTS, replace=False)
    size = table.sizes[objects.image[which]].astype(np.float64)
    corners = objects.corners[which]
    centres = (corners[:, :2] + corners[:, 2:]) / 2 / size
    share = objects.box_area[which] / size.prod(axis=1)
    order = np.argsort(-share, kind="stable")
    points = axes.scatter(
        *centres[order].T,
        s=4 + 200 * share[order],
        c=share[order],
        cmap="viridis",
        alpha=0.5,
        linewidths=0,
        rasterized=True,
    )
    axes.figure.colorbar(points, ax=axes, label="fraction of the image")
    axes.set_xlim(0, 1)
    axes.set_ylim(1, 0)
    axes.set_xlabel("x / width")
    axes.set_ylabel("y / height")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _text(name: str) -> str:
    """A name as matplotlib shows it as it stands: a dollar would begin a formula."""
    return name.replace("$", r"\$")
