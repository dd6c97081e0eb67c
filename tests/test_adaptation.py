"""Link adaptation: the best scheme by brute force, and the outer loop on moving channels."""

import inspect
import itertools
import math

import numpy as np
import pytest
from building import agrees, build
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from test_exits import LAWS

from splitsim.simulation import channel
from splitsim.world.adaptation import Ideal, Loop, OuterLoop
from splitsim.world.around import Around
from splitsim.world.channel import AwgnChannel, FadingChannel
from splitsim.world.clarke import HOP
from splitsim.world.fading import Rayleigh
from splitsim.world.mcs import nr_schemes
from splitsim.world.nr import Nr
from splitsim.world.travel import Gains

DOPPLER_HZ = 5.0
STEP_S = 1 / (32 * DOPPLER_HZ)
LOOP = {"kind": "outer_loop", "target_bler": 0.1}


def around(device, seed=0):
    return Around(seed, f"device-{device}", "uplink")


def faded(device, mean_db=12.0, doppler_hz=DOPPLER_HZ):
    """The SNR of a device in stretches, as a ratio of powers."""
    gains = Rayleigh(kind="rayleigh", doppler_hz=doppler_hz).gains(around(device))

    def stretch(k):
        starts, powers = gains.stretch(k)
        return starts, 10 ** (mean_db / 10) * powers

    return gains._replace(stretch=stretch)


def nr(adaptation, **keys):
    return Nr.model_validate({"kind": "nr", "efficiency": 1.0, "adaptation": adaptation, **keys})


def loop(device, snr, **keys):
    """The outer loop of a device over an SNR."""
    law = OuterLoop.model_validate({**LOOP, **keys})
    return Loop(law, nr(LOOP).ladder(), snr, around(device))


def blocks(made, snr, stretches):
    """What the loop did, stretch by stretch."""
    return [made.blocks(k, *snr.stretch(k)) for k in range(stretches)]


def mean_rate(rate, device, stretches, **how):
    """Bit/s/Hz that arrive, on average over time."""
    signal = rate.rates(faded(device, **how), around(device))
    return np.mean([signal.stretch(k)[1].mean() for k in range(stretches)])


# Ideal.


def best(snr_db, target):
    """Bit/s/Hz by trying every scheme of the standard's table, one by one."""
    every = nr_schemes(1)
    found = []
    for scheme in every:
        width_db = (scheme.tenth_db - scheme.half_db) / math.log(9)
        bler = 1 / (1 + math.exp(min((snr_db - scheme.half_db) / width_db, 700.0)))
        found.append((bler <= target, scheme.bps_hz, bler))
    may = [entry for entry in found if entry[0]] or [min(found, key=lambda entry: entry[1])]
    _, bps_hz, bler = max(may, key=lambda entry: entry[1])
    return bps_hz * (1 - bler)


@pytest.mark.parametrize("target", [0.5, 0.1, 0.001])
def test_ideal_adaptation_is_the_best_scheme_that_holds_the_target(target):
    snr_db = np.linspace(-12, 25, 1000) + 1e-4
    rate = nr({"kind": "ideal", "target_bler": target})
    signal = rate.rates(Gains(1e3, lambda _: (np.arange(1e3), 10 ** (snr_db / 10))), around(0))
    expected = [best(db, target) for db in snr_db]
    assert signal.stretch(0)[1] == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_ideal_adaptation_s_mean_rate_over_rayleigh_fading():
    """By integrating over the exponential distribution of the SNR, threshold by threshold."""
    mean_db = 12.0
    needs = [10 ** ((scheme.tenth_db - mean_db) / 10) for scheme in nr_schemes(1)]
    edges = [0.0, needs[0] / 2, *(needs[:17] + needs[18:]), 20.0]
    expected = sum(
        integrate.quad(
            lambda x: best(mean_db + 10 * math.log10(max(x, 1e-30)), 0.1) * math.exp(-x), *pair
        )[0]
        for pair in itertools.pairwise(edges)
    )
    rate = nr({"kind": "ideal"})
    agrees([mean_rate(rate, n, 2) for n in range(200)], expected, error=0.005 * expected)


def test_silence_is_no_error():
    for adaptation in ({"kind": "ideal"}, LOOP):
        signal = nr(adaptation).rates(Gains(1.0, lambda _: (np.zeros(1), np.zeros(1))), around(0))
        assert signal.stretch(0)[1][0] == 0


