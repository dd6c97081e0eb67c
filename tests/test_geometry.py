"""A mean SNR from places: budgets, interference, hand-overs, and what scenarios may say."""

import math
from functools import partial

import numpy as np
import pytest
from building import agrees, build
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from splitsim import BadInput, simulate
from splitsim.rng import stream
from splitsim.simulation import channel
from splitsim.steps import Steps
from splitsim.world.around import Around
from splitsim.world.channel import AwgnChannel, FadingChannel
from splitsim.world.geometry import Geometry
from splitsim.world.mobility import Mobility, Path
from splitsim.world.propagation.coverage import Coverage, Grid
from splitsim.world.propagation.handover import Handover, first, serve
from splitsim.world.propagation.losses import landscapes
from splitsim.world.snr import GeometrySnr

SPEED_MPS = 2.0
TOWN = {"carrier_hz": 3.5e9, "sites": [{"position_m": [0, 0]}], "path_loss": {"kind": "umi"}}
OPEN = {"kind": "log-distance", "exponent": 3.0, "reference_db": 40.0}  # a decade costs 30 dB
ROAD = {
    "carrier_hz": 3.5e9,
    "sites": [{"position_m": [0, 0]}, {"position_m": [400, 0]}],
    "path_loss": OPEN,
}
DOWN = {"kind": "geometry", "power_dbm": 30.0, "noise_figure_db": 8.0}
UP = {"kind": "geometry", "power_dbm": 23.0, "noise_figure_db": 5.0}
BANDWIDTH_HZ = 10e6
DOWN_NOISE_DBM = -174 + 70 + 8


def walk(start_m, end_m, **more):
    leg = {"to_m": [end_m, 0], "speed_mps": SPEED_MPS, **more.pop("leg", {})}
    return {"kind": "waypoints", "start_m": [start_m, 0], "legs": [leg], **more}


def path(mobility, seed=0, device="device-0"):
    spec = TypeAdapter(Mobility).validate_python(mobility)
    return spec.path(partial(stream, seed, "mobility", device))


def around(geometry, mobility, way="downlink", *, seed=0, device="device-0", cell="cell"):
    where = path(mobility, seed, device)
    return Around(seed, device, way, cell, where, Geometry.model_validate(geometry))


def snr_db(snr, at, times_s):
    mean = GeometrySnr.model_validate(snr).mean(at, BANDWIDTH_HZ)
    ratio = np.broadcast_to(mean.ratio(times_s), times_s.shape)
    return 10 * np.log10(ratio)


def open_loss_db(x_m, site_m=0.0):
    """OPEN between a site 10 m high and a device 1.5 m high on the x axis."""
    return 40 + 30 * np.log10(np.hypot(np.abs(x_m - site_m), 8.5))


def coverage(geometry, mobility, seed=0):
    spec = Geometry.model_validate(geometry)
    return Coverage(path(mobility, seed), landscapes(spec, "cell", seed), spec.handover)


# The budget.


def test_mean_snr_along_a_straight_walk():
    """Half a metre at a time: at their beginnings exactly, in between within a step's slope."""
    at = around({**TOWN, "path_loss": OPEN}, walk(20, 420))
    begins_s = 0.25 * np.arange(800)
    expected = 30 - open_loss_db(20 + SPEED_MPS * begins_s) - DOWN_NOISE_DBM
    assert snr_db(DOWN, at, begins_s) == pytest.approx(expected, abs=1e-9)
    between = snr_db(DOWN, at, begins_s + 0.2499)
    assert between == pytest.approx(expected, abs=1e-9)
    assert np.abs(np.diff(expected)).max() < 0.3
    assert GeometrySnr.model_validate(DOWN).mean(at, BANDWIDTH_HZ).step_s == pytest.approx(0.25)


def test_gains_margin_noise_figure_and_bandwidth_count_decibel_for_decibel():
    at, times_s = around(TOWN, walk(20, 420)), np.linspace(0, 150, 40)
    plain = snr_db(DOWN, at, times_s)
    more = {**DOWN, "tx_gain_db": 8, "rx_gain_db": 3, "interference_margin_db": 2}
    assert snr_db(more, at, times_s) == pytest.approx(plain + 9, abs=1e-9)
    assert snr_db({**DOWN, "noise_figure_db": 5}, at, times_s) == pytest.approx(plain + 3)
    narrow = GeometrySnr.model_validate(DOWN).mean(at, 1e6).ratio(times_s)
    assert 10 * np.log10(narrow) == pytest.approx(plain + 10, abs=1e-9)


