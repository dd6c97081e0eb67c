"""BottleFit's headline: the sweep against long runs and algebra, the words against the figures."""

from __future__ import annotations

import dataclasses
import importlib
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from splitsim import simulate
from splitsim.profiles import Tables

ANALYSIS = Path(__file__).parent.parent / "analysis"
ENDS_BPS = (0.5e6, 50e6)


@pytest.fixture(scope="module")
def modules():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        names = ("bottlefit", "bottlefit_sweep", "bottlefit_claims", "bottlefit_otherwise")
        yield tuple(importlib.import_module(name) for name in names)


@pytest.fixture(scope="module")
def study(modules):
    return modules[0]


@pytest.fixture(scope="module")
def sweep(modules):
    return modules[1]


@pytest.fixture(scope="module")
def claims(modules):
    return modules[2]


@pytest.fixture(scope="module")
def otherwise(modules):
    return modules[3]


@pytest.fixture(scope="module")
def nominal(sweep):
    """Every frame at both ends of the rates, with tables as they are."""
    jobs = product(sweep.BOARDS, sweep.NETWORKS, [0])
    rows = [row for job in jobs for row in sweep.frames(job, ENDS_BPS)]
    return pd.DataFrame(rows, columns=[*sweep.POINT, "policy", *sweep.METRICS])


def at_point(sweep, spec, duration_s):
    scenario = spec.scenario.model_copy(update={"duration_s": duration_s})
    return dataclasses.replace(spec, scenario=scenario)


@pytest.mark.parametrize("policy", ["local", "offload", "bottlefit12"])
@pytest.mark.parametrize("point", [0, 5], ids=["WiFi", "LTE"])
@pytest.mark.parametrize("shift", [0, 7])
def test_a_steady_frame_is_what_a_longer_run_adds(sweep, policy, point, shift):
    world = sweep.loaded("jetson-nano", "resnet152", ENDS_BPS)
    spec = list(sweep.shifted(world, shift))[point]
    short, long = (
        simulate(at_point(sweep, spec, seconds), policy, 0).devices[0] for seconds in (3.0, 9.0)
    )
    more = long.tasks - short.tasks
    frame = sweep.steady(spec, policy)
    assert frame.latency_s == pytest.approx((long.end_s - short.end_s) / more, rel=1e-9)
    assert frame.energy_j == pytest.approx((long.board_j - short.board_j) / more, rel=1e-9)
    assert frame.energy_j == pytest.approx(frame.power_w * frame.latency_s, rel=1e-12)


@pytest.mark.parametrize("board", ["raspberry-pi-4", "x86-1t"])
def test_latency_is_the_sum_of_the_tables(sweep, nominal, board):
    tables, name = Tables(), "densenet169-bottlefit12"
    model = tables.model(name)
    cut = model.layers.index("bottleneck")
    assert model.wire_bytes[cut] == 22 + 12 * 29 * 29  # header, range, codes
    bits = 8 * (model.wire_bytes[cut] + model.answer_bytes)
    server_s = tables.profile(name, sweep.BOARDS[board].server).server_s(cut)
    board_s = tables.profile(name, board).device_s(cut)
    own = nominal.query(
        f"board == '{board}' and network == 'densenet169' and policy == 'bottlefit12' "
        "and link == 'LTE'"
    )
    assert len(own) == 2 * len(ENDS_BPS)
    for row in own.itertuples():
        assert row.latency_s == pytest.approx(board_s + bits / row.rate_bps + 0.038 + server_s)


def test_the_measured_board_has_latency_only(study, sweep, nominal):
    own = nominal[nominal.board == sweep.MEASURED]
    assert own.latency_s.notna().all()
    assert own[["power_w", "energy_j"]].isna().all(axis=None)
    saved = study.savings(nominal)
    assert set(saved[saved.board == sweep.MEASURED].metric) == {"latency_s"}


def test_every_width_lies_between_those_swept(sweep):
    tables = Tables()
    for network, kind in product(sweep.NETWORKS, ("bottlefit", "autoencoder")):
        names = [f"{network}-{kind}{channels}" for channels in (3, 6, 9, 12)]
        found = [tables.model(name) for name in names]
        cut = found[0].layers.index("bottleneck")
        sent = [model.wire_bytes[cut] for model in found]
        assert sent == sorted(sent)
        for board in sweep.METERED:
            heads = [tables.profile(name, board).times["head"][cut] for name in names]
            assert heads == sorted(heads)


def test_the_natural_cuts_are_those_of_the_facts(sweep):
    cuts = {network: sweep.natural_cut(network) for network in sweep.NETWORKS}
    assert cuts == {
        "resnet152": "avgpool",
        "densenet169": "transition3",
        "densenet201": "transition3",
    }


def test_power_and_energy_are_not_mixed(study, sweep, nominal):
    metered = nominal[nominal.board.isin(sweep.METERED)]
    saved = study.savings(metered).pivot_table(
        index=["board", "network", "link", "radio", "rate_bps", "against", "channels"],
        columns="metric",
        values="saving",
    )
    left = 1 - saved
    assert left.energy_j.to_numpy() == pytest.approx((left.power_w * left.latency_s).to_numpy())


def test_the_committed_ranges_are_those_of_the_sweep(study, nominal):
    saved = study.savings(nominal)
    committed = pd.read_csv(ANALYSIS / "bottlefit_rates.csv")
    committed = committed[committed.rate_bps.isin(ENDS_BPS)].reset_index(drop=True)
    by = ["channels", "rate_bps"]
    found = study.ranges(saved, by)
    keys = ["board", "against", "metric", *by]
    both = committed.merge(found, on=keys, suffixes=("", "_now"))
    assert len(both) == len(committed) == len(found)
    for end in ("least", "most"):
        assert both[end].to_numpy() == pytest.approx(both[f"{end}_now"].to_numpy(), rel=1e-5)


