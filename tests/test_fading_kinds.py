"""Rician and Nakagami fading against theory: distribution, autocorrelation, crossings, capacity.

Distances are in samples, 32 to the wavelength; standard errors come from independent devices.
"""

import math
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from building import agrees, build, ratios
from scipy import integrate, special, stats
from test_fading import LENGTH_S, RARE, around, j0, sampled_crossings
from test_travel import SLOWING, powers
from test_travel import around as on_the_way

from splitsim.rng import stream
from splitsim.simulation import channel as simulated
from splitsim.steps import Steps
from splitsim.world.channel import AwgnChannel, FadingChannel
from splitsim.world.clarke import HOP, OVERLAP, SAMPLES_PER_WAVELENGTH, Clarke
from splitsim.world.fading import Nakagami, Rayleigh, Rician
from splitsim.world.travel import LIGHT_MPS

DEVICES = 600
FROM = HOP - 1600  # samples seen: around the cross-fade from the first block to the second
TO = HOP + OVERLAP + 1600
RAYLEIGH = Rayleigh(kind="rayleigh", doppler_hz=1.0)


def rician(k, los_doppler=0.7, **keys):
    keys = keys or {"doppler_hz": 1.0}
    return Rician(kind="rician", k_factor=k, los_doppler=los_doppler, **keys)


def nakagami(m):
    return Nakagami(kind="nakagami", m=m, doppler_hz=1.0)


@cache
def seen(fading):
    """Powers by device and sample."""
    of = [fading.gains(around(n)).stretch for n in range(DEVICES)]
    return np.array([np.concatenate([s(0)[1][FROM:], s(1)[1][: TO - HOP]]) for s in of])


def rice(k):
    """2 (K + 1) |h|^2 is non-central chi-square, of two degrees and non-centrality 2 K."""
    return stats.ncx2(2, 2 * k, scale=1 / (2 * (k + 1)))


def gamma(m):
    return stats.gamma(m, scale=1 / m)