def test_uplink_and_downlink_meet_the_same_loss():
    """Equal but for the difference of their budgets, 7 dB less and 3 dB less noise, everywhere."""
    times_s = np.linspace(0, 190, 300)
    up, down = (around(TOWN, walk(20, 420), way) for way in ("uplink", "downlink"))
    assert snr_db(UP, up, times_s) == pytest.approx(snr_db(DOWN, down, times_s) - 4, abs=1e-9)


def test_both_directions_are_handed_over_at_the_same_moments():
    """With different budgets, too: the sites are compared by what is lost on the way to them."""
    times_s = np.arange(0, 150, 0.05)
    town = {**ROAD, "path_loss": {"kind": "umi"}}
    budgets = (("uplink", {**UP, "rx_gain_db": 9}), ("downlink", DOWN))
    up, down = (
        GeometrySnr.model_validate(snr)
        .mean(around(town, walk(50, 350), way), BANDWIDTH_HZ)
        .ratio(times_s)
        for way, snr in budgets
    )
    assert ((up == 0) == (down == 0)).all()
    assert (up == 0).any()
    sending = up > 0
    assert up[sending] / down[sending] == pytest.approx(np.full(sending.sum(), 10**0.5), rel=1e-9)


def test_two_devices_at_the_same_place_meet_the_same_snr():
    here = {"kind": "fixed", "position_m": [120, 80]}
    one, other, elsewhere = (
        float(snr_db(DOWN, around(TOWN, at, device=device), np.zeros(1))[0])
        for at, device in (
            (here, "device-0"),
            (here, "car-7"),
            ({**here, "position_m": [80, 120]}, "device-0"),
        )
    )
    assert one == other != elsewhere


def test_power_control_lifts_the_far_end_and_lowers_the_near_one():
    """P = P0 + alpha PL + 10 log10 N up to 23 dBm; the gains are a part of the loss."""
    control = {"p0_dbm": -80, "alpha": 0.8, "resource_blocks": 50}
    snr = {**UP, "power_control": control, "rx_gain_db": 6}
    x_m = np.array([30.0, 100, 200, 400])
    at = around({**TOWN, "path_loss": OPEN}, walk(0, 420), "uplink")
    found = snr_db(snr, at, x_m / SPEED_MPS)
    coupling_db = open_loss_db(x_m) - 6
    power_dbm = np.minimum(23, -80 + 0.8 * coupling_db + 10 * math.log10(50))
    assert power_dbm[0] < power_dbm[1] < 23 == power_dbm[3]
    assert found == pytest.approx(power_dbm - coupling_db - (-174 + 70 + 5), abs=1e-9)


def test_a_second_site_disturbs_the_downlink_as_often_as_it_sends():
    """Signal over noise plus the other site's mean power."""
    x_m = np.array([30.0, 100, 180])
    at = around(ROAD, walk(0, 190))
    found = snr_db({**DOWN, "activity": 0.4}, at, x_m / SPEED_MPS)
    signal_mw = 10 ** ((30 - open_loss_db(x_m)) / 10)
    other_mw = 10 ** ((30 - open_loss_db(x_m, 400)) / 10)
    expected = signal_mw / (10 ** (DOWN_NOISE_DBM / 10) + 0.4 * other_mw)
    assert found == pytest.approx(10 * np.log10(expected), abs=1e-9)
    quiet = snr_db({**DOWN, "activity": 0.0}, at, x_m / SPEED_MPS)
    assert quiet == pytest.approx(10 * np.log10(signal_mw) - DOWN_NOISE_DBM, abs=1e-9)


# Shadowing on the way: what a rate sees of it.


def test_shadowing_along_a_walk_is_correlated_as_published():
    """Ten metres on in a street canyon with a line of sight: 1 / e of 16 dB^2."""
    law = {**TOWN, "path_loss": {"kind": "umi", "line_of_sight": "always"}}
    calm = {**law, "shadowing": {"kind": "none"}}
    times_s = np.array([50.0, 55.0])
    plain = snr_db(DOWN, around(calm, walk(20, 420)), times_s)
    found = np.array(
        [snr_db(DOWN, around(law, walk(20, 420), seed=seed), times_s) for seed in range(400)]
    )
    shadow_db = found - plain
    agrees(shadow_db[:, 0], 0.0, error=0.25)
    agrees(shadow_db[:, 0] ** 2, 16.0, error=1.3)
    agrees(shadow_db[:, 0] * shadow_db[:, 1], 16 / math.e, error=1.0)


