from __future__ import annotations

import json
import logging
import math
import os
import random
import stat
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from core.store import faults
from core.store.metrics import MetricsReader, MetricsTail, MetricsWriter, encode, read_history


@pytest.fixture(autouse=True)
def _disarmed() -> object:
    yield
    faults.arm("")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def epoch(number: int, **more: object) -> dict[str, object]:
    row = {"t": 1.5, "epoch": number, "step": number * 10, "attempt": 1, "scope": "epoch"}
    return {**row, "val/loss": 1 / number, **more}


def epochs(path: Path) -> list[int]:
    return [row["epoch"] for row in read_history(path).epochs]


def test_a_record_is_one_write_of_one_line(path: Path) -> None:
    with faults.recording() as done, MetricsWriter(path) as writer:
        writer.write(epoch(1))
        writer.write(epoch(2))
    assert [operation.kind for operation in done] == ["append", "append", "fsync", "fsync folder"]
    assert path.read_bytes().count(b"\n") == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_json_lacks_is_a_word(path: Path) -> None:
    values = {"a": math.nan, "b": math.inf, "c": -math.inf, "d": np.float32("nan"), "e": np.float32(0.5)}
    line = encode({**epoch(1), **values})
    strict = json.loads(line, parse_constant=lambda word: pytest.fail(f"not JSON: {word}"))
    assert [strict[key] for key in "abcde"] == ["NaN", "Infinity", "-Infinity", "NaN", 0.5]
    path.write_bytes(line)
    row = read_history(path).epochs[0]
    assert math.isnan(row["a"])
    assert math.isnan(row["d"])
    assert (row["b"], row["c"], row["e"]) == (math.inf, -math.inf, 0.5)


def test_the_tail_goes_on_where_it_was(path: Path) -> None:
    with MetricsWriter(path) as writer:
        writer.write(epoch(1))
        tail = MetricsTail(path)
        assert [record["epoch"] for record in tail.read()[0]] == [1]
        assert tail.read() == ([], False)
        writer.write(epoch(2))
        assert [record["epoch"] for record in tail.read()[0]] == [2]
    assert tail.offset == path.stat().st_size


def test_a_line_under_way_waits(path: Path) -> None:
    line = encode(epoch(1))
    path.write_bytes(line + line[:20])
    tail = MetricsTail(path)
    assert (len(tail.read()[0]), tail.offset) == (1, len(line))
    with open(path, "ab") as file:
        file.write(line[20:])
    assert len(tail.read()[0]) == 1


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_line_does_not_take_the_next_one_along(path: Path, cut: int) -> None:
    """A crash left half a line: the next writer starts a line of its own."""
    path.write_bytes(encode(epoch(1)) + encode(epoch(2))[:-cut])
    with MetricsWriter(path) as writer:
        writer.write(epoch(3))
    found = epochs(path)
    assert found == ([1, 2, 3] if cut == 1 else [1, 3])


def test_hostile_lines_are_skipped(path: Path) -> None:
    odd = [
        b"",
        b"{",
        b"\x00" * 100,
        b"\xff\xfe{}",
        b"[1,2]",
        b"1",
        b'"x"',
        b"null",
        b'{"a":1},{"b":2}',
        b"1,2",
        b"}{",
        b"[" * 3000,
        b'{"epoch": 1e400, "scope": "epoch"}',
        b'{"epoch": "1", "step": 1, "scope": "epoch", "a": 1}',
        b'{"epoch": -1, "step": 1, "scope": "epoch", "a": 1}',
        b'{"epoch": 99999999999999999999, "step": 1, "scope": "epoch", "a": 1}',
        b'{"scope": "step", "step": true, "a": 1}',
        b'{"scope": ["step"], "step": 1}',
        b'{"resume": {"x": 1}, "step": "0"}',
        b'{"resume": null}',
    ]
    path.write_bytes(b"\n".join([*odd, encode(epoch(7)).strip(), *odd]) + b"\n")
    history = read_history(path)
    assert [row["epoch"] for row in history.epochs] == [7]
    assert len(history.steps) == history.superseded_count == 0
    assert read_history(path, steps=False).epochs == history.epochs


