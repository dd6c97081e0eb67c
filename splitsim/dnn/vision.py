"""torchvision's networks: importable beside a torch it was not built for, weights never fetched.

Nothing is downloaded; weights that are on this machine are read as numbers only.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from splitsim.dnn.preprocessing import Preprocessing
from splitsim.errors import BadInput


@cache
def torchvision() -> ModuleType:
    """The package; one built for CUDA works beside a CPU torch, but for its own operators.

    Raises:
        BadInput: it is not installed.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        raise BadInput("torchvision is not installed; pip install 'splitsim[vision]'")
    if not _has_operators(Path(found.origin).parent):
        _declare_operators()
    return importlib.import_module("torchvision")


def networks() -> list[str]:
    """The names of torchvision's networks that classify images."""
    models = torchvision().models
    return list(models.list_models(module=models))


def network(name: str, shape: tuple[int, ...], classes: int | None) -> nn.Module:
    """A network with random weights; ``shape`` matters to those built for one size of image."""
    arguments: dict[str, Any] = {} if classes is None else {"num_classes": classes}
    if name.startswith("vit_"):
        arguments["image_size"] = shape[-1]
    if name in {"googlenet", "inception_v3"}:
        arguments["init_weights"] = False  # minutes of work, and a warning
    module: nn.Module = torchvision().models.get_model(name, weights=None, **arguments)
    return module


def preprocessing(name: str, weights: str | None) -> Preprocessing:
    """What the images of a network go through; of its best published weights, if none is named."""
    entry = published(name)[weights or "DEFAULT"]
    meant = entry.transforms()
    crop = meant.crop_size[0]
    mode = meant.interpolation.value
    return Preprocessing(
        meant.resize_size[0], (crop, crop), tuple(meant.mean), tuple(meant.std), mode
    )


def published(name: str) -> Any:
    """The enumeration of a network's published weights, such as ``IMAGENET1K_V1``."""
    return torchvision().models.get_model_weights(name)


def published_state(name: str, weights: str) -> dict[str, Tensor]:
    """Published weights that are on this machine.

    Raises:
        BadInput: they are not; says from where to fetch them and what to do with them.
    """
    entry = published(name)[weights]
    home = Path(torch.hub.get_dir()) / "checkpoints" / Path(entry.url).name
    if not home.is_file():
        raise BadInput(
            f"{name}: its weights {weights} are not on this machine; fetch {entry.url} and name "
            f"the file as weights, or put it into {home.parent}"
        )
    state = torch.load(home, map_location="cpu", weights_only=True)
    return renamed(state)


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published DenseNets' weights bear names from before torchvision changed its own."""
    old = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")
    return {old.sub(r"\1\2.", key): value for key, value in state.items()}


def _has_operators(package: Path) -> bool:
    """Whether the compiled operators are there and fit this torch."""
    try:
        for library in package.glob("_C.*"):
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]
    except OSError:
        return False
    return hasattr(torch.ops.torchvision, "nms")


@cache
def _declare_operators() -> torch.library.Library:
    """Declares what torchvision's import describes further; the cache keeps it alive."""
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        library.define(schema)  # type: ignore[no-untyped-call]
    return library
