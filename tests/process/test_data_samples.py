"""`labtui data samples` with its real child: pictures of torchvision's files, augmented, as a PNG."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from core.cli.main import main


def test_augmented_pictures_of_a_config(
    tmp_path: Path,
    torchvision_files: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/net.yaml").write_text(
        "data: ../sets\nmodel: tinyvgg_a\naugment: {pad_crop: 4, hflip: true}\n"
    )
    torchvision_files.write_cifar10(tmp_path / "sets")
    monkeypatch.chdir(tmp_path)
    words = ["samples", "net", "--augment", "--count", "2", "--save", "s.png"]
    code = main(["data", *words])
    assert (code, capsys.readouterr().err) == (0, f"wrote {tmp_path}/s.png\n")
    sheet = Image.open("s.png").convert("RGB")
    assert sheet.size == (6 * 104 + 8, 2 * 120 + 8)
    tiles = {sheet.crop((8 + 104 * n, 8, 104 + 104 * n, 104)).tobytes() for n in range(6)}
    assert len(tiles) >= 5
