"""XML of annotations: encodings, lines, and what is refused."""

from __future__ import annotations

import pytest

from core.datasets.boxes.xmltree import XmlError, parse_xml

TEXT = "<?xml version='1.0' encoding='{}'?>\n<annotation>\n<name>{}</name></annotation>"


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8", "규조류 é"),
        ("utf-8-sig", "규조류"),
        ("utf-16", "규조류"),
        ("iso-8859-1", "Pinnulária"),
        ("windows-1252", "Pinnulária – x"),
        ("euc-kr", "규조류"),
        ("cp949", "규조류"),
        ("shift_jis", "珪藻"),
        ("gb18030", "硅藻"),
    ],
)
def test_encodings(encoding: str, name: str) -> None:
    data = TEXT.format(encoding.removesuffix("-sig"), name).encode(encoding)
    assert parse_xml(data).value("name") == name


def test_an_encoding_that_is_named_wrongly() -> None:
    assert parse_xml(TEXT.format("utf-16", "규조류").encode()).value("name") == "규조류"
    assert parse_xml(TEXT.format("nonsense", "규조류").encode()).value("name") == "규조류"


def test_bytes_that_are_not_the_encoding_are_no_xml() -> None:
    with pytest.raises(XmlError, match="invalid token"):
        parse_xml("<a>규조류</a>".encode("euc-kr"))


def test_lines_namespaces_and_letter_case() -> None:
    root = parse_xml(b"<x:Annotation xmlns:x='u'>\n\n<OBJECT>\n<Name> A b </Name></OBJECT></x:Annotation>")
    assert root.tag == "annotation"
    (node,) = root.all("object")
    assert (node.line, node.value("name")) == (3, "A b")
    assert node.child("name", "other") is node.children[0]
    assert root.value("nothing") is None


BOMB = b"<!DOCTYPE a [<!ENTITY x 'y'><!ENTITY z '&x;&x;&x;'>]><a>&z;</a>"


@pytest.mark.parametrize(
    ("data", "said", "line"),
    [
        (b"", "it is empty", 0),
        (b"\r\n  \x00", "it is empty", 0),
        (b"<a>\n<b></a>", "mismatched tag", 2),
        (b"<a>\n", "no element found", 2),
        (b"hello", "syntax error", 1),
        (BOMB, "it has a document type or entities: remove them", 1),
        (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "it has a document type or entities", 1),
        (b"<a>&x;</a>", "undefined entity", 1),
        (b"<a>" * 100, "it is nested too deeply", 1),
    ],
)
def test_refused(data: bytes, said: str, line: int) -> None:
    with pytest.raises(XmlError) as caught:
        parse_xml(data)
    assert str(caught.value).startswith(said)
    assert caught.value.line == line
