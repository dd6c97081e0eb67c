"""Weights from files, which can hold numbers only, and whether they are numbers."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from splitsim.errors import BadInput

SHOWN = 3  # of the parts that do not fit, so that one mistake does not fill the screen


def check_weights(model: nn.Module) -> None:
    """Weights and buffers are numbers; infinite ones (masks have them) are.

    Raises:
        BadInput: some are NaN; names them.
    """
    bad = [name for name, tensor in model.state_dict().items() if _has_nan(tensor)]
    if bad:
        name = type(model).__name__
        raise BadInput(f"{name} has NaN in its weights: {_some(bad)}; train or load it anew")


def load_weights(model: nn.Module, path: Path) -> None:
    """Puts the weights of a state-dict file into a network; the file cannot run code.

    Raises:
        BadInput: it cannot be read, is no state dict, holds NaN, or is of another network.
    """
    put_weights(model, _read(path), str(path))


def put_weights(model: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Puts a state dict into a network, every part of it and nothing else.

    Raises:
        BadInput: it holds NaN or is of another network; ``source`` is what the lines open with.
    """
    own, name = model.state_dict(), type(model).__name__
    shapes = [
        f"{key} is {_shape(state[key])}, not {_shape(own[key])}"
        for key in own.keys() & state.keys()
        if state[key].shape != own[key].shape
    ]
    wrong = {
        f"lacks what {name} has": sorted(own.keys() - state.keys()),
        f"has what {name} lacks": sorted(state.keys() - own.keys()),
        f"has other shapes than {name}": sorted(shapes),
        "holds NaN": sorted(key for key, tensor in state.items() if _has_nan(tensor)),
    }
    problems = [f"{source}: {what}: {_some(names)}" for what, names in wrong.items() if names]
    if problems:
        raise BadInput(*problems)
    model.load_state_dict(state)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise BadInput(f"{path}: there is no such file of weights") from error
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise BadInput(f"{path}: {NOT_ONE}") from error
    tensors = isinstance(state, Mapping) and all(isinstance(v, Tensor) for v in state.values())
    if not tensors:
        raise BadInput(f"{path}: {NOT_ONE}")
    return dict(state)


NOT_ONE = (
    "is no state dict, or holds more than numbers, which is not loaded; "
    "save it by torch.save(model.state_dict(), path)"
)


def _has_nan(tensor: object) -> bool:
    numbers = isinstance(tensor, Tensor) and not tensor.is_meta and tensor.is_floating_point()
    return isinstance(tensor, Tensor) and numbers and bool(tensor.isnan().any())


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a scalar"