KINDS = {
    "K = 3": (rician(3.0), rice(3.0)),
    "K = 0.5": (rician(0.5, -1.0), rice(0.5)),
    "K = 2": (rician(2.0, 0.0), rice(2.0)),
    **{f"m = {m}": (nakagami(m), gamma(m)) for m in (0.5, 0.7, 1.5, 2.0, 12.1)},
}
# Before, in and behind a cross-fade.
PLACES = [0, 1600, 1600 + OVERLAP // 2, 1600 + OVERLAP, -1]


@pytest.mark.parametrize("kind", KINDS)
def test_distribution_across_devices_before_in_and_behind_a_cross_fade(kind):
    fading, law = KINDS[kind]
    for place in PLACES:
        assert stats.kstest(seen(fading)[:, place], law.cdf).pvalue > RARE / len(PLACES)


@pytest.mark.parametrize("kind", KINDS)
def test_mean_and_variance(kind):
    fading, law = KINDS[kind]
    power = seen(fading)
    assert law.mean() == pytest.approx(1.0)
    agrees(power.mean(axis=1), 1.0, error=0.01)
    agrees((power**2).mean(axis=1), 1 + law.var(), error=0.06)


def test_distribution_wherever_the_speed_changes():
    """At 0.01 wavelengths before and behind each change, one of them in a cross-fade."""
    keys = {"carrier_hz": LIGHT_MPS, "residual_doppler_hz": 0.0}
    fadings = [rician(3.0, **keys), Nakagami(kind="nakagami", m=0.8, **keys)]
    places = [0.0, *(u + shift for u in (100.0, 248.0) for shift in (-0.01, 0.01))]
    times_s = [SLOWING.when(u) for u in places]
    for fading, law in zip(fadings, (rice(3.0), gamma(0.8)), strict=True):
        steps = (powers(fading, on_the_way(n, SLOWING)) for n in range(400))
        found = np.array([[one.value(t) for t in times_s] for one in steps])
        for column in found.T:
            assert stats.kstest(column, law.cdf).pvalue > RARE / 5


# The autocorrelation of the power, over both edges of a cross-fade.


def covariances(power, lag, places=slice(None)):
    """Per device, the mean of the products of powers, less one."""
    early, late = power[:, : power.shape[1] - lag], power[:, lag:]
    return ((early - 1) * (late - 1))[:, places].mean(axis=1)


LAGS = [1, 4, 8, 12, 20, 32, 64]
BEFORE = slice(0, 1500)
EDGE = slice(1600 - 32, 1601)  # pairs that begin shortly before the cross-fade


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize(("k", "c"), [(3.0, 0.7), (2.0, 0.0), (0.5, -1.0)])
def test_autocovariance_of_rician_power(k, c, lag):
    """(J0^2 + 2 K J0 cos(2 pi c u)) / (K + 1)^2: the direct path turns against the others."""
    turned = math.cos(2 * np.pi * c * lag / SAMPLES_PER_WAVELENGTH)
    expected = (j0(lag) ** 2 + 2 * k * j0(lag) * turned) / (k + 1) ** 2
    power = seen(rician(k, c))
    agrees(covariances(power, lag, BEFORE), expected, error=0.025)
    if lag <= 32:
        agrees(covariances(power, lag, EDGE), expected, error=0.1)


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("m", [0.5, 1.5, 2.0])
def test_autocovariance_of_nakagami_power_of_whole_2m(m, lag):
    expected = j0(lag) ** 2 / m
    power = seen(nakagami(m))
    agrees(covariances(power, lag, BEFORE), expected, error=0.06)
    if lag <= 32:
        agrees(covariances(power, lag, EDGE), expected, error=0.3)


def mapped_covariance(m, correlation):
    """Of F^-1(1 - exp(-x)): by Laguerre polynomials, whose covariances are J0^(2 n)."""
    x, weights = special.roots_laguerre(150)
    low, high = special.gammaincinv(m, -np.expm1(-x)), special.gammainccinv(m, np.exp(-x))
    mapped = np.where(x < 1, low, high) / m
    terms = [np.sum(weights * mapped * special.eval_laguerre(n, x)) for n in range(1, 60)]
    return sum(term**2 * correlation ** (2 * n) for n, term in enumerate(terms, 1))


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("m", [0.7, 12.1])
def test_autocovariance_of_nakagami_power_by_rank(m, lag):
    expected = mapped_covariance(m, j0(lag))
    assert m * abs(expected - j0(lag) ** 2 / m) < (0.01 if m < 3 else 0.04), "as its docstring says"
    agrees(covariances(seen(nakagami(m)), lag, BEFORE), expected, error=0.04)


# Crossings of a level, by samples.


def rician_crossings(power, k, c):
    """Continuous, per wavelength, for a direct path that does not turn (Rice 1948)."""
    assert c == 0
    rho = math.sqrt(power)
    bessel = special.i0e(2 * rho * math.sqrt(k * (k + 1)))
    exponent = 2 * rho * math.sqrt(k * (k + 1)) - k - (k + 1) * power
    return math.sqrt(2 * np.pi * (k + 1)) * rho * math.exp(exponent) * bessel


@cache
def rician_sampled(power, k, c, samples=SAMPLES_PER_WAVELENGTH):
    """P(|h(n)|^2 < level <= |h(n + 1)|^2) x samples per wavelength.

    h(n) is normal around the direct path a; given it, h(n + 1) is normal around
    a exp(2 pi j c / samples) + r (h(n) - a), with (1 - r^2) of the variance 1 / (K + 1). What is
    below the level is integrated over the disc, more finely towards its rim.
    """
    r, a = special.j0(2 * np.pi / samples), math.sqrt(k / (k + 1))
    scale = (1 - r**2) / (2 * (k + 1))
    nodes, weights = np.polynomial.legendre.leggauss(8)
    rims = math.sqrt(power) * (1 - np.append(2.0 ** -np.arange(15), 0))
    radius = np.concatenate([a + (b - a) * (nodes + 1) / 2 for a, b in pairwise(rims)])
    width = np.concatenate([(b - a) / 2 * weights for a, b in pairwise(rims)])
    turns = np.exp(2j * np.pi * np.arange(48) / 48)
    h = radius[:, None] * turns
    density = (k + 1) / np.pi * np.exp(-(k + 1) * np.abs(h - a) ** 2)
    centre = a * np.exp(2j * np.pi * c / samples) + r * (h - a)
    rises = stats.ncx2.sf(power / scale, 2, np.abs(centre) ** 2 / scale)
    return samples * float(np.sum(width * radius * (density * rises).mean(axis=1)) * 2 * np.pi)


def nakagami_sampled(power, m, samples=SAMPLES_PER_WAVELENGTH):
    """Of 2 m squared Gaussians given the others' sum: as Rayleigh's, with 2 m degrees."""
    r = special.j0(2 * np.pi / samples)
    scale, level = (1 - r**2) / 2, m * power

    def both(u):
        return stats.gamma.pdf(u, m) * stats.ncx2.sf(level / scale, 2 * m, r**2 * u / scale)

    corners = [0.9 * level, 0.99 * level]
    found = integrate.quad(both, 0, level, points=corners, limit=500, epsrel=1e-8)[0]
    return samples * found


@pytest.mark.parametrize("level_db", [-10, 0])
def test_theory_of_sampled_crossings(level_db):
    """Between themselves, with Rice's formula, and with Nakagami's (Yacoub et al. 1999)."""
    power = 10 ** (level_db / 10)
    rayleigh = sampled_crossings(power, SAMPLES_PER_WAVELENGTH)
    assert rician_sampled(power, 0.0, 0.7) == pytest.approx(rayleigh, rel=1e-6)
    assert nakagami_sampled(power, 1.0) == pytest.approx(rayleigh, rel=1e-6)
    for k in (0.5, 3.0):
        continuous = rician_crossings(power, k, 0)
        assert rician_sampled(power, k, 0.0, 3200) == pytest.approx(continuous, rel=1e-4)
        hidden = 1 - rician_sampled(power, k, 0.0) / continuous
        assert 0 < hidden < 0.02
    m, rho = 2.0, math.sqrt(power)
    continuous = math.sqrt(2 * np.pi) * m ** (m - 0.5) / special.gamma(m) * rho ** (2 * m - 1)
    continuous *= math.exp(-m * power)
    assert nakagami_sampled(power, m, 3200) == pytest.approx(continuous, rel=1e-4)
    assert 0 < 1 - nakagami_sampled(power, m) / continuous < 0.03


CROSSED = {
    "K = 3": lambda power: rician_sampled(power, 3.0, 0.7),
    "K = 0.5": lambda power: rician_sampled(power, 0.5, -1.0),
    "K = 2": lambda power: rician_sampled(power, 2.0, 0.0),
    "m = 0.5": lambda power: nakagami_sampled(power, 0.5),
    "m = 1.5": lambda power: nakagami_sampled(power, 1.5),
    "m = 2.0": lambda power: nakagami_sampled(power, 2.0),
    # Where the power of the same rank is crossed.
    "m = 0.7": lambda power: sampled_crossings(-gamma(0.7).logsf(power), SAMPLES_PER_WAVELENGTH),
}


@pytest.mark.parametrize("level_db", [-10, 0])
@pytest.mark.parametrize("kind", CROSSED)
def test_level_crossing_rate_and_mean_fade_duration(kind, level_db):
    fading, law = KINDS[kind]
    power = 10 ** (level_db / 10)
    below = seen(fading) < power
    agrees(below.mean(axis=1), law.cdf(power), error=0.006)
    rises = (below[:, :-1] & ~below[:, 1:]).mean(axis=1) * SAMPLES_PER_WAVELENGTH
    expected = CROSSED[kind](power)
    agrees(rises, expected, error=0.006)
    fade = ratios(below[:, :-1].mean(axis=1), rises)
    agrees(fade, law.cdf(power) / expected, error=0.03 * law.cdf(power) / expected)


# From gains to rates.


def channel(fading, kind="fading"):
    law = {"kind": kind, "bandwidth_hz": 1.0, "snr": {"kind": "constant", "mean_db": 10.0}}
    law |= {"rate": {"kind": "shannon"}} | ({"fading": fading} if fading else {})
    return (FadingChannel if fading else AwgnChannel).model_validate(law)


@pytest.mark.parametrize(
    ("keys", "law", "capacity"),
    [
        ({"kind": "nakagami", "m": 2.0}, gamma(2.0), 3.16625),
        ({"kind": "rician", "k_factor": 3.0}, rice(3.0), 3.1757),
        ({"kind": "rician", "k_db": 3.0}, rice(10**0.3), None),
        ({"kind": "nakagami", "m": 0.8}, gamma(0.8), None),
    ],
)
def test_ergodic_capacity_at_10_db(keys, law, capacity):
    exact = law.expect(lambda x: np.log2(1 + 10 * x), epsabs=1e-10)
    if capacity is not None:
        assert exact == pytest.approx(capacity, abs=5e-5)
    rates = channel({**keys, "doppler_hz": 4.0})
    found = [rates.steps(around(n)).mean(0, LENGTH_S) for n in range(150)]
    agrees(found, exact, error=0.004 * exact)


def test_no_fading_is_the_mean_snr():
    without, plain = channel({"kind": "none"}), channel(None, "awgn")
    for time_s in (0.0, 1.5, 1e5):
        assert without.steps(around(0)).value(time_s) == plain.steps(around(0)).value(time_s)
        assert without.snrs(around(0)).value(time_s) == 10.0


# How the kinds are related, and what they draw.


def test_a_direct_path_of_no_power_and_m_of_one_are_rayleigh():
    for n in range(3):
        expected = RAYLEIGH.gains(around(n)).stretch(1)[1]
        assert (nakagami(1.0).gains(around(n)).stretch(1)[1] == expected).all()
        assert rician(0.0).gains(around(n)).stretch(1)[1] == pytest.approx(expected, rel=1e-12)


def test_rician_gains_are_a_turning_path_and_clarkes():
    k, c, device = 3.0, 0.7, "device-5"
    path = Clarke(lambda n: stream(0, "uplink-fading", device, n))
    phase = stream(0, "uplink-fading-phase", device).uniform(0, 2 * np.pi)
    for n in (0, 2):
        turned = 2 * np.pi * c * (n * HOP + np.arange(HOP)) / SAMPLES_PER_WAVELENGTH + phase
        gains = (math.sqrt(k) * np.exp(1j * turned) + path.stretch(n)) / math.sqrt(k + 1)
        found = rician(k, c).gains(around(5)).stretch(n)[1]
        assert found == pytest.approx(np.abs(gains) ** 2, rel=1e-9)


def test_the_direct_path_does_not_turn_while_the_device_stands():
    """Scatterers that move around it do not make its own way longer."""
    k, stands_s = 3.0, 40.0
    speed_mps = Steps.of([0.0, stands_s], [0.0, 5.0])
    fading = Rician(kind="rician", k_factor=k, carrier_hz=LIGHT_MPS, residual_doppler_hz=2.0)
    steps = powers(fading, on_the_way(0, speed_mps))
    path = Clarke(lambda n: stream(0, "uplink-fading", "device-0", n))
    phase = stream(0, "uplink-fading-phase", "device-0").uniform(0, 2 * np.pi)
    scattered = speed_mps.through(lambda speed: np.hypot(speed, 2.0))
    for time_s in np.random.default_rng(0).uniform(0, 90, 200):
        number = int(SAMPLES_PER_WAVELENGTH * scattered.area(time_s))
        began_s = scattered.when(number / SAMPLES_PER_WAVELENGTH)
        turned = phase + 2 * np.pi * 0.7 * 5.0 * max(began_s - stands_s, 0.0)
        gain = (math.sqrt(k) * np.exp(1j * turned) + path.samples(number, 1)[0]) / math.sqrt(k + 1)
        assert steps.value(time_s) == pytest.approx(abs(gain) ** 2, rel=1e-9)


def test_phases_are_uniform_across_devices():
    """A device's phase shows where the direct path is all there is: turned by it, not by power."""
    phases = [stream(0, "uplink-fading-phase", f"device-{n}").uniform(0, 1) for n in range(2000)]
    assert stats.kstest(phases, "uniform").pvalue > RARE
    strong = np.array([rician(1e4).gains(around(n)).stretch(0)[1][:64] for n in range(200)])
    agrees(strong.mean(axis=1), 1.0, error=0.002)


@pytest.mark.parametrize("kind", KINDS)
def test_stretches_are_the_same_in_any_order_and_differ_between_devices(kind):
    fading, _ = KINDS[kind]
    forward, backward = fading.gains(around(1)), fading.gains(around(1))
    backward.stretch(7)
    for k in (0, 3, 7):
        assert (forward.stretch(k)[1] == backward.stretch(k)[1]).all()
    assert not (fading.gains(around(2)).stretch(0)[1] == forward.stretch(0)[1]).any()


EVERY = [
    {"kind": "rician", "k_db": 3, "carrier_hz": 1e9, "residual_doppler_hz": 5},
    {"kind": "nakagami", "m": 1.5, "doppler_hz": 4},
    {"kind": "nakagami", "m": 0.8, "doppler_hz": 4, "reciprocal": True},
    {"kind": "gilbert-elliott", "good_s": 0.5, "bad_s": 0.2, "bad_db": -20},
]


@pytest.mark.parametrize("fading", EVERY)
def test_channels_of_a_scenario_do_not_change_when_devices_are_added(tmp_path, fading):
    def rates(devices, way="uplink"):
        law = {"kind": "fading", "bandwidth_hz": 1e6, "snr": {"kind": "constant", "mean_db": 9}}
        law |= {"fading": fading, "rate": {"kind": "shannon"}}
        devices = [{**d, "mobility": {"kind": "fixed", "position_m": [0, 0]}} for d in devices]
        cells = {"cell": {"uplink": law, "downlink": law}}
        spec = build(tmp_path, scenario={"devices": devices, "cells": cells}).points[0]
        cam = next(device for device in spec.scenario.devices if device.name == "cam")
        steps = simulated(spec, cam, "cam-1", 3, way)
        return np.array([steps.value(t) for t in np.arange(0, 50, 0.1)])

    cams, drone = {"name": "cam", "count": 2}, {"name": "drone"}
    alone = rates([cams])
    assert len(set(alone)) > 1
    assert (rates([drone, cams]) == alone).all()
    assert (rates([{**cams, "count": 30}]) == alone).all()
    assert (rates([cams], "downlink") == alone).all() == fading.get("reciprocal", False)