# Hand-over.


def served(strengths_db, rule, step_s=0.1, chunk=None):
    """Sites and since when, in one stretch or in several."""
    n = len(strengths_db)
    now, sites, since_s = first(strengths_db[0]), [], []
    for begin in range(0, n, chunk or n):
        times_s = step_s * np.arange(begin, min(begin + (chunk or n), n))
        part, since, now = serve(strengths_db[begin : begin + len(times_s)], times_s, now, rule)
        sites.extend(part.tolist())
        since_s.extend(since.tolist())
    return sites, since_s


def served_step_by_step(strengths_db, rule, step_s=0.1):
    """The rule, told as a measurement report would be: A3 must hold for the time to trigger."""
    site = max(range(len(strengths_db[0])), key=lambda s: strengths_db[0][s])
    entered: dict[int, int] = {}
    found = []
    for n, strengths in enumerate(strengths_db):
        for other, strength in enumerate(strengths):
            if strength > strengths[site] + rule.hysteresis_db:
                entered.setdefault(other, n)
            else:
                entered.pop(other, None)
        due = [
            s
            for s, since in entered.items()
            if (n - since) * step_s >= rule.time_to_trigger_s - 1e-9
        ]
        if due:
            site, entered = max(due, key=lambda s: strengths[s]), {}
            entered |= {
                s: n for s, g in enumerate(strengths) if g > strengths[site] + rule.hysteresis_db
            }
        found.append(site)
    return found


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(-6, 6)] * 3), min_size=4, max_size=60),
    st.sampled_from([0.0, 1.0, 3.0]),
    st.sampled_from([0.0, 0.1, 0.25]),
    st.sampled_from([2, 7]),
)
def test_hand_overs_are_those_of_a_step_by_step_reference(levels, hysteresis_db, trigger_s, chunk):
    strengths_db = np.array(levels, float)
    if len(strengths_db) % chunk == 1:
        strengths_db = strengths_db[:-1]  # a stretch has two steps or more
    rule = Handover(hysteresis_db=hysteresis_db, time_to_trigger_s=trigger_s)
    sites, since_s = served(strengths_db, rule)
    assert sites == served_step_by_step(strengths_db.tolist(), rule)
    assert (sites, since_s) == served(strengths_db, rule, chunk=chunk)
    assert all(s == -math.inf or 0 <= s <= 0.1 * n + 1e-9 for n, s in enumerate(since_s))


def crossing_m(hysteresis_db):
    """Where the site at 400 m is stronger than that at 0 by so much, walking from 0."""
    x_m = np.linspace(200, 399, 2_000_000)
    return float(x_m[np.argmax(open_loss_db(x_m) - open_loss_db(x_m, 400) > hysteresis_db)])


@pytest.mark.parametrize("hysteresis_db", [0.0, 3.0, 10.0])
@pytest.mark.parametrize("trigger_s", [0.0, 1.0])
def test_one_hand_over_on_a_straight_line_where_hysteresis_and_trigger_put_it(
    hysteresis_db, trigger_s
):
    rule = {"hysteresis_db": hysteresis_db, "time_to_trigger_s": trigger_s, "interruption_s": 0.05}
    way = coverage({**ROAD, "handover": rule}, walk(50, 350))
    times_s = way.grid.step_s * np.arange(math.floor(150 / way.grid.step_s))
    _, site, sending = way.at(times_s)
    moves = np.flatnonzero(np.diff(site)) + 1
    assert (site[0], site[-1], len(moves)) == (0, 1, 1)
    expected_s = (crossing_m(hysteresis_db) - 50) / SPEED_MPS + trigger_s
    assert expected_s <= times_s[moves[0]] + 1e-6 <= expected_s + 2 * way.grid.step_s
    assert not sending[moves[0]]
    assert (~sending).sum() * way.grid.step_s >= 0.05 - 1e-9


