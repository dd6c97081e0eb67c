"""What every part of a scenario file is made of: frozen models, checked numbers, curves."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)

from splitsim.csvtable import Table
from splitsim.steps import Steps

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
# Names become parts of file names and of dotted paths.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]

MOST_STEPS = 1_000_000  # of a curve


class Component(BaseModel):
    """A part of a scenario file: frozen, and strict about its keys and types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ConstantCurve(Component):
    """A value that does not change; in a file simply the number."""

    kind: Literal["constant"] = "constant"
    value: Number

    @property
    def turns_s(self) -> Sequence[float]:
        """When it changes: never."""
        return ()

    def steps(self) -> Steps:
        """The curve as a function of time."""
        return Steps.constant(self.value)

    def whens(self, chunks: Iterable[np.ndarray]) -> Iterator[float]:
        """When the integral of the curve reaches each of some rising values."""
        for areas in chunks:
            yield from (areas / self.value).tolist() if self.value else [math.inf] * len(areas)

    def db(self, times_s: np.ndarray) -> np.ndarray:
        """The value at each of some times, which may be negative; the same shape."""
        return np.full(np.shape(times_s), self.value)

    @property
    def first(self) -> float:
        """What it is at the beginning."""
        return self.value

    @property
    def extremes(self) -> tuple[float, float]:
        """The least and the greatest value."""
        return self.value, self.value


@dataclass(frozen=True)
class _Points:
    """Values at rising times: each holds until the next, or a line leads to the next.

    The first value also holds before its time, the last one for ever. ``step_s`` is the length
    of the steps that a line is taken for; None: no lines.
    """

    times_s: np.ndarray
    values: np.ndarray
    step_s: float | None

    def at(self, times_s: np.ndarray) -> np.ndarray:
        if self.step_s is not None:
            line: np.ndarray = np.interp(times_s, self.times_s, self.values)
            return line
        before = np.searchsorted(self.times_s, times_s, side="right") - 1
        held: np.ndarray = self.values[np.maximum(before, 0)]
        return held

    def stairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Beginnings and values of steps; a line becomes steps of its mean, equal in area."""
        if self.step_s is None:
            return np.concatenate([[0.0], self.times_s[1:]]), self.values
        counts = np.ceil(np.diff(self.times_s) / self.step_s - 1e-9).astype(int)
        pieces = [
            np.linspace(begin, end, count, endpoint=False)
            for (begin, end), count in zip(pairwise(self.times_s), counts.tolist(), strict=True)
        ]
        starts = np.concatenate([*pieces, self.times_s[-1:]])
        middles = np.append((starts[:-1] + starts[1:]) / 2, starts[-1])
        values = self.at(middles)
        if starts[0] > 0:
            starts, values = np.append(0.0, starts), np.append(self.values[0], values)
        return starts, values


class _Timed(Component):
    """A curve that changes at given times."""

    @abstractmethod
    def _points(self) -> _Points: ...

    @property
    def turns_s(self) -> Sequence[float]:
        """When it changes, or changes its slope."""
        times_s: list[float] = self._points().times_s.tolist()
        return times_s if times_s[0] > 0 else times_s[1:]

    def steps(self) -> Steps:
        """The curve as a function of time."""
        return Steps.of(*self._points().stairs())

    def whens(self, chunks: Iterable[np.ndarray]) -> Iterator[float]:
        """When the integral of the curve reaches each of some rising values."""
        steps = self.steps()
        return (steps.when(area) for areas in chunks for area in areas.tolist())

    def db(self, times_s: np.ndarray) -> np.ndarray:
        """The value at each of some times, which may be negative; the same shape."""
        return self._points().at(np.asarray(times_s, float))

    @property
    def first(self) -> float:
        """What it is at the beginning."""
        return float(self._points().values[0])

    @property
    def extremes(self) -> tuple[float, float]:
        """The least and the greatest value."""
        values = self._points().values
        return float(values.min()), float(values.max())


class StepCurve(_Timed):
    """``values[i]`` holds from ``times_s[i]`` on, the last one for ever."""

    kind: Literal["steps"]
    times_s: Annotated[Sequence[NonNegative], Field(min_length=1)]
    values: Annotated[Sequence[Number], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _check_points(self.times_s, self.values)
        return self

    def _points(self) -> _Points:
        return _Points(np.array(self.times_s, float), np.array(self.values, float), None)


class RampCurve(_Timed):
    """A line from each ``values[i]`` at ``times_s[i]`` to the next; the last one for ever.

    Taken for steps no longer than ``step_s``, of the mean of the line in each: at the edges of
    the steps the integral is that of the line.
    """

    kind: Literal["ramp"]
    times_s: Annotated[Sequence[NonNegative], Field(min_length=2)]
    values: Annotated[Sequence[Number], Field(min_length=2)]
    step_s: Positive = 0.1

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.times_s[-1] / self.step_s > MOST_STEPS:
            raise ValueError(f"has more than {MOST_STEPS:,} steps; give a longer step_s")
        _check_points(self.times_s, self.values)
        return self

    def _points(self) -> _Points:
        return _Points(np.array(self.times_s, float), np.array(self.values, float), self.step_s)


class CsvCurve(_Timed):
    """A column of a CSV file beside the scenario, by a column of seconds, times ``scale``.

    ``between: hold`` keeps each value until the next row, ``line`` leads a line there, taken for
    steps no longer than ``step_s`` as of a ramp. The last value holds for ever.
    """

    kind: Literal["csv"]
    file: str
    time: str = "time_s"
    value: str = "value"
    between: Literal["hold", "line"] = "hold"
    step_s: Positive = 0.1
    scale: Number = 1.0

    _read: _Points = PrivateAttr()

    @model_validator(mode="after")
    def _load(self, info: ValidationInfo) -> Self:
        locate: Callable[[str], Path] = (info.context or {}).get("locate", Path)
        with Table(locate(self.file)).check_columns(self.time, self.value) as table:
            times_s, last_s = [], -math.inf
            for row in table.rows:
                times_s.append(table.number(row, self.time))
                if times_s[-1] <= last_s:
                    table.wrong(row, self.time, f"must be more than {last_s:g}, the row before")
                last_s = times_s[-1]
            values = [table.number(row, self.value, least=-math.inf) for row in table.rows]
        if not times_s:
            raise ValueError(f"{self.file!r} has no rows; add one")
        if last_s / self.step_s > MOST_STEPS and self.between == "line":
            raise ValueError(f"has more than {MOST_STEPS:,} steps; give a longer step_s")
        step_s = self.step_s if self.between == "line" else None
        self._read = _Points(np.array(times_s), self.scale * np.array(values), step_s)
        return self

    def _points(self) -> _Points:
        return self._read


AnyCurve = ConstantCurve | StepCurve | RampCurve | CsvCurve


def _check_points(times_s: Sequence[float], values: Sequence[float]) -> None:
    if len(times_s) != len(values):
        raise ValueError(f"{len(times_s)} times_s but {len(values)} values")
    if times_s[0] != 0 or any(b <= a for a, b in pairwise(times_s)):
        raise ValueError("times_s must begin with 0 and rise")


def number_as_curve(value: Any) -> Any:
    """A number is a curve that does not change; what is no mapping is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"kind": "constant", "value": value}
    if not isinstance(value, dict | Component):
        raise ValueError("must be a number, or a curve over time")  # noqa: TRY004 - pydantic's way
    return value


