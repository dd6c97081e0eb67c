"""What each operation of a network costs and touches, from one run of the example.

The run happens where the weights lie: a network on the meta device is counted without computing.

Counted are multiply-accumulates of convolutions, linear layers and matrix products, those of
attention among them (half the operations of ``torch.utils.flop_counter``); normalisation,
activations, pooling and additions are not. PyTorch's recurrent layers are counted on the meta
device only: where they compute, they are fused, and the counter does not see into them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree
from torch.utils.flop_counter import FlopCounterMode

from splitsim.dnn.trace import STUCK, Example, first_line, inputs_of
from splitsim.errors import BadInput


@dataclass(frozen=True)
class Visit:
    """What running one node did.

    Attributes:
        shape: of the tensor it gave; None if it gave anything else.
        tensor_bytes: of that tensor.
        macs: multiply-accumulates.
        memory: which memory that tensor lies in; views of one another share it.
        written: memory it wrote into, by an operation in place.
    """

    shape: tuple[int, ...] | None
    tensor_bytes: int
    macs: int
    memory: int | None
    written: frozenset[int]


def visit(module: fx.GraphModule, example: Example) -> dict[fx.Node, Visit]:
    """Runs a traced network once and tells what each of its nodes did.

    Raises:
        BadInput: it cannot take this example.
    """
    device = next(chain(module.parameters(), module.buffers(), inputs_of(example))).device
    with _countable() as counter:
        inputs = [tensor.to(device, copy=True) for tensor in inputs_of(example)]
        recorder = _Recorder(module, counter)
        try:
            recorder.run(*inputs)
        except STUCK as error:
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in inputs)
            what = f"the network cannot take an input of shape {shapes}"
            raise BadInput(f"{what}: {first_line(error)}") from error
    return recorder.visits


def parameters_of(module: fx.GraphModule, node: fx.Node) -> list[nn.Parameter]:
    """The parameters a node works with; those of ``get_attr`` nodes belong to who uses them."""
    if node.op == "call_module":
        return list(module.get_submodule(str(node.target)).parameters())
    owners = [dep for dep in node.all_input_nodes if dep.op == "get_attr"]
    values = [_attribute(module, str(owner.target)) for owner in owners]
    return [value for value in values if isinstance(value, nn.Parameter)]


class _Recorder(fx.Interpreter):
    """Keeps every value until the end, so that memory tells tensors apart."""

    def __init__(self, module: fx.GraphModule, counter: FlopCounterMode) -> None:
        super().__init__(module, garbage_collect_values=False)
        self._counter = counter
        self.visits: dict[fx.Node, Visit] = {}

    def run_node(self, n: fx.Node) -> Any:
        known = _tensors([self.env[dep] for dep in n.all_input_nodes])
        versions, flops = list(map(_version, known)), self._counter.get_total_flops()
        value = super().run_node(n)
        written = [t for t, v in zip(known, versions, strict=True) if _version(t) != v]
        found = value if isinstance(value, Tensor) else None
        self.visits[n] = Visit(
            shape=None if found is None else tuple(found.shape),
            tensor_bytes=0 if found is None else found.nbytes,
            macs=(self._counter.get_total_flops() - flops) // 2,
            memory=None if found is None else _memory(found),
            written=frozenset(map(_memory, written)),
        )
        return value


@contextmanager
def _countable() -> Iterator[FlopCounterMode]:
    """Attention in its plain form: the counter does not see into the fused ones."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    counter = FlopCounterMode(display=False)
    try:
        # In inference mode tensors do not know when they were written into.
        aware = torch.inference_mode(mode=False)
        with aware, torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(values) if isinstance(leaf, Tensor)]


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _attribute(module: nn.Module, target: str) -> Any:
    path, _, name = target.rpartition(".")
    return getattr(module.get_submodule(path), name)
