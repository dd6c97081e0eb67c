"""torchvision, importable beside a torch it was not built for."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import torch

from splitsim.errors import BadInput


@cache
def torchvision() -> ModuleType:
    """The package; a torchvision built for CUDA works beside a CPU torch but for its operators.

    Raises:
        BadInput: it is not installed.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        raise BadInput("torchvision is not installed; pip install 'splitsim[vision]'")
    if not _has_operators(Path(found.origin).parent):
        _define_operators()
    return importlib.import_module("torchvision")


def _has_operators(package: Path) -> bool:
    """Whether the compiled operators are there and fit this torch."""
    try:
        for library in package.glob("_C.*"):
            torch.ops.load_library(library)
    except OSError:
        return False
    return hasattr(torch.ops.torchvision, "nms")


@cache
def _define_operators() -> torch.library.Library:
    """Declares what torchvision describes at import, or that import fails; kept by the cache."""
    library = torch.library.Library("torchvision", "DEF")  # noqa: TOR901 - it lives on
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
