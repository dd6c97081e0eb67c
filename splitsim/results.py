"""The results folder: what a run left behind, as DataFrames."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitsim.errors import BadInput
from splitsim.parts import parts_in
from splitsim.shifts import with_shifts
from splitsim.summary import Row, summarise, summarise_phases, write_summary

if TYPE_CHECKING:
    import pandas as pd

# What a manifest has at least.
KEYS = {"scenario_sha256", "parts", "policies", "seeds", "points", "files", "runs", "wall_s"}


class Results:
    """A results folder.

    Raises:
        BadInput: it is none.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest: Mapping[str, Any] = _manifest(self.folder)

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
    def cells(self) -> pd.DataFrame:
        """Two rows per cell and part, one per direction, with the columns of ``CellRow``."""
        return self._table("cells")

    @cached_property
    def events(self) -> pd.DataFrame:
        """A row per event of a device and part, with the columns of ``EventRow``."""
        return self._table("events")

    @cached_property
    def channels(self) -> pd.DataFrame:
        """Rates over time of one device per point, for the report's time line."""
        return self._table("channels")

    @cached_property
    def options(self) -> pd.DataFrame:
        """A row per option and group of devices, with the columns of ``OptionRow``."""
        return self._table("options")

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row per point and policy, with what was swept in the last columns."""
        import pandas as pd

        return pd.DataFrame(self.summary_rows)

    @cached_property
    def summary_rows(self) -> list[Row]:
        """The summary, made of the parts that are there."""
        rows = self._summarise()
        if not self.shifts or not rows:
            return rows
        shifted = [self._summarise(shift) for shift in range(1, self.shifts + 1)]
        return with_shifts(rows, shifted, list(self.manifest["points"][0]["swept"]))

    @cached_property
    def phases(self) -> pd.DataFrame:
        """A row per point, policy and phase between changes; empty where nothing changes."""
        import pandas as pd

        return pd.DataFrame(self.phase_rows)

    @cached_property
    def phase_rows(self) -> list[Row]:
        """The summary by phase, of the points at which conditions change."""
        points = self.manifest["points"]
        return summarise_phases(
            self.folder,
            self.manifest["policies"],
            [point["swept"] for point in points],
            [point.get("phases_s", ()) for point in points],
        )

    def _summarise(self, shift: int = 0) -> list[Row]:
        points = self.manifest["points"]
        return summarise(
            self.folder,
            self.manifest["policies"],
            [point["swept"] for point in points],
            [point["warmup_s"] for point in points],
            shift,
        )

    @property
    def shifts(self) -> int:
        """How many shifts of the tables were asked for."""
        return int(self.manifest.get("shifts", 0))

    @property
    def parts(self) -> int:
        """How many parts there are to be, those of all shifts included."""
        return int(self.manifest["parts"]) * (1 + self.shifts)

    def write_summary(self) -> None:
        """Write ``summary.csv`` and, where conditions change, ``phases.csv``."""
        write_summary(self.folder / "summary.csv", self.summary_rows)
        if self.phase_rows:
            write_summary(self.folder / "phases.csv", self.phase_rows)

    @property
    def missing(self) -> int:
        """How many parts are not there, or not whole."""
        there = sum(len(parts_in(self.folder, shift)) for shift in range(self.shifts + 1))
        return self.parts - there

    @property
    def complete(self) -> bool:
        """Whether every part is there."""
        return not self.missing

    def _table(self, table: str) -> pd.DataFrame:
        import pandas as pd

        paths = sorted((self.folder / table).glob("*.parquet"))
        frames = [pd.read_parquet(path) for path in paths]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise _no_results(folder, f"{error.strerror}: manifest.json") from error
    except ValueError as error:
        raise _no_results(folder, "manifest.json is damaged") from error
    if not isinstance(manifest, dict) or not manifest.keys() >= KEYS:
        raise _no_results(folder, "manifest.json is of something else")
    return manifest


def _no_results(folder: Path, why: str) -> BadInput:
    return BadInput(
        f"{folder}: is no results folder ({why}); give the DIR of 'splitsim run --out DIR'"
    )
