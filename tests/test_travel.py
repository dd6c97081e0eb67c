"""Gains over distance at speeds that vary: the same gains, met when the distance is travelled.

At a carrier of ``LIGHT_MPS`` hertz the wavelength is one metre: speeds in m/s are Doppler
frequencies in hertz, and metres are wavelengths.
"""

import itertools
import math
import tracemalloc
from functools import partial

import numpy as np
import pytest
from building import agrees
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from test_fading import RARE, j0

from splitsim.chunk import Chunk
from splitsim.rng import stream
from splitsim.steps import Steps
from splitsim.world.around import Around
from splitsim.world.channel import FadingChannel
from splitsim.world.clarke import HOP, OVERLAP, SAMPLES_PER_WAVELENGTH, Clarke
from splitsim.world.fading import Rayleigh
from splitsim.world.geometry import Geometry
from splitsim.world.mobility import Path
from splitsim.world.travel import LIGHT_MPS, LONGEST_S, at_speed

STREAMS = 1500
# It walks, runs, stands, and runs again, for ever.
LEGS_S, SPEEDS = np.array([0.0, 30.0, 41.5, 60.0]), np.array([1.5, 11.0, 0.0, 7.3])
RUN = partial(Steps.loop, LEGS_S, SPEEDS, 77.7)


class Legs:
    """A speed whose chunks differ: some legs each, at any speed, one in three standing."""

    def __call__(self, k):
        rng = np.random.default_rng([9, k])
        starts = np.sort(np.append(0.0, rng.uniform(0, 20, 5)))
        return Chunk(starts, rng.uniform(0, 12, 6) * (rng.random(6) < 2 / 3), 20.0)


SPEEDS_OF = {"loop": RUN, "chunks": lambda: Steps(Legs(), 20.0)}


def around(device=0, speed_mps=None, geometry=None, way="uplink"):
    path = speed_mps and Path(lambda times_s: np.zeros((len(times_s), 2)), speed_mps)
    return Around(0, f"device-{device}", way, path=path, geometry=geometry)


def rayleigh(**keys):
    return Rayleigh(kind="rayleigh", **keys)


def moving(residual_hz=0.0, **keys):
    return rayleigh(carrier_hz=LIGHT_MPS, residual_doppler_hz=residual_hz, **keys)


def powers(fading, around):
    """The gain over time."""
    law = {"kind": "fading", "bandwidth_hz": 1.0, "snr": {"kind": "constant", "mean_db": 0.0}}
    rate = {"kind": "shannon"}
    return FadingChannel.model_validate({**law, "fading": fading, "rate": rate}).snrs(around)


# What it is: gains over distance.


