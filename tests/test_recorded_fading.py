"""Recorded gains of ns-3, replayed around a mean SNR."""

import numpy as np
import pytest
from building import agrees, build
from scipy import stats
from test_fading import RARE, around

from splitsim import BadInput
from splitsim.world.around import Around
from splitsim.world.channel import FadingChannel
from splitsim.world.fading_replay import STRETCH, RecordedFading

SAMPLES = 20_011
GAINS_DB = np.random.default_rng(0).normal(0, 3, (3, SAMPLES)).round(3)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("fading") / "walk.fad"
    path.write_text("\n".join(" ".join(map(str, row)) for row in GAINS_DB))
    return path


def recorded(path, **keys):
    return RecordedFading(kind="recorded", file=str(path), **keys)


def joined(fading, around, stretches=6):
    gains = fading.gains(around)
    return np.concatenate([gains.stretch(k)[1] for k in range(stretches)])


@pytest.mark.parametrize("block", [0, 2, None])
def test_gains_are_those_of_a_block_or_the_mean_power_over_and_over(path, block):
    fading = recorded(path, block=block, offset="fixed")
    powers = 10 ** (GAINS_DB / 10)
    expected = powers.mean(axis=0) if block is None else powers[block]
    found = joined(fading, around(0))
    assert found == pytest.approx(np.resize(expected, 6 * STRETCH), rel=1e-12)


def test_a_gain_holds_for_a_millisecond_and_multiplies_the_mean_snr(path):
    law = {"kind": "fading", "bandwidth_hz": 1.0, "snr": {"kind": "constant", "mean_db": 7.0}}
    fading = recorded(path, block=1, offset="fixed").model_dump()
    law |= {"fading": fading, "rate": {"kind": "shannon"}}
    snrs = FadingChannel.model_validate(law).snrs(around(0))
    for n in (0, 1, STRETCH - 1, STRETCH, SAMPLES - 1, SAMPLES, 3 * SAMPLES + 5):
        db = 10 * np.log10(snrs.value((n + 0.5) * 1e-3))
        assert db == pytest.approx(7.0 + GAINS_DB[1, n % SAMPLES], abs=1e-9)


def test_devices_and_directions_begin_anywhere_and_go_on_from_there(path):
    powers = 10 ** (GAINS_DB[0] / 10)
    firsts, one = [], recorded(path, block=0)
    for n in range(400):
        found = one.gains(around(n)).stretch(0)[1]
        near = np.flatnonzero(powers == found[0])
        (first,) = (i for i in near if (np.roll(powers, -i)[:64] == found[:64]).all())
        firsts.append(first / SAMPLES)
    assert stats.kstest(firsts, "uniform").pvalue > RARE
    agrees(np.array(firsts) * np.roll(firsts, 1), 0.25, error=0.02)
    for reciprocal in (True, False):
        fading = recorded(path, reciprocal=reciprocal)
        up, down = (joined(fading, Around(0, "d", way), 1) for way in ("uplink", "downlink"))
        assert (up == down).all() == reciprocal


def test_a_stretch_is_the_same_at_every_call(path):
    one, other = (recorded(path).gains(around(0)) for _ in range(2))
    other.stretch(7)
    assert (one.stretch(3)[1] == other.stretch(3)[1]).all()


def test_a_block_that_is_not_there_is_refused(path):
    with pytest.raises(ValueError, match="no resource block 3; there are 0 to 2"):
        recorded(path, block=3)
    with pytest.raises(ValueError, match="are not those of 7 resource blocks"):
        recorded(path, resource_blocks=7)


def uplink(**keys):
    fading = {"kind": "recorded", "file": "walk.fad", **keys}
    law = {"kind": "fading", "bandwidth_hz": 1e6, "snr": {"kind": "constant", "mean_db": 7.0}}
    return {**law, "fading": fading, "rate": {"kind": "shannon"}}


def test_in_a_scenario_the_file_lies_beside_it_and_is_part_of_what_a_run_rests_on(path, tmp_path):
    (tmp_path / "walk.fad").write_bytes(path.read_bytes())
    both = {"cell": {"uplink": uplink(reciprocal=True), "downlink": uplink(reciprocal=True)}}
    loaded = build(tmp_path, scenario={"cells": both})
    assert tmp_path / "walk.fad" in loaded.files
    assert loaded.warnings == []
    (tmp_path / "walk.fad").write_text("31 30 29\n")
    loaded = build(tmp_path, scenario={"cells": {"cell": {"uplink": uplink()}}})
    assert "its mean gain is 30.1 dB" in loaded.warnings[0]
    with pytest.raises(BadInput, match=r"uplink\.fading: there is no resource block 1"):
        build(tmp_path, scenario={"cells": {"cell": {"uplink": uplink(block=1)}}})
