"""Numbers sent as symbols: time without regard to noise, answers by the SNR of the transfer."""

from __future__ import annotations

import inspect
import itertools
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from building import Net, Waves, build
from test_exits import LAWS, fill

from splitsim import load_scenario, simulate
from splitsim.errors import BadInput
from splitsim.outcomes import Heard, Outcome
from splitsim.task import DONE, TIMEOUT
from splitsim.world.around import Around
from splitsim.world.clarke import HOP, SAMPLES_PER_WAVELENGTH
from splitsim.world.fading import Rayleigh

SAMPLES, NUMBERS = 30, 500
LEVELS_DB = (-5.0, 2.0, 8.0, 14.0)
BANDWIDTH_HZ, DOPPLER_HZ = 1e4, 3.0
NET = Net("net", [0.0, 0.01], [4e4, 4 * NUMBERS], [0.03, 0.02], local_s=0.1, answer_bytes=10)
TEACHER = Net("teacher", [0.0], [4e4], [0.03], local_s=0.2)
WAVES = Waves("waves", b_w=1.2)
SYMBOLS = {"kind": "symbols", "bits_per_symbol": 64}
SNR = {"kind": "constant", "mean_db": 6.0}
AWGN = {"kind": "awgn", "bandwidth_hz": BANDWIDTH_HZ, "snr": SNR, "rate": SYMBOLS}
FADING = {**AWGN, "kind": "fading", "fading": {"kind": "rayleigh", "doppler_hz": DOPPLER_HZ}}
CELL = {
    "radio": "waves",
    "latency_s": 0.004,
    "transport": {"kind": "analogue"},
    "uplink": AWGN,
    "downlink": {"kind": "constant", "rate_bps": 1e6},
}


def right(sample: int, snr_db: float) -> float:
    """What the table says: the more samples are right, the higher the SNR."""
    level = min(LEVELS_DB, key=lambda level: abs(level - snr_db))
    return float(sample % 4 <= LEVELS_DB.index(level))


def table(levels_db=LEVELS_DB, **changes: Any) -> dict[str, Any]:
    """Rows of bits at all cuts, and rows of symbols at the one in the middle."""
    bits = [(cut, None, n) for cut in range(3) for n in range(SAMPLES)]
    rows = [*bits, *((1, level, n) for level in levels_db for n in range(SAMPLES))]
    cut, snr_db, sample = zip(*rows, strict=True)
    answers = [1.0 if level is None else right(n, level) for _, level, n in rows]
    made = {
        "sample": sample,
        "cut": cut,
        "loss": [0.0 if level is None else None for level in snr_db],
        "snr_db": snr_db,
        "bytes": [4 * NUMBERS if c == 1 else 4000 * (c == 0) for c in cut],
        "prediction": [0] * len(rows),
        "confidence": [0.5] * len(rows),
        "correct": answers,
    }
    return made | changes


def write(folder, found, model="net") -> None:
    path = folder / "tables" / "outcomes" / f"{model}@pictures.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {name: values for name, values in found.items() if values is not None}
    pq.write_table(pa.table(columns), path)


def analogue(folder, cell=None, found=None, nets=(NET,), **scenario):
    """A frame a second over a cell that sends symbols."""
    write(folder, table() if found is None else found)
    arrivals = {"kind": "periodic", "period_s": 1.0, "phase_s": 0.5}
    changes = {
        "dataset": "pictures",
        "duration_s": 120.0,
        "devices": [{"arrivals": arrivals}],
        "cells": {"cell": {**CELL, **(cell or {})}},
        "policies": [
            {"name": "split", "kind": "split", "model": "net", "cut": 1},
            {"name": "local", "kind": "local", "model": "net"},
        ],
        **scenario,
    }
    return build(folder, nets=nets, radios=(WAVES,), scenario=changes)


def test_at_a_constant_snr_the_nearest_level_answers(tmp_path):
    """6 dB: the level of 8. A symbol carries two numbers: n / (2 bandwidth) seconds."""
    spec = analogue(tmp_path).points[0]
    rows = simulate(spec, "split", 0).tasks
    assert {row.correct for row in rows} == {0.0, 1.0}
    for row in rows:
        assert row.status == DONE
        assert row.snr_db == pytest.approx(6.0)
        assert row.correct == right(row.sample, 8.0)
        assert row.sent_bytes == 4 * NUMBERS
        assert row.airtime_s == pytest.approx(NUMBERS / (2 * BANDWIDTH_HZ))
        whole_s = 0.01 + NUMBERS / (2 * BANDWIDTH_HZ) + 2 * 0.004 + 0.02 + 80 / 1e6
        assert row.done_s - row.created_s == pytest.approx(whole_s)
        assert row.tx_j == pytest.approx(1.2 * row.airtime_s)
    local = simulate(spec, "local", 0).tasks
    assert {(row.correct, row.snr_db) for row in local} == {(1.0, None)}