@pytest.mark.parametrize("speed", [0.7, 10.0, 33.3])
def test_at_one_speed_it_is_the_doppler_frequency(speed):
    """Steps of other chunks, the same function."""
    carrier_hz = 3.5e9
    fixed = powers(rayleigh(doppler_hz=speed * carrier_hz / LIGHT_MPS), around())
    fading = rayleigh(carrier_hz=carrier_hz, residual_doppler_hz=0.0)
    moved = powers(fading, around(speed_mps=Steps.constant(speed)))
    for time_s in np.random.default_rng(0).uniform(0, 100, 500):
        assert moved.value(time_s) == fixed.value(time_s)
        assert moved.area(time_s) == pytest.approx(fixed.area(time_s), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("kind", SPEEDS_OF)
@pytest.mark.parametrize("residual_hz", [0.0, 0.8])
def test_at_any_speed_it_is_a_function_of_the_distance(kind, residual_hz):
    """What a device at 1 Hz meets after u seconds, this one meets after u wavelengths.

    The distance grows by the root of the squares' sum of its own and the scatterers' speed.
    """
    fixed = powers(rayleigh(doppler_hz=1.0), around())
    speed_mps = SPEEDS_OF[kind]()
    moved = powers(moving(residual_hz), around(speed_mps=speed_mps))
    distance = speed_mps.through(lambda speed: np.sqrt(speed**2 + residual_hz**2))
    for time_s in np.random.default_rng(1).uniform(0, 400, 800):
        assert moved.value(time_s) == fixed.value(distance.area(time_s))


@pytest.mark.parametrize("kind", SPEEDS_OF)
def test_gains_change_where_another_32nd_of_a_wavelength_is_travelled(kind):
    speed_mps = SPEEDS_OF[kind]()
    gains = moving().gains(around(speed_mps=speed_mps))
    for k in range(40):
        starts, _ = gains.stretch(k)
        assert starts[0] == 0
        assert (np.diff(starts) > 0).all()
        assert starts[-1] <= gains.period_s
        passed = [32 * speed_mps.area(k * gains.period_s + start) for start in starts]
        inside = np.array(passed[1:])
        assert inside == pytest.approx(np.round(inside), abs=1e-8)
        end = 32 * speed_mps.area((k + 1) * gains.period_s)
        assert len(starts) == int(end) - int(passed[0]) + 1


def test_who_stands_keeps_the_gain_unless_the_scatterers_move():
    still = powers(moving(), around(speed_mps=Steps.constant(0.0)))
    assert still.value(0.0) == still.value(1e5) == rayleigh(doppler_hz=1.0).gains(
        around()
    ).stretch(0)[1][0]  # fmt: skip
    stirred = powers(moving(2.0), around(speed_mps=Steps.constant(0.0)))
    fixed = powers(rayleigh(doppler_hz=2.0), around())
    times = np.linspace(0, 300, 500)
    assert [stirred.value(t) for t in times] == [fixed.value(t) for t in times]


def test_scatterers_move_at_one_hertz_unless_said_otherwise():
    fading = rayleigh(carrier_hz=1e9)
    stirred = powers(fading, around(speed_mps=Steps.constant(0.0)))
    fixed = powers(rayleigh(doppler_hz=1.0), around())
    assert stirred.area(500.0) == pytest.approx(fixed.area(500.0), rel=1e-12)


def test_the_carrier_is_that_of_the_geometry_unless_the_fading_has_its_own():
    geometry = Geometry.model_validate({"carrier_hz": 2e9, "sites": [{"position_m": [0.0, 0.0]}]})
    at = {hz: powers(rayleigh(carrier_hz=hz), around(speed_mps=RUN())) for hz in (2e9, 4e9)}
    plain = powers(rayleigh(), around(speed_mps=RUN(), geometry=geometry))
    own = powers(rayleigh(carrier_hz=4e9), around(speed_mps=RUN(), geometry=geometry))
    times = np.linspace(0, 100, 200)
    assert [plain.value(t) for t in times] == [at[2e9].value(t) for t in times]
    assert [own.value(t) for t in times] == [at[4e9].value(t) for t in times]
    assert plain.area(50.0) != own.area(50.0)


def test_without_a_path_or_a_carrier_nothing_is_made_up():
    with pytest.raises(ValueError, match="needs doppler_hz, or a path and a carrier_hz"):
        rayleigh(carrier_hz=1e9).gains(around())
    with pytest.raises(ValueError, match="needs doppler_hz, or a path and a carrier_hz"):
        rayleigh().gains(around(speed_mps=RUN()))


# What a stretch is.


@pytest.mark.parametrize("top", [1e-4, 1.0, 5.0, 100.0, 3000.0])
def test_a_stretch_has_about_as_many_gains_as_a_block(top):
    gains = moving().gains(around(speed_mps=Steps.loop([0.0, 1.0], [top / 9, top], 2.0)))
    most = SAMPLES_PER_WAVELENGTH * top * gains.period_s
    assert most <= HOP
    assert most > HOP / 2 or gains.period_s == LONGEST_S
    assert math.log2(gains.period_s).is_integer()


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=8))
def test_a_stretch_is_the_same_at_every_call_and_in_any_order(order):
    gains = moving(0.5).gains(around(speed_mps=Steps(Legs(), 20.0)))
    for k in order:
        fresh = moving(0.5).gains(around(speed_mps=Steps(Legs(), 20.0)))
        for found, expected in zip(gains.stretch(k), fresh.stretch(k), strict=True):
            assert (found == expected).all()


def test_stretches_follow_each_other_without_a_gap_or_a_gain_twice():
    numbers = at_speed(lambda there: there.first + np.arange(there.count), RUN(), LIGHT_MPS, 0.0)
    ends = [numbers.stretch(k)[1][[0, -1]] for k in range(60)]
    for (_, last), (first, _) in itertools.pairwise(ends):
        assert first == last, "a gain goes on in the next stretch"


def test_what_is_used_is_dropped():
    """Ten times as long takes no more memory: only the areas of chunks, a float each, are kept."""
    peaks = []
    for chunks in (6, 60):
        steps = powers(moving(), around(speed_mps=Steps.constant(40.0)))
        fixed = powers(rayleigh(doppler_hz=40.0), around())
        tracemalloc.start()
        for k in range(chunks):
            steps.area(4.0 * k)
            fixed.area(6.0 * k)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.02 * peaks[0] + 10_000


