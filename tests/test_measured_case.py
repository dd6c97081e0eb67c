"""The measured local / edge / split case: its tables, its bounds, and what they rest on."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path

import pytest
import yaml

from splitsim import load_scenario, simulate
from splitsim.options import options
from splitsim.profiles import Tables

ROOT = Path(__file__).parent.parent
ANALYSIS = ROOT / "analysis"
SCENARIO = ROOT / "scenarios" / "measured-case.yaml"
BOARD, ALONE, LOADED = "furcifer-board", "furcifer-server", "furcifer-server-loaded"
COMPUTE_W = 9.32 - 4.31


@pytest.fixture(scope="module")
def study():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        yield importlib.import_module("measured_case")


@pytest.fixture(scope="module")
def compared(study):
    found = study.points((0, 4, 16), study.QUICK_S)
    return {(row.case, row.quantity): row for row in study.comparisons(found, 16)}


def committed(name: str) -> list[dict[str, str]]:
    with (ANALYSIS / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ms(cells) -> list[float | None]:
    return [None if cell is None else pytest.approx(1e3 * cell) for cell in cells]


@pytest.mark.parametrize(
    ("model", "pre", "head", "encode", "decode", "tail"),
    [("detector-q30", 5.9, 0, 5, 9.0, 62.8), ("detector-q100", 8.5, 0, 6, 16.6, 65.2),
     ("detector-split", 26.1, 1.55, 4.5, 1.2, 29.1)],
)  # fmt: skip
def test_profiles_are_the_measured_parts(model, pre, head, encode, decode, tail):
    board, server = Tables().profile(model, BOARD), Tables().profile(model, ALONE)
    sent = len(board.energy_j) - 2
    assert [ms(board.times[n])[sent] for n in ("pre", "head", "encode")] == [pre, head, encode]
    assert [ms(server.times[n])[sent] for n in ("decode", "tail")] == [decode, tail]
    assert [ms(board.times[n])[-1] for n in ("pre", "head", "encode")] == [17.9, 53.1, 0]
    assert {board.basis[n][sent] for n in ("pre", "head", "encode")} == {"measured"}
    assert board.energy_j[sent] == pytest.approx(COMPUTE_W * (pre + head) / 1e3)
    assert board.energy_j[-1] is None


def test_the_server_under_load_is_what_its_log_shows_there():
    known = {"detector-q30": ("decode", 2.8), "detector-split": ("tail", 20.0)}
    for model, (step, expected_ms) in known.items():
        profile = Tables().profile(model, LOADED)
        sent = len(profile.energy_j) - 2
        assert ms(profile.times[step])[sent] == expected_ms
        assert profile.basis[step][sent] == "measured"
        other = {"decode": "tail", "tail": "decode"}[step]
        assert profile.basis[other][sent] == "assumed"


def test_nothing_is_offered_where_nothing_was_measured():
    names = ("detector-q30", "detector-q100", "detector-split")
    labels = [option.label for option in options(Tables(), names, BOARD, {"edge": ALONE})]
    assert labels == [
        *("offload:detector-q30", "local:detector-q30"),
        *("offload:detector-q100", "local:detector-q100"),
        *("split:detector-split/head", "local:detector-split"),
    ]


def test_bytes_and_watts_are_the_measured_ones():
    sent = [Tables().model(f"detector-{name}").wire_bytes[-2] for name in ("q30", "q100", "split")]
    assert sent == [10_056, 147_089, 21_959]
    board = Tables().hardware(BOARD)
    assert (board.idle_w, board.compute_w) == (4.31, pytest.approx(COMPUTE_W))
    with (ROOT / "traces" / "hardware.csv").open(newline="", encoding="utf-8") as file:
        (row,) = (row for row in csv.DictReader(file) if row["hardware"] == BOARD)
    assert row["idle_basis"] == row["compute_basis"] == "measured"


def test_the_network_of_the_scenario_is_the_line_through_two_measured_points(study):
    furcifer = importlib.import_module("tables.furcifer")
    latency_s, rate_bps = furcifer.network_law()
    assert (latency_s, 8e3 / rate_bps) == pytest.approx((15.5e-3, 0.50e-3), rel=5e-3)
    cell = yaml.safe_load(SCENARIO.read_text())["cells"]["wlan"]
    assert 2 * cell["latency_s"] == pytest.approx(latency_s, rel=1e-3)
    assert float(cell["uplink"]["rate_bps"]) == pytest.approx(rate_bps, rel=1e-3)


def test_every_bound_is_kept(compared):
    bounded = {key: row for key, row in compared.items() if row.bound is not None}
    cases = ("local, alone", "edge-q30, alone", "edge-q30, beside 4", "edge-q100, alone",
             "split (tail 29.1 ms), alone")  # fmt: skip
    for case in cases:
        assert bounded[case, "frame_ms"].bound == bounded[case, "frame_j"].bound == 0.10
        if "edge" in case or "split" in case:
            assert bounded[case, "two_states_w"].bound == 0.03
        if case in {"edge-q30, alone", "edge-q100, alone", "split (tail 29.1 ms), alone"}:
            assert bounded[case, "network_ms"].bound == 0.15
    assert all(abs(row.error) <= row.bound for row in bounded.values())


def test_measured_totals_are_those_of_the_facts(compared):
    latency_ms = {
        case: row.measured for (case, name), row in compared.items() if name == "frame_ms"
    }
    assert sorted(latency_ms.values()) == [
        74.3,
        95.454,
        105.304,
        152.015,
        152.015,
        187.494,
        331.593,
    ]


def test_split_beside_others_has_no_bound_and_one_hypothesis_is_far_off(compared):
    alone, log = (compared[f"split (tail {ms} ms), beside 4", "frame_ms"] for ms in ("29.1", "20"))
    assert alone.bound is log.bound is None
    assert alone.simulated == pytest.approx(5 * (29.1 + 1.2), rel=1e-6)
    assert log.simulated == pytest.approx(5 * (20 + 1.2), rel=1e-6)
    assert log.error < -0.25


def test_a_full_server_answers_one_client_after_the_other(study):
    """(N + 1) x service, once that is longer than a client's own round."""
    found = study.points((0, 1, 9), study.QUICK_S)
    for others in (1, 9):
        expected_ms = (others + 1) * (62.8 + 2.8)
        assert study.totals(found, study.Q30, others).frame_ms == pytest.approx(expected_ms)