def made_up(savings):
    """Savings of latency against local computing by shift and rate."""
    rows = [
        ("jetson-nano", "local", "latency_s", 12, shift, "resnet152", link, "flat", rate, saving)
        for shift, own in enumerate(savings)
        for (link, rate), saving in own.items()
    ]
    compared = ["board", "against", "metric", "channels"]
    columns = [*compared, "shift", "network", "link", "radio", "rate_bps", "saving"]
    return pd.DataFrame(rows, columns=columns)


def test_a_range_has_the_band_of_each_end(study):
    saved = made_up([{("WiFi", 1e6): n / 100, ("WiFi", 2e6): n / 50} for n in range(21)])
    (row,) = study.ranges(saved, ["channels"]).itertuples()
    assert (row.least, row.most) == (0, 0)
    assert (row.least_low, row.least_high) == pytest.approx((0.0195, 0.1905))
    assert (row.most_low, row.most_high) == pytest.approx((0.039, 0.381))


def test_a_verdict_says_where_and_how_often(claims):
    points = [("WiFi", 1e6), ("WiFi", 2e6), ("LTE", 1e6)]
    saved = made_up(
        [dict(zip(points, own, strict=True)) for own in ((0.5, 0.9, 0.2), (0.9, 0, 0), (0, 0, 0.1))]
    )
    claim = claims.Claim("local", "latency_s", 0.89, ["jetson-nano"])
    assert claims.verdict(saved, claim, "jetson-nano") == (
        "Jetson Nano: reached (most 90.0 %; reached under 1 of 2 shifts) in 1 of 3 points, at 2 "
        "Mbit/s, ResNet-152 (LTE 0, WiFi 1)."
    )
    more = claim._replace(most=0.95)
    said = "Jetson Nano: not reached (most 90.0 %; reached under 0 of 2 shifts)."
    assert claims.verdict(saved, more, "jetson-nano") == said


def test_the_committed_words_are_those_of_the_committed_ranges(claims):
    """Which claims are reached, and that none about the power of sending JPEGs is."""
    text = " ".join((ANALYSIS / "bottlefit.txt").read_text(encoding="utf-8").split())
    found = pd.read_csv(ANALYSIS / "bottlefit.csv")
    most = found.groupby(["board", "against", "metric"]).most.max()
    reached = {
        (claim.against, claim.metric, claim.most): [
            board
            for board in claim.boards
            if most[board, claim.against, claim.metric] >= claim.most
        ]
        for claim in claims.CLAIMS
    }
    assert f"{sum(map(bool, reached.values()))} of {len(reached)} figures" in text
    assert reached["local", "latency_s", 0.89] == ["raspberry-pi-4"]
    assert reached["local", "power_w", 0.49] == ["jetson-nano"]
    assert not reached["offload", "power_w", 0.37]


def test_times_of_students_are_scaled_but_for_the_measured_board(sweep):
    tables = Tables()
    for network, board in product(sweep.NETWORKS, sweep.BOARDS):
        for name in sweep.students(network).values():
            cut = tables.model(name).layers.index("bottleneck")
            basis = "measured" if board == sweep.MEASURED else "scaled"
            assert tables.profile(name, board).basis["head"][cut] == basis


def test_a_frame_takes_longer_by_what_its_parts_do(otherwise):
    """What is taken away and what comes are the same steps, as the tables have them."""
    tables, board, network = Tables(), "jetson-nano", "resnet152"
    own, real = (tables.profile(f"{network}-bottlefit12", h) for h in (board, "x86-1t"))
    teacher, real_teacher = (tables.profile(network, h) for h in (board, "x86-1t"))
    cut = tables.model(f"{network}-bottlefit12").layers.index("bottleneck")
    where = (board, network, "-bottlefit12", "bottleneck")
    times = otherwise.ratio("raspberry-pi-4").times
    coding_s = own.sum_s(cut, "pre", "encode") + otherwise.coding_s(*where)
    assert coding_s == pytest.approx(times * real.sum_s(cut, "pre", "encode"))
    share = (own.times["head"][cut] + otherwise.head_s(*where)) / teacher.times["head"][-1]
    assert share == pytest.approx(real.times["head"][cut] / real_teacher.times["head"][-1])


def test_what_would_be_saved_is_told_beside_what_is(otherwise, nominal):
    """With nothing longer both are the same, and those of the sweep."""
    own = nominal[nominal.board == "raspberry-pi-4"]
    said = otherwise.changes(own, "raspberry-pi-4", lambda *_: 0.0, "local")
    then, now = said.removesuffix(" %").split(" % of latency against local computing, not ")
    assert then == now
    found = pd.read_csv(ANALYSIS / "bottlefit.csv").set_index(
        ["board", "against", "metric", "channels"]
    )
    row = found.loc["raspberry-pi-4", "local", "latency_s", 12]
    assert now == f"{100 * row.least:.0f} to {100 * row.most:.0f}"


def test_the_quick_study_runs_and_writes_nothing(study, capsys, monkeypatch):
    monkeypatch.setattr(study, "write", pytest.fail)
    study.main(["--quick"])
    said = capsys.readouterr().out
    assert "paper: up to 89" in said
    assert "What the tables leave open" in said
