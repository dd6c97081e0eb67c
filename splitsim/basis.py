"""The options of a results folder: what each consists of, and what every figure rests on."""

from __future__ import annotations

from dataclasses import dataclass

from splitsim.profiles import Tables
from splitsim.scenario import Spec
from splitsim.system.group import DeviceSpec
from splitsim.task import Option
from splitsim.uncertainty import weaker


@dataclass
class OptionRow:
    """An option of a group of devices at one point, before noise and queues.

    Times are those of the tables, empty where nothing is computed there. ``whole_basis`` is that
    of the device's time for all of the model, which a fallback computes or completes. An option
    with a threshold has a row for each exit at which tasks end, and one for those that go on.
    """

    point: int
    group: str
    option: str
    server: str | None
    exit: str | None  # at which the tasks of this row end early
    share: float  # of the option's tasks
    model: str
    cut: int
    layer: str
    wire_bytes: float
    answer_bytes: float
    correct: float
    pre_s: float | None
    head_s: float | None
    encode_s: float | None
    exit_s: float | None  # the branches of all exits on the way
    decode_s: float | None
    tail_s: float | None
    energy_j: float | None  # of computing on the device, where that was metered itself
    pre_basis: str
    head_basis: str
    encode_basis: str
    exit_basis: str  # the weakest of them
    decode_basis: str
    tail_basis: str
    whole_basis: str
    compute_basis: str  # of the watts of computing
    radio_basis: str


def option_rows(spec: Spec, tables: Tables) -> list[OptionRow]:
    """All options of all groups of devices at a point."""
    return [
        _row(spec, tables, group, option, share, way)
        for group in spec.scenario.devices
        for option in spec.options[group.name]
        for share, way in option.parts
    ]


def _row(
    spec: Spec, tables: Tables, group: DeviceSpec, option: Option, share: float, way: Option
) -> OptionRow:
    cut, demand = way.cut, way.mean
    device = tables.profile(option.model, group.hardware)
    board = spec.server_hardware[way.server].name if way.server else None
    server = tables.profile(option.model, board) if board else None
    encodes, bases = way.exit is None, [device.basis["exit"][n] for n in way.branches]
    return OptionRow(
        point=spec.point,
        group=group.name,
        option=option.label,
        server=option.server,
        exit=way.exit,
        share=share,
        model=option.model,
        cut=option.cut,
        layer=option.layer,
        wire_bytes=demand.send_bytes,
        answer_bytes=demand.answer_bytes,
        correct=demand.correct,
        pre_s=device.times["pre"][cut],
        head_s=device.times["head"][cut],
        encode_s=device.times["encode"][cut] if encodes else None,
        exit_s=device.branches_s(way.branches) if way.branches else None,
        decode_s=server.times["decode"][cut] if server else None,
        tail_s=server.times["tail"][cut] if server else None,
        energy_j=demand.energy_j,
        pre_basis=device.basis["pre"][cut],
        head_basis=device.basis["head"][cut],
        encode_basis=device.basis["encode"][cut] if encodes else "",
        exit_basis=weaker(*bases) if bases else "",
        decode_basis=server.basis["decode"][cut] if server else "",
        tail_basis=server.basis["tail"][cut] if server else "",
        whole_basis=device.basis["head"][-1],
        compute_basis=spec.hardware[group.name].compute.basis,
        radio_basis=spec.radios[group.cell].basis,
    )
