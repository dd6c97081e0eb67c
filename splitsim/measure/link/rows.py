"""A recording as a file: written row by row, so that whatever happens what there is is kept."""

from __future__ import annotations

from pathlib import Path
from typing import IO, NamedTuple, Self

COLUMNS = ("time_s", "uplink_bps", "downlink_bps", "rtt_s")


class Row(NamedTuple):
    """An interval.

    Attributes:
        time_s: when it began.
        uplink_bps: what the server got in it, per second; None if it was not measured.
        downlink_bps: what the client got.
        rtt_s: median round trip of the pings sent in it; None if none came back.
    """

    time_s: float
    uplink_bps: float | None
    downlink_bps: float | None
    rtt_s: float | None


class RowFile:
    """A CSV of rows, in the form in which traces are read; to be used in a with statement.

    Args:
        path: where to write; refused if it exists, for a measurement cannot be made again.
        comments: what to say of it first.
        columns: those that were measured, ``time_s`` first.
    """

    def __init__(self, path: Path, comments: list[str], columns: tuple[str, ...] = COLUMNS) -> None:
        self.path = path
        self._comments = comments
        self._columns = columns

    def __enter__(self) -> Self:
        self._file: IO[str] = self.path.open("x", encoding="utf-8", newline="\n")
        self._write(*(f"# {comment}" for comment in self._comments), ",".join(self._columns))
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, row: Row) -> None:
        """Write a row; it is in the file when this returns."""
        self._write(",".join(_cell(getattr(row, name)) for name in self._columns))

    def end(self, time_s: float, comment: str) -> None:
        """Say when the last interval ends, and why there are no more."""
        self._write(f"{time_s!r}" + "," * (len(self._columns) - 1), f"# {comment}")

    def _write(self, *lines: str) -> None:
        self._file.write("".join(f"{line}\n" for line in lines))
        self._file.flush()


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)
