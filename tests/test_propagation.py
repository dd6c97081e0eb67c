"""Path loss, line of sight and shadowing against TR 38.901, Gudmundson and normal theory.

Standard errors come from independent seeds: a landscape is one draw.
"""

import math

import numpy as np
import pytest
from building import agrees
from scipy import stats

from splitsim.component import Component
from splitsim.rng import stream
from splitsim.world.geometry import Geometry
from splitsim.world.propagation.budget import PowerControl, noise_dbm
from splitsim.world.propagation.field import WAVES, Field, gudmundson, smooth
from splitsim.world.propagation.losses import landscapes, normal_share
from splitsim.world.propagation.pathloss import LogDistance, Standard
from splitsim.world.propagation.tr38901 import ENVIRONMENTS, Link

RARE = 1e-5  # a p-value: 4.4 standard errors
SEEDS = 1000
EXPECTED_DB = {  # at 5 GHz, 10 / 100 / 1000 / 5000 m along the ground, device at 1.5 m
    ("umi", True): (69.8591, 88.4122, 119.3114, 147.2696),
    ("umi", False): (76.7563, 107.9432, 143.1886, 167.8617),
    ("uma", True): (72.9380, 86.2362, 109.7252, 137.6794),
    ("uma", False): (82.5131, 106.1356, 144.7641, 172.0753),
}


def geometry(kind="umi", **changes):
    data = {"carrier_hz": 3.5e9, "sites": [{"position_m": [0, 0]}], "path_loss": {"kind": kind}}
    return Geometry.model_validate({**data, **changes})


def landscape(seed=0, kind="umi", cell="cell", **changes):
    return landscapes(geometry(kind, **changes), cell, seed)[0]


def places(*xs, y=0.0):
    return np.array([(x, y) for x in xs], float)


# Path loss, as published.


@pytest.mark.parametrize(("kind", "los"), EXPECTED_DB)
def test_path_loss_outdoors(kind, los):
    link = Link(5e9, {"umi": 10, "uma": 25}[kind], 1.5)
    flat_m = np.array([10.0, 100.0, 1000.0, 5000.0])
    found = Standard(kind=kind).loss_db(flat_m, link, np.full(4, los))
    assert found == pytest.approx(EXPECTED_DB[kind, los], abs=5e-5)


def test_path_loss_in_an_office():
    found = Standard(kind="inh").loss_db(
        np.array([10.0, 50, 100]), Link(5e9, 3, 1.5), np.ones(3, bool)
    )
    assert found == pytest.approx([63.7630, 75.7750, 80.9802], abs=5e-5)


@pytest.mark.parametrize("kind", ["umi", "uma"])
def test_path_loss_does_not_jump_where_the_ground_reflection_sets_in(kind):
    link = Link(3.5e9, {"umi": 10, "uma": 25}[kind], 1.5)
    around = np.array([link.break_m * (1 - 1e-9), link.break_m * (1 + 1e-9)])
    before, after = Standard(kind=kind).loss_db(around, link, np.ones(2, bool))
    assert after == pytest.approx(before, abs=1e-6)


def test_path_loss_nearer_than_its_range_is_that_at_its_beginning():
    link = Link(5e9, 10, 1.5)
    loss_db = Standard(kind="umi").loss_db(np.array([0.0, 9.0, 10.0]), link, np.ones(3, bool))
    assert loss_db == pytest.approx([69.8591] * 3, abs=5e-5)
    law = LogDistance(kind="log-distance", exponent=3, reference_m=20, reference_db=80)
    level = Link(5e9, 1.5, 1.5)
    found = law.loss_db(np.array([0.0, 20.0, 200.0]), level, np.ones(3, bool))
    assert found == pytest.approx([80, 80, 110])


