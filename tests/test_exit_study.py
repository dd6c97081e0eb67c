"""The study of exits: its tables against raw files, its simulations against sums, its words."""

from __future__ import annotations

import importlib
import itertools
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from splitsim import simulate
from splitsim.task import DONE, TIMEOUT

ANALYSIS = Path(__file__).parent.parent / "analysis"
PARTS = ("networks", "world", "figures", "tables", "published", "words", "picture")
RULE = ("confidence", (0.3, 0.5, 0.9))


@pytest.fixture(scope="module")
def study():
    """The modules of the study, by the last words of their names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        parts = {name: importlib.import_module(f"exits_{name}") for name in PARTS}
        yield SimpleNamespace(main=importlib.import_module("exits"), **parts)


@pytest.fixture(scope="module")
def quick(study, tmp_path_factory):
    """A seed's folder of tables, and what the quick study said; it writes nothing elsewhere."""
    work, said = tmp_path_factory.mktemp("exits"), []
    beside = tmp_path_factory.mktemp("beside")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.print", said.append)
        patch.setattr(study.main, "HERE", beside)
        study.main.main(["--quick", "--work", str(work)])
    assert not [*beside.iterdir()]
    return SimpleNamespace(work=work, tables=work / "seed0", text="\n".join(said))


def raw(quick, network):
    """Cuts, times and outcomes of a network, as they are in the files."""
    models = pd.read_csv(quick.tables / "models" / f"{network}.csv")
    times = pd.read_csv(quick.tables / "profiles" / f"{network}@x86-1t.csv")
    answers = pd.read_parquet(quick.tables / "outcomes" / f"{network}@digits-test.parquet")
    return models, times, answers[answers.loss == 0].set_index(["sample", "cut"])


def by_hand(quick, network, cut, threshold):
    """By sample: where it ends, whether rightly, seconds and MACs on the device."""
    models, times, answers = raw(quick, network)
    asked = [c for c in range(cut + 1) if not math.isnan(models.exit_macs[c])]
    for sample in answers.index.unique("sample"):
        spent = [0.0, 0.0]
        for at in asked:
            answer = answers.loc[sample, at]
            spent = [spent[0] + times.exit_s[at], spent[1] + models.exit_macs[at]]
            if answer.exit_confidence >= threshold:
                end, way, right = at, models.layer[at], answer.exit_correct
                break
        else:
            end, way, right = cut, "through", answers.loc[sample, cut].correct
            split = cut < len(models) - 1
            spent[0] += times.encode_s[end] if split else 0.0
        seconds = times.pre_s[end] + times.head_s[end] + spent[0]
        yield sample, way, right, seconds, models.macs[end] + spent[1]


@pytest.mark.parametrize("network", ["branchynet", "spinn", "spinn-joint"])
@pytest.mark.parametrize("threshold", RULE[1])
def test_who_ends_where_is_what_the_raw_tables_say(study, quick, network, threshold):
    spec = study.world.loaded(quick.tables, study.world.Rule(*RULE))
    option = study.world.option_of(spec, network, threshold)
    found = list(by_hand(quick, network, option.cut, threshold))
    rows = pd.DataFrame(found, columns=["sample", "way", "right", "device_s", "macs"])
    ways = {way.way: way for way in study.figures.ways(spec, quick.tables, network, threshold)}
    for name, own in rows.groupby("way"):
        assert ways[name].share == pytest.approx(len(own) / len(rows))
        assert ways[name].right == pytest.approx(own.right.mean())
        assert ways[name].device_s == pytest.approx(own.device_s.mean())
        assert ways[name].device_macs == pytest.approx(own.macs.mean())
    assert set(ways) == {*rows.way, "all", "never"}
    assert ways["all"].right == pytest.approx(rows.right.mean())
    assert ways["all"].device_macs == pytest.approx(rows.macs.mean())
    assert np.array_equal(study.figures.rights(option), rows.right)


def test_a_simulated_mean_is_the_sum_over_exits_where_nobody_waits(study, quick):
    """The sum of the raw tables; nothing is random but which samples come how often."""
    world = study.world
    rule = world.Rule("confidence", (0.5,))
    spec = world.loaded(quick.tables, rule, world.PLAIN, 300.0, world.PERIODIC)
    rows = simulate(spec, "branchynet-0", 0).tasks
    last = world.option_of(spec, "branchynet", 0.5).cut
    expected_s = {s: seconds for s, _, _, seconds, _ in by_hand(quick, "branchynet", last, 0.5)}
    latency_s = [row.done_s - row.created_s for row in rows]
    drawn_s = [expected_s[row.sample] for row in rows]
    assert np.mean(latency_s) == pytest.approx(np.mean(drawn_s), rel=1e-9)
    assert study.figures.idle_error(quick.work, 0, rule, 3000) < 1e-8


def test_falling_back_answers_while_the_link_is_down(study, quick):
    world = study.world
    spec = world.loaded(quick.tables, world.Rule(*RULE), world.OUTAGES, 60.0)
    back_s = world.MINUTE_S - world.GIVE_UP_S  # who comes later is still there when the link is
    split, spinn = (
        [row for row in simulate(spec, name, 0).tasks if world.UP_S < row.created_s < back_s]
        for name in ("split", "spinn-2")
    )
    assert {row.status for row in split} == {TIMEOUT}
    assert {row.status for row in spinn} == {DONE}
    waited = [row for row in spinn if row.fallback_start_s is not None]
    assert waited
    assert {row.exit for row in waited} == {world.CUT}
    for row in waited:
        assert row.done_s - row.created_s == pytest.approx(world.GIVE_UP_S)


