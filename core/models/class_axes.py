"""Outputs by class: which tensors of a network have a place for each class, and how to match them by name.

Position means nothing across two lists of classes: the same number of outputs may stand for other classes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.config.names import TINYVGG, is_code
from core.config.schema import Experiment
from core.models.meta import without_storage
from core.models.weight_files import strip_prefixes
from core.text import clean

_SHOWN = 8
_NAMES = ("classes", "class_names", "names", "class_to_idx")


@dataclass(frozen=True)
class ClassAxis:
    """Dimension `dim` counts classes, with `background` places before them.

    It is `before` x (background + classes) x `after` long: anchors come before, the numbers of a box after.
    """

    dim: int
    before: int = 1
    after: int = 1
    background: int = 0

    def length(self, classes: int) -> int:
        return self.before * (self.background + classes) * self.after

    def sources(self, places: Sequence[int], old: int) -> Tensor:
        """For each index of the new dimension that of the old one, which had `old` classes; -1: none."""
        index = torch.arange(self.length(old)).view(self.before, self.background + old, self.after)
        index = torch.cat((index, torch.full((self.before, 1, self.after), -1)), 1)
        wanted = [self.background + place if place >= 0 else -1 for place in places]
        return index[:, [*range(self.background), *wanted]].flatten()


Axes = Mapping[str, tuple[ClassAxis, ...]]


@dataclass(frozen=True)
class ClassMatch:
    """Two lists of classes. `places` are those of the `new` ones among the `old`, -1 where there is none."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    places: tuple[int, ...]

    @property
    def same(self) -> bool:
        """Whether nothing has to be done."""
        return len(self.old) == len(self.new) and self.places == tuple(range(len(self.new)))

    @property
    def reordered(self) -> bool:
        """Whether both are of the same classes."""
        return len(self.old) == len(self.new) and -1 not in self.places

    @property
    def anew(self) -> tuple[str, ...]:
        return tuple(name for name, place in zip(self.new, self.places, strict=True) if place < 0)

    @property
    def gone(self) -> tuple[str, ...]:
        return tuple(name for place, name in enumerate(self.old) if place not in self.places)

    def notes(self, whose: str) -> tuple[str, ...]:
        """What becomes of the outputs of `whose` weights, in sentences; none when nothing does."""
        if self.same:
            return ()
        if self.reordered:
            return (f"{whose} has the same classes in another order: its outputs were rearranged by name",)
        notes = []
        if self.anew:
            notes.append(f"{whose} does not know {listed(self.anew)}: their outputs are initialised")
        if self.gone:
            notes.append(f"{whose} knows {listed(self.gone)}, which are not classes here: left out")
        return (
            *notes,
            f"the outputs of the {len(self.new) - len(self.anew)} other classes are kept, by name",
        )


def match_classes(old: Sequence[str], new: Sequence[str]) -> ClassMatch:
    """Match by name; of equal names the first counts."""
    known: dict[str, int] = {}
    for place, name in enumerate(old):
        known.setdefault(_form(name), place)
    return ClassMatch(tuple(old), tuple(new), tuple(known.get(_form(name), -1) for name in new))


def class_axes(
    model: nn.Module,
    experiment: Experiment,
    classes: int,
    build: Callable[[Experiment, int], nn.Module],
) -> dict[str, tuple[ClassAxis, ...]]:
    """The dimensions by class of the network's tensors, by plain names.

    Found by a network for one class more, which `build` makes. Of a network of the user's own only those
    count that are as long as there are classes: what a multiple of it means cannot be known.
    """
    with torch.random.fork_rng(devices=[]), _light(experiment):
        wider = strip_prefixes(build(experiment, classes + 1).state_dict())
    found: dict[str, tuple[ClassAxis, ...]] = {}
    for name, tensor in strip_prefixes(model.state_dict()).items():
        other = wider.get(name)
        if other is None or other.dim() != tensor.dim():
            continue
        axes = (
            _axis(name, dim, length, longer - length, classes)
            for dim, (length, longer) in enumerate(zip(tensor.shape, other.shape, strict=True))
            if longer > length
        )
        known = tuple(axis for axis in axes if axis is not None)
        if is_code(experiment.model):
            known = tuple(axis for axis in known if axis.length(classes) == classes)
        if known:
            found[name] = known
    return found


