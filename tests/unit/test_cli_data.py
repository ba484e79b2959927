"""`labtui data add` and `data samples`: what is found, what is written, what is never overwritten."""

from __future__ import annotations

import io
import json
import re
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.cli.fetching import fetch_progress
from core.cli.main import main
from core.cli.mosaic import Mosaic, columns_for, draw, save
from core.config.load import load_data, load_experiment
from core.config.schema import DataConfig
from core.config.workspace import Workspace
from core.datasets.open import open_dataset


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    (tmp_path / "configs").mkdir()
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def pictures(root: Path, **classes: int) -> Path:
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (40 + number % 3, 50)).save(root / name / f"{number}.png")
    return root


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["data", *words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


# add


def test_a_folder_is_looked_through_and_written_down(
    lab: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(lab.root / "My Pets", cat=20, dog=200)
    (lab.root / "My Pets/cat/broken.png").write_bytes(b"")
    (lab.configs / "net.yaml").write_text("model: tinyvgg_a\n")
    code, out, err = run(capsys, "add", "My Pets")
    assert code == 0
    file = lab.configs / "data" / "my-pets.yaml"
    assert out.splitlines() == [
        f"{lab.root}/My Pets: class folders, 2 classes",
        "",
        "class     train  val",
        "cat          18    2",
        "dog         180   20",
        "together    198   22",
        "",
        f"note: 1 unreadable image left out: {lab.root}/My Pets/cat/broken.png (empty file)",
        "note: 22 training images held out for validation (seed 0)",
        "note: the largest class has 10 times the smallest class's training images",
        "note: shorter sides of 66 pictures looked at: 40 to 42 pixels",
    ]
    assert err.splitlines() == [
        f"wrote {file}",
        "train on it with: labtui train --config net --data my-pets",
    ]
    assert load_experiment("net", data="my-pets", workspace=lab).experiment.data == DataConfig(
        format="folder", root=lab.root / "My Pets"
    )
    assert file.read_text().splitlines()[:3] == [
        "# 2 classes; images: 198 train, 22 val.",
        "format: folder",
        "root: ../../My Pets",
    ]


def test_json_has_the_same(lab: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(lab.root / "pets", cat=20, dog=20)
    code, out, _ = run(capsys, "add", "pets", "--json", "--name", "mine")
    told = json.loads(out)
    assert code == 0
    assert told["name"] == "mine"
    assert told["file"] == str(lab.configs / "data/mine.yaml")
    assert (told["written"], told["format"], told["held_out"]) == (True, "folder", True)
    assert told["classes"] == ["cat", "dog"]
    assert told["splits"] == {"train": 36, "val": 4}
    assert told["counts"] == {"train": [18, 18], "val": [2, 2]}


def test_a_file_that_is_there_is_never_overwritten(
    lab: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(lab.root / "pets", cat=10, dog=10)
    pictures(lab.root / "far/pets", cat=10, dog=10)
    assert run(capsys, "add", "pets")[0] == 0
    file = lab.configs / "data/pets.yaml"
    file.write_text(file.read_text() + "order: frequency\n")
    before = file.read_text()
    code, _, err = run(capsys, "add", "pets")
    assert (code, err.splitlines()[0]) == (0, f"already there: {file}")
    code, out, err = run(capsys, "add", "far/pets")
    assert (code, out) == (2, "")
    said = f"{file} already describes another data set, in {lab.root}/pets: "
    assert err == f"{said}give this one another name with --name\n"
    assert file.read_text() == before
    assert run(capsys, "add", "far/pets", "--name", "far-pets")[0] == 0


def test_a_file_of_that_name_that_is_no_data_set(lab: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(lab.root / "pets", cat=10, dog=10)
    (lab.configs / "data").mkdir()
    (lab.configs / "data/pets.yaml").write_text("rot: x\n")
    code, _, err = run(capsys, "add", "pets")
    assert code == 2
    assert "pets.yaml:1: data.rot: unknown key (did you mean 'data.root'?)" in err


def test_torchvision_s_files_are_detected(
    lab: Workspace, torchvision_files: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    torchvision_files.write_cifar10(lab.root / "sets")
    code, out, _ = run(capsys, "add", "sets", "--name", "small")
    assert code == 0
    assert out.splitlines()[0] == f"{lab.root}/sets: CIFAR-10, 10 classes"
    assert out.splitlines()[3].split() == ["airplane", "9", "1", "2"]
    data = load_data(lab.configs / "data/small.yaml", lab)
    assert data == DataConfig(format="cifar10", root=lab.root / "sets", order="file")
    assert "# val: test" in (lab.configs / "data/small.yaml").read_text()
    assert open_dataset(data).class_names == torchvision_files.CIFAR10


def test_a_known_set_that_is_there_is_not_fetched(
    lab: Workspace, torchvision_files: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    torchvision_files.write_idx(lab.root / "data/mnist/MNIST/raw")
    code, out, err = run(capsys, "add", "mnist")
    assert (code, out.splitlines()[0]) == (0, f"{lab.root}/data/mnist: MNIST, 10 classes")
    assert err.startswith(f"wrote {lab.configs}/data/mnist.yaml")
    torchvision_files.write_idx(lab.root / "else/MNIST/raw", train=80)
    code, _, err = run(capsys, "add", "mnist", "--root", "else", "--name", "mnist2")
    assert code == 0
    assert load_data(lab.configs / "data/mnist2.yaml", lab).root == lab.root / "else"


def test_many_classes_are_summed_up(lab: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(lab.root / "many", **{f"c{n:02d}": 12 for n in range(30)})
    _, out, _ = run(capsys, "add", "many")
    lines = out.splitlines()
    assert lines[3].split() == ["c00", "11", "1"]
    assert lines[13].split() == ["20", "more", "classes", "220", "20"]
    assert lines[14].split() == ["together", "330", "30"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["cifer10"], 2, "there is no folder ROOT/cifer10 (did you mean 'cifar10'?)"),
        (["./nowhere"], 3, "ROOT/nowhere does not exist: correct the path in the config, or give --data."),
        (["pets.zip"], 2, "ROOT/pets.zip is an archive: unpack it and give the folder"),
        (
            ["pets", "--root", "x"],
            2,
            "--root is only used with cifar10, cifar100, mnist, fashionmnist; pets is a folder",
        ),
        (
            ["pets", "--name", "../x"],
            2,
            "--name: '../x' is not a valid name: use letters, digits, _, - and .",
        ),
        (["empty"], 3, "ROOT/empty has no class folders: expected ROOT/empty/CLASS/image.jpg."),
        ([], 2, "labtui data add: missing PATH; see `labtui data add --help`"),
    ],
)
def test_what_cannot_be_added(
    lab: Workspace, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    pictures(lab.root / "pets", cat=4, dog=4)
    (lab.root / "empty").mkdir()
    (lab.root / "pets.zip").write_bytes(b"PK")
    found, out, err = run(capsys, "add", *words)
    assert (found, out, err.replace(str(lab.root), "ROOT")) == (code, "", f"{said}\n")
    assert not (lab.configs / "data").exists()


def test_progress_without_a_terminal_is_a_line_for_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with fetch_progress(io.StringIO()) as progress:
        for done in range(0, 1001):
            progress("x.tar.gz", done * 1000, 1_000_000)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[0].startswith("fetching x.tar.gz: 0")


@pytest.mark.parametrize(
    ("configs", "command"),
    [
        ({"net": "model: tinyvgg_a"}, "net --data pets"),
        ({"a": "model: nonsense", "net": "model: tinyvgg_a"}, "net --data pets"),
        ({"a": "model: tinyvgg_a\ndata: {root: x, val: test}", "net": "model: tinyvgg_a"}, "net --data pets"),
        ({"a": "model: tinyvgg_a\nweights: ./none.pth", "net": "model: tinyvgg_a"}, "net --data pets"),
        ({"a": "model: tinyvgg_a", "net": "model: tinyvgg_a\ndata: ../pets"}, "net"),
        ({}, "CONFIG --data pets"),
    ],
)
def test_the_next_command_goes_with_the_set(
    lab: Workspace, capsys: pytest.CaptureFixture[str], configs: dict[str, str], command: str
) -> None:
    pictures(lab.root / "pets", cat=10, dog=10)
    for name, text in configs.items():
        (lab.configs / f"{name}.yaml").write_text(f"{text}\n")
    _, _, err = run(capsys, "add", "pets")
    assert err.splitlines()[-1] == f"train on it with: labtui train --config {command}"


# samples


def child(npz: dict[str, Any], code: int = 0, said: str = "") -> Any:
    """What stands for the child process: writes `npz`, or fails."""

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        child.command = command  # type: ignore[attr-defined]
        if not code:
            np.savez(command[5], **npz)
        return subprocess.CompletedProcess(command, code, "", said)

    return run


def colours(count: int, side: int = 8) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.fixture
def config(lab: Workspace) -> str:
    pictures(lab.root / "pets", cat=4, dog=4)
    (lab.configs / "net.yaml").write_text("model: tinyvgg_a\ndata: ../pets\n")
    return "net"


def test_samples_are_saved_as_one_picture(
    lab: Workspace, config: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    npz = {"pixels": colours(6), "titles": np.array(["cat", "", "", "dog", "", ""]), "columns": np.array(3)}
    monkeypatch.setattr(subprocess, "run", child(npz))
    code, out, err = run(capsys, "samples", config, "--augment", "--seed", "3", "--save", "s.png")
    assert (code, out, err) == (0, "", f"wrote {lab.root}/s.png\n")
    assert child.command[2:4] == ["-m", "core.evaluate.samples"]  # type: ignore[attr-defined]
    words = ["--count", "4", "--seed", "3", "--augmented"]
    assert child.command[6:] == words  # type: ignore[attr-defined]
    assert Image.open("s.png").size == (3 * 104 + 8, 2 * 120 + 8)
    before = Path("s.png").read_bytes()
    code, _, err = run(capsys, "samples", config, "--save", "s.png")
    assert (code, err) == (2, f"--save: {lab.root}/s.png already exists: give another name\n")
    assert Path("s.png").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--save", "s.jpg"], 2, "--save: s.jpg must end in .png"),
        ([], 2, "pictures need a terminal; give --save FILE.png"),
        (["--set", "epochs=x", "--save", "s.png"], 2, "--set: epochs: expected a whole number, got 'x'"),
    ],
)
def test_samples_refused(
    config: str, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert run(capsys, "samples", config, *words) == (code, "", f"{said}\n")


@pytest.mark.parametrize(
    ("returned", "stderr", "code", "said"),
    [
        (3, "warning\nThe folder is gone.\n", 3, "The folder is gone."),
        (1, "Traceback\nMemoryError: no\n", 4, "The pictures could not be made: MemoryError: no"),
        (-9, "", 4, "The pictures could not be made: it ended with -9"),
    ],
)
def test_what_goes_wrong_in_the_child_is_said(
    config: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    returned: int,
    stderr: str,
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr(subprocess, "run", child({}, returned, stderr))
    assert run(capsys, "samples", config, "--save", "s.png") == (code, "", f"{said}\n")
    assert not Path("s.png").exists()


@pytest.mark.parametrize(
    ("count", "columns", "width", "side"), [(8, 4, 80, 18), (2, 2, 80, 32), (6, 6, 80, 11)]
)
def test_pictures_fit_the_terminal(count: int, columns: int, width: int, side: int) -> None:
    stream = io.StringIO()
    draw(Mosaic(colours(count, 32), tuple(f"class {n}" for n in range(count)), columns), stream, width)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).splitlines()
    rows = count // columns
    assert len(lines) == rows * (round(side / 2) + 1)
    assert max(map(len, lines)) <= width
    assert lines[0] == "  ".join(["▀" * side] * columns)
    assert lines[round(side / 2)].split()[:2] == ["class", "0"]


def test_a_character_shows_two_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    pixels = np.zeros((1, 8, 8, 3), np.uint8)
    pixels[0, 0, 0], pixels[0, 1, 0] = (10, 20, 30), (40, 50, 60)
    stream = io.StringIO()
    draw(Mosaic(pixels, ("",), 1), stream, 80)
    assert stream.getvalue().startswith("\x1b[38;2;10;20;30;48;2;40;50;60m▀")


def test_titles_are_cut_to_the_tile(tmp_path: Path) -> None:
    long = "a very long name of a class indeed"
    save(Mosaic(colours(2, 16), (long, "ü 中"), 2), tmp_path / "s.png")
    stream = io.StringIO()
    draw(Mosaic(colours(2, 16), (long, "b"), 2), stream, 80)
    last = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).splitlines()[-1]
    assert last == f"{long[:15]}…  b"


def test_pictures_in_a_row() -> None:
    assert [columns_for(count, width) for count, width in ((8, 80), (8, 40), (2, 80), (8, 10))] == [
        4,
        2,
        2,
        1,
    ]
