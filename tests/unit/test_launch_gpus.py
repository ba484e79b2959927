"""GPUs as NVML shows them: who is on them, which a run may take, and every way in which NVML fails."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.errors import UsageError
from core.launch import nvml, slots
from core.launch.gpus import MissingGpuError, allowed, named, require_gpus, strangers, who_blocks
from core.launch.nvml import Gpu, GpuProcess, read_gpus
from core.launch.slots import Board, Need, busy_slots, cpu_slots, gpu_status, note_holder
from core.launch.slots import Holder as SlotHolder
from core.store.locks import acquire

FAKES = Path(__file__).parents[1] / "fake"
GB = 10**9
MINE = os.getpid()
"""A process that exists and holds no slot of labtui's."""

ELSEWHERE = {"pid": 2**22 + 5, "used": 12 * GB}
"""A process with a number beyond what this kernel gives."""

World = Callable[..., None]


def card(number: int, **parts: Any) -> dict[str, Any]:
    """A GPU as the fake driver describes it."""
    return {
        "uuid": f"GPU-{number:08d}-aaaa",
        "name": "NVIDIA A100",
        "bus_id": f"00000000:{number + 1:02X}:00.0",
        "used": 0,
        "total": 40 * GB,
        "busy": 0,
        "processes": [],
        **parts,
    }


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Says which GPUs there are from now on."""
    file = tmp_path / "gpus.json"
    monkeypatch.syspath_prepend(str(FAKES))
    monkeypatch.setenv("LABTUI_NVML", "fake_nvml")
    monkeypatch.setenv("FAKE_NVML", str(file))
    monkeypatch.setenv("LABTUI_CPU_SLOTS", "1")
    for name in ("CUDA_VISIBLE_DEVICES", "LABTUI_GPU_SLOTS", "LABTUI_GPU_BUSY_MB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(nvml, "_open", None)
    monkeypatch.setattr(nvml, "_absent", False)

    def describe(*gpus: dict[str, Any], **more: Any) -> None:
        file.write_text(json.dumps({"gpus": list(gpus), **more}))

    return describe


def test_what_the_driver_says(world: World) -> None:
    process = {"pid": 7, "used": GB}
    world(card(0, used=3 * GB, busy=87, processes=[process], drawing=[{"pid": 8, "used": 5}]), card(1))
    first, second = read_gpus()
    assert first == Gpu(
        index=0,
        label="0",
        uuid="GPU-00000000-aaaa",
        name="NVIDIA A100",
        bus_id="00000000:01:00.0",
        used=3 * GB,
        total=40 * GB,
        busy=87,
        processes=(GpuProcess(7, GB),),
        drawing=5,
    )
    assert (second.index, second.uuid, second.processes) == (1, "GPU-00000001-aaaa", ())


def test_numbers_may_not_be_supported(world: World) -> None:
    """WSL, vGPU and unified memory: only the UUID has to be there."""
    world({"uuid": "GPU-bare"}, card(1, used=2**64 - 1, processes=[{"pid": 7, "used": 2**64 - 1}]))
    bare, odd = read_gpus()
    assert (bare.name, bare.used, bare.total, bare.busy, bare.processes) == ("GPU", None, None, None, None)
    assert (odd.used, odd.processes) == (None, (GpuProcess(7, None),))
    assert who_blocks(bare) == ()
    assert [status.blocked for status in gpu_status()] == [False, False]


def test_slices_of_a_gpu_are_gpus(world: World) -> None:
    pieces = [
        {"uuid": f"MIG-{n}", "name": "A100 MIG 1g.5gb", "used": n * GB, "total": 5 * GB} for n in range(2)
    ]
    world(card(0, mig=pieces), card(1, mig=[]))
    found = read_gpus()
    assert [(gpu.index, gpu.label, gpu.uuid) for gpu in found] == [
        (0, "0.0", "MIG-0"),
        (0, "0.1", "MIG-1"),
        (1, "1", "GPU-00000001-aaaa"),
    ]
    assert [gpu.uuid for gpu in named(found, [0])] == ["MIG-0", "MIG-1"]
    assert [gpu.uuid for gpu in named(found, ["0.1"])] == ["MIG-1"]
    assert [slot.name for slot in Board().options(Need())] == ["gpu0.0/0", "gpu0.1/0", "gpu1/0"]


@pytest.mark.parametrize("value", [9, 12, 28])
def test_a_driver_that_is_not_there_is_no_driver(world: World, value: int) -> None:
    world(card(0), init="Driver Not Loaded", value=value)
    assert nvml.look() == nvml.Look()
    assert gpu_status() == ()
    assert [slot.name for slot in Board().options(Need("auto"))] == ["cpu0"]
    assert [slot.name for slot in Board().options(Need("cuda"))] == ["cpu0"], (
        "the trainer says what is missing"
    )


@pytest.mark.parametrize("fault", [{"init": "Driver/library version mismatch"}, {"count": "Unknown Error"}])
def test_a_broken_driver_says_nothing_of_what_is_there(world: World, fault: dict[str, str]) -> None:
    world(card(0), **fault)
    assert read_gpus() == gpu_status() == ()
    words = next(iter(fault.values()))
    assert nvml.look().fault == f"the NVIDIA driver does not answer ({words})"
    for need in (Need("auto"), Need("cuda"), Need("auto", gpus=(0,)), Need("auto", visible="0")):
        assert Board().take(need) is None
        assert words in Board().reason(need)
    for need in (Need("cpu"), Need("auto", visible="")):
        assert [slot.name for slot in Board().options(need)] == ["cpu0"]
    require_gpus([0])
    world(card(0))
    assert [gpu.index for gpu in read_gpus()] == [0], "it is asked again"


@pytest.mark.parametrize("number", ["used", "processes"])
def test_a_card_of_which_nobody_can_say_who_is_on_it_is_not_free(world: World, number: str) -> None:
    world(card(0, **{number: "fault: Timeout"}), card(1))
    seen = nvml.look()
    assert [gpu.index for gpu in seen.gpus] == [1]
    assert seen.fault == "GPU 0 does not answer (Timeout)"
    assert Board().take(Need(gpus=(0,))) is None
    assert "Timeout" in Board().reason(Need(gpus=(0,)))


def test_a_lost_gpu_hides_no_other(world: World) -> None:
    world(card(0, lost=True), card(1))
    assert [gpu.index for gpu in read_gpus()] == [1]


@pytest.mark.parametrize("module", ["no_such_module_of_nvml", "json"])
def test_without_a_module_there_is_no_gpu(module: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABTUI_NVML", module)
    assert read_gpus() == ()


def test_the_fake_driver_is_like_the_real_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same names, no more arguments than the real functions take; without a driver the real one says none."""
    fake, real = importlib.import_module("fake_nvml"), importlib.import_module("pynvml")
    assert issubclass(real.NVMLError, Exception)
    assert real.nvmlMemory_v2 == fake.nvmlMemory_v2
    for name in [name for name in vars(fake) if name.startswith("nvml") and name != "nvmlMemory_v2"]:
        mine = inspect.signature(getattr(fake, name)).parameters
        theirs = inspect.signature(getattr(real, name)).parameters
        assert len(mine) <= len(theirs), name
    if not Path("/dev/nvidiactl").exists():
        monkeypatch.setenv("LABTUI_NVML", "pynvml")
        assert read_gpus() == ()


