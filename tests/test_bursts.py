"""Gilbert and Elliott's bursts against the Markov chain they are; and gains that hold for long."""

import math

import numpy as np
import pytest
from building import agrees
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from test_fading import RARE, around

from splitsim.world import bursts
from splitsim.world.around import Around
from splitsim.world.bursts import GilbertElliott
from splitsim.world.channel import AwgnChannel, FadingChannel
from splitsim.world.fading import NoFading, Rayleigh
from splitsim.world.rate import Shannon
from splitsim.world.snr import MeanSnr

GOOD_S, BAD_S = 3.0, 0.5
RATE_HZ = 1 / GOOD_S + 1 / BAD_S


def elliott(**keys):
    defaults = {"good_s": GOOD_S, "bad_s": BAD_S, "bad_db": -20.0}
    return GilbertElliott(kind="gilbert-elliott", **{**defaults, **keys})


def joined(gains, stretches):
    """Times of changes, and the gains from there on, over several stretches."""
    parts = [(k * gains.period_s + gains.stretch(k)[0], gains.stretch(k)[1]) for k in stretches]
    starts, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    changes = np.flatnonzero(np.diff(values, prepend=-1.0))
    return starts[changes], values[changes]


def states(times_s, devices, **keys):
    """Whether it is good, by device and time."""
    found = []
    for n in range(devices):
        gains = elliott(**keys).gains(around(n))
        starts, values = joined(gains, range(int(max(times_s) / gains.period_s) + 1))
        found.append(values[np.searchsorted(starts, times_s, side="right") - 1] == 1.0)
    return np.array(found)


@pytest.fixture(params=[1024, 2])
def draws(request, monkeypatch):
    """As many draws per stretch as there are, and so few that one in seven has none."""
    monkeypatch.setattr(bursts, "DRAWS", request.param)
    return request.param


def test_gains_are_one_and_the_bad_one_in_turn():
    _, values = joined(elliott(bad_db=-7.0).gains(around(0)), range(3))
    assert set(values) == {1.0, 10**-0.7}
    assert (values[1:] != values[:-1]).all()


def test_holding_times_are_exponential_over_edges_of_stretches_too(draws):
    stretches = range(int(3000 / elliott().period_s))
    starts, values = joined(elliott().gains(around(0)), stretches)
    holds_s, good = np.diff(starts), values[:-1] == 1.0
    for mean_s, held_s in ((GOOD_S, holds_s[good]), (BAD_S, holds_s[~good])):
        assert len(held_s) > 700
        assert stats.kstest(held_s[1:], stats.expon(scale=mean_s).cdf).pvalue > RARE
    pairs = min(good.sum(), (~good).sum()) - 1
    together = stats.spearmanr(holds_s[good][:pairs], holds_s[~good][:pairs])
    assert together.pvalue > RARE, "independent of each other"


def test_the_share_of_good_times_at_the_start_and_at_any_time(draws):
    edge_s = elliott().period_s
    times_s = [0.0, 0.1, edge_s - 1e-3, edge_s + 1e-3, 2 * edge_s + 1e-3]
    share = GOOD_S / (GOOD_S + BAD_S)
    for column in states(times_s, 1500).T:
        agrees(column.astype(float), share, error=0.01)


def test_autocorrelation(draws):
    """exp(-t (1/g + 1/b)), over edges of stretches too."""
    share, edge_s = GOOD_S / (GOOD_S + BAD_S), elliott().period_s
    lags_s = [0.05, 0.3, 1.0]
    begin_s = edge_s - np.linspace(0, 0.8, 4) * 0.05
    good = states(np.concatenate([begin_s + lag_s for lag_s in (0.0, *lags_s)]), 1500)
    early, *others = np.split(good - share, 1 + len(lags_s), axis=1)
    for lag_s, late in zip(lags_s, others, strict=True):
        expected = share * (1 - share) * math.exp(-lag_s * RATE_HZ)
        agrees((early * late).mean(axis=1), expected, error=0.008)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=8))
def test_a_stretch_is_the_same_at_every_call_and_in_any_order(order):
    gains = elliott().gains(around(0))
    for k in order:
        for found, expected in zip(
            gains.stretch(k), elliott().gains(around(0)).stretch(k), strict=True
        ):
            assert (found == expected).all()


def test_a_stretch_begins_as_the_one_before_ended(draws):
    gains = elliott().gains(around(0))
    edge_s = gains.period_s
    ends = states([k * edge_s - 1e-9 for k in range(1, 20)], 1)[0]
    begins = [gains.stretch(k)[1][0] == 1.0 for k in range(1, 20)]
    assert (ends == begins).mean() > 0.9, "but for changes within a nanosecond"


def test_directions_are_independent_or_the_same():
    for reciprocal in (True, False):
        up, down = (
            joined(elliott(reciprocal=reciprocal).gains(Around(0, "d", way)), range(2))
            for way in ("uplink", "downlink")
        )
        assert np.array_equal(up[0], down[0]) == reciprocal
    found = np.array([states(np.arange(0, 900, 5.0), 200)]).astype(float)[0] - 6 / 7
    agrees((found * np.roll(found, 1, axis=0)).mean(axis=1), 0.0, error=0.002)


# Means that move while a gain holds.


class Rising:
    """A mean SNR that grows, and may be taken for constant for a quarter of a second."""

    def mean(self, *_):
        return MeanSnr(lambda times_s: 1 + times_s, 0.25)


def rising(fading, kind=FadingChannel):
    law = {"kind": "fading", "bandwidth_hz": 1.0, "rate": Shannon(kind="shannon")}
    return kind.model_construct(**law, snr=Rising(), fading=fading).snrs(around(0))


@pytest.mark.parametrize(
    "fading",
    [
        NoFading(kind="none"),
        elliott(good_s=30.0, bad_s=20.0, bad_db=-10.0),
        Rayleigh(kind="rayleigh", doppler_hz=0.01),
        Rayleigh(kind="rayleigh", doppler_hz=30.0),
    ],
)
def test_a_mean_is_never_older_than_it_may_be(fading):
    """A gain that holds for longer is cut; it stays the same gain."""
    flat = FadingChannel.model_validate(
        {
            "kind": "fading",
            "bandwidth_hz": 1.0,
            "snr": {"kind": "constant", "mean_db": 0.0},
            "fading": fading,
            "rate": {"kind": "shannon"},
        }
    ).snrs(around(0))
    snrs = rising(fading)
    for time_s in np.random.default_rng(0).uniform(0, 3000, 400):
        mean = snrs.value(time_s) / flat.value(time_s)
        assert 1 + time_s - 0.25 * (1 + 1e-9) <= mean <= 1 + time_s + 1e-9


def test_without_fading_a_moving_mean_is_the_same_as_with_none():
    one, other = rising(NoFading(kind="none")), rising(None, AwgnChannel)
    for time_s in (0.0, 63.99, 64.0, 1e4):
        assert one.value(time_s) == other.value(time_s)
