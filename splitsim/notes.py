"""What must be known to read a summary: overloads, unknown energy, empty batteries."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LOADS = {"device_load": "a device", "uplink_load": "an uplink", "server_load": "a server"}

Row = Mapping[str, Any]


def is_overloaded(row: Row) -> bool:
    """Whether a queue grew as long as tasks came, or would have if none gave up."""
    return not row["stable"] or any(row[load] > 1 for load in LOADS)


def notes(rows: Sequence[Row], swept: Sequence[str], replayed: Sequence[str] = ()) -> list[str]:
    """Sentences, most urgent first.

    Args:
        rows: of a summary.
        swept: names of the swept parameters.
        replayed: recordings that every seed replayed in the same way.
    """
    found = [sentence for row in rows for sentence in _growth(row, swept)]
    found += [sentence for row in rows for sentence in _overloads(row, swept)]
    found += [sentence for row in rows for sentence in _batteries(row, swept)]
    found += [sentence for row in rows for sentence in _heat(row, swept)]
    for key, whose in (("energy_mean_j", "the devices"), ("server_energy_mean_j", "the servers")):
        found += _unknown(rows, key, whose)
    if replayed and any(row["seeds"] > 1 for row in rows):
        what, it = ("recordings", "them") if len(replayed) > 1 else ("recording", "it")
        found.append(
            f"every seed replayed the same {what} ({', '.join(replayed)}): the intervals are "
            f"conditional on {it}; with offset: drawn, or several files, the channel varies as well"
        )
    return found


def _unknown(rows: Sequence[Row], key: str, whose: str) -> Iterator[str]:
    known = [not math.isnan(row[key]) for row in rows if row["tasks"]]
    if not all(known):
        where = " at some points" if any(known) else ""
        yield f"{whose}' energy is not known{where}: hardware.csv has no watts for their hardware"


def _growth(row: Row, swept: Sequence[str]) -> Iterator[str]:
    if not row["stable"]:
        many = "," in row["grows"]
        yield (
            f"{_who(row, swept)}: the queue{'s' if many else ''} of {row['grows']} "
            f"grow{'' if many else 's'} without bound (in {row['unstable_seeds']} of "
            f"{row['seeds']} replications); latencies would only say how long the run was"
        )


def _overloads(row: Row, swept: Sequence[str]) -> Iterator[str]:
    for load, what in LOADS.items():
        if row[load] > 1:
            otherwise = "; unless tasks give up, its queue grows as long as tasks come"
            times = f"{row[load]:.2f} times the work it can do"
            offered = times if math.isfinite(row[load]) else "work, and can do none"
            yield (
                f"{_who(row, swept)}: {what} was offered {offered}"
                f"{otherwise if row['stable'] else ''}"
            )


def _batteries(row: Row, swept: Sequence[str]) -> Iterator[str]:
    if row["devices_off"]:
        yield (
            f"{_who(row, swept)}: {row['devices_off']:.0%} of the devices were off before the end, "
            "their batteries empty; their later tasks are dropped and count as 0 J in the mean"
        )


def _heat(row: Row, swept: Sequence[str]) -> Iterator[str]:
    if row["throttled"] > 0:  # nan where nobody was there
        yield (
            f"{_who(row, swept)}: the devices were too hot for {row['throttled']:.1%} of the time, "
            "and computed more slowly"
        )


def shown(value: Any) -> str:
    """A swept value, as a file has it: 54e6, not 54000000.0 or 5.4e+07."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if not isinstance(value, float) or "e+" not in text:
        return text
    power = 3 * (int(text.partition("e+")[2]) // 3)
    return f"{value / 10**power:g}e{power}"


def _who(row: Row, swept: Sequence[str]) -> str:
    point = ", ".join(f"{name} = {shown(row[name])}" for name in swept)
    return f"{row['policy']} ({point})" if point else str(row["policy"])
