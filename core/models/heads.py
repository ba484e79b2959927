"""Which part of a network is its classifier, the part that depends on the number of classes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Head:
    """`module` sits at the dotted `prefix`; `before` are the layers without weights that lead into it."""

    prefix: str
    module: nn.Module
    before: tuple[nn.Module, ...] = ()

    def owns(self, key: str) -> bool:
        """Whether a parameter's or buffer's name lies in the head."""
        return key.startswith(f"{self.prefix}.")


def head_of(model: nn.Module) -> Head | None:
    """The classifier: the attribute `head`, else the last linear layer, else the last 1x1 convolution.

    None when there is none of them. Dropout and activations just before it, in the same `nn.Sequential`,
    belong to it.
    """
    own = getattr(model, "head", None)
    if isinstance(own, nn.Module) and next(own.parameters(), None) is not None:
        return Head("head", own)
    named = list(model.named_modules())
    linear = [(name, module) for name, module in named if name and isinstance(module, nn.Linear)]
    convolutions = [
        (name, module)
        for name, module in named
        if name and isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)
    ]
    found = (linear or convolutions)[-1:]
    if not found:
        return None
    prefix, module = found[0]
    return Head(prefix, module, _before(model, prefix))


def _before(model: nn.Module, prefix: str) -> tuple[nn.Module, ...]:
    parent, _, name = prefix.rpartition(".")
    holder = model.get_submodule(parent)
    if not isinstance(holder, nn.Sequential):
        return ()
    children = list(holder.named_children())
    place = [child for child, _ in children].index(name)
    before: list[nn.Module] = []
    for _, module in reversed(children[:place]):
        if next(module.parameters(), None) is not None:
            break
        before.append(module)
    return tuple(reversed(before))