def test_timeouts_begin_when_a_round_outlasts_the_patience(study):
    """What is not between the last byte and the answer: 5.9 + 5 ms on the board, 5.0 on air."""
    service_ms, beside_ms = 62.8 + 2.8, 5.9 + 5 + 10_056 * 8 / 16.027e6 * 1e3
    first = next(n for n in range(31) if (n + 1) * service_ms - beside_ms > 1000)
    found = study.points((first - 1, first), study.QUICK_S)
    assert study.totals(found, study.Q30, first - 1).failed == 0
    late = study.totals(found, study.Q30, first)
    assert late.failed > 0
    assert late.failed_ms == pytest.approx(1000 + beside_ms, rel=1e-3)


def test_the_remainder_is_time_on_the_board_and_no_computing():
    changes = {"sweep": {}, "duration_s": 20}
    (spec,) = load_scenario(SCENARIO, changes).points
    rows = simulate(spec, "edge-q30", 0).tasks
    for row in rows:
        assert row.compute_j / (row.head_end_s - row.head_start_s) == pytest.approx(
            COMPUTE_W * 5.9 / (5.9 + 5)
        )


@pytest.mark.parametrize("computing", [False, True])
def test_the_measured_watts_leave_no_room_for_computing_in_the_remainder(study, computing):
    furcifer = importlib.import_module("tables.furcifer")
    for case in (case for case in study.CASES if case.parts and not case.others):
        names = [case.parts.pre, case.parts.head, case.parts.rest if computing else ""]
        busy_s = sum(furcifer.step_s(name) for name in names if name)
        row = case.measured()
        watts = 4.31 + COMPUTE_W * busy_s * float(row["frames_per_s"])
        error = watts / float(row["board_power_w"]) - 1
        assert 0.025 < error < 0.08 if computing else abs(error) < 0.03


def test_the_remainder_is_all_that_is_read_off_the_totals(compared):
    """Without it the latencies alone are 4 to 12 % short."""
    rests_ms = {"edge-q30": 5, "edge-q100": 6, "split (tail 29.1 ms)": 4.5}
    for way, rest_ms in rests_ms.items():
        row = compared[f"{way}, alone", "frame_ms"]
        assert -0.12 < (row.simulated - rest_ms) / row.measured - 1 < -0.04


def test_the_committed_tables_are_what_the_study_writes(study):
    found = study.points((0, 4, 30))
    rows = study.comparisons(found, 30)
    for row, before in zip(rows, committed("measured_case.csv"), strict=True):
        assert (row.case, row.quantity) == (before["case"], before["quantity"])
        assert row.simulated == pytest.approx(float(before["simulated"]), rel=1e-5)
    crowds = {(row["way"], row["others"]): row for row in committed("measured_clients.csv")}
    assert len(crowds) == len(study.WAYS) * len(study.OTHERS)
    for row in study.crowds(found, (0, 4)):
        before = crowds[row.way, str(row.others)]
        assert row.frame_ms == pytest.approx(float(before["frame_ms"]), rel=1e-5)
        assert row.frame_j == pytest.approx(float(before["frame_j"]), rel=1e-5)


def test_quick_prints_every_comparison_and_writes_nothing(study, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "HERE", tmp_path)
    study.main(["--quick"])
    printed = capsys.readouterr().out
    assert "MISSED" not in printed
    assert all(f"{way.name}: timeouts" in printed for way in study.WAYS[1:])
    assert not list(tmp_path.iterdir())
