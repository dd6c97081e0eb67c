"""Tables of measured networks, written as the simulator reads them: whole, or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from splitsim.dnn.partition import Cut
from splitsim.errors import BadInput

MODEL = (
    *("cut", "layer", "macs", "params", "output_shape", "tensor_bytes", "wire_bytes"),
    *("head_bytes", "tail_bytes"),
)
BRANCH = ("exit_macs", "exit_params")  # only of networks with exits
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")  # of a model or a hardware: a part of file names


class Memory(NamedTuple):
    """Bytes that weights and activations take before a cut, and after it."""

    head_bytes: int
    tail_bytes: int


class Counts(NamedTuple):
    """Multiply-accumulates and parameters of the branch of an exit."""

    macs: int
    params: int


def model_files(
    name: str,
    cuts: Sequence[Cut],
    wire_bytes: Sequence[float],
    card: Mapping[str, object],
    memory: Sequence[Memory],
    exits: Mapping[int, Counts],
) -> dict[str, bytes]:
    """``models/<name>.csv`` and ``.toml``, by their paths below the tables' folder.

    Args:
        name: of the model.
        cuts: numbered 0 to L.
        wire_bytes: of the message at each cut, 0 at the last.
        card: the TOML's keys; ``answer_bytes`` and ``top1`` must be among them.
        memory: what each side needs at each cut.
        exits: what the branch at a cut costs, by the cut's number; empty without exits.
    """
    rows = [
        [
            *(cut.index, cut.name, cut.macs, cut.params, shape_text(cut), cut.tensor_bytes),
            *(f"{sent:.12g}", *sides, *(exits.get(cut.index, ("", "")) if exits else ())),
        ]
        for cut, sent, sides in zip(cuts, wire_bytes, memory, strict=True)
    ]
    table = as_csv((*MODEL, *(BRANCH if exits else ())), rows)
    return {f"models/{name}.csv": table, f"models/{name}.toml": as_toml(card)}


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files, each whole; names appear only after the text of all is on the disk.

    Args:
        folder: of the tables; made if it is not there.
        files: their content by their paths below it.

    Raises:
        BadInput: they cannot be written there.
    """
    parts = {folder / name: (folder / name).with_name(f".{Path(name).name}.part") for name in files}
    try:
        for (path, part), content in zip(parts.items(), files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
        for path, part in parts.items():
            os.replace(part, path)  # noqa: PTH105 - Path.replace says the same in fewer words
    except OSError as error:
        raise BadInput(f"{folder}: cannot be written: {error.strerror}") from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def check_name(option: str, name: str) -> list[str]:
    """A problem if a name cannot be a part of file names."""
    if NAME.fullmatch(name):
        return []
    return [f"{option}: must be letters, digits, and . _ + -, not {name!r}"]


def shape_text(cut: Cut) -> str:
    """Shapes of what crosses, without the batch dimension: ``64x7x7``, several with a plus."""
    return "+".join("x".join(map(str, shape[1:] or shape)) for shape in cut.shapes)


def as_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def as_toml(card: Mapping[str, object]) -> bytes:
    """Flat TOML; its strings and numbers are written like JSON's."""
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in card.items())
    return "".join(lines).encode()
