"""Files laid over each other: extends, defaults.yaml, named data sets, --data; and where paths point."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.config.load import Loaded, dump, load_experiment, parse_experiment
from core.config.schema import DataConfig, SplitPaths
from core.config.workspace import Workspace
from core.errors import ConfigError


@pytest.fixture
def lab(tmp_path: Path) -> Workspace:
    (tmp_path / "configs" / "data").mkdir(parents=True)
    return Workspace(tmp_path)


def write(lab: Workspace, **files: str) -> None:
    """`a="..."` -> configs/a.yaml, `data__x` -> configs/data/x.yaml."""
    for name, text in files.items():
        (lab.configs / f"{name.replace('__', '/')}.yaml").write_text(text, encoding="utf-8")


def load(lab: Workspace, *overrides: str, name: str = "a", data: str | None = None) -> Loaded:
    return load_experiment(lab.configs / f"{name}.yaml", overrides, data=data, workspace=lab)


def data_of(lab: Workspace, *overrides: str, data: str | None = None) -> DataConfig:
    return load(lab, *overrides, data=data).experiment.data


def refused(lab: Workspace, *overrides: str, data: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(lab, *overrides, data=data)
    return str(caught.value).replace(str(lab.root), "LAB")


# Paths


@pytest.mark.parametrize("start", ["/", "p", "p/conf", "home"])
def test_a_path_means_the_same_from_everywhere(
    tmp_path: Path, start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("p/conf", "p/fx", "home"):
        (tmp_path / folder).mkdir(parents=True)
    config = tmp_path / "p/conf/a.yaml"
    config.write_text("data: ../fx\nmodel: tinyvgg_a\n")
    begun = Path("/") if start == "/" else tmp_path / start
    monkeypatch.chdir(begun)
    given = Path(os.path.relpath(config, begun))
    experiment = load_experiment(given, workspace=Workspace(begun)).experiment
    assert experiment.data.root == tmp_path / "p/fx"
    again = parse_experiment(dump(experiment), Path("/elsewhere/config.yaml"))
    assert again.data.root == tmp_path / "p/fx"


def test_home_and_variables_are_expanded(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("SETS", "/mnt/sets")
    text = "data:\n  root: {}\nmodel: tinyvgg_a\n"
    for written, absolute in [
        ("~/x", "/home/ada/x"),
        ("$HOME/x", "/home/ada/x"),
        ("${SETS}/x", "/mnt/sets/x"),
        ("/abs/./x//y", "/abs/x/y"),
    ]:
        write(lab, a=text.format(written))
        assert data_of(lab).root == Path(absolute)


def test_a_variable_that_is_not_set_is_refused(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    write(lab, a="data: {root: $NOWHERE/x}\nmodel: tinyvgg_a\n")
    assert refused(lab) == "LAB/configs/a.yaml:1: data.root: the variable $NOWHERE is not set"


def test_splits_are_relative_to_the_root_else_to_the_file(lab: Workspace) -> None:
    write(
        lab, a="data: {root: ../d, train: tr, val: {images: /v, list: val.txt}, test: te}\nmodel: tinyvgg_a\n"
    )
    data = data_of(lab)
    assert data.train == SplitPaths(images=lab.root / "d/tr")
    assert data.val == SplitPaths(images=Path("/v"), list=lab.root / "d/val.txt")
    assert data.test == SplitPaths(images=lab.root / "d/te")
    write(lab, a="data: {train: ../d/tr}\nmodel: tinyvgg_a\n")
    assert data_of(lab).train == SplitPaths(images=lab.root / "d/tr")


def test_paths_on_the_command_line_are_relative_to_the_current_folder(
    lab: Workspace, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    write(lab, a="data: {root: x}\nmodel: tinyvgg_a\n")
    assert data_of(lab, "data.root=y").root == here / "y"
    assert data_of(lab, "data=./y").root == here / "y"
    assert data_of(lab, data="./y").root == here / "y"


def test_dots_follow_links_as_the_system_does(lab: Workspace) -> None:
    (lab.root / "far/inner").mkdir(parents=True)
    (lab.root / "far/pictures").mkdir()
    (lab.configs / "link").symlink_to(lab.root / "far/inner")
    write(lab, a="data: {root: link/../pictures}\nmodel: tinyvgg_a\n")
    assert data_of(lab).root == lab.root / "far/pictures"


@pytest.mark.parametrize(("value", "said"), [("''", "expected a path"), ("3", "expected a path, got 3")])
def test_what_is_no_path(lab: Workspace, value: str, said: str) -> None:
    write(lab, a=f"data: {{root: {value}}}\nmodel: tinyvgg_a\n")
    assert refused(lab).endswith(f"a.yaml:1: data.root: {said}")


# The config itself


def test_a_config_is_found_by_name(lab: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    write(lab, **{"my-net": "data: {root: x}\nmodel: tinyvgg_a\n"})
    loaded = load_experiment("my-net", workspace=lab)
    assert (loaded.source, loaded.name) == (lab.configs / "my-net.yaml", "my-net")
    assert load_experiment("my-net.yaml", workspace=lab) == loaded


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("my-nte", "LAB/my-nte: no such config (did you mean 'my-net'?)"),
        ("deep/qqqq.yml", "LAB/deep/qqqq.yml: no such config"),
        ("configs", "LAB/configs: a folder, not a config"),
    ],
)
def test_a_config_that_is_not_there(
    lab: Workspace, given: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(lab, **{"my-net": "model: tinyvgg_a\n"})
    monkeypatch.chdir(lab.root)
    with pytest.raises(ConfigError) as caught:
        load_experiment(given, workspace=lab)
    assert str(caught.value).replace(str(lab.root), "LAB") == said


def test_bytes_that_are_no_text(lab: Workspace) -> None:
    (lab.configs / "a.yaml").write_bytes(b"model: \xff\xfe\n")
    assert (
        refused(lab)
        == "LAB/configs/a.yaml:1: cannot be read: it is not UTF-8 text (byte 0xff): save it as UTF-8"
    )


def test_a_byte_order_mark_is_no_key(lab: Workspace) -> None:
    (lab.configs / "a.yaml").write_bytes(b"\xef\xbb\xbfmodel: tinyvgg_a\ndata: {root: /x}\n")
    assert load(lab).experiment.model == "tinyvgg_a"


# extends


def test_extends_merges_deeply(lab: Workspace) -> None:
    write(
        lab,
        _base="extends: _root.yaml\nepochs: 5\naugment: {pad_crop: 4}\ntags: [x, y]\n",
        _root="data: {root: ../d, val: test}\nmodel: tinyvgg_a\nepochs: 3\naugment: {hflip: true}\n",
        a="extends: _base.yaml\nmodel: tinyvgg_v4\ntags: [z]\n",
    )
    experiment = load(lab).experiment
    assert (experiment.model, experiment.epochs, experiment.tags) == ("tinyvgg_v4", 5, ("z",))
    assert (experiment.augment.pad_crop, experiment.augment.hflip) == (4, True)
    assert (experiment.data.root, experiment.data.val) == (lab.root / "d", "test")


def test_extends_is_relative_to_the_file_and_so_are_its_paths(lab: Workspace) -> None:
    shared = lab.root / "shared"
    shared.mkdir()
    (shared / "base.yaml").write_text("data: {root: pictures}\nmodel: tinyvgg_a\n")
    write(lab, a="extends: ../shared/base.yaml\n")
    assert data_of(lab).root == shared / "pictures"


def test_problems_name_the_file_they_stand_in(lab: Workspace) -> None:
    write(
        lab,
        _base="model: tinyvgg_a\n\nlr: 3\nepochs: x\nbatch: x\n",
        a="extends: _base.yaml\ndata: {root: d}\nbatch: y\nseed: 1\nseed: 2\n",
    )
    assert refused(lab).splitlines() == [
        "LAB/configs/a.yaml:3: batch: expected a whole number, got 'y'",
        "LAB/configs/a.yaml:5: seed: written twice, on lines 4 and 5",
        "LAB/configs/_base.yaml:3: lr: unknown key (did you mean 'learning_rate'?)",
        "LAB/configs/_base.yaml:4: epochs: expected a whole number, got 'x'",
    ]


@pytest.mark.parametrize(
    ("extends", "said"),
    [
        ("a.yaml", "LAB/configs/a.yaml:3: extends: forms a circle: a.yaml -> a.yaml"),
        ("b.yaml", "LAB/configs/b.yaml:1: extends: forms a circle: a.yaml -> b.yaml -> a.yaml"),
        ("none.yaml", "LAB/configs/a.yaml:3: extends: no such file: LAB/configs/none.yaml"),
        (
            "bad.yaml",
            "LAB/configs/bad.yaml:2: not valid YAML: expected the node content, but found '<stream end>'",
        ),
        ("[b.yaml]", "LAB/configs/a.yaml:3: extends: expected the path of one YAML file"),
    ],
)
def test_extends_refused(lab: Workspace, extends: str, said: str) -> None:
    write(lab, a=f"seed: 1\nbatch: 2\nextends: {extends}\n", b="extends: a.yaml\n", bad="model: [\n")
    assert refused(lab) == said


def test_a_shorthand_over_a_section_keeps_its_other_settings(lab: Workspace) -> None:
    write(
        lab,
        _base="data: {root: d}\nmodel: tinyvgg_a\nscheduler: {name: plateau, patience: 7}\n",
        a="extends: _base.yaml\nscheduler: none\n",
    )
    scheduler = load(lab).experiment.scheduler
    assert (scheduler.name, scheduler.patience) == ("none", 7)


# defaults.yaml


def test_defaults_lie_beneath_every_config(lab: Workspace) -> None:
    write(
        lab,
        defaults="data: {root: ../d, val: test}\nepochs: 9\nbatch: 8\n",
        a="model: tinyvgg_a\nbatch: 4\n",
    )
    experiment = load(lab).experiment
    assert (experiment.epochs, experiment.batch) == (9, 4)
    assert (experiment.data.root, experiment.data.val) == (lab.root / "d", "test")


def test_problems_in_defaults_are_told_too(lab: Workspace) -> None:
    write(lab, defaults="epoch: 9\n", a="model: tinyvgg_a\ndata: {root: d}\n")
    assert refused(lab) == "LAB/configs/defaults.yaml:1: epoch: unknown key (did you mean 'epochs'?)"


def test_data_by_name_replaces_the_default_data(lab: Workspace) -> None:
    write(
        lab,
        defaults="data: {root: ../d, val: test, order: frequency}\n",
        data__x="root: /x\n",
        a="data: x\nmodel: tinyvgg_a\n",
        b="extends: a.yaml\n",
    )
    for name in ("a", "b"):
        assert load(lab, name=name).experiment.data == DataConfig(root=Path("/x"))


# Named data sets


def test_a_data_set_by_name(lab: Workspace) -> None:
    write(
        lab,
        data__flowers="root: ../../flowers\nval: test\ntrain: tr\n",
        a="data: flowers\nmodel: tinyvgg_a\n",
    )
    data = data_of(lab)
    assert (data.root, data.val) == (lab.root / "flowers", "test")
    assert data.train == SplitPaths(images=lab.root / "flowers/tr")


def test_a_data_set_by_name_beside_a_config_outside_the_workspace(lab: Workspace) -> None:
    other = lab.root / "other"
    (other / "data").mkdir(parents=True)
    (other / "data/flowers.yaml").write_text("root: pictures\n")
    (other / "b.yaml").write_text("data: flowers\nmodel: tinyvgg_a\n")
    loaded = load_experiment(other / "b.yaml", workspace=lab)
    assert loaded.experiment.data.root == other / "data/pictures"


def test_a_data_set_extended(lab: Workspace) -> None:
    write(
        lab,
        data__flowers="root: /flowers\nsplit: {ratio: 0.2, seed: 4}\n",
        a="data: {extends: data/flowers.yaml, val: test, split: {seed: 5}}\nmodel: tinyvgg_a\n",
    )
    data = data_of(lab)
    assert (data.root, data.val, data.split.ratio, data.split.seed) == (Path("/flowers"), "test", 0.2, 5)


def test_problems_of_a_data_set_name_its_file(lab: Workspace) -> None:
    write(
        lab,
        data__flowers="root: /flowers\nvalid: x\nval: 3\nroot: /b\n",
        a="data: flowers\nmodel: tinyvgg_a\n",
    )
    assert refused(lab).splitlines() == [
        "LAB/configs/data/flowers.yaml:2: data.valid: unknown key (did you mean 'data.val'?)",
        "LAB/configs/data/flowers.yaml:3: data.val: expected a folder, or the word test, got 3",
        "LAB/configs/data/flowers.yaml:4: data.root: written twice, on lines 1 and 4",
    ]


def test_a_data_set_that_is_not_there(lab: Workspace) -> None:
    write(lab, data__flowers="root: /flowers\n", a="model: tinyvgg_a\ndata: flowres\n")
    assert refused(lab) == (
        "LAB/configs/a.yaml:2: data: no data set 'flowres' in LAB/configs/data (did you mean 'flowers'?) "
        "and no folder LAB/configs/flowres"
    )
    write(lab, a="model: tinyvgg_a\ndata: {extends: data/none.yaml}\n")
    assert "data.extends: no such file: LAB/configs/data/none.yaml" in refused(lab)


# --data


def test_data_on_the_command_line_gives_a_config_its_data(lab: Workspace) -> None:
    write(lab, data__flowers="root: /flowers\n", a="model: tinyvgg_a\n")
    assert data_of(lab, data="/some/folder") == DataConfig(root=Path("/some/folder"))
    assert data_of(lab, data="flowers") == DataConfig(root=Path("/flowers"))


def test_data_on_the_command_line_keeps_what_still_makes_sense(lab: Workspace) -> None:
    write(
        lab,
        data__flowers="root: /flowers\nsplit: {ratio: 0.3}\n",
        a=(
            "data: {format: folder, root: d, train: tr, test: /abs/te, val: test,\n"
            "  split: {ratio: 0.2}, classes: [x, y], order: frequency}\nmodel: tinyvgg_a\n"
        ),
    )
    data = data_of(lab, data="/new")
    assert (data.format, data.root, data.val) == ("auto", Path("/new"), "test")
    assert (data.train, data.test) == (SplitPaths(images=Path("/new/tr")), None)
    assert (data.split.ratio, data.classes, data.order) == (0.2, ("x", "y"), "frequency")
    assert data_of(lab, data="flowers").split.ratio == 0.3
    assert data_of(lab, "data.val=null", data="/new").val is None


def test_the_order_of_a_set_s_own_file_stays_with_it(lab: Workspace) -> None:
    write(
        lab,
        data__clothes="format: fashionmnist\nroot: /c\norder: file\n",
        a="data: clothes\nmodel: tinyvgg_a\n",
    )
    assert data_of(lab).order == "file"
    assert data_of(lab, data="/new") == DataConfig(root=Path("/new"))


def test_data_on_the_command_line_in_place_of_drawn_pictures(lab: Workspace) -> None:
    write(lab, a="data: {format: synthetic, root: d, synthetic: {classes: 6}}\nmodel: tinyvgg_a\n")
    assert data_of(lab, data="/new") == DataConfig(root=Path("/new"))


def test_problems_of_data_on_the_command_line_name_it(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab.root)
    write(lab, a="data: {root: d}\nmodel: tinyvgg_a\n")
    text = "--data: data: no data set 'none' in LAB/configs/data and no folder LAB/none"
    assert refused(lab, data="none") == text
    assert refused(lab, data="") == "--data: data.root: expected a path"
