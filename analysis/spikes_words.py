"""What the study of spikes found, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

import pandas as pd
from spikes_claims import FAIR, MIXED, NUMBERS, SENT, energy, limits, span, where
from spikes_energy import CLAIMS, USUAL
from spikes_heads import COMPRESSION, Head
from spikes_trained import Trained

LEFT_OUT = (
    "Left out on both sides: memory traffic, which often takes more than the arithmetic; norms, "
    "pools and additions; static power, of which a device that works for T ticks through all "
    "layers has its share; the decoder and the server. An update of a unit (its leak needs a "
    "multiplication, too) is left out of the ratios but where they say so; it is counted there "
    "as an accumulate. The energies are of a 45 nm process: published, of single operations."
)
OURS = (
    "The paper's networks, cuts, steps, rates and its BottleNet are not public: what is swept is "
    "ours, nothing was tuned, and a region that reaches a figure does not show that the paper was "
    "there. Encoders are ours (1x1 for spikes, 3x3 for BottleNet's, with 64 times fewer channels "
    "there and as many bits in both before the JPEG). Rates are one for all layers; a rate is no "
    "property that can be chosen, and accuracy is no part of this: at the lowest rates nobody has "
    "shown that the networks still answer. ResNet-50 and MobileNet have random weights: "
    "BottleNet's bytes of an untrained network for a made-up picture stand in the sweep; those of "
    "a trained one lie between the least and the most in spikes_bits.csv, and no figure of "
    "computing alone depends on them."
)


@dataclass(frozen=True)
class Found:
    """What the study found: its heads by network, its tables, its trained network."""

    heads: Mapping[str, Sequence[Head]]
    bits: pd.DataFrame
    reaching: pd.DataFrame
    sweep: pd.DataFrame
    sets: pd.DataFrame
    trained: Trained


def report(found: Found) -> str:
    """Everything in words."""
    parts = (
        finding(found),
        bits(found),
        energy(found.sets, found.sweep, found.heads),
        exact(found.trained),
        [OURS, LEFT_OUT],
    )
    paragraphs = [one for part in parts for one in part]
    return "\n\n".join(one if "\n" in one else fill(one, 100) for one in paragraphs)


def finding(found: Found) -> Iterator[str]:
    """All of it in short."""
    spikes = found.trained.rate * found.trained.counts.steps
    seen = "an untrained" if found.trained.top1 is None else "a trained"
    yield (
        f"FOUND. {COMPRESSION}x fewer bits: reached, by counting the tensor as float32. "
        f"{CLAIMS[0]}x less energy, computing alone, numbers of one kind in both, the input shown "
        f"as it is: {where(found.sweep, FAIR)}; {seen} network shows {spikes:.2g} spikes per "
        f"number and sample. 8-bit spikes against a float BottleNet: {where(found.sweep, MIXED)}. "
        f"With the message sent, whatever else is taken: {where(found.sweep, SENT)}."
    )


def bits(found: Found) -> Iterator[str]:
    """Of the configurations with the paper's compression at the last convolutional stage."""
    yield f"BITS. The paper: up to {COMPRESSION}x in the last convolutional layer."
    yield "\n".join(bit_lines(found))
    for name, own in found.reaching.groupby("subject", sort=False):
        yield _configurations(str(name), own)
    same = found.bits[found.bits.bit_compression == COMPRESSION]
    alike = same[same["shape"].str.split("x").str[0].astype(int) % 64 == 0]
    yield (
        f"{COMPRESSION}x is arithmetic: it is there whenever T Cb Hb Wb = C H W / 8, at "
        f"{len(same.groupby(['subject', 'cut']))} of the {sum(map(len, found.heads.values()))} "
        "cuts and not only at the last. It counts the tensor as float32, which nobody sends: "
        f"against 8 bits a number the same messages are {span(same.against_uint8)} times smaller. "
        f"BottleNet++ states the same {COMPRESSION}x for 64 times fewer channels of 8 bits, and "
        "BottleNet's maps of as many bits are squeezed by JPEG as well: it sends "
        f"{span(1 / alike.against_bottlenet)} times fewer bytes than the packed spikes (maps of "
        "an untrained network; where the channels can be divided by 64), and of noise still "
        f"{span(alike.message_bytes / alike.bottlenet_most_bytes)} times fewer. Squeezed by zstd, "
        f"spikes that are independent of each other take {_zstd(same)} of their packed bytes."
    )


