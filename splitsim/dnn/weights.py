"""Weights from files, which can hold numbers only, and whether they are numbers."""

from __future__ import annotations

import warnings
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
    tensors = model.state_dict() | dict(model.named_buffers())  # those that are not saved, too
    bad = [name for name, tensor in tensors.items() if _has_nan(tensor)]
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
    complex_ones = [k for k in own.keys() & state.keys() if _complex(state[k]) != _complex(own[k])]
    wrong = {
        f"lacks what {name} has": sorted(own.keys() - state.keys()),
        f"has what {name} lacks": sorted(state.keys() - own.keys()),
        f"has other shapes than {name}": sorted(shapes),
        "has complex numbers on one side only": sorted(complex_ones),
        "holds NaN": sorted(key for key, tensor in state.items() if _has_nan(tensor)),
    }
    problems = [f"{source}: {what}: {_some(names)}" for what, names in wrong.items() if names]
    if problems:
        raise BadInput(*problems)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise BadInput(f"{source}: cannot be put into {name}: {_line(error)}") from error


def _read(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of formats that are refused anyway
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise BadInput(f"{path}: there is no such file of weights") from error
    except Exception as error:
        raise BadInput(f"{path}: {NOT_ONE}") from error
    plain = isinstance(state, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    )
    if not plain:
        raise BadInput(f"{path}: {NOT_ONE}")
    return dict(state)


NOT_ONE = (
    "is no state dict, or holds more than numbers, which is not loaded; "
    "save it by torch.save(model.state_dict(), path)"
)


def _has_nan(tensor: object) -> bool:
    numbers = isinstance(tensor, Tensor) and not tensor.is_meta and tensor.is_floating_point()
    return isinstance(tensor, Tensor) and numbers and bool(tensor.isnan().any())


def _complex(tensor: Tensor) -> bool:
    return tensor.dtype.is_complex


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a scalar"