def test_a_walk_there_and_back_is_handed_over_twice_a_round_behind_the_middle():
    rule = {"hysteresis_db": 3.0, "time_to_trigger_s": 0.0, "interruption_s": 0.0}
    way = coverage({**ROAD, "handover": rule}, walk(50, 350, returns=True))
    times_s = 0.2 * np.arange(15000)  # ten rounds of 300 s
    _, site, _ = way.at(times_s)
    moves = np.flatnonzero(np.diff(site)) + 1
    assert len(moves) == 20
    places_m = path(walk(50, 350, returns=True)).position_m(times_s[moves])[:, 0]
    behind_m = crossing_m(3.0)
    assert places_m[::2] == pytest.approx(np.full(10, behind_m), abs=0.5)
    assert places_m[1::2] == pytest.approx(np.full(10, 400 - behind_m), abs=0.5)


def test_more_hysteresis_and_a_longer_trigger_mean_fewer_hand_overs():
    town = {**ROAD, "path_loss": {"kind": "umi"}}

    def moves(**rule):
        found = 0
        for seed in range(5):
            geometry = {**town, "handover": {**rule, "interruption_s": 0.0}}
            _, site, _ = coverage(geometry, walk(50, 350), seed).at(0.2 * np.arange(750))
            found += int((np.diff(site) != 0).sum())
        return found

    eager = moves(hysteresis_db=0.0, time_to_trigger_s=0.0)
    assert eager > moves(hysteresis_db=3.0, time_to_trigger_s=0.0)
    assert eager > moves(hysteresis_db=0.0, time_to_trigger_s=1.0) >= 5


def test_what_was_asked_before_does_not_matter():
    """Stretches of a walk depend on the one before; asked for backwards they are the same."""
    town = {**ROAD, "path_loss": {"kind": "umi"}}
    forwards, backwards = (coverage(town, walk(50, 350)) for _ in range(2))
    times_s = np.arange(0, 150, 0.05)
    whole = forwards.at(times_s)
    parts = [backwards.at(part) for part in np.split(times_s, 30)[::-1]][::-1]
    for n, column in enumerate(whole):
        assert (np.concatenate([part[n] for part in parts]) == column).all()


@pytest.mark.parametrize("interruption_s", [0.0, 0.03, 0.2, 0.7])
def test_a_grid_has_room_for_an_interruption(interruption_s):
    rule = Handover(interruption_s=interruption_s)
    grid = Grid.of(1.4, 2, rule)
    assert 0 < grid.edge_s <= grid.step_s <= 0.2 + 1e-12
    for whole in (grid.step_s / grid.edge_s, interruption_s / grid.edge_s):
        assert whole == pytest.approx(round(whole), abs=1e-9)
    assert Grid.of(10.0, 1, rule) == (0.05, 0.05)
    assert Grid.of(0.0, 2, rule) == (math.inf, math.inf)


# As rates.


def channels(snr):
    rate = {"kind": "shannon"}
    given = {"bandwidth_hz": BANDWIDTH_HZ, "snr": snr, "rate": rate}
    yield AwgnChannel.model_validate({"kind": "awgn", **given})
    for doppler_hz in (20.0, 0.02):  # 640 gains a second, and one in a second and a half
        fading = {"kind": "rayleigh", "doppler_hz": doppler_hz}
        yield FadingChannel.model_validate({"kind": "fading", "fading": fading, **given})


@pytest.mark.parametrize("n", range(3))
def test_nothing_is_sent_for_as_long_as_a_hand_over_interrupts(n):
    rule = {"hysteresis_db": 3.0, "time_to_trigger_s": 0.2, "interruption_s": 0.12}
    at = around({**ROAD, "handover": rule}, walk(50, 350, returns=True))
    steps = list(channels(DOWN))[n].steps(at)
    silent = steps.is_zero().area(3000.0)
    assert silent == pytest.approx(20 * 0.12, abs=20 / 640 if n == 1 else 1e-6)


def test_a_slowly_fading_channel_follows_its_mean():
    """Gains that hold for 1.6 s do not hold the mean: it changes every half metre."""
    at = around({**TOWN, "path_loss": OPEN}, walk(20, 420))
    slow = list(channels(DOWN))[2]
    means = GeometrySnr.model_validate(DOWN).mean(at, BANDWIDTH_HZ)
    found, times_s = slow.snrs(at), 0.05 + 0.25 * np.arange(700)
    gains = np.array([found.value(t) for t in times_s]) / means.ratio(times_s)
    changes = np.abs(np.diff(np.log(gains))) > 1e-9
    assert changes.mean() == pytest.approx(0.25 / 1.5625, rel=0.05)


