"""The ways of running one inference: every cut of the models, made of their tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from splitsim.errors import BadInput
from splitsim.exits import Early, Exits, branches
from splitsim.luck import Drawn
from splitsim.outcomes import Outcome, Outcomes
from splitsim.profiles import Tables
from splitsim.runs import Runs
from splitsim.task import Demand, Option

AllRuns = Mapping[str | None, Runs]  # by server, None being the device


def options(
    tables: Tables,
    models: Sequence[str],
    hardware: str,
    servers: Mapping[str, str],
    dataset: str | None = None,
    erased: float = 0.0,
    recorded: Collection[str | None] = (),
    exits: Exits | None = None,
    *,
    spare: bool = False,
    snr_db: float | None = None,
) -> list[Option]:
    """Every way a device can run the models: each cut, with each server that can take it.

    Args:
        tables: where the tables are.
        models: model names.
        hardware: of the device.
        servers: hardware by server name.
        dataset: whose samples the models were run on; cuts that were not run are left out.
        erased: share of packets that a server has to do without.
        recorded: servers whose tasks draw recorded runs; None among them: the device's do.
        exits: when tasks end early, with a dataset; None: never.
        spare: whether tasks that give up fall back to the last exit on their way.
        snr_db: mean SNR at which numbers are heard that are sent as symbols; None: as bits.

    Raises:
        BadInput: a model has no table on some hardware, or no runs; all such mistakes at once.
    """
    problems: list[str] = []
    found: list[Option] = []
    for name in models:
        try:
            model = tables.model(name)
            outcomes = tables.outcomes(name, dataset) if dataset else None
            reals = _reals(outcomes, erased, snr_db, len(model.layers) - 1) if outcomes else None
            runs = {who: tables.runs(name, servers[who] if who else hardware) for who in recorded}
            plain = _model_options(tables, name, hardware, servers, reals, runs)
            if outcomes is not None and snr_db is not None:
                plain = (replace(each, heard=outcomes.heard.get(each.cut)) for each in plain)
            if exits is None or outcomes is None:
                found += plain
                continue
            at = branches(model, tables.profile(name, hardware), outcomes)
            compute_w = tables.hardware(hardware).compute_w
            early = Early(exits, name, at, compute_w, spare, runs.get(None))
            found += (option for each in plain for option in early.options(each))
        except BadInput as error:
            problems.extend(error.problems)
    if problems:
        raise BadInput(*dict.fromkeys(problems))
    return found


def _reals(
    outcomes: Outcomes, erased: float, snr_db: float | None, last: int
) -> Mapping[int, Outcome]:
    """What was really sent and answered over such a link, by cut."""
    return outcomes.by_cut(erased) if snr_db is None else outcomes.by_cut_at(snr_db, last)


def _model_options(
    tables: Tables,
    name: str,
    hardware: str,
    servers: Mapping[str, str],
    outcomes: Mapping[int, Outcome] | None,
    runs: AllRuns,
) -> Iterator[Option]:
    """Those without exits."""
    model, device = tables.model(name), tables.profile(name, hardware)
    remote = {server: tables.profile(name, board) for server, board in servers.items()}
    last = len(model.layers) - 1
    for cut, layer in enumerate(model.layers):
        head_s = device.device_s(cut)
        real = outcomes.get(cut) if outcomes is not None else None
        if head_s is None or (outcomes is not None and real is None):
            continue
        correct = model.top1 if real is None else float(real.correct.mean())
        if cut == last:
            local = Demand(head_s, correct=correct, energy_j=device.energy_j[cut])
            yield Option(name, cut, layer, None, local, real, _drawn(runs, None, cut))
            continue
        for server, profile in remote.items():
            tail_s = profile.server_s(cut)
            if tail_s is not None:
                demand = Demand(
                    head_s=head_s,
                    send_bytes=(
                        model.wire_bytes[cut] if real is None else float(real.send_bytes.mean())
                    ),
                    tail_s=tail_s,
                    answer_bytes=model.answer_bytes,
                    correct=correct,
                    rest_s=device.rest_s(cut),
                    whole_s=device.device_s(last),
                    energy_j=device.energy_j[cut],
                )
                yield Option(name, cut, layer, server, demand, real, _drawn(runs, server, cut))


def _drawn(runs: AllRuns, server: str | None, cut: int) -> Drawn:
    """What a task may draw at a cut; nothing of those whose runs are not recorded."""
    device, far = runs.get(None), runs.get(server) if server is not None else None
    return Drawn(
        head=device.head[cut] if device else (),
        rest=device.rest[cut] if device else (),
        whole=device.head[-1] if device else (),
        tail=far.tail[cut] if far else (),
    )
