"""The paper's "up to" figures, and in words what a sweep says of them.

Matsubara et al., BottleFit, WoWMoM 2022 (arXiv 2201.02693).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill
from typing import NamedTuple

import pandas as pd
from bottlefit_sweep import BOARDS, NETWORKS, SERVER
from tables.students import models

from splitsim.entries import Profile
from splitsim.profiles import Tables

COMPRESSION, SMALLER_HEAD = 0.771, 83
BEYOND = 0.8  # of all points: a maximum that so many exceed is none
CLOSEST = 12  # channels: of those swept, the compression closest to the paper's
OWN, OTHER = f"-bottlefit{CLOSEST}", f"-autoencoder{CLOSEST}"
NAMES = {
    "jetson-nano": "Jetson Nano",
    "raspberry-pi-4": "Raspberry Pi 4",
    "resnet152": "ResNet-152",
    "densenet169": "DenseNet-169",
    "densenet201": "DenseNet-201",
    "local": "local computing",
    "offload": "sending JPEGs",
    "autoencoder": "the autoencoder",
    "latency_s": "latency",
    "power_w": "average power",
    "energy_j": "energy per frame",
}
OPEN = (
    "What the tables leave open: no time of a student is published, all are scaled; on the "
    "Raspberry Pi 4 they come from batches of 32. Pre-processing is that of another board. The "
    "autoencoder's decoder is only bounded. The watts of a board are those of other runs than its "
    "times; where the paper metered power, with what radio and in which run its maxima were "
    "found, is not known here. If its power is energy per frame, the lines on energy are the ones "
    "to compare."
)


class Claim(NamedTuple):
    """Up to how much is saved, on which boards."""

    against: str
    metric: str
    most: float
    boards: Sequence[str]


NANO, PI = ("jetson-nano",), ("raspberry-pi-4",)
CLAIMS = (
    Claim("local", "latency_s", 0.89, NANO + PI),
    Claim("local", "power_w", 0.49, NANO + PI),
    Claim("offload", "latency_s", 0.55, NANO + PI),
    Claim("offload", "power_w", 0.37, NANO + PI),
    Claim("autoencoder", "latency_s", 0.44, NANO),
    Claim("autoencoder", "power_w", 0.54, NANO),
    Claim("autoencoder", "latency_s", 0.62, PI),
    Claim("autoencoder", "power_w", 0.40, PI),
)


def claimed(board: str, against: str, metric: str) -> float | None:
    """What the paper claims there, if it does."""
    asked = (against, metric)
    return next(
        (c.most for c in CLAIMS if (c.against, c.metric) == asked and board in c.boards), None
    )


def report(frames: pd.DataFrame, saved: pd.DataFrame, found: pd.DataFrame) -> str:
    """Everything in words: the table of ranges, the verdicts, and what is open.

    Args:
        frames: what each costs; a row per point, shift and policy.
        saved: a row per point, shift and comparison.
        found: its ranges.
    """
    said = [*table(found), "", *counted(), ""]
    said += [fill(text, 100) for text in verdicts(saved)]
    paragraphs = [energies(found, board) for board in BOARDS]
    paragraphs += [bound(frames, board) for board in BOARDS]
    paragraphs += [*(resting(board) for board in BOARDS), serving(), OPEN]
    return "\n".join([*said, "", *(f"{fill(text, 100)}\n" for text in paragraphs)])


def table(found: pd.DataFrame) -> Iterator[str]:
    """Savings in percent: the range, its bands, and the claim."""
    yield "saved, %: least to most over rates, links and networks (5 to 95 % over shifts of tables)"
    for row in found.itertuples():
        claim = claimed(row.board, row.against, row.metric)
        least, most = (
            f"{100 * getattr(row, end):6.1f} ({100 * getattr(row, f'{end}_low'):6.1f} to "
            f"{100 * getattr(row, f'{end}_high'):6.1f})"
            for end in ("least", "most")
        )
        beside = "" if claim is None else f"   paper: up to {100 * claim:.0f}"
        what = f"{row.board:15}{row.against:12}{row.metric:10}{row.channels:3} ch"
        yield f"{what} {least}  to {most}{beside}"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def verdicts(saved: pd.DataFrame) -> Iterator[str]:
    """Which claims are reached on some board, then each with its boards."""
    nominal = saved[saved["shift"] == 0]
    missed = [
        f"{NAMES[c.metric]} against {NAMES[c.against]} ({' and '.join(NAMES[b] for b in c.boards)})"
        for c in CLAIMS
        if not any((of(nominal, c, board).saving >= c.most).any() for board in c.boards)
    ]
    reached = f"{len(CLAIMS) - len(missed)} of {len(CLAIMS)} figures of the paper are reached"
    yield f"{reached}; {', '.join(missed)}: not." if missed else f"{reached}."
    for claim in CLAIMS:
        intro = f"{NAMES[claim.metric].capitalize()} against {NAMES[claim.against]}, up to"
        boards = (verdict(of(saved, claim, board), claim, board) for board in claim.boards)
        yield " ".join([f"{intro} -{percent(claim.most)}:", *boards])


def of(saved: pd.DataFrame, claim: Claim, board: str) -> pd.DataFrame:
    """What a claim is about, on one board."""
    same = (saved.against == claim.against) & (saved.metric == claim.metric)
    return saved[same & (saved.board == board)]


def verdict(own: pd.DataFrame, claim: Claim, board: str) -> str:
    """Whether the sweep comes to what is claimed, where, and under how many shifts."""
    most = own.groupby("shift").saving.max()
    off = most.drop(index=0)
    times = f"under {(off >= claim.most).sum()} of {len(off)} shifts"
    nominal = own[own["shift"] == 0]
    reaching = nominal[nominal.saving >= claim.most]
    known = f"most {100 * most[0]:.1f} %; reached {times}"
    if reaching.empty:
        return f"{NAMES[board]}: not reached ({known})."
    points = f"in {len(reaching)} of {len(nominal)} points"
    beyond = ""
    if len(reaching) > BEYOND * len(nominal):
        beyond = (
            " A most that is exceeded nearly everywhere "
            f"(least {100 * nominal.saving.min():.1f} %) is not reproduced: the tables go beyond "
            "the paper."
        )
    return f"{NAMES[board]}: reached ({known}) {points}, {where(reaching, nominal)}.{beyond}"


def where(reaching: pd.DataFrame, every: pd.DataFrame) -> str:
    """At which rates, with which networks, and how often over each link."""
    low, high = reaching.rate_bps.min() / 1e6, reaching.rate_bps.max() / 1e6
    rates = f"at {low:.3g} to {high:.3g} Mbit/s" if low < high else f"at {low:.3g} Mbit/s"
    networks = " and ".join(NAMES[network] for network in reaching.network.unique())
    # Latency is the same whatever a radio draws.
    by = ["link"] if (every.metric == "latency_s").all() else ["link", "radio"]
    times = every.groupby(by).saving.agg(lambda own: own.index.isin(reaching.index).sum())
    links = ", ".join(
        f"{' '.join(link) if isinstance(link, tuple) else link} {n}" for link, n in times.items()
    )
    return f"{rates}, {networks} ({links})"


def energies(found: pd.DataFrame, board: str) -> str:
    """Joules, apart from watts."""
    own = found[(found.board == board) & (found.metric == "energy_j")]
    ends = own.groupby("against", sort=False).agg({"least": "min", "most": "max"})
    said = "; ".join(
        f"against {NAMES[against]} {100 * ends.least[against]:.0f} to {percent(ends.most[against])}"
        for against in ends.index
        if against in NAMES
    )
    return f"Energy per frame on the {NAMES[board]}, which is not average power: {said}."


def bound(frames: pd.DataFrame, board: str) -> str:
    """How much of each other way's average power an idle board would save."""
    idle_w = Tables().hardware(board).idle_w
    own = frames[(frames["shift"] == 0) & (frames.board == board)]
    said = ", ".join(
        f"{percent(1 - idle_w / own[own.policy.str.startswith(against)].power_w.max())} "
        f"against {NAMES[against]}"
        for against in dict.fromkeys(claim.against for claim in CLAIMS)
    )
    return (
        f"Idle watts count: average power of a {NAMES[board]} that did nothing would by the tables "
        f"be less by up to {said}. No way of running a network can save more."
    )


