"""The figures of a data set as text for people, and as a page of markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.cli.cells import cell_len, cut, fit
from core.cli.output import table as lines_of_table
from core.humanise import count

if TYPE_CHECKING:
    from core.analysis.figures import Figure, Page
    from core.analysis.statistics import Statistics

_MOST_BARS = 30
_BAR = 40
_SIGNS = "█▓▒░"
_LABEL = 46


def page_lines(found: Statistics, page: Page, *, log: bool = False) -> list[str]:
    """A page as lines: what it is, its facts, its bars with a sign for each split."""
    splits = found.table.splits
    lines = [f"{page.title}{_legend(splits) if _has_bars(page) else ''}"]
    if page.waiting:
        lines.append(f"  {count(page.waiting)} images are still to be read for this")
    lines += [f"  {note}" for note in page.notes]
    facts = [item for item in page.facts if item.text or item.total or item.bad]
    width = max((cell_len(_cut(item.label)) for item in (*facts, *page.bars)), default=0)
    lines += [f"  {fit(_cut(item.label), width)}  {item.shown}{_note(item)}" for item in facts]
    bars = page.log_bars if log and page.log_bars else page.bars
    if page.grid is not None:
        return [*lines, *_grid(page)]
    lines += _bars(bars, splits, width)
    return lines


def lines(found: Statistics, pages: Sequence[Page]) -> list[str]:
    """Several pages with a blank line before each; those without anything to say are left out."""
    result: list[str] = []
    for page in pages:
        if page.key == "problems" and not page.bars and not page.notes:
            continue
        result += ["", *page_lines(found, page)]
    return result


def list_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The images of a figure as a table."""
    header = ["image", "split", *(["class"] if any("class" in row for row in rows) else []), "size"]
    boxed = any("objects" in row for row in rows)
    cells = []
    for row in rows:
        size = f"{row['width']} x {row['height']}" if "width" in row else ""
        line = [row["image"], row["split"], *([row.get("class", "")] if "class" in header else []), size]
        if boxed:
            line.append(_objects(row.get("objects", [])))
        cells.append(line)
    return lines_of_table([*header, *(["objects"] if boxed else [])], cells)


def page_keys(page: Page) -> list[str]:
    """The keys of a page's figures, each with its number."""
    return lines_of_table(
        ["figure", "", ""], [[item.key, item.shown, item.label] for item in page.figures()], "lrl"
    )


def markdown(found: Statistics, plots: Sequence[str] = ()) -> str:
    """A page of all figures; `plots` are names of SVG files beside it."""
    from core.analysis.statistics import headline

    table = found.table
    parts = [f"# Data set {_plain(table.root.name)}", "", _plain(headline(found)), ""]
    for page in found.pages:
        bars = [item for item in page.bars if item.total or item.text or page.key == "classes"]
        facts = [item for item in page.facts if item.text or item.total]
        if not bars and not facts:
            continue
        parts += [f"## {page.title[0].upper()}{page.title[1:]}", ""]
        if page.waiting:
            parts += [f"{count(page.waiting)} images were not read for this.", ""]
        parts += [f"- {_plain(item.label)}: {_plain(item.shown)}{_plain(_note(item))}" for item in facts]
        parts += [""] * bool(facts)
        parts += [f"![{page.title}]({name}.svg)\n" for name in plots if name.partition("-")[0] == page.key]
        if page.grid is not None:
            rows, columns = page.grid
            numbers = [str(item.total) for item in page.bars]
            parts += ["|" + " |" * columns, "|" + "---|" * columns]
            parts += [
                "| " + " | ".join(numbers[r * columns : (r + 1) * columns]) + " |" for r in range(rows)
            ] + [""]
        elif bars:
            parts += [
                f"| | {' | '.join(table.splits)} | all | |",
                "|---|" + "---:|" * (len(table.splits) + 1) + "---|",
            ]
            for item in bars:
                counts = (
                    " | ".join(map(count, item.counts))
                    if item.counts
                    else " | ".join([""] * len(table.splits))
                )
                parts.append(
                    f"| {_plain(item.label)} | {counts} | {_plain(item.shown)} | {_plain(item.note)} |"
                )
            parts.append("")
        for item in bars:
            parts += [f"- {_plain(line)}" for line in item.lines]
        if any(item.lines for item in bars):
            parts.append("")
    parts += [f"- {_plain(note)}" for note in table.notes]
    return "\n".join(parts).rstrip() + "\n"


def _legend(splits: Sequence[str]) -> str:
    return " (" + ", ".join(f"{_SIGNS[i % len(_SIGNS)]} {split}" for i, split in enumerate(splits)) + ")"


def _has_bars(page: Page) -> bool:
    return page.grid is None and any(item.total for item in page.bars)


def _bars(bars: Sequence[Figure], splits: Sequence[str], width: int) -> list[str]:
    most = max((item.total for item in bars), default=0)
    numbers = max((len(item.shown) for item in bars), default=0)
    found = []
    for item in bars[:_MOST_BARS]:
        drawn = "".join(
            _SIGNS[i % len(_SIGNS)] * size for i, size in enumerate(bar_lengths(item.counts, most, _BAR))
        )
        found.append(
            f"  {fit(_cut(item.label), width)}  {item.shown:>{numbers}}  {drawn}{_note(item)}".rstrip()
        )
    if len(bars) > _MOST_BARS:
        rest = bars[_MOST_BARS:]
        found.append(f"  and {count(len(rest))} more with {count(sum(item.total for item in rest))}")
    return found


def bar_lengths(counts: Sequence[int], most: int, width: int) -> list[int]:
    """Cells of a bar for each split: the longest, `most`, has `width`; a count above 0 has at least one."""
    if not most:
        return [0] * len(counts)
    ends, before, at = [], 0, 0
    for number in counts:
        at += number
        end = max(round(at / most * width), before + (number > 0))
        ends.append(min(end, width) - before)
        before = min(end, width)
    return ends


def _grid(page: Page) -> list[str]:
    assert page.grid is not None
    rows, columns = page.grid
    width = max(len(item.shown) for item in page.bars) + 1
    return [
        "  " + "".join(f"{item.shown:>{width}}" for item in page.bars[row * columns : (row + 1) * columns])
        for row in range(rows)
    ]


def _note(item: Figure) -> str:
    return f"  {item.note}" if item.note else ""


def _objects(objects: Sequence[dict[str, Any]]) -> str:
    shown = [f"{item['class']} {','.join(f'{value:g}' for value in item['box'])}" for item in objects[:3]]
    return "; ".join(shown) + (f" and {len(objects) - 3} more" if len(objects) > 3 else "")


def _cut(label: str) -> str:
    return cut(label, _LABEL)


def _plain(text: str) -> str:
    """Text that markdown takes as it stands."""
    for sign in "\\|*_`<>[]":
        text = text.replace(sign, f"\\{sign}")
    return text
