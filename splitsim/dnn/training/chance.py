"""What is drawn in training: a function of seed, stage, epoch and sample, not of what went before.

So a training that was killed goes on as if it had not been, without a generator's state kept.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from splitsim.rng import stream


def generator(seed: int, role: str, name: str = "", index: int = 0) -> torch.Generator:
    """A generator of PyTorch's for one purpose, seeded by its name."""
    return torch.Generator().manual_seed(_number(seed, role, name, index))


@contextmanager
def seeded(seed: int, name: str) -> Iterator[None]:
    """Within, the global generators of Python, NumPy and PyTorch begin with a seed.

    Layers draw from them: noise, dropout, a user's own. Afterwards they are as they were.
    """
    number = _number(seed, "layers", name)
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 - users' layers use it
    random.seed(number)
    np.random.seed(number % 2**32)  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=_devices()):
            torch.manual_seed(number)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002


def _devices() -> list[int]:
    in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return [torch.cuda.current_device()] if in_use else []


def _number(seed: int, role: str, name: str, index: int = 0) -> int:
    return int(stream(seed, f"training {role}", name, index).integers(2**63))
