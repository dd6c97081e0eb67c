"""Which of several servers a task goes to: the nearest, or the least loaded as last told."""

from __future__ import annotations

import math
from collections.abc import Sequence

from splitsim.policies.predictive import waits_s
from splitsim.view import Options, View

NEAREST, LEAST_LOADED = "nearest", "least_loaded"
FORGET_AFTER_S = 5.0  # age at which what a server told counts no longer


def ways_by_server(
    options: Options, model: str, cut: str | int, threshold: float | None
) -> list[int]:
    """The indices of a way with each server that can take it, the nearest first.

    A server is the nearer the shorter its back-haul is; of equal ones the first comes first.
    """
    first = options.find(model, cut, None, threshold)
    there = {o.server for o in options if (o.model, o.cut) == (model, options[first].cut)}
    near = sorted(range(len(options.servers)), key=lambda n: options.backhaul_s[n])
    names = [options.servers[n] for n in near if options.servers[n] in there]
    return [options.find(model, cut, name, threshold) for name in names]


def nearest(view: View, ways: Sequence[int]) -> int:
    """The one of some ways whose server is the least distance away.

    Where the device does not know its own place, or the place of one of the servers, it is the
    first of them: that with the shortest back-haul. Of equal ones the first is taken.
    """
    here_m, places_m = view.position_m, view.options.places_m
    if here_m is None:
        return ways[0]
    far_m = {}
    for way in ways:
        place_m = places_m[int(view.options.server[way])]
        if place_m is None:
            return ways[0]
        far_m[way] = math.dist(here_m, place_m)
    return min(ways, key=lambda way: far_m[way])


def least_loaded(view: View, ways: Sequence[int]) -> int:
    """The one of some ways whose server, as far as it last told, makes a task wait least.

    Of equal ones the first is taken.
    """
    expected_s = waits_s(view, FORGET_AFTER_S)
    return min(ways, key=lambda way: expected_s[int(view.options.server[way])])