def test_a_device_that_stays_has_one_mean():
    at = around(ROAD, {"kind": "fixed", "position_m": [310, 0]})
    steps = next(iter(channels(DOWN))).steps(at)
    snr = 30 - open_loss_db(310, 400) - DOWN_NOISE_DBM
    assert steps.always == pytest.approx(BANDWIDTH_HZ * math.log2(1 + 10 ** (snr / 10)))


def test_a_path_that_does_not_tell_its_greatest_speed_is_looked_at_often():
    here = np.array([30.0, 0.0])
    way = Path(lambda t: here + np.stack([9 * t, 0 * t], 1), Steps.constant(9.0))
    at = Around(
        0, "d", "downlink", "cell", way, Geometry.model_validate({**TOWN, "path_loss": OPEN})
    )
    times_s = np.array([0.0, 1.0, 10.0])
    expected = 30 - open_loss_db(30 + 9 * times_s) - DOWN_NOISE_DBM
    assert snr_db(DOWN, at, times_s) == pytest.approx(expected, abs=0.01)


# In a scenario.

PLACED = {
    "duration_s": 60.0,
    "devices": [{"count": 2, "mobility": walk(20, 120, spread_m=5.0)}],
    "cells": {
        "cell": {
            "geometry": TOWN,
            "uplink": {
                "kind": "awgn",
                "bandwidth_hz": BANDWIDTH_HZ,
                "snr": UP,
                "rate": {"kind": "shannon"},
            },
            "downlink": {
                "kind": "awgn",
                "bandwidth_hz": BANDWIDTH_HZ,
                "snr": DOWN,
                "rate": {"kind": "shannon"},
            },
        }
    },
}


def changed(data, *keys, to):
    """A copy with one value changed; None takes it away."""
    key, *rest = keys
    data = list(data) if isinstance(data, list) else dict(data)
    if rest:
        data[key] = changed(data[key], *rest, to=to)
    elif to is None:
        del data[key]
    else:
        data[key] = to
    return data


def test_members_of_a_group_walk_apart_and_others_do_not_matter(tmp_path):
    loaded = build(tmp_path, scenario=PLACED)
    (spec,) = loaded.points
    (group,) = spec.scenario.devices
    one, other = (channel(spec, group, f"device-{n}", 0, "uplink") for n in (0, 1))
    assert one.area(60) != other.area(60)
    lonely = build(tmp_path, scenario=changed(PLACED, "devices", 0, "count", to=1)).points[0]
    assert channel(lonely, lonely.scenario.devices[0], "device-0", 0, "uplink").area(
        60
    ) == one.area(60)
    rows = simulate(spec, "offload", 0).tasks
    assert rows
    assert all(row.status == "done" for row in rows)


def test_a_recorded_way_is_among_the_files_of_a_scenario(tmp_path):
    (tmp_path / "way.csv").write_text("time_s,x_m,y_m\n0,20,0\n60,80,0\n")
    way = {"kind": "path", "file": "way.csv"}
    loaded = build(tmp_path, scenario=changed(PLACED, "devices", 0, "mobility", to=way))
    assert tmp_path / "way.csv" in loaded.files


CELL = ("cells", "cell")
MOBILITY = ("devices", 0, "mobility")


