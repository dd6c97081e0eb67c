"""A CNN on real images from training to tables: digits written by hand, 8 x 8 pixels.

    python analysis/digits.py            trains, runs the split network, profiles, writes tables

Writes the weights to ``traces/weights/``, the model ``digits-cnn`` (tensors as they are, pixels
without loss) and ``digits-cnn-4bit`` (four bits a number, squeezed) with their outcomes on
``digits-test`` and their profiles on this machine (``x86-1t``: one thread), and ``digits.csv``:
bytes against accuracy for every cut and format, JPEG and WebP of several qualities among them.
Under a minute; training is seeded and on one thread.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import torch
from torch import nn

from splitsim.dnn import profile_tables, tables
from splitsim.dnn.data import Samples, dataset
from splitsim.dnn.outcomes import outcomes
from splitsim.dnn.profile import Plan as ProfilePlan
from splitsim.dnn.profile import profile
from splitsim.dnn.small import SmallCnn
from splitsim.dnn.study import Plan
from splitsim.dnn.wire import Wire
from splitsim.dnn.zoo import load
from splitsim.profiles import Tables

HERE = Path(__file__).parent
TRACES = HERE.parent / "traces"
HARDWARE = "x86-1t"
EPOCHS = 30
BATCH = 50
LOSSES = (0.01, 0.05, 0.1, 0.2, 0.4)
# Tensors and pixels of each model.
FORMATS = {"digits-cnn": ("float32", "uint8"), "digits-cnn-4bit": ("4bit+zstd", "uint8+zstd")}
TENSORS = ("float32", "float16", "uint8+zstd", "4bit+zstd", "2bit+zstd", "1bit+zstd")
IMAGES = ("uint8", "uint8+zstd", "4bit+zstd", "2bit+zstd", "jpeg90", "jpeg50", "jpeg10", "webp50")


def train() -> SmallCnn:
    """The network, trained on the first 1,200 digits, shifted by up to a pixel at random."""
    torch.manual_seed(0)
    samples = dataset("digits-train").take(0, 10**6)
    inputs, labels = _tensors(samples)
    model = SmallCnn()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
    steps = EPOCHS * len(inputs) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-2, total_steps=steps)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(inputs)).split(BATCH):
            loss = nn.functional.cross_entropy(model(_shifted(inputs[chosen])), labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return model.eval()


def _tensors(samples: Samples) -> tuple[torch.Tensor, torch.Tensor]:
    prepare = SmallCnn.preprocessing
    return torch.stack(list(map(prepare, samples.images))), torch.tensor(samples.labels)


def _shifted(inputs: torch.Tensor) -> torch.Tensor:
    down, right = torch.randint(-1, 2, (2,)).tolist()
    return inputs.roll((down, right), (2, 3))


def plan(weights: Path, wire: str, image: str, losses: Sequence[float] = ()) -> Plan:
    return Plan(
        network="small_cnn",
        dataset="digits-test",
        weights=str(weights),
        wire=wire,
        image=image,
        losses=tuple(losses),
    )


def write_profile(weights: Path, out: Path, name: str, wire: str, image: str) -> None:
    """Times on this machine, at the cuts of the model's table."""
    network = load("small_cnn", weights=weights)
    table = str(out / "models" / f"{name}.csv")
    what = ProfilePlan(which=table, wire=Wire.parse(wire), image=Wire.parse(image))
    hardware = Tables().hardware(HARDWARE)
    measured = profile(network, what)
    files = profile_tables.profile_files(name, hardware, network, what, measured, "")
    tables.write(out, files)


def curve(weights: Path, folder: Path, kept: Path) -> Iterator[tuple[str, str, float, float]]:
    """Cut, format, mean bytes and accuracy."""
    ways = [(wire, "none") for wire in TENSORS] + [("float32", image) for image in IMAGES]
    for wire, image in ways:
        path = outcomes(plan(weights, wire, image), folder, "curve", kept=kept)
        for layer, sent, correct in _means(path, folder / "models" / "curve.csv"):
            if (layer == "input") == (image != "none"):
                yield layer, wire if image == "none" else image, sent, correct


def _means(path: Path, model: Path) -> Iterator[tuple[str, float, float]]:
    with model.open(newline="") as file:
        layers = [row["layer"] for row in csv.DictReader(file)]
    rows = pq.read_table(path)
    means = rows.group_by("cut").aggregate([("bytes", "mean"), ("correct", "mean")])
    for at in means.sort_by("cut").to_pylist():
        yield layers[at["cut"]], at["bytes_mean"], at["correct_mean"]


def main() -> None:
    parser = argparse.ArgumentParser(description="A CNN on digits, from training to tables.")
    parser.add_argument("--out", type=Path, default=TRACES, help="folder of tables")
    parser.add_argument("--curve", type=Path, default=HERE / "digits.csv", help="its file")
    given = parser.parse_args()
    torch.set_num_threads(1)
    weights = given.out / "weights" / "digits-cnn.pt"
    weights.parent.mkdir(parents=True, exist_ok=True)
    torch.save(train().state_dict(), weights)
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(scratch) / "cache.sqlite"
        for name, formats in FORMATS.items():
            print(outcomes(plan(weights, *formats, LOSSES), given.out, name, kept=kept))
            write_profile(weights, given.out, name, *formats)
        rows = list(curve(weights, Path(scratch), kept))
    with given.curve.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["cut", "format", "mean_bytes", "accuracy"])
        writer.writerows((*names, f"{sent:.1f}", f"{right:.4f}") for *names, sent, right in rows)
    print(given.curve.read_text(), end="")


if __name__ == "__main__":
    main()
