"""Profiles: published totals of whole networks, scaled to the cuts; measured heads.

A published total is one number per network; a cut needs the time before it and after it. It is
scaled by the fit of its hardware, multiplied by the network's own total / fit, its family factor,
so that the total is met. A student's unchanged layers take the teacher's times exactly, or a
comparison of the two would be decided by the scaling; only its new layers take fit x family factor.
Where totals are too few for a fit, only the first and the last cut have times.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

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
    """What a student's unknown block is taken to last; 0 where every block is known."""
    joined = model.last - model.kept
    return round(model.guess * (heads[joined] - heads[joined - 1])) if model.guess else 0


def heads_ns(model: Model, hardware: str) -> list[int]:
    """Nanoseconds before each cut; a student's last ``kept`` layers take the teacher's."""
    own = fitted_ns(model, hardware)
    if model.teacher is None:
        return own
    teacher = fitted_ns(model.teacher, hardware)[-model.kept - 1 :]
    new = own[: -model.kept]
    if model.guess:
        new[-1] = new[-2] + guessed_ns(model, own)
    return new + [new[-1] + ns - teacher[0] for ns in teacher[1:]]


def basis_of(hardware: str, ns: int, guessed: int) -> tuple[str, float]:
    """Basis and factor of a scaled time with ``guessed`` nanoseconds of an unknown block in it.

    The unknown block takes from nothing to twice what it is taken to last.
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
    block = guessed_ns(model, fitted_ns(model, hardware))
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


def around(model: Model, cut: int) -> dict[str, Time]:
    """Pre-processing, encoding and decoding at a cut.

    A JPEG is made in pre-processing and is decoded and pre-processed by the server; where a
    tensor crosses, the device has pre-processed the image. At the last cut nothing crosses.
    """
    if cut == 0 and model.wire == "image":
        return {"pre": step("device_jpeg"), "encode": NOTHING, "decode": step("server_jpeg")}
    crosses = cut < model.last
    return {
        "pre": step("device_tensor"),
        "encode": step("device_encode") if crosses else NOTHING,
        "decode": step("server_tensor") if crosses else NOTHING,
    }


def row_of(model: Model, cut: int, time: Time | None, *, server: bool) -> dict[str, Time]:
    """The steps a hardware is known to take at a cut."""
    beside = around(model, cut)
    own = {"tail" if server else "head": time} if time else {}
    steps = {"decode": beside["decode"], **own} if server else {**beside, **own}
    return {name: steps[name] for name in steps if server or name != "decode"}


def profile(model: Model, hardware: str) -> str:
    """The text of a model's profile on a hardware."""
    server, measured = hardware in SERVERS, MEASURED.get(model.name) == hardware
    found = measured_times() if measured else times(model, hardware, server=server)
    rows = (row_of(model, cut, time, server=server) for cut, time in enumerate(found))
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
