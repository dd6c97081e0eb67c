"""Which way of training is best for narrow bottlenecks? Every method on digits, over seeds.

    python analysis/methods.py                       trains all, writes methods*.csv, .txt, .png
    python analysis/methods.py --quick               a few networks for a few epochs, writes nothing
    python analysis/methods.py --ship traces         puts tables of seed 0 there, for scenarios

Per seed a teacher (a small ResNet), then BottleFit of 1, 2 and 4 channels by four strategies of
training, the autoencoder of as many bytes, BottleNet, BottleNet++ for losses and for noise,
SpikeBottleNet, and SPINN and BranchyNet with exits; all by the files in ``analysis/recipes/``.
Rates of learning are chosen on the validation part of seed 0, four trials for each way of training.

Digits are 64 bytes as pixels: this compares ways of training, never bytes or latency.
What was trained lies in --work and is not trained again; a killed run goes on where it was. It all
takes about 35 minutes of one core.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from methods_choice import choose, rates_table
from methods_plan import SUBJECTS, TEACHER, Job, Rates, Subject
from methods_summary import finding, paired, summary
from methods_train import Row, train_all

HERE = Path(__file__).parent
WORK = HERE.parent / "results" / "methods"
QUICK = ("bottlefit1-two-stage", "bottlefit1-cross-entropy", "spinn-exits")
COLUMNS = (
    "method", "channels", "strategy", "seed", "top1", "payload_bytes", "message_bytes",
    "head_macs", "head_params", "macs", "params", "head_lr", "tune_lr", "cpu_s",
)  # fmt: skip


def teachers(seeds: int, work: Path, workers: int, epochs: int | None = None) -> list[Row]:
    """One per seed."""
    jobs = [Job(TEACHER, seed, epochs=epochs) for seed in range(seeds)]
    return train_all(jobs, work, workers, "teachers")


def everything(
    subjects: Sequence[Subject],
    rates: dict[tuple[str, str], Rates],
    seeds: int,
    work: Path,
    workers: int,
    epochs: int | None = None,
) -> list[Row]:
    """All subjects with their rates over all seeds."""
    jobs = [Job(one, seed, rates[one.group], epochs) for seed in range(seeds) for one in subjects]
    return train_all(jobs, work, workers, "all")


def table_of(rows: Sequence[Row]) -> pd.DataFrame:
    """A row per training."""
    table = pd.DataFrame(rows)
    table["payload_bytes"] = table["message_bytes"] - table["overhead_bytes"]
    return table[list(COLUMNS)]


def study(seeds: int, work: Path, workers: int) -> None:
    """All of it; writes tables, words and picture."""
    from methods_picture import draw

    rows = teachers(seeds, work, workers)
    rates = choose(work, workers)
    rows += everything(SUBJECTS, rates, seeds, work, workers)
    table, means, pairs = table_of(rows), summary(rows), paired(rows)
    words = finding(means, pairs, seeds)
    table.to_csv(HERE / "methods.csv", index=False, float_format="%.6g")
    means.to_csv(HERE / "methods_summary.csv", index=False, float_format="%.6g")
    pairs.to_csv(HERE / "methods_paired.csv", index=False, float_format="%.6g")
    rates_table(work).to_csv(HERE / "methods_rates.csv", index=False, float_format="%.6g")
    (HERE / "methods.txt").write_text(words, encoding="utf-8")
    draw(means, HERE / "methods.png")
    print(words)


def quick(seeds: int, workers: int) -> str:
    """A few networks, hardly trained, somewhere else; the words."""
    subjects = [one for one in SUBJECTS if one.name in QUICK]
    rates = {one.group: Rates() for one in subjects}
    with tempfile.TemporaryDirectory() as name:
        teachers(seeds, Path(name), workers, epochs=2)
        rows = everything(subjects, rates, seeds, Path(name), workers, epochs=4)
    return finding(summary(rows), paired(rows), seeds)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Ways of training bottlenecks, on digits.")
    parser.add_argument("--quick", action="store_true", help="hardly train, write nothing")
    parser.add_argument("--seeds", type=int, help="replications; 5, or 1 with --quick")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread")
    parser.add_argument("--work", type=Path, default=WORK, help="what was trained")
    parser.add_argument("--ship", type=Path, help="folder of tables for those of seed 0")
    given = parser.parse_args(arguments)
    if given.quick:
        print(quick(given.seeds or 1, given.workers))
    elif given.ship:
        from methods_ship import ship

        ship(given.work, choose(given.work, given.workers), given.ship)
    else:
        study(given.seeds or 5, given.work, given.workers)


if __name__ == "__main__":
    main()