def test_log_distance_begins_in_free_space():
    """Friis at 1 m and 2.4 GHz: 40.05 dB; 20 dB a decade are free space everywhere."""
    law = LogDistance(kind="log-distance", exponent=2)
    found = law.loss_db(np.array([1.0, 100.0]), Link(2.4e9, 1.5, 1.5), np.ones(2, bool))
    assert found == pytest.approx([40.0520, 80.0520], abs=1e-3)


@pytest.mark.parametrize(
    ("kind", "flat_m", "chance"),
    [
        ("umi", 18, 1.0),
        ("umi", 100, 0.2310),
        ("uma", 18, 1.0),
        ("uma", 100, 0.3477),
        ("inh", 1.2, 1.0),
        ("inh", 5.0, math.exp(-3.8 / 4.7)),
        ("inh", 39.1, 0.32 / math.e),
        ("inh-open", 5, 1.0),
        ("inh-open", 49 - 1e-9, math.exp(-44 / 70.8)),
        ("inh-open", 49 + 211.7, 0.54 / math.e),
    ],
)
def test_chance_of_a_line_of_sight(kind, flat_m, chance):
    assert Standard(kind=kind).los_chance(np.array([flat_m])) == pytest.approx(chance, abs=5e-5)


def test_line_of_sight_may_be_said_instead_of_drawn():
    for said, expected in (("always", 1.0), ("never", 0.0)):
        law = Standard(kind="umi", line_of_sight=said)
        assert law.los_chance(np.array([1.0, 300.0])).tolist() == [expected] * 2


def test_numbers_of_shadowing():
    found = {kind: ENVIRONMENTS[kind].shadows for kind in ("umi", "uma", "inh")}
    assert found["umi"] == ((4, 10), (7.82, 13))
    assert found["uma"] == ((4, 37), (6, 50))
    assert [shadow.sigma_db for shadow in found["inh"]] == [3, 8.03]


# The field.


@pytest.fixture(scope="module")
def fields():
    return {
        law: [Field(law, 10.0, rng=stream(n, "field", law.__name__)) for n in range(2 * SEEDS)]
        for law in (gudmundson, smooth)
    }


@pytest.mark.parametrize("law", [gudmundson, smooth])
@pytest.mark.parametrize("place", [(0.0, 0.0), (-731.5, 2044.25)])
def test_a_field_is_normal_at_any_place(fields, law, place):
    values = [field.values(np.array([place]))[0] for field in fields[law]]
    assert stats.kstest(values, stats.norm.cdf).pvalue > RARE


@pytest.mark.parametrize("law", [gudmundson, smooth])
def test_sums_and_differences_of_a_field_are_normal(fields, law):
    """Any two values together are: 1 / e is their correlation a correlation distance apart."""
    pairs = np.array([field.values(places(3.0, 13.0, y=-40.0)) for field in fields[law]])
    for sign in (1, -1):
        combined = (pairs[:, 0] + sign * pairs[:, 1]) / math.sqrt(2 * (1 + sign / math.e))
        assert stats.kstest(combined, stats.norm.cdf).pvalue > RARE


@pytest.mark.parametrize("apart_m", [0.5, 2.0, 5.0, 10.0, 20.0, 30.0, 100.0])
@pytest.mark.parametrize("direction", [0.0, 0.3, math.pi / 2])
def test_autocorrelation_of_a_field(fields, apart_m, direction):
    """Gudmundson's falls as exp(-d / 10 m), the smooth one as exp(-(d / 10 m)^2)."""
    here = np.stack([np.arange(8) * 137.0, np.arange(8) * -61.0], axis=1)
    there = here + apart_m * np.array([math.cos(direction), math.sin(direction)])
    for law, power in ((gudmundson, 1), (smooth, 2)):
        products = [
            (field.values(here) * field.values(there)).mean() for field in fields[law][:SEEDS]
        ]
        agrees(products, math.exp(-((apart_m / 10) ** power)), error=0.02)


