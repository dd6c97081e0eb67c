"""The paper's "up to" figures, and whether a sweep reaches them.

Matsubara et al., BottleFit, WoWMoM 2022 (arXiv 2201.02693).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd

BEYOND = 0.8  # of all points: a maximum that so many exceed is none
NAMES = {
    "jetson-nano": "Jetson Nano",
    "raspberry-pi-4": "Raspberry Pi 4",
    "x86-1t": "x86-1t",
    "resnet152": "ResNet-152",
    "densenet169": "DenseNet-169",
    "densenet201": "DenseNet-201",
    "local": "local computing",
    "offload": "sending JPEGs",
    "autoencoder": "the autoencoder",
    "bottlefit": "BottleFit",
    "latency_s": "latency",
    "power_w": "average power",
    "energy_j": "energy per frame",
}


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
