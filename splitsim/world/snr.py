"""The mean SNR of a channel over time, before fading: a given one, or what geometry makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from splitsim.component import Component, ConstantCurve, DbCurve, NonNegative, Number
from splitsim.world.around import Around
from splitsim.world.geometry import Geometry
from splitsim.world.propagation.budget import PowerControl, milliwatts, noise_dbm
from splitsim.world.propagation.coverage import Coverage
from splitsim.world.propagation.losses import landscapes

GRIDS_S = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)  # steps of a curve


class MeanSnr(NamedTuple):
    """A mean SNR as a ratio of powers.

    Attributes:
        ratio: of rising times in seconds, shape (n,): the ratio at each, shape (n,), or one
            number where it is always the same.
        step_s: how long it may be taken for constant; inf where it is.
    """

    ratio: Callable[[np.ndarray], np.ndarray | float]
    step_s: float = math.inf


class ConstantSnr(Component):
    """A given mean SNR: a number, or a curve in dB, the same for all devices.

    A curve changes at multiples of ``GRIDS_S``'s longest step that all its changes are multiples
    of, or of its shortest; or with the next gain of the fading, if that comes sooner.
    """

    kind: Literal["constant"]
    mean_db: DbCurve

    def mean(self, around: Around, bandwidth_hz: float) -> MeanSnr:
        """The mean SNR of one device in one direction."""
        if isinstance(self.mean_db, ConstantCurve):
            ratio = float(10 ** (self.mean_db.value / 10))
            return MeanSnr(lambda _: ratio)
        curve = self.mean_db
        turns_s = np.array(curve.turns_s)
        whole = (s for s in GRIDS_S if np.allclose(turns_s / s, np.rint(turns_s / s), atol=1e-6))
        step_s = next(whole, GRIDS_S[-1])
        # A gain begins a rounding before or after the change that it begins with.
        return MeanSnr(lambda times_s: 10 ** (curve.db(times_s + 1e-6 * step_s) / 10), step_s)

    @property
    def expected_db(self) -> float:
        """What a device expects it to be, in dB: what it is at the beginning."""
        return self.mean_db.first


class GeometrySnr(Component):
    """What a power sent between a device and the site that serves it leaves over the noise.

    SNR = power_dbm + gains - path loss - shadowing - noise - interference_margin_db, where the
    noise is -174 dBm/Hz + 10 log10 bandwidth + noise_figure_db. An uplink may lower its power by
    ``power_control``. With an ``activity``, the share of time in which the other sites send, a
    downlink has their mean power added to the noise. While a hand-over interrupts it is 0.
    """

    kind: Literal["geometry"]
    power_dbm: Annotated[Number, Field(ge=-50, le=100)]
    noise_figure_db: Annotated[NonNegative, Field(le=50)]
    tx_gain_db: Annotated[Number, Field(ge=-50, le=100)] = 0.0
    rx_gain_db: Annotated[Number, Field(ge=-50, le=100)] = 0.0
    power_control: PowerControl | None = None
    interference_margin_db: Annotated[NonNegative, Field(le=100)] = 0.0
    activity: Annotated[float, Field(ge=0, le=1)] | None = None

    def misfits(self, way: str, geometry: Geometry | None) -> Iterator[tuple[tuple[str, ...], str]]:
        """Keys and what is wrong with them in a direction of a cell with this geometry."""
        if geometry is None or geometry.path_loss is None:
            lacks = "geometry: {carrier_hz, sites, path_loss}" if geometry is None else "path_loss"
            yield (), f"the SNR follows from where the sites are; give the cell's {lacks}"
        if way == "uplink" and self.activity is not None:
            what = "other sites disturb downlinks; remove it, or give an interference_margin_db"
            yield ("activity",), what
        if way == "downlink" and self.power_control is not None:
            yield ("power_control",), "only uplinks are power-controlled; remove it"

    def mean(self, around: Around, bandwidth_hz: float) -> MeanSnr:
        """The mean SNR of one device in one direction.

        Raises:
            ValueError: nobody said where the device or the sites are, or it is too far away.
        """
        if around.path is None or around.geometry is None:
            raise ValueError("the SNR of kind geometry needs the cell's geometry and a mobility")
        sites = landscapes(around.geometry, around.cell, around.seed)
        way = Coverage(around.path, sites, around.geometry.handover)
        if way.grid.edge_s == math.inf:
            ratio = float(self.ratio(*way.at(np.zeros(1)), bandwidth_hz)[0])
            return MeanSnr(lambda _: ratio)
        return MeanSnr(lambda times_s: self.ratio(*way.at(times_s), bandwidth_hz), way.grid.edge_s)

    def ratio(
        self, loss_db: np.ndarray, site: np.ndarray, sending: np.ndarray, bandwidth_hz: float
    ) -> np.ndarray:
        """The SNR over losses to all sites.

        Args:
            loss_db: path loss and shadowing, shape (n, sites).
            site: which one serves, shape (n,).
            sending: False while a hand-over interrupts, shape (n,).
            bandwidth_hz: of the channel.

        Returns:
            Ratios of powers, shape (n,).
        """
        coupling_db = loss_db - self.tx_gain_db - self.rx_gain_db
        served_db = np.take_along_axis(coupling_db, site[:, None], axis=1)
        power_dbm: np.ndarray | float = self.power_dbm
        if self.power_control is not None:
            power_dbm = self.power_control.power_dbm(served_db, self.power_dbm, bandwidth_hz)
        received_mw = milliwatts(power_dbm - coupling_db)
        signal_mw = np.take_along_axis(received_mw, site[:, None], axis=1)[:, 0]
        others_mw = np.maximum(received_mw.sum(axis=1) - signal_mw, 0.0)
        floor_dbm = noise_dbm(bandwidth_hz, self.noise_figure_db) + self.interference_margin_db
        ratio: np.ndarray = signal_mw / (milliwatts(floor_dbm) + (self.activity or 0.0) * others_mw)
        return np.where(sending, ratio, 0.0)


Snr = Annotated[ConstantSnr | GeometrySnr, Field(discriminator="kind")]
