"""How bits get across a link: lost packets sent again or not, symbols, and TCP."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from splitsim.component import (
    AnyCurve,
    Component,
    ConstantCurve,
    Positive,
    Share,
    number_as_curve,
    within,
)
from splitsim.costs import SlowStart
from splitsim.steps import Steps
from splitsim.world.around import Around
from splitsim.world.beside import MOST_LOST, TraceLoss

LossKind = AnyCurve | TraceLoss
Loss = Annotated[
    LossKind,
    Field(discriminator="kind"),
    BeforeValidator(number_as_curve, json_schema_input_type=float | LossKind),
    within(0.0, 1.0, below=True),
]


class Tcp(Component):
    """TCP's slow start; see ``SlowStart``.

    The connection is kept between transfers, whose windows begin at ``initial_window_bytes``
    again; a ``fresh`` one for every transfer of the uplink costs a round trip more. The round
    trip is twice the mean latency and the backhaul to the task's server.
    """

    initial_window_bytes: Positive = 14_600.0
    fresh: bool = False

    def slow_start(self, *, is_down: bool) -> SlowStart:
        """The law of one direction; an answer comes on the connection of its request."""
        return SlowStart(8 * self.initial_window_bytes, self.fresh and not is_down)


class Reliable(Component):
    """Lost packets are sent again until they arrive: loss costs time and energy.

    A packet takes 1 / (1 - loss) attempts on average, and every transfer that many times its
    bits; the chance in it is left out, and waiting for acknowledgements without ``tcp``. Where
    the loss changes, new bits arrive at rate x (1 - loss) at any time, and the bits of a transfer
    draw joules for the attempts that they take at its beginning.
    """

    kind: Literal["reliable"] = "reliable"
    loss: Loss = ConstantCurve(value=0.0)
    tcp: Tcp | None = None

    def goodput(self, rate: Steps, around: Around) -> Steps:
        """The rate at which new bits arrive."""
        if isinstance(self.loss, ConstantCurve):
            return rate.times(1 - self.loss.value)
        return rate.product(self._losses(around).through(lambda loss: 1 - loss))

    @property
    def attempts(self) -> float:
        """How often a device expects a bit to be sent: as at the beginning, or on average."""
        loss = self.loss
        expected = loss.first if isinstance(loss, AnyCurve) else min(loss.mean, MOST_LOST)
        return 1 / (1 - expected)

    def more_attempts(self, around: Around) -> Steps | None:
        """How often a bit is sent over time, in terms of what is expected; None: as expected."""
        if isinstance(self.loss, ConstantCurve):
            return None
        return self._losses(around).through(lambda loss: 1 / ((1 - loss) * self.attempts))

    @property
    def erased(self) -> float:
        """The share of packets that the receiver has to do without."""
        return 0.0

    def _losses(self, around: Around) -> Steps:
        if isinstance(self.loss, TraceLoss):
            return self.loss.steps(around).through(lambda loss: np.minimum(loss, MOST_LOST))
        return self.loss.steps()


class _Once(Component):
    """Every bit is sent once, whatever becomes of it."""

    def goodput(self, rate: Steps, around: Around) -> Steps:
        """The rate at which bits, or numbers in bits of them, are sent."""
        del around
        return rate

    @property
    def attempts(self) -> float:
        """How often a bit is sent."""
        return 1.0

    def more_attempts(self, around: Around) -> Steps | None:
        """How often a bit is sent over time; None: as often as expected."""
        del around
        return None


class Unreliable(_Once):
    """Lost packets stay lost: loss costs accuracy, as the outcomes at that loss say."""

    kind: Literal["unreliable"]
    loss: Share = 0.0

    @property
    def erased(self) -> float:
        """The share of packets that the receiver has to do without."""
        return self.loss


class Analogue(_Once):
    """Numbers are sent as symbols and heard with noise, as the outcomes at that SNR say.

    It concerns the uplink, whose rate is of kind ``symbols``; answers come back as bits. What the
    radio draws per bit is drawn for each bit of the numbers.
    """

    kind: Literal["analogue"]

    @property
    def erased(self) -> float:
        """The share of packets that the receiver has to do without: there are none."""
        return 0.0


Transport = Annotated[Reliable | Unreliable | Analogue, Field(discriminator="kind")]
