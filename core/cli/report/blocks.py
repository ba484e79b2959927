"""What a report consists of, before it is markdown or HTML. All text is plain; writers escape it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """Where numbers come from: the command that gives them again, and the checkpoint file's sha256."""

    command: str
    checkpoint: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph; `warn` is set apart."""

    text: str
    warn: bool = False


@dataclass(frozen=True)
class Bullets:
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """`right` are the columns that hold numbers; `folded` tables are closed at first."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()
    source: Source | None = None
    folded: str = ""


@dataclass(frozen=True)
class Figure:
    """A chart: `svg` for the page, `png` for the folder, where it is called `name`.png."""

    name: str
    title: str
    svg: str
    png: bytes
    source: Source | None = None


@dataclass(frozen=True)
class Picture:
    """A small picture: `data` is JPEG, for the page; `large` PNG for the folder, called `name`."""

    name: str
    caption: str
    data: bytes
    large: bytes
    size: tuple[int, int]


@dataclass(frozen=True)
class Pictures:
    items: tuple[Picture, ...]
    source: Source | None = None


Block = Text | Bullets | Table | Figure | Pictures


@dataclass(frozen=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """`facts` stand below the title: what, when (of the runs, never of now)."""

    title: str
    facts: tuple[str, ...]
    sections: tuple[Section, ...] = field(default=())
