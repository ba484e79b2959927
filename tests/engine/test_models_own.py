"""Networks of the user's own: called as the config says, and each fault is one sentence with its line."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
import yaml

from core.config.load import parse_experiment
from core.config.schema import Experiment
from core.errors import UsageError
from core.models.modes import apply_mode
from core.models.registry import build_model

NET = """
    from dataclasses import dataclass

    from torch import nn


    @dataclass
    class Sizes:
        width: int = 4


    def build(num_classes, width=Sizes.width, sides=()):
        print("built")
        layers = [nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        return nn.Sequential(*layers, nn.Dropout(0.5), nn.Linear(width, num_classes))
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "net.py"
    file.write_text(dedent(text).lstrip("\n"))
    return file


def experiment(file: Path, function: str = "build", **keys: Any) -> Experiment:
    tree = {"data": {"root": "/d"}, "model": f"{file}:{function}", **keys}
    return parse_experiment(yaml.safe_dump(tree), Path("/c.yaml"))


def test_it_gets_classes_and_arguments(tmp_path: Path) -> None:
    file = written(tmp_path, NET)
    model: Any = build_model(experiment(file, model_args={"width": 9, "sides": [1, 2]}), 5)
    assert model[0].out_channels == 9
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.py"]


def test_the_runs_own_copy_is_what_counts(tmp_path: Path) -> None:
    given = experiment(written(tmp_path, "raise SystemExit('changed since')"))
    copy = tmp_path / "code"
    copy.mkdir()
    model: Any = build_model(given, 3, code=written(copy, NET))
    assert model[0].out_channels == 4


def test_trying_it_moves_neither_generators_nor_statistics(tmp_path: Path) -> None:
    given = experiment(written(tmp_path, NET))
    torch.manual_seed(5)
    model: Any = build_model(given, 3)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    again: Any = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(4, 3))
    assert torch.equal(torch.rand(3), drawn)
    assert torch.equal(model[0].weight, again[0].weight)
    assert all(module.training for module in model.modules())
    assert model[1].num_batches_tracked == 0


def test_lazy_layers_get_their_sizes(tmp_path: Path) -> None:
    text = """
        from torch import nn

        def build(num_classes):
            return nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(num_classes))
    """
    given = experiment(written(tmp_path, text), mode="split", back_lr=0.1, head_lr=0.2, image_size=16)
    back, head = apply_mode(build_model(given, 3), given)
    assert [tuple(p.shape) for p in back.parameters] == [(4, 3, 3, 3), (4,)]
    assert [tuple(p.shape) for p in head.parameters] == [(3, 4 * 14 * 14), (3,)]


FAULTS: dict[str, tuple[str, str]] = {
    "syntax": (
        "from torch import nn\ndef build(num_classes)\n    return 1\n",
        r"net\.py:2: SyntaxError: expected ':'",
    ),
    "null byte": ("x = 1\0\n", r"net\.py:1: SyntaxError: source code .* null bytes"),
    "import": (
        "import torch\nimport no_such_package_at_all\n",
        r"net\.py:2: ModuleNotFoundError: .*: install it",
    ),
    "at the top": ("x = 1\ny = 1 / 0\n", r"net\.py:2: ZeroDivisionError: division by zero\."),
    "exit": ("import sys\nsys.exit(3)\n", r"net\.py:2: SystemExit: 3\."),
    "no function": (
        "def biuld(num_classes):\n    pass\n",
        r"net\.py has no function 'build' \(did you mean 'biuld'",
    ),
    "no arguments": (
        "def build():\n    pass\n",
        r"net\.py:1: TypeError: build\(\) got an unexpected .*'num_classes'",
    ),
    "while building": (
        "from torch import nn\ndef build(num_classes):\n    return nn.Linear(-1, num_classes)\n",
        r"net\.py:3: RuntimeError: ",
    ),
    "not a network": (
        "def build(num_classes):\n    return [num_classes]\n",
        r"net\.py:1: build must return a torch.*not list",
    ),
    "forward": (
        "from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.fc = nn.Linear(8, 3)\n    def forward(self, x):\n        return self.fc(x.flatten(1))\n"
        "def build(num_classes):\n    return Net()\n",
        r"net\.py:7: RuntimeError: mat1 and mat2 shapes cannot be multiplied",
    ),
    "inside torch": (
        "from torch import nn\n\n\ndef build(num_classes):\n    return nn.Sequential(nn.Linear(8, 3))\n",
        r"net\.py:4: RuntimeError: mat1 and mat2",
    ),
    "wrong classes": (
        "from torch import nn\ndef build(num_classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))\n",
        r"net\.py:2: the network of build must give logits of shape \(images, 3\): .* of shape \(2, 10\)",
    ),
    "several outputs": (
        "from torch import nn\nclass Net(nn.Module):\n    def forward(self, x):\n        return x, x\n"
        "def build(num_classes):\n    return Net()\n",
        r"net\.py:5: .*it gave tuple",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_sentence(tmp_path: Path, fault: str) -> None:
    text, sentence = FAULTS[fault]
    with pytest.raises(UsageError, match=sentence) as caught:
        build_model(experiment(written(tmp_path, text)), 3)
    assert "\n" not in str(caught.value)


def test_an_argument_that_it_does_not_take(tmp_path: Path) -> None:
    given = experiment(written(tmp_path, NET), model_args={"depth": 3})
    with pytest.raises(UsageError, match=r"net\.py:11: TypeError: build\(\) got an unexpected .*'depth'"):
        build_model(given, 3)


def test_a_module_beside_it_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_text("")
    with pytest.raises(UsageError, match=r"net\.py:1: .*'layers': the network must be in a single file"):
        build_model(experiment(written(tmp_path, "import layers\n")), 3)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"net\.py: no such file"):
        build_model(experiment(tmp_path / "net.py"), 3)


def test_a_file_that_the_network_misses(tmp_path: Path) -> None:
    text = "import torch\ndef build(num_classes):\n    return torch.load('/no/such/weights.pt')\n"
    with pytest.raises(UsageError, match=r"net\.py:3: FileNotFoundError: .*weights\.pt"):
        build_model(experiment(written(tmp_path, text)), 3)


def test_control_characters_in_a_message_are_harmless(tmp_path: Path) -> None:
    text = "raise ValueError('\\x1b[31mred\\nsecond line')\n"
    with pytest.raises(UsageError) as caught:
        build_model(experiment(written(tmp_path, text)), 3)
    assert "\x1b" not in str(caught.value)
    assert "second" not in str(caught.value)