def _light(experiment: Experiment) -> AbstractContextManager[Any]:
    """Where only shapes are looked at, storage is spared."""
    if is_code(experiment.model) or experiment.model in TINYVGG:
        return nullcontext()
    return torch.device("meta") if experiment.is_detector else without_storage()


def _axis(name: str, dim: int, length: int, each: int, classes: int) -> ClassAxis | None:
    background, rest = divmod(length, each)
    if rest or background < classes:
        return None
    background -= classes
    # Faster R-CNN has the four numbers of a class's box together; the others, all classes of an anchor.
    if ".bbox_pred." in name:
        return ClassAxis(dim, after=each, background=background)
    return ClassAxis(dim, before=each, background=background)


def rearranged(old: Tensor, fresh: Tensor, axes: Sequence[ClassAxis], match: ClassMatch) -> Tensor:
    """`old` with its classes where `match` puts them, and those that it lacks as in `fresh`.

    Raises ValueError when `old` is not as long as its classes ask for.
    """
    found = old
    anew = torch.zeros((1,) * old.dim(), dtype=torch.bool)
    for axis in axes:
        if old.shape[axis.dim] != axis.length(len(match.old)):
            raise ValueError(f"{old.shape[axis.dim]} outputs do not match {len(match.old)} classes")
        sources = axis.sources(match.places, len(match.old))
        found = found.index_select(axis.dim, sources.clamp(min=0).to(found.device))
        shape = [1] * old.dim()
        shape[axis.dim] = len(sources)
        anew = anew | (sources < 0).view(shape)
    if found.shape != fresh.shape:
        raise ValueError(f"its shape is {tuple(old.shape)}, where {tuple(fresh.shape)} is needed")
    return torch.where(anew.to(found.device), fresh.to(found), found) if anew.any() else found


def names_in(content: Any) -> tuple[str, ...] | None:
    """The classes that a file of weights says its outputs stand for, in order; None where it does not."""
    if not isinstance(content, Mapping):
        return None
    data = content.get("data")
    for holder in (data if isinstance(data, Mapping) else {}, content):
        for key in _NAMES:
            names = _listed_names(holder.get(key))
            if names is not None:
                return names
    return None


def _listed_names(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, Mapping) and value:
        pairs = [(place, name) for name, place in value.items()]
        if all(isinstance(place, str) for place, _ in pairs):
            # {0: "cat"} as well as {"cat": 0}.
            pairs = [(name, place) for place, name in pairs]
        if not all(type(place) is int and isinstance(name, str) for place, name in pairs):
            return None
        pairs.sort()
        if [place for place, _ in pairs] != list(range(len(pairs))):
            return None
        value = [name for _, name in pairs]
    if not isinstance(value, list | tuple) or not value or not all(isinstance(name, str) for name in value):
        return None
    return tuple(clean(name) for name in value)


def keeps_outputs(
    model: nn.Module,
    old: Mapping[str, Tensor],
    new: Mapping[str, Tensor],
    match: ClassMatch,
    side: int,
) -> bool:
    """Whether a classifier with the weights `new` says of a picture what it says with `old`, class by class.

    Leaves `new` in it.
    """
    parameter = next(model.parameters())
    pixels = torch.rand((2, 3, side, side), generator=torch.Generator().manual_seed(0)).to(parameter.device)
    training = {module: module.training for module in model.modules()}
    model.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        model.load_state_dict(old)
        before = model(pixels)
        model.load_state_dict(new)
        after = model(pixels)
    for module, mode in training.items():
        module.training = mode
    return bool(torch.allclose(before[:, list(match.places)], after, rtol=1e-3, atol=1e-5))


def listed(names: Sequence[str]) -> str:
    """The first names, and how many there are more."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(clean, names[:_SHOWN])) + more


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)
