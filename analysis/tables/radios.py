"""``radios.csv``: what a radio draws over a board's idle power."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tables.files import as_csv
from tables.source import published


def states(radio: str, kind: str) -> list[dict[str, str]]:
    """The states of a radio's tail in order, or its promotion from idle."""
    return [r for r in published("radio_states") if (r["radio"], r["state"]) == (radio, kind)]


def watts(state: Mapping[str, str], base_w: float) -> float:
    """A state's mean power; where it is not published, the law's at zero rate."""
    return float(state["joules"]) / float(state["seconds"]) if state["joules"] else base_w


def listed(values: Sequence[float]) -> str:
    """Numbers separated by blanks, a single 0 for none."""
    return " ".join(f"{value:.9g}" for value in values) or "0"


def radio_row(law: Mapping[str, str]) -> list[object]:
    """P = a_up R_up + a_down R_down + b; 1 mW per Mbit/s is 1 nJ per bit."""
    up, down, base = (float(law[k]) for k in ("up_mw_per_mbps", "down_mw_per_mbps", "base_mw"))
    kinds = [states(law["radio"], kind) for kind in ("promotion", "tail")]
    cells = [listed([x]) for x in (up * 1e-9, down * 1e-9, base / 1e3, base / 1e3)]
    for found in kinds:
        cells.append(listed([float(state["seconds"]) for state in found]))
        cells.append(listed([watts(state, base / 1e3) for state in found]))
    known = all(state["joules"] for found in kinds for state in found)
    said = [f"{state['state']}: {state['source']}" for found in kinds for state in found]
    basis = law["basis"] if known else "scaled"
    return [law["radio"], *cells, basis, law["factor"], "; ".join([law["source"], *said])]


def tables() -> dict[str, str]:
    """``radios.csv``."""
    return {"radios.csv": as_csv("radios", map(radio_row, published("radio_slopes")))}
