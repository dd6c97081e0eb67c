"""Which parts of a network learn in a stage, and which stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn

from splitsim.dnn.training.stages import Stage
from splitsim.scenario.document import did_you_mean, listed


def unknown_parts(module: nn.Module, stage: Stage) -> Iterator[str]:
    """What is wrong with the parts that a stage names."""
    paths = [path for path, part in module.named_modules() if path and _has_weights(part)]
    for part in (*(stage.train or ()), *(stage.freeze or ())):
        if part not in paths:
            top = listed(path for path in paths if "." not in path)
            yield f"there is no part {part!r}{did_you_mean(part, paths) or f'; there are {top}'}"


def learning(module: nn.Module, stage: Stage) -> list[nn.Parameter]:
    """The parameters that a stage trains."""
    named = module.named_parameters()
    return [parameter for path, parameter in named if _learns(path, stage)]


def to_training(module: nn.Module, stage: Stage) -> None:
    """Puts a network into training mode for a stage.

    Parameters of frozen parts get no gradients, and frozen modules with numbers of their own, as
    the statistics of norms are, are left in eval mode; a channel's noise and dropout have none,
    and so are on wherever they are.
    """
    for path, parameter in module.named_parameters():
        parameter.requires_grad_(_learns(path, stage))
    module.train()
    for path, part in module.named_modules():
        if any(True for _ in part.buffers(recurse=False)) and not _learns(path, stage):
            part.training = False


def to_use(module: nn.Module) -> None:
    """Puts a network into eval mode, without gradients."""
    module.requires_grad_(requires_grad=False)
    for part in module.modules():
        part.training = False


def _learns(path: str, stage: Stage) -> bool:
    if stage.train:
        return _is_in(path, stage.train)
    return not _is_in(path, stage.freeze or ())


def _has_weights(part: nn.Module) -> bool:
    return any(True for _ in part.parameters())


def _is_in(path: str, parts: Sequence[str]) -> bool:
    return any(path == part or path.startswith(f"{part}.") for part in parts)
