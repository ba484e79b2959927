"""Commands about runs, on folders made here: words, codes, and nothing that a terminal would act on."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

import core.cli.commands.dispatch as dispatch_command
import core.cli.commands.queue as queue_command
import core.cli.commands.rm as rm
from core.cli.commands.log import followed
from core.cli.main import main
from core.config.workspace import Workspace
from core.launch.slots import GpuStatus, cpu_slots
from core.store.attempts import begin_attempt, write_error, write_exit, write_result
from core.store.jobs import begin_job, create_job, take_job
from core.store.locks import acquire, run_lock_path
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths
from core.store.runs import create_run

HOSTILE = "exp [lr=0.1] [/ \x1b]52;c;ZXZpbA==\x07\x9b2J\u202e end"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    (tmp_path / "configs").mkdir()
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def make_run(workspace: Workspace, *, epochs: int = 2, ended: str = "", name: str = "") -> RunPaths:
    run = create_run(
        workspace,
        config_name="small",
        config_text="model: tinyvgg_a\n",
        model="tinyvgg_a",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=3,
        argv=["labtui"],
        name=name,
    )
    if not ended:
        return run
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    with MetricsWriter(run.metrics) as metrics:
        for epoch in range(1, epochs + 1):
            values = {"train/loss": 1 / epoch, "val/accuracy": 0.5 + epoch / 100, "time/epoch": 2.0}
            metrics.write(
                {"t": 1.0, "epoch": epoch, "step": epoch * 5, "attempt": 1, "scope": "epoch", **values}
            )
    if ended == "failed":
        write_error(attempt, "RuntimeError", "the loss is not finite", epoch=3, step=11)
    elif ended != "lost":
        write_result(attempt, ended, epoch=epochs, step=epochs * 5)
    if ended != "lost":
        write_exit(attempt, code=1 if ended == "failed" else 0, signal=None)
    return run


@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        ("finished", 0, ["finished at epoch 2 of 3", "best val/accuracy 0.5200 at epoch 2"]),
        ("stopped", 0, ["stopped at epoch 2 of 3", "labtui resume"]),
        ("failed", 4, ["failed at epoch 2 of 3: the loss is not finite", "labtui log", "labtui resume"]),
        ("lost", 4, ["was lost at epoch 2 of 3: supervisor and trainer died together", "labtui resume"]),
    ],
)
def test_wait_tells_how_a_run_ended(
    state: str, code: int, words: list[str], workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(workspace, ended=state)
    assert main(["wait", "@last", "--json"]) == code
    captured = capsys.readouterr()
    assert (json.loads(captured.out)["id"], json.loads(captured.out)["state"]) == (run.id, state)
    assert captured.err.count("\n") == 1
    assert [word for word in words if word not in captured.err] == []


def test_a_run_that_ended_early_says_so(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(workspace)
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    write_result(attempt, "finished", epoch=2, step=10, early_stop={"epoch": 2, "best_epoch": 1})
    write_exit(attempt, code=0, signal=None)
    assert main(["show", run.id]) == 0
    assert "✓ finished early" in capsys.readouterr().out
    assert main(["wait", run.id]) == 0
    assert f"{run.id} finished early at epoch" in capsys.readouterr().err


def test_wait_gives_up_in_time(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(workspace)
    assert main(["wait", run.id, "--timeout", "0"]) == 5
    assert f"{run.id} is still queued after 0 s" in capsys.readouterr().err


def test_a_queued_run_can_be_stopped_and_is_then_stopped(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    first = make_run(workspace)
    assert main(["stop", first.id]) == 0
    assert "is removed from the queue" in capsys.readouterr().err
    run = make_run(workspace)
    assert main(["stop", run.id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"id": run.id, "state": "stopped"}
    assert main(["stop", run.id]) == 5


def test_a_run_is_found_by_name_part_and_last(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(workspace, ended="finished", name="first")
    for word in (run.id, run.id[:-1], run.id[-8:], "first", "@last"):
        assert main(["show", word, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["id"] == run.id
    assert main(["show", "frist"]) == 2
    assert "did you mean 'first'" in capsys.readouterr().err


def test_several_runs_that_fit_are_listed(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [make_run(workspace, ended="finished") for _ in range(2)]
    assert main(["show", "small"]) == 2
    err = capsys.readouterr().err
    assert [run.id for run in runs if run.id not in err] == []


def test_hostile_text_is_harmless_everywhere(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(workspace, ended="lost")
    run.meta.write_text(json.dumps({"name": HOSTILE, "note": HOSTILE, "tags": [HOSTILE]}))
    attempt = run.attempt(1)
    write_error(attempt, "RuntimeError", HOSTILE)
    write_exit(attempt, code=1, signal=None)
    attempt.log.write_text(f"{HOSTILE}\nprogress\rdone\n")
    for argv in (
        ["ls"],
        ["show", "@last"],
        ["log", "@last"],
        ["metrics", "@last"],
        ["wait", "@last"],
        ["queue"],
    ):
        assert main(argv) in (0, 4)
        captured = capsys.readouterr()
        text = captured.out + captured.err
        assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r"} & set(text)
        if argv[0] in ("ls", "show", "log", "wait"):
            assert "exp [lr=0.1] [/ ␛]52" in text


def test_rm_asks_on_a_terminal_and_refuses_without(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(workspace, ended="finished")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main(["rm", run.id]) == 2
    assert "--yes" in capsys.readouterr().err

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("\n"))
    assert main(["rm", run.id]) == 0
    assert run.root.exists()
    assert run.id in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert main(["rm", run.id]) == 0
    assert not run.root.exists()


def test_rm_counts_only_what_it_frees(tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "own").write_bytes(b"x" * 1000)
    (tmp_path / "shared").write_bytes(b"x" * 5000)
    (tmp_path / "run" / "checkpoints" / "a00.pt").hardlink_to(tmp_path / "shared")
    assert rm.folder_bytes(tmp_path / "run") == 1000


def test_rm_refuses_a_run_that_waits(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(workspace)
    assert main(["rm", run.id, "--yes"]) == 5
    assert "stop it" in capsys.readouterr().err
    assert run.root.exists()


def test_log_of_a_run_that_has_not_started(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(workspace)
    assert main(["log", "@last"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "not started" in captured.err
    assert main(["log", "@last", "--attempt", "3"]) == 2


def test_log_follows_from_attempt_to_attempt(workspace: Workspace) -> None:
    run = make_run(workspace)
    lock = acquire(run_lock_path(run, "sup"))
    assert lock is not None
    pieces = followed(run, interval=0)
    with lock:
        first = begin_attempt(run, 1, slot="cpu0", threads=1)
        first.log.write_text("one\n")
        assert next(pieces) == "one\n"
        with first.log.open("a") as log:
            log.write("more\n")
        second = begin_attempt(run, 1, slot="cpu0", threads=1)
        second.log.write_text("two\n")
        assert [next(pieces), next(pieces)] == ["more\n", "two\n"]
        write_result(second, "finished", epoch=3, step=15)
        with second.log.open("a") as log:
            log.write("end\n")
    assert list(pieces) == ["end\n"]
    assert list(followed(run, only=1, interval=0)) == ["one\nmore\n"]


def test_csv_has_a_row_for_each_epoch_and_no_formula(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(workspace, ended="finished")
    with MetricsWriter(run.metrics) as metrics:
        row = {"t": 1.0, "epoch": 3, "step": 15, "attempt": 1, "scope": "epoch"}
        metrics.write({**row, "=cmd": 1.0, "train/loss": float("nan")})
    assert main(["metrics", "@last", "--csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "epoch,step,attempt,t,train/loss,val/accuracy,time/epoch,'=cmd"
    assert lines[1:] == ["1,5,1,1.0,1.0,0.51,2.0,", "2,10,1,1.0,0.5,0.52,2.0,", "3,15,1,1.0,NaN,,,1.0"]


def test_csv_in_the_lab_s_columns(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(workspace, ended="finished", epochs=1)
    with MetricsWriter(run.metrics) as metrics:
        row = {"t": 1.0, "epoch": 2, "step": 10, "attempt": 1, "scope": "epoch"}
        only_random = {"val/loss_random": 0.75, "val/accuracy_random": 0.25, "lr": 0.1}
        metrics.write({**row, "train/loss": 0.5, "train/accuracy": 0.875, **only_random})
    assert main(["metrics", "@last", "--csv", "--format", "lab"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "epoch,train_loss,train_acc,val_loss,val_acc",
        "1,1.0,,,0.51",
        "2,0.5,0.875,0.75,0.25",
    ]
    assert main(["metrics", "@last", "--format", "lab"]) == 2
    assert "is only used with --csv" in capsys.readouterr().err


GPU = GpuStatus(
    index=0,
    label="0",
    name="NVIDIA T4",
    uuid="GPU-1",
    bus_id="00000000:3B:00.0",
    busy=97,
    used=2_000_000_000,
    total=16_000_000_000,
    slots=1,
    runs=("20261125-080000-a-1a2b",),
    strangers=("pid 7 (python) uses 1.0 GB",),
    blocked=True,
)


def test_queue_shows_gpus_and_jobs(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(queue_command, "gpu_status", lambda: (GPU,))
    run = make_run(workspace, ended="finished")
    going, waiting = (create_job(run, "measure", {"at": []}) for _ in range(2))
    begin_job(going, slot="cpu0", threads=1)
    lock = take_job(going)
    assert lock is not None
    with lock:
        assert main(["queue"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == (
            "GPU 0  NVIDIA T4  00000000:3B:00.0  97 %  2.0 GB of 16.0 GB  20261125-080000-a-1a2b  "
            "pid 7 (python) uses 1.0 GB"
        )
        assert any(line.split() == ["●", "running", run.id, "measure-0001", "–"] for line in lines)
        assert any(line.startswith("… 1.") and f"{run.id} measure-0002" in line for line in lines)
        assert main(["queue", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["gpus"][0]["bus_id"] == GPU.bus_id
    assert document["jobs"] == [{"id": run.id, "job": "measure-0001", "state": "running"}]
    assert [(item["id"], item["job"]) for item in document["queued"]] == [(run.id, waiting.root.name)]


def test_queue_shows_slots_and_what_waits_in_order(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LABTUI_CPU_SLOTS", "2")
    make_run(workspace, ended="finished")
    waiting = [make_run(workspace), make_run(workspace)]
    slot = acquire(cpu_slots()[1].path)
    assert slot is not None
    with slot:
        assert main(["queue", "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert [(item["name"], item["busy"]) for item in document["slots"]] == [
            ("cpu0", False),
            ("cpu1", True),
        ]
        assert document["running"] == []
        assert [(item["id"], item["workspace"]) for item in document["queued"]] == [
            (run.id, str(workspace.root)) for run in waiting
        ]
        assert all(item["reason"] for item in document["queued"])
        assert document["jobs"] == []
        assert main(["queue"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("cpu1  busy")
    assert [line.split()[:3] for line in lines[2:]] == [
        ["…", "1.", waiting[0].id],
        ["…", "2.", waiting[1].id],
    ]


def test_dispatch_prints_what_it_started(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = iter([["one", "two"], []])
    monkeypatch.setattr(dispatch_command, "dispatch", lambda: next(started))
    assert main(["dispatch"]) == 0
    assert capsys.readouterr().out == "one\ntwo\n"
    assert main(["dispatch"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "nothing to start\n")
