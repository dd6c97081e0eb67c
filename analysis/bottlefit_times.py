"""What the tables say that the parts of a frame take, on every board of the sweep."""

from __future__ import annotations

from collections.abc import Sequence

from bottlefit_sweep import NETWORKS

from splitsim.entries import Profile
from splitsim.profiles import Tables

CLOSEST = 12  # channels: of those swept, the compression closest to the paper's
OWN, OTHER = f"-bottlefit{CLOSEST}", f"-autoencoder{CLOSEST}"


def at(model: str, hardware: str, layer: str) -> tuple[Profile, int]:
    """A model's profile, and the cut after a layer."""
    tables = Tables()
    return tables.profile(model, hardware), tables.model(model).layers.index(layer)


def spent_s(model: str, hardware: str, layer: str, *steps: str) -> float:
    """What some steps take together at a cut."""
    profile, cut = at(model, hardware, layer)
    return profile.sum_s(cut, *steps) or 0.0


def span(values: Sequence[float], digits: int = 1) -> str:
    """The least and the most of some numbers."""
    ends = dict.fromkeys(f"{end:.{digits}f}" for end in (min(values), max(values)))
    return " to ".join(ends)


def span_ms(hardware: str, ending: str, layer: str, *steps: str) -> str:
    """The least and the most that steps take over the networks, and what the first rests on."""
    names = [f"{network}{ending}" for network in NETWORKS]
    profiles = [at(name, hardware, layer) for name in names]
    basis = " and ".join(dict.fromkeys(profile.basis[steps[0]][cut] for profile, cut in profiles))
    return f"{span([1e3 * spent_s(name, hardware, layer, *steps) for name in names])} ({basis})"


def head_share(network: str, ending: str, hardware: str) -> float:
    """A student's head in the whole time of its teacher."""
    head_s = spent_s(f"{network}{ending}", hardware, "bottleneck", "head")
    return head_s / spent_s(network, hardware, "output", "head")