# Against theory, directly: at changes of speed, in a cross-fade, over both edges of it.

FADE = HOP / SAMPLES_PER_WAVELENGTH  # where the cross-fade begins, in wavelengths
FADED = (HOP + OVERLAP) / SAMPLES_PER_WAVELENGTH
# From 20 to 3 m/s inside the first block, to 9 in the cross-fade, to 0.5 right at its end.
CHANGES_S = np.cumsum([0.0, 100 / 20, (FADE + 8 - 100) / 3, (FADED - FADE - 8) / 9])
SLOWING = Steps.of(CHANGES_S, [20.0, 3.0, 9.0, 0.5])


@pytest.fixture(scope="module")
def complex_gains():
    """Complex gains by stream at any distance, found by the time at which it is travelled."""

    def gain(n):
        path = Clarke(partial(stream, 0, "uplink-fading", f"device-{n}"))
        return at_speed(lambda at: path.samples(at.first, at.count), SLOWING, LIGHT_MPS, 0.0)

    first = gain(0)
    stretches = range(int(SLOWING.when(FADED + 6) / first.period_s) + 1)
    made = [[gains.stretch(k)[1] for k in stretches] for gains in map(gain, range(STREAMS))]
    starts = [k * first.period_s + first.stretch(k)[0] for k in stretches]
    rows = np.array([np.concatenate(parts) for parts in made])

    def at(wavelengths):
        times_s = [SLOWING.when(u) for u in np.atleast_1d(wavelengths)]
        return rows[:, np.searchsorted(np.concatenate(starts), times_s, side="right") - 1]

    return at


@pytest.mark.parametrize(
    "wavelengths",
    [0.01, 99.99, 100.01, 170.0, FADE - 0.01, FADE + 7.99, FADE + 8.01, FADED - 0.01, FADED + 0.01],
)
def test_power_is_exponential_across_streams_wherever_the_speed_changes(complex_gains, wavelengths):
    power = np.abs(complex_gains(wavelengths)[:, 0]) ** 2
    assert stats.kstest(power, stats.expon.cdf).pvalue > RARE


@pytest.mark.parametrize("edge", [50.0, 100.0, FADE, FADE + 8, FADED])
@pytest.mark.parametrize("lag", [1, 4, 12, 20, 32, 48])
def test_autocorrelation_over_distance_is_j0_across_edges_of_blocks_and_speeds(
    complex_gains, edge, lag
):
    """Only pairs with the edge between them, so many 32nds of a wavelength apart.

    In a cross-fade J0 is reduced by 0.011 at most over 1.5 wavelengths: cos(pi 48 / 1024).
    """
    before = edge - (np.arange(lag) + 0.5) / SAMPLES_PER_WAVELENGTH
    early, late = complex_gains(before), complex_gains(before + lag / SAMPLES_PER_WAVELENGTH)
    found = (early.conj() * late).mean(axis=1)
    angle = lag / OVERLAP * np.pi / 2
    outside = {FADE: np.sinc(angle / np.pi), FADED: np.sinc(angle / np.pi), FADE + 8: np.cos(angle)}
    agrees(found.real, j0(lag) * outside.get(edge, 1.0), error=0.03)
    agrees(found.imag, 0.0, error=0.03)
    assert special.j0(0) - np.cos(angle) < 0.011


# Both directions.


@pytest.mark.parametrize("keys", [{"doppler_hz": 3.0}, {"carrier_hz": 1e9}])
def test_both_directions_are_the_same_or_independent(keys):
    for reciprocal in (True, False):
        both = [
            rayleigh(**keys, reciprocal=reciprocal).gains(around(0, RUN(), way=way))
            for way in ("uplink", "downlink")
        ]
        up, down = (gains.stretch(1)[1] for gains in both)
        assert (up == down).all() == reciprocal
        assert (up == down).any() == reciprocal


def test_devices_differ_where_directions_do_not():
    one, other = (moving(reciprocal=True).gains(around(n, RUN())).stretch(0)[1] for n in range(2))
    assert not (one == other).any()
    again = Rayleigh(kind="rayleigh", doppler_hz=1.0, reciprocal=True)
    gains = np.array([again.gains(around(n)).stretch(0)[1][::64] for n in range(300)]) - 1
    agrees((gains * np.roll(gains, 1, axis=0)).mean(axis=1), 0.0, error=0.006)
