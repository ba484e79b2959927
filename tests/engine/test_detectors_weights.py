"""Starting weights of detectors: COCO's, whole detectors of other classes, classifiers for the backbone."""

from __future__ import annotations

import hashlib
import re
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor
from torchvision.models import get_model, mobilenet_v2, resnet50
from torchvision.ops import FrozenBatchNorm2d

from core.config.load import parse_experiment
from core.config.schema import Experiment
from core.errors import CheckpointError, UsageError
from core.models import detector_weights
from core.models.detection import detector_losses, detector_predict
from core.models.detector_names import backbone_keys, modernised
from core.models.registry import build_model
from core.models.weights import load_weights

CLASSES = 3
SMALL = ["fasterrcnn_small", "retinanet_small", "fasterrcnn_mobilenet_v2"]
PREDICTORS = {
    "fasterrcnn_small": "roi_heads.box_predictor",
    "fasterrcnn_mobilenet_v2": "roi_heads.box_predictor",
    "retinanet_small": "head.classification_head.cls_logits",
    "ssdlite320_mobilenet_v3_large": "head.classification_head.module_list.0.1",
}


def experiment(model: str, **keys: Any) -> Experiment:
    tree = {"data": {"root": "/d", "format": "voc"}, "model": model, "weights": "none", **keys}
    return parse_experiment(yaml.safe_dump(tree), Path("/c.yaml"))


def fresh(given: Experiment, classes: int = CLASSES, seed: int = 1) -> Any:
    torch.manual_seed(seed)
    return build_model(given, classes)


def on_meta(model: str, classes: int = CLASSES, **keys: Any) -> Any:
    given = experiment(model, **keys)
    with torch.device("meta"):
        return build_model(given, classes).to("meta")


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def state_of(name: str, classes: int = CLASSES, seed: int = 7) -> dict[str, Tensor]:
    """A detector's state that says where it is from, statistics included."""
    model = fresh(experiment(name), classes, seed)
    random = torch.Generator().manual_seed(seed)
    return {
        key: value + torch.rand(value.shape, generator=random) if value.is_floating_point() else value
        for key, value in model.state_dict().items()
    }


def images(seed: int = 0) -> Tensor:
    return torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", [*SMALL[:2], "ssdlite320_mobilenet_v3_large"])
@pytest.mark.parametrize("container", [None, "model_state_dict", "state_dict", "model"])
def test_a_whole_detector(tmp_path: Path, name: str, container: str | None) -> None:
    state = state_of(name)
    content: object = state if container is None else {container: state, "epoch": 3}
    given = experiment(name, weights=str(saved(tmp_path / "w.pt", content)))
    model = fresh(given)
    report = load_weights(model, given, CLASSES)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert report.loaded == len(state)
    assert not report.fresh
    assert not report.unused
    assert len(report.lines()) == 1


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_of_wrappers(tmp_path: Path, prefix: str) -> None:
    state = state_of("retinanet_small")
    file = saved(tmp_path / "w.pt", {f"{prefix}{key}": value for key, value in state.items()})
    given = experiment("retinanet_small", weights=str(file))
    model = fresh(given)
    load_weights(model, given, CLASSES)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", [*SMALL[:2], "ssdlite320_mobilenet_v3_large"])
def test_other_classes_leave_only_the_predictor_fresh(tmp_path: Path, name: str) -> None:
    state = state_of(name, classes=68)
    given = experiment(name, weights=str(saved(tmp_path / "w.pt", state)))
    model = fresh(given)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    report = load_weights(model, given, CLASSES)
    kept = {key for key, value in model.state_dict().items() if torch.equal(value, before[key])}
    pattern = re.sub(r"\\\.0\\\.1$", r"\\.\\d+\\.1", re.escape(PREDICTORS[name]))
    predictor = {key for key in state if re.match(pattern, key)}
    assert set(report.fresh) == predictor
    assert predictor <= kept
    assert all(torch.equal(model.state_dict()[key], state[key]) for key in state if key not in predictor)
    where = PREDICTORS[name]
    assert (
        f"note: the predictor {where} starts at random: the file's is for 68 classes, not 3" in report.lines()
    )


