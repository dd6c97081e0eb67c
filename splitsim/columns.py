"""Columns of a Parquet file, read strictly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from splitsim.csvtable import reason
from splitsim.errors import BadInput


def read_columns(
    path: Path, names: Sequence[str], *optional: Sequence[str]
) -> tuple[dict[str, np.ndarray], Mapping[bytes, bytes]]:
    """Some columns of a file, and what its maker has noted in it; null is NaN.

    Args:
        path: the Parquet file.
        names: columns there must be.
        optional: others that belong together: all of a group are there, or none.

    Raises:
        BadInput: it is no Parquet file, or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"{path}: cannot be read as Parquet: {reason(error)}") from error
    there = {name for group in optional if {*group} & {*table.column_names} for name in group}
    names = [*names, *(name for group in optional for name in group if name in there)]
    missing = [name for name in names if name not in table.column_names]
    if missing:
        have = ", ".join(table.column_names)
        raise BadInput(*(f"{path}: there is no column {n}; there are {have}" for n in missing))
    columns = {name: table[name].to_numpy() for name in names}
    texts = [name for name, values in columns.items() if values.dtype.kind not in "biuf"]
    if texts:
        raise BadInput(*(f"{path}: {name}: must be a column of numbers" for name in texts))
    return columns, table.schema.metadata or {}