def snrs(device: str, stretches: int) -> tuple[np.ndarray, float]:
    """The SNR of a device's uplink, step by step, and the length of a step."""
    fading = Rayleigh(kind="rayleigh", doppler_hz=DOPPLER_HZ)
    stretch = fading.gains(Around(0, device, "uplink")).stretch
    gains = np.concatenate([stretch(k)[1] for k in range(stretches)])
    return 10**0.6 * gains, 1 / (SAMPLES_PER_WAVELENGTH * DOPPLER_HZ)


def test_in_fading_the_mean_over_the_transfer_decides(tmp_path):
    """A transfer of 25 ms, steps of 10.4 ms: means of parts of them, added up by hand."""
    spec = analogue(tmp_path, {"uplink": FADING}, duration_s=200.0).points[0]
    rows = simulate(spec, "split", 0).tasks
    found, step_s = snrs("device-0", 1 + int(200 / (HOP / SAMPLES_PER_WAVELENGTH / DOPPLER_HZ)))
    edges = step_s * np.arange(len(found) + 1)
    levels = set()
    for row in rows:
        overlap_s = np.minimum(edges[1:], row.tx_end_s) - np.maximum(edges[:-1], row.tx_start_s)
        mean = float(np.sum(found * np.maximum(overlap_s, 0.0))) / row.airtime_s
        assert row.snr_db == pytest.approx(10 * math.log10(mean), abs=1e-6)
        assert row.correct == right(row.sample, row.snr_db)
        assert row.airtime_s == pytest.approx(NUMBERS / (2 * BANDWIDTH_HZ))
        levels.add(min(LEVELS_DB, key=lambda level: abs(level - row.snr_db)))
    assert levels == set(LEVELS_DB)


def test_every_policy_meets_the_same_noise(tmp_path):
    fastest = {"name": "fastest", "kind": "fastest", "initial_rate_bps": 64 * BANDWIDTH_HZ}
    split = {"name": "split", "kind": "split", "model": "net", "cut": 1}
    spec = analogue(tmp_path, {"uplink": FADING}, policies=[split, fastest]).points[0]
    one, other = (
        {row.task: row.snr_db for row in simulate(spec, name, 0).tasks}
        for name in ("split", "fastest")
    )
    assert one == other


def test_policies_see_the_answers_at_the_mean_snr(tmp_path):
    spec = analogue(tmp_path, {"uplink": FADING}).points[0]
    options = {option.label: option for option in spec.options["device"]}
    assert set(options) == {"split:net/layer1", "local:net"}  # nothing is known of symbols at 0
    expected = np.mean([right(n, 6.0) for n in range(SAMPLES)])
    assert options["split:net/layer1"].mean.correct == pytest.approx(expected)
    assert options["local:net"].mean.correct == 1.0


def test_the_lower_of_two_levels_that_are_as_near_counts():
    outcomes = [Outcome(np.zeros(1), np.array([n])) for n in (0.0, 0.5, 1.0)]
    heard = Heard((0.0, 4.0, 10.0), outcomes)
    levels_db = (-math.inf, -3.0, 2.0, 2.001, 7.0, 7.001, 90.0)
    assert [heard.at(db).correct[0] for db in levels_db] == [0, 0, 0, 0.5, 0.5, 1, 1]


def test_models_of_which_no_noise_is_known_are_computed_here(tmp_path):
    bits = {name: values[: 2 * SAMPLES] for name, values in table().items() if name != "snr_db"}
    write(tmp_path, {**bits, "cut": np.repeat([0, 1], SAMPLES)}, "teacher")
    spec = analogue(tmp_path, nets=(NET, TEACHER)).points[0]
    found = [option.label for option in spec.options["device"]]
    assert found == ["split:net/layer1", "local:net", "local:teacher"]


def test_exits_answer_before_anything_is_heard(tmp_path):
    """At layer1 half of the samples are sure; the others are heard with noise."""
    analogue(tmp_path)
    at, sample = np.array(table()["cut"]) == 1, np.array(table()["sample"])
    exits = {
        "exit_prediction": np.where(at, 0.0, np.nan),
        "exit_confidence": np.where(at, np.where(sample % 2, 0.9, 0.1), np.nan),
        "exit_entropy": np.where(at, 0.5, np.nan),
        "exit_correct": np.where(at, sample % 3 == 0, np.nan),
    }
    write(tmp_path, table(**{n: pa.array(v, from_pandas=True) for n, v in exits.items()}))
    fill(tmp_path / "tables/profiles/net@board.csv", exit_s={1: 0.005}, exit_basis={1: "assumed"})
    path = tmp_path / "scenario.yaml"
    rule = "exits: {by: confidence, thresholds: [0.5]}\n"
    path.write_text(rule + path.read_text().replace("cut: 1", "cut: 1\n  exit: 0.5"))
    for row in simulate(load_scenario(path).points[0], "split", 0).tasks:
        early = row.sample % 2 == 1
        assert (row.exit, row.snr_db is None) == (("layer1", True) if early else (None, False))
        assert row.correct == (row.sample % 3 == 0 if early else right(row.sample, 6.0))


