"""How the report looks: one colour per policy, units that fit, numbers as text."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from splitsim.notes import shown

# Okabe and Ito's colours (Color Universal Design, 2008) that are seen on white and on black;
# beyond them the lines are dashed.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("solid", "dash", "dot", "dashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "star")

# Paul Tol's bright scheme (SRON/EPS/TN/09-002), for what is no policy.
OPTION_COLOURS = ("#4477AA", "#EE6677", "#228833", "#AA3377", "#B8A200", "#3AA6C4", "#888888")
FAILED_COLOUR = "#D55E00"

# Of a part: its colour says where, hatching that something is waited for.
PART_LOOKS = {
    "wait for the compute unit": ("#5B7DB1", "/"),
    "device computes": ("#5B7DB1", ""),
    "wait for the uplink": ("#DDAA33", "/"),
    "transmission": ("#DDAA33", ""),
    "network to the server": ("#9A9A9A", ""),
    "wait for a worker": ("#44998E", "/"),
    "server computes": ("#44998E", ""),
    "answer": ("#B58BB9", ""),
    "fallback": ("#BB5566", ""),
    "compute": ("#5B7DB1", ""),
    "send": ("#DDAA33", ""),
    "receive": ("#B58BB9", ""),
    "radio tail": ("#DDAA33", "/"),
}

# Of what a figure rests on, from firm to weak; hatched where it is a guess.
BASIS_LOOKS = {
    "measured": ("#009E73", ""),
    "published": ("#3D8FC9", ""),
    "scaled": ("#E69F00", ""),
    "assumed": ("#D55E00", "/"),
    "scenario": ("#9A9A9A", ""),
}

NONE = "\N{EN DASH}"
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
INFINITE = "\N{INFINITY}"
LONGEST = 28  # characters of a name in a figure


@dataclass(frozen=True)
class Line:
    """A policy's line: the same in every figure.

    Later ones are thinner, so that one is seen that lies below another.
    """

    colour: str
    dash: str
    symbol: str
    width: float

    @property
    def pattern(self) -> str:
        """The dashes as SVG writes them."""
        return {"solid": "", "dash": "9 4", "dot": "3 3", "dashdot": "9 3 3 3"}[self.dash]


def lines(policies: Sequence[str]) -> dict[str, Line]:
    """A line for each policy, by its place in the scenario."""
    thinner = 2.2 / max(len(policies) - 1, 1)
    return {policy: _line(n, 4.0 - n * thinner) for n, policy in enumerate(policies)}


def _line(n: int, width: float) -> Line:
    dash = DASHES[n // len(COLOURS) % len(DASHES)]
    return Line(COLOURS[n % len(COLOURS)], dash, SYMBOLS[n % len(SYMBOLS)], round(width, 2))


@dataclass(frozen=True)
class Unit:
    """A unit that fits some values: ``value * factor`` has ``digits`` after the point."""

    name: str
    factor: float
    digits: int

    def text(self, value: float) -> str:
        """A value without its unit."""
        if math.isnan(value):
            return NONE
        return INFINITE if math.isinf(value) else f"{value * self.factor:,.{self.digits}f}"

    def interval(self, half_width: float) -> str:
        """Half an interval, without its unit; nothing where it is not known."""
        if not math.isfinite(half_width):
            return ""
        least = 10.0**-self.digits
        small = 1e-12 < half_width * self.factor < least / 2
        return f"\N{PLUS-MINUS SIGN}{f'<{least:g}' if small else self.text(half_width)}"

    def full(self, value: float) -> str:
        """A value with its unit."""
        return f"{self.text(value)} {self.name}".strip()


# By kind of quantity: up to which magnitude a unit serves, and the unit.
_UNITS: Mapping[str, Sequence[tuple[float, Unit]]] = {
    "seconds": (
        (0.1, Unit("ms", 1e3, 2)),
        (10.0, Unit("ms", 1e3, 1)),
        (math.inf, Unit("s", 1.0, 2)),
    ),
    "joules": (
        (0.1, Unit("mJ", 1e3, 2)),
        (10.0, Unit("mJ", 1e3, 0)),
        (math.inf, Unit("J", 1.0, 2)),
    ),
    "bytes": ((1e7, Unit("kB", 1e-3, 1)), (math.inf, Unit("MB", 1e-6, 1))),
    "watts": ((math.inf, Unit("W", 1.0, 2)),),
    "share": ((math.inf, Unit("%", 100.0, 1)),),
    "count": ((math.inf, Unit("", 1.0, 0)),),
}


def unit(kind: str, values: Iterable[float]) -> Unit:
    """The unit for some values of a kind, chosen by the largest finite one."""
    largest = max((value for value in values if math.isfinite(value)), default=0.0)
    return next(found for most, found in _UNITS[kind] if largest < most)


def short(name: str) -> str:
    """A name for a figure: cut in the middle if it is long, and no markup to plotly."""
    half = LONGEST // 2
    fits = len(name) <= LONGEST
    return html.escape(name if fits else name[:half] + ELLIPSIS + name[1 - half :])


def point_name(swept: Mapping[str, Any]) -> str:
    """What distinguishes a point of a sweep."""
    return ", ".join(f"{name} = {value_text(value)}" for name, value in swept.items())


def value_text(value: Any) -> str:
    """A swept value, on one line."""
    text = shown(value)
    return text if len(text) <= 60 else text[:59] + ELLIPSIS