@pytest.mark.parametrize("chunk", [64, 1000, None])
def test_fuzzed_files_never_raise_and_keep_whole_lines(path: Path, chunk: int | None) -> None:
    rng = random.Random(0)
    for _ in range(150):
        good = [encode(epoch(n)) for n in range(1, 8)]
        at = rng.randrange(len(good) + 1)
        noise = bytes(rng.choice(b'\x00\xff\n{}[]",:1e') for _ in range(rng.randrange(200)))
        path.write_bytes(b"".join(good[:at]) + noise + b"\n" + b"".join(good[at:]))
        reader = MetricsReader(path)
        while reader.poll(chunk):
            pass
        assert [row["epoch"] for row in reader.history.epochs] == [1, 2, 3, 4, 5, 6, 7]


def test_an_endless_line_is_skipped_in_bounded_memory(path: Path) -> None:
    """A sparse file stands for a line of 300 MB."""
    path.write_bytes(encode(epoch(1)))
    with open(path, "r+b") as file:
        file.truncate(300 << 20)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + encode(epoch(2)))
    tracemalloc.start()
    found = epochs(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [1, 2]
    assert peak < 16e6


def test_a_limit_bounds_each_call(path: Path) -> None:
    with MetricsWriter(path) as writer:
        for number in range(1, 101):
            writer.write(epoch(number))
    seen: list[int] = []
    calls, tail = 0, MetricsTail(path)
    while True:
        before = tail.offset
        records, _ = tail.read(limit=500)
        if tail.offset == before:
            break
        assert tail.offset - before <= 500
        seen += [record["epoch"] for record in records]
        calls += 1
    assert seen == list(range(1, 101))
    assert calls >= 20


def test_a_limit_smaller_than_a_line_still_goes_on(path: Path) -> None:
    path.write_bytes(encode(epoch(1)) + encode(epoch(2)))
    tail = MetricsTail(path)
    assert [record["epoch"] for record in tail.read(limit=3)[0]] == [1]
    assert [record["epoch"] for record in tail.read(limit=3)[0]] == [2]


def test_a_file_that_shrank_is_read_anew(path: Path) -> None:
    path.write_bytes(encode(epoch(1)) + encode(epoch(2)))
    reader = MetricsReader(path)
    assert reader.poll()
    path.write_bytes(encode(epoch(5)))
    assert reader.poll()
    assert [row["epoch"] for row in reader.history.epochs] == [5]
    path.unlink()
    assert reader.poll()
    assert reader.history.epochs == []
    assert not reader.poll()


def test_a_missing_file_or_a_fifo_is_empty(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in ("missing", "fifo", "."):
        assert MetricsTail(tmp_path / name).read() == ([], False)


@pytest.mark.parametrize("how", ["enospc", "eio"])
def test_a_full_disk_delays_records_but_loses_none(
    path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    with MetricsWriter(path) as writer, caplog.at_level(logging.WARNING):
        writer.write(epoch(1))
        faults.arm(f"1+:{how}")
        for number in (2, 3, 4):
            writer.write(epoch(number))
        assert writer.pending == 3
        assert not writer.sync()
        faults.arm("")
        assert epochs(path) == [1]
        writer.write(epoch(5))
        assert writer.pending == 0
        assert writer.sync()
    assert epochs(path) == [1, 2, 3, 4, 5]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "kept" in caplog.text
    assert "written again" in caplog.text


def test_every_single_append_may_fail(path: Path) -> None:
    for n in range(1, 6):
        path.unlink(missing_ok=True)
        faults.arm(f"{n}:enospc")
        with MetricsWriter(path) as writer:
            for number in range(1, 6):
                writer.write(epoch(number))
        faults.arm("")
        assert epochs(path) == [1, 2, 3, 4, 5]


def test_records_that_never_fit_are_reported(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writer = MetricsWriter(path)
    faults.arm("1+:enospc")
    writer.write(epoch(1))
    assert not writer.close()
    assert "1 metric records were lost" in caplog.text


def test_epoch_rows_alone_are_the_same_rows(path: Path) -> None:
    with MetricsWriter(path) as writer:
        for number in range(1, 6):
            for step in range(number * 10 - 9, number * 10 + 1):
                row = {"t": 1.0, "epoch": number, "step": step, "attempt": 1, "scope": "step", "a": 1.0}
                writer.write(row)
            writer.write(epoch(number))
        writer.write({"resume": "a01-e0003", "attempt": 2, "epoch": 3, "step": 30, "t": 2.0})
        writer.write({**epoch(4), "attempt": 2})
        writer.write({"scope": "final", "epoch": 4, "step": 40, "attempt": 2, "test/accuracy": 0.5})
    whole, short = read_history(path), read_history(path, steps=False)
    assert short.epochs == whole.epochs
    assert short.finals == whole.finals
    assert short.resumes == whole.resumes
    assert (len(short.steps), len(whole.steps)) == (0, 30)


def steps(first: int, last: int) -> list[dict[str, object]]:
    place = {"t": 1.0, "epoch": 1, "attempt": 2, "scope": "step"}
    return [{**place, "step": step, "train/loss": 1 / step} for step in range(first, last)]


def older(path: Path) -> bytes:
    """What an attempt before left in the file."""
    content = encode({"t": 0.0, "epoch": 1, "step": 10, "attempt": 1, "scope": "epoch", "val/loss": 0.5})
    path.write_bytes(content)
    return content


REPLACED = {
    "a copy from before": lambda path, old: path.with_name("new").write_bytes(old),
    "a copy made meanwhile": lambda path, old: path.with_name("new").write_bytes(path.read_bytes()),
    "edited": lambda path, old: path.with_name("new").write_bytes(
        path.read_bytes().replace(b"0.5,", b"0.25,")
    ),
    "without its last line end": lambda path, old: path.with_name("new").write_bytes(path.read_bytes()[:-1]),
}


@pytest.mark.parametrize("how", REPLACED)
def test_a_file_replaced_while_it_is_written_loses_nothing(path: Path, how: str) -> None:
    """An editor or rsync gives the name to another file, twice; a reader follows and mixes nothing."""
    old = older(path)
    reader = MetricsReader(path)
    with MetricsWriter(path) as writer:
        for more in (0, 10):
            for row in steps(11 + more, 16 + more):
                writer.write(row)
            reader.poll()
            REPLACED[how](path, old)
            os.replace(path.with_name("new"), path)
            for row in steps(16 + more, 21 + more):
                writer.write(row)
            reader.poll()
    lines = [json.loads(line) for line in path.read_bytes().splitlines() if line]
    assert sorted({line["step"] for line in lines}) == list(range(10, 31))
    assert list(reader.history.steps.step) == list(read_history(path).steps.step)
    if how != "without its last line end":
        assert len(lines) == 21, "each record once"
        assert sorted(reader.history.steps.step) == list(range(11, 31))


def test_a_file_deleted_while_it_is_written_is_made_again(path: Path) -> None:
    older(path)
    with MetricsWriter(path) as writer:
        writer.write(steps(11, 12)[0])
        path.unlink()
        writer.write(steps(12, 13)[0])
    assert sorted(json.loads(line)["step"] for line in path.read_bytes().splitlines()) == [10, 11, 12]


def test_another_thing_under_the_name_delays_records(path: Path) -> None:
    """They come when the name is that of a file again."""
    with MetricsWriter(path) as writer:
        writer.write(steps(11, 12)[0])
        path.rename(path.with_name("away"))
        path.mkdir()
        writer.write(steps(12, 13)[0])
        path.rmdir()
        writer.write(steps(13, 14)[0])
    assert sorted(json.loads(line)["step"] for line in path.read_bytes().splitlines()) == [11, 12, 13]


def test_a_reader_notices_a_file_rewritten_in_its_place(path: Path) -> None:
    """The same file, with another content where the reader is."""
    older(path)
    reader = MetricsReader(path)
    assert reader.poll()
    path.write_bytes(b"".join(map(encode, steps(1, 9))))
    assert reader.poll()
    assert (len(reader.history.epochs), list(reader.history.steps.step)) == (0, list(range(1, 9)))
