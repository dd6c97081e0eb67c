"""What a lossy wire format does, done within a network, for where nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from splitsim.dnn.bottlenecks.quantise import straight_through
from splitsim.dnn.wire import Wire


class Sent(nn.Module):
    """Stands where a tensor is sent by a lossy format, and gives exactly what arrives.

    In training, and within ``sending``; else the real wire behind it does it, and doing it twice
    would code the tensor anew and count its time for the head. Gradients pass straight through.
    What lies on the meta device stays as it is.

    Args:
        wire: the format.
    """

    def __init__(self, wire: str) -> None:
        super().__init__()
        self.wire, self.always = Wire.parse(wire), False

    def forward(self, x: Tensor) -> Tensor:
        """The tensor that arrives; shape (samples, ...) as it comes."""
        if x.is_meta or not (self.training or self.always):
            return x
        return straight_through(x, torch.cat([self._arrived(row[None]) for row in x.detach()]))

    def _arrived(self, row: Tensor) -> Tensor:
        arrived = Wire.decode(self.wire.encode(row))
        assert isinstance(arrived, Tensor)
        return arrived.to(row.device)

    def extra_repr(self) -> str:
        """What a printed network says of it."""
        return str(self.wire)


@contextmanager
def sending(network: nn.Module) -> Iterator[None]:
    """Within it a whole network answers as the split one does over its bottleneck's wire."""
    parts = [part for part in network.modules() if isinstance(part, Sent)]
    _let(parts, always=True)
    try:
        yield
    finally:
        _let(parts, always=False)


def _let(parts: list[Sent], *, always: bool) -> None:
    for part in parts:
        part.always = always
