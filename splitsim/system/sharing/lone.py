"""The end of a transfer that nobody disturbs, and what is undone if somebody does."""

from __future__ import annotations

from splitsim.system.clock import Clock, Moment
from splitsim.system.stations import Transfer

Before = tuple[tuple[float, float, float], float, float]


class Lone(Moment):
    """What happens in the place of a transfer's own event, which could not be taken back.

    Args:
        clock: simulated time.
        job: the transfer, all filled in.
        before: the account of its link before.
    """

    def __init__(self, clock: Clock, job: Transfer, before: Before) -> None:
        self.env = clock
        self.callbacks = [self._happens]
        self.key = job.key
        self.before = before
        self._job = job

    def _happens(self, moment: object) -> None:
        """The owner goes on, as from the event itself."""
        del moment
        callbacks, self._job.callbacks = self._job.callbacks, None  # type: ignore[assignment]
        for callback in callbacks:
            callback(self._job)

    def undo(self) -> Transfer:
        """It will not happen; the transfer, which has begun and no more."""
        self.callbacks = []
        job = self._job
        job.end_s = job.over_s = None
        job.sent_bits = 0.0
        return job