def test_within_one_landscape_the_correlation_is_nearly_as_good(fields):
    """Sum cos(k.d) / WAVES given its waves; far away it scatters by sqrt(1 / (2 WAVES))."""
    apart_m = np.array([0.1, 0.5, 1, 2, 5, 10, 20, 40, 1000.0])
    steps = np.stack([apart_m, np.zeros_like(apart_m)], axis=1)
    found = np.array([np.cos(steps @ field._waves).mean(axis=1) for field in fields[gudmundson]])
    deviations = np.sqrt(((found - np.exp(-apart_m / 10)) ** 2).mean(axis=0))
    far = math.sqrt(1 / (2 * WAVES))
    assert (deviations < [0.01, 0.02, 0.02, 0.02, 0.02, 0.025, 0.03, 0.04, 1.1 * far]).all()


def test_a_smooth_field_crosses_zero_as_rice_says(fields):
    """sqrt(2) / (pi L) times a metre; one of Gudmundson's would do so ever more often."""
    way = places(*np.arange(0, 200, 0.25))
    signs = [np.signbit(field.values(way)) for field in fields[smooth][:400]]
    crossings = [(s[1:] != s[:-1]).sum() / 199.75 for s in signs]
    agrees(crossings, math.sqrt(2) / (math.pi * 10), error=0.001)


def test_the_normal_distribution_function():
    values = np.linspace(-8, 8, 99)
    assert normal_share(values) == pytest.approx(stats.norm.cdf(values), rel=1e-12)


# The landscape of a site.


@pytest.mark.parametrize(
    ("kind", "flat_m"), [("umi", 30), ("umi", 100), ("uma", 100), ("uma", 400), ("inh", 20)]
)
def test_lines_of_sight_are_as_frequent_as_their_chance(kind, flat_m):
    there = np.array([[flat_m, 0], [-flat_m, 0], [0, flat_m]], float)
    found = [landscape(seed, kind).line_of_sight(there).mean() for seed in range(SEEDS)]
    agrees(found, float(Standard(kind=kind).los_chance(np.array([flat_m]))[0]), error=0.02)


def test_a_line_of_sight_goes_on_for_a_while():
    """Ten metres on, round the site where its chance is the same, it is likely still there."""
    flat_m = 41.2
    chance = Standard(kind="umi").los_chance(np.array([flat_m]))[0]
    turn = 10 / flat_m
    ring = flat_m * np.array([[1, 0], [math.cos(turn), math.sin(turn)]])
    apart_m = math.dist(*ring)
    r = math.exp(-((apart_m / 50) ** 2))
    level = stats.norm.ppf(chance)
    both = stats.multivariate_normal([0, 0], [[1, r], [r, 1]]).cdf([level, level])
    found = np.array([landscape(seed).line_of_sight(ring) for seed in range(SEEDS)])
    agrees(found.all(axis=1), both, error=0.02)
    agrees(found[:, 0] != found[:, 1], 2 * (chance - both), error=0.02)


@pytest.mark.parametrize(("kind", "los"), [("umi", True), ("umi", False), ("uma", False)])
def test_shadowing_is_log_normal_with_the_published_deviation_and_distance(kind, los):
    sigma_db, correlation_m = ENVIRONMENTS[kind].shadows[0 if los else 1]
    way = places(200.0, 200.0 + correlation_m)
    found = np.array(
        [landscape(seed, kind).shadow_db(way, np.full(2, los)) for seed in range(SEEDS)]
    )
    assert stats.kstest(found[:, 0] / sigma_db, stats.norm.cdf).pvalue > RARE
    agrees(found[:, 0] * found[:, 1] / sigma_db**2, 1 / math.e, error=0.05)


def test_a_loss_is_path_loss_and_shadowing_in_the_state_there():
    there, law, link = places(*range(20, 1000, 7)), Standard(kind="umi"), Link(3.5e9, 10, 1.5)
    site = landscape(3)
    los = site.line_of_sight(there)
    assert 0.05 < los.mean() < 0.9
    expected = law.loss_db(there[:, 0], link, los) + site.shadow_db(there, los)
    assert site.loss_db(there) == pytest.approx(expected, rel=1e-12)