def counted() -> Iterator[str]:
    """Compression, and how much smaller the head is; both by count."""
    cuts = {name: {cut.layer: cut for cut in model.cuts} for name, model in models().items()}
    pairs = [(cuts[f"{n}{OWN}"]["bottleneck"], cuts[f"{n}{OTHER}"]["bottleneck"]) for n in NETWORKS]
    jpeg = cuts[NETWORKS[0]]["input"].wire_bytes
    yield (
        f"data saved at {CLOSEST} channels: {100 * (1 - pairs[0][0].wire_bytes / jpeg):.1f} %   "
        f"paper: {100 * COMPRESSION:.1f} %"
    )
    macs = sorted(other.macs / own.macs for own, other in pairs)
    params = sorted(other.params / own.params for own, other in pairs)
    yield (
        f"head smaller than the autoencoder's at {CLOSEST} channels: {macs[0]:.1f} to "
        f"{macs[-1]:.1f} times by MACs, {params[0]:.0f} to {params[-1]:.0f} by parameters   "
        f"paper: {SMALLER_HEAD}"
    )


def span_ms(hardware: str, ending: str, step: str, layer: str) -> str:
    """A step's least and most time over the networks, and what it rests on."""
    profiles = [at(f"{network}{ending}", hardware, layer) for network in NETWORKS]
    times = sorted(1e3 * (profile.times[step][cut] or 0.0) for profile, cut in profiles)
    basis = " and ".join(dict.fromkeys(profile.basis[step][cut] for profile, cut in profiles))
    span = f"{times[0]:.1f}" if times[0] == times[-1] else f"{times[0]:.1f} to {times[-1]:.1f}"
    return f"{span} ({basis})"


