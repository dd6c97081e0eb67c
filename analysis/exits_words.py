"""The finding of the study of exits, in words, from its tables alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill

import pandas as pd
from exits_figures import ALL, NEVER, THROUGH
from exits_networks import BACKBONE
from exits_published import TABLE_I, Published
from exits_tables import rules_apart
from exits_world import CUT, DEADLINE_S, EARLY, GIVE_UP_S, LINKS, OUTAGES, POISSON

USUAL = 0.9
BEARABLE = 0.005  # of accuracy: three of 597 pictures
HOW = {
    "branchynet": "BranchyNet: two exits with a convolution each, trained with the network",
    "spinn": "SPINN: three exits of one linear layer each, trained on the backbone as it is",
    "spinn-joint": "SPINN's exits, trained together with the network",
}


def report(
    table: pd.DataFrame, links: pd.DataFrame, seeds: int, samples: int, idle_error: float
) -> str:
    """All of it.

    Args:
        table: who leaves where, over seeds.
        links: what a task takes, likewise.
        seeds: how many.
        samples: of the test part.
        idle_error: relative, of simulated means against the tables' sums where nobody waits.
    """
    parts = [
        _opening(table, seeds, samples),
        _finding(table, links),
        *(_network(table, network) for network in EARLY),
        _rules(table),
        *_on_links(table, links),
        fill(
            "Where nobody waits, BranchyNet's simulated mean latency is the sum over its exits of "
            f"share x (head + branches) from the tables, to {idle_error:.0e}.",
            100,
        ),
        _published(table),
        _limits(),
    ]
    return "\n\n".join(parts)


def _opening(table: pd.DataFrame, seeds: int, samples: int) -> str:
    found = "; ".join(_best(table, network) for network in EARLY)
    return fill(
        f"Early exits on digits ({samples} test pictures, {seeds} seeds; +- is 95 % over seeds). "
        f"The lowest threshold of confidence that loses at most {100 * BEARABLE:g} % of accuracy "
        f"against a backbone without exits (found on the test part, so a bound of what can "
        f"be had): {found}.",
        100,
    )


def _finding(table: pd.DataFrame, links: pd.DataFrame) -> str:
    """What it comes to, at one threshold and on the slowest link."""
    left = {name: 100 * (1 - _share(table, name, "confidence", USUAL, THROUGH)) for name in EARLY}
    whole = {name: _at(_whole(table, name, "confidence"), USUAL) for name in EARLY}
    idle = _whole(table, "spinn", "confidence").iloc[-1]
    without = _never(table, "spinn")
    slow = links[links.link.eq(LINKS[0].name) & links.by.eq("confidence")]
    plain = slow[slow.kind.eq("split") & slow.threshold.isna()].iloc[0]
    early = _at(slow[slow.network.eq("spinn-joint")], USUAL)
    branchynet, macs = whole["branchynet"], _macs(table, "branchynet")
    return fill(
        f"At {USUAL:g}, BranchyNet ends {left['branchynet']:.0f} % of the digits early for "
        f"{branchynet.device_macs / macs:.2f} of the MACs: its first branch is dear, and the loss "
        f"of accuracy ({_pm(branchynet, 'lost')} %) is not to be told from none. SPINN's exits end "
        f"{left['spinn-joint']:.0f} % if they are trained with the network and "
        f"{left['spinn']:.0f} % on a frozen one: a threshold means what training makes of it. "
        f"Exits that hardly answer still cost: at {idle.threshold:g} SPINN's device takes "
        f"{idle.device_s / without.device_s:.2f} of its time for "
        f"{idle.device_macs / without.device_macs:.3f} of its MACs. At {LINKS[0].name}, where a "
        f"split without exits queues (mean {1e3 * plain.latency_mean_s:.0f} ms, 95th percentile "
        f"{1e3 * plain.latency_p95_s:.0f}), SPINN trained together takes "
        f"{1e3 * early.latency_mean_s:.1f} and {1e3 * early.latency_p95_s:.0f}: the mean falls "
        f"with those who send, the percentile with the queue, but not below a transfer while more "
        f"than 5 % send.",
        100,
    )


def _best(table: pd.DataFrame, network: str) -> str:
    whole = _whole(table, network, "confidence")
    fine = whole[whole.lost <= BEARABLE]
    if fine.empty:
        least = whole.loc[whole.lost.idxmin()]
        return f"{network} none (it loses {_pm(least, 'lost')} % at the least)"
    row = fine.iloc[0]
    ended = 1 - _share(table, network, "confidence", row.threshold, THROUGH)
    return (
        f"{network} {row.threshold:g}, at which {100 * ended:.0f} % leave, the device computes "
        f"{row.device_macs / _macs(table, network):.2f} of what it does without exits, and "
        f"{_pm(row, 'lost')} % of accuracy are lost (test set's error {100 * row.lost_test95:.1f})"
    )


def _network(table: pd.DataFrame, network: str) -> str:
    """A row per threshold of confidence."""
    own = table[(table.network == network) & (table.by == "confidence")]
    places = [way for way in sorted(own.way.unique()) if way not in (ALL, NEVER, THROUGH)]
    header = "threshold" + "".join(f"  {place:>6} leave  right" for place in places)
    lines = [HOW[network], f"{header}  all right       lost          MACs   time"]
    for threshold, rows in own.groupby("threshold"):
        by_way = rows.set_index("way")
        line = f"{threshold:9g}"
        for place in places:
            line += _place(by_way.loc[place]) if place in by_way.index else f"{'0 %':>14}{'-':>7}"
        lines.append(line + _in_all(by_way.loc[ALL], by_way.loc[NEVER]))
    never = _never(table, network)
    lines.append(f"without asking its exits, {100 * never.right:.1f} % are right")
    return "\n".join(lines)


def _place(row: pd.Series) -> str:
    return f"{100 * row.share:12.1f} %{100 * row.right:7.1f}"


def _in_all(row: pd.Series, never: pd.Series) -> str:
    right = f"{100 * row.right:6.1f} +-{100 * row.right_ci95:4.1f}"
    lost = f"{100 * row.lost:6.2f} +-{100 * row.lost_ci95:5.2f}"
    ratios = (row.device_macs / never.device_macs, row.device_s / never.device_s)
    return f"{right}  {lost}" + "".join(f"{ratio:7.2f}" for ratio in ratios)


def _rules(table: pd.DataFrame) -> str:
    found = [(network, *rules_apart(table, network)) for network in EARLY]
    told = "; ".join(
        f"{name} {100 * most:+.2f} to {100 * least:+.2f}" for name, most, least in found
    )
    return fill(
        "By entropy instead of confidence, for the same computing on the device, accuracy differs "
        f"by points of a percentage (a line drawn between thresholds): {told}.",
        100,
    )


def _on_links(table: pd.DataFrame, links: pd.DataFrame) -> Iterator[str]:
    """A table per link: the three without exits, and each network at two thresholds."""
    chosen = _thresholds(table)
    for link in LINKS:
        own = links[(links.link == link.name) & (links.by == "confidence")]
        shown = own[own.threshold.isna() | own.threshold.isin(chosen)]
        yield "\n".join([_about(link.name), _HEADER, *map(_policy, shown.itertuples())])
    yield _outages(links, chosen)


_HEADER = (
    f"{'':24}{'mean ms':>16}{'p95 ms':>16}{'goodput %':>15}{'done %':>8}"
    f"{'left %':>8}{'B sent':>8}{'radio mJ':>10}"
)


def _thresholds(table: pd.DataFrame) -> Sequence[float]:
    known = sorted(table[table.by == "confidence"].threshold.unique())
    return [at for at in known if at in (0.5, USUAL, 0.99)]


def _about(link: str) -> str:
    more = ""
    if link == OUTAGES.name:
        more = f"; tasks give up after {1e3 * GIVE_UP_S:g} ms, at an exit's answer if there is one"
    return (
        f"{link}, {POISSON['rate_hz']:g} digits a second, wanted in {1e3 * DEADLINE_S:g} ms{more}"
    )


def _policy(row: object) -> str:
    name = row.kind if row.network == BACKBONE else f"{row.network} {row.threshold:g}"
    p95 = f"{1e3 * row.latency_p95_s:9.2f} +-{1e3 * row.latency_p95_s_ci95:5.1f}"
    return (
        f"{name:24}{1e3 * row.latency_mean_s:8.2f} +-{1e3 * row.latency_mean_s_ci95:5.1f}"
        f"{p95 if row.latency_p95_s < float('inf') else 'endless':>16}"
        f"{100 * row.goodput:8.1f} +-{100 * row.goodput_ci95:4.1f}{100 * row.done:8.1f}"
        f"{100 * row.exited:8.1f}{row.sent_bytes:8.0f}{1e3 * row.radio_j:10.2f}"
    )


def _outages(links: pd.DataFrame, chosen: Sequence[float]) -> str:
    own = links[(links.link == OUTAGES.name) & (links.by == "confidence")]
    plain = own[own.kind.eq("split") & own.threshold.isna()].goodput.iloc[0]
    spinn = own[own.network.eq("spinn") & own.threshold.isin(chosen)]
    told = ", ".join(f"{100 * r.goodput:.1f} % at {r.threshold:g}" for r in spinn.itertuples())
    return fill(
        f"With the link down a quarter of the time, a split without exits gives "
        f"{100 * plain:.1f} % right answers in time; SPINN, falling back to its last exit, {told}.",
        100,
    )


def _published(table: pd.DataFrame) -> str:
    """Table I, what it implies, and ours."""
    lines = ["BranchyNet, Table I (other networks, data and processor: shape only)"]
    lines += [_implied(row) for row in TABLE_I]
    own = table[table.network.eq("branchynet") & table.by.eq("confidence")]
    shown = own[own.threshold.isin(_thresholds(table))]
    for threshold, rows in shown.groupby("threshold"):
        ways = rows.set_index("way")
        ends = [f"{100 * ways.share.get(way, 0):.1f}" for way in ("layer1", "layer2", THROUGH)]
        faster = ways.device_s[NEVER] / ways.device_s[ALL]
        lines.append(f"ours at {threshold:4g}: end {'/'.join(ends)} %, {faster:.2f} times sooner")
    return "\n".join(lines)


def _implied(row: Published) -> str:
    least, most = (ms / row.alone_ms for ms in row.first_exit_ms())
    first = " to ".join(dict.fromkeys(f"{100 * share:.0f}" for share in (least, most)))
    shares = "/".join(f"{share:g}" for share in row.shares)
    return fill(
        f"{row.name}: {row.alone_ms:g} to {row.early_ms:g} ms, {row.speed_up:.2f} times sooner; "
        f"end {shares} %. If branches took no time, an answer at the first exit would take "
        f"{first} % of the whole network's; all branches together take at most "
        f"{row.branches_at_most_ms:.2f} ms.",
        100,
    )


def _limits() -> str:
    return fill(
        f"Not concluded: absolute latencies (a digit is 64 bytes, the network has 4 MMAC); bytes "
        f"saved (the picture is less than the tensor: offload sends least); "
        f"where to compute (device and server are the same core, measured on a shared machine); "
        f"joules of computing (that core has no watts; those of the radio are WiFi's of phones of "
        f"2011). An exit behind the cut ({CUT}) would be the server's, and is not asked. SPINN's "
        f"linear classifiers are assumed: its code is not public. Every seed's network starts from "
        f"the same weights; exits, order and shifts differ.",
        100,
    )


def _whole(table: pd.DataFrame, network: str, by: str) -> pd.DataFrame:
    own = table[table.network.eq(network) & table.by.eq(by) & table.way.eq(ALL)]
    return own.sort_values("threshold")


def _share(table: pd.DataFrame, network: str, by: str, threshold: float, way: str) -> float:
    own = table[table.network.eq(network) & table.by.eq(by)]
    return float(own[own.threshold.eq(threshold) & own.way.eq(way)].share.sum())


def _never(table: pd.DataFrame, network: str) -> pd.Series:
    """If none of its exits is asked."""
    return table[table.network.eq(network) & table.way.eq(NEVER)].iloc[0]


def _macs(table: pd.DataFrame, network: str) -> float:
    return float(_never(table, network).device_macs)


def _at(rows: pd.DataFrame, threshold: float) -> pd.Series:
    return rows[rows.threshold == threshold].iloc[0]


def _pm(row: pd.Series, name: str) -> str:
    return f"{100 * row[name]:.2f} +- {100 * row[f'{name}_ci95']:.2f}"
