"""A made set in the lab's Diatom layout with the counts and the spread of areas that the lab published."""

from __future__ import annotations

import io
import math
import random
import struct
import zlib
from pathlib import Path
from statistics import NormalDist

SIZE = (2112, 1584)
IMAGES, OBJECTS, CLASSES, EMPTY = 2197, 3027, 68, 13
PER_IMAGE = {0: 13, 1: 1550, 2: 475, 3: 125, 4: 25, 5: 4, 6: 3, 7: 2}
TOP_TEN = (386, 272, 184, 182, 165, 132, 85, 77, 77, 65)
MEDIAN_AREA, MEAN_AREA = 61_383, 100_197.59
MEDIAN_RATIO, MEAN_RATIO = 1.03, 1.38


def class_counts() -> list[int]:
    """Objects of the 68 classes: the ten published ones, then ever fewer down to 6."""
    rest, left = CLASSES - len(TOP_TEN), OBJECTS - sum(TOP_TEN)
    low, high = 0.0, 1.0
    for _ in range(60):
        power = (low + high) / 2
        tail = [max(6, round(64 * (6 / 64) ** ((i / (rest - 1)) ** power))) for i in range(rest)]
        low, high = (power, high) if sum(tail) < left else (low, power)
    for i in range(abs(left - sum(tail))):
        tail[i % 20] += 1 if left > sum(tail) else -1
    return [*TOP_TEN, *tail]


def boxes() -> list[tuple[int, int]]:
    """Width and height of every object: log-normal areas and ratios with the published medians and means."""
    quantiles = [NormalDist().inv_cdf((i + 0.5) / OBJECTS) for i in range(OBJECTS)]
    spread = math.sqrt(2 * math.log(MEAN_AREA / MEDIAN_AREA))
    areas = [MEDIAN_AREA * math.exp(spread * z) for z in quantiles]
    turn = math.sqrt(2 * math.log(MEAN_RATIO / MEDIAN_RATIO))
    ratios = [MEDIAN_RATIO * math.exp(turn * z) for z in quantiles]
    random.Random(5).shuffle(ratios)
    free = sorted(ratios, key=lambda ratio: abs(math.log(ratio)))
    found = []
    for area in reversed(areas):
        # The largest objects take a ratio that fits the picture.
        pick = ratios.pop()
        if math.sqrt(area * pick) > SIZE[0] - 2 or math.sqrt(area / pick) > SIZE[1] - 2:
            mild = next(ratio for ratio in free if ratio in ratios)
            ratios[ratios.index(mild)] = pick
            random.Random(len(ratios)).shuffle(ratios)
            pick = mild
        found.append((max(1, round(math.sqrt(area * pick))), max(1, round(math.sqrt(area / pick)))))
    return found


def write(root: Path, seed: int = 3) -> None:
    """images/N.png (no two alike) and xmls/N.xml below `root`."""
    rng = random.Random(seed)
    names = [f"Genus{i % 9} species{i}" for i in range(CLASSES)]
    labels = [name for name, number in zip(names, class_counts(), strict=True) for _ in range(number)]
    sizes, numbers = boxes(), [n for n, images in PER_IMAGE.items() for _ in range(images)]
    assert len(labels) == len(sizes) == OBJECTS == sum(numbers)
    assert len(numbers) == IMAGES
    for items in (labels, sizes, numbers):
        rng.shuffle(items)
    (root / "images").mkdir(parents=True)
    (root / "xmls").mkdir()
    at = 0
    for image, number in enumerate(numbers, 1):
        (root / "images" / f"{image}.png").write_bytes(picture(*SIZE, image))
        objects = []
        for index in range(at, at + number):
            width, height = sizes[index]
            left, top = rng.randint(0, SIZE[0] - width), rng.randint(0, SIZE[1] - height)
            objects.append(
                f"<object><id>{index * 3 + 1}</id><name>{labels[index]}</name><bbox><xmin>{left}</xmin>"
                f"<xmax>{left + width}</xmax><ymin>{top}</ymin><ymax>{top + height}</ymax></bbox></object>"
            )
        at += number
        (root / "xmls" / f"{image}.xml").write_text(
            f"<annotation><filename>{image}</filename><size><width>{SIZE[0]}</width><height>{SIZE[1]}</height>"
            f"</size><objects>{''.join(objects)}</objects></annotation>"
        )


_DATA: dict[tuple[int, int], bytes] = {}


def picture(width: int, height: int, number: int) -> bytes:
    """A grey PNG with a line of text that makes each file another one."""
    if (width, height) not in _DATA:
        _DATA[width, height] = zlib.compress((b"\0" + bytes([128] * width)) * height, 9)
    out = io.BytesIO(b"")
    out.write(b"\x89PNG\r\n\x1a\n")
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    note = b"Comment\0" + b"x" * number
    for kind, data in ((b"IHDR", head), (b"tEXt", note), (b"IDAT", _DATA[width, height]), (b"IEND", b"")):
        out.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return out.getvalue()
