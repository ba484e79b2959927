"""Every file of a run replaced by what is none: looking never hangs, raises or changes anything."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.config.workspace import Workspace
from core.datasets.dataset import FileList, make_dataset, read_dataset, store_dataset
from core.errors import DataError, LabError, UnreadableError
from core.store import annotate
from core.store.catalogue import Catalogue, find_run, list_runs
from core.store.image_roots import save_root
from core.store.json_documents import list_document, metrics_document, show_document
from core.store.judgements import Judgement, judge
from core.store.measures import measures
from core.store.paths import RunPaths
from core.store.runs import change_meta
from core.store.state import derive_state, is_untouched
from tui.read.run_detail import DetailReader

pytestmark = pytest.mark.slow

PLAIN = Path(__file__).parents[1] / "golden" / "run-format1"
FILES = sorted(
    {str(path.relative_to(root)) for root in (PLAIN,) for path in root.rglob("*") if path.is_file()}
)
FOLDERS = ["attempts", "attempts/0001", "checkpoints", "measures", "requests"]


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)


def _torn(path: Path) -> None:
    path.write_bytes(b'{"format": 1, "total_epochs": 5, "from": nul')


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "empty": lambda path: path.write_bytes(b""),
    "torn": _torn,
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a loop": lambda path: path.symlink_to(path.name),
    "a folder": Path.mkdir,
    "too long": _sparse,
}


@pytest.fixture(autouse=True)
def _refused(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`.locked` files are refused, as root is never by their mode."""
    real = os.open

    def opened(path: object, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if os.fspath(path) in LOCKED:  # type: ignore[call-overload]
            raise PermissionError(13, "Permission denied", os.fspath(path))  # type: ignore[call-overload]
        return real(path, flags, mode, dir_fd=dir_fd)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", opened)
    yield
    LOCKED.clear()


LOCKED: set[str] = set()
DAMAGES["refused"] = lambda path: (path.write_bytes(b"{}"), LOCKED.add(str(path)))


@pytest.fixture
def lab(tmp_path: Path) -> Workspace:
    (tmp_path / "runs").mkdir()
    shutil.copytree(PLAIN, tmp_path / "runs" / "run-format1")
    shutil.copytree(PLAIN, tmp_path / "runs" / "other")
    return Workspace(tmp_path)


def things(root: Path) -> dict[str, tuple[int, int]]:
    """Every name below a folder with its kind and size."""
    found = {}
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            status = os.lstat(os.path.join(folder, name))
            if name != ".changed" and not name.endswith(".lock"):
                plain = stat.S_ISREG(status.st_mode) and not name.startswith(".")
                size = status.st_size if plain else 0
                found[os.path.relpath(os.path.join(folder, name), root)] = (status.st_mode, size)
    return found


def look(lab: Workspace) -> None:
    """All that shows runs."""
    for run in list_runs(lab):
        derive_state(run)
        is_untouched(run)
        measures(run)
        show_document(run)
        metrics_document(run)
        DetailReader(run).read("a02-e0003-val")
    list_document(Catalogue(lab, index=False).refresh())


def replaced(path: Path, damage: str) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    DAMAGES[damage](path)


CASES = [
    (name, damage)
    for name in FILES
    for damage in DAMAGES
    # What is never read whole, or is like its neighbours, is tried with the worst only.
    if damage in ("empty", "a pipe") or not name.endswith((".pt", ".txt", ".stop", "a01-e0001.json"))
    # Metrics may be as long as they like: they are read in pieces, which takes its time.
    if (name, damage) != ("metrics.jsonl", "too long")
]
if not os.environ.get("LABTUI_SOAK"):
    # Every file with every second damage, its neighbours with the others.
    CASES = [
        (name, damage)
        for name, damage in CASES
        if (FILES.index(name) + list(DAMAGES).index(damage)) % 2 == 0 or "/" not in name
    ]


@pytest.mark.parametrize(("name", "damage"), CASES)
def test_looking_at_a_damaged_run(lab: Workspace, name: str, damage: str) -> None:
    run = RunPaths(lab.runs / "run-format1")
    state = derive_state(run).state
    replaced(run.root / name, damage)
    before = things(lab.root)
    look(lab)
    assert things(lab.root) == before
    assert find_run(lab, "other").id == "other"
    assert not is_untouched(run), "what has trained never begins again by itself"
    if not name.startswith(("attempts/0002", "requests/0002")):
        assert derive_state(run).state == state


@pytest.mark.parametrize("damage", [name for name in DAMAGES if name not in ("torn", "too long", "refused")])
@pytest.mark.parametrize("name", FOLDERS)
def test_looking_at_a_run_with_a_damaged_folder(lab: Workspace, name: str, damage: str) -> None:
    run = RunPaths(lab.runs / "run-format1")
    run.model.write_text("{}")
    replaced(run.root / name, damage)
    before = things(lab.root)
    look(lab)
    assert things(lab.root) == before
    assert not is_untouched(run)


@pytest.mark.parametrize("make", ["loop", "pipe", "file", "dangling"])
@pytest.mark.parametrize(
    "folder",
    [
        "runs",
        "configs",
        "configs/data",
        *(
            f"runs/run-format1/{name}"
            for name in ("attempts", "checkpoints", "measures", "jobs", "predictions", "requests")
        ),
    ],
)
def test_one_odd_entry_harms_no_other(lab: Workspace, folder: str, make: str) -> None:
    from core.config.layers import data_names
    from core.config.workspace import config_files

    for name in ("configs/data", "runs/run-format1/jobs", "runs/run-format1/predictions"):
        (lab.root / name).mkdir(parents=True, exist_ok=True)
    (lab.configs / "a.yaml").write_text("model: tinyvgg_a\n")
    (lab.configs / "data" / "d.yaml").write_text("root: .\n")
    run = RunPaths(lab.runs / "run-format1")
    before = show_document(run)
    for name in ("loop", "0003", "measure-0001", "a09-e0009.json", "x.yaml"):
        path = lab.root / folder / name
        if make == "loop":
            path.symlink_to(name)
        elif make == "pipe":
            os.mkfifo(path)
        elif make == "dangling":
            path.symlink_to("nowhere")
        else:
            path.write_bytes(b"")
    look(lab)
    assert {found.id for found in list_runs(lab)} >= {"run-format1", "other"}
    assert [path.stem for path in config_files(lab) if path.stem == "a"] == ["a"]
    assert "d" in data_names(lab)
    if not folder.endswith("attempts"):
        seen = show_document(run)
        assert (seen["state"], seen["best"]) == (before["state"], before["best"])
        assert seen["checkpoints"] == before["checkpoints"]


@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "missing"])
def test_what_somebody_wrote_is_not_replaced(lab: Workspace, damage: str) -> None:
    """Tags, notes, pins, judgements and remembered folders are kept with what is there already."""
    run = RunPaths(lab.runs / "run-format1")
    run.predictions.mkdir(exist_ok=True)
    predictions = run.predictions / "a02-e0003-val.npz"
    roots, judged = run.predictions / "root.json", predictions.with_suffix(".judged.json")
    for path in (roots, judged):
        path.write_text("{}")
    for path in (run.meta, run.pins, roots, judged):
        replaced(path, damage)
    before = things(run.root)
    changes: list[Callable[[], object]] = [
        lambda: change_meta(run, lambda _: {"note": "new"}),
        lambda: annotate.set_tags(run, ["x"]),
        lambda: annotate.set_archived(run, True),
        lambda: annotate.pin(run, "a02-e0003"),
        lambda: annotate.pin(run, "a02-e0003", on=False),
        lambda: save_root(run, Path("/a"), Path("/b")),
        lambda: judge(run, predictions, Judgement("1.png", "model wrong")),
    ]
    for change in changes:
        with pytest.raises(UnreadableError):
            change()
    assert things(run.root) == before