# The outer loop holds its target.


@pytest.mark.parametrize(
    ("doppler_hz", "keys"),
    [
        (1.0, {}),
        (5.0, {}),
        (5.0, {"report_every_s": 0.1, "delay_s": 0.1}),
        (50.0, {}),
        (5.0, {"target_bler": 0.3, "step_db": 0.2}),
        (5.0, {"target_bler": 0.02, "step_db": 1.0}),
    ],
)
def test_the_outer_loop_holds_its_target_on_a_moving_channel(doppler_hz, keys):
    """Blocks drawn as lost, and the probability with which they were: both within 0.005.

    Batches are the stretches of several devices, the first of each left out.
    """
    target = keys.get("target_bler", 0.1)
    lost, probability = [], []
    for device in range(6):
        snr = faded(device, doppler_hz=doppler_hz)
        made = loop(device, snr, **keys)
        for found in blocks(made, snr, 5)[1:]:
            lost.append(found.lost.mean())
            probability.append(made._ladder.bler(found.rungs, found.snr_db).mean())
    assert np.mean(lost) == pytest.approx(target, abs=0.005)
    agrees(probability, target, error=0.0015)
    assert np.mean(probability) == pytest.approx(target, abs=0.005)


def test_the_offset_is_what_the_blocks_made_of_it():
    """Lost ones lower it by a step, others raise it by the step x target / (1 - target)."""
    snr = faded(0)
    made = loop(0, snr, step_db=0.5, target_bler=0.1)
    lost = np.concatenate([found.lost for found in blocks(made, snr, 4)])
    moved = 0.5 * ((~lost).sum() / 9 - lost.sum())
    assert made._memories[4].offset_db == pytest.approx(moved)
    assert made._memories[0].offset_db == 0.0


def test_every_block_is_sent_by_its_report_and_offset():
    """Against a loop written out: times, reports, offsets and schemes one by one."""
    keys = {"report_every_s": 0.013, "delay_s": 0.0171, "step_db": 0.7, "target_bler": 0.2}
    snr = faded(3)
    made = loop(3, snr, **keys)
    found = blocks(made, snr, 3)
    ladder = nr(LOOP).ladder()
    needs_db = ladder.needs_db(0.2)
    truth_db = 10 * np.log10(np.concatenate([snr.stretch(k)[1] for k in range(3)]))
    offset_db, n = 0.0, 0
    for k in range(3):
        uniform = 1 - around(3).stream("adaptation", k).random(HOP)
        for i in range(HOP):
            report = max(math.floor((n * STEP_S - 0.0171) / 0.013), 0)
            told_db = truth_db[int(report * 0.013 / STEP_S + 1e-9)] + offset_db
            rung = max(int(np.sum(needs_db <= told_db)) - 1, 0)
            gone = uniform[i] < ladder.bler(np.array([rung]), truth_db[n : n + 1])[0]
            assert (found[k].rungs[i], found[k].lost[i]) == (rung, gone), n
            offset_db += -0.7 if gone else 0.7 * 0.25
            n += 1


def test_a_known_snr_that_stands_still_hovers_at_the_target():
    """A constant SNR: the loop steps to and fro between two schemes, one block a millisecond."""
    snr = OuterLoop.model_validate(LOOP).paced(
        Gains(math.inf, lambda _: (np.zeros(1), np.full(1, 10.0)))
    )
    found = blocks(loop(0, snr), snr, 12)
    assert np.mean([one.lost.mean() for one in found]) == pytest.approx(0.1, abs=0.005)
    assert set(np.concatenate([one.rungs for one in found])) >= {16, 17}
    law = {"kind": "awgn", "bandwidth_hz": 1e6, "snr": {"kind": "constant", "mean_db": 10.0}}
    steps = AwgnChannel.model_validate({**law, "rate": nr(LOOP).model_dump()}).steps(around(0))
    expected = nr(LOOP).rates(snr, around(0))
    for k in (0, 3):
        starts, rates = expected.stretch(k)
        found = [steps.value(k * snr.period_s + t + 5e-4) for t in starts[::97]]
        assert found == pytest.approx(1e6 * rates[::97])


