"""What every screen and dialog may ask of the app, without knowing the app or the other screens."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar

from textual.app import App
from textual.message import Message
from textual.message_pump import MessagePump
from textual.reactive import var

from core.config.workspace import Workspace
from tui.read.choices import Choices
from tui.read.reader import EMPTY, Snapshot, Wanted

Result = TypeVar("Result")


class Lab(App[int]):
    """The app as the screens see it: data comes by `snapshot` alone, what blocks goes through `perform`."""

    workspace: Workspace
    choices: Choices
    snapshot: var[Snapshot] = var(EMPTY)

    @abstractmethod
    def want(self, wanted: Wanted) -> None:
        """Say what is on the screen, so that only this is read."""

    @abstractmethod
    def look_now(self) -> None:
        """Read without waiting for the next turn."""

    @abstractmethod
    def perform(self, function: Callable[[], Result], then: Callable[[Result], None] | None = None) -> None:
        """Call `function` in a thread, then `then` with its result here; an error opens a dialog."""

    @abstractmethod
    def choose(self, name: str, value: object, *, here: bool = False) -> None:
        """Have a choice hold now and at the next start; with `here` in this workspace only."""

    @abstractmethod
    def show_error(self, error: BaseException) -> None:
        """One sentence in a dialog; what is no LabError also goes to the log."""

    @abstractmethod
    def select_run(self, run_id: str) -> None:
        """Put the cursor of the list on a run, as soon as it is there."""

    @abstractmethod
    def action_leave(self) -> None:
        """End the screens; training goes on."""


def lab_of(node: MessagePump) -> Lab:
    """The app that a screen or dialog belongs to."""
    app = node.app
    assert isinstance(app, Lab), f"{type(app).__name__} is no app of labtui"
    return app


class SnapshotRead(Message):
    """The reader has looked at the workspace; a newer one takes the place of one still waiting."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, SnapshotRead)
