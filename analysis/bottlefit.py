"""BottleFit's headline: what its bottleneck saves on a Jetson Nano and a Raspberry Pi 4.

How much latency, power and energy does a BottleFit student save against local computing, against
sending JPEGs, against an autoencoder in the same network and against the network's own first
narrow cut? One device sends its next frame when the last one is answered, as in the paper's
measurement; the server is idle. Of the Jetson and the Raspberry Pi, a student's times are scaled
from published totals of whole networks. Beside them stands x86-1t, one thread of a server's
processor as device and again as server, on which the real networks, students too, were measured
at every cut; it has no watts, so latency only. Swept: three networks, 3 and 12 channels (6 and 9
lie between), uplinks of 0.5 to 50 Mbit/s, and four links: WiFi (1.6 ms to an edge server and back;
MECPerf) and LTE (38 ms), each with two laws of its radio's power:

- *linear*: power grows with the rate (Huang et al., MobiSys 2012; phones of 2011); LTE with
  promotion and tail.
- *flat*: nothing for WiFi (the board's idle watts are taken to include it), 1.47 W for LTE.

Latency, average power of the board and its energy per frame are three figures and are not mixed:
energy = power x latency, so a saving of both is more than either. Each is that of one frame in
the steady state: nothing is random, so all frames but the first are equal.

The paper's figures are maxima of a sweep whose configurations are not known; here stands the
range that this sweep reaches, beside them. Nothing was fitted to them. The bands are the 5 % and
95 % quantiles over shifts of whole tables within their factors, common to all policies.

    python analysis/bottlefit.py              prints, writes bottlefit.csv, bottlefit_rates.csv and
                                              bottlefit.txt; bottlefit_picture.py draws them
    python analysis/bottlefit.py --quick      few rates and shifts; writes nothing
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd
from bottlefit_sweep import CHANNELS, METRICS, POINT, RATES_BPS, simulated
from bottlefit_words import report

HERE = Path(__file__).parent
SHIFTS = 50
QUICK_RATES_BPS, QUICK_SHIFTS = (0.5e6, 5e6, 50e6), 4
AGAINST = ("local", "offload", "autoencoder", "natural")
ENDS = {"low": 0.05, "high": 0.95}


def savings(found: pd.DataFrame) -> pd.DataFrame:
    """What BottleFit saves, 1 - its figure / the other's; a row per point and comparison."""
    figures = {policy: rows.set_index(POINT) for policy, rows in found.groupby("policy")}
    parts = {}
    for against, metric, channels in product(AGAINST, METRICS, CHANNELS):
        own = figures[f"bottlefit{channels}"]
        other = figures[f"{against}{channels}" if against == "autoencoder" else against]
        parts[against, metric, channels] = 1 - own[metric] / other[metric]
    names = ["against", "metric", "channels"]
    rows = pd.concat(parts, names=names).rename("saving").dropna().reset_index()
    return rows.sort_values("board", kind="stable")


def ranges(saved: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """The least and the most that is saved, and the band of each over the shifts."""
    keys = ["board", "against", "metric", *by]
    ends = saved.groupby(["shift", *keys], sort=False).saving.agg(least="min", most="max")
    off = ends.drop(index=0, level="shift").groupby(keys, sort=False)
    bands = [off.quantile(q).add_suffix(f"_{end}") for end, q in ENDS.items()]
    return pd.concat([ends.loc[0], *bands], axis=1).reset_index()


def write(name: str, rows: pd.DataFrame) -> None:
    """A table beside this script."""
    rows.to_csv(HERE / name, index=False, float_format="%.6g", lineterminator="\n")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="What BottleFit saves, beside the paper.")
    parser.add_argument("--quick", action="store_true", help="a small sweep; write nothing")
    quick = parser.parse_args(arguments).quick
    rates_bps, shifts = (QUICK_RATES_BPS, QUICK_SHIFTS) if quick else (RATES_BPS, SHIFTS)
    frames = simulated(rates_bps, shifts)
    saved = savings(frames)
    found = ranges(saved, ["channels"])
    text = report(frames, saved, found)
    print(text)
    if not quick:
        write("bottlefit.csv", found)
        write("bottlefit_rates.csv", ranges(saved, ["channels", "rate_bps"]))
        (HERE / "bottlefit.txt").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
