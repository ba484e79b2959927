"""The network of a run: its parts, then its layers, with what of them is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from core import humanise
from core.store.json_values import mappings_in
from tui.widgets.columns import Column
from tui.widgets.line_table import LineTable, Span

_COUNT, _FULL_COUNT = 7, 12


@dataclass(frozen=True)
class LayerRow:
    """A part or a layer; `shape` is its output for one image."""

    key: str
    name: str
    type: str
    shape: str
    parameters: int
    trainable: int
    part: bool = False


class LayerTable(LineTable[LayerRow]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,l", "choose", show=False)]
    _names = _types = _shapes = 10

    def set_rows(self, rows: Sequence[LayerRow]) -> None:
        self._names = max((len(row.name) for row in rows), default=10)
        self._types = max((len(row.type) for row in rows), default=10)
        self._shapes = max((len(row.shape) for row in rows), default=10)
        super().set_rows(rows)

    def key(self, row: LayerRow) -> str:
        return row.key

    def declared(self) -> list[Column]:
        return [
            Column("cursor", "", 1),
            Column("name", "layer", 8, middle=True, max=self._names, share=20),
            Column("type", "type", 6, max=self._types, share=6, priority=1),
            Column("shape", "output", 6, max=self._shapes, share=5, priority=2),
            *(
                Column(key, title, _COUNT, "right", max=_FULL_COUNT, share=8)
                for key, title in (("parameters", "parameters"), ("trainable", "trained"))
            ),
        ]

    def cells(self, row: LayerRow) -> dict[str, Sequence[Span] | Span]:
        tone = "strong" if row.part else "text" if row.parameters else "muted"
        frozen = row.parameters > 0 and not row.trainable
        trained = humanise.count(row.trainable) if row.trainable else "frozen" if frozen else humanise.MISSING
        return {
            "cursor": ("▸" if row.key == self.cursor_key else " ", "text"),
            "name": (row.name, tone),
            "type": (row.type, "muted"),
            "shape": (row.shape, "muted"),
            "parameters": (humanise.count(row.parameters) if row.parameters else humanise.MISSING, tone),
            "trainable": (trained, "warning" if frozen else tone),
        }


def layer_rows(model: Mapping[str, Any] | None) -> list[LayerRow]:
    """Rows of model.json: all, the parts when there are several, the layers. What is no row is left out."""
    if model is None:
        return []
    rows = [_row("all", model, str(model.get("model", "")), "all", part=True)]
    parts = mappings_in(model.get("parts"))
    if len(parts) > 1:
        rows += [
            _row(f"part {part.get('name')}", part, "", str(part.get("name")), part=True) for part in parts
        ]
    rows += [
        _row(f"{place}", layer, str(layer.get("type", "")), str(layer.get("name") or "(network)"))
        for place, layer in enumerate(mappings_in(model.get("layers")))
    ]
    return rows


def _row(key: str, content: Mapping[str, Any], kind: str, name: str, *, part: bool = False) -> LayerRow:
    shape = content.get("shape")
    sides = " x ".join(str(side) for side in shape) if isinstance(shape, list) else ""
    return LayerRow(key, name, kind, sides, _count(content, "parameters"), _count(content, "trainable"), part)


def _count(content: Mapping[str, Any], name: str) -> int:
    value = content.get(name)
    return value if isinstance(value, int) else 0
