"""Latencies of the sweep if boards differed from their tables as what was measured does.

Nothing is random and nothing waits, so that a frame takes exactly as much longer as its parts do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import pandas as pd
from bottlefit_claims import NAMES
from bottlefit_sweep import MEASURED, METERED, NETWORKS
from bottlefit_times import CLOSEST, OTHER, OWN, head_share, span, spent_s
from tables.coding import LIKE, ratio

POLICIES = {  # of what is compared: the end of its model's name, and where it is cut
    "local": ("", "output"),
    "offload": ("", "input"),
    f"autoencoder{CLOSEST}": (OTHER, "bottleneck"),
    f"bottlefit{CLOSEST}": (OWN, "bottleneck"),
}
More = Callable[[str, str, str, str], float]


def otherwise(frames: pd.DataFrame) -> Iterator[str]:
    """A paragraph per board and difference."""
    for board in METERED:
        own = frames[(frames["shift"] == 0) & (frames.board == board)]
        jpeg = changes(own, board, coding_s, "offload")
        yield (
            f"Pre-processing decides where links are fast. Had the {NAMES[board]} pre-processed "
            f"and coded as {MEASURED} was measured to, {ratio(LIKE).times:.1f} times as slowly, "
            f"BottleFit at {CLOSEST} channels would save {jpeg}."
        )
        against = ("local", f"autoencoder{CLOSEST}")
        local, other = (changes(own, board, head_s, policy) for policy in against)
        yield (
            "Heads of students are short by the fits, which know weighted layers only. Had their "
            f"heads that share of their teachers' time on the {NAMES[board]} which was measured "
            f"on {MEASURED}, BottleFit at {CLOSEST} channels would save {local}, and {other}."
        )


def changes(own: pd.DataFrame, board: str, more_s: More, against: str) -> str:
    """What would be saved of latency, and what is."""
    latency_s = own.pivot_table(
        index=["network", "link", "radio", "rate_bps"], columns="policy", values="latency_s"
    )
    other_s = latency_s.copy()
    for network, (policy, where) in product(NETWORKS, POLICIES.items()):
        of_it = latency_s.index.get_level_values("network") == network
        other_s.loc[of_it, policy] += more_s(board, network, *where)
    now, then = (
        span((100 * (1 - s[f"bottlefit{CLOSEST}"] / s[against])).tolist(), 0)
        for s in (latency_s, other_s)
    )
    name = NAMES[against.removesuffix(str(CLOSEST))]
    return f"{then} % of latency against {name}, not {now} %"


def coding_s(board: str, network: str, ending: str, layer: str) -> float:
    """How much longer pre-processing and coding would take, were they as measured but slower."""
    model, steps = f"{network}{ending}", ("pre", "encode")
    measured_s = ratio(LIKE).times * spent_s(model, MEASURED, layer, *steps)
    return measured_s - spent_s(model, board, layer, *steps)


def head_s(board: str, network: str, ending: str, layer: str) -> float:
    """How much longer a student's head would take, had it the share that was measured."""
    if not ending:
        return 0.0
    whole_s = spent_s(network, board, "output", "head")
    measured_s = whole_s * head_share(network, ending, MEASURED)
    return measured_s - spent_s(f"{network}{ending}", board, layer, "head")
