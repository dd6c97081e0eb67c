"""Networks by name: our own, torchvision's, or what a callable of the user's gives."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from splitsim.dnn import vision
from splitsim.dnn.named import callable_of
from splitsim.dnn.preprocessing import Preprocessing
from splitsim.dnn.small import MobileNetV1, SmallCnn, SmallResnet
from splitsim.dnn.trace import STUCK, first_line
from splitsim.dnn.weights import load_weights, put_weights
from splitsim.errors import BadInput

OWN: dict[str, type[SmallCnn] | type[SmallResnet] | type[MobileNetV1]] = {
    "small_cnn": SmallCnn,
    "small_resnet": SmallResnet,
    "mobilenet_v1": MobileNetV1,
}
NOT_READ = {  # files of whole networks, and what can be done instead
    ".pt2": "reading it could run code in it; name a function of yours, module:callable, "
    "that gives torch.export.load(path).module()",
    ".onnx": "is not read; name the network's PyTorch code, module:callable",
}


@dataclass(frozen=True)
class LoadedModel:
    """A network, ready to be cut.

    Attributes:
        name: by which it was asked for.
        module: the network, in eval mode.
        shape: of one input, without the batch dimension.
        preprocess: makes an input from an image (C x H x W, uint8).
        classes: how many answers it chooses from; None if it does not give a score per class.
        exits: branches by the names of the cuts at which they leave; each takes the tensor that
            crosses there and gives scores. They are modules of ``module`` that its graph does
            not call.
        wire: the format of what crosses its bottleneck; None if it has none.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    preprocess: Callable[[Tensor], Tensor]
    classes: int | None
    exits: Mapping[str, nn.Module] = field(default_factory=dict)
    wire: str | None = None

    def example(self) -> Tensor:
        """One input with its batch dimension: numbers from a normal distribution, always the same.

        For weights on the meta device it is there too.
        """
        chance = torch.Generator().manual_seed(0)
        numbers = torch.randn(1, *self.shape, generator=chance, device="cpu")
        return numbers.to(next(self.module.parameters(), numbers).device)

    def called(self, name: str) -> Self:
        """The same by another name."""
        return replace(self, name=name)

    def with_module(self, module: nn.Module, *, wire: str | None = None) -> Self:
        """Another network for the same inputs and answers."""
        return replace(self, module=module, wire=wire)


class _Source(NamedTuple):
    """A network as its source gives it."""

    module: nn.Module
    shape: tuple[int, ...]
    preprocess: Callable[[Tensor], Tensor]
    made: LoadedModel | None = None  # by a callable of the user's, perhaps with exits


def load(
    name: str,
    *,
    weights: str | Path | None = None,
    classes: int | None = None,
    shape: tuple[int, ...] | None = None,
) -> LoadedModel:
    """A network by name; under ``torch.device("meta")`` it costs nothing and can be counted.

    Args:
        name: ``small_cnn``, ``small_resnet``, ``mobilenet_v1``, a network of torchvision that
            classifies images, or ``module:callable``: a function, looked for in the current
            folder as well, that gives a module or a LoadedModel. It is called with ``classes=``
            if these are given.
        weights: a state-dict file, or a name that torchvision knows, such as ``IMAGENET1K_V1``,
            if these are on this machine; otherwise they are random, and always the same.
        classes: how many answers there are; the network's usual number if not given.
        shape: of its input, without the batch dimension; the network's usual one if not given.

    Raises:
        BadInput: there is no such network, its weights are missing, unreadable or of another
            network, or it does not take inputs of this shape or give so many answers.
    """
    if classes is not None and classes < 1:
        raise BadInput(f"--classes: must be a whole number, 1 or more, not {classes}")
    published = str(weights) if _is_published(name, weights) else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name in OWN:
            source = _own(name, shape, classes)
        elif ":" in name:
            source = _callable(name, shape, classes)
        else:
            source = _torchvision(name, shape, classes, published)
    if weights is not None and published is None:
        load_weights(source.module, Path(weights))
    _to_eval(source.module)
    module, shape, preprocess, made = source
    exits, wire = ({}, None) if made is None else (made.exits, made.wire)
    found = LoadedModel(name, module, shape, preprocess, None, exits, wire)
    return replace(found, classes=_classes(found, classes))


def _own(name: str, shape: tuple[int, ...] | None, classes: int | None) -> _Source:
    kind = OWN[name]
    module = kind(shape or kind.shape, classes or kind.classes)
    return _Source(module, shape or kind.shape, kind.preprocessing.sized(shape))


def _callable(name: str, shape: tuple[int, ...] | None, classes: int | None) -> _Source:
    made = _call(name, {} if classes is None else {"classes": classes})
    if isinstance(made, LoadedModel):
        return _Source(made.module, shape or made.shape, made.preprocess, made)
    if not isinstance(made, nn.Module):
        raise BadInput(f"{name} gives a {type(made).__name__}, not a torch.nn.Module")
    if shape is None:
        raise BadInput(f"{name}: its input's shape is missing; give it, or return a LoadedModel")
    return _Source(made, shape, Preprocessing())


def _torchvision(
    name: str, shape: tuple[int, ...] | None, classes: int | None, published: str | None
) -> _Source:
    known = vision.networks() if Path(name).suffix not in NOT_READ else []
    if name not in known:
        raise BadInput(_unknown(name, [*OWN, *known]))
    preprocess = vision.preprocessing(name, published).sized(shape)
    shape = shape or (3, *(preprocess.crop or ()))
    module = vision.network(name, shape, classes)
    if published is not None:
        put_weights(module, vision.published_state(name, published), f"{name}: {published}")
    return _Source(module, shape, preprocess)


def _call(name: str, arguments: dict[str, Any]) -> Any:
    function = callable_of(name)
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        given = ", ".join(arguments) or "no arguments"
        raise BadInput(f"{name} cannot be called with {given}: {error}") from error
    try:
        return function(**arguments)
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise BadInput(f"{name}: makes no network: {what}") from error


def _is_published(name: str, weights: str | Path | None) -> bool:
    """Whether weights are a name that torchvision knows for a network of its own."""
    if weights is None or name in OWN or ":" in name or name not in vision.networks():
        return False
    return str(weights) in vision.published(name).__members__


def _to_eval(module: nn.Module) -> None:
    """An exported network refuses ``eval()``, for it is what it was exported as."""
    for part in module.modules():
        part.training = False


def _classes(found: LoadedModel, wanted: int | None) -> int | None:
    """How many scores the network gives, seen from one run."""
    with torch.no_grad():
        try:
            answer = found.module(found.example())
        except STUCK as error:
            shape = "x".join(map(str, found.shape))
            what = f"{found.name} cannot take an input of {shape}"
            raise BadInput(f"{what}: {first_line(error)}") from error
    flat = isinstance(answer, Tensor) and answer.dim() == 2
    classes = answer.shape[1] if flat else None
    if wanted not in (None, classes):
        raise BadInput(f"{found.name} gives {classes or 'no'} scores, not {wanted}, the classes")
    return classes


def _unknown(name: str, known: list[str]) -> str:
    suffix = Path(name).suffix
    if suffix in NOT_READ:
        return f"{name}: {NOT_READ[suffix]}"
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)},"
    return f"unknown network {name!r}; {hint} or name a function of yours, module:callable"
