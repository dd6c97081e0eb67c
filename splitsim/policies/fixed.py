"""Policies that look at nothing, or only for a server: the same way for every task, or any."""

from __future__ import annotations

import numpy as np

from splitsim.policies.servers import LEAST_LOADED, NEAREST, least_loaded, nearest, ways_by_server
from splitsim.rng import endless
from splitsim.view import Options, View


class Local:
    """Compute everything on the device; with the threshold ``exit``, until an exit is sure."""

    def __init__(self, model: str, exit: float | None = None) -> None:  # noqa: A002 - a key
        self._model = model
        self._exit = exit
        self._index = 0

    def reset(self, options: Options, rng: np.random.Generator) -> None:
        """Find the option."""
        self._index = options.local(self._model, self._exit)

    def choose(self, view: View) -> int:
        """Always the same."""
        return self._index


class Split:
    """Compute the head here and the tail on a server; ``cut`` is a layer's name or a number.

    ``server`` is a name, ``least_loaded`` (as they last told) or ``nearest``: the least distance
    away where servers have a ``position_m`` and the device a mobility, else that with the shortest
    back-haul; without it the first that can is taken. With the threshold ``exit`` a task ends
    here if an exit on its way to the cut is sure enough.
    """

    def __init__(
        self,
        model: str,
        cut: str | int,
        server: str | None = None,
        exit: float | None = None,  # noqa: A002 - a key
    ) -> None:
        self._model = model
        self._cut = cut
        self._server = server
        self._exit = exit
        self._ways: list[int] = []
        self._best = nearest if server == NEAREST else least_loaded

    def reset(self, options: Options, rng: np.random.Generator) -> None:
        """Find the option, or one for each server."""
        way, known = (self._model, self._cut), (*options.servers, NEAREST, LEAST_LOADED)
        if options.servers and self._server is not None and self._server not in known:
            what = f"no server {self._server!r} for {self._model!r}"
            raise LookupError(f"{what}; there are {', '.join(known)}")
        if self._server in options.servers or self._server not in (NEAREST, LEAST_LOADED):
            self._ways = [options.find(*way, self._server, self._exit)]
        else:
            self._ways = ways_by_server(options, *way, self._exit)

    def choose(self, view: View) -> int:
        """Always the same, but for the server."""
        return self._ways[0] if len(self._ways) == 1 else self._best(view, self._ways)


class Offload(Split):
    """Send the input and compute everything on a server."""

    def __init__(self, model: str, server: str | None = None) -> None:
        super().__init__(model, 0, server)


class Random:
    """Any option, all equally likely."""

    def reset(self, options: Options, rng: np.random.Generator) -> None:
        """Prepare the draws."""
        self._draws = endless(lambda size: rng.integers(len(options), size=size))

    def choose(self, view: View) -> int:
        """The next draw."""
        return int(next(self._draws))