def lab_checkpoint(state: dict[str, Tensor]) -> dict[str, Any]:
    """What the lab's trainer writes after an epoch."""
    return {
        "model_state_dict": state,
        "optimizer_state_dict": {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": []},
        "epoch": 50,
        "train_losses": [0.5, 0.4],
        "scores": [{"map": torch.tensor(0.4), "classes": torch.arange(3)}],
    }


def test_the_labs_faster_rcnn_has_the_same_69_outputs(tmp_path: Path) -> None:
    state = state_of("fasterrcnn_small", classes=68)
    assert state["roi_heads.box_predictor.cls_score.weight"].shape[0] == 69
    given = experiment("fasterrcnn_small", weights=str(saved(tmp_path / "epoch50.pt", lab_checkpoint(state))))
    model = fresh(given, 68)
    report = load_weights(model, given, 68)
    assert not report.fresh
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_the_labs_retinanet_loses_the_class_that_nothing_has(tmp_path: Path) -> None:
    """It counts from 1 in 69 classes: what it calls 5 is class 4."""
    theirs = fresh(experiment("retinanet_small", predict={"score_floor": 0.0}), CLASSES + 1, seed=7)
    logits = theirs.head.classification_head.cls_logits
    with torch.no_grad():
        logits.bias.view(-1, CLASSES + 1)[:, 0] = -30
    file = saved(tmp_path / "epoch55.pt", lab_checkpoint(theirs.state_dict()))
    given = experiment("retinanet_small", weights=str(file), predict={"score_floor": 0.0})
    own = fresh(given)
    report = load_weights(own, given, CLASSES)
    assert "note: class 0 of the file, which no object has, is left out" in report.lines()
    theirs.eval()
    own.eval()
    with torch.no_grad():
        (expected,), (found,) = detector_predict(theirs, images()), detector_predict(own, images())
    assert torch.allclose(found["scores"], expected["scores"])
    assert torch.equal(found["labels"], expected["labels"] - 1)
    assert torch.equal(found["boxes"], expected["boxes"])


def test_a_retinanet_of_one_more_class_is_no_lab_file(tmp_path: Path) -> None:
    file = saved(tmp_path / "w.pt", state_of("retinanet_small", CLASSES + 1))
    given = experiment("retinanet_small", weights=str(file))
    report = load_weights(fresh(given), given, CLASSES)
    assert any("the file's is for 4 classes, not 3" in line for line in report.lines())


@pytest.mark.parametrize("name", ["fasterrcnn_mobilenet_v2", "fasterrcnn"])
def test_a_classifier_fills_the_backbone(tmp_path: Path, name: str) -> None:
    """Features of the backbone are then those of the classifier, its statistics fixed."""
    torch.manual_seed(3)
    classifier: Any = mobilenet_v2() if name.endswith("v2") else resnet50()
    random = torch.Generator().manual_seed(4)
    for key, value in classifier.named_buffers():
        if key.endswith(("running_mean", "running_var")):
            value += torch.rand(value.shape, generator=random) * (value.abs() + 0.1)
        if key.endswith("layer1.0.bn1.running_var"):
            value[3] = 1e-38
    given = experiment(name, weights=str(saved(tmp_path / "classifier.pth", classifier.state_dict())))
    model = fresh(given)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    report = load_weights(model, given, CLASSES)
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert all(key.startswith("backbone.body.") for key in changed)
    assert {key for key in before if not key.startswith("backbone.body.")} == set(report.fresh)
    assert any("it fills the backbone" in line for line in report.lines())
    assert any(isinstance(module, FrozenBatchNorm2d) for module in model.backbone.modules())
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in model.backbone.modules())
    classifier.eval()
    model.eval()
    batch = images()
    with torch.no_grad():
        own = model.backbone.body(batch)
        if name.endswith("v2"):
            pairs = [(own["1"], classifier.features[:14](batch)), (own["0"], classifier.features[:7](batch))]
        else:
            c = classifier
            low = c.layer2(c.layer1(c.maxpool(c.relu(c.bn1(c.conv1(batch))))))
            pairs = [(own["1"], low), (own["3"], c.layer4(c.layer3(low)))]
    for one, other in pairs:
        assert torch.allclose(one, other, atol=1e-4 * float(other.abs().max()))


