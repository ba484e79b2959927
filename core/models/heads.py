"""Which part of a network is its head, the part that depends on the number of classes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Head:
    """`module` sits at the dotted `prefix`; `before` are the layers without weights that lead into it."""

    prefix: str
    module: nn.Module
    before: tuple[nn.Module, ...] = ()


@dataclass(frozen=True)
class HeadModules:
    """The modules of a network's head, and layers without weights just before them."""

    modules: tuple[nn.Module, ...]
    before: tuple[nn.Module, ...] = ()

    def parameters(self) -> list[nn.Parameter]:
        """All parameters of the head."""
        return [parameter for module in self.modules for parameter in module.parameters()]


def head_modules(model: nn.Module) -> HeadModules | None:
    """A classifier's last layer; of a detector all but the backbone, whose pyramid belongs to it.

    These are RPN and RoI heads of Faster R-CNN and the `head` of the others. None when there is no such part.
    """
    proposals, regions = getattr(model, "rpn", None), getattr(model, "roi_heads", None)
    if isinstance(proposals, nn.Module) and isinstance(regions, nn.Module):
        return HeadModules((proposals, regions))
    head = head_of(model)
    return None if head is None else HeadModules((head.module,), head.before)


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
