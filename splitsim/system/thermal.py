"""Heat: a board that gets too hot computes more slowly until it has cooled down.

One thermal resistance and one capacity between the board and its surroundings,

    dT/dt = (T_ambient + R P(t) - T) / tau,   tau = R C

with T in degrees Celsius, R in K/W, P in W and tau in s (a lumped capacity: Incropera and DeWitt,
Fundamentals of Heat and Mass Transfer, chapter 5; of processors: Skadron et al., Temperature-aware
microarchitecture, ISCA 2003). Where P is constant, T goes exponentially to T_ambient + R P, and
when it comes to a threshold is a logarithm.
"""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from splitsim.component import Component, Number, Positive

RELEASE_C = 5.0  # below throttle_c, unless release_c says otherwise


class ThermalSpec(Component):
    """How a board heats up and what it does about it, in the scenario file.

    From ``throttle_c`` on it computes at ``throttled_speed`` times its speed, and draws so many
    times its compute increment, until it has cooled down to ``release_c``. It begins at the
    temperature at which it idles. The radio's power is left out.
    """

    ambient_c: Number = 25.0
    resistance_c_per_w: Positive
    time_constant_s: Positive
    throttle_c: Number
    release_c: Number | None = None
    throttled_speed: Annotated[float, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.throttle_c <= self.ambient_c:
            raise ValueError(f"throttle_c must be above ambient_c ({self.ambient_c:g})")
        if not self.ambient_c < self.released_c < self.throttle_c:
            raise ValueError(
                f"release_c ({self.released_c:g}) must lie between ambient_c ({self.ambient_c:g}) "
                f"and throttle_c ({self.throttle_c:g})"
            )
        return self

    @property
    def released_c(self) -> float:
        """At which temperature it computes at full speed again."""
        return self.throttle_c - RELEASE_C if self.release_c is None else self.release_c

    def steady_c(self, watts: float) -> float:
        """The temperature that constant power leads to."""
        return self.ambient_c + self.resistance_c_per_w * watts


class Heat:
    """The temperature of one board.

    Args:
        spec: its laws.
        idle_w: its idle power.
        compute_w: what it draws beyond that while it computes at full speed.
    """

    def __init__(self, spec: ThermalSpec, idle_w: float, compute_w: float) -> None:
        self._spec = spec
        self._idle_w = idle_w
        self._compute_w = compute_w
        self.at_s = 0.0
        self.temperature_c = self.peak_c = spec.steady_c(idle_w)
        self._throttled_s: list[tuple[float, float]] = []  # from, to; inf: not over yet
        self._watch(self.temperature_c)

    @property
    def speed(self) -> float:
        """The factor on the board's speed now."""
        return self._spec.throttled_speed if self.is_throttled else 1.0

    @property
    def throttled_speed(self) -> float:
        """The factor while it is throttled."""
        return self._spec.throttled_speed

    @property
    def is_throttled(self) -> bool:
        """Whether it computes more slowly now."""
        return bool(self._throttled_s) and self._throttled_s[-1][1] == math.inf

    def turns_s(self, pace: float) -> float:
        """When it will be throttled or released if it goes on at a pace; inf: never."""
        spec = self._spec
        towards_c = spec.steady_c(self._watts(pace))
        limit_c = spec.released_c if self.is_throttled else spec.throttle_c
        gap_c, left_c = self.temperature_c - towards_c, limit_c - towards_c
        # It comes to the limit where that lies between the temperature and what it leads to.
        if gap_c == 0 or not 0 < left_c / gap_c <= 1 or self.is_throttled != (gap_c > 0):
            return math.inf
        return self.at_s + spec.time_constant_s * math.log(gap_c / left_c)

    def go_on(self, until_s: float, pace: float) -> None:
        """Let time pass at a pace (0: idle), at most to the next turn."""
        turn_s = self.turns_s(pace)
        towards_c = self._spec.steady_c(self._watts(pace))
        shrunk = math.exp((self.at_s - until_s) / self._spec.time_constant_s)
        self.temperature_c = towards_c + (self.temperature_c - towards_c) * shrunk
        self.at_s = until_s
        if until_s >= turn_s:
            spec = self._spec
            self.temperature_c = spec.released_c if self.is_throttled else spec.throttle_c
        self.peak_c = max(self.peak_c, self.temperature_c)
        self._watch(self.temperature_c)

    def rest(self, until_s: float) -> None:
        """Idle until a time, if that is not over."""
        while self.at_s < until_s:
            self.go_on(min(self.turns_s(0.0), until_s), 0.0)

    def throttled_s(self, until_s: float) -> list[tuple[float, float]]:
        """From when to when it was throttled, up to a time."""
        return [(a, min(b, until_s)) for a, b in self._throttled_s if a < until_s]

    def was_throttled(self, time_s: float) -> bool:
        """Whether it was at a time that is settled."""
        return any(a <= time_s < b for a, b in reversed(self._throttled_s[-3:]))

    def _watts(self, pace: float) -> float:
        return self._idle_w + pace * self._compute_w

    def _watch(self, temperature_c: float) -> None:
        if self.is_throttled:
            if temperature_c <= self._spec.released_c:
                self._throttled_s[-1] = self._throttled_s[-1][0], self.at_s
        elif temperature_c >= self._spec.throttle_c:
            self._throttled_s.append((self.at_s, math.inf))