def test_a_damaged_spec_is_named(lab: Workspace) -> None:
    run = RunPaths(lab.runs / "run-format1")
    run.spec.write_text('{"format": 1,')
    with pytest.raises(LabError, match=r"spec\.json:1: it is not complete JSON"):
        change_meta(run, lambda _: {"note": "x"})
    shown = next(item for item in Catalogue(lab, index=False).refresh() if item.id == run.id)
    assert shown.problems == ("spec.json:1: it is not complete JSON (unexpected end of data).",)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_split_is_never_taken_for_one_that_is_not_there_yet(lab: Workspace, damage: str) -> None:
    """It would be drawn anew, of other images."""
    run = RunPaths(lab.runs / "run-format1")
    run.model.write_text("{}")
    replaced(run.split, damage)
    with pytest.raises(DataError, match=r"split\.json"):
        read_dataset(run)
    run.model.unlink()
    if damage == "missing":
        assert read_dataset(run) is None, "it has not begun"


def test_the_split_of_a_very_large_set_is_read(lab: Workspace) -> None:
    """900,000 names take more than 64 MiB; blanks between them are as long and quicker."""
    run = RunPaths(lab.runs / "run-format1")
    files = FileList(("a/1.jpg",), (0,), (1,))
    store_dataset(run, make_dataset(Path("/data"), ("a",), {"train": files, "val": files}))
    run.split.write_bytes(run.split.read_bytes() + b" " * (130 << 20))
    found = read_dataset(run)
    assert found is not None
    assert found.splits["val"] == files


def test_the_last_run_is_the_one_made_last(lab: Workspace) -> None:
    """Whatever its folder is called."""
    for name, created in (("zzz", 5.0), ("20260101-000000-a-0000", 7.0), ("20260101-000000-b-0000", 6.0)):
        shutil.copytree(PLAIN, lab.runs / name)
        spec = json.loads((PLAIN / "spec.json").read_text())
        (lab.runs / name / "spec.json").write_text(json.dumps({**spec, "created": created}))
    for name in ("other", "run-format1"):
        (lab.runs / name / "spec.json").write_text(json.dumps({"format": 1, "created": 1.0}))
    assert find_run(lab, "@last").id == "20260101-000000-a-0000"
    shutil.rmtree(lab.runs / "20260101-000000-a-0000")
    assert find_run(lab, "@last").id == "20260101-000000-b-0000"
    (lab.runs / "zzz" / "spec.json").write_text(json.dumps({"format": 1, "created": 8.0}))
    assert find_run(lab, "@last").id == "zzz"
