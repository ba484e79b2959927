"""Messages between the reader and the app."""

from __future__ import annotations

from textual.message import Message

from tui.read.reader import Snapshot


class SnapshotRead(Message):
    """The reader has looked at the workspace; a newer one takes the place of one still waiting."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, SnapshotRead)