def at(model: str, hardware: str, layer: str) -> tuple[Profile, int]:
    """A model's profile, and the cut after a layer."""
    tables = Tables()
    return tables.profile(model, hardware), tables.model(model).layers.index(layer)


def device_s(model: str, board: str, layer: str) -> float:
    """All that a board computes for a cut."""
    profile, cut = at(model, board, layer)
    return profile.device_s(cut) or 0.0


def resting(board: str) -> str:
    """What a board computes and draws by the tables, and what that rests on."""
    watts = Tables().hardware(board)
    said = [
        f"a whole network {span_ms(board, '', 'head', 'output')}",
        f"pre-processing {span_ms(board, '', 'pre', 'input')} for a JPEG, else "
        f"{span_ms(board, OWN, 'pre', 'bottleneck')}",
        f"BottleFit's head {span_ms(board, OWN, 'head', 'bottleneck')} and coding "
        f"{span_ms(board, OWN, 'encode', 'bottleneck')}",
        f"the autoencoder's head {span_ms(board, OTHER, 'head', 'bottleneck')}",
    ]
    more_s = max(
        device_s(f"{n}{OWN}", board, "bottleneck") - device_s(n, board, "input") for n in NETWORKS
    )
    return (
        f"{NAMES[board]} by the tables, in ms: {'; '.join(said)}. Idle {watts.idle_w:.2f} W "
        f"({watts.idle.basis}), computing {watts.compute_w:.2f} W more ({watts.compute.basis}). "
        f"It computes up to {1e3 * more_s:.1f} ms more for BottleFit than for a JPEG."
    )


def serving() -> str:
    """The same of the server."""
    return (
        f"Server by the tables, in ms: a whole network {span_ms(SERVER, '', 'tail', 'input')} "
        f"after {span_ms(SERVER, '', 'decode', 'input')} for a JPEG; BottleFit's tail "
        f"{span_ms(SERVER, OWN, 'tail', 'bottleneck')} and the autoencoder's "
        f"{span_ms(SERVER, OTHER, 'tail', 'bottleneck')}, after "
        f"{span_ms(SERVER, OWN, 'decode', 'bottleneck')}."
    )
