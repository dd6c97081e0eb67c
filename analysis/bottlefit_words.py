"""What the sweep of BottleFit's headline says in words, and what its figures rest on."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill

import pandas as pd
from bottlefit_claims import CLAIMS, NAMES, percent, table, verdicts
from bottlefit_sweep import BOARDS, MEASURED, METERED, NETWORKS
from tables.coding import LIKE, law, ratio
from tables.students import models

from splitsim.entries import Profile
from splitsim.profiles import Tables

COMPRESSION, SMALLER_HEAD = 0.771, 83  # BottleFit, arXiv 2201.02693
CLOSEST = 12  # channels: of those swept, the compression closest to the paper's
OWN, OTHER = f"-bottlefit{CLOSEST}", f"-autoencoder{CLOSEST}"
OPEN = (
    "What the tables leave open: no time of a student is published, all are scaled; on the "
    "Raspberry Pi 4 they come from batches of 32. Pre-processing is that of another board. The "
    "autoencoder's decoder is only bounded. The watts of a board are those of other runs than its "
    "times; where the paper metered power, with what radio and in which run its maxima were "
    "found, is not known here. If its power is energy per frame, the lines on energy are the ones "
    "to compare."
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
