"""How bits get across a link: lost packets sent again or not, symbols, and TCP."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from splitsim.component import Component, Positive, Share
from splitsim.costs import SlowStart
from splitsim.steps import Steps


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
    bits; the chance in it is left out, and waiting for acknowledgements without ``tcp``.
    """

    kind: Literal["reliable"] = "reliable"
    loss: Share = 0.0
    tcp: Tcp | None = None

    def goodput(self, rate: Steps) -> Steps:
        """The rate at which new bits arrive."""
        return rate.times(1 - self.loss)

    @property
    def attempts(self) -> float:
        """How often a bit is sent."""
        return 1 / (1 - self.loss)

    @property
    def erased(self) -> float:
        """The share of packets that the receiver has to do without."""
        return 0.0


class Unreliable(Component):
    """Lost packets stay lost: loss costs accuracy, as the outcomes at that loss say."""

    kind: Literal["unreliable"]
    loss: Share = 0.0

    def goodput(self, rate: Steps) -> Steps:
        """The rate at which bits are sent."""
        return rate

    @property
    def attempts(self) -> float:
        """How often a bit is sent."""
        return 1.0

    @property
    def erased(self) -> float:
        """The share of packets that the receiver has to do without."""
        return self.loss


class Analogue(Component):
    """Numbers are sent as symbols and heard with noise, as the outcomes at that SNR say.

    It concerns the uplink, whose rate is of kind ``symbols``; answers come back as bits. What the
    radio draws per bit is drawn for each bit of the numbers.
    """

    kind: Literal["analogue"]

    def goodput(self, rate: Steps) -> Steps:
        """The rate at which numbers are sent, in bits of them."""
        return rate

    @property
    def attempts(self) -> float:
        """How often a bit is sent."""
        return 1.0

    @property
    def erased(self) -> float:
        """The share of packets that the receiver has to do without: there are none."""
        return 0.0


Transport = Annotated[Reliable | Unreliable | Analogue, Field(discriminator="kind")]