def test_a_transfer_that_was_cut_has_no_snr(tmp_path):
    timeout = {"after_s": 0.02, "from": "created"}
    arrivals = {"kind": "periodic", "period_s": 1.0}
    spec = analogue(tmp_path, devices=[{"arrivals": arrivals, "timeout": timeout}]).points[0]
    rows = simulate(spec, "split", 0).tasks
    assert {(row.status, row.snr_db, row.correct) for row in rows} == {(TIMEOUT, None, None)}
    assert all(0 < row.sent_bytes < 4 * NUMBERS for row in rows)


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("analogue")
    device = {
        "count": 2,
        "arrivals": {"kind": "poisson", "rate_hz": 8.0},
        "timeout": {"after_s": 0.2, "from": "created", "then": "local"},
        "service": {"kind": "exponential"},
    }
    analogue(folder, {"uplink": FADING}, devices=[device], duration_s=60.0, drain_s=2.0)
    return folder / "scenario.yaml"


@pytest.mark.parametrize("policy", ["split", "local"])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_every_law_holds_with_symbols(busy, law, policy, monkeypatch):
    given = {"path": busy, "policy": policy, "monkeypatch": monkeypatch}
    law(**{name: given[name] for name in inspect.signature(law).parameters})


ROWS = len(table()["cut"])
HEARD = np.array([level is not None for level in table()["snr_db"]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"snr_db": [3.0] * ROWS}, "snr_db: must be null in some rows: those of the last cut"),
        ({"loss": [0.1] * ROWS}, "loss: must be null where snr_db is not"),
        ({"loss": np.full(ROWS, np.nan)}, "loss: must be from 0 to 1, not nan"),
        ({"cut": np.where(HEARD, 2, table()["cut"])}, "snr_db: must be null at the last cut"),
        (
            {"snr_db": [v and v + n / 1e3 for n, v in enumerate(table()["snr_db"])]},
            "snr_db: must be the same for the 30 rows of all samples",
        ),
        (
            {"snr_db": [v and 2.0 for v in table()["snr_db"]]},
            "has a loss or SNR and cut twice",
        ),
        ({"snr_db": [v and math.inf for v in table()["snr_db"]]}, "snr_db: must be finite, or"),
    ],
)
def test_a_table_with_odd_snrs_is_one_clear_error(tmp_path, changes, message):
    with pytest.raises(BadInput, match=message):
        analogue(tmp_path, found=table(**changes))


SHANNON = {"kind": "shannon"}
CONSTANT = {"kind": "constant", "rate_bps": 1e6}


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (
            {"uplink": CONSTANT},
            "uplink: has no SNR, at which an analogue transport is heard; make it awgn or fading",
        ),
        (
            {"uplink": {**AWGN, "rate": SHANNON}},
            "uplink.rate: an analogue transport sends {kind: symbols}, nothing else",
        ),
        (
            {"downlink": AWGN},
            "downlink.rate: answers come back as bits, not as symbols; choose another",
        ),
        (
            {"transport": {"kind": "reliable"}},
            "uplink.rate: symbols need transport: {kind: analogue}; add it, or choose another kind",
        ),
    ],
)
def test_a_cell_that_cannot_be_is_told_with_its_place(tmp_path, cell, message):
    with pytest.raises(BadInput) as error:
        analogue(tmp_path, cell)
    (problem,) = error.value.problems
    place, _, what = problem.partition(": ")
    assert what == f"cells.cell.{message}"
    assert len(place.split(":")) == 3


def test_what_noise_does_must_be_known(tmp_path):
    bits = {name: values[: 3 * SAMPLES] for name, values in table().items() if name != "snr_db"}
    with pytest.raises(BadInput, match=r"cells.cell.transport: no model has outcomes of symbols"):
        analogue(tmp_path, found=bits)
    with pytest.raises(BadInput, match=r"cells.cell.transport: what is heard depends on the samp"):
        analogue(tmp_path, dataset=None)


def test_a_constant_snr_gives_a_constant_rate(tmp_path):
    """Also for bits: Shannon's capacity at 6 dB."""
    cell = {"uplink": {**AWGN, "rate": SHANNON}, "transport": {"kind": "reliable"}}
    spec = analogue(tmp_path, cell).points[0]
    for row in itertools.islice(simulate(spec, "split", 0).tasks, 5):
        rate_bps = BANDWIDTH_HZ * math.log2(1 + 10**0.6)
        assert row.airtime_s == pytest.approx(8 * row.sent_bytes / rate_bps)
        assert row.snr_db is None