def test_the_offset_stays_within_its_limit():
    """Far above the highest scheme nothing is lost, far below the lowest everything."""
    for level, end_db in ((1e9, 3.0), (1e-9, -3.0)):
        snr = Gains(1.0, lambda _, level=level: (0.001 * np.arange(1e3), np.full(1000, level)))
        made = loop(0, snr, limit_db=3.0)
        blocks(made, snr, 2)
        assert made._memories[2].offset_db == end_db


# What stale reports cost.


def test_the_staler_the_report_the_less_arrives():
    """The same devices at every delay, up to where the report says nothing; ideal is above all."""
    delays_s = [0.0, 0.01, 0.02, 0.04]
    devices = range(24)
    means = np.array(
        [
            [mean_rate(nr({**LOOP, "report_every_s": STEP_S, "delay_s": d}), n, 2) for n in devices]
            for d in delays_s
        ]
    )
    ideal = np.array([mean_rate(nr({"kind": "ideal"}), n, 2) for n in devices])
    for more, less in itertools.pairwise([ideal, *means]):
        paired = more - less
        assert paired.mean() > 5 * paired.std(ddof=1) / math.sqrt(len(devices))


def test_the_rarer_the_report_the_less_arrives():
    every_s = [0.01, 0.03, 0.09]
    devices = range(24)
    means = np.array(
        [[mean_rate(nr({**LOOP, "report_every_s": e}), n, 2) for n in devices] for e in every_s]
    )
    for more, less in itertools.pairwise(means):
        paired = more - less
        assert paired.mean() > 5 * paired.std(ddof=1) / math.sqrt(len(devices))


def test_the_rate_counts_what_arrives_of_the_scheme_that_was_sent():
    snr = faded(0)
    rate = nr({**LOOP, "block_s": 0.02}, harq_transmissions=2)
    made = Loop(rate.adaptation, rate.ladder(), snr, around(0))
    signal = rate.rates(snr, around(0))
    for k in range(2):
        found = made.blocks(k, *snr.stretch(k))
        expected = rate.ladder().goodput_bps_hz(found.rungs, found.snr_db)
        assert signal.stretch(k)[1] == pytest.approx(np.repeat(expected, found.sizes))


# Blocks.


def test_a_block_meets_the_mean_snr_in_db_over_its_length():
    """Steps of 6.25 ms; blocks of 25 ms take four of them, of 10 ms one or two."""
    snr = faded(0)
    snr_db = 10 * np.log10(snr.stretch(0)[1])
    (four,) = blocks(loop(0, snr, block_s=0.025), snr, 1)
    assert (four.sizes == 4).all()
    assert four.snr_db == pytest.approx(snr_db.reshape(-1, 4).mean(axis=1))
    (some,) = blocks(loop(0, snr, block_s=0.01), snr, 1)
    assert set(some.sizes) == {1, 2}
    assert some.sizes.sum() == HOP
    (each,) = blocks(loop(0, snr, block_s=1e-4), snr, 1)
    assert each.snr_db == pytest.approx(snr_db)


# A stretch is a function of its number.


@settings(derandomize=True, deadline=None, max_examples=15)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=5),
    st.sampled_from([{}, {"report_every_s": 0.5, "delay_s": 0.3}, {"block_s": 0.02}]),
)
def test_a_stretch_is_the_same_at_every_call_and_in_any_order(order, keys):
    rate = nr({**LOOP, **keys})
    signal = rate.rates(faded(0), around(0))
    for k in order:
        assert (signal.stretch(k)[1] == in_order(tuple(sorted(keys.items())))[k]).all()


ORDERED: dict[tuple, list[np.ndarray]] = {}


def in_order(keys):
    if keys not in ORDERED:
        signal = nr({**LOOP, **dict(keys)}).rates(faded(0), around(0))
        ORDERED[keys] = [signal.stretch(k)[1] for k in range(5)]
    return ORDERED[keys]


