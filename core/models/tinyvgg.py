"""Small VGG-style classifiers for small square images.

Layer sizes follow the VGG paper (Simonyan and Zisserman, 2015, table 1), much narrower, with batch
normalisation after every convolution. Weights start from torch's default initialisation.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

_POOLINGS = 5


class TinyVgg(nn.Module):
    """Five blocks of (3x3 convolution, batch norm, ReLU) x n with 2x2 max pooling, then three linear layers.

    Maps float images (N, 3, image_size, image_size) to logits (N, classes).
    """

    def __init__(
        self,
        *,
        channels: Sequence[int],
        convolutions: Sequence[int],
        hidden: int,
        classes: int,
        image_size: int,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        width = 3
        for out, count in zip(channels, convolutions, strict=True):
            blocks.append(_block(width, out, count))
            width = out
        side = image_size // 2**_POOLINGS
        self.features = nn.Sequential(*blocks)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(width * side * side, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images))
        return logits


def _block(width: int, out: int, count: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(count):
        layers += [nn.Conv2d(width, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
        width = out
    layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def tinyvgg_v4(classes: int, image_size: int) -> TinyVgg:
    """16/32/64/128/256 channels, two convolutions a block, head 256: 1,314,906 parameters (10 classes)."""
    return TinyVgg(
        channels=(16, 32, 64, 128, 256),
        convolutions=(2, 2, 2, 2, 2),
        hidden=256,
        classes=classes,
        image_size=image_size,
    )


def tinyvgg_a(classes: int, image_size: int) -> TinyVgg:
    """VGG-A at an eighth of its width, 64-wide head: 154,218 parameters for 10 classes."""
    return TinyVgg(
        channels=(8, 16, 32, 64, 64),
        convolutions=(1, 1, 2, 2, 2),
        hidden=64,
        classes=classes,
        image_size=image_size,
    )
