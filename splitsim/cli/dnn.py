"""``splitsim profile``: measure a network on this machine, and write tables a scenario can name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitsim.cli.arguments import (
    Classes,
    ImageFormat,
    ModelName,
    Network,
    Out,
    Shape,
    TensorFormat,
    Weights,
    model_name,
)
from splitsim.errors import BadInput

if TYPE_CHECKING:
    from splitsim.dnn.profile import Measured, Plan
    from splitsim.dnn.zoo import LoadedModel

WIDE = 1.3  # a 95th percentile over the median that is worth a warning
MARKS = 0.05  # of the whole network's time, likewise, that the marks at cuts may take

Option = typer.Option


def profile(
    model: Network,
    out: Out,
    hardware: Annotated[str, Option(metavar="ID", help="What to call this machine.")],
    name: ModelName = None,
    weights: Weights = None,
    classes: Classes = None,
    shape: Shape = None,
    cuts: Annotated[
        str | None,
        Option(
            metavar="CUTS",
            help="natural, all, NAME,NAME or a model table; by default those of the model's "
            "table in DIR, or the bottleneck, or natural. Exits' cuts are always among them.",
        ),
    ] = None,
    wire: TensorFormat = None,
    image: ImageFormat = "jpeg90",
    device: Annotated[str, Option(metavar="cpu|cuda", help="Where to compute.")] = "cpu",
    threads: Annotated[int, Option(metavar="N", help="Of the processor.")] = 1,
    batch: Annotated[
        int, Option(metavar="N", help="Samples computed together; times are per sample.")
    ] = 1,
    batches: Annotated[
        str, Option(metavar="N,N", help="Sizes of the batch-latency curve.")
    ] = "1,2,4,8",
    runs: Annotated[int, Option(metavar="N", help="Runs that are recorded.")] = 50,
    power: Annotated[
        str, Option(metavar="METER", help="auto, none, rapl, nvml, ...: reads energy.")
    ] = "auto",
    note: Annotated[str, Option(metavar="TEXT", help="Kept with the tables.")] = "",
) -> None:
    """Measure a network at its cuts on this machine, and write tables that scenarios can use."""
    name = name or model_name(model)
    _check(out, {"--name": name, "--hardware": hardware}, threads, batch, runs)
    sizes = _numbers("--batches", batches)
    from splitsim.cli.share import complain
    from splitsim.dnn.bottlenecks.base import notes
    from splitsim.dnn.formats import check_formats
    from splitsim.dnn.networks import load
    from splitsim.dnn.profile import Plan
    from splitsim.dnn.wire import Wire

    table = out / "models" / f"{name}.csv"
    plan = Plan(
        which=cuts or (str(table) if table.is_file() else None),
        wire=None if wire is None else Wire.parse(wire),
        image=None if image == "none" else Wire.parse(image),
        device=device,
        threads=threads,
        batch=batch,
        runs=runs,
        batches=sizes,
    )
    input_shape = tuple(_numbers("--shape", shape, "x")) if shape else None
    network = load(model, weights=weights, classes=classes, shape=input_shape)
    own = out / "profiles" / f"{name}@{hardware}.toml"
    check_formats(out, name, plan.formats(network), but=own)
    for note in notes(network):
        complain(f"warning: {model}: {note}")
    measured = _measured(network, plan, power)
    for path in _written(out, name, hardware, network, plan, measured, note):
        print(path)
    _tell(name, measured)


def _check(out: Path, names: dict[str, str], threads: int, batch: int, runs: int) -> None:
    """All mistakes in the options that need no network."""
    from splitsim.dnn.tables import check_name

    problems = [problem for option in names.items() for problem in check_name(*option)]
    for option, number in (("--threads", threads), ("--batch", batch), ("--runs", runs)):
        if number < 1:
            problems.append(f"{option}: must be a whole number, 1 or more, not {number}")
    most = os.cpu_count() or 1
    if threads > most:
        problems.append(f"--threads: this machine has {most}, not {threads}")
    if out.exists() and not out.is_dir():
        problems.append(f"--out: {out} is not a folder")
    elif not out.absolute().parent.is_dir():
        problems.append(f"--out: there is no folder {out.absolute().parent}; make it first")
    if problems:
        raise BadInput(*problems)


def _numbers(option: str, text: str, between: str = ",") -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(between)]
    if not all(part.isdecimal() and int(part) for part in parts):
        shown = between.join(["N", "N"])
        raise BadInput(f"{option}: must be whole numbers, 1 or more, as {shown}, not {text!r}")
    return tuple(map(int, parts))


def _measured(network: LoadedModel, plan: Plan, power: str) -> Measured:
    from contextlib import nullcontext

    from splitsim.cli.share import ShareBar, complain
    from splitsim.dnn.profile import profile
    from splitsim.measure import open_meter

    meter = open_meter(power, device=plan.device, say=complain)
    with meter or nullcontext(), ShareBar(f"profiling {network.name}") as bar:
        return profile(network, plan, meter=meter, progress=bar.show)


def _written(
    out: Path,
    name: str,
    hardware: str,
    network: LoadedModel,
    plan: Plan,
    measured: Measured,
    note: str,
) -> list[Path]:
    """Writes the tables; their paths."""
    from splitsim.dnn.profile_tables import hardware_file, network_files, profile_files
    from splitsim.dnn.tables import write
    from splitsim.profiles import Tables, shipped

    known = Tables((out, shipped())).hardware(hardware)
    files = {
        **network_files(name, out, network, measured),
        **profile_files(name, known, network, plan, measured, note),
        **hardware_file(out, known, measured, plan.device),
    }
    write(out, files)
    return [out / file for file in files]


def _tell(name: str, measured: Measured) -> None:
    """The sum of the layers against the whole network, and what to be wary of."""
    from statistics import median

    from splitsim.cli.share import complain

    whole_s = median(measured.whole_s)
    more = measured.marked_s / whole_s - 1
    print(
        f"{name}: layers sum to {1e3 * measured.marked_s:.3f} ms, the whole network takes "
        f"{1e3 * whole_s:.3f} ms ({more:+.1%}); p95/p50 {measured.spread:.2f}"
    )
    if measured.spread > WIDE:
        what = f"warning: times spread widely (p95/p50 {measured.spread:.2f})"
        complain(f"{what}; was the machine busy? more --runs, or fewer --threads, may help")
    if more > MARKS:
        what = "warning: the marks at cuts change the network's time by"
        complain(f"{what} {more:+.1%}; fewer --cuts change it less")
