"""torchvision's published weights: out of torch hub's cache, else from the network."""

from __future__ import annotations

import http.client
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch

from core import humanise
from core.download import checksum, reason_of, receive
from core.errors import CheckpointError, UsageError
from core.text import clean


def imagenet_file(
    name: str, log: Callable[[str], None], cancelled: Callable[[], bool]
) -> tuple[Path, str | None]:
    """The file of torchvision's default weights for `name`, and the first digits of its sha256.

    Raises CheckpointError, naming file, folder and address, when it is not in the cache and cannot be
    fetched; Cancelled when `cancelled()` turns true.
    """
    url = _url(name)
    return hub_file(url, f"ImageNet weights of {name}", log, cancelled, others=lambda: _other_urls(name, url))


def hub_file(
    url: str,
    what: str,
    log: Callable[[str], None],
    cancelled: Callable[[], bool],
    *,
    others: Callable[[], list[str]] = list,
    way_out: str = "or give another file: weights: FILE",
) -> tuple[Path, str | None]:
    """The file that torch hub keeps of `url`, and the first digits of its sha256, which its name says.

    `others` gives addresses of files that would do as well. Raises as `imagenet_file`.
    """
    file = cached(url)
    promised = re.search(r"-([0-9a-f]{8,64})\.", file.name)
    digest = promised[1] if promised else None
    if not file.exists():
        try:
            _fetch(url, file, digest, log, cancelled)
        except (OSError, http.client.HTTPException) as error:
            raise CheckpointError(_unavailable(url, file, what, error, others(), way_out)) from error
    return file, digest


def cached(url: str) -> Path:
    """Where torch hub keeps what it fetched from `url`: `$TORCH_HOME/hub/checkpoints/`."""
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


@cache
def published() -> frozenset[str]:
    """The names of all files of weights for torchvision's classifiers and detectors."""
    from torchvision import models

    names = [*models.list_models(module=models), *models.list_models(module=models.detection)]
    return frozenset(w.url.rpartition("/")[2] for name in names for w in models.get_model_weights(name))


def is_published(file_name: str) -> bool:
    """Whether torchvision has weights in a file of this name, which then says its sha256."""
    return file_name in published()


def _url(name: str) -> str:
    from torchvision.models import get_model_weights

    try:
        return str(get_model_weights(name).DEFAULT.url)
    except (ValueError, AttributeError) as error:
        raise UsageError(f"torchvision has no ImageNet weights for {name}: use weights: none.") from error


def _fetch(
    url: str,
    file: Path,
    digest: str | None,
    log: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> None:
    """Download `url` to `file`, whole and with the right sha256 or not at all."""
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    told: list[str] = []

    def tell(_: int, total: int) -> None:
        if not told:
            told.append(f"weights: downloading {url}{f', {humanise.size(total)}' if total else ''}")
            log(told[0])

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        receive(url, temporary, progress=tell, cancelled=cancelled)
        sha256 = checksum(temporary, "sha256")
        if digest is not None and not sha256.startswith(digest):
            raise CheckpointError(
                f"{url} came with the sha256 {sha256[:8]}..., not {digest}...: the download was cut short or "
                "changed on its way; try again, or download the file in another way."
            )
        os.replace(temporary, file)
    finally:
        with suppress(OSError):
            temporary.unlink()


def _unavailable(url: str, file: Path, what: str, error: Exception, urls: list[str], way_out: str) -> str:
    others = [
        other.name for other in (cached(weights) for weights in urls) if other != file and other.exists()
    ]
    hint = f" {others[0]}, an earlier file of the same network, is already there." if others else ""
    return (
        f"The {what} are not here and cannot be downloaded ({clean(reason_of(error))}): put {file.name} "
        f"from {url} into {clean(str(file.parent))}, {way_out}.{hint}"
    )


def _other_urls(name: str, url: str) -> list[str]:
    from torchvision.models import get_model_weights

    return [weights.url for weights in get_model_weights(name) if weights.url != url]
