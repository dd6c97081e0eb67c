"""The ways of running one inference: every cut of the models, made of their tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from splitsim.entries import Outcome
from splitsim.errors import BadInput
from splitsim.luck import Drawn
from splitsim.profiles import Tables
from splitsim.runs import Runs
from splitsim.task import Demand, Option


def options(
    tables: Tables,
    models: Sequence[str],
    hardware: str,
    servers: Mapping[str, str],
    dataset: str | None = None,
    erased: float = 0.0,
    recorded: Collection[str | None] = (),
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

    Raises:
        BadInput: a model has no table on some hardware, or no runs; all such mistakes at once.
    """
    problems: list[str] = []
    found: list[Option] = []
    for name in models:
        try:
            outcomes = tables.outcomes(name, dataset).by_cut(erased) if dataset else None
            found.extend(_model_options(tables, name, hardware, servers, outcomes, recorded))
        except BadInput as error:
            problems.extend(error.problems)
    if problems:
        raise BadInput(*dict.fromkeys(problems))
    return found


def _model_options(
    tables: Tables,
    name: str,
    hardware: str,
    servers: Mapping[str, str],
    outcomes: Mapping[int, Outcome] | None,
    recorded: Collection[str | None],
) -> Iterator[Option]:
    model, device = tables.model(name), tables.profile(name, hardware)
    remote = {server: tables.profile(name, board) for server, board in servers.items()}
    runs = {who: tables.runs(name, hardware if who is None else servers[who]) for who in recorded}
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


def _drawn(runs: Mapping[str | None, Runs], server: str | None, cut: int) -> Drawn:
    """What a task may draw at a cut; nothing of those whose runs are not recorded."""
    device, far = runs.get(None), runs.get(server) if server is not None else None
    return Drawn(
        head=device.head[cut] if device else (),
        rest=device.rest[cut] if device else (),
        whole=device.head[-1] if device else (),
        tail=far.tail[cut] if far else (),
    )
