"""Data sets by name: images with labels, from scikit-learn, torchvision, folders or the user.

Nothing is downloaded: what is not on this machine is an error that says where to put it.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from splitsim.csvtable import reason
from splitsim.dnn.named import callable_of
from splitsim.dnn.trace import first_line
from splitsim.dnn.vision import torchvision
from splitsim.errors import BadInput

DIGITS = 1797
TRAIN = 1200  # of the digits; the rest is the test part
CIFARS = ("cifar10", "cifar10-train", "cifar100", "cifar100-train")
FOLDERS = {"imagefolder": "", "imagenet": "val", "imagenet-train": "train"}  # of images by class
KNOWN = (
    "digits, digits-train, digits-test, cifar10[-train]:FOLDER, cifar100[-train]:FOLDER, "
    "imagefolder:FOLDER, imagenet[-train]:FOLDER, generated:10x3x32x32x500 (classes, channels, "
    "height, width, samples), or a function of yours, module:callable"
)


class Samples(NamedTuple):
    """Some samples of a data set: images (each C x H x W, uint8) and their labels."""

    images: list[Tensor]
    labels: list[int]


@dataclass(frozen=True)
class Dataset:
    """Images with labels, read when they are asked for.

    Attributes:
        source: by which it was asked for.
        name: of it in names of files.
        samples: how many there are.
        classes: how many labels there are; None if that is not known.
        read: gives a sample by number: pixels and a label.
    """

    source: str
    name: str
    samples: int
    classes: int | None
    read: Callable[[int], tuple[Any, Any]]

    def take(self, start: int, stop: int) -> Samples:
        """Samples from one number up to another.

        Raises:
            BadInput: one is no image with a label.
        """
        found = [self._sample(number) for number in range(start, min(stop, self.samples))]
        return Samples([image for image, _ in found], [label for _, label in found])

    def _sample(self, number: int) -> tuple[Tensor, int]:
        where = f"{self.source}: sample {number}"
        try:
            pixels, label = self.read(number)
            return _image(pixels, where), _label(label, self.classes, where)
        except BadInput:
            raise
        except Exception as error:
            what = f"cannot be read as pixels and a label: {type(error).__name__}"
            raise BadInput(f"{where}: {what}: {first_line(error)}") from error


def dataset(source: str, limit: int | None = None) -> Dataset:
    """A data set by name.

    Args:
        source: ``digits`` (1,797 images of 8 x 8 by hand; ``digits-train`` is the first 1,200 and
            ``digits-test`` the rest, mostly by other writers); ``cifar10:FOLDER`` and
            ``cifar100:FOLDER`` (the test part; ``cifar10-train:FOLDER`` the other);
            ``imagefolder:FOLDER``, a folder per class; ``imagenet:FOLDER``, the folder of which
            ``val`` has a folder per class (``imagenet-train:FOLDER`` its ``train``);
            ``generated:10x3x32x32x500``; or ``module:callable``, a function that gives a map-style
            data set of pixels (C x H x W, from 0 to 1, or uint8) and a label from 0 on.
        limit: take the first so many.

    Raises:
        BadInput: there is none of that name, or it is not on this machine.
    """
    kind, _, rest = source.partition(":")
    if kind in ("digits", "digits-train", "digits-test") and not rest:
        found = _digits(kind)
    elif kind in CIFARS:
        found = _cifar(kind, Path(rest))
    elif kind in FOLDERS:
        found = _folder(source, Path(rest, FOLDERS[kind]), kind)
    elif kind == "generated":
        found = _generated(source, rest)
    elif rest:
        found = _own(source)
    else:
        raise BadInput(f"unknown data set {source!r}; there are {KNOWN}")
    samples = found.samples if limit is None else min(limit, found.samples)
    return Dataset(source, found.name, samples, found.classes, found.read)


def _digits(name: str) -> Dataset:
    start = TRAIN if name == "digits-test" else 0
    stop = TRAIN if name == "digits-train" else DIGITS
    images, labels = _all_digits()
    return Dataset(
        name, name, stop - start, 10, lambda n: (images[start + n], int(labels[start + n]))
    )


@cache
def _all_digits() -> tuple[Tensor, np.ndarray]:
    try:
        bunch = importlib.import_module("sklearn.datasets").load_digits()
    except ImportError as error:
        raise BadInput("digits: come with scikit-learn; pip install 'splitsim[data]'") from error
    return torch.from_numpy(bunch.images / 16).float().unsqueeze(1), bunch.target


def _cifar(name: str, root: Path) -> Dataset:
    published, _, part = name.partition("-")
    kind = getattr(torchvision().datasets, published.upper())
    try:
        found = kind(root, train=part == "train")
    except (OSError, RuntimeError) as error:
        what = f"{name}: is not in {str(root)!r}, or is damaged; put its Python version, unpacked"
        raise BadInput(f"{what} ({kind.base_folder}), there") from error
    return Dataset(name, name, len(found), len(found.classes), found.__getitem__)


def _folder(source: str, root: Path, kind: str) -> Dataset:
    try:
        found = torchvision().datasets.ImageFolder(root)
    except OSError as error:
        what = f"{source}: {str(root)!r} must have a folder of images for every class"
        whose = "" if kind == "imagefolder" else "; put ILSVRC 2012's there"
        raise BadInput(f"{what}: {reason(error)}{whose}") from error
    name = _plain(root.resolve().name) if kind == "imagefolder" else kind
    return Dataset(source, name, len(found), len(found.classes), found.__getitem__)


def _generated(source: str, text: str) -> Dataset:
    """Noise around an image per class, so that a network can learn to tell them apart."""
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*){4}", text):
        what = "must be classes x channels x height x width x samples, as generated:10x3x32x32x500"
        raise BadInput(f"{source}: {what}")
    classes, *shape, samples = map(int, text.split("x"))
    means = torch.rand(classes, *shape, generator=torch.Generator().manual_seed(0))

    def read(number: int) -> tuple[Tensor, int]:
        noise = torch.rand(*shape, generator=torch.Generator().manual_seed(number + 1))
        return (means[number % classes] + noise) / 2, number % classes

    return Dataset(source, "generated", samples, classes, read)


def _own(source: str) -> Dataset:
    function = callable_of(source)
    try:
        found = function()
    except Exception as error:
        what = f"{type(error).__name__}: {first_line(error)}"
        raise BadInput(f"{source}: gives no data set: {what}") from error
    if not hasattr(found, "__len__") or not hasattr(found, "__getitem__"):
        what = f"gives a {type(found).__name__}, which has no length or no items by number"
        raise BadInput(f"{source}: {what}; it must give a map-style data set")
    classes = getattr(found, "classes", None)
    count = classes if isinstance(classes, int | None) else len(classes)
    name = _plain(source.partition(":")[2])
    return Dataset(source, name, len(found), count, found.__getitem__)


def _image(pixels: Any, where: str) -> Tensor:
    """An image as C x H x W of uint8, from a picture, uint8, or floats from 0 to 1."""
    if hasattr(pixels, "convert"):
        return torch.from_numpy(np.array(pixels.convert("RGB"))).permute(2, 0, 1)
    values = torch.as_tensor(pixels)
    if values.dim() != 3:
        shape = "x".join(map(str, values.shape))
        raise BadInput(f"{where}: an image must be channels x height x width, not {shape}")
    if values.dtype == torch.uint8:
        return values
    if not values.is_floating_point() or not ((values >= 0) & (values <= 1)).all():
        raise BadInput(f"{where}: pixels must be uint8, or floats from 0 to 1")
    return (values * 255).round().to(torch.uint8)


def _label(label: Any, classes: int | None, where: str) -> int:
    number = int(label)
    if number != label:
        raise BadInput(f"{where}: its label must be a whole number, not {label!r}")
    if number < 0 or (classes is not None and number >= classes):
        limit = "0 or more" if classes is None else f"from 0 to {classes - 1}"
        raise BadInput(f"{where}: its label must be {limit}, not {number}")
    return number


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]", "-", name) or "images"