@pytest.mark.parametrize(
    ("keys", "value", "expected"),
    [
        (MOBILITY, None, ["devices.device: where is it? the SNR of cell cell depends on it"]),
        (
            (*CELL, "geometry"),
            None,
            [
                "cells.cell.uplink.snr: the SNR follows from where the sites are; give the ",
                "cells.cell.downlink.snr: the SNR follows from where the sites are; give th",
            ],
        ),
        (
            (*CELL, "geometry", "path_loss"),
            None,
            ["give the cell's path_loss", "give the cell's path_loss"],
        ),
        ((*CELL, "uplink", "snr", "activity"), 0.5, ["uplink.snr.activity: other sites disturb"]),
        (
            (*CELL, "downlink", "snr", "power_control"),
            {"p0_dbm": -80, "alpha": 1},
            ["downlink.snr.power_control: only uplinks are power-controlled; remove it"],
        ),
        (
            (*MOBILITY, "legs", 0, "to_m"),
            [5200, 0],
            ["mobility: comes 5,205 m from site 0 at (5200, 0); umi holds up to 5,000 m along"],
        ),
        (
            MOBILITY,
            {"kind": "random-waypoint", "area_m": [[0, 0], [4000, 4000]], "speed_mps": [1, 2]},
            ["comes 5,657 m from site 0 at (4000, 4000); umi holds up to 5,000 m"],
        ),
        (
            MOBILITY,
            {"kind": "path", "file": "none.csv"},
            ["none.csv: cannot be read as CSV: No su"],
        ),
        (
            (*CELL, "geometry", "carrier_hz"),
            0.1e9,
            ["geometry: carrier_hz must be 0.5e9 to 100e9 for umi, not 1e+08"],
        ),
        (
            (*CELL, "geometry", "sites"),
            [{"position_m": [0, 0], "height_m": 30}, {"position_m": [9, 0], "height_m": 30}],
            ["geometry: sites must be 10 m high for umi, not 30; log-distance takes any"],
        ),
        (
            (*CELL, "geometry", "device_height_m"),
            1.0,
            ["geometry: device_height_m must be 1.5 to 22.5 m for umi, not 1"],
        ),
        (
            (*CELL, "geometry", "handover"),
            {"interruption_s": 1e-6},
            ["handover.interruption_s: must be 0, or 0.001 and more, not 1e-06"],
        ),
        (
            (*CELL, "geometry", "path_loss", "kind"),
            "uni",
            ["there is no kind 'uni' (did you mean 'umi'?)"],
        ),
    ],
)
def test_what_does_not_fit_is_said_in_a_line(tmp_path, keys, value, expected):
    with pytest.raises(BadInput) as told:
        build(tmp_path, scenario=changed(PLACED, *keys, to=value))
    problems = told.value.problems
    assert len(problems) == len(expected), problems
    for line, part in zip(problems, expected, strict=True):
        assert part in line


SITES = [{"position_m": [0, 0]}, {"position_m": [400, 0]}]
CROWD = {"kind": "poisson", "rate_hz": 1.0, "transfer_bytes": 1e4}


@pytest.mark.parametrize("kind", ["airtime", "equal_rate", "proportional_fair", "wifi"])
def test_several_sites_share_no_medium(tmp_path, kind):
    several = changed(PLACED, *CELL, "geometry", "sites", to=SITES)
    build(tmp_path, scenario=several)
    build(tmp_path, scenario=changed(PLACED, *CELL, "sharing", to={"kind": kind}))
    with pytest.raises(BadInput) as told:
        build(tmp_path, scenario=changed(several, *CELL, "sharing", to={"kind": kind}))
    (line,) = told.value.problems
    assert "cells.cell.sharing.kind: 2 sites would share one medium, wherever a device is;" in line
    assert "make a cell of each site, or sharing: {kind: dedicated}" in line


def test_background_devices_are_nowhere(tmp_path):
    shared = changed(PLACED, *CELL, "sharing", to={"kind": "airtime"})
    with pytest.raises(BadInput) as told:
        build(tmp_path, scenario=changed(shared, *CELL, "background", to=CROWD))
    (line,) = told.value.problems
    assert "cells.cell.background: background devices are at no place from which an SNR" in line
    assert "give a channel with snr: {kind: constant, mean_db: ...}" in line
    own = CROWD | {"channel": PLACED["cells"]["cell"]["uplink"]}
    with pytest.raises(BadInput, match="channel: background devices are at no place"):
        build(tmp_path, scenario=changed(shared, *CELL, "background", to=own))
    given = CROWD | {"channel": {"kind": "constant", "rate_bps": 1e6}}
    loaded = build(tmp_path, scenario=changed(shared, *CELL, "background", to=given))
    assert simulate(loaded.points[0], "offload", 0).cells[0].background_bits > 0


def test_an_snr_of_geometry_needs_places_also_in_python():
    with pytest.raises(ValueError, match="needs the cell's geometry and a mobility"):
        GeometrySnr.model_validate(UP).mean(Around(0, "device-0", "uplink"), BANDWIDTH_HZ)
