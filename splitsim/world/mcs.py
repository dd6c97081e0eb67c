"""Modulation and coding schemes: what each carries, and how often its blocks are lost at an SNR.

Over the SNR in dB the share of blocks lost (BLER) is a logistic curve, given by where half of them
are and where a tenth is: BLER = 1 / (1 + exp((snr_db - middle_db) / width_db)). A lost block is
sent again, until it is received: what arrives is the rate times (1 - BLER), as an expectation, for
blocks (a millisecond) are short beside what is sent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from splitsim.csvtable import Table
from splitsim.profiles import shipped

TENTH = math.log(9)  # of widths, from where half of the blocks are lost to where a tenth is
COLUMNS = ("mcs", "modulation_order", "code_rate_1024", "snr_50_db", "snr_10_db")
WIFI = ("mcs", "modulation_order", "information_bits", "coded_bits", "sensitivity_20mhz_dbm")
SILENCE_DB = -300.0  # an SNR at which it makes no difference what is sent
FAR = 300.0  # of widths; the rate is then 1e-130 of the scheme's: nothing, but not silence
LEAST = -1000.0  # dB or dBm; any


class Scheme(NamedTuple):
    """A modulation and coding scheme.

    Attributes:
        mcs: its number.
        bps_hz: information bits per second and hertz, or per symbol.
        half_db: the SNR at which half of the blocks are lost.
        tenth_db: where a tenth is.
    """

    mcs: int
    bps_hz: float
    half_db: float
    tenth_db: float


@dataclass(frozen=True, eq=False)
class Ladder:
    """Schemes that carry the more, the more SNR they need; arrays of shape (rungs,).

    Attributes:
        mcs: their numbers.
        bps_hz: what they carry, rising.
        middle_db: where half of the blocks are lost, rising.
        width_db: how slowly that changes.
        transmissions: of one block that a receiver adds up; 1 if each stands alone.
    """

    mcs: np.ndarray
    bps_hz: np.ndarray
    middle_db: np.ndarray
    width_db: np.ndarray
    transmissions: int = 1

    def needs_db(self, bler: float) -> np.ndarray:
        """The SNR at which each loses a share of its blocks."""
        needs: np.ndarray = self.middle_db + self.width_db * math.log(1 / bler - 1)
        return needs

    def bler(self, rungs: np.ndarray, snr_db: np.ndarray) -> np.ndarray:
        """The share of blocks lost on rungs at SNRs, all of shape (n,)."""
        return _logistic((self.middle_db[rungs] - snr_db) / self.width_db[rungs])

    def received(self, rungs: np.ndarray, snr_db: np.ndarray) -> np.ndarray:
        """The other blocks' share: above zero also where one less the lost ones would not be."""
        return _logistic((snr_db - self.middle_db[rungs]) / self.width_db[rungs])

    def goodput_bps_hz(self, rungs: np.ndarray, snr_db: np.ndarray) -> np.ndarray:
        """What arrives of blocks that are sent until they do, shape (n,).

        Where up to N transmissions are added up (chase combining), the n-th makes n times the SNR:
        with p_n = BLER(n SNR) a round takes 1 + p_1 + ... + p_(N-1) transmissions on average and
        succeeds with 1 - p_N; after a failed one a new round begins. Nothing at all arrives where
        there is no signal, as during a hand-over.
        """
        sent = np.ones_like(snr_db)
        for n in range(1, self.transmissions):
            sent += self.bler(rungs, snr_db + 10 * math.log10(n))
        received = self.received(rungs, snr_db + 10 * math.log10(self.transmissions))
        goodput: np.ndarray = self.bps_hz[rungs] * received / sent * (snr_db > SILENCE_DB)
        return goodput


def _logistic(odds: np.ndarray) -> np.ndarray:
    share: np.ndarray = 1 / (1 + np.exp(np.clip(-odds, -FAR, FAR)))
    return share


def ladder(schemes: Iterable[Scheme], share: float, loss_db: float, transmissions: int) -> Ladder:
    """A ladder without the schemes that need as much SNR as another which carries as much.

    Args:
        schemes: any, in any order.
        share: of what they carry that is left.
        loss_db: added to every SNR.
        transmissions: of a block that are added up.
    """
    kept: list[Scheme] = []
    for scheme in sorted(schemes, key=lambda scheme: (scheme.tenth_db, -scheme.bps_hz)):
        if not kept or scheme.bps_hz > kept[-1].bps_hz:
            kept.append(scheme)
    mcs, bps_hz, half_db, tenth_db = (np.array(column) for column in zip(*kept, strict=True))
    width_db = (tenth_db - half_db) / TENTH
    return Ladder(mcs, share * bps_hz, half_db + loss_db, width_db, transmissions)


@lru_cache(maxsize=4)
def nr_schemes(table: int) -> tuple[Scheme, ...]:
    """TS 38.214's table 5.1.3.1-1 or -2, its SNRs as ``traces/README.md`` says."""
    with Table(shipped() / "mcs" / f"nr-table{table}.csv") as read:
        read.check_columns(*COLUMNS)
        return tuple(_nr(read, row) for row in read.rows)


def _nr(table: Table, row: dict[str, str]) -> Scheme:
    order, rate = table.number(row, "modulation_order"), table.number(row, "code_rate_1024")
    half_db, tenth_db = (table.number(row, f"snr_{n}_db", LEAST) for n in (50, 10))
    return Scheme(int(row["mcs"]), order * rate / 1024, half_db, tenth_db)


@lru_cache(maxsize=1)
def wifi_bits() -> tuple[tuple[float, float], ...]:
    """By MCS: information bits per subcarrier and stream, and the minimum sensitivity in dBm.

    The latter at 20 MHz: the power at which a standard receiver loses at most a tenth of its
    packets of 4,096 bytes.
    """
    with Table(shipped() / "mcs" / "wifi.csv") as read:
        read.check_columns(*WIFI)
        return tuple(_wifi(read, row) for row in read.rows)


def _wifi(table: Table, row: dict[str, str]) -> tuple[float, float]:
    order, bits, coded = (table.number(row, name) for name in WIFI[1:4])
    return order * bits / coded, table.number(row, WIFI[4], LEAST)
