"""Wire formats: the tensors that cross a cut as the bytes of a message, and back.

A format is a form and, behind a plus, an entropy stage: ``float32``, ``float16``, ``uint8``,
``uint8-channel+zstd``, ``4bit+zlib9``, ``topk0.05``; ``spikes`` for zeros and ones, ``map-jpeg75``
for maps as a picture; for the input image ``jpeg90`` or ``webp75``.
``splitsim.dnn.message`` has the layout of the bytes.

Lost packets erase the elements whose bits they held, and no others: codes have fixed lengths. An
erased element becomes the mean of the tensor's others, which the receiver knows and which, where
values are rectified, is nearer than the 0 of a dropout; with ``topk`` and ``spikes`` it is 0.
Behind an entropy stage there is one stream: the first lost packet also takes all that comes after
it, and with ``zstd`` the block it lies in, which is most often the whole tensor. The header is in
the first packet, and without it nothing can be told: the tensor is 0. Of an image, ``jpeg`` loses
the rows of blocks that a lost packet touches, ``webp`` all; they become grey. ``map-jpeg`` loses
such rows too, and its lost elements become the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from splitsim.dnn import packets
from splitsim.dnn.entropy import Entropy
from splitsim.dnn.fields import Mask, Octets
from splitsim.dnn.forms import Affine, Float, Floats, Form, Spikes, TopK
from splitsim.dnn.images import Picture
from splitsim.dnn.maps import MapJpeg
from splitsim.dnn.message import TYPES, Header, Part
from splitsim.errors import BadInput

FORMS: tuple[type[Form], ...] = (Float, Affine, TopK, Spikes, MapJpeg, Picture)
FORMS_ARE = (
    "float32, float16, uint8, uint8-channel, 1bit to 16bit, 1bit-channel to 16bit-channel, "
    "topk0.05 (or another share), spikes, map-jpeg1 to map-jpeg100, and for the input image "
    "jpeg1 to jpeg100, webp1 to webp100"
)
STAGES_ARE = "zlib1 to zlib9, zstd1 to zstd22 (zlib is zlib6, zstd is zstd1)"


@dataclass(frozen=True)
class Wire:
    """A form and an entropy stage; ``str`` gives the text that ``parse`` reads."""

    form: Form
    entropy: Entropy

    @classmethod
    def parse(cls, text: str) -> Self:
        """The format that a text names.

        Raises:
            BadInput: there is no such form or entropy stage, or they do not go together.
        """
        name, plus, stage = text.partition("+")
        form = next((form for kind in FORMS if (form := kind.named(name))), None)
        entropy = Entropy.named(stage) if plus else Entropy()
        problems = []
        if form is None:
            problems.append(f"there is no form {name!r}; there are {FORMS_ARE}")
        if entropy is None:
            problems.append(f"there is no entropy stage {stage!r}; there are {STAGES_ARE}")
        if isinstance(form, Picture | MapJpeg) and plus:
            problems.append(f"an image file is squeezed already; use {name}")
        if form is None or entropy is None or problems:
            raise BadInput(*(f"wire {text!r}: {problem}" for problem in problems))
        return cls(form, entropy)

    def __str__(self) -> str:
        return f"{self.form}" if self.entropy.kind == "none" else f"{self.form}+{self.entropy}"

    def encode(self, tensors: Tensor | Sequence[Tensor]) -> bytes:
        """The message of what crosses a cut: a tensor, or several.

        Args:
            tensors: of floats, a batch of one sample each.

        Raises:
            BadInput: a tensor is not of floats, empty or not finite, or the form cannot carry it.
        """
        bare = isinstance(tensors, Tensor)
        several = [tensors] if isinstance(tensors, Tensor) else tensors
        packed = [self.form.pack(_values(tensor)) for tensor in several]
        parts = [
            Part(tensor.dtype, tuple(tensor.shape), len(body))
            for tensor, body in zip(several, packed, strict=True)
        ]
        header = Header(str(self), bare, parts)
        return bytes(header) + self.entropy.squeeze(b"".join(packed))

    @classmethod
    def decode(cls, message: bytes, lost: Mask | None = None) -> Tensor | tuple[Tensor, ...]:
        """What was encoded in a message, of whatever format: the tensor, or the tuple of them.

        Args:
            message: the whole of it, lost packets included.
            lost: per packet (``splitsim.dnn.packets``); None if none was.

        Returns:
            On the processor, of the types and shapes that were encoded.

        Raises:
            BadInput: it is no message, or ``lost`` is not of this message.
        """
        header, start = Header.read(message)
        wire = cls.parse(header.wire)
        bodies, here = wire._bodies(message, header, start, lost)
        tensors = tuple(
            wire._tensor(part, bodies[at], None if here is None else here[at])
            for part, at in zip(header.parts, header.slices(), strict=True)
        )
        return tensors[0] if header.bare else tensors

    def _bodies(
        self, message: bytes, header: Header, start: int, lost: Mask | None
    ) -> tuple[Octets, Mask | None]:
        """The bodies behind a header, and which of their bytes can be told; None if all."""
        here = packets.arrived(message, lost)
        if here is None:
            bodies = self.entropy.expand(message[start:])
        else:
            here = here[start:] & here[:start].all()
            bodies, here = self.entropy.expand_rest(message[start:], here, header.size)
        if len(bodies) != header.size:
            raise BadInput(f"message: is damaged: {len(bodies)} B of tensors, not {header.size}")
        return np.frombuffer(bodies, np.uint8), here

    def _tensor(self, part: Part, body: Octets, here: Mask | None) -> Tensor:
        return torch.from_numpy(self.form.unpack(body, part.shape, here)).to(part.dtype)


def _values(tensor: Tensor) -> Floats:
    """The elements of a tensor as float32, exactly."""
    shape = tuple(tensor.shape)
    if tensor.dtype not in TYPES:
        kinds = ", ".join(str(kind).removeprefix("torch.") for kind in TYPES)
        kind = str(tensor.dtype).removeprefix("torch.")
        raise BadInput(f"wire: a tensor of {kind}, shape {shape}: must be of {kinds}; convert it")
    if not tensor.numel():
        raise BadInput(f"wire: a tensor of shape {shape} has no elements to send")
    values: Floats = tensor.detach().to("cpu", torch.float32).contiguous().numpy()
    if not np.isfinite(values).all():
        raise BadInput(
            f"wire: a tensor of shape {shape} holds NaN or infinite values; check the weights"
        )
    return values