def test_the_same_place_is_the_same_whoever_asks_and_whenever():
    there = places(*np.linspace(10, 900, 300), y=12.0)
    whole = landscape(seed=5).loss_db(there)
    assert landscape(seed=5).loss_db(there[100:101])[0] == whole[100]
    assert np.abs(landscape(seed=6).loss_db(there) - whole).max() > 1
    assert np.abs(landscape(seed=5, cell="other").loss_db(there) - whole).max() > 1


def test_another_site_in_the_list_leaves_the_first_as_it_was():
    there = places(*np.linspace(10, 900, 50))
    sites = [{"position_m": [0, 0]}, {"position_m": [500, 0]}]
    both = landscapes(geometry(sites=sites), "cell", 1)
    assert (both[0].loss_db(there) == landscape(1).loss_db(there)).all()
    assert np.abs(both[1].loss_db(there) - both[0].loss_db(there)).max() > 1


@pytest.mark.parametrize("law", ["none", "lognormal"])
def test_shadowing_may_be_given(law):
    given = {"lognormal": {"kind": law, "sigma_db": 5.0, "correlation_m": 20.0}}
    there = places(100.0, 300.0)
    found = [
        landscape(
            seed,
            path_loss={"kind": "umi", "line_of_sight": "always"},
            shadowing=given.get(law, {"kind": law}),
        ).loss_db(there)
        for seed in range(400)
    ]
    loss_db = Standard(kind="umi").loss_db(there[:, 0], Link(3.5e9, 10, 1.5), np.ones(2, bool))
    shadow_db = np.array(found) - loss_db
    agrees((shadow_db[:, 0] / 5) ** 2, float(law in given))


def test_farther_than_it_holds_is_an_error_that_names_range_and_place():
    with pytest.raises(
        ValueError, match=r"\(6000, 0\) is 6,000 m from a site; umi holds up to 5,000"
    ):
        landscape().loss_db(places(100.0, 6000.0))


# Power and noise.


def test_thermal_noise():
    assert noise_dbm(20e6, 0) == pytest.approx(-100.99, abs=5e-3)
    assert noise_dbm(20e6, 5) == pytest.approx(-95.99, abs=5e-3)


def test_uplink_power_control():
    """min(Pmax, P0 + alpha PL + 10 log10 N)."""
    loss_db = np.array([60.0, 100.0, 140.0])
    rule = PowerControl(p0_dbm=-80, alpha=0.8, resource_blocks=50)
    open_dbm = -80 + 0.8 * loss_db + 10 * math.log10(50)
    assert open_dbm[2] > 23 > open_dbm[1]
    assert rule.power_dbm(loss_db, 23, 20e6) == pytest.approx([open_dbm[0], open_dbm[1], 23])
    of_band = PowerControl(p0_dbm=-80, alpha=0.8).power_dbm(loss_db, 23, 9e6)
    assert of_band == pytest.approx([open_dbm[0], open_dbm[1], 23])


def test_full_compensation_makes_the_received_power_the_same_everywhere():
    loss_db = np.array([60.0, 70.0, 80.0])
    rule = PowerControl(p0_dbm=-95, alpha=1, resource_blocks=1)
    assert rule.power_dbm(loss_db, 23, 20e6) - loss_db == pytest.approx([-95] * 3)


def test_geometry_is_a_part_of_a_scenario_file():
    assert issubclass(Geometry, Component)
    assert geometry().links == [Link(3.5e9, 10, 1.5)]
    assert geometry("uma").links[0].site_m == 25
    assert geometry("inh", sites=[{"position_m": [1, 2], "height_m": 4}]).links[0].site_m == 4