def within(least: float, most: float = math.inf, *, below: bool = False) -> AfterValidator:
    """A check of all values of a curve; what is none passes."""

    def check(curve: Any) -> Any:
        if not isinstance(curve, AnyCurve):
            return curve
        low, high = curve.extremes
        whose = "" if isinstance(curve, ConstantCurve) else "its values "
        if low < least:
            raise ValueError(f"{whose}must be {least:g} or more{_not(curve, low)}")
        if high > most or (below and high == most):
            bound = f"less than {most:g}" if below else f"{most:g} or less"
            raise ValueError(f"{whose}must be {bound}{_not(curve, high)}")
        return curve

    return AfterValidator(check)


def _not(curve: AnyCurve, value: float) -> str:
    """What it is instead, where the value does not stand in the file itself."""
    return "" if isinstance(curve, ConstantCurve) else f", not {value:g}"


_CURVE = Field(discriminator="kind")
_AS_CURVE = BeforeValidator(number_as_curve, json_schema_input_type=float | AnyCurve)
# A parameter that may change over time: a number, or a curve.
Curve = Annotated[AnyCurve, _CURVE, _AS_CURVE, within(0.0)]
ShareCurve = Annotated[AnyCurve, _CURVE, _AS_CURVE, within(0.0, 1.0, below=True)]
DbCurve = Annotated[AnyCurve, _CURVE, _AS_CURVE, within(-200.0, 200.0)]
