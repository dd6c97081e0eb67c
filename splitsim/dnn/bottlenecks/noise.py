"""What a link does to a tensor on its way, for networks that learn to live with it.

The modules act in training only: in evaluation the tables' own link does it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

FAINTEST = 1e-12  # mean square below which symbols are not made stronger: they would be noise


class Erasure(nn.Module):
    """Loses numbers, by packets of so many that follow one another, each packet on its own.

    A lost number becomes the mean of its sample's others, as on the wire, or 0 where all are lost.

    Args:
        loss: probability that a packet is lost, in [0, 1).
        packet_elements: numbers in a packet; the last one of a sample may hold fewer.
    """

    def __init__(self, loss: float, packet_elements: int = 1) -> None:
        super().__init__()
        self.loss, self.packet_elements = loss, packet_elements

    def forward(self, x: Tensor) -> Tensor:
        """What arrives; shape (samples, ...) as it comes."""
        return erased(x, self._lost(x)) if self.training else x

    def _lost(self, x: Tensor) -> Tensor:
        count = x[0].numel()
        packets = -(-count // self.packet_elements)
        lost = torch.rand(len(x), packets, device=x.device) < self.loss
        return lost.repeat_interleave(self.packet_elements, 1)[:, :count].view_as(x)

    def extra_repr(self) -> str:
        """What a printed network says of it."""
        return f"loss={self.loss:g}, packet_elements={self.packet_elements}"


def erased(x: Tensor, lost: Tensor) -> Tensor:
    """Lost numbers as the mean of their sample's others; 0 where all are lost.

    Args:
        x: (samples, ...).
        lost: which of them are, of the same shape.
    """
    left = torch.where(lost, 0.0, x).flatten(1).sum(1)
    mean = left / (~lost).flatten(1).sum(1).clamp(min=1)
    return torch.where(lost, mean.view(-1, *[1] * (x.dim() - 1)), x)


class UnitPower(nn.Module):
    """Scales each sample to a mean square of 1, the average power of a real symbol."""

    def forward(self, x: Tensor) -> Tensor:
        """The symbols; shape (samples, ...) as it comes."""
        power = x.flatten(1).square().mean(1).clamp(min=FAINTEST)
        return x * power.rsqrt().view(-1, *[1] * (x.dim() - 1))


class Awgn(nn.Module):
    """Adds white Gaussian noise to real symbols of unit average power.

    Args:
        snr_db: of the channel; the noise has the variance ``10**(-snr_db / 10)``.
    """

    def __init__(self, snr_db: float) -> None:
        super().__init__()
        self.snr_db = snr_db

    def forward(self, x: Tensor) -> Tensor:
        """What arrives; shape as it comes."""
        return x + torch.randn_like(x) * _deviation(self.snr_db) if self.training else x

    def extra_repr(self) -> str:
        """What a printed network says of it."""
        return f"snr_db={self.snr_db:g}"


def add_awgn(symbols: Tensor, snr_db: float, *, rng: np.random.Generator) -> Tensor:
    """Real symbols of unit average power as they arrive over a channel with Gaussian noise.

    Two of them, as the parts of a complex symbol, see the same ratio: power and noise both double.

    Args:
        symbols: of any shape; what noise they get depends on the order of their elements only.
        snr_db: signal power over noise power.
        rng: of the noise.
    """
    noise = rng.standard_normal(tuple(symbols.shape), np.float32)
    return symbols + torch.from_numpy(noise).to(symbols) * _deviation(snr_db)


def _deviation(snr_db: float) -> float:
    deviation: float = 10 ** (-snr_db / 20)
    return deviation
