"""Weights from files: read safely, whole or not at all, and never at chance level in silence."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn
from torchvision.models.vision_transformer import VisionTransformer

from core.config.load import parse_experiment
from core.config.schema import Experiment
from core.errors import CheckpointError
from core.models.registry import build_model
from core.models.weights import WeightsReport, load_weights, read_weights, strip_prefixes
from core.store.checkpoints import choose


def experiment(model: str = "tinyvgg_a", **keys: Any) -> Experiment:
    tree = {"data": {"root": "/d"}, "model": model, **keys}
    return parse_experiment(yaml.safe_dump(tree), Path("/c.yaml"))


def fresh(given: Experiment, classes: int = 3, seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return build_model(given, classes)


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def loaded(path: Path, classes: int = 3, **keys: Any) -> tuple[nn.Module, WeightsReport]:
    given = experiment(weights=str(path), **keys)
    model = fresh(given, classes)
    return model, load_weights(model, given, classes)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    """Weights of TinyVGG A for 3 classes, other than those that `fresh` draws."""
    return dict(fresh(experiment(), seed=7).state_dict())


PREFIXES = ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("container", [None, "model", "state_dict", "model_state_dict"])
def test_wrapped_weights_load_to_the_bit(
    tmp_path: Path, state: dict[str, torch.Tensor], prefix: str, container: str | None
) -> None:
    named = {prefix + key: value for key, value in state.items()}
    content: dict[str, Any] = (
        named if container is None else {container: named, "epoch": 3, "logs": [[1.0]] * 4}
    )
    model, report = loaded(saved(tmp_path / "w.pth", content))
    assert same(dict(model.state_dict()), state)
    assert (report.loaded, report.fresh, report.unused, len(report.lines())) == (len(state), (), (), 1)


def test_prefixes_inside_names() -> None:
    value = torch.zeros(1)
    assert list(strip_prefixes({"layer._orig_mod.0.weight": value, "n_averaged": value})) == [
        "layer.0.weight"
    ]
    assert list(strip_prefixes({"module.module.a": value, "module.b": value})) == ["module.a", "b"]
    assert list(strip_prefixes({"module.a": value, "head.b": value})) == ["module.a", "head.b"]


def test_a_wrapped_model_takes_them_too(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    given = experiment(weights=str(saved(tmp_path / "w.pth", state)))
    model = nn.DataParallel(fresh(given))
    load_weights(model, given, 3)
    assert same(dict(model.module.state_dict()), state)


@pytest.mark.parametrize("ema", ["null", "0.9"])
def test_a_checkpoint_of_labtui_gives_what_was_measured(lab: Any, ema: str) -> None:
    run = lab.train("epochs=1", f"ema={ema}")
    file = choose(run, "last").file
    content = torch.load(file, weights_only=True)
    model, report = loaded(file)
    measured = content["model"] if content["ema"] is None else content["ema"]["model"]
    assert same(dict(model.state_dict()), measured)
    assert same(measured, content["model"]) == (ema == "null")
    assert report.fresh == ()


def test_a_single_tensor_beside_the_weights_is_not_taken_for_them(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    content = {"best": torch.tensor(0.8), "model_state_dict": state}
    assert same(read_weights(saved(tmp_path / "w.pth", content)), state)


def test_a_classifier_for_other_classes_stays_at_random(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    file = saved(tmp_path / "w.pth", state)
    model, report = loaded(file, classes=5)
    head = fresh(experiment(), 5).state_dict()
    for key, value in model.state_dict().items():
        assert torch.equal(value, head[key] if key.startswith("classifier.7.") else state[key])
    assert report.fresh == ("classifier.7.weight", "classifier.7.bias")
    assert report.loaded == len(state) - 2
    assert report.lines()[1] == (
        "note: the classifier classifier.7 starts at random: the file's is for 3 classes, not 5"
    )


def test_a_file_without_classifier_or_counters(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    kept = {k: v for k, v in state.items() if not k.startswith("classifier.7") and "num_batches" not in k}
    _, report = loaded(saved(tmp_path / "w.pth", kept))
    assert report.loaded == len(kept)
    assert report.lines()[1] == "note: the classifier classifier.7 starts at random"


def test_half_precision_weights_become_float32(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    model, _ = loaded(saved(tmp_path / "w.pth", half))
    weight = next(model.parameters())
    assert weight.dtype == torch.float32
    assert torch.equal(weight, half["features.0.0.weight"].float())


def without(state: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key not in keys}


MISFITS: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "other names": (
        lambda state: {f"net.{key}": value for key, value in state.items()},
        r"0 of its 62 tensors match; missing: features\.0\.0\.weight, .* \(52 in all\); "
        r"unexpected: net\.features\.0\.0\.weight, ",
    ),
    "one missing": (
        lambda state: without(state, "features.1.0.weight"),
        r"61 of its 62 tensors match; missing: features\.1\.0\.weight\.",
    ),
    "other shape": (
        lambda state: {**state, "classifier.1.weight": torch.zeros(64, 256)},
        r"61 of its 62 tensors match; classifier\.1\.weight is \(64, 256\), not \(64, 64\)",
    ),
    "one too many": (
        lambda state: {**state, "features.2.6.weight": torch.zeros(32, 32, 3, 3)},
        r"62 of its 62 tensors match; unexpected: features\.2\.6\.weight",
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    tmp_path: Path, state: dict[str, torch.Tensor], case: str
) -> None:
    change, sentence = MISFITS[case]
    given = experiment(weights=str(saved(tmp_path / "w.pth", change(state))))
    model = fresh(given)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=rf"w\.pth does not fit tinyvgg_a: {sentence}"):
        load_weights(model, given, 3)
    assert same(dict(model.state_dict()), before)


def test_a_network_that_is_all_head_is_not_left_at_random(tmp_path: Path) -> None:
    net = tmp_path / "net.py"
    net.write_text(
        "from torch import nn\nclass Net(nn.Module):\n"
        "    def __init__(self, n):\n        super().__init__()\n"
        "        self.head = nn.Sequential(nn.Flatten(), nn.Linear(3072, n))\n    def forward(self, x):\n"
        "        return self.head(x)\ndef build(num_classes):\n    return Net(num_classes)\n"
    )
    given = experiment(f"{net}:build", weights=str(saved(tmp_path / "w.pth", {"head.9.w": torch.zeros(3)})))
    with pytest.raises(CheckpointError, match="0 of its 2 tensors match"):
        load_weights(fresh(given), given, 3)


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('ran')",)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"model": {"w": torch.zeros(1)}, "args": argparse.Namespace(lr=1)}, "argparse.Namespace"),
        ({"best": np.float64(0.5)}, r"numpy[\w.]+scalar"),
        (nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        ({"w": Harmful()}, "exec"),
    ],
)
def test_foreign_pickles_are_refused_in_words(tmp_path: Path, content: object, named: str) -> None:
    with pytest.raises(
        CheckpointError, match=rf"not loaded: it holds more .* \({named}\), which could run code"
    ):
        read_weights(saved(tmp_path / "w.pth", content))


def cut(data: bytes) -> bytes:
    return data[:-1]


@pytest.mark.parametrize(
    "damage", [cut, lambda data: data[: len(data) // 2], lambda _: b"", lambda _: b"junk" * 9]
)
@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_files(tmp_path: Path, damage: Callable[[bytes], bytes], zipped: bool) -> None:
    file = tmp_path / "w.pth"
    torch.save({"w": torch.zeros(999)}, file, _use_new_zipfile_serialization=zipped)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(CheckpointError, match=r"w\.pth is damaged or holds no weights of torch") as caught:
        read_weights(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (torch.zeros(3), "holds one tensor, not a state dict"),
        ([1, 2], "holds a list, not a state dict"),
        ({}, "no state dict: .* found nothing"),
        ({"epoch": 1, "logs": {"a": 1}}, "no state dict: .* found epoch, logs"),
    ],
)
def test_files_without_weights(tmp_path: Path, content: object, sentence: str) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        read_weights(saved(tmp_path / "w.pth", content))


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no file .*w\.pth"):
        read_weights(tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="it is a folder, not a regular file"):
        read_weights(tmp_path)


def test_the_sha256_of_the_config(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    file = saved(tmp_path / "w.pth", state)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for digits in (8, 64):
        assert loaded(file, weights_sha256=digest[:digits])[1].sha256 == digest
    with pytest.raises(CheckpointError, match=f"has the sha256 {digest[:16]}..., not abcdef0123..."):
        loaded(file, weights_sha256="abcdef0123")


def test_a_hash_in_a_name_of_ones_own_is_only_told(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    _, report = loaded(saved(tmp_path / "net-20260101.pth", state))
    assert report.lines()[1].startswith(
        "note: net-20260101.pth ends in 20260101, but its sha256 begins with "
    )


def test_no_weights_no_lines() -> None:
    given = experiment()
    model = fresh(given)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert load_weights(model, given, 3).lines() == []
    assert same(dict(model.state_dict()), before)


def test_position_embeddings_are_interpolated(tmp_path: Path) -> None:
    def transformer(side: int) -> nn.Module:
        torch.manual_seed(side)
        sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 8, "num_classes": 3}
        return VisionTransformer(image_size=side, patch_size=16, **sizes)

    large, small = transformer(64), transformer(32)
    with torch.no_grad():
        large.get_parameter("encoder.pos_embedding")[:, 1:] = 3.0
    given = experiment("vit_b_16", weights=str(saved(tmp_path / "w.pth", large.state_dict())))
    assert load_weights(small, given, 3).fresh == ()
    theirs, own = (model.state_dict()["encoder.pos_embedding"] for model in (large, small))
    assert own.shape == (1, 1 + 2 * 2, 8)
    assert torch.equal(own[:, 0], theirs[:, 0])
    assert own[:, 1:].flatten().tolist() == pytest.approx([3.0] * 32)


def test_older_names_of_densenet(tmp_path: Path) -> None:
    weights = fresh(experiment("densenet121"), 3, seed=2).state_dict()
    old = {
        key.replace("norm1", "norm.1").replace("conv2", "conv.2") if "denselayer" in key else key: value
        for key, value in weights.items()
    }
    given = experiment("densenet121", weights=str(saved(tmp_path / "w.pth", old)))
    model = fresh(given)
    load_weights(model, given, 3)
    assert same(dict(model.state_dict()), dict(weights))


def test_auxiliary_classifiers_of_a_file_are_left_out(tmp_path: Path) -> None:
    weights = dict(fresh(experiment("googlenet"), 3, seed=2).state_dict())
    given = experiment(
        "googlenet", weights=str(saved(tmp_path / "w", {**weights, "aux1.fc1.bias": torch.ones(2)}))
    )
    assert load_weights(fresh(given), given, 3).unused == ("aux1.fc1.bias",)