def test_a_driver_comes_back(world: World) -> None:
    world(card(0))
    assert len(read_gpus()) == 1
    world(card(0), count="Uninitialized")
    assert read_gpus() == ()
    world(card(0))
    assert len(read_gpus()) == 1


def test_a_machine_without_driver_pays_nothing(tmp_path: Path) -> None:
    """The module of NVML is not even imported, and the answer is kept."""
    script = (
        "import ctypes, sys\n"
        "real, asked = ctypes.CDLL, []\n"
        "def cdll(name, *a, **k):\n"
        "    if name == 'libnvidia-ml.so.1':\n"
        "        asked.append(name)\n"
        "        raise OSError(name)\n"
        "    return real(name, *a, **k)\n"
        "ctypes.CDLL = cdll\n"
        "from core.launch.slots import busy_slots, gpu_status\n"
        "busy_slots(), gpu_status()\n"
        "print(len(asked), 'pynvml' in sys.modules)\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "LABTUI_NVML"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.stdout.split() == ["1", "False"]


CARDS = [
    Gpu(0, "0", "GPU-0a1", "A", "b0"),
    Gpu(1, "1", "GPU-1b2", "B", "b1"),
    Gpu(2, "2", "GPU-1c3", "C", "b2"),
]


@pytest.mark.parametrize(
    ("visible", "indices"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1", [1]),
        ("2,0", [2, 0]),
        ("0,0,1", [0, 1]),
        ("0,7,1", [0]),
        (" 1 , 2 ", [1, 2]),
        ("GPU-0a1", [0]),
        ("GPU-1c", [2]),
        ("GPU-1", []),
        ("GPU-1b2,0", [1, 0]),
    ],
)
def test_the_environment_restricts(visible: str | None, indices: list[int]) -> None:
    assert [gpu.index for gpu in allowed(CARDS, visible)] == indices


@pytest.mark.parametrize(
    ("wanted", "indices"),
    [([1], [1]), (["1"], [1]), (["GPU-0a1"], [0]), (["GPU-1c"], [2]), ([2, 0, 2], [2, 0])],
)
def test_gpus_are_named_by_index_or_uuid(wanted: list[int | str], indices: list[int]) -> None:
    assert [gpu.index for gpu in named(CARDS, wanted)] == indices


@pytest.mark.parametrize(
    ("wanted", "visible", "words"),
    [
        (
            [3],
            None,
            r"GPU 3 cannot be used, it does not exist; .* 0 \(A, GPU-0a1\), 1 \(B, GPU-1b2\), 2 \(C, ",
        ),
        (["GPU-1"], None, "GPU GPU-1 cannot be used"),
        ([1], "0,2", r"CUDA_VISIBLE_DEVICES=0,2 hides it; this machine has: 0 \(A, GPU-0a1\), 2 \(C,"),
        ([-1], None, "GPU -1 cannot be used"),
        (["\x1b[2J"], None, "GPU ␛"),
    ],
)
def test_a_gpu_that_is_not_there(wanted: list[int | str], visible: str | None, words: str) -> None:
    with pytest.raises(MissingGpuError, match=words):
        named(CARDS, wanted, visible)


def test_no_gpu_at_all_is_said_so(world: World) -> None:
    world()
    require_gpus(None)
    with pytest.raises(UsageError, match="this machine has: none"):
        require_gpus([0])


@pytest.mark.parametrize(("megabytes", "busy"), [(499, False), (501, True), (12_000, True)])
def test_strangers_make_a_gpu_busy(world: World, megabytes: int, busy: bool) -> None:
    world(card(0, used=megabytes * 10**6, processes=[{"pid": MINE, "used": megabytes * 10**6}]))
    assert bool(who_blocks(read_gpus()[0])) == busy
    taken = Board().take(Need("cuda"))
    assert (taken is None) == busy
    name = psutil.Process(MINE).name()
    if megabytes == 12_000:
        assert Board().reason(Need("cuda")) == f"waiting for GPU 0: pid {MINE} ({name}) uses 12.0 GB"
    if taken:
        taken[1].release()


@pytest.mark.parametrize("seen", [True, False])
def test_a_busy_gpu_is_not_locked_even_for_a_moment(
    world: World, monkeypatch: pytest.MonkeyPatch, seen: bool
) -> None:
    """Readers would say that a run has it. What came since the board's look is found with the lock held."""
    locked = []

    def locking(path: Path, **more: Any) -> Any:
        locked.append(path.name)
        return acquire(path, **more)

    monkeypatch.setattr(slots, "acquire", locking)
    busy = card(0, used=12 * GB, processes=[{"pid": MINE, "used": 12 * GB}])
    board = Board()
    world(busy if seen else card(0))
    assert len(board.gpus) == 1
    world(busy)
    assert board.take(Need("cuda")) is None
    assert len(locked) == (0 if seen else 1)


@pytest.mark.parametrize(("setting", "busy"), [("0", False), ("100", True), ("2000", False)])
def test_the_limit_is_a_setting(
    world: World, monkeypatch: pytest.MonkeyPatch, setting: str, busy: bool
) -> None:
    monkeypatch.setenv("LABTUI_GPU_BUSY_MB", setting)
    world(card(0, used=GB, processes=[{"pid": MINE, "used": GB}]))
    assert bool(who_blocks(read_gpus()[0])) == busy


@pytest.mark.parametrize("name", ["LABTUI_GPU_BUSY_MB", "LABTUI_GPU_SLOTS"])
def test_settings_are_checked(world: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "many")
    world(card(0))
    with pytest.raises(UsageError, match=rf"\${name}: expected a number .* got 'many'"):
        busy_slots()


def test_several_strangers_count_together(world: World) -> None:
    each = [{"pid": pid, "used": 300 * 10**6} for pid in (MINE, os.getppid())]
    world(card(0, used=600 * 10**6, processes=each))
    assert len(who_blocks(read_gpus()[0])) == 2
    assert " and 1 more" in Board().reason(Need("cuda"))


@pytest.mark.parametrize(
    ("parts", "ours", "busy"),
    [
        pytest.param({"used": 12 * GB, "processes": []}, 0, True, id="container: others are not listed"),
        pytest.param({"used": 12 * GB, "processes": []}, 1, False, id="container: it may be ours"),
        pytest.param({"used": 900 * 10**6, "processes": []}, 0, False, id="what the driver itself takes"),
        pytest.param(
            {"used": 3 * GB, "processes": [], "drawing": [{"pid": 1, "used": 5 * GB // 2}]},
            0,
            False,
            id="desktop",
        ),
        pytest.param({"used": 12 * GB, "processes": [{"pid": MINE, "used": None}]}, 0, True, id="WSL: one"),
        pytest.param(
            {"used": 12 * GB, "processes": [{"pid": MINE, "used": None}, {"pid": 1, "used": None}]},
            0,
            False,
            id="WSL: nobody can say",
        ),
        pytest.param({"used": 12 * GB, "processes": [ELSEWHERE]}, 1, False, id="pid ns"),
        pytest.param({"used": 12 * GB, "processes": [ELSEWHERE]}, 0, True, id="gone"),
    ],
)
def test_what_cannot_be_told(world: World, parts: dict[str, Any], ours: int, busy: bool) -> None:
    world(card(0, **parts))
    assert bool(who_blocks(read_gpus()[0], ours)) == busy


def test_our_own_runs_are_no_strangers(world: World) -> None:
    """A trainer is known by the slot its environment names, for as long as that is held."""
    world(card(0))
    taken = Board().take(Need("cuda"))
    assert taken is not None
    slot, lock = taken
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "LABTUI_SLOT": str(slot.path)},
    )
    assert child.stdout is not None
    child.stdout.readline()
    try:
        world(card(0, used=9 * GB, processes=[{"pid": child.pid, "used": 9 * GB}]))
        assert strangers(read_gpus()[0], 1) == ()
        lock.release()
        assert [item.pid for item in strangers(read_gpus()[0])] == [child.pid], "left over from a dead run"
    finally:
        child.kill()
        child.wait()


def test_other_users_slots_do_not_count(world: World, tmp_path: Path) -> None:
    lock = acquire(tmp_path / "gpu-x-0.lock")
    assert lock is not None
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "LABTUI_SLOT": str(lock.path)},
    )
    assert child.stdout is not None
    child.stdout.readline()
    try:
        world(card(0, used=9 * GB, processes=[{"pid": child.pid, "used": 9 * GB}]))
        assert [item.pid for item in strangers(read_gpus()[0], 1)] == [child.pid]
    finally:
        child.kill()
        child.wait()
        lock.release()


