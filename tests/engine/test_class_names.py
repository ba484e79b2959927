"""Outputs follow the names of their classes, never their position, in every kind of network."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from core.config.load import parse_experiment
from core.config.schema import Experiment
from core.engine.checkpoint import read_checkpoint
from core.engine.class_match import Outputs, matched
from core.engine.optim import build_optimizer
from core.engine.stop import StopFlag
from core.errors import CheckpointError
from core.evaluate.measure import run_measure
from core.models.class_axes import class_axes, match_classes, names_in, rearranged
from core.models.modes import apply_mode
from core.models.registry import build_model
from core.models.weights import load_weights
from core.store.checkpoints import choose
from core.store.jobs import begin_job, create_job
from core.store.paths import RunPaths

OLD = ("ant", "bee", "cow", "dog")
ORDERS = [("dog", "bee", "ant", "cow"), ("bee", "cow", "dog", "ant")]
OWN = """\
import torch
from torch import nn

def plain(num_classes):
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, num_classes), nn.ReLU(),
                         nn.BatchNorm1d(num_classes), nn.Linear(num_classes, num_classes))

class Uneven(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.last = nn.Linear(48, num_classes)
        self.pool = nn.AdaptiveAvgPool2d(4)
    def forward(self, x):
        y = self.last(self.pool(x).flatten(1))
        return y * torch.arange(1, y.shape[1] + 1)

def uneven(num_classes):
    return Uneven(num_classes)
"""


def experiment(model: str, **keys: Any) -> Experiment:
    detector = any(word in model for word in ("rcnn", "retinanet", "ssd", "fcos"))
    data = {"root": "/d", **({"format": "voc"} if detector else {})}
    return parse_experiment(
        yaml.safe_dump({"data": data, "model": model, "weights": "none", **keys}), Path("/c.yaml")
    )


def built(given: Experiment, classes: int, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return build_model(given, classes)


CLASSIFIERS = ["tinyvgg_a", "squeezenet1_1"]
DETECTORS = ["fasterrcnn_small", "retinanet_small", "ssdlite320_mobilenet_v3_large"]


@pytest.mark.parametrize("model", CLASSIFIERS)
@pytest.mark.parametrize("order", ORDERS, ids=["order0", "order1"])
def test_a_classifier_says_the_same_by_name(model: str, order: tuple[str, ...]) -> None:
    given = experiment(model, image_size=64)
    network = built(given, 4).eval()
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = network(pixels)
    content = {"model": network.state_dict(), "data": {"classes": list(OLD)}, "ema": None}
    other = built(given, 4, seed=9).eval()
    found, notes = matched(content, Path("f.pt"), other, Outputs(given, order))
    other.load_state_dict(found["model"])
    with torch.no_grad():
        after = other(pixels)
    torch.testing.assert_close(after, before[:, [OLD.index(name) for name in order]])
    assert "another order" in notes[0]


@pytest.mark.parametrize("model", DETECTORS)
def test_a_detector_says_the_same_by_name(model: str) -> None:
    """Background first, anchors, and the four numbers of a box: scores and boxes keep their class."""
    from core.models.detection import first_label

    order = ORDERS[0]
    given = experiment(model)
    network = built(given, 4).eval()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            # Its weights begin at nearly 0, all alike.
            if ("predictor" in name or "classification_head" in name) and name.endswith(("weight", "bias")):
                value.copy_(torch.randn(value.shape, generator=torch.Generator().manual_seed(5)) * 0.1)
    other = built(given, 4, seed=9).eval()
    content = {"model": network.state_dict(), "data": {"classes": list(OLD)}}
    found, _ = matched(content, Path("f.pt"), other, Outputs(given, order))
    other.load_state_dict(found["model"])
    first = first_label(model)
    places = [*range(first), *(first + OLD.index(name) for name in order)]
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        if hasattr(network, "roi_heads"):
            width = network.roi_heads.box_predictor.cls_score.in_features
            features = torch.rand(5, width, generator=generator)
            (scores, boxes), (now, moved) = (
                net.roi_heads.box_predictor(features) for net in (network, other)
            )
            torch.testing.assert_close(now, scores[:, places])
            torch.testing.assert_close(moved.view(5, -1, 4), boxes.view(5, -1, 4)[:, places])
        else:
            size = 320 if model.startswith("ssd") else 64
            maps = list(network.backbone(torch.rand(1, 3, size, size, generator=generator)).values())
            before, after = network.head(maps), other.head(maps)
            torch.testing.assert_close(after["cls_logits"], before["cls_logits"][..., places])
            torch.testing.assert_close(after["bbox_regression"], before["bbox_regression"])


@pytest.mark.parametrize("model", [*CLASSIFIERS, *DETECTORS[:2]])
@pytest.mark.parametrize(
    "new",
    [("cow", "eel", "ant"), ("eel", "dog", "fox", "bee", "ant", "cow"), ("eel", "fox", "gnu", "hen")],
    ids=["fewer", "more", "others"],
)
def test_other_sets_carry_what_is_known_and_name_the_rest(model: str, new: tuple[str, ...]) -> None:
    given = experiment(model)
    old, fresh = built(given, len(OLD)), built(given, len(new), seed=3)
    axes = class_axes(fresh, given, len(new), build_model)
    assert axes
    theirs, own = old.state_dict(), fresh.state_dict()
    content = {"model": theirs, "data": {"classes": list(OLD)}}
    with pytest.raises(CheckpointError, match="trained on other classes"):
        matched(content, Path("f.pt"), fresh, Outputs(given, new))
    found, notes = matched(content, Path("f.pt"), fresh, Outputs(given, new), partly=True)
    fresh.load_state_dict(found["model"])
    for name, (axis, *_) in axes.items():

        def rows(value: Tensor, classes: int, place: int, axis: Any = axis) -> Tensor:
            shape = (axis.before, axis.background + classes, axis.after, *value.shape[1:])
            return value.reshape(shape)[:, axis.background + place]

        for place, word in enumerate(new):
            got = rows(found["model"][name], len(new), place)
            want = (
                rows(theirs[name], len(OLD), OLD.index(word))
                if word in OLD
                else rows(own[name], len(new), place)
            )
            assert torch.equal(got, want), (name, word)
    text = "; ".join(notes)
    for word in set(new) ^ set(OLD):
        assert word in text


def test_networks_of_ones_own(tmp_path: Path) -> None:
    """Hidden layers as wide as there are classes go along; where outputs are not alike, it is refused."""
    (tmp_path / "net.py").write_text(OWN)
    given = experiment(f"{tmp_path}/net.py:plain")
    network = built(given, 4).eval()
    pixels = torch.rand(3, 3, 32, 32)
    before = network(pixels)
    content = {
        "model": {k: v.clone() for k, v in network.state_dict().items()},
        "data": {"classes": list(OLD)},
    }
    other = built(given, 4, seed=2)
    found, _ = matched(content, Path("f.pt"), other, Outputs(given, ORDERS[1]))
    other.load_state_dict(found["model"])
    torch.testing.assert_close(other.eval()(pixels), before[:, [OLD.index(name) for name in ORDERS[1]]])
    uneven = experiment(f"{tmp_path}/net.py:uneven")
    network = built(uneven, 4)
    content = {"model": dict(network.state_dict()), "data": {"classes": list(OLD)}}
    with pytest.raises(CheckpointError, match="not give the same outputs"):
        matched(content, Path("f.pt"), built(uneven, 4), Outputs(uneven, ORDERS[0]))


@pytest.mark.parametrize("method", ["sgd", "adamw"])
@pytest.mark.parametrize("mode", ["full", "head", "split"])
def test_momentum_and_averages_go_along(method: str, mode: str) -> None:
    rates = {"back_lr": 0.1, "head_lr": 0.2} if mode == "split" else {}
    given = experiment("tinyvgg_a", mode=mode, optimizer={"name": method}, **rates)
    names = ("cow", "eel", "ant")

    def made(classes: int) -> tuple[Any, torch.optim.Optimizer]:
        network = built(given, classes)
        return network, build_optimizer(apply_mode(network, given), given, "default")

    network, optimizer = made(len(OLD))
    for group in optimizer.param_groups:
        for weight in group["params"]:
            weight.grad = torch.randn(weight.shape)
    optimizer.step()
    average = {name: value + 1 for name, value in network.state_dict().items()}
    stored = optimizer.state_dict()
    content = {
        "model": network.state_dict(),
        "ema": {"updates": 3, "model": average},
        "optimizer": stored,
        "data": {"classes": list(OLD)},
    }
    other, fresh = made(len(names))
    found, _ = matched(content, Path("f.pt"), other, Outputs(given, names), optimizer=fresh, partly=True)
    last = list(network.state_dict())[-1]
    assert torch.equal(found["ema"]["model"][last][[0, 2]], average[last][[2, 0]])
    assert found["ema"]["updates"] == 3
    number = max(stored["state"])
    for key, old in stored["state"][number].items():
        new = found["optimizer"]["state"][number][key]
        if not old.dim():
            assert torch.equal(new, old)
            continue
        assert torch.equal(new[[0, 2]], old[[2, 0]])
        assert not new[1].any(), "a new class has no momentum"
    fresh.load_state_dict({**found["optimizer"], "param_groups": fresh.state_dict()["param_groups"]})
    assert len(stored["state"]) == len(found["optimizer"]["state"])


def measured(run: RunPaths, which: str) -> float:
    content = {"at": [which], "splits": ["val"], "data_config": None}
    job = create_job(run, "measure", content)
    begin_job(job, slot="cpu0", threads=1)
    outcome = run_measure(run, job, content, StopFlag(), on_gpu=False)
    if outcome.unreadable:
        raise CheckpointError(outcome.unreadable[0]["reason"])
    return float(outcome.rows[0]["metrics"]["loss"])


def test_a_fork_in_another_order_begins_as_good_as_its_parent(
    lab: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its frozen normalisation keeps the outputs as they were while the rate is next to nothing."""
    parent = lab.train("epochs=2", "mode=head")
    loss = choose(parent, "2").metrics["val/loss"]
    order = "data.classes=[class1, class2, class0]"
    fork = lab.fork(parent, "2", order, "learning_rate=1e-12", total=3)
    lab.attempt(fork)
    assert choose(fork, "3").metrics["val/loss"] == pytest.approx(loss, rel=1e-5)
    assert "its outputs were rearranged by name" in capsys.readouterr().out
    assert measured(fork, "a00-e0002") == pytest.approx(loss, rel=1e-5), "the inherited one too"
    file = choose(parent, "2").file
    run = lab.train(f"weights={file}", order, "learning_rate=1e-12", "epochs=1", "mode=head")
    assert "the file has the same classes in another order" in capsys.readouterr().out
    assert choose(run, "1").metrics["val/loss"] == pytest.approx(loss, rel=1e-5)


def test_a_fork_with_fewer_classes_goes_on_and_does_not_measure_the_old_outputs(
    lab: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    parent = lab.train("epochs=1")
    fork = lab.fork(parent, "1", "data.classes=[class2, class0]", total=2)
    lab.attempt(fork)
    text = capsys.readouterr().out
    assert "knows class1, which are not classes here" in text
    assert len(read_checkpoint(fork, choose(fork, "2"))["data"]["classes"]) == 2
    with pytest.raises(CheckpointError, match="trained on other classes"):
        measured(fork, "a00-e0001")


@pytest.mark.parametrize("key", ["classes", "class_names", "class_to_idx", "names"])
def test_files_that_name_their_classes_in_other_ways(tmp_path: Path, key: str) -> None:
    given = experiment("tinyvgg_a")
    network = built(given, 4)
    names: Any = list(OLD)
    if key == "class_to_idx":
        names = {name: place for place, name in enumerate(OLD)}
    if key == "names":
        names = dict(enumerate(OLD))
    torch.save({"state_dict": network.state_dict(), key: names}, tmp_path / "w.pt")
    wish = experiment("tinyvgg_a", **{"weights": str(tmp_path / "w.pt")})
    other = built(wish, 4, seed=4)
    report = load_weights(other, wish, 4, names=ORDERS[0])
    places = [OLD.index(name) for name in ORDERS[0]]
    last = list(network.state_dict())[-1]
    assert torch.equal(other.state_dict()[last], network.state_dict()[last][places])
    assert any("another order" in note for note in report.notes)


def test_positions_are_said_where_there_are_no_names(tmp_path: Path) -> None:
    given = experiment("tinyvgg_a")
    torch.save(built(given, 4).state_dict(), tmp_path / "w.pt")
    wish = experiment("tinyvgg_a", **{"weights": str(tmp_path / "w.pt")})
    report = load_weights(built(wish, 4), wish, 4, names=OLD)
    assert any("does not name its classes" in note for note in report.notes)


@pytest.mark.parametrize("seed", range(20))
def test_places_against_plain_lists(seed: int) -> None:
    rng = random.Random(seed)
    words = [f"w{number}" for number in range(9)]
    old, new = rng.sample(words, rng.randrange(1, 8)), rng.sample(words, rng.randrange(1, 8))
    match = match_classes(old, new)
    assert [old[place] if place >= 0 else None for place in match.places] == [
        name if name in old else None for name in new
    ]
    assert set(match.anew) == set(new) - set(old)
    assert set(match.gone) == set(old) - set(new)
    assert match.same == (old == new)
    assert bool(match.notes("it")) == (old != new)


def test_names_that_look_alike_are_the_same_name() -> None:
    assert match_classes(["\u1100\u1161"], ["\uac00"]).same


@pytest.mark.parametrize(
    "content",
    [None, [], {"classes": 3}, {"classes": [1, 2]}, {"class_to_idx": {"a": 0, "b": 2}}, {"names": {}}],
)
def test_what_names_nothing(content: Any) -> None:
    assert names_in(content) is None


def test_outputs_that_are_not_those_of_the_names() -> None:
    axes = class_axes(built(experiment("tinyvgg_a"), 3), experiment("tinyvgg_a"), 3, build_model)
    match = match_classes(OLD, OLD[:3])
    with pytest.raises(ValueError, match="5 outputs do not match 4 classes"):
        rearranged(torch.zeros(5), torch.zeros(3), next(reversed(axes.values())), match)