def test_backbone_is_full_of_imagenets_names() -> None:
    """Each tensor of each backbone finds its own, and of its shape, in the classifier torchvision takes."""
    for name, (classifier, _) in detector_weights.BACKBONES.items():
        model = on_meta(name, weights="imagenet")
        with torch.device("meta"):
            state = get_model(classifier, weights=None).state_dict()
        own = model.state_dict()
        names = backbone_keys(model, own)
        assert all(state[theirs].shape == own[key].shape for key, theirs in names.items()), name
        body = [key for key in own if key.startswith("backbone.body.")]
        assert len(names) == (26 if name == "ssd300_vgg16" else len(body)), name


def test_mode_head_on_a_classifier_says_what_stays_random(tmp_path: Path) -> None:
    file = saved(tmp_path / "classifier.pth", mobilenet_v2().state_dict())
    given = experiment("fasterrcnn_mobilenet_v2", weights=str(file), mode="head")
    lines = load_weights(fresh(given), given, CLASSES).lines()
    assert any("mode: full with trainable_layers: 0 trains it" in line for line in lines)


def old_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names that torchvision's published files have."""
    renamed = {}
    for key, value in state.items():
        key = re.sub(r"^(rpn\.head\.conv)\.0\.0\.", r"\1.", key)
        key = re.sub(r"^(backbone\.fpn\.(?:inner|layer)_blocks\.\d)\.0\.", r"\1.", key)
        key = re.sub(
            r"^(head\.\w+_head\.conv)\.(\d)\.0\.", lambda found: f"{found[1]}.{2 * int(found[2])}.", key
        )
        renamed[key] = value
    return renamed


@pytest.mark.parametrize("name", ["fasterrcnn", "retinanet"])
def test_published_names(name: str) -> None:
    own = on_meta(name, 91, weights="coco").state_dict()
    old = old_names(own)
    assert set(old) != set(own)
    assert set(modernised(own, old)) == set(own)
    model = get_model(f"{name}_resnet50_fpn", weights=None, weights_backbone=None, num_classes=2)
    torchvisions = old_names(model.state_dict())
    incompatible = model.load_state_dict(torchvisions, strict=False)
    assert not incompatible.missing_keys
    assert not incompatible.unexpected_keys


@pytest.mark.parametrize(
    "name", ["fcos_resnet50_fpn", "retinanet_resnet50_fpn_v2", "fasterrcnn_resnet50_fpn_v2"]
)
def test_todays_names_stay(name: str) -> None:
    own = on_meta(name).state_dict()
    assert modernised(own, own) == own


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torch hub's cache in a folder of its own; nothing answers on the network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    # urllib keeps its first opener, and with it the proxies of that moment.
    monkeypatch.setattr(urllib.request, "_opener", None)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_coco_weights_out_of_the_cache(tmp_path: Path, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The predictor is fresh even where its shape would fit: COCO's classes are not those of the data."""
    name = "ssdlite320_mobilenet_v3_large"
    state = state_of(name, classes=CLASSES)
    file = saved(tmp_path / "w.pth", state)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    shutil.move(file, hub / f"tiny-{digest[:8]}.pth")
    monkeypatch.setattr(detector_weights, "_coco_url", lambda _: f"https://x.invalid/tiny-{digest[:8]}.pth")
    given = experiment(name, weights="coco")
    model = fresh(given)
    report = load_weights(model, given, CLASSES)
    assert "starts at random: COCO's classes are others" in report.lines()[1]
    assert report.sha256 == digest
    assert len(report.fresh) == 12
    loaded = set(state) - set(report.fresh)
    assert all(torch.equal(model.state_dict()[key], state[key]) for key in loaded)


@pytest.mark.parametrize(
    ("name", "weights", "file"),
    [
        ("fasterrcnn", "coco", "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth"),
        ("retinanet", "coco", "retinanet_resnet50_fpn_coco-eeacb38b.pth"),
        ("fasterrcnn", "imagenet", "resnet50-0676ba61.pth"),
        ("fasterrcnn_mobilenet_v2", "imagenet", "mobilenet_v2-b0353104.pth"),
        ("ssd300_vgg16", "imagenet", "vgg16_features-amdegroot-88682ab5.pth"),
    ],
)
def test_without_network(hub: Path, name: str, weights: str, file: str) -> None:
    given = experiment(name, weights=weights)
    with pytest.raises(CheckpointError) as caught:
        load_weights(on_meta(name, weights=weights), given, CLASSES)
    text = str(caught.value)
    assert f"put {file} from https://download.pytorch.org/models/{file} into {hub}" in text
    assert "or start without (weights: none)" in text
    assert "are not here and cannot be downloaded" in text
    assert not list(hub.iterdir())


def test_a_damaged_published_file_is_refused(hub: Path) -> None:
    (hub / "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth").write_bytes(b"half of it")
    given = experiment("fasterrcnn", weights="coco")
    with pytest.raises(CheckpointError, match="sha256"):
        load_weights(on_meta("fasterrcnn", weights="coco"), given, CLASSES)


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        ("retinanet_small", r"does not fit fasterrcnn_small: .*missing: rpn\.head\..*unexpected: head\."),
        ("fasterrcnn_mobilenet_v2", r"does not fit fasterrcnn_small.*missing: backbone\.body"),
    ],
)
def test_other_detectors_are_refused(tmp_path: Path, theirs: str, words: str) -> None:
    file = saved(tmp_path / "w.pt", state_of(theirs))
    given = experiment("fasterrcnn_small", weights=str(file))
    model = fresh(given)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=words):
        load_weights(model, given, CLASSES)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_other_width_is_refused_with_shapes(tmp_path: Path) -> None:
    wide = fresh(experiment("fasterrcnn_small", model_args={"width": 32}))
    given = experiment("fasterrcnn_small", weights=str(saved(tmp_path / "w.pt", wide.state_dict())))
    with pytest.raises(
        CheckpointError, match=r"backbone\.body\.0\.0\.0\.weight is \(16, 3, 3, 3\), not \(12, 3"
    ):
        load_weights(fresh(given), given, CLASSES)


