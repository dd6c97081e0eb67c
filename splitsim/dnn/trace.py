"""A network as a graph of its operations, in the order in which they run."""

from __future__ import annotations

import inspect
import linecache
import traceback
from collections.abc import Collection
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, fx, nn
from torch.fx.graph import CodeGen, _PyTreeCodeGen
from torch.utils import _pytree as pytree

from splitsim.errors import BadInput

Example: TypeAlias = Tensor | tuple[Tensor, ...]

# What Python and fx raise when code asks a symbolic value for what only a real one knows.
STUCK = (TypeError, ValueError, RuntimeError, AttributeError, LookupError, AssertionError)
TORCH = Path(torch.__file__).parent


def inputs_of(example: Example) -> tuple[Tensor, ...]:
    """The inputs of a network: one tensor, or several."""
    return (example,) if isinstance(example, Tensor) else example


def trace(model: nn.Module, example: Example, *, whole: Collection[str] = ()) -> fx.GraphModule:
    """The graph of a network in eval mode, sharing its weights; the network stays as it is.

    A network that cannot be traced can be helped in three ways: name the modules whose ``forward``
    is the obstacle in ``whole`` (nothing is cut inside them); move the operation into a function
    of a module's top level and mark it with ``torch.fx.wrap``; or trace it yourself (an
    ``fx.Tracer`` of your own, ``torch.export.export(...).module()``): a ``GraphModule`` is taken
    as it is.

    Args:
        model: any module that fx can trace, or a ``GraphModule``.
        example: its input or inputs; parameters of ``forward`` beyond them keep their defaults.
        whole: paths of modules to keep whole, such as ``("encoder.layers.0",)``.

    Raises:
        BadInput: it is in training mode, or cannot be traced: which operation, and what to do.
    """
    if isinstance(model, fx.GraphModule):
        return _plain(model)
    _check(model, whole)
    defaults = _defaults(model, len(inputs_of(example)))
    before = set(vars(model))
    tracer = _Tracer(whole)
    try:
        graph = tracer.trace(model, defaults)
        traced = fx.GraphModule(model, graph)
    except STUCK as error:
        raise BadInput(_obstacle(model, error)) from error
    finally:
        for extra in set(vars(model)) - before:  # fx leaves tensors it met on the module
            delattr(model, extra)
    _drop_defaults(graph, len(inputs_of(example)))
    return _plain(traced)


class _Tracer(fx.Tracer):
    """Goes into every module of the user's own but those to keep whole."""

    def __init__(self, whole: Collection[str]) -> None:
        super().__init__()
        self._whole = whole

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name in self._whole or super().is_leaf_module(
            m, module_qualified_name
        )


def _check(model: nn.Module, whole: Collection[str]) -> None:
    name = type(model).__name__
    modules = dict(model.named_modules(remove_duplicate=False))
    problems = [
        f"{name} has no module {path!r} to keep whole" for path in {*whole} - modules.keys()
    ]
    if any(module.training for module in modules.values()):
        problems.append(f"{name} is in training mode; call its eval() first")
    if problems:
        raise BadInput(*problems)


def _defaults(model: nn.Module, given: int) -> dict[str, Any]:
    """The defaults of the parameters of ``forward`` that the example leaves out."""
    parameters = [
        p
        for p in inspect.signature(model.forward).parameters.values()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    needed = [p.name for p in parameters if p.default is p.empty]
    if given > len(parameters) or given < len(needed):
        takes = ", ".join(p.name for p in parameters)
        name = type(model).__name__
        raise BadInput(f"{name} takes the inputs {takes}; the example has {given} tensor(s)")
    return {p.name: p.default for p in parameters[given:]}


def _drop_defaults(graph: fx.Graph, given: int) -> None:
    for node in graph.find_nodes(op="placeholder")[given:]:
        _erase(graph, node)


def _erase(graph: fx.Graph, node: fx.Node) -> None:
    """A node and all that use it: for a default, fx's own checks that it was not given."""
    for user in list(node.users):
        _erase(graph, user)
    graph.erase_node(node)


def _plain(module: fx.GraphModule) -> fx.GraphModule:
    """A graph whose output node holds what the network returns, not a flat list of it."""
    codegen = module.graph._codegen
    if not isinstance(codegen, _PyTreeCodeGen) or codegen.pytree_info.out_spec is None:
        return module
    graph = fx.Graph()
    flat = cast("Any", graph.graph_copy(module.graph, {}))
    graph.output(pytree.tree_unflatten(flat, codegen.pytree_info.out_spec))
    graph.set_codegen(CodeGen())
    return fx.GraphModule(module, graph)


def _obstacle(model: nn.Module, error: Exception) -> str:
    """One line: which operation of which module cannot be traced, and what to do about it."""
    frames = [f for f in traceback.walk_tb(error.__traceback__) if not _is_ours(f[0])]
    paths = {module: path for path, module in model.named_modules() if path}
    owners = [frame.f_locals.get("self") for frame, _ in frames]
    inside = [paths[o] for o in owners if isinstance(o, nn.Module) and o in paths]
    keep = f"keep the module {inside[-1]!r} whole, or " if inside else ""
    return (
        f"{type(model).__name__} cannot be traced: {''.join(map(_place, frames[-1:]))}"
        f"{first_line(error)}; {keep}move the operation into a function marked with "
        "torch.fx.wrap, or give a GraphModule that you traced"
    )


def first_line(error: Exception) -> str:
    """The reason an error gives, as one line."""
    return str(error).strip().partition("\n")[0]


def _place(at: tuple[FrameType, int]) -> str:
    frame, line = at
    file = frame.f_code.co_filename
    return f"{Path(file).name}:{line}: {linecache.getline(file, line).strip()!r}: "


def _is_ours(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file == __file__ or Path(file).is_relative_to(TORCH)
