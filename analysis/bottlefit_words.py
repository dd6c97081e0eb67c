"""What the sweep of BottleFit's headline says in words, and what its figures rest on."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill

import pandas as pd
from bottlefit_claims import CLAIMS, NAMES, percent, table, verdicts
from bottlefit_otherwise import otherwise
from bottlefit_sweep import BOARDS, MEASURED, METERED, NETWORKS
from bottlefit_times import CLOSEST, OTHER, OWN, head_share, span, span_ms, spent_s
from tables.coding import LIKE, ratio
from tables.students import models

from splitsim.profiles import Tables

COMPRESSION, SMALLER_HEAD = 0.771, 83  # BottleFit, arXiv 2201.02693
CHANGED = (
    "Against the first tables: encoding was 1.0 ms on every board by assumption, and is measured "
    "on {measured} now and carried over to the boards (a law in the number of elements; "
    "{slower:.1f} times as long on the {like}, where single networks take {least:.1f} to "
    "{most:.1f} times as long); what crosses is the whole message, with header and range; the "
    "autoencoder's decoder is ours, its encoder mirrored, of which half was taken before; that of "
    "BottleFit is the published one, as before. Heads and tails of students on the boards are "
    "scaled as before, for nobody timed them there."
)
OPEN = (
    "What the tables leave open: no time of a student is published, all of the boards' are scaled; "
    "on the Raspberry Pi 4 they come from batches of 32. Pre-processing is that of another board. "
    "The autoencoder's decoder is ours, the published one is not known. The watts of a board are "
    "those of other runs than its times; where the paper metered power, with what radio and in "
    "which run its maxima were found, is not known here. If its power is energy per frame, the "
    "lines on energy are the ones to compare."
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
    paragraphs = [real(found), *(shares(kind) for kind in ("bottlefit", "autoencoder"))]
    paragraphs += [energies(found, board) for board in METERED]
    paragraphs += [bound(frames, board) for board in METERED]
    paragraphs += [resting(board) for board in BOARDS]
    paragraphs += [serving(server) for server in dict.fromkeys(b.server for b in BOARDS.values())]
    paragraphs += [*otherwise(frames), changed(), OPEN]
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


def resting(board: str) -> str:
    """What a board computes and draws by the tables, and what that rests on."""
    said = [
        f"a whole network {span_ms(board, '', 'output', 'head')}",
        f"making a JPEG {span_ms(board, '', 'input', 'pre', 'encode')}, pre-processing for a "
        f"tensor {span_ms(board, OWN, 'bottleneck', 'pre')}",
        f"BottleFit's head {span_ms(board, OWN, 'bottleneck', 'head')} and encoding "
        f"{span_ms(board, OWN, 'bottleneck', 'encode')}",
        f"the autoencoder's head {span_ms(board, OTHER, 'bottleneck', 'head')}",
    ]
    steps = ("pre", "head", "encode")
    more_s = [
        spent_s(f"{n}{OWN}", board, "bottleneck", *steps) - spent_s(n, board, "input", *steps)
        for n in NETWORKS
    ]
    return (
        f"{NAMES[board]} by the tables, in ms: {'; '.join(said)}. {drawn(board)}It computes "
        f"{span([1e3 * s for s in more_s])} ms more for BottleFit than for a JPEG."
    )


def drawn(board: str) -> str:
    """Its watts, if they are known."""
    watts = Tables().hardware(board)
    if not watts.has_watts:
        return ""
    return (
        f"Idle {watts.idle_w:.2f} W ({watts.idle.basis}), computing {watts.compute_w:.2f} W more "
        f"({watts.compute.basis}). "
    )


def serving(server: str) -> str:
    """The same of a server."""
    return (
        f"{server} as server by the tables, in ms: a whole network "
        f"{span_ms(server, '', 'input', 'tail')} after {span_ms(server, '', 'input', 'decode')} "
        f"for a JPEG; BottleFit's tail {span_ms(server, OWN, 'bottleneck', 'tail')} and the "
        f"autoencoder's {span_ms(server, OTHER, 'bottleneck', 'tail')}, after "
        f"{span_ms(server, OWN, 'bottleneck', 'decode')}."
    )


def real(found: pd.DataFrame) -> str:
    """What the real networks say where everything is measured."""
    own = found[(found.board == MEASURED) & (found.metric == "latency_s")]
    said = "; ".join(
        f"against {NAMES[row.against]} at {row.channels} channels {100 * row.least:.0f} to "
        f"{percent(row.most)}"
        for row in own.itertuples()
        if row.against in NAMES
    )
    shares = [
        sum(spent_s(f"{n}{OWN}", MEASURED, "bottleneck", step) for step in ("head", "tail"))
        / spent_s(n, MEASURED, "output", "head")
        for n in NETWORKS
    ]
    return (
        f"The real networks, measured on {MEASURED} with a server as slow as the board: latency "
        f"saved {said}. A student takes {span(shares, 2)} times as long as its teacher there."
    )


def shares(kind: str) -> str:
    """How much of its teacher's time a head takes: measured, and scaled."""
    said = []
    for board in BOARDS:
        of_it = [100 * head_share(n, f"-{kind}{CLOSEST}", board) for n in NETWORKS]
        _, basis = span_ms(board, f"-{kind}{CLOSEST}", "bottleneck", "head").split(" (")
        said.append(f"{span(of_it)} % on {NAMES[board]} ({basis}")
    whose = NAMES[kind][0].upper() + NAMES[kind][1:]
    return f"{whose}'s head as a share of its teacher's whole time: {', '.join(said)}."


def changed() -> str:
    """What is new in the tables."""
    slower = ratio(LIKE)
    return CHANGED.format(
        measured=MEASURED,
        like=NAMES[LIKE],
        slower=slower.times,
        least=slower.least,
        most=slower.most,
    )
