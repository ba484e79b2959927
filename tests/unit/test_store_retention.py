"""What stays of a run's checkpoints, at whatever point removing the others ends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.config.workspace import Workspace
from core.errors import CheckpointError, LabError
from core.store import annotate, faults, files, jobs, process
from core.store.attempts import begin_attempt, sweep_temporaries, write_exit, write_result
from core.store.checkpoints import choose, list_checkpoints, save_files, verify
from core.store.forks import inherited_id, prepare_fork
from core.store.locks import acquire, run_lock_path
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths, checkpoint_id
from core.store.retention import prune
from core.store.runs import add_request, create_run

SCORES = [0.2, 0.5, 0.9, 0.4, 0.3, 0.1, 0.6, 0.2]


@pytest.fixture
def lab(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def create(lab: Workspace, **more: object) -> RunPaths:
    return create_run(
        lab,
        config_name="demo",
        config_text="epochs: 8\n",
        model="tinyvgg_a",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=8,
        argv=[],
        **more,  # type: ignore[arg-type]
    )


def save(run: RunPaths, attempt: int, epoch: int, score: float | None, step: int | None = None) -> str:
    identifier = checkpoint_id(attempt, epoch, step)
    sidecar = {
        "attempt": attempt,
        "epoch": epoch,
        "step": step or epoch * 10,
        "metrics": {} if score is None else {"val/accuracy": score},
        "mid_epoch": step is not None,
    }
    save_files(run, identifier, identifier.encode() * 50, sidecar)
    return identifier


@pytest.fixture
def run(lab: Workspace) -> RunPaths:
    """Eight epochs, the third the best, and a stop within the ninth."""
    made = create(lab)
    begin_attempt(made, 1, slot="cpu0", threads=1)
    for epoch, score in enumerate(SCORES, start=1):
        save(made, 1, epoch, score)
    save(made, 1, 9, None, step=85)
    return made


def ids(run: RunPaths) -> list[str]:
    return [checkpoint.id for checkpoint in list_checkpoints(run)]


def lying(run: RunPaths) -> list[str]:
    return sorted(path.name for path in run.checkpoints.iterdir())


def test_all_means_all(run: RunPaths) -> None:
    before = lying(run)
    assert prune(run, "all") == []
    assert lying(run) == before


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (1, ["a01-e0003", "a01-e0009-s000085"]),
        (2, ["a01-e0003", "a01-e0008", "a01-e0009-s000085"]),
        (6, [*(f"a01-e000{n}" for n in range(3, 9)), "a01-e0009-s000085"][-7:]),
        (8, [*(f"a01-e000{n}" for n in range(2, 9)), "a01-e0009-s000085"]),
        (100, [*(f"a01-e000{n}" for n in range(1, 9)), "a01-e0009-s000085"]),
    ],
)
def test_the_newest_and_the_best_stay(run: RunPaths, keep: int, kept: list[str]) -> None:
    before = ids(run)
    assert prune(run, keep) == [identifier for identifier in before if identifier not in kept]
    assert ids(run) == kept
    assert lying(run) == sorted(name for one in kept for name in (f"{one}.json", f"{one}.pt"))
    assert all(verify(checkpoint) is None for checkpoint in list_checkpoints(run))
    assert choose(run, "best").id == "a01-e0003"
    assert prune(run, keep) == [], "twice is fine"


def test_fewer_than_one_is_a_mistake(run: RunPaths) -> None:
    with pytest.raises(ValueError, match="keep is 0"):
        prune(run, 0)


def test_pins_and_protected_ones_stay(run: RunPaths) -> None:
    annotate.pin(run, "a01-e0001")
    prune(run, 1, ["a01-e0005", "a09-e0099"])
    assert ids(run) == ["a01-e0001", "a01-e0003", "a01-e0005", "a01-e0009-s000085"]
    annotate.pin(run, "a01-e0001", on=False)
    assert prune(run, 1) == ["a01-e0001", "a01-e0005"]


def test_the_start_of_what_was_asked_stays(run: RunPaths) -> None:
    attempt = run.attempt(1)
    write_result(attempt, "stopped", epoch=8, step=85)
    write_exit(attempt, code=0, signal=None)
    add_request(run, "a01-e0002", 12)
    prune(run, 1)
    assert ids(run) == ["a01-e0002", "a01-e0003", "a01-e0009-s000085"]


def test_what_a_job_is_to_look_at_stays(run: RunPaths) -> None:
    job = jobs.create_job(run, "measure", {"at": ["a01-e0001", "a01-e0004"], "splits": ["val"]})
    other = jobs.create_job(run, "predict", {"checkpoint": "a01-e0006", "images": ["a01-e0007"]})
    prune(run, 1)
    assert ids(run) == [*(f"a01-e000{n}" for n in (1, 3, 4, 6, 7)), "a01-e0009-s000085"]
    jobs.request_job_stop(job)
    assert prune(run, 1) == ["a01-e0001", "a01-e0004"]
    jobs.request_job_stop(other)
    assert prune(run, 1) == ["a01-e0006", "a01-e0007"]


def test_the_curve_comes_before_what_it_left(lab: Workspace, run: RunPaths) -> None:
    """After a resume from epoch 2, epochs 3 to 8 of the first attempt are superseded."""
    write_result(run.attempt(1), "stopped", epoch=8, step=85)
    write_exit(run.attempt(1), code=0, signal=None)
    add_request(run, "a01-e0002", 8)
    begin_attempt(run, 2, slot="cpu0", threads=1)
    with MetricsWriter(run.metrics) as metrics:
        metrics.write({"resume": "a01-e0002", "attempt": 2, "epoch": 2, "step": 20, "t": 1.0})
    save(run, 2, 3, 0.3)
    prune(run, 2)
    assert ids(run) == ["a01-e0002", "a02-e0003"], "best (0.5) and start, newest; nothing superseded"


def test_a_forks_start_stays_while_it_is_the_start(lab: Workspace, run: RunPaths) -> None:
    start = choose(run, "3")
    fork = create(
        lab,
        parent={"run": run.id, "checkpoint": start.id},
        start=inherited_id(start),
        prepare=lambda new: prepare_fork(run, start, new, []),
    )
    begin_attempt(fork, 1, slot="cpu0", threads=1)
    save(fork, 1, 4, 0.1)
    save(fork, 1, 5, 0.2)
    prune(fork, 1)
    assert ids(fork) == ["a00-e0003", "a01-e0005"]
    assert verify(choose(run, "3")) is None, "the parent's file is its own name"


@pytest.mark.parametrize("changed", [[], ["data.order"]])
def test_a_fork_takes_boxes_along_with_the_split(lab: Workspace, run: RunPaths, changed: list[str]) -> None:
    run.split.write_text("{}")
    run.objects.write_bytes(b"boxes")
    start = choose(run, "3")
    fork = create(
        lab,
        parent={"run": run.id, "checkpoint": start.id},
        start=inherited_id(start),
        prepare=lambda new: prepare_fork(run, start, new, changed),
    )
    assert (fork.split.exists(), fork.objects.exists()) == (not changed, not changed)
    assert changed or fork.objects.read_bytes() == b"boxes"


@pytest.mark.parametrize("how", ["kill", "eio"])
def test_every_step_may_be_the_last(run: RunPaths, how: str) -> None:
    """Killed or failing at each operation: every checkpoint is whole or not there; the next call goes on."""
    with faults.recording() as steps:
        pid = os.fork()
        if pid == 0:
            prune(run, 3)
            os._exit(len(steps))
        count = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert count > 10
    # Every operation in `make soak`, else every third.
    stride = 1 if os.environ.get("LABTUI_SOAK") else 3
    for number in range(1 + ["kill", "eio"].index(how) % stride, count + 1, stride):
        for epoch, score in enumerate(SCORES, start=1):
            save(run, 1, epoch, score)
        pid = os.fork()
        if pid == 0:
            faults.arm(f"{number}:{how}")
            try:
                prune(run, 3)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        assert all(verify(checkpoint) is None for checkpoint in list_checkpoints(run))
        assert {"a01-e0003", "a01-e0007", "a01-e0008", "a01-e0009-s000085"} <= set(ids(run))
        prune(run, 3)
        assert len(lying(run)) == 8, "no halves are left"


def test_files_of_others_are_left_alone(run: RunPaths) -> None:
    (run.checkpoints / "notes.txt").touch()
    (run.checkpoints / "mine.pt").touch()
    (run.checkpoints / "a01-e0077.pt").touch()
    (run.checkpoints / "a01-e0078.pt").write_bytes(b"copied by hand, without its sidecar")
    (run.checkpoints / ".a01-e0079.json.mine.tmp").touch()
    prune(run, 1)
    save(run, 1, 10, 0.1)
    prune(run, 1)
    assert sweep_temporaries(run) == []
    assert [name for name in lying(run) if not name.startswith(("a01-e000", "a01-e0010"))] == [
        ".a01-e0079.json.mine.tmp",
        "a01-e0077.pt",
        "a01-e0078.pt",
        "mine.pt",
        "notes.txt",
    ]


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "torn": lambda path: path.write_bytes(b'{"pinned": ["a01-e00'),
    "another": lambda path: path.write_bytes(b"[1, 2]"),
    "a pipe": lambda path: os.mkfifo(path),
    "a folder": lambda path: path.mkdir(),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a loop": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["pins", "spec", "request", "job"])
def test_nothing_goes_while_what_must_stay_cannot_be_read(run: RunPaths, name: str, damage: str) -> None:
    """Pins, the metric of the best, the start that was asked for, what a job waits to look at."""
    annotate.pin(run, "a01-e0002")
    job = jobs.create_job(run, "measure", {"at": ["a01-e0004"], "splits": ["val"]})
    path = {"pins": run.pins, "spec": run.spec, "request": run.request(1), "job": job.job}[name]
    content = path.read_bytes()
    path.unlink()
    DAMAGES[damage](path)
    before = lying(run)
    with pytest.raises(LabError, match=path.name):
        prune(run, 1)
    assert lying(run) == before
    path.rmdir() if path.is_dir() else path.unlink()
    path.write_bytes(content)
    assert "a01-e0005" in prune(run, 1)


def test_a_save_that_was_cut_short_is_finished(run: RunPaths) -> None:
    """Killed between the two: the checkpoint is whole, and is kept when what lies ready is about it."""
    file = run.checkpoints / "a01-e0004.pt"
    side = file.with_suffix(".json")
    ready = side.with_name(f".{side.name}.{process.host_tag()}-4194999-00ff.tmp")
    side.rename(ready)
    assert "a01-e0004" not in ids(run)
    sweep_temporaries(run)
    assert "a01-e0004" in ids(run)
    side.rename(ready)
    file.write_bytes(b"something else")
    assert sweep_temporaries(run) == [ready.name]
    assert lying(run).count(file.name) == 1, "a file that it is not about is none of ours"


def test_who_pins_meanwhile_is_not_raced(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.store.retention._LOCK_PATIENCE", 0.05)
    lock = acquire(run_lock_path(run, "meta"))
    assert lock is not None
    with lock:
        assert prune(run, 1) == []
    assert len(ids(run)) == 9
    assert len(prune(run, 1)) == 7


def test_a_fork_of_what_was_just_dropped_says_so(lab: Workspace, run: RunPaths) -> None:
    gone = choose(run, "4")
    prune(run, 1)
    with pytest.raises(CheckpointError, match="no longer keeps a01-e0004"):
        create(
            lab,
            parent={"run": run.id, "checkpoint": gone.id},
            start=inherited_id(gone),
            prepare=lambda new: prepare_fork(run, gone, new, []),
        )
    assert [path.name for path in lab.runs.iterdir() if path.is_dir()] == [run.id]


@pytest.mark.parametrize("names", [[], ["a01-e0001.json"], ["a01-e0001.pt"]])
def test_odd_folders(lab: Workspace, names: Sequence[str]) -> None:
    made = create(lab)
    for name in names:
        files.write_bytes(made.checkpoints / name, b"{}")
    assert prune(made, 1) == []
    assert lying(made) == list(names)