def test_reports_may_be_older_than_a_stretch():
    """A delay of 2.5 stretches: until then the SNR of the very beginning is known."""
    period_s, levels = 1.0, 10.0 ** np.array([0.0, 1.0, 2.0, 0.0, 1.0, 2.0])
    snr = Gains(period_s, lambda k: (0.1 * np.arange(10), np.full(10, levels[k])))
    made = loop(0, snr, report_every_s=0.25, delay_s=2.5, step_db=1e-9)
    needs_db = nr(LOOP).ladder().needs_db(0.1)
    for k in (5, 3, 4, 0):
        found = made.blocks(k, *snr.stretch(k))
        times = k + 0.1 * np.arange(10)
        report_s = np.maximum(np.floor((times - 2.5) / 0.25 + 1e-9) * 0.25, 0)
        told_db = 10 * np.log10(levels[np.floor(report_s + 1e-9).astype(int)])
        assert found.rungs.tolist() == (np.searchsorted(needs_db, told_db, "right") - 1).tolist()


def test_devices_do_not_change_each_other(tmp_path):
    law = {
        "kind": "fading",
        "bandwidth_hz": 1e6,
        "snr": {"kind": "constant", "mean_db": 10.0},
        "fading": {"kind": "rayleigh", "doppler_hz": 5.0},
        "rate": {"kind": "nr", "adaptation": LOOP},
    }
    found = []
    for count in (1, 5):
        cells = {"cell": {"uplink": law, "downlink": law}}
        devices = [{"name": "cam", "count": count}]
        spec = build(tmp_path, scenario={"devices": devices, "cells": cells}).points[0]
        steps = channel(spec, spec.scenario.devices[0], "cam-0", 0, "uplink")
        found.append([steps.value(t) for t in np.arange(0, 200, 0.7)])
    assert found[0] == found[1]


def test_directions_and_seeds_draw_their_own_luck():
    """At an SNR where a tenth of the blocks is lost by chance alone, and hardly a step to move."""
    ladder = nr(LOOP).ladder()
    level = 10 ** ((ladder.needs_db(0.1)[17] + 0.01) / 10)
    snr = Gains(1.0, lambda _: (0.001 * np.arange(1e3), np.full(1000, level)))
    law = OuterLoop.model_validate({**LOOP, "step_db": 1e-6})
    devices = (around(0), around(1), around(0, seed=1), Around(0, "device-0", "downlink"))
    fates = [blocks(Loop(law, ladder, snr, near), snr, 1)[0].lost for near in devices]
    for one, other in itertools.combinations(fates, 2):
        assert 100 < (one != other).sum() < 260  # 180 by chance


def test_ideal_needs_no_memory_and_no_draws():
    assert Ideal(kind="ideal").rates(nr(LOOP).ladder(), faded(0), around(0)).stretch(7)[1].size


def test_a_fading_channel_with_an_outer_loop_extends_without_changing():
    law = {
        "kind": "fading",
        "bandwidth_hz": 1e6,
        "snr": {"kind": "constant", "mean_db": 10.0},
        "fading": {"kind": "rayleigh", "doppler_hz": 50.0},
        "rate": {"kind": "nr", "adaptation": LOOP},
    }
    made = FadingChannel.model_validate(law)
    steps = made.steps(around(0))
    times = np.linspace(0, 9, 333)
    early = [(steps.value(t), steps.area(t)) for t in times]
    far = steps.area(60.0)
    assert [(steps.value(t), steps.area(t)) for t in times] == early
    again = made.steps(around(0))
    assert again.value(59.0) == steps.value(59.0)
    assert again.area(60.0) == far


# In a simulation.


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adaptation")
    snr = {"kind": "constant", "mean_db": 4.0}
    law = {
        "kind": "fading",
        "bandwidth_hz": 2e6,
        "snr": snr,
        "fading": {"kind": "rayleigh", "doppler_hz": 3.0},
        "rate": {"kind": "nr", "adaptation": LOOP, "tdd_share": 0.5},
    }
    flat = {"kind": "awgn", "bandwidth_hz": 2e6, "snr": snr, "rate": {"kind": "nr"}}
    device = {
        "count": 2,
        "arrivals": {"kind": "poisson", "rate_hz": 8.0},
        "timeout": {"after_s": 0.2, "from": "created", "then": "local"},
    }
    cells = {"cell": {"uplink": law, "downlink": flat}}
    changes = {"devices": [device], "cells": cells, "duration_s": 60.0, "drain_s": 2.0}
    build(folder, scenario=changes)
    return folder / "scenario.yaml"


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_every_law_holds_over_an_adapted_link(busy, law, monkeypatch):
    given = {"path": busy, "policy": "offload", "monkeypatch": monkeypatch}
    law(**{name: given[name] for name in inspect.signature(law).parameters})
