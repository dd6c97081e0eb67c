"""Early exits: when are they worth it? BranchyNet and SPINN trained on digits, over seeds.

    python analysis/exits.py                    trains, measures, simulates; prints, and writes
                                                exits.csv, exits_links.csv, exits.txt
    python analysis/exits.py --quick            one seed, hardly trained; writes nothing
    python analysis/exits_picture.py            draws exits.png of the tables

Of four small ResNets per seed (see ``exits_networks.py``) the outcomes tables say who would leave
at which exit, by confidence and by entropy, at every threshold, and how many of them are right.
Simulations then say what a task takes: BranchyNet on the device alone; SPINN split behind its
third exit with eight bits a number; local computing, sending the picture and splitting without
exits beside them, over links of three rates and one with outages. At last BranchyNet's published
times and exits: what do they imply?

Digits are 64 bytes, so that sending the picture is always less than sending any tensor, and device
and server are one and the same processor core: absolute latencies, bytes saved and where to compute
are no findings here. Who leaves, who is right, and what that does to a queue are.

What was trained lies in --work and is not trained again; a killed run goes on where it was.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from exits_figures import Row, by_simulation, by_tables, idle_error
from exits_networks import measure, train_seed
from exits_tables import on_links, over_seeds, with_errors
from exits_words import report
from exits_world import LINKS, PLAIN, Rule

HERE = Path(__file__).parent
WORK = Path(tempfile.gettempdir()) / "splitsim-exits"
IDLE_TASKS = 12_000  # so many that each of 597 samples is drawn


class Size(NamedTuple):
    """How much of everything."""

    seeds: int
    epochs: int
    runs: int  # of a profile
    duration_s: float
    rules: Sequence[Rule]  # the first is simulated on all links, others on one
    processes: int
    limit: int | None = None  # of the test pictures


FULL = Size(
    seeds=5,
    epochs=15,
    runs=200,
    duration_s=120.0,
    rules=(
        Rule("confidence", (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)),
        Rule("entropy", (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7)),
    ),
    processes=2,
)
QUICK = Size(1, 2, 5, 15.0, (Rule("confidence", (0.5, 0.9)), Rule("entropy", (0.1, 0.4))), 1, 128)


def each_seed(function: Callable[[int], Any], size: Size) -> list[Any]:
    """What a function gives for every seed, in processes if there are to be several."""
    if size.processes == 1:
        return [function(seed) for seed in range(size.seeds)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(size.processes, mp_context=context) as pool:
        return list(pool.map(function, range(size.seeds)))


def simulate_seed(seed: int, work: Path, size: Size) -> list[Row]:
    """Every policy, with the first rule on every link."""
    first, *others = size.rules
    rows = by_simulation(work, seed, first, LINKS, size.duration_s)
    for rule in others:
        rows += by_simulation(work, seed, rule, [PLAIN], size.duration_s)
    return rows


def study(work: Path, size: Size) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """The tables and the words."""
    each_seed(partial(train_seed, work=work, epochs=size.epochs, limit=size.limit), size)
    measure(work, range(size.seeds), size.runs)
    rows, losses = [], []
    for seed in range(size.seeds):
        found = [by_tables(work, seed, rule) for rule in size.rules]
        rows += [row for own, _ in found for row in own]
        losses.append({key: lost for _, own in found for key, lost in own.items()})
    samples = len(next(iter(losses[0].values())))
    table = with_errors(over_seeds(rows), losses, samples)
    per_seed = each_seed(partial(simulate_seed, work=work, size=size), size)
    links = on_links([row for own in per_seed for row in own])
    error = idle_error(work, 0, size.rules[0], IDLE_TASKS)
    return table, links, report(table, links, size.seeds, samples, error)


def write(name: str, rows: pd.DataFrame) -> None:
    """A table beside this script."""
    rows.to_csv(HERE / name, index=False, float_format="%.6g", lineterminator="\n")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="When early exits are worth it, on digits.")
    parser.add_argument("--quick", action="store_true", help="hardly train, write nothing")
    parser.add_argument("--work", type=Path, help="what was trained")
    given = parser.parse_args(arguments)
    if given.quick:
        with tempfile.TemporaryDirectory() as name:
            *_, text = study(given.work or Path(name), QUICK)
        print(text)
        return
    table, links, text = study(given.work or WORK, FULL)
    write("exits.csv", table)
    write("exits_links.csv", links)
    (HERE / "exits.txt").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
