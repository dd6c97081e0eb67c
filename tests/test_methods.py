"""The study of ways of training: its choice, its statistics by hand, and the tables it ships."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from scipy import stats

from splitsim.dnn.crossing import inputs
from splitsim.dnn.data import dataset
from splitsim.dnn.networks import load
from splitsim.dnn.training.recipe import load_recipe

ROOT = Path(__file__).parent.parent
ANALYSIS, TRACES = ROOT / "analysis", ROOT / "traces"
SEEDS, SAMPLES = 3, 40


@pytest.fixture(scope="module")
def modules():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        parts = ("", "_plan", "_choice", "_train", "_summary", "_ship")
        yield {part: importlib.import_module(f"methods{part}") for part in parts}


def rows(width=1):
    """Trainings whose first few samples are wrong: more by cross-entropy, and with every seed."""
    made = []
    ways = [("bottlefit", "two_stage", 0), ("bottlefit", "cross_entropy", 4)]
    for method, strategy, more in ways:
        for seed in range(SEEDS):
            right = np.arange(SAMPLES) >= seed + more * (seed + 1)
            told = {"method": method, "strategy": strategy, "channels": width, "seed": seed}
            costs = {"message_bytes": 35.0, "overhead_bytes": 22, "cpu_s": 1.0}
            costs |= dict.fromkeys(("head_macs", "macs", "head_params", "params"), 10)
            right_ones = {"top1": float(right.mean()), "right": right.astype(int).tolist()}
            made.append(told | costs | right_ones)
    return made


def test_means_have_both_errors(modules):
    table = modules["_summary"].summary(rows())
    ours = table[table.strategy == "two_stage"].iloc[0]
    values = [1 - seed / SAMPLES for seed in range(SEEDS)]
    t = stats.t.ppf(0.975, SEEDS - 1)
    assert ours.top1 == pytest.approx(np.mean(values))
    assert ours.seeds_ci95 == pytest.approx(t * np.std(values, ddof=1) / math.sqrt(SEEDS))
    assert ours.test_se == pytest.approx(math.sqrt(ours.top1 * (1 - ours.top1) / SAMPLES))
    assert (ours.payload_bytes, ours.seeds) == (13, SEEDS)


def test_differences_are_paired_by_seed_and_by_sample(modules):
    (pair,) = modules["_summary"].paired(rows()).to_dict("records")
    by_seed = [4 * (seed + 1) / SAMPLES for seed in range(SEEDS)]
    t = stats.t.ppf(0.975, SEEDS - 1)
    assert pair["difference"] == pytest.approx(np.mean(by_seed))
    assert pair["seeds_ci95"] == pytest.approx(t * np.std(by_seed, ddof=1) / math.sqrt(SEEDS))
    by_sample = np.zeros(SAMPLES)
    for seed in range(SEEDS):
        by_sample[seed : seed + 4 * (seed + 1)] += 1 / SEEDS
    error = 1.96 * by_sample.std(ddof=1) / math.sqrt(SAMPLES)
    assert pair["test_ci95"] == pytest.approx(error)
    assert (pair["only_two_stage"], pair["only_other"]) == (4 + 8 + 12, 0)


@pytest.mark.parametrize(("difference", "word"), [(0.2, "better"), (-0.2, "worse"), (0.05, "no")])
def test_the_words_follow_the_larger_error(modules, difference, word):
    pair = {"channels": 2, "method": "bottlefit", "strategy": "distillation"}
    errors = {"difference": difference, "seeds_ci95": 0.01, "test_ci95": 0.1}
    verdict = modules["_summary"]._verdict(pd.DataFrame([pair | errors]))
    assert verdict.startswith(f"Against bottlefit by distillation, two stages are {word}")
    assert verdict.endswith("at 2 channels.")


def test_every_way_of_training_has_four_trials_on_all_its_widths(modules):
    plan, choice = modules["_plan"], modules["_choice"]
    for group in choice.groups():
        tried = choice.trials(group, 0.5)
        assert len(tried) == len({trial[0].rates for trial in tried}) == 4
        for trial in tried:
            (rates,) = {job.rates for job in trial}
            assert [job.subject for job in trial] == [s for s in plan.SUBJECTS if s.group == group]
            assert {job.seed for job in trial} == {0}
            assert (rates.tune is None) == (group[1] == "head_distillation")
            if group[1] == "two_stage":
                assert rates.head == 0.5


def test_the_best_trial_is_right_most_often_then_has_least_loss(modules, tmp_path):
    plan, choice, train = (modules[part] for part in ("_plan", "_choice", "_train"))
    widths, rates = plan.BOTTLEFIT[1:6:4], (1e-3, 1e-2, 1e-1)
    tried = [[plan.Job(one, 0, plan.Rates(tune=rate)) for one in widths] for rate in rates]
    found = [(0.8, 0.1), (0.8, 0.1), (0.95, 0.4), (0.9, 0.4), (0.9, 0.3), (0.95, 0.3)]
    jobs = [job for trial in tried for job in trial]
    for job, (right, loss) in zip(jobs, found, strict=True):
        folder = train.folder_of(tmp_path, job) / "training" / job.name
        folder.mkdir(parents=True)
        told = {"validation": right, "validation_loss": loss}
        (folder / train.ROW).write_text(json.dumps(told))
    assert choice.best(tried, tmp_path) == tried[2]
    assert len(train.train_all(jobs, tmp_path, 1, "nothing to do")) == 6


def test_every_recipe_takes_what_the_study_changes(modules):
    plan = modules["_plan"]
    for one in (plan.TEACHER, *plan.SUBJECTS):
        rates = plan.Rates() if one == plan.TEACHER else next(plan.candidates(one, 0.5))
        job = plan.Job(one, 0, rates, epochs=6)
        recipe = load_recipe(job.recipe, job.overrides).recipe
        assert sum(stage.epochs for stage in recipe.steps) == 6
        assert recipe.name == job.name
        if one == plan.TEACHER:
            continue
        found = {stage.optimiser.lr for stage in recipe.steps}
        assert found == {rate for rate in (rates.head, rates.tune) if rate}
        if one.channels:
            assert recipe.student.bottleneck.channels == one.channels


def test_who_is_sure_at_an_exit_sends_nothing_and_computes_less(modules, tmp_path):
    """Exits at two cuts of four; the third exit is behind the cut and is not asked."""
    layers = ["input", "layer1", "layer2", "layer3", "output"]
    macs, branches = [0, 100, 300, 600, 700], ["", 10, 20, 40, ""]
    (tmp_path / "models").mkdir()
    table = pd.DataFrame({"layer": layers, "macs": macs, "exit_macs": branches})
    table.to_csv(tmp_path / "models" / "net.csv", index=False)
    sure = {1: [0.95, 0.1, 0.1], 2: [0.99, 0.9, 0.2], 3: [1.0, 1.0, 1.0]}
    answers = [
        {
            "sample": n,
            "cut": cut,
            "bytes": 50 + n,
            "correct": 1,
            "exit_confidence": sure[cut][n],
            "exit_correct": int(cut == 2),
        }
        for cut in sure
        for n in range(3)
    ]
    trained = SimpleNamespace(folder=tmp_path / "training" / "net", name="net")
    found = modules["_train"]._early(trained, pd.DataFrame(answers))
    assert found["right"] == [0, 1, 1]
    assert found["message_bytes"] == pytest.approx(52 / 3)
    assert found["head_macs"] == pytest.approx((110 + 330 + 330) / 3)


def test_the_shortened_study_finds_something_and_writes_nothing_here(modules):
    before = {path: path.stat().st_mtime_ns for path in ANALYSIS.glob("methods*.*")}
    words = modules[""].quick(1, 1)
    assert "bottlefit 1 by two_stage" in words
    assert "spinn by exits" in words
    assert "answers that only one has right" in words
    assert {path: path.stat().st_mtime_ns for path in ANALYSIS.glob("methods*.*")} == before


def test_the_tables_and_words_of_the_study_are_of_one_piece(modules):
    table = pd.read_csv(ANALYSIS / "methods.csv").fillna({"channels": 0})
    means = pd.read_csv(ANALYSIS / "methods_summary.csv")
    pairs = pd.read_csv(ANALYSIS / "methods_paired.csv")
    keys = ["method", "channels", "strategy"]
    again = table.groupby(keys)["top1"].mean()
    for row in means.fillna({"channels": 0}).to_dict("records"):
        assert row["top1"] == pytest.approx(again[tuple(row[key] for key in keys)], abs=1e-5)
    seeds = table.seed.nunique()
    assert (table.groupby(keys).size() == seeds).all()
    assert (
        modules["_summary"].finding(means, pairs, seeds) == (ANALYSIS / "methods.txt").read_text()
    )
    chosen = pd.read_csv(ANALYSIS / "methods_rates.csv")
    tried = chosen.groupby(["method", "strategy"])["chosen"]
    assert (4 * tried.sum() == tried.size()).all()


def test_the_shipped_networks_answer_as_their_tables_say(modules):
    data = dataset("digits-test", 24).take(0, 24)
    torch.set_num_threads(1)
    for table in modules["_ship"].TABLES:
        network = load(
            str(TRACES / "networks" / f"{table.name}.yaml"),
            weights=TRACES / "weights" / f"{table.name}.pt",
        )
        rows = pq.read_table(TRACES / "outcomes" / f"{table.name}@digits-test.parquet").to_pandas()
        local = rows[(rows.cut == rows.cut.max()) & (rows["sample"] < 24) & (rows.loss == 0)]
        with torch.no_grad():
            answers = network.module(inputs(network, data.images)).argmax(1)
        assert local.sort_values("sample").prediction.tolist() == answers.tolist(), table.name
