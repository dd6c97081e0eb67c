"""What lies between a device and a server, each way: the air, the back-haul and its outages."""

from __future__ import annotations

from splitsim.component import ConstantCurve
from splitsim.outages import held_s
from splitsim.steps import Steps
from splitsim.system.server import ServerSpec


class Distance:
    """Latencies between a device and a server.

    What never changes is known before a message is sent, and passes behind its transfer
    (``ahead_s``). If anything changes, it is what it is when the message gets there: later ones
    may overtake earlier ones.

    Args:
        air: the latency between device and cell over time; None where it does not change.
        air_s: what it is expected to be.
        server: the other end.
    """

    def __init__(self, air: Steps | None, air_s: float, server: ServerSpec) -> None:
        self._air, self._mean_air_s = air, air_s
        self._outages = server.backhaul_outages
        self._backhaul = server.backhaul_s.steps()
        self._backhaul_s = server.backhaul_s.first
        self._expected_s = air_s + self._backhaul_s
        self.changes = air is not None or not isinstance(server.backhaul_s, ConstantCurve)

    def one_way_s(self, now_s: float) -> float:
        """What a message takes that sets out now, outages aside; of a drawn latency the mean."""
        if not self.changes:
            return self._expected_s
        air_s = self._mean_air_s if self._air is None else self._air.value(now_s)
        return air_s + self._backhaul.value(now_s + air_s)

    def ahead_s(self, drawn_s: float) -> float:
        """What passes behind the transfer of a message: what it draws, and what never changes."""
        return drawn_s if self.changes else drawn_s + self._backhaul_s

    def air_s(self, now_s: float) -> float:
        """The rest of the way between device and cell for a message that sets out now."""
        return 0.0 if self._air is None else self._air.value(now_s)

    def there_s(self, now_s: float) -> float:
        """The rest of the way to the server, ``ahead_s`` after the last bit was sent."""
        if not self.changes:
            return held_s(self._outages, now_s - self._backhaul_s) if self._outages else 0.0
        air_s = self.air_s(now_s)
        return air_s + self.back_s(now_s + air_s)

    def back_s(self, now_s: float) -> float:
        """Across the back-haul, either way, for a message that comes to it at a time."""
        wait_s = held_s(self._outages, now_s) if self._outages else 0.0
        if not self.changes:
            return self._backhaul_s + wait_s
        return self._backhaul.value(now_s + wait_s) + wait_s
