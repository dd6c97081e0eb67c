"""Tables of the study's networks of seed 0 for scenarios, made by splitsim's own commands.

Weights are rounded to half precision first, which halves their files: what is run and timed is the
rounded network.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from methods_plan import SUBJECTS, TEACHER, Job, Rates
from methods_train import folder_of

LOSSES = "0.01,0.05,0.1,0.2,0.4"
SNRS_DB = "-5,0,5,10,15,20"
NEURAL = ("cmos45-float32", "cmos45-int8")
SPIKING = ("cmos45-spiking-float32", "cmos45-spiking-int8")
Group = tuple[str, str]


@dataclass(frozen=True)
class Table:
    """What is made of a network.

    Attributes:
        name: of the model.
        subject: the name of what was trained; None is the teacher.
        options: of ``splitsim outcomes``.
        accelerators: on which its operations are counted.
    """

    name: str
    subject: str | None
    options: tuple[str, ...] = ("--loss", LOSSES)
    accelerators: tuple[str, ...] = ()


TABLES = (
    Table("digits-resnet", None, ("--wire", "uint8", "--loss", LOSSES), NEURAL),
    Table("digits-bottlefit4", "bottlefit4-two-stage", accelerators=NEURAL),
    Table("digits-autoencoder4", "autoencoder4-two-stage"),
    Table("digits-bottlenet", "bottlenet-cross-entropy", accelerators=NEURAL),
    Table("digits-bottlenetpp", "bottlenetpp-cross-entropy"),
    Table(
        "digits-bottlenetpp-awgn",
        "bottlenetpp-awgn-cross-entropy",
        (f"--snr={SNRS_DB}", "--loss", LOSSES),
    ),
    Table("digits-spikebottlenet", "spikebottlenet-cross-entropy", accelerators=SPIKING),
    Table("digits-spinn", "spinn-exits", ("--wire", "uint8", "--loss", LOSSES)),
)


def ship(work: Path, rates: dict[Group, Rates], out: Path) -> None:
    """Weights, network files, and tables by ``splitsim outcomes``, ``profile`` and ``count``."""
    with tempfile.TemporaryDirectory() as scratch:
        for table in TABLES:
            place(table, _job(table, rates), work, out)
            for command in commands(table, out, Path(scratch) / "cache.sqlite"):
                print("splitsim", *command, flush=True)
                subprocess.run([sys.executable, "-m", "splitsim", *command], check=True)


def _job(table: Table, rates: dict[Group, Rates]) -> Job:
    if table.subject is None:
        return Job(TEACHER, 0)
    subject = next(one for one in SUBJECTS if one.name == table.subject)
    return Job(subject, 0, rates[subject.group])


def place(table: Table, job: Job, work: Path, out: Path) -> None:
    """Copies weights, rounded, and the network file, by the name of the tables."""
    trained = folder_of(work, job)
    for name in ("weights", "networks"):
        (out / name).mkdir(parents=True, exist_ok=True)
    state = torch.load(trained / "weights" / f"{job.name}.pt", weights_only=True)
    half = {
        key: value.half() if value.is_floating_point() else value for key, value in state.items()
    }
    torch.save(half, out / "weights" / f"{table.name}.pt")
    text = (trained / "networks" / f"{job.name}.yaml").read_text(encoding="utf-8")
    told = text.replace(f"{job.name}.pt", f"{table.name}.pt")
    (out / "networks" / f"{table.name}.yaml").write_text(told, encoding="utf-8")


def commands(table: Table, out: Path, cache: Path) -> Iterator[list[str]]:
    """What makes the tables of a network."""
    network = str(out / "networks" / f"{table.name}.yaml")
    weights = ["--weights", str(out / "weights" / f"{table.name}.pt")]
    common, image = [network, *weights, "--out", str(out)], ["--image", "uint8"]
    data = ["--dataset", "digits-test"]
    yield ["outcomes", *common, *data, *image, *table.options, "--cache", str(cache)]
    wire = [*table.options[:2]] if "--wire" in table.options else []
    yield ["profile", *common, "--hardware", "x86-1t", *image, *wire]
    for accelerator in table.accelerators:
        yield ["count", *common, *data, "--hardware", accelerator]
