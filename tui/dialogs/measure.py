"""What to measure: which checkpoints, on which images; says what that comes to before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from core import humanise
from core.errors import LabError
from core.store.paths import RunPaths
from core.store.records import RunSummary
from tui.cell_text import plain
from tui.lab import Lab, lab_of
from tui.widgets.stepper import Stepper
from tui.widgets.toggle import Toggle

if TYPE_CHECKING:
    from core.evaluate.plan import MeasurePlan

SPLITS = (
    ("train", "training images"),
    ("val", "validation images"),
    ("test", "test images: do not choose by them"),
)


class MeasureDialog(ModalScreen[None]):
    """`checkpoint` is the one under the cursor, if any; `splits` are those that the run has."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "#at"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "cancel", show=False),
        Binding("ctrl+s", "start", "start", show=False),
        Binding("down,j", "app.focus_next", "next", show=False),
        Binding("up,k", "app.focus_previous", "previous", show=False),
    ]

    def __init__(self, run: RunSummary, *, checkpoint: str = "", splits: Sequence[str] = ()) -> None:
        super().__init__()
        self._run = run
        self._checkpoint = checkpoint
        self._splits = splits or tuple(name for name, _ in SPLITS)
        self._made: MeasurePlan | None = None

    @property
    def lab(self) -> Lab:
        return lab_of(self)

    @property
    def paths(self) -> RunPaths:
        return RunPaths(self.lab.workspace.runs / self._run.id)

    def compose(self) -> ComposeResult:
        choices = [("all", "all on the run's curve"), ("best", "the best one"), ("last", "the last one")]
        if self._checkpoint:
            choices.insert(0, (self._checkpoint, f"{self._checkpoint}, under the cursor"))
        with Vertical(classes="dialog wide"):
            yield Static(f"Measure {self._run.label}", markup=False, classes="dialog-title")
            with Horizontal(classes="form-line"):
                yield Static("checkpoints", markup=False, classes="form-label")
                yield Stepper(choices, choices[0][0], id="at")
            for name, text in SPLITS:
                if name in self._splits:
                    with Horizontal(classes="form-line"):
                        yield Static(name, markup=False, classes="form-label")
                        yield Toggle(text, name == self._first, id=f"split-{name}")
            yield Static("", markup=False, id="plan")
            with Horizontal(classes="dialog-buttons"):
                yield Button(plain("esc  cancel"), id="cancel", compact=True)
                yield Button(plain("ctrl+s  start"), id="start", compact=True, disabled=True)

    @property
    def _first(self) -> str:
        """What is on at the start: training images, as validation is measured while training."""
        return next(name for name in ("train", "val", "test") if name in self._splits)

    def on_mount(self) -> None:
        self._changed()

    @property
    def choice(self) -> tuple[str, tuple[str, ...]]:
        """Checkpoints as on the command line, and splits."""
        splits = tuple(
            name
            for name, _ in SPLITS
            if name in self._splits and self.query_one(f"#split-{name}", Toggle).value
        )
        return self.query_one("#at", Stepper).value, splits

    @on(Stepper.Changed)
    @on(Toggle.Changed)
    def _changed(self) -> None:
        at, splits = self.choice
        if splits:
            self._plan(at, splits)
        else:
            self._show((at, splits), "choose at least one kind of images", None)

    @work(thread=True, exclusive=True, group="plan", exit_on_error=False)
    def _plan(self, at: str, splits: tuple[str, ...]) -> None:
        from core.evaluate.plan import plan_measure

        try:
            plan = plan_measure(self.lab.workspace, self.paths, at=at, splits=splits)
        except LabError as error:
            self.app.call_from_thread(self._show, (at, splits), str(error), None)
        else:
            self.app.call_from_thread(self._show, (at, splits), sentence(plan), plan)

    def _show(self, choice: object, text: str, plan: MeasurePlan | None) -> None:
        if not self.is_attached or choice != self.choice:
            return
        self._made = plan
        line = self.query_one("#plan", Static)
        line.update(text)
        line.set_class(plan is None, "-bad")
        self.query_one("#start", Button).disabled = plan is None

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "start":
            self.action_start()
        else:
            self.dismiss(None)

    def action_start(self) -> None:
        if self._made is None:
            return
        from core.launch.jobs import start_job

        lab, paths, content = self.lab, self.paths, self._made.content
        self.dismiss(None)
        lab.perform(lambda: start_job(lab.workspace, paths, "measure", content))


def sentence(plan: MeasurePlan) -> str:
    """What a measuring job comes to."""
    count, splits = len(plan.checkpoints), ", ".join(plan.splits)
    total = f"{humanise.count(plan.total)} measurement{'s' * (plan.total > 1)}"
    text = f"{humanise.count(count)} checkpoint{'s' * (count > 1)} on {splits}: {total}"
    if plan.done == plan.total:
        return f"{text}, all of them already done"
    known = f", {plan.done} of them already done" if plan.done else ""
    notes = "".join(f"; {note}" for note in plan.notes)
    return f"{text}{known}{notes}; uses its own slot, and training continues"
