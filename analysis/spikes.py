"""SpikeBottleNet's headline: 256 times fewer bits, and 144 times less energy than BottleNet.

Which assumptions reach them (arXiv 2410.08673; an earlier version said 98 instead of 144)? The
paper's networks, steps, decay, threshold and rates are not public, so nothing is tuned: all is
swept, and the part of the sweep that comes there is told. ResNet-50 for images of 224 x 224 and
of 32 x 32 (its first convolution 3x3 and no pool, as BottleNet++ has it for CIFAR-100), MobileNetV1
and V2; cut at the ends of their stages; 1 to 16 time steps; units that fire at 1 % to 50 % of them.

- *Bits*: by the formula 32 C H W / (T Cb Hb Wb), and of whole messages, against the tensor as
  float32 and as 8 bits, against BottleNet's coded maps and against the image as JPEG.
- *Energy* of the device before the cut: multiply-accumulates and accumulates of the real networks,
  counted on the meta device, by published energies at 45 nm; with numbers of 32-bit floats or
  8-bit integers in either network; computing alone, or with the message sent over WiFi or LTE; the
  first layer at each step, or once, or shown spikes. Spikes by rate x steps x multiply-accumulates.
- *Spikes* of a network that is trained here on real images (digits of 8 x 8 pixels): what each
  layer adds exactly, beside that estimate.

    python analysis/spikes.py                 prints, writes spikes.txt and the tables spikes_*.csv,
                                              which spikes_picture.py draws; some minutes
    python analysis/spikes.py --quick         one network, few points, untrained; writes nothing
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from spikes_bits import coded_bytes, compressions, reaching
from spikes_energy import RATES, STEPS, summary, sweep
from spikes_heads import SUBJECTS, heads
from spikes_trained import trained
from spikes_words import Found, report

HERE = Path(__file__).parent
QUICK = ("resnet50-32",), (1, 4), (0.01, 0.2)


def study(*, quick: bool) -> Found:
    """All of it."""
    names, steps, rates = QUICK if quick else ([each.name for each in SUBJECTS], STEPS, RATES)
    pairs = [(each, heads(each)) for each in SUBJECTS if each.name in names]
    bits, points = [], []
    for subject, own in pairs:
        coded = coded_bytes(subject, own)
        sent = coded.set_index("cut").bottlenet_bytes.to_dict()
        bits.append(compressions(subject, own, coded, steps))
        points.append(sweep(subject.name, own, sent, steps, rates))
    rows = pd.concat(points, ignore_index=True)
    return Found(
        heads={subject.name: own for subject, own in pairs},
        bits=pd.concat(bits, ignore_index=True),
        reaching=reaching(pairs),
        sweep=rows,
        sets=summary(rows),
        trained=trained(quick=quick),
    )


def write(name: str, rows: pd.DataFrame) -> None:
    """A table beside this script."""
    rows.to_csv(HERE / name, index=False, float_format="%.6g", lineterminator="\n")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Bits and joules of spikes, beside the paper.")
    parser.add_argument("--quick", action="store_true", help="a small sweep; write nothing")
    quick = parser.parse_args(arguments).quick
    torch.set_num_threads(1)
    found = study(quick=quick)
    text = report(found)
    print(text)
    if not quick:
        write("spikes_bits.csv", found.bits)
        write("spikes_256.csv", found.reaching)
        write("spikes_sweep.csv", found.sweep)
        write("spikes_sets.csv", found.sets)
        write("spikes_layers.csv", found.trained.layers)
        (HERE / "spikes.txt").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
