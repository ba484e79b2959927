"""A bar for what is being fetched, or a line now and then where there is no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from core.cli.output import is_terminal, say
from core.datasets.published.fetch import Progress
from core.humanise import size as human_size


@contextmanager
def fetch_progress(stream: TextIO) -> Iterator[Progress]:
    """A progress callback that shows on `stream` what arrives."""
    if not is_terminal(stream):
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, console=Console(file=stream), transient=True) as bars:
        tasks: dict[str, object] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total or None)
            bars.update(tasks[name], completed=done, total=total or None)  # type: ignore[arg-type]

        yield show


def _lines() -> Progress:
    told: dict[str, int] = {}

    def show(name: str, done: int, total: int) -> None:
        tenth = 10 * done // total if total else done >> 24
        if told.get(name) != tenth:
            told[name] = tenth
            of = f" of {human_size(total)}" if total else ""
            say(f"fetching {name}: {human_size(done)}{of}")

    return show
