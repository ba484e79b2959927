"""Resumes from anywhere, superseded checkpoints too: every reader follows the way the weights came."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.config.workspace import Workspace
from core.store.attempts import begin_attempt, write_exit
from core.store.checkpoints import choose, list_checkpoints, save_files
from core.store.forks import prepare_fork
from core.store.history import History
from core.store.json_documents import metrics_document
from core.store.lineage import holds_id
from core.store.metrics import MetricsWriter, read_history
from core.store.paths import RunPaths, checkpoint_id
from core.store.retention import kept
from core.store.runs import add_request, create_run
from core.store.summary import summarise
from core.tracking.rows import Rows

STEPS = 4  # an epoch
Row = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """A training step: what the oracle knows of weights is where they came from."""

    attempt: int
    step: int
    parent: Node | None

    def way(self) -> list[Node]:
        node: Node | None = self
        found = []
        while node is not None:
            found.append(node)
            node = node.parent
        return found[::-1]


@dataclass
class Tree:
    """What was written, and, apart from it, which step grew out of which."""

    records: list[Row]
    tip: Node | None
    every: list[Node]
    points: dict[str, Node]


def step_row(node: Node) -> Row:
    place = {"t": 1.0, "epoch": -(-node.step // STEPS), "step": node.step, "attempt": node.attempt}
    return {**place, "scope": "step", "train/loss": node.attempt + node.step / 1000}


def epoch_row(node: Node, value: float) -> Row:
    place = {"t": 1.0, "epoch": node.step // STEPS, "step": node.step, "attempt": node.attempt}
    return {**place, "scope": "epoch", "val/accuracy": value}


def grown(rng: random.Random, attempts: int, first: int = 1) -> Tree:
    """Attempts of random length from random checkpoints of any earlier attempt, or from scratch."""
    tree = Tree([], None, [], {})
    for attempt in range(first, first + attempts):
        start: Node | None = None
        if tree.points and rng.random() < 0.9:
            name = rng.choice(list(tree.points))
            start = tree.points[name]
        if attempt > first:
            step = start.step if start else 0
            named = name if start else None
            record = {"resume": named, "attempt": attempt, "epoch": step // STEPS, "step": step, "t": 0.0}
            tree.records.append(record)
            tree.tip = start
        elif start is None:
            tree.tip = None
        for _ in range(rng.randrange(0, 14)):
            node = Node(attempt, (tree.tip.step if tree.tip else 0) + 1, tree.tip)
            tree.tip = node
            tree.every.append(node)
            tree.records.append(step_row(node))
            if node.step % STEPS == 0:
                tree.records.append(epoch_row(node, rng.random()))
                if rng.random() < 0.8:
                    tree.points[checkpoint_id(attempt, node.step // STEPS)] = node
            elif rng.random() < 0.15:
                tree.points[checkpoint_id(attempt, node.step // STEPS + 1, node.step)] = node
    return tree


def places(nodes: list[Node]) -> list[tuple[int, int]]:
    return [(node.attempt, node.step) for node in nodes]


def seen(rows: Any) -> list[tuple[int, int]]:
    return [(row["attempt"], row["step"]) for row in rows]


def ends(nodes: list[Node]) -> list[Node]:
    return [node for node in nodes if node.step % STEPS == 0]


def way_of(tree: Tree) -> list[Node]:
    return [] if tree.tip is None else tree.tip.way()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "configs").mkdir()
    return Workspace(tmp_path)


def make(workspace: Workspace, **more: Any) -> RunPaths:
    return create_run(
        workspace,
        config_name="demo",
        config_text="model: tinyvgg_a\n",
        model="tinyvgg_a",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=9,
        argv=[],
        **more,
    )


def written(workspace: Workspace, tree: Tree) -> RunPaths:
    """The tree as a run: metrics, attempts and checkpoints."""
    run = make(workspace)
    with MetricsWriter(run.metrics) as metrics:
        for record in tree.records:
            metrics.write(record)
    last = max([1, *(record["attempt"] for record in tree.records)])
    for number in range(1, last + 1):
        begin_attempt(run, number, slot="cpu0", threads=1)
        write_exit(run.attempt(number), code=0, signal=None)
        if number < last:
            add_request(run, None, 9)
    values = {(r["attempt"], r["step"]): r["val/accuracy"] for r in tree.records if r.get("scope") == "epoch"}
    for name, node in tree.points.items():
        mid = "-s" in name
        sidecar = {
            "attempt": node.attempt,
            "epoch": -(-node.step // STEPS),
            "step": node.step,
            "mid_epoch": mid,
            "metrics": {} if mid else {"val/accuracy": values[node.attempt, node.step]},
        }
        save_files(run, name, name.encode(), sidecar)
    return run


@pytest.mark.parametrize("seed", range(60))
def test_a_history_is_the_way_to_the_tip_whatever_the_tree(seed: int) -> None:
    rng = random.Random(seed)
    tree = grown(rng, rng.randrange(1, 9))
    way = way_of(tree)
    for pieces in (len(tree.records) or 1, 3, 1):
        history = History()
        size = max(1, len(tree.records) // pieces)
        for start in range(0, len(tree.records), size):
            history.extend(tree.records[start : start + size])
        assert seen(history.steps) == places(way)
        assert seen(history.epochs) == places(ends(way))
        left = set(places(tree.every)) - set(places(way))
        assert set(seen(row for rows in history.superseded_steps for row in rows)) == left
        assert history.superseded_count == len(left) + len(ends(tree.every)) - len(ends(way))
        xs, ys = history.steps.series("train/loss")
        assert list(zip(xs, ys, strict=True)) == [(n.step, n.attempt + n.step / 1000) for n in way]
    for name, node in tree.points.items():
        assert holds_id(history.lineage, name) == (node in way), name
        epochs, steps = history.line_to(node.attempt, node.step // STEPS, node.step)
        assert (seen(epochs), seen(steps)) == (places(ends(node.way())), places(node.way()))


@pytest.mark.parametrize("seed", range(12))
def test_every_reader_follows_the_same_way(workspace: Workspace, seed: int) -> None:
    rng = random.Random(1000 + seed)
    tree = grown(rng, 6)
    while not (tree.points and ends(way_of(tree))):
        tree = grown(rng, 6)
    way = way_of(tree)
    run = written(workspace, tree)
    on_way = {name for name, node in tree.points.items() if node in way}
    assert {item.id for item in list_checkpoints(run) if not item.superseded} == on_way
    document = metrics_document(run)
    assert seen(document["steps"]) == places(way)
    assert seen(document["epochs"]) == places(ends(way))
    values = {(r["attempt"], r["step"]): r["val/accuracy"] for r in tree.records if r.get("scope") == "epoch"}
    first = max(ends(way), key=lambda node: (values[node.attempt, node.step], -node.step))
    best = summarise(run).best
    assert best is not None
    assert (best.value, best.epoch) == (values[first.attempt, first.step], first.step // STEPS)
    if on_way:
        last = max((tree.points[name] for name in on_way), key=lambda node: node.step)
        assert choose(run, "last").step == last.step
        every = list_checkpoints(run)
        assert choose(run, "last").id in kept(run, every, 1)
    rows = Rows(run.metrics, max(node.attempt for node in tree.every))
    rows.look()
    rows.begin()
    sent: list[tuple[int, int]] = []
    while more := rows.poll():
        sent += [(row.attempt, row.step) for row in more if not row.whole_epoch]
    assert sent == places(way)
    name, node = rng.choice(list(tree.points.items()))
    fork = make(workspace, prepare=lambda new: prepare_fork(run, choose(run, name), new, ()))
    carried = read_history(fork.metrics)
    assert [row["step"] for row in carried.steps] == [item.step for item in node.way()]
    expected = [values[item.attempt, item.step] for item in ends(node.way())]
    assert [row["val/accuracy"] for row in carried.epochs] == expected


def test_weights_that_were_never_on_the_way_are_not_the_best(workspace: Workspace) -> None:
    """Attempt 2 reaches .95 after epoch 1; the user goes back to attempt 1's epoch 3."""
    nodes = [Node(1, step, None) for step in range(1, 13)]
    records = [epoch_row(node, 0.1 * node.step / STEPS) for node in ends(nodes)]
    records += [{"resume": "a01-e0001", "attempt": 2, "epoch": 1, "step": STEPS, "t": 0.0}]
    records += [epoch_row(Node(2, 2 * STEPS, None), 0.95), epoch_row(Node(2, 3 * STEPS, None), 0.2)]
    records += [{"resume": "a01-e0003", "attempt": 3, "epoch": 3, "step": 3 * STEPS, "t": 0.0}]
    records += [epoch_row(Node(3, 4 * STEPS, None), 0.4)]
    history = History()
    history.extend(records)
    assert [(row["epoch"], row["attempt"]) for row in history.epochs] == [(1, 1), (2, 1), (3, 1), (4, 3)]
    best = history.best("val/accuracy", "max")
    assert best is not None
    assert math.isclose(best["val/accuracy"], 0.4)


