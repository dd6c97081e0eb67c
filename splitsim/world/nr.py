"""5G NR's rates: the modulation and coding schemes of TS 38.214."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from splitsim.component import Component, Number, Positive
from splitsim.world.adaptation import Adaptation, Ideal
from splitsim.world.around import Around
from splitsim.world.mcs import Ladder, ladder, nr_schemes
from splitsim.world.travel import Gains

Part = Annotated[Positive, Field(le=1)]
Loss = Annotated[Number, Field(ge=-20, le=20)]
Transmissions = Annotated[int, Field(ge=1, le=8)]


class Nr(Component):
    """One stream of NR: MCS table 1 (to 64-QAM) or 2 (to 256-QAM) of TS 38.214, 5.1.3.1.

    The rate is ``tdd_share`` x ``efficiency`` x modulation order x code rate x (1 - BLER), in
    bit/s/Hz of the channel's bandwidth. ``efficiency`` is what is not data: the default is cyclic
    prefixes (14 of 15 symbols), control and reference signals (0.92 uplink, 0.86 downlink in
    TS 38.306) and the guard band (0.9 to 0.98). Do not choose an attenuated capacity's as well.

    ``tdd_share`` is this direction's share of the time, evenly spread: slots are shorter than what
    is sent. A radio counts as sending throughout.

    SNRs are those of code blocks of the longest kind in white noise, with an ideal receiver:
    ``loss_db`` is what a real one needs more. ``harq_transmissions`` of a block are added up.
    """

    kind: Literal["nr"]
    mcs_table: Literal[1, 2] = 1
    max_mcs: Annotated[int, Field(ge=0, le=28)] | None = None
    efficiency: Part = 0.8
    tdd_share: Part = 1.0
    loss_db: Loss = 0.0
    harq_transmissions: Transmissions = 1
    adaptation: Adaptation = Ideal(kind="ideal")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.mcs_table == 2 and self.max_mcs == 28:
            raise ValueError("max_mcs 28 is beyond mcs_table 2, which ends with 27")
        return self

    def rates(self, snr: Gains, around: Around) -> Gains:
        """Bit/s/Hz of one device in one direction, for an SNR as a ratio of powers."""
        return self.adaptation.rates(self.ladder(), snr, around)

    def ladder(self) -> Ladder:
        """The schemes in use, in bit/s/Hz."""
        most = 28 if self.max_mcs is None else self.max_mcs
        schemes = [scheme for scheme in nr_schemes(self.mcs_table) if scheme.mcs <= most]
        share = self.tdd_share * self.efficiency
        return ladder(schemes, share, self.loss_db, self.harq_transmissions)
