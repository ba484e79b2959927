"""Runs on GPU slots: real supervisors and a stub trainer on the cards of a fake driver."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.config.workspace import Workspace
from core.launch import control, dispatch, nvml
from core.launch.jobs import start_job, stop_job, wait_job
from core.launch.queue_reasons import explain, waiting_reason, waiting_reasons
from core.launch.slots import gpu_status
from core.store.attempts import read_attempt
from core.store.catalogue import Catalogue
from core.store.files import read_json
from core.store.json_documents import show_document
from core.store.paths import RunPaths
from core.store.process import from_json, send
from core.store.records import ACTIVE, ENDED
from core.store.state import derive_state
from tests.process.process_tools import stub_run, until

HERE = Path(__file__).parent
GB = 10**9
STRANGER = os.getpid()


class Cards:
    """The GPUs of the fake driver, as every process of the test sees them."""

    def __init__(self, file: Path, number: int) -> None:
        self._file = file
        self._cards: list[dict[str, Any]] = [
            {
                "uuid": f"GPU-{index}0000000-feed",
                "name": "NVIDIA H100",
                "bus_id": f"00000000:0{index + 1}:00.0",
                "used": 0,
                "total": 80 * GB,
                "busy": 0,
                "processes": [],
            }
            for index in range(number)
        ]
        self._write()

    def use(self, index: int, *processes: tuple[int, int]) -> None:
        """From now on these (pid, bytes) compute on card `index`."""
        self._cards[index]["processes"] = [{"pid": pid, "used": used} for pid, used in processes]
        self._cards[index]["used"] = sum(used for _, used in processes)
        self._write()

    def lose(self, index: int, gone: bool = True) -> None:
        """Card `index` does not answer any more, or does again."""
        self._cards[index]["lost"] = gone
        self._write()

    def _write(self) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps({"gpus": self._cards}))
        fresh.replace(self._file)


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cards:
    """Two cards; children find the fake driver through PYTHONPATH."""
    monkeypatch.syspath_prepend(str(HERE.parent / "fake"))
    monkeypatch.setenv("PYTHONPATH", str(HERE.parent / "fake"))
    monkeypatch.setenv("LABTUI_NVML", "fake_nvml")
    monkeypatch.setenv("FAKE_NVML", str(tmp_path / "cards.json"))
    for name in ("CUDA_VISIBLE_DEVICES", "LABTUI_GPU_SLOTS", "LABTUI_GPU_BUSY_MB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(nvml, "_open", None)
    monkeypatch.setattr(nvml, "_absent", False)
    return Cards(tmp_path / "cards.json", 2)


@pytest.fixture
def lab(cards: Cards, stubbed: Workspace) -> Iterator[Workspace]:
    """A workspace whose supervisors start the stub; what still runs at the end is killed."""
    yield stubbed
    runs = [RunPaths(stubbed.runs / summary.id) for summary in Catalogue(stubbed, index=False).refresh()]
    for run in runs:
        if derive_state(run).state in ACTIVE:
            control.stop_run(run, kill=True)
    for run in runs:
        until(lambda run=run: derive_state(run).state in ENDED, "everything has ended")


def new_run(lab: Workspace, do: str = "wait", **wish: Any) -> RunPaths:
    return stub_run(lab, do, **wish)


def seen(run: RunPaths) -> dict[str, str]:
    """What the stub found in its environment."""
    path = run.attempt(1).root / "seen.json"
    until(path.exists, f"the trainer of {run.id} runs")
    return read_json(path) or {}


def slot_of(run: RunPaths) -> str:
    until(lambda: read_attempt(run, 1).slot, f"{run.id} begins")
    return read_attempt(run, 1).slot


def trainer(run: RunPaths) -> int:
    until(lambda: read_attempt(run, 1).trainer, "the trainer is noted")
    return int(read_attempt(run, 1).trainer["pid"])


def test_each_run_gets_a_card_of_its_own(lab: Workspace, cards: Cards) -> None:
    runs = [new_run(lab) for _ in range(3)]
    assert dispatch.dispatch() == [runs[0].id, runs[1].id]
    assert [seen(run)["CUDA_VISIBLE_DEVICES"] for run in runs[:2]] == [
        "GPU-00000000-feed",
        "GPU-10000000-feed",
    ]
    assert seen(runs[0])["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    began = read_json(runs[1].attempt(1).start) or {}
    assert began["slot"] == "gpu1/0"
    assert began["gpu"] == {
        "index": 1,
        "name": "NVIDIA H100",
        "bus_id": "00000000:02:00.0",
        "uuid": "GPU-10000000-feed",
    }
    assert show_document(runs[1])["gpu"] == began["gpu"]
    assert [status.runs for status in gpu_status()] == [(runs[0].id,), (runs[1].id,)]
    names = [run.id.split("-", 2)[2] for run in runs]
    assert waiting_reason(runs[2]) == (
        f"waiting for a free GPU: GPU 0: 1 run has it: {names[0]}; GPU 1: 1 run has it: {names[1]}"
    )
    control.stop_run(runs[1])
    until(lambda: derive_state(runs[2]).state == "running", "the third one gets the card that is free")
    assert read_attempt(runs[2], 1).slot == "gpu1/0"


def test_a_stranger_keeps_runs_from_its_card(lab: Workspace, cards: Cards) -> None:
    cards.use(0, (STRANGER, 12 * GB))
    wanted = new_run(lab, gpus=[0])
    anywhere, on_cpu = new_run(lab), new_run(lab, device="cpu")
    assert dispatch.dispatch() == [anywhere.id, on_cpu.id], "what waits for card 0 lets the others pass"
    assert slot_of(anywhere) == "gpu1/0"
    assert seen(on_cpu)["CUDA_VISIBLE_DEVICES"] == ""
    assert seen(on_cpu)["LABTUI_SLOT"].endswith("cpu0.lock")
    reason = waiting_reason(wanted)
    assert reason.startswith(f"waiting for GPU 0: pid {STRANGER} (")
    assert reason.endswith(") uses 12.0 GB")
    told = {summary.id: summary.reason for summary in explain(Catalogue(lab).refresh(), lab.runs)}
    assert told == {wanted.id: reason, anywhere.id: "", on_cpu.id: ""}
    cards.use(0)
    until(lambda: derive_state(wanted).state == "running", "the card is free, somebody looks again")
    assert slot_of(wanted) == "gpu0/0"


def test_who_came_first_gets_the_card(lab: Workspace, cards: Cards) -> None:
    cards.use(1, (STRANGER, 12 * GB))
    first = new_run(lab)
    dispatch.dispatch()
    seen(first)
    queued = [new_run(lab) for _ in range(3)]
    assert dispatch.dispatch() == []
    assert [reason.rpartition(", ")[2] for reason in waiting_reasons().values()][1:] == [
        "1 before it",
        "2 before it",
    ]
    for run, after in zip([first, *queued[:-1]], queued, strict=True):
        control.stop_run(run)
        until(lambda after=after: derive_state(after).state == "running", "the next one in line runs")


def test_runs_share_a_card(lab: Workspace, cards: Cards, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABTUI_GPU_SLOTS", "2")
    first, second, third = (new_run(lab, gpus=[0]) for _ in range(3))
    other = new_run(lab, gpus=[1])
    dispatch.dispatch()
    cards.use(0, (trainer(first), 30 * GB), (trainer(second), 10 * GB))
    assert [slot_of(run) for run in (first, second, other)] == ["gpu0/0", "gpu0/1", "gpu1/0"]
    assert gpu_status()[0].strangers == ()
    names = [run.id.split("-", 2)[2] for run in (first, second)]
    assert waiting_reason(third) == f"waiting for GPU 0: 2 runs have them: {names[0]} and {names[1]}"
    cards.use(0, (trainer(second), 10 * GB))
    control.stop_run(first)
    until(lambda: derive_state(third).state == "running", "beside a run of ours, whatever memory that uses")


def test_what_a_dead_run_left_on_a_card_keeps_it_busy(lab: Workspace, cards: Cards) -> None:
    """Supervisor and slot are gone, but something of the run still holds memory."""
    run, later = new_run(lab, gpus=[0]), new_run(lab, gpus=[0])
    dispatch.dispatch()
    pid = trainer(run)
    seen(run)
    cards.use(0, (pid, 8 * GB), (STRANGER, 7 * GB))
    for part in ("supervisor", "trainer"):
        identity = from_json(getattr(read_attempt(run, 1), part))
        assert identity is not None
        send(identity, signal.SIGKILL)
    until(lambda: derive_state(run).state == "lost", "the run is lost")
    assert dispatch.dispatch() == []
    cards.use(0)
    until(lambda: derive_state(later).state == "running", "the waiter starts it")


def test_a_card_that_is_not_there_fails_the_run(lab: Workspace, cards: Cards) -> None:
    run, fine = new_run(lab, gpus=[7]), new_run(lab, gpus=["GPU-1000"])
    assert dispatch.dispatch() == [fine.id]
    state = derive_state(run)
    assert state.state == "failed"
    assert state.reason == (
        "gpus: GPU 7 cannot be used, it does not exist; this machine has: "
        "0 (NVIDIA H100, GPU-00000000-feed), 1 (NVIDIA H100, GPU-10000000-feed)"
    )
    assert slot_of(fine) == "gpu1/0"


def test_the_allotment_of_whoever_asks_holds(
    lab: Workspace, cards: Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when somebody with another one, or none, starts it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    mine = new_run(lab)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    none = new_run(lab)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    anyone = new_run(lab)
    assert dispatch.dispatch() == [mine.id, none.id, anyone.id]
    assert [slot_of(run) for run in (mine, none, anyone)] == ["gpu1/0", "cpu0", "gpu0/0"]
    assert seen(none)["CUDA_VISIBLE_DEVICES"] == ""


def test_without_a_driver_there_is_the_cpu(lab: Workspace, cards: Cards, tmp_path: Path) -> None:
    (tmp_path / "cards.json").write_text(json.dumps({"init": "Driver Not Loaded", "value": 9, "gpus": []}))
    run = new_run(lab)
    assert dispatch.dispatch() == [run.id]
    assert seen(run)["LABTUI_SLOT"].endswith("cpu0.lock")
    assert seen(run)["CUDA_VISIBLE_DEVICES"] == ""
    assert (read_json(run.attempt(1).start) or {})["gpu"] is None


@pytest.mark.parametrize(
    "fault", [{"init": "Driver/library version mismatch", "value": 18}, {"count": "Unknown Error"}]
)
def test_a_driver_that_does_not_answer_is_waited_for(
    lab: Workspace, cards: Cards, tmp_path: Path, fault: dict[str, Any]
) -> None:
    """No run that may use a GPU goes to the CPU, none that names one fails; the others go on."""
    good = (tmp_path / "cards.json").read_text()
    (tmp_path / "cards.json").write_text(json.dumps({**fault, "gpus": []}))
    anywhere, named, on_cpu = new_run(lab), new_run(lab, gpus=[1]), new_run(lab, device="cpu")
    assert dispatch.dispatch() == [on_cpu.id]
    said = fault.get("init") or fault["count"]
    for run in (anywhere, named):
        assert derive_state(run).state == "queued"
        assert said in waiting_reason(run)
    (tmp_path / "cards.json").write_text(good)
    until(lambda: derive_state(named).state == "running", "the driver answers again, somebody looks again")
    assert (slot_of(anywhere), slot_of(named)) == ("gpu0/0", "gpu1/0")


def test_a_card_that_falls_silent_is_waited_for(lab: Workspace, cards: Cards, tmp_path: Path) -> None:
    """A named card that does not answer is not a card that does not exist; nor does it pass for free."""
    cards.lose(1)
    named, other = new_run(lab, gpus=[1]), new_run(lab)
    assert dispatch.dispatch() == [other.id]
    assert slot_of(other) == "gpu0/0"
    assert waiting_reason(named).startswith("waiting for GPU 1: GPU 1 does not answer (GPU is lost)")
    cards.lose(1, False)
    until(lambda: derive_state(named).state == "running", "it is back")
    assert slot_of(named) == "gpu1/0"


def test_a_resumed_run_goes_where_it_began(lab: Workspace, cards: Cards) -> None:
    """What `auto` was resolved to at the first attempt holds for all."""
    run = new_run(lab)
    run.resolved.write_text(json.dumps({"device": "cpu"}))
    dispatch.dispatch()
    assert slot_of(run) == "cpu0"


def test_a_job_takes_a_card_too(lab: Workspace, cards: Cards) -> None:
    run = new_run(lab, "finish")
    dispatch.dispatch()
    until(lambda: derive_state(run).state == "finished", "the run ends")
    cards.use(0, (STRANGER, 12 * GB))
    job = start_job(lab, run, "measure", {"do": "wait"})
    seen_by_job = job.root / "seen.json"
    until(seen_by_job.exists, "the job runs")
    assert (read_json(seen_by_job) or {})["CUDA_VISIBLE_DEVICES"] == "GPU-10000000-feed"
    assert [status.runs for status in gpu_status()] == [(), (f"{run.id} measure-0001",)]
    waiting = start_job(lab, run, "measure", {"do": "wait", "gpus": [1]})
    assert waiting_reasons()[str(waiting.root)] == (
        f"waiting for GPU 1: 1 run has it: {run.id.split('-', 2)[2]} measure-0001"
    )
    stop_job(job)
    assert wait_job(job, 20).state == "stopped"
    until(lambda: (waiting.root / "seen.json").exists(), "the next job gets the card")
    stop_job(waiting)
    assert wait_job(waiting, 20).state == "stopped"
    assert derive_state(run).state == "finished"
