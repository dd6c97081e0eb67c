"""The results folder: what a run left behind, as DataFrames."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitsim.errors import BadInput
from splitsim.parts import parts_in
from splitsim.summary import Row, summarise, write_summary

if TYPE_CHECKING:
    import pandas as pd


class Results:
    """A results folder.

    Raises:
        BadInput: it is none.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            text = (self.folder / "manifest.json").read_text(encoding="utf-8")
            self.manifest: Mapping[str, Any] = json.loads(text)
        except (OSError, ValueError) as error:
            raise BadInput(
                f"{self.folder}: is no results folder (manifest.json cannot be read: {error}); "
                "give the DIR of 'splitsim run --out DIR'"
            ) from error

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """A row per task created, with the columns of ``Record``."""
        return self._table("tasks")

    @cached_property
    def devices(self) -> pd.DataFrame:
        """A row per device and part, with the columns of ``DeviceRow``."""
        return self._table("devices")

    @cached_property
    def servers(self) -> pd.DataFrame:
        """A row per server and part, with the columns of ``ServerRow``."""
        return self._table("servers")

    @cached_property
    def channels(self) -> pd.DataFrame:
        """Rates over time of one device per point, for the report's time line."""
        return self._table("channels")

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row per point and policy, with what was swept in the last columns."""
        import pandas as pd

        return pd.DataFrame(self.summary_rows)

    @cached_property
    def summary_rows(self) -> list[Row]:
        """The summary, made of the parts that are there."""
        points = self.manifest["points"]
        return summarise(
            self.folder,
            self.manifest["policies"],
            [point["swept"] for point in points],
            [point["warmup_s"] for point in points],
        )

    def write_summary(self) -> None:
        """Write ``summary.csv``."""
        write_summary(self.folder / "summary.csv", self.summary_rows)

    @property
    def complete(self) -> bool:
        """Whether every part is there."""
        return len(parts_in(self.folder)) == int(self.manifest["parts"])

    def _table(self, table: str) -> pd.DataFrame:
        import pandas as pd

        paths = sorted((self.folder / table).glob("*.parquet"))
        frames = [pd.read_parquet(path) for path in paths]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
