"""XML files of annotations as light trees that know their lines; nothing outside the file is ever read."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from xml.parsers import expat

MAX_BYTES = 64_000_000
_MAX_DEPTH = 64
_ENCODING = re.compile(rb"""\A\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["'][^>]*\?>""")
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")


class XmlError(Exception):
    """A file that cannot be read; `line` counts from 1, 0 when unknown."""

    def __init__(self, text: str, line: int = 0) -> None:
        super().__init__(text)
        self.line = line


class Node:
    """One element: its tag in lower case without namespace, its attributes, text, line, and what is in it."""

    __slots__ = ("attributes", "children", "line", "tag", "text")

    def __init__(self, tag: str, line: int, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.line = line
        self.text = ""
        self.children: list[Node] = []

    def child(self, *tags: str) -> Node | None:
        """The first element right inside with one of these tags."""
        for node in self.children:
            if node.tag in tags:
                return node
        return None

    def all(self, tag: str) -> list[Node]:
        """The elements right inside with this tag."""
        return [node for node in self.children if node.tag == tag]

    def texts(self, tag: str) -> list[str]:
        """The texts of the elements right inside with this tag, as written."""
        return [node.text for node in self.children if node.tag == tag]

    def values(self, tag: str) -> list[str]:
        """`texts` without the white space around them."""
        return [node.text.strip() for node in self.children if node.tag == tag]

    def value(self, *tags: str) -> str | None:
        """The text of the first element right inside with one of these tags, None when there is none."""
        node = self.child(*tags)
        return node.text.strip() if node is not None else None


def parse_xml(data: bytes) -> Node:
    """The root element of an XML document.

    Raises XmlError for what is not well-formed, and for document types and entities, with which a small file
    can ask for endless memory (https://en.wikipedia.org/wiki/Billion_laughs_attack).
    """
    if len(data) > MAX_BYTES:
        raise XmlError(f"it is larger than {MAX_BYTES // 1_000_000} MB")
    if not data.strip(b"\0 \t\r\n"):
        raise XmlError("it is empty")
    try:
        return _parse(data, None)
    except (expat.ExpatError, ValueError, LookupError) as error:
        text = _decoded(data) if _about_encoding(error) else None
        if text is None:
            raise _told(error) from None
    try:
        return _parse(_DECLARATION.sub("", text).encode("utf-8", "replace"), "utf-8")
    except expat.ExpatError as error:
        raise _told(error) from None


def _parse(data: bytes, encoding: str | None) -> Node:
    parser = expat.ParserCreate(encoding)
    parser.buffer_text = True
    top = Node("", 0, {})
    stack = [top]
    push, pop = stack.append, stack.pop

    def start(tag: str, attributes: dict[str, str]) -> None:
        node = Node(_local(tag), parser.CurrentLineNumber, attributes)
        stack[-1].children.append(node)
        push(node)
        if len(stack) > _MAX_DEPTH + 1:
            raise XmlError("it is nested too deeply", node.line)

    def end(_: str) -> None:
        pop()

    def text(words: str) -> None:
        stack[-1].text += words

    def refuse(*_: Any) -> None:
        raise XmlError("it has a document type or entities: remove them", parser.CurrentLineNumber)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    finally:  # the parser holds its handlers, and they hold it: freed at once, not by the collector
        parser.StartElementHandler = parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = None
    return top.children[0]


@lru_cache(maxsize=256)
def _local(tag: str) -> str:
    """A tag in lower case without its namespace; files of a set have the same few."""
    return tag.rpartition("}")[2].rpartition(":")[2].lower()


def _about_encoding(error: Exception) -> bool:
    """expat itself knows few encodings, Python's hooks to it none with several bytes a letter."""
    return not isinstance(error, expat.ExpatError) or error.code in (
        expat.errors.codes[expat.errors.XML_ERROR_UNKNOWN_ENCODING],
        expat.errors.codes[expat.errors.XML_ERROR_INCORRECT_ENCODING],
    )


def _decoded(data: bytes) -> str | None:
    """Text in an encoding that expat does not know, or that is named wrongly; None when nothing fits."""
    named = _ENCODING.match(data)
    for encoding in ((named[1].decode("ascii"),) if named else ()) + ("utf-8-sig",):
        try:
            text = data.decode(encoding)
        except (LookupError, UnicodeError):
            continue
        if "\0" not in text and text.lstrip("\ufeff \t\r\n").startswith("<"):
            return text.lstrip("\ufeff")
    return None


def _told(error: Exception) -> XmlError:
    if isinstance(error, expat.ExpatError):
        return XmlError(expat.errors.messages[error.code], error.lineno)
    return XmlError(f"its encoding is not known ({error})", 1)
