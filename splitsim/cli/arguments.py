"""What several commands about real networks take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Network = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="Network of the zoo, a network file (.yaml), or module:callable."
    ),
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder of tables; a scenario names it.")]
ModelName = Annotated[
    str | None, typer.Option(metavar="NAME", help="What to call the model; by default MODEL.")
]
Weights = Annotated[
    str | None, typer.Option(metavar="FILE", help="State dict, or torchvision's name of weights.")
]
Classes = Annotated[int | None, typer.Option(metavar="N", help="How many answers there are.")]
Shape = Annotated[
    str | None, typer.Option(metavar="CxHxW", help="Of the input; by default the network's own.")
]
TensorFormat = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT", help="Of tensors; by default the bottleneck's own, else uint8+zstd."
    ),
]
ImageFormat = Annotated[
    str,
    typer.Option(metavar="FORMAT", help="Of the image at cut 0; none sends a tensor."),
]


def model_name(network: str) -> str:
    """What a network's model is called: as its function, or its file."""
    path = Path(network)
    return path.stem if path.suffix in (".yaml", ".yml") else network.rpartition(":")[2]
