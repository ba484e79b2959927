"""A report as one HTML file: no script, nothing fetched, the same bytes each time."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path

from core.cli.report.blocks import (
    Block,
    Bullets,
    Figure,
    Picture,
    Pictures,
    Report,
    Section,
    Source,
    Table,
    Text,
)

MAX_BYTES = 2_000_000
"""A page stays below this: pictures are left out from the end, and that is said."""
_RESERVE = 2_000
_POLICY = "default-src 'none';style-src 'unsafe-inline';img-src data:"
_STYLE = Path(__file__).with_name("page.css")
_WIDE = 40
"""Cells longer than this are wrapped."""


def page(report: Report) -> bytes:
    """The page, below `MAX_BYTES`: pictures that do not fit are left out, the last ones first."""
    total = sum(
        len(block.items)
        for section in report.sections
        for block in section.blocks
        if isinstance(block, Pictures)
    )
    kept = total
    data = _page(report, kept, total)
    while len(data) > MAX_BYTES - _RESERVE and kept:
        over = len(data) - (MAX_BYTES - _RESERVE)
        size = max(1, len(data) // max(kept, 1))
        kept = max(0, kept - max(1, over // size))
        data = _page(report, kept, total)
    return data


def _page(report: Report, kept: int, total: int) -> bytes:
    left = [kept]
    sections = [_section(number, section, left) for number, section in enumerate(report.sections, 1)]
    links = "".join(
        f'<a href="#s{number}">{_text(section.title)}</a>'
        for number, section in enumerate(report.sections, 1)
    )
    dropped = ""
    if kept < total:
        words = (
            f"{total - kept} of {total} pictures are left out to keep this page small; the folder has them."
        )
        dropped = f"<p class=warn>{words}</p>"
    facts = "".join(f"<p class=facts>{_text(fact)}</p>" for fact in report.facts)
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{_text(report.title)}</title>\n<style>\n{_STYLE.read_text()}</style></head>\n<body>\n"
        f"<h1>{_text(report.title)}</h1>\n{facts}{dropped}\n<nav>{links}</nav>\n{''.join(sections)}</body></html>\n"
    ).encode()


def _section(number: int, section: Section, left: list[int]) -> str:
    blocks = "\n".join(_block(block, left) for block in section.blocks)
    return f'<section id="s{number}"><h2>{_text(section.title)}</h2>\n{blocks}\n</section>\n'


def _block(block: Block, left: list[int]) -> str:
    match block:
        case Text(text, warn):
            return f"<p{' class=warn' if warn else ''}>{_text(text)}</p>"
        case Bullets(lines):
            return f"<ul>{''.join(f'<li>{_text(line)}</li>' for line in lines)}</ul>"
        case Table():
            return _table(block)
        case Figure():
            caption = f"<figcaption>{_text(block.title)}</figcaption>"
            kind = "chart" if block.name.startswith("curves") else "large"
            return f"<figure class={kind}>{_inline(block)}{caption}</figure>{_source(block.source)}"
        case Pictures(items):
            shown = items[: left[0]]
            left[0] -= len(shown)
            return f"<div class=pictures>{''.join(map(_picture, shown))}</div>{_source(block.source)}"


def _table(table: Table) -> str:
    right = table.right
    head = "".join(
        f"<th{' class=r' if at in right else ''}>{_text(title)}</th>" for at, title in enumerate(table.header)
    )
    body = "".join(
        f"<tr>{''.join(_cell(text, at in right) for at, text in enumerate(row))}</tr>" for row in table.rows
    )
    made = f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    if table.folded:
        made = f"<details><summary>{_text(table.folded)}</summary>{made}</details>"
    return f"{made}{_source(table.source)}"


def _cell(text: str, right: bool) -> str:
    kind = " class=r" if right else " class=wrap" if len(text) > _WIDE else ""
    return f"<td{kind}>{_text(text)}</td>"


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.data).decode("ascii")
    width, height = picture.size
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" width={width} height={height} '
        f'alt="{_text(picture.caption)}"><figcaption>{_text(picture.caption)}</figcaption></figure>'
    )


def _inline(figure: Figure) -> str:
    """The SVG alone, its ids made the figure's own: several stand in one page."""
    svg = figure.svg[figure.svg.index("<svg") :].strip()
    prefix = re.sub(r"[^A-Za-z0-9]", "-", figure.name)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'(href=")#([^"]+)"', rf'\1#{prefix}-\2"', svg)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)


def _source(source: Source | None) -> str:
    if source is None:
        return ""
    parts = [f"<code>{_text(source.command)}</code>"] if source.command else []
    if source.checkpoint:
        digest = f", sha256 {_text(source.sha256[:16])}" if source.sha256 else ""
        parts.append(f"checkpoint {_text(source.checkpoint)}{digest}")
    return f"<p class=source>{' · '.join(parts)}</p>"


def _text(text: str) -> str:
    return html.escape(text, quote=True)
