"""Columns of a Parquet file, read strictly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from splitsim.csvtable import reason
from splitsim.errors import BadInput


def read_columns(
    path: Path, names: Sequence[str]
) -> tuple[dict[str, np.ndarray], Mapping[bytes, bytes]]:
    """Some columns of a file, and what its maker has noted in it.

    Raises:
        BadInput: it is no Parquet file, or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"{path}: cannot be read as Parquet: {reason(error)}") from error
    missing = [name for name in names if name not in table.column_names]
    if missing:
        have = ", ".join(table.column_names)
        raise BadInput(*(f"{path}: there is no column {n}; there are {have}" for n in missing))
    columns = {name: table[name].to_numpy() for name in names}
    texts = [name for name, values in columns.items() if values.dtype.kind not in "biuf"]
    if texts:
        raise BadInput(*(f"{path}: {name}: must be a column of numbers" for name in texts))
    return columns, table.schema.metadata or {}
