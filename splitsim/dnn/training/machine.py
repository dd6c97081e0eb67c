"""What computes a training: a device, with so many threads, in the same way every time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from splitsim.errors import BadInput

DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class Machine:
    """A device by its name, and how many threads of the processor."""

    name: str = "cpu"
    threads: int = 1

    def check(self) -> None:
        """Whether there is such a machine.

        Raises:
            BadInput: there is not.
        """
        problems = []
        if self.threads < 1:
            problems.append(f"--threads: must be a whole number, 1 or more, not {self.threads}")
        if self.name not in DEVICES:
            problems.append(f"--device: must be {' or '.join(DEVICES)}, not {self.name!r}")
        elif self.is_cuda and not torch.cuda.is_available():
            problems.append("--device: PyTorch finds no CUDA device here; take cpu")
        if problems:
            raise BadInput(*problems)

    @property
    def is_cuda(self) -> bool:
        """Whether it is a GPU."""
        return self.name == "cuda"

    @property
    def device(self) -> torch.device:
        """For PyTorch."""
        return torch.device(self.name)

    @property
    def described(self) -> str:
        """For people."""
        return torch.cuda.get_device_name() if self.is_cuda else "CPU"

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Within, PyTorch has so many threads, and adds up in the same order every time."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
                yield
        finally:
            torch.set_num_threads(before)
