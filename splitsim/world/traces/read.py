"""Reading a file: which format it has, and whether the options given fit that."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from splitsim.errors import BadInput
from splitsim.world.traces.formats import READERS, SUFFIXES
from splitsim.world.traces.lines import Lines, text_of
from splitsim.world.traces.trace import Trace


def read_trace(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the word of the scenario file
    time: str | None = None,
    rate: str | None = None,
    time_unit_s: float | None = None,
    rate_unit_bps: float | None = None,
    hold: Literal["previous", "next"] | None = None,
) -> Trace:
    """Read a trace; time is shifted to begin at 0, rates become bit/s.

    Blank lines and lines that begin with ``#`` are skipped, except by ``mahimahi``. Of several
    rows with the same time the one counts that has an interval to hold on (see ``hold``).

    Args:
        path: a text file (UTF-8).
        format: ``mahimahi``, ``two-column`` or ``csv``; may be left out for a file called
            ``.up``, ``.down`` (mahimahi) or ``.csv``.
        time: csv: the column of time, ``time_s`` by default.
        rate: csv: the column of the rate, ``rate_bps`` by default.
        time_unit_s: csv and two-column: the unit of time, 1 s by default. Dates need none.
        rate_unit_bps: the unit of the rate. Two-column: 1e6 by default. Csv: 1 for a column
            called ``..._bps``, to be stated for any other.
        hold: csv and two-column. ``previous`` (default): a value holds from its time to the
            next row's (so the last of equal times counts), the last one for the median step.
            ``next``: it holds from the row before to its own time, so that the first value is
            not used (and the first of equal times counts); Pensieve's environment does so.

    Raises:
        BadInput: the file cannot be used; all its mistakes, the first ten in full.
    """
    name = os.fspath(path)
    given = {
        "time": time,
        "rate": rate,
        "time_unit_s": time_unit_s,
        "rate_unit_bps": rate_unit_bps,
        "hold": hold,
    }
    options = {key: value for key, value in given.items() if value is not None}
    lines = Lines(name, text_of(name))
    reader = _reader(name, format, options)
    with np.errstate(over="ignore", invalid="ignore"):  # its numbers are looked at in the end
        return reader(lines, **options)


def _reader(name: str, form: str | None, options: Mapping[str, object]) -> Callable[..., Trace]:
    """The function that reads a format, once its options are known to be in order."""
    form = form or SUFFIXES.get(Path(name).suffix.lower())
    known = ", ".join(READERS)
    if form is None:
        raise BadInput(f"{name}: its name does not tell the format; give one of {known}")
    if form not in READERS:
        raise BadInput(f"{name}: there is no format {form!r}; give one of {known}")
    problems = [*_misplaced(form, options), *_misfits(options)]
    if problems:
        raise BadInput(*(f"{name}: {problem}" for problem in problems))
    return READERS[form]


def _misplaced(form: str, options: Iterable[str]) -> list[str]:
    taken = [*inspect.signature(READERS[form]).parameters][1:]
    remedy = f"it takes {', '.join(taken)}" if taken else "it takes no options"
    return [f"format {form} does not take {key}; {remedy}" for key in options if key not in taken]


def _misfits(options: Mapping[str, object]) -> list[str]:
    problems = [
        f"{key} is {options[key]!r}; it must be a finite number above 0"
        for key in ("time_unit_s", "rate_unit_bps")
        if key in options and not _is_positive(options[key])
    ]
    if options.get("hold", "next") not in {"previous", "next"}:
        problems.append(f"hold is {options['hold']!r}; it must be 'previous' or 'next'")
    return problems


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf
