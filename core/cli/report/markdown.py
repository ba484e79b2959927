"""A report as a folder: report.md with PNG files beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.cli.report.blocks import Block, Bullets, Figure, Pictures, Report, Source, Table, Text

_ACROSS = 4


def files(report: Report) -> Iterator[tuple[str, bytes]]:
    """Every file of the folder: relative path and content; report.md comes last."""
    lines = [f"# {_text(report.title)}", ""]
    lines += [f"{_text(fact)}  " for fact in report.facts]
    for section in report.sections:
        lines += ["", f"## {_text(section.title)}"]
        for block in section.blocks:
            lines += ["", *_block(block)]
            yield from _pictures(block)
    yield "report.md", ("\n".join(lines) + "\n").encode()


def _pictures(block: Block) -> Iterator[tuple[str, bytes]]:
    if isinstance(block, Figure):
        yield f"figures/{block.name}.png", block.png
        yield f"figures/{block.name}.svg", block.svg.encode()
    elif isinstance(block, Pictures):
        for item in block.items:
            yield f"cases/{item.name}", item.large


def _block(block: Block) -> list[str]:
    match block:
        case Text(text, warn):
            return [f"**{_text(text)}**" if warn else _text(text)]
        case Bullets(lines):
            return [f"- {_text(line)}" for line in lines]
        case Table():
            return _table(block)
        case Figure():
            return [
                f"![{_text(block.title)}](figures/{block.name}.png)",
                "",
                f"{_text(block.title)}",
                *_source(block.source),
            ]
        case Pictures(items):
            cells = [
                f"![{_text(item.caption)}](cases/{item.name})<br>{_text(item.caption)}" for item in items
            ]
            rows = [cells[at : at + _ACROSS] for at in range(0, len(cells), _ACROSS)]
            if not rows:
                return []
            width = len(rows[0])
            grid = ["| " + " | ".join([" "] * width) + " |", "|" + "---|" * width]
            grid += ["| " + " | ".join([*row, *[" "] * (width - len(row))]) + " |" for row in rows]
            return [*grid, *_source(block.source)]


def _table(table: Table) -> list[str]:
    lines = [f"{_text(table.folded)}:", ""] if table.folded else []
    lines.append("| " + " | ".join(_text(title) or " " for title in table.header) + " |")
    lines.append(
        "|" + "|".join("---:" if at in table.right else "---" for at in range(len(table.header))) + "|"
    )
    lines += ["| " + " | ".join(_text(text) or " " for text in row) + " |" for row in table.rows]
    return [*lines, *_source(table.source)]


def _source(source: Source | None) -> list[str]:
    if source is None:
        return []
    parts = [f"`{source.command}`"] if source.command else []
    if source.checkpoint:
        digest = f", sha256 {source.sha256[:16]}" if source.sha256 else ""
        parts.append(f"checkpoint {source.checkpoint}{digest}")
    return ["", f"<sub>{' · '.join(parts)}</sub>"]


def _text(text: str) -> str:
    """Text with nothing in it that markdown or HTML would act on."""
    text = re.sub(r"([\\`*_{}\[\]|#~!])", r"\\\1", text.replace("\n", " "))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
