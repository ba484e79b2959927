"""Networks without storage: shapes and counts of the largest ones in no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class _EmptyOnMeta(TorchFunctionMode):
    """`torch.empty` makes meta tensors; what builders compute with stays real (RegNet's widths)."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if func is torch.empty and given.get("device") is None:
            given["device"] = "meta"
        return func(*args, **given)


@contextmanager
def without_storage() -> Iterator[None]:
    """Parameters made inside have no storage; call `.to("meta")` on the network for its buffers."""
    with _EmptyOnMeta():
        yield