def test_final_rows_come_and_go_with_their_checkpoint() -> None:
    def final(attempt: int, checkpoint: str, epoch: int) -> Row:
        place = {"t": 1.0, "epoch": epoch, "step": epoch * STEPS, "attempt": attempt, "scope": "final"}
        return {**place, "checkpoint": checkpoint, "test/accuracy": 0.1 * epoch}

    history = History()
    history.extend([*(epoch_row(Node(1, e * STEPS, None), 0.5) for e in (1, 2, 3)), final(1, "a01-e0003", 3)])
    history.extend([{"resume": "a01-e0001", "attempt": 2, "epoch": 1, "step": STEPS, "t": 0.0}])
    assert history.finals == []
    history.extend([epoch_row(Node(2, 2 * STEPS, None), 0.6), final(2, "a02-e0002", 2)])
    assert [row["epoch"] for row in history.finals] == [2]
    history.extend([{"resume": "a01-e0003", "attempt": 3, "epoch": 3, "step": 3 * STEPS, "t": 0.0}])
    assert [row["epoch"] for row in history.finals] == [3]


def test_an_attempt_that_only_measures_takes_nothing_over(tmp_path: Path) -> None:
    """Stopped before its test images, resumed: the newest attempt has but one row, of an older epoch."""
    rows = [*(epoch_row(Node(1, e * STEPS, None), 0.9 / e) for e in (1, 2, 3))]
    place = {"t": 1.0, "epoch": 1, "step": STEPS, "attempt": 2, "scope": "final"}
    rows.append({**place, "checkpoint": "a01-e0001", "test/accuracy": 0.7})
    history = History()
    history.extend(rows)
    assert [row["epoch"] for row in history.epochs] == [1, 2, 3]
    assert [row["test/accuracy"] for row in history.finals] == [0.7]
    assert all(holds_id(history.lineage, f"a01-e000{epoch}") for epoch in (1, 2, 3))
    bare = History()
    bare.extend([*rows[:3], {key: value for key, value in rows[3].items() if key != "checkpoint"}])
    assert len(bare.finals) == 1
    file = tmp_path / "metrics.jsonl"
    with MetricsWriter(file) as metrics:
        for row in rows:
            metrics.write(row)
    sent = Rows(file, 2)
    sent.look()
    sent.begin()
    assert [row.step for row in sent.poll() if row.whole_epoch] == [4, 8, 12]
    assert sent.superseded == 0