def test_the_layers_are_timed_alike_in_all_networks(study, quick):
    heads = [raw(quick, name)[1].head_s.tolist() for name in study.networks.NETWORKS]
    assert all(head == heads[0] for head in heads)


def test_figures_count_tasks_without_answer(study, quick):
    world = study.world
    spec = world.loaded(quick.tables, world.Rule(*RULE), world.OUTAGES, 60.0)
    rows = simulate(spec, "offload", 0).tasks
    counted = [row for row in rows if row.created_s >= world.WARMUP_S]
    found = study.figures.figures(rows)
    done = [row for row in counted if row.status == DONE]
    assert len(done) < 0.95 * len(counted)
    assert found["done"] == pytest.approx(len(done) / len(counted))
    assert found["latency_p95_s"] == math.inf
    assert found["accuracy"] == pytest.approx(np.mean([row.correct for row in done]))
    assert found["goodput"] == pytest.approx(found["accuracy"] * found["done"])


def test_shares_and_rights_over_seeds_by_hand(study):
    """In the second of three seeds nobody ends at layer1."""
    at = {"by": "confidence", "network": "spinn", "threshold": 0.5, "device_s": 1.0}
    told = [(0, "layer1", 0.2, 1.0), (2, "layer1", 0.4, 0.5)]
    told += [(seed, "all", 1.0, 0.9) for seed in range(3)]
    rows = [
        at | {"seed": seed, "way": way, "share": share, "right": right, "device_macs": 2.0}
        for seed, way, share, right in told
    ]
    losses = [{("confidence", "spinn", 0.5): np.array(lost)} for lost in ([1, 0, 0, 0], [0] * 4)]
    table = study.tables.with_errors(study.tables.over_seeds(rows), losses, 100)
    early, whole = (table[table.way == way].iloc[0] for way in ("layer1", "all"))
    assert early.share == pytest.approx(0.2)
    assert early.share_ci95 == pytest.approx(4.302653 * 0.2 / math.sqrt(3))
    assert early.right == pytest.approx((0.2 * 1.0 + 0.4 * 0.5) / 0.6)
    right = early.right
    assert early.right_test95 == pytest.approx(1.96 * math.sqrt(right * (1 - right) / 20))
    assert whole.lost == pytest.approx(0.125)
    assert whole.lost_ci95 == pytest.approx(12.706205 * 0.125)
    assert whole.lost_test95 == pytest.approx(1.96 * np.std([0.5, 0, 0, 0], ddof=1) / 2)
    assert math.isnan(early.lost)


def test_rules_are_compared_at_the_same_computing(study):
    ours, theirs = [(1.0, 0.8), (2.0, 0.9)], [(1.5, 0.87), (1.75, 0.86), (3.0, 1.0)]
    rows = [
        {"by": by, "network": "n", "threshold": n, "way": "all", "device_macs": m, "right": r}
        for by, points in (("confidence", ours), ("entropy", theirs))
        for n, (m, r) in enumerate(points)
    ]
    assert study.tables.rules_apart(pd.DataFrame(rows), "n") == pytest.approx((0.02, -0.015))


def test_the_published_times_allow_what_is_said_and_no_more(study):
    """All rising costs on a grid that give the published mean, the last being the whole network."""
    lenet, alexnet, resnet = study.published.TABLE_I
    assert [round(row.speed_up, 2) for row in study.published.TABLE_I] == [5.44, 1.51, 1.87]
    assert lenet.first_exit_ms()[0] == pytest.approx(lenet.first_exit_ms()[1])
    for row in (alexnet, resnet):
        first, second, last = row.parts
        costs = np.linspace(0, row.alone_ms, 100_001)
        between = (row.early_ms - last * row.alone_ms - first * costs) / second
        fits = costs[(between >= costs) & (between <= row.alone_ms)]
        step = row.alone_ms / 100_000
        assert row.first_exit_ms() == pytest.approx((fits.min(), fits.max()), abs=step)
        spent = (row.alone_ms + row.branches_at_most_ms) * last
        assert spent == pytest.approx(row.early_ms)
        assert row.first_exit_ms(1.0)[1] < row.first_exit_ms()[1]


def test_the_quick_study_says_what_it_found_and_what_not(quick):
    assert "B-AlexNet: 9.56 to 6.32 ms, 1.51 times sooner" in quick.text
    assert "Not concluded" in quick.text
    error = re.search(r"from the tables, to\s(\S+)\.", quick.text)
    assert float(error[1]) < 1e-8


# --- What is committed -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def committed():
    return pd.read_csv(ANALYSIS / "exits.csv"), pd.read_csv(ANALYSIS / "exits_links.csv")


def test_the_committed_words_are_those_of_the_committed_tables(study, committed):
    text = (ANALYSIS / "exits.txt").read_text(encoding="utf-8")
    error = float(re.search(r"from the tables,\sto\s(\S+)\.\n", text)[1])
    assert text == study.words.report(*committed, 5, 597, error) + "\n"


def test_in_the_committed_tables_shares_add_up_and_follow_the_threshold(committed):
    table, _ = committed
    ends = table[~table.way.isin(["all", "never"])]
    assert ends.groupby(["by", "network", "threshold"]).share.sum().to_numpy() == pytest.approx(1)
    stay = ends[ends.way == "through"].sort_values("threshold")
    for (by, _), own in stay.groupby(["by", "network"]):
        shares = own.share if by == "confidence" else own.share[::-1]
        assert all(a <= b + 1e-9 for a, b in itertools.pairwise(shares))


def test_the_picture_has_a_panel_per_network_and_question(study, committed):
    figure = study.picture.figure_of(*committed)
    panels = {trace.xaxis for trace in figure.data}
    assert len(panels) == 3 * 4
    assert "64 bytes" in figure.layout.title.text