def test_slots_are_spread_over_gpus(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABTUI_GPU_SLOTS", "2")
    world(card(0), card(1))
    board = Board()
    taken = []
    for _ in range(4):
        found = board.take(Need())
        assert found is not None
        board.used(found[0])
        taken.append(found)
    assert [slot.name for slot, _ in taken] == ["gpu0/0", "gpu1/0", "gpu0/1", "gpu1/1"]
    assert board.take(Need()) is None
    assert (
        Board().reason(Need()) == "waiting for a free GPU: GPU 0: 2 runs have them; GPU 1: 2 runs have them"
    )
    assert Board().reason(Need(gpus=(1,))) == "waiting for GPU 1: 2 runs have them"
    assert [(slot.name, busy) for slot, busy in busy_slots()] == [
        ("cpu0", False),
        ("gpu0/0", True),
        ("gpu0/1", True),
        ("gpu1/0", True),
        ("gpu1/1", True),
    ]
    for _, lock in taken:
        lock.release()


def test_the_lock_is_keyed_by_uuid(world: World) -> None:
    """Indices move when a card is taken out; the one that trains stays held."""
    world(card(0), card(1))
    taken = Board().take(Need(gpus=(1,)))
    assert taken is not None
    world(card(1))
    assert Board().take(Need(gpus=(0,))) is None
    taken[1].release()


@pytest.mark.parametrize(
    ("need", "names"),
    [
        (Need("cpu"), ["cpu0"]),
        (Need("mps"), ["cpu0"]),
        (Need("auto"), ["gpu0/0", "gpu1/0"]),
        (Need("cuda"), ["gpu0/0", "gpu1/0"]),
        (Need("auto", gpus=(1,)), ["gpu1/0"]),
        (Need("auto", visible="1"), ["gpu1/0"]),
        (Need("auto", visible=""), ["cpu0"]),
    ],
)
def test_which_slots_would_do(world: World, need: Need, names: list[str]) -> None:
    world(card(0), card(1))
    assert [slot.name for slot in Board().options(need)] == names


def test_cpu_reasons_are_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABTUI_CPU_SLOTS", "2")
    locks = []
    for slot in cpu_slots():
        assert "a slot is free" in Board().reason(Need("cpu"))
        locks.append(acquire(slot.path))
    assert Board().reason(Need("cpu")) == "waiting for a free CPU slot: 2 runs have them"
    for lock in locks:
        assert lock is not None
        lock.release()
    monkeypatch.setenv("LABTUI_CPU_SLOTS", "1")
    with acquire(cpu_slots()[0].path):  # type: ignore[union-attr]
        assert Board().reason(Need("cpu")) == "waiting for a free CPU slot: 1 run has it"


def test_status_names_runs_and_strangers(world: World, tmp_path: Path) -> None:
    world(card(0))
    taken = Board().take(Need("cuda"))
    assert taken is not None
    note_holder(taken[1], SlotHolder(tmp_path / "20261125-080000-demo-1a2b", "measure-0001"))
    world(card(0, used=7 * GB, busy=50, processes=[{"pid": MINE, "used": 2 * GB}]), card(1))
    first, second = gpu_status()
    assert first.runs == ("20261125-080000-demo-1a2b measure-0001",)
    assert first.strangers == (f"pid {MINE} ({psutil.Process(MINE).name()}) uses 2.0 GB",)
    assert (first.busy, first.used, first.total, first.blocked) == (50, 7 * GB, 40 * GB, True)
    assert (second.runs, second.strangers, second.blocked) == ((), (), False)
    taken[1].release()
    assert gpu_status()[0].runs == (), "what a free slot's file says is past"
