"""Which wire format carries what crosses at each cut, and that a model has one of them only."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from splitsim.csvtable import reason
from splitsim.dnn.graft import BOTTLENECK
from splitsim.dnn.partition import Cut
from splitsim.dnn.wire import Wire
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput

USUAL = "uint8+zstd"


@dataclass(frozen=True)
class Formats:
    """The format at each cut; ``str`` gives those of tensors as a text.

    Attributes:
        tensors: of tensors.
        narrow: of the tensor that crosses the bottleneck, if there is one.
        image: of the pixels at cut 0; None: the pre-processed input goes as a tensor.
    """

    tensors: Wire
    narrow: Wire
    image: Wire | None

    @classmethod
    def of(cls, network: LoadedModel, wire: Wire | None, image: Wire | None) -> Self:
        """Those of a network.

        Args:
            network: its bottleneck may want a format of its own.
            wire: of all tensors; None: the bottleneck's own for it, and the usual one elsewhere.
            image: of the pixels at cut 0, or None.
        """
        usual = Wire.parse(USUAL)
        own = usual if network.wire is None else Wire.parse(network.wire)
        return cls(wire or usual, wire or own, image)

    @classmethod
    def parse(cls, network: LoadedModel, wire: str | None, image: str) -> Self:
        """From texts; ``none`` for no image.

        Raises:
            BadInput: there are no such formats.
        """
        picture = None if image == "none" else Wire.parse(image)
        return cls.of(network, None if wire is None else Wire.parse(wire), picture)

    def at(self, cut: Cut) -> Wire | None:
        """The format at a cut; None at the last, where nothing is sent."""
        if not cut.crossing:
            return None
        if cut.index == 0 and self.image is not None:
            return self.image
        return self.narrow if cut.name == BOTTLENECK else self.tensors

    def __str__(self) -> str:
        narrow = "" if self.narrow == self.tensors else f", {BOTTLENECK} {self.narrow}"
        return f"{self.tensors}{narrow}"

    @property
    def told(self) -> str:
        """What a model table says of them."""
        return f"cut 0: {self.image or self.tensors}; inner cuts: {self}"

    @property
    def texts(self) -> dict[str, str]:
        """As tables keep them: ``wire`` and ``image``."""
        return {"wire": str(self), "image": str(self.image or "none")}


def check_formats(folder: Path, name: str, formats: Formats, but: Path | None = None) -> None:
    """Times and bytes of a model are of one format, whatever was measured of it.

    Args:
        folder: of tables.
        name: of the model.
        formats: of what is to be written.
        but: a file that will be written anew.

    Raises:
        BadInput: a profile or an outcomes table of the model has others.
    """
    problems = [
        f"{path}: was made with {_shown(theirs)}, not {_shown(formats.texts)}: times and bytes of "
        "two formats do not go together; take the same, or call the model another --name"
        for path, theirs in _known(folder, name)
        if path != but and theirs != formats.texts
    ]
    if problems:
        raise BadInput(*problems)


def _known(folder: Path, name: str) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """The formats that a model's tables were made with, where they tell."""
    cards = sorted(folder.glob(f"profiles/{name}@*.toml"))
    files = sorted(folder.glob(f"outcomes/{name}@*.parquet"))
    for path, read in (dict.fromkeys(cards, _card) | dict.fromkeys(files, _about)).items():
        try:
            noted = read(path)
        except (OSError, ValueError) as error:  # what Arrow, JSON and TOML raise, too
            raise BadInput(f"{path}: cannot be read: {reason(error)}") from error
        if {"wire", "image"} <= noted.keys():
            yield path, {key: noted[key] for key in ("wire", "image")}


def _card(path: Path) -> Mapping[str, str]:
    return tomllib.loads(path.read_text())


def _about(path: Path) -> Mapping[str, str]:
    import pyarrow.parquet as pq

    about = json.loads((pq.read_schema(path).metadata or {}).get(b"splitsim", b"{}"))
    found: Mapping[str, str] = about.get("formats") or about.get("plan") or {}
    return found


def _shown(formats: Mapping[str, str]) -> str:
    return f"wire {formats['wire']} and image {formats['image']}"
