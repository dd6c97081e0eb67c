"""What tables hold: models, profiles, hardware, radios and fits, and how a shift moves them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from splitsim.uncertainty import Cells, Shift

TIMES = ("pre", "head", "encode", "decode", "tail")
STEPS = (*TIMES, "exit")  # the branch of an exit, where there is one
WHOLES = {"head": -1, "tail": 0}  # steps that have a whole, and the cut at which it stands


@dataclass(frozen=True, slots=True)
class Model:
    """A network's cuts 0..L: ``layers[c]`` names cut c, ``wire_bytes[c]`` crosses the link.

    ``network`` is the model whose layers and published totals it has: a student's teacher.
    """

    name: str
    network: str
    layers: tuple[str, ...]
    wire_bytes: tuple[float, ...]
    answer_bytes: float
    top1: float
    head_bytes: Cells  # memory that each side of a cut needs; None: not known
    tail_bytes: Cells

    def shifted(self, _: Shift) -> Model:
        """The same: bytes are counted, and a share of right answers has no factor."""
        return self


@dataclass(frozen=True, slots=True)
class Profile:
    """A model's seconds per cut on one hardware; None where the table is empty.

    ``times[name][c]``, ``basis[name][c]`` and ``factors[name][c]`` with name one of pre, head,
    encode, decode, tail, exit: how long it takes at cut c, what that figure rests on, and how far
    off it may be; exit is the branch at c alone. ``origin`` is the profile of the network that
    gives it its layers, if there is one.
    """

    network: str
    hardware: str
    times: Mapping[str, Cells]
    basis: Mapping[str, tuple[str, ...]]
    factors: Mapping[str, tuple[float, ...]]
    energy_j: Cells
    origin: Profile | None = None

    def sum_s(self, cut: int, *names: str) -> float | None:
        """The sum of some times at a cut; None if one of them is missing."""
        parts = [self.times[name][cut] for name in names]
        return None if None in parts else math.fsum(part for part in parts if part is not None)

    def device_s(self, cut: int) -> float | None:
        """Pre-processing, head and encoding."""
        return self.sum_s(cut, "pre", "head", "encode")

    def branches_s(self, cuts: Sequence[int]) -> float | None:
        """The branches of the exits at some cuts, together; None if one of them is missing."""
        parts = [self.times["exit"][cut] for cut in cuts]
        return None if None in parts else math.fsum(part for part in parts if part is not None)

    def server_s(self, cut: int) -> float | None:
        """Decoding (with the server's pre-processing) and tail."""
        return self.sum_s(cut, "decode", "tail")

    def rest_s(self, cut: int) -> float | None:
        """What the device computes after a head at ``cut`` to finish by itself.

        The tensor is at hand, so nothing is decoded. Measured heads need not rise with the
        cut: a difference below zero counts as zero.
        """
        whole, head = self.times["head"][-1], self.times["head"][cut]
        if whole is None or head is None:
            return None
        pre = self.times["pre"][-1] or 0.0 if cut == 0 else 0.0
        return pre + max(whole - head, 0.0)

    def shifted(self, shift: Shift) -> Profile:
        """This profile under a shift.

        Heads and tails move with all that have their layers from the same network: a student's
        layers with its teacher's. The branches of exits are layers, and move with the heads. The
        other steps move with all models of the board.
        """
        own, others = f"{self.network}@{self.hardware}", f"step@{self.hardware}"
        names = {n: f"{own if n in WHOLES else others}/{n}" for n in TIMES}
        names["exit"] = names["head"]
        times = {n: shift.column(names[n], self.times[n], self.factors[n]) for n in STEPS}
        energy_j = shift.column(f"{own}/energy", self.energy_j, self.factors["head"])
        origin = self.origin and self.origin.shifted(shift)
        moved = replace(self, times=times, energy_j=energy_j, origin=origin)
        if self.origin and origin:
            moved = moved._within(origin, self, self.origin)
        return moved._within(moved, self, self)

    def _within(self, whole: Profile, before: Profile, whole_before: Profile) -> Profile:
        """With no part longer than a whole, where that was so before the shift."""
        times = {
            name: tuple(
                _capped(part, was, whole.times[name][end], whole_before.times[name][end])
                for part, was in zip(self.times[name], before.times[name], strict=True)
            )
            for name, end in WHOLES.items()
        }
        return replace(self, times={**self.times, **times})


def _capped(
    part: float | None, was: float | None, most: float | None, most_was: float | None
) -> float | None:
    if part is None or was is None or most is None or most_was is None or was > most_was:
        return part
    return min(part, most)


@dataclass(frozen=True, slots=True)
class Watts:
    """A power of a board, what it rests on, and how far off it may be; NaN and "": not known."""

    w: float = math.nan
    basis: str = ""
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Hardware:
    """A board's watts: idle, and the increment over idle while it computes; NaN: not known.

    ``memory_bytes`` is infinite where it is not known.
    """

    name: str
    idle: Watts = Watts()
    compute: Watts = Watts()
    measuring_point: str = ""
    memory_bytes: float = math.inf

    @property
    def idle_w(self) -> float:
        """Of the board while it computes nothing."""
        return self.idle.w

    @property
    def compute_w(self) -> float:
        """What computing adds."""
        return self.compute.w

    @property
    def has_watts(self) -> bool:
        """Whether its energy is known."""
        return not math.isnan(self.idle_w + self.compute_w)

    def shifted(self, shift: Shift) -> Hardware:
        """This hardware under a shift: its two powers move each by itself."""
        idle_w = shift.value(f"{self.name}/idle", self.idle_w, self.idle.factor)
        compute_w = shift.value(f"{self.name}/compute", self.compute_w, self.compute.factor)
        return replace(
            self, idle=replace(self.idle, w=idle_w), compute=replace(self.compute, w=compute_w)
        )


@dataclass(frozen=True)
class Radio:
    """A linear radio: increments over the board's idle power.

    Sending draws ``a`` joules per bit and ``b_w`` watts while it lasts, ``zero_w`` instead while
    the rate is zero; after the last byte ``tail_w[i]`` for ``tail_s[i]``, state after state. Then
    it sleeps, and waking up (promotion) takes time and power before the next byte (Huang et al.,
    MobiSys 2012).
    """

    name: str
    a_up_j_per_bit: float
    a_down_j_per_bit: float
    b_w: float
    zero_w: float
    promotion_s: float
    promotion_w: float
    tail_s: tuple[float, ...]
    tail_w: tuple[float, ...]
    basis: str  # what all of this rests on
    factor: float  # and how far off it may be

    def shifted(self, shift: Shift) -> Radio:
        """This radio under a shift: its powers move together, and so do its times."""
        power = self.factor ** shift.exponent(f"radio/{self.name}")
        time = self.factor ** shift.exponent(f"radio/{self.name}/times")
        return Radio(
            self.name,
            self.a_up_j_per_bit * power,
            self.a_down_j_per_bit * power,
            self.b_w * power,
            self.zero_w * power,
            self.promotion_s * time,
            self.promotion_w * power,
            tuple(seconds * time for seconds in self.tail_s),
            tuple(watts * power for watts in self.tail_w),
            self.basis,
            self.factor,
        )

    def send_j(self, bits: float, airtime_s: float, zero_s: float = 0.0) -> float:
        """Joules of sending; ``zero_s`` of its time on air the rate was zero."""
        on_air_j = self.b_w * airtime_s + (self.zero_w - self.b_w) * zero_s
        return self.a_up_j_per_bit * bits + on_air_j

    def receive_j(self, bits: float, airtime_s: float, zero_s: float = 0.0) -> float:
        """Joules of receiving."""
        on_air_j = self.b_w * airtime_s + (self.zero_w - self.b_w) * zero_s
        return self.a_down_j_per_bit * bits + on_air_j

    def sending(self, attempts: float) -> Radio:
        """This radio if every bit is sent several times on average."""
        up, down = self.a_up_j_per_bit * attempts, self.a_down_j_per_bit * attempts
        return replace(self, a_up_j_per_bit=up, a_down_j_per_bit=down)

    @property
    def promotion_j(self) -> float:
        """Joules of waking up."""
        return self.promotion_s * self.promotion_w

    @cached_property
    def awake_s(self) -> float:
        """How long the whole tail lasts; a radio silent for longer sleeps."""
        return math.fsum(self.tail_s)

    @cached_property
    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Seconds and joules of the tail at the end of each state, from its beginning."""
        joules = np.multiply(self.tail_s, self.tail_w)
        return np.cumsum([0.0, *self.tail_s]), np.cumsum([0.0, *joules])

    def tail_j(self, silent_s: np.ndarray | float) -> np.ndarray:
        """Joules of tails that the next activity cuts short after ``silent_s``, >= 0."""
        joules: np.ndarray = np.interp(silent_s, *self._ends)
        return joules


@dataclass(frozen=True, slots=True)
class Fit:
    """A law time = a x layers + b x GMAC on one hardware, and how far its networks are from it.

    The errors are relative: ``rms_error`` of all networks, ``worst_error`` of one of them.
    """

    hardware: str
    networks: int
    a_s_per_layer: float
    b_s_per_gmac: float
    rms_error: float
    worst_error: float
    worst_network: str
