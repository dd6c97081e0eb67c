"""The energy of a device before a cut, BottleNet's over SpikeBottleNet's, by all assumptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from spikes_bits import spikes_bytes
from spikes_heads import FIRSTS, Head, bottlenet_spec, encoder, spiking_spec

from splitsim.dnn.spikes.counts import Layer
from splitsim.dnn.spikes.energy import Accelerator, accelerator, transmit_j
from splitsim.profiles import Tables, shipped

STEPS = (1, 2, 4, 8, 16)
RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
CLAIMS = (144, 98)  # of the paper, and of an earlier version of it
PRECISIONS = ("float32", "int8")
LINKS: Mapping[str, float | None] = {"none": None, "wifi": 18.88e6, "lte": 5.85e6}  # bits a second
USUAL = {"steps": 4, "rate": 0.2}  # near what the trained network shows


@dataclass(frozen=True)
class Assumptions:
    """What a ratio of energies rests on.

    Attributes:
        spiking: numbers of the spiking network.
        bottlenet: numbers of BottleNet.
        link: over which the message goes; ``none`` leaves sending out.
        first: how the first layer is done (``Head.layers``).
    """

    spiking: str
    bottlenet: str
    link: str
    first: str

    def ratio(self, sweep: pd.DataFrame, *, units: bool = False) -> pd.Series:
        """BottleNet's joules over SpikeBottleNet's, a number per row of the sweep.

        Args:
            sweep: as ``sweep`` gives it.
            units: whether an update of a unit counts as an accumulate.
        """
        own = sweep[f"spiking_{self.spiking}_j"] + sweep[f"spiking_{self.link}_j"]
        updates = sweep[f"units_{self.spiking}_j"] if units else 0.0
        other = sweep[f"bottlenet_{self.bottlenet}_j"] + sweep[f"bottlenet_{self.link}_j"]
        return other / (own + updates)


EVERY = tuple(Assumptions(*each) for each in product(PRECISIONS, PRECISIONS, LINKS, FIRSTS))


def accelerators() -> dict[str, tuple[Accelerator, Accelerator]]:
    """The spiking one and the other for each kind of number; joules published at 45 nm."""
    named = {n: (f"cmos45-spiking-{n}", f"cmos45-{n}") for n in PRECISIONS}
    folders = (shipped(),)
    return {
        n: (accelerator(one, folders), accelerator(other, folders))
        for n, (one, other) in named.items()
    }


def sent_j(sent_bytes: float) -> dict[str, float]:
    """Joules of a message on each link, the radio being awake, at the usual rates."""
    tables = Tables()
    return {
        link: 0.0 if rate is None else transmit_j(tables.radio(link), sent_bytes, rate)
        for link, rate in LINKS.items()
    }


def sweep(
    name: str,
    heads: Sequence[Head],
    bottlenet_bytes: Mapping[str, float],
    steps: Sequence[int] = STEPS,
    rates: Sequence[float] = RATES,
) -> pd.DataFrame:
    """A row per cut, steps, rate of firing and way of doing the first layer.

    Args:
        name: of the network.
        heads: of it.
        bottlenet_bytes: what BottleNet sends at each cut.
        steps: T.
        rates: of firing.
    """
    rows = (
        {"subject": name, "cut": head.cut, "steps": number} | row
        for head, number in product(heads, steps)
        for row in _rows(head, number, rates, bottlenet_bytes[head.cut])
    )
    return pd.DataFrame(rows)


def _rows(
    bare: Head, steps: int, rates: Sequence[float], bottlenet_bytes: float
) -> Iterator[dict[str, float | str]]:
    head, boards = bare.with_encoder(steps), accelerators()
    sent = spikes_bytes((steps * spiking_spec(bare.shape, steps).channels, *bare.shape[1:]))
    updates = Layer("units", 0, float(steps), head.units, rate=1.0).at_rate(1.0, 1)
    macs = bare.macs + encoder(bottlenet_spec(bare.shape), bare.shape)[0]
    dense = Layer("bottlenet", 0, 1.0, macs)
    fixed = {
        "bottlenet_macs": macs,
        "unit_updates": steps * head.units,
        **{f"units_{n}_j": own.layer_j(updates) for n, (own, _) in boards.items()},
        **{f"bottlenet_{n}_j": other.layer_j(dense) for n, (_, other) in boards.items()},
        **{f"spiking_{link}_j": joules for link, joules in sent_j(sent).items()},
        **{f"bottlenet_{link}_j": joules for link, joules in sent_j(bottlenet_bytes).items()},
    }
    for rate, first in product(rates, FIRSTS):
        layers = head.layers(rate, steps, first)
        done = {
            "macs": sum(layer.macs for layer in layers),
            "acs": sum(layer.acs for layer in layers),
            **{f"spiking_{n}_j": own.energy_j(layers) for n, (own, _) in boards.items()},
        }
        yield {"rate": rate, "first": first, **done, **fixed}


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per set of assumptions: how far it comes, where, and how much of the sweep with it."""
    return pd.DataFrame([_summed(each, rows[rows["first"] == each.first]) for each in EVERY])


def _summed(each: Assumptions, rows: pd.DataFrame) -> dict[str, float | str]:
    ratio, counted = each.ratio(rows), each.ratio(rows, units=True)
    best = rows.loc[ratio.idxmax()]
    usual = ratio[(rows.steps == USUAL["steps"]) & np.isclose(rows.rate, USUAL["rate"])]
    return {
        **vars(each),
        "best": ratio.max(),
        **{key: best[key] for key in ("subject", "cut", "steps", "rate")},
        "with_units": counted.max(),
        "usual_least": usual.min(),
        "usual_most": usual.max(),
        "points": len(rows),
        **{key: value for claim in CLAIMS for key, value in _reached(claim, ratio, rows).items()},
    }


def _reached(claim: int, ratio: pd.Series, rows: pd.DataFrame) -> dict[str, float]:
    """At how many points, up to how many spikes a unit, and by which factor it is missed."""
    there = rows[ratio >= claim]
    return {
        f"reach_{claim}": len(there),
        f"spikes_{claim}": (there.steps * there.rate).max() if len(there) else np.nan,
        f"missed_{claim}": max(1.0, claim / ratio.max()),
    }
