"""Which assumptions reach the paper's ratio of energies, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from spikes_energy import CLAIMS, EVERY, FIRSTS, USUAL, Assumptions, accelerators
from spikes_heads import Head

NEW, OLD = CLAIMS
NUMBERS = {"float32": "float", "int8": "8-bit"}
FIRST = {"steps": "at each step", "once": "once", "spikes": "shown spikes"}
ALONE = [each for each in EVERY if each.link == "none"]
SENT = [each for each in EVERY if each.link != "none"]
FAIR = [each for each in ALONE if each.spiking == each.bottlenet and each.first != "spikes"]
MIXED = [
    each
    for each in ALONE
    if (each.spiking, each.bottlenet) == ("int8", "float32") and each.first != "spikes"
]
ALIKE = [each for each in ALONE if each.spiking == each.bottlenet]


def energy(
    sets: pd.DataFrame, sweep: pd.DataFrame, heads: Mapping[str, Sequence[Head]]
) -> Iterator[str]:
    """Which sets of assumptions reach the figures, and what stops the others."""
    yield (
        "ENERGY of the device before the cut, BottleNet's over SpikeBottleNet's. The paper: up to "
        f"{NEW}x (an earlier version: {OLD}x)."
    )
    yield "\n".join(set_lines(sets))
    yield _verdict(sets[sets.link == "none"], "Computing alone")
    yield _verdict(sets[sets.link != "none"], "With the message sent")
    yield "\n".join(network_lines(sweep))
    yield _fair(sets[sets.link == "none"])
    yield _spikes()
    yield _cap(heads)
    yield _sent(sweep)
    yield _units(sweep)
    yield _unlike(heads)


def where(sweep: pd.DataFrame, sets: Sequence[Assumptions]) -> str:
    """Which networks come to the newer figure under any of some sets of assumptions."""
    ratios = [(each, sweep[sweep["first"] == each.first]) for each in sets]
    best = pd.concat([rows.assign(ratio=each.ratio(rows)) for each, rows in ratios])
    told = (f"{name} {_comes(rows)}" for name, rows in best.groupby("subject", sort=False))
    return ", ".join(told)


def _comes(rows: pd.DataFrame) -> str:
    there = rows[rows.ratio >= NEW]
    if there.empty:
        return f"never ({NEW / rows.ratio.max():.3g} times short)"
    return f"up to T x rate = {(there.steps * there.rate).max():.2g}"


def set_lines(sets: pd.DataFrame) -> Iterator[str]:
    """A line per set of assumptions."""
    usual = f"at T={USUAL['steps']}, rate {USUAL['rate']}"
    yield (
        f"{'spiking  BottleNet  sent  first layer':40}{'most':>7}  {'where':31}{'with units':>10}  "
        f"{usual:>18}    {NEW}x at points, up to T x rate | {OLD}x"
    )
    for row in sets.itertuples():
        own = f"{NUMBERS[row.spiking]:9}{NUMBERS[row.bottlenet]:11}{row.link:6}{FIRST[row.first]}"
        at = f"{row.subject} {row.cut} T={row.steps} {row.rate:g}"
        between = f"{row.usual_least:.2f} to {row.usual_most:.2f}"
        claims = " | ".join(_reach(row, claim) for claim in CLAIMS)
        yield f"{own:40}{row.best:7.4g}  {at:31}{row.with_units:10.4g}  {between:>18}    {claims}"


def _reach(row: Any, claim: int) -> str:
    count = getattr(row, f"reach_{claim}")
    if not count:
        return f"{getattr(row, f'missed_{claim}'):.3g} times short"
    return f"{count} of {row.points}, {getattr(row, f'spikes_{claim}'):.2g}"


def _verdict(sets: pd.DataFrame, what: str) -> str:
    new, old = ((sets[f"reach_{claim}"] > 0).sum() for claim in CLAIMS)
    missing = sets[sets[f"reach_{NEW}"] == 0]
    missed = (
        f"; the others are {span(missing[f'missed_{NEW}'])} times short" if len(missing) else ""
    )
    kinds = sets.groupby(["spiking", "bottlenet"], sort=False)
    told = "; ".join(_kind(*numbers, rows) for numbers, rows in kinds)
    return (
        f"{what}: {new} of {len(sets)} sets of assumptions reach {NEW}x somewhere in the sweep, "
        f"{old} reach {OLD}x{missed}. By the numbers of both: {told}."
    )


def _kind(spiking: str, bottlenet: str, rows: pd.DataFrame) -> str:
    name = f"{NUMBERS[spiking]} spikes against {NUMBERS[bottlenet]}"
    points, all_points = rows[f"reach_{NEW}"].sum(), rows.points.sum()
    if not points:
        return f"{name}: nowhere ({span(rows[f'missed_{NEW}'])} times short)"
    limit = f"T x rate {rows[f'spikes_{NEW}'].max():.2g}"
    return f"{name}: at {points} of {all_points} points, up to {limit}"


def network_lines(sweep: pd.DataFrame) -> Iterator[str]:
    """A line per network and set with numbers of one kind, computing alone."""
    yield f"computing alone, by network: most; {NEW}x at points, up to T x rate, T | {OLD}x"
    for each in ALIKE:
        own = sweep[sweep["first"] == each.first]
        yield f"{NUMBERS[each.spiking]} both, first layer {FIRST[each.first]}"
        for name, rows in own.groupby("subject", sort=False):
            ratio = each.ratio(rows)
            claims = " | ".join(_region(claim, ratio, rows) for claim in CLAIMS)
            yield f"    {name:14}{ratio.max():7.4g}; {claims}"


def _region(claim: int, ratio: pd.Series, rows: pd.DataFrame) -> str:
    there = rows[ratio >= claim]
    if there.empty:
        return f"{claim / ratio.max():.3g} times short"
    spikes = (there.steps * there.rate).max()
    return f"{len(there)} of {len(rows)}, {spikes:.2g}, T to {there.steps.max()}"


def _fair(sets: pd.DataFrame) -> str:
    """What the kind of numbers does."""
    kinds = sets.groupby(["spiking", "bottlenet"], sort=False)
    ends = kinds.agg({"usual_least": "min", "usual_most": "max"})
    told = "; ".join(
        f"{NUMBERS[spiking]} spikes against {NUMBERS[other]} {row.usual_least:.3g} to "
        f"{row.usual_most:.3g}"
        for (spiking, other), row in ends.iterrows()
    )
    return (
        "Spikes of 8 bits against a float baseline mix the gain of spikes with that of small "
        f"numbers, which BottleNet can have as well. At T = {USUAL['steps']} and rate "
        f"{USUAL['rate']}, computing alone, over all networks, cuts and ways of the first layer: "
        f"{told}."
    )


def limits() -> dict[str, float]:
    """The energy of a multiply-accumulate over that of an accumulate, by the kind of number."""
    return {n: other.mac_j / (own.ac_j or 1) for n, (own, other) in accelerators().items()}


def _spikes() -> str:
    """How few spikes the figure needs if nothing but accumulates is counted."""
    told = "; ".join(
        f"{NUMBERS[n]} {limit:.3g} / {NEW} = {limit / NEW:.2g}" for n, limit in limits().items()
    )
    return (
        "Were there nothing but accumulates, the ratio would be the energy of a "
        f"multiply-accumulate over that of an accumulate, over rate x steps; so {NEW}x needs at "
        f"most this many spikes per number and sample: {told} (a little more where the encoder "
        "assumed for BottleNet is a large part of its head)."
    )


def _cap(heads: Mapping[str, Sequence[Head]]) -> str:
    """What caps the ratio: the layers that see no spikes."""
    told = "; ".join(
        f"{name} {span(pd.Series([analogue_cap(head) for head in own]))}"
        for name, own in heads.items()
    )
    return (
        "A layer that sees no spikes multiplies, at every step if the input is shown at each. "
        "With numbers of one kind this caps the ratio at all multiply-accumulates over those of "
        f"such layers, over T; by cut, at T = 1: {told}. In ResNet-50 and MobileNetV1 such a layer "
        "is the first convolution alone, of which few multiply-accumulates are at 32 x 32. "
        "MobileNetV2 has no units behind its narrow convolutions (they have no ReLU), so half of "
        "its work sees no spikes, and it gains little however rarely its units fire; units put "
        "there would make another network."
    )


def analogue_cap(head: Head) -> float:
    """All multiply-accumulates of a head over those of layers that see no spikes."""
    return head.macs / sum(layer.macs for layer in head.counts.layers)


def _sent(sweep: pd.DataFrame) -> str:
    """How much of the joules is sending."""
    own = _usual(sweep[sweep["first"] == FIRSTS[0]])
    shares = (
        f"{link} {span(100 * own[f'spiking_{link}_j'] / whole)} %"
        for link in ("wifi", "lte")
        for whole in [own[f"spiking_{link}_j"] + own.spiking_float32_j]
    )
    fewer = own.spiking_wifi_j / own.bottlenet_wifi_j
    return (
        f"Sending is most of what is left: at T = {USUAL['steps']} and rate {USUAL['rate']}, of "
        f"SpikeBottleNet's joules (float) {', '.join(shares)}, though the radio is taken to be "
        "awake already and LTE's tail is left out. It sends a message of packed bits that takes "
        f"{span(fewer)} times the joules of BottleNet's JPEG (untrained maps), so what computing "
        "gains is lost there."
    )


def _units(sweep: pd.DataFrame) -> str:
    """What updates of units would add."""
    rows = sweep[sweep["first"] == FIRSTS[0]]
    low = rows[(rows.steps == rows.steps.min()) & (rows.rate == rows.rate.min())]
    usual, most = (
        100 * each.units_float32_j / each.spiking_float32_j for each in (_usual(rows), low)
    )
    return (
        "Updates of units, as an accumulate each, would add to the joules of computing (float, "
        f"first layer at each step) {span(usual)} % at that point, and {span(most)} % at "
        f"T = {low.steps.iloc[0]} and rate {low.rate.iloc[0]:g}: most where the ratio is highest."
    )


def _unlike(heads: Mapping[str, Sequence[Head]]) -> str:
    told = "; ".join(f"{name} {own[-1].macs / own[0].macs:.3g}" for name, own in heads.items())
    return (
        "All ratios are of one cut for both. Spikes at the first cut against BottleNet at the last "
        f"would multiply them by about another {told}: not a comparison of methods, not swept."
    )


def _usual(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows.steps == USUAL["steps"]) & (rows.rate == USUAL["rate"])]


def span(values: pd.Series) -> str:
    """From the least to the most."""
    low, high = f"{values.min():.3g}", f"{values.max():.3g}"
    return low if low == high else f"{low} to {high}"
