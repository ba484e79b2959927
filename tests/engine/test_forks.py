"""A fork goes on from its parent's weights and momentum with settings of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from core.config.load import parse_experiment
from core.engine.checkpoint import read_checkpoint
from core.engine.resolve import resolve
from core.store.checkpoints import choose
from core.store.files import read_json
from core.store.metrics import read_history


def test_fork_without_changes_is_the_run_itself(lab: Any, sha: Any, curve: Any) -> None:
    parent = lab.train()
    fork = lab.fork(parent, "1", total=3)
    lab.attempt(fork)
    assert curve(fork) == curve(parent)
    ours = read_checkpoint(fork, choose(fork, "3"))
    theirs = read_checkpoint(parent, choose(parent, "3"))
    for name, value in theirs["model"].items():
        assert torch.equal(ours["model"][name], value)
    for index, state in theirs["optimizer"]["state"].items():
        assert torch.equal(ours["optimizer"]["state"][index]["momentum_buffer"], state["momentum_buffer"])


def test_fork_in_the_middle_of_an_epoch_goes_on_there(lab: Any, curve: Any, stop_after: Any) -> None:
    whole = lab.train()
    parent = lab.train(stop=stop_after(10))
    fork = lab.fork(parent, "last", total=3)
    lab.attempt(fork)
    assert curve(fork) == curve(whole)


def test_learning_rate_and_optimiser_settings_are_the_new_ones(lab: Any, curve: Any) -> None:
    parent = lab.train("scheduler.name=plateau", "scheduler.patience=0", "scheduler.factor=0.1")
    fork = lab.fork(parent, "2", "learning_rate=0.005", "optimizer.momentum=0.5", total=4)
    lab.attempt(fork)
    assert [row["lr"] for row in curve(fork)][:3] == [*(row["lr"] for row in curve(parent)[:2]), 0.005]
    group = read_checkpoint(fork, choose(fork, "3"))["optimizer"]["param_groups"][0]
    assert group["momentum"] == 0.5
    assert [row["epoch"] for row in read_history(fork.metrics).inherited] == [1, 2]
    assert [row["epoch"] for row in curve(fork)] == [1, 2, 3, 4]


def test_best_and_patience_begin_anew(lab: Any) -> None:
    parent = lab.train("scheduler.name=plateau", "scheduler.patience=2")
    fork = lab.fork(parent, "3", "learning_rate=1e-9", total=4)
    lab.attempt(fork)
    content = read_checkpoint(fork, choose(fork, "4"))
    assert content["best"]["epoch"] == 4
    assert content["scheduler"]["last_epoch"] == 1


def test_second_attempt_of_a_fork_resumes_its_own_state(
    lab: Any, sha: Any, curve: Any, stop_after: Any
) -> None:
    parent = lab.train("epochs=1", "scheduler.name=plateau", "scheduler.patience=0")
    undisturbed = lab.fork(parent, "1", "learning_rate=0.1", total=4)
    lab.attempt(undisturbed)
    fork = lab.fork(parent, "1", "learning_rate=0.1", total=4)
    lab.attempt(fork, stop_after(11))
    lab.resume(fork, total=4)
    assert curve(fork) == curve(undisturbed)
    assert sha(fork) == sha(undisturbed)


@pytest.mark.parametrize("change", ["batch=16", "seed=4", "data.classes=[class1, class0, class2]"])
def test_middle_of_an_epoch_means_nothing_with_other_batches(
    lab: Any, stop_after: Any, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    parent = lab.train(stop=stop_after(10))
    fork = lab.fork(parent, "last", change, total=2)
    lab.attempt(fork)
    steps = 4 if change.startswith("batch") else 7
    assert choose(fork, "2").step == 10 + steps
    assert "epoch 2 starts over" in capsys.readouterr().out


def test_fork_that_is_done_already(lab: Any) -> None:
    parent = lab.train()
    fork = lab.fork(parent, "2", total=2)
    rows = fork.metrics.read_bytes()
    assert lab.attempt(fork) == "finished"
    assert b'"scope":"epoch"' not in fork.metrics.read_bytes()[len(rows) :]


def test_resolved_settings_go_along(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABTUI_THREADS", "1")
    parent = lab.train("threads=auto", "epochs=2")
    monkeypatch.setenv("LABTUI_THREADS", "3")
    fork = lab.fork(parent, "2", "learning_rate=0.1", total=3)
    assert read_json(fork.resolved) == read_json(parent.resolved)
    lab.attempt(fork)
    assert torch.get_num_threads() == 1
    other = lab.fork(parent, "2", "threads=2", total=3)
    assert read_json(other.resolved) is None
    experiment = parse_experiment(other.config.read_text(), other.config)
    assert resolve(other, experiment).threads == torch.get_num_threads() == 2
