"""VGG-16 on a Raspberry Pi 4: the measured splits against the simulator's."""

from __future__ import annotations

import csv
import importlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog

from splitsim.profiles import Tables

ANALYSIS = Path(__file__).parent.parent / "analysis"
CASE = ANALYSIS.parent / "traces" / "published" / "vgg16_rpi4_splits.csv"
# Each was measured in one run, whose link was 1.5 and 2.4 times slower than the law.
SLOW_LINK = {("max", 2), ("max", 4)}
BOARD = {"off": "raspberry-pi-4-splinter", "max": "raspberry-pi-4-splinter-tpu"}


@pytest.fixture(scope="module")
def study():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        yield importlib.import_module("raspberry_splits")


@pytest.fixture(scope="module")
def measured():
    with CASE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def law(study, measured):
    return study.network_law(measured)


@pytest.fixture(scope="module")
def rows(study, law):
    return [row for board in study.BOARDS for row in study.compare(board, law)]


def committed(name):
    with (ANALYSIS / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_tables_hold_what_was_measured(measured):
    tables = Tables()
    model, server = tables.model("vgg16-rpi4"), tables.profile("vgg16-rpi4", "splinter-server")
    assert len(model.layers) == 23
    for run in measured:
        cut, board = int(run["cut"]), tables.profile("vgg16-rpi4", BOARD[run["edge_accelerator"]])
        assert board.device_s(cut) == pytest.approx(float(run["edge_ms"]) / 1e3, rel=1e-12)
        assert model.wire_bytes[cut] / 1024 == pytest.approx(float(run["sent_kib"]), abs=5e-4)
        cloud_s = [float(r["cloud_ms"]) / 1e3 for r in measured if r["cut"] == run["cut"]]
        assert server.server_s(cut) == pytest.approx(np.mean(cloud_s), abs=1e-9)
    assert tables.profile("vgg16-rpi4", BOARD["max"]).device_s(0) is None


def test_the_measured_totals_are_the_sums_of_their_parts(measured):
    """By construction, so they test the network law and the cloud times, not the sum."""
    for run in measured:
        parts = sum(float(run[name]) for name in ("edge_ms", "transfer_ms", "cloud_ms"))
        most = 1.0 if run["samples"] == "51" else 2e-3  # medians of several runs need not add up
        assert parts == pytest.approx(float(run["total_ms"]), abs=most)


def test_the_network_law_has_the_least_absolute_deviations(law, measured):
    sent = [run for run in measured if float(run["sent_kib"])]
    seconds = np.array([float(run["transfer_ms"]) / 1e3 for run in sent])
    megabits = np.array([8 * 1024 * float(run["sent_kib"]) / 1e6 for run in sent])
    n = len(sent)
    equal = np.hstack([np.ones((n, 1)), megabits[:, None], np.eye(n), -np.eye(n)])
    best = linprog([0, 0, *[1] * (2 * n)], A_eq=equal, b_eq=seconds)
    assert sum(abs(law.seconds(1e6 * megabits) - seconds)) == pytest.approx(best.fun, rel=1e-4)


def test_totals_and_joules_are_within_their_bounds_but_where_the_link_was_slow(rows, study):
    assert len(rows) == 45
    for row in rows:
        if (row.edge_accelerator, row.cut) in SLOW_LINK:
            assert row.transfer_ms > 1.5 * row.law_ms
            assert row.total_error < -study.TOTAL_BOUND
        else:
            assert not row.misses, row
        assert abs(row.edge_error_own_transfer) < study.EDGE_BOUND


def test_a_tpu_draws_power_whether_the_board_computes_or_waits(rows):
    with_tpu = [row for row in rows if row.edge_accelerator == "max"]
    assert all(row.edge_error_without_tpu < -0.2 for row in with_tpu)


@pytest.mark.parametrize(
    ("accelerator", "option"), [("off", "offload:vgg16-rpi4"), ("max", "split:vgg16-rpi4/pool3")]
)
def test_on_the_measured_link_policies_take_what_was_measured_best(
    study, law, rows, accelerator, option
):
    own = [row for row in rows if row.edge_accelerator == accelerator]
    best = min(own, key=lambda row: row.total_ms)
    assert best is min(own, key=lambda row: row.edge_j)
    chosen = {choice.policy: choice for choice in study.choices(BOARD[accelerator], law)}
    for policy in ("fastest", "board"):
        assert chosen[policy].option == option
        assert chosen[policy].ms == pytest.approx(best.simulated_ms)


def test_the_committed_table_is_that_of_the_study(rows):
    for row, line in zip(rows, committed("raspberry_splits.csv"), strict=True):
        for name, value in asdict(row).items():
            if isinstance(value, float):
                assert float(line[name]) == pytest.approx(value, rel=1e-5, abs=1e-9)
            else:
                assert line[name] == str(value)
