"""Parts: the Parquet files of one point, policy and seed; written whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from splitsim.accounts import DeviceRow, Part, ServerRow
from splitsim.cells import CellRow
from splitsim.system.happened import EventRow
from splitsim.task import Record

if TYPE_CHECKING:
    import pyarrow as pa

NAME = re.compile(r"p(\d{4})-(.+)-s(\d{4})\.parquet")
SEAL = b"PAR1"  # how a Parquet file ends
BATCH = 1024  # rows
SHIFTS = "shifts"
TABLES = {  # tasks last: they seal
    "devices": DeviceRow,
    "servers": ServerRow,
    "cells": CellRow,
    "events": EventRow,
    "tasks": Record,
}


def home(folder: Path, shift: int = 0) -> Path:
    """Where the parts of a shift of the tables stand; without one, the results folder itself."""
    return folder / SHIFTS / f"{shift:04d}" if shift else folder


@dataclass(frozen=True, order=True)
class PartName:
    """Which part: a point, a policy, a seed and a shift of the tables (0: none)."""

    point: int
    policy: str
    seed: int
    shift: int = 0

    def __str__(self) -> str:
        """As its files are called, with the folder of its shift."""
        return (home(Path(), self.shift) / self.stem).as_posix()

    @property
    def stem(self) -> str:
        """What its files are called, whatever their table."""
        return f"p{self.point:04d}-{self.policy}-s{self.seed:04d}"

    def is_whole(self, folder: Path) -> bool:
        """Whether a folder has all of it, and none of it was cut short by a power failure."""
        return all(_is_sealed(self.path(folder, table)) for table in reversed(TABLES))

    def path(self, folder: Path, table: str) -> Path:
        """Where one of its tables stands."""
        return home(folder, self.shift) / table / f"{self.stem}.parquet"

    def read(
        self, folder: Path, table: str, columns: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Columns of one of its tables; null is NaN in columns of numbers."""
        import pyarrow.parquet as pq

        read = pq.ParquetFile(self.path(folder, table)).read(columns)
        return {name: read[name].to_numpy() for name in read.column_names}


def parts_in(folder: Path, shift: int = 0) -> list[PartName]:
    """The whole parts of a results folder, or of one of its shifts, in order."""
    paths = (home(folder, shift) / "tasks").glob("*.parquet")
    found = (NAME.fullmatch(path.name) for path in paths)
    names = sorted(PartName(int(m[1]), m[2], int(m[3]), shift) for m in found if m)
    return [name for name in names if name.is_whole(folder)]


def write_part(folder: Path, name: PartName, part: Part) -> None:
    """Write the tables of a part, each under a temporary name first."""
    for table, row in TABLES.items():
        write_rows(name.path(folder, table), row, getattr(part, table))


def write_rows(path: Path, row: type[Any], rows: Sequence[Any]) -> None:
    """Write dataclass instances as Parquet; the file is whole or not there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(row)
    table = pa.Table.from_batches(_batches(schema, rows), schema)
    texts = [f.name for f in schema if pa.types.is_string(f.type)]
    floats = {f.name: "BYTE_STREAM_SPLIT" for f in schema if pa.types.is_floating(f.type)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        pq.write_table(
            table,
            partial,
            compression="zstd",
            compression_level=3,
            use_dictionary=texts,
            column_encoding=floats,
        )


def _batches(schema: pa.Schema, rows: Sequence[Any]) -> Iterator[pa.RecordBatch]:
    """Rows as columns, a batch that fits into a processor's cache at a time."""
    import pyarrow as pa

    values = attrgetter(*schema.names)
    for first in range(0, len(rows), BATCH):
        columns = zip(*map(values, rows[first : first + BATCH]), strict=True)
        arrays = [pa.array(column, f.type) for column, f in zip(columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write a file that is to be there as a whole or not at all.

    Raises:
        OSError: it cannot be written; names the file, not where its beginning was.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError) and error.filename == str(partial):
            error.filename, error.filename2 = str(path), None
        raise


def _is_sealed(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-len(SEAL), os.SEEK_END)
            return file.read() == SEAL
    except OSError:
        return False


def _schema(row: type[Any]) -> pa.Schema:
    """Names, types, units and meanings of a dataclass's fields."""
    import pyarrow as pa

    kinds = {"int": pa.int64(), "float": pa.float64(), "str": pa.string(), "bool": pa.bool_()}
    return pa.schema(
        [
            pa.field(f.name, kinds[str(f.type).split(" | ")[0]], metadata=dict(f.metadata) or None)
            for f in fields(row)
        ]
    )