@pytest.mark.parametrize("name", ["fasterrcnn_small", "fasterrcnn_mobilenet_v2"])
def test_other_classifiers_are_refused(tmp_path: Path, name: str) -> None:
    state = get_model("shufflenet_v2_x0_5", weights=None).state_dict()
    given = experiment(name, weights=str(saved(tmp_path / "w.pt", state)))
    with pytest.raises(CheckpointError, match=f"neither {name} nor a classifier .*: it has conv1.0.weight"):
        load_weights(fresh(given), given, CLASSES)


def test_imagenet_for_none_to_have() -> None:
    given = experiment("ssdlite320_mobilenet_v3_large").model_copy(update={"weights": "imagenet"})
    with pytest.raises(UsageError, match="no ImageNet weights for ssdlite320_mobilenet_v3_large"):
        load_weights(on_meta("ssdlite320_mobilenet_v3_large"), given, CLASSES)


def test_epsilon_of_coco_weights_is_none() -> None:
    """As torchvision: its first Faster R-CNN and RetinaNet were trained without one."""
    for name, eps in (("fasterrcnn", 0.0), ("retinanet", 0.0), ("fcos_resnet50_fpn", 1e-5)):
        model = on_meta(name, weights="coco")
        found = {m.eps for m in model.modules() if isinstance(m, FrozenBatchNorm2d)}
        assert found == {eps}, name


def test_a_run_from_scratch_goes_on_as_frozen_statistics(tmp_path: Path) -> None:
    """A detector trained with batch normalisation gives the same boxes where it is fixed."""
    theirs = fresh(experiment("fasterrcnn_mobilenet_v2", predict={"score_floor": 0.0}), seed=5)
    theirs.train()
    with torch.no_grad():
        theirs.backbone(torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1)))
    theirs.eval()
    file = saved(tmp_path / "w.pt", {"model": theirs.state_dict()})
    given = experiment("fasterrcnn_mobilenet_v2", weights=str(file), predict={"score_floor": 0.0})
    own = fresh(given)
    load_weights(own, given, CLASSES)
    own.eval()
    with torch.no_grad():
        (expected,), (found,) = detector_predict(theirs, images()), detector_predict(own, images())
        own.train()
        truth = [{"boxes": torch.tensor([[10.0, 10, 50, 60]]), "labels": torch.tensor([1])}]
        assert all(torch.isfinite(term) for term in detector_losses(own, images(), truth).values())
    assert torch.allclose(found["scores"][:20], expected["scores"][:20], atol=1e-4)