def bit_lines(found: Found) -> Iterator[str]:
    """A line for each network at its last cut, with the paper's compression."""
    yield (
        f"{'last stage, T = 4':22}{'tensor':>11}{'formula':>9}{'message':>9}  as sent against "
        "float32, 8 bits, BottleNet's JPEG, input's JPEG"
    )
    for name, own in found.heads.items():
        rows = found.bits[(found.bits.subject == name) & (found.bits.cut == own[-1].cut)]
        row = rows[(rows.bit_compression == COMPRESSION) & (rows.spatial == 1)]
        one = row[row.steps == USUAL["steps"]].iloc[0]
        yield (
            f"{name:22}{one['shape']:>11}{one.bit_compression:8.0f}x{one.message_bytes:7.0f} B  "
            f"{one.sent_compression:.1f}x  {one.against_uint8:.1f}x  {one.against_bottlenet:.2f}x  "
            f"{one.against_jpeg:.1f}x"
        )


def _configurations(name: str, own: pd.DataFrame) -> str:
    sizes = [
        f"{side} x {side}: "
        + ", ".join(f"T={row.steps} Cb={row.channels}" for row in each.itertuples())
        for side, each in own.groupby("side", sort=False)
    ]
    return f"Exactly {COMPRESSION}x for {name} ({own['shape'].iloc[0]}) with maps of " + "; ".join(
        sizes
    )


def _zstd(rows: pd.DataFrame) -> str:
    names = [name for name in rows if name.startswith("zstd_")]
    shares = ((name.split("_")[1], rows[name] / rows.message_bytes) for name in names)
    return ", ".join(f"{span(share)} (rate {float(rate):g})" for rate, share in shares)


def exact(trained: Trained) -> Iterator[str]:
    """What the estimate is worth, and how far measured spikes are from the paper's energy."""
    rows = trained.layers.dropna(subset="rate")
    rows = rows[rows.acs > 0]
    right = "not trained" if trained.top1 is None else f"trained here, {trained.top1:.1%} right"
    spikes = trained.rate * trained.counts.steps
    yield (
        f"SPIKES, counted (a small ResNet on digits, T = {trained.counts.steps}, {right}; "
        f"{trained.counts.samples} samples): measured rates {span(rows.rate)} by layer, "
        f"{trained.rate:.3f} before the cut, so {spikes:.2g} spikes per number and sample. "
        f"Accumulates alone would come to {CLAIMS[0]}x with "
        + " and ".join(f"{each:.3g} ({NUMBERS[n]})" for n, each in rarer(spikes).items())
        + " times fewer."
    )
    yield "\n".join(layer_lines(rows))
    yield (
        "The usual estimate, rate x steps x multiply-accumulates, over the exact accumulates: "
        f"{span(rows.estimate_over_exact)}. Padding makes {span(rows.padding)} of it (the "
        "multiply-accumulates of a layer include those with its padding), uneven spikes "
        f"{span(rows.spread)}. A 3x3 convolution on n x n has (3n / (3n - 2))^2 from padding: "
        f"{_padded(2):.3f} at n = 2, {_padded(7):.3f} at 7, {_padded(56):.3f} at 56. Maps of "
        "digits are small, so much of this is theirs. BottleNet is charged for padding as well."
    )
    told = "; ".join(
        f"{NUMBERS[n]} {own:.2f} by counted spikes, {layers:.2f} by the estimate per layer, "
        f"{one:.2f} by one rate for all"
        for n, (own, layers, one) in trained.ratios().items()
    )
    yield (
        f"BottleNet's energy over its own before the cut, in the same network, computing alone, "
        f"first layer at each step: {told}."
    )


def rarer(spikes: float) -> dict[str, float]:
    """How many times fewer spikes the paper's ratio needs if all is accumulates."""
    return {n: spikes * CLAIMS[0] / limit for n, limit in limits().items()}


def _padded(side: int) -> float:
    return (3 * side / (3 * side - 2)) ** 2


def layer_lines(rows: pd.DataFrame) -> Iterator[str]:
    """A line per layer that sees spikes."""
    names = f"{'exact':>11}{'estimate':>11}{'over':>8}{'padding':>9}{'spread':>8}"
    yield f"{'layer':18}{'rate':>8}{names}"
    for row in rows.itertuples():
        yield (
            f"{row.layer:18}{row.rate:8.4f}{row.acs:11.0f}{row.estimated_acs:11.0f}"
            f"{row.estimate_over_exact:8.3f}{row.padding:9.3f}{row.spread:8.3f}"
        )
