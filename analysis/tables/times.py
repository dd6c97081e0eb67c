"""Profiles: published totals of whole networks, scaled to the cuts; measured heads.

A published total is one number per network; a cut needs the time before it and after it. It is
scaled by the fit of its hardware, multiplied by the network's own total / fit, its family factor,
so that the total is met. A student's unchanged layers take the teacher's times exactly, or a
comparison of the two would be decided by the scaling; only its new layers take fit x family factor.
Where totals are too few for a fit, only the first and the last cut have times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count

from tables.coding import encoding
from tables.files import Time, as_csv, combined, profile_row
from tables.fits import ORIGINS, Fit, fit, totals
from tables.models import Model
from tables.source import only, published
from tables.students import models

SERVERS = ("server-gpu", "server-gpu-tensorrt")
MEASURED = {"vgg16-tx2": "jetson-tx2"}  # the one device its heads were measured on
SCALED = 2.0  # the usual factor of uncertainty of a scaled entry
NOTHING = Time(0, "assumed", "")


def law_of(hardware: str) -> Fit:
    """The fit of a hardware that has one."""
    law = fit(hardware)
    assert law is not None
    return law


def family_factor(network: str, hardware: str) -> float:
    """What the fit is multiplied by to meet the network's total."""
    return 1 / (1 + law_of(hardware).errors[network])


def fitted_ns(model: Model, hardware: str) -> list[int]:
    """Nanoseconds before each cut, every layer by fit x family factor."""
    law, factor = law_of(hardware), family_factor(model.network, hardware)
    return [round(1e9 * factor * law.seconds(cut.layers, cut.macs)) for cut in model.cuts]


def guessed_ns(model: Model, heads: list[int]) -> int:
    """What a student's block that is ours lasts; 0 where every block is published."""
    joined = model.last - model.kept
    return heads[joined] - heads[joined - 1] if model.guessed else 0


def heads_ns(model: Model, hardware: str) -> list[int]:
    """Nanoseconds before each cut; a student's last ``kept`` layers take the teacher's."""
    own = fitted_ns(model, hardware)
    if model.teacher is None:
        return own
    teacher = fitted_ns(model.teacher, hardware)[-model.kept - 1 :]
    new = own[: -model.kept]
    return new + [new[-1] + ns - teacher[0] for ns in teacher[1:]]


def basis_of(hardware: str, ns: int, guessed: int) -> tuple[str, float]:
    """Basis and factor of a scaled time with ``guessed`` nanoseconds of a block of ours in it.

    The published block takes from nothing to twice what ours is taken to last.
    """
    scaled = combined(SCALED, 1 + law_of(hardware).rms)
    return ("assumed", combined(scaled, ns / (ns - guessed))) if guessed else ("scaled", scaled)


def whole(model: Model, hardware: str) -> Time:
    """A network that was timed as a whole."""
    total = totals(hardware)[model.network]
    source = f"{model.network} total {1e3 * total.s:.6g} ms ({total.source})"
    return Time(round(1e9 * total.s), total.basis, source)


def scaled_times(model: Model, hardware: str, *, server: bool) -> Iterator[Time]:
    """Heads of a device or tails of a server; where that is a network that was timed, its total."""
    heads, last = heads_ns(model, hardware), model.last
    block = guessed_ns(model, heads)
    joined = last - model.kept
    said = f"{whole(model, hardware).source}; inner cuts by the fit in fits.csv, scaled to meet it"
    if model.kept:
        said += "; layers after the decoder take the teacher's times"
    for cut, head in enumerate(heads):
        ns = heads[-1] - head if server else head
        inside = cut < joined if server else cut >= joined
        basis, factor = basis_of(hardware, ns, block if inside else 0)
        yield Time(ns, basis, said, factor)


def times(model: Model, hardware: str, *, server: bool) -> list[Time | None]:
    """Heads or tails at every cut, None where there is no fit to scale by."""
    none, all_of_it = Time(0, "published", "nothing is computed"), whole(model, hardware)
    if fit(hardware):
        found: list[Time | None] = list(scaled_times(model, hardware, server=server))
    else:
        found = [none, *[None] * (model.last - 1), none]
    if not model.kept:
        found[0 if server else -1] = all_of_it
    return found


def measured_times() -> list[Time | None]:
    rows = published("vgg16_tx2_cuts")
    return [Time(round(float(r["head_ms"]) * 1e6), "measured", r["source"]) for r in rows]


def step(name: str) -> Time:
    """A step beside the network: assumed, as it was measured on other machines or not at all."""
    row = only("step_times", step=name)
    other = " (measured on other machines)" if row["basis"] == "measured" else ""
    return Time(round(float(row["ms"]) * 1e6), "assumed", f"{row['source']}{other}")


def before(model: Model, cut: int, hardware: str) -> dict[str, Time]:
    """Pre-processing and encoding at a cut: a JPEG is made in the former."""
    if cut == 0 and model.wire == "image":
        return {"pre": step("device_jpeg"), "encode": NOTHING}
    return {"pre": step("device_tensor"), "encode": encoded(model, cut, hardware)}


def encoded(model: Model, cut: int, hardware: str) -> Time:
    """Encoding at a cut where tensors cross; at the last one nothing does."""
    if cut == model.last:
        return NOTHING
    if model.wire == "tensor":
        return step("device_serialise")
    return encoding(math.prod(model.cuts[cut].shape), hardware)


def decoded(model: Model, cut: int) -> Time:
    """Decoding at a cut, and the pre-processing of an image that comes as a JPEG."""
    if cut == 0 and model.wire == "image":
        return step("server_jpeg")
    return step("server_tensor") if cut < model.last else NOTHING


def row_of(model: Model, cut: int, time: Time | None, hardware: str) -> dict[str, Time]:
    """The steps a hardware is known to take at a cut."""
    if hardware in SERVERS:
        return {"decode": decoded(model, cut)} | ({"tail": time} if time else {})
    return before(model, cut, hardware) | ({"head": time} if time else {})


def profile(model: Model, hardware: str) -> str:
    """The text of a model's profile on a hardware."""
    server, measured = hardware in SERVERS, MEASURED.get(model.name) == hardware
    found = measured_times() if measured else times(model, hardware, server=server)
    rows = (row_of(model, cut, time, hardware) for cut, time in enumerate(found))
    return as_csv("profiles", map(profile_row, count(), rows))


def hardware_of(model: Model) -> list[str]:
    """Where a model has a profile: wherever its network has a total, students a fit too.

    A model whose heads were measured has one on that device and on servers only.
    """
    timed = [
        name
        for name in ORIGINS
        if model.network in totals(name) and (fit(name) or model.teacher is None)
    ]
    if model.name not in MEASURED:
        return timed
    return [MEASURED[model.name], *(name for name in timed if name in SERVERS)]


def tables() -> dict[str, str]:
    """Every profile, by its path below ``traces/``."""
    return {
        f"profiles/{model.name}@{name}.csv": profile(model, name)
        for model in models().values()
        for name in hardware_of(model)
    }
