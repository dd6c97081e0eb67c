"""Recordings in all formats: what their rows mean, what they hold, what is odd about them."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitsim.errors import BadInput
from splitsim.world.traces import (
    Recording,
    Trace,
    read_fading,
    read_recording,
    read_trace,
    trace_statistics,
    write_csv,
    write_mahimahi,
)
from splitsim.world.traces.units import in_words, unit_in

MEASURED = Path(os.environ.get("SPLITSIM_TRACES", Path(__file__).parents[1] / "../shared/traces"))

measured = pytest.mark.skipif(
    not MEASURED.is_dir(), reason="no measured traces: set SPLITSIM_TRACES to their folder"
)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(text: str, name: str = "log.txt") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return _write


def problems_of(read: Callable[[], Any], path: Path) -> list[str]:
    """The problems, without the file they begin with."""
    with pytest.raises(BadInput) as caught:
        read()
    assert all(problem.startswith(str(path)) for problem in caught.value.problems)
    return [problem.removeprefix(str(path)) for problem in caught.value.problems]


def steps(trace: Trace) -> list[tuple[float, float]]:
    return list(zip(trace.starts_s.tolist(), trace.rates_bps.tolist(), strict=True))


def values(recording: Recording, key: str) -> list[float | None]:
    return [None if np.isnan(value) else value for value in recording.series[key].tolist()]


# Rules for what is missing, repeated, or far apart

HOLES = "time_s,rate_bps\n0,1e6\n1,-\n2,3e6\n3,None\n4,0\n5,2e6\n"


def test_a_missing_rate_may_be_zero_or_passed_over(write: Write) -> None:
    path = write(HOLES, "a.csv")
    zero = read_trace(path, missing="zero")
    assert steps(zero) == [(0, 1e6), (1, 0), (2, 3e6), (3, 0), (4, 0), (5, 2e6)]
    skipped = read_trace(path, missing="skip")
    assert skipped.rates_bps.tolist() == [1e6, 1e6, 3e6, 3e6, 0, 2e6]
    assert zero.period_s == skipped.period_s == 6


def test_passed_over_is_as_good_as_deleted(write: Write) -> None:
    deleted = write(
        "".join(line for line in HOLES.splitlines(True) if "-" not in line and "None" not in line),
        "b.csv",
    )
    for hold in ("previous", "next"):
        skipped = read_trace(write(HOLES, "a.csv"), missing="skip", hold=hold)  # type: ignore[arg-type]
        without = read_trace(deleted, hold=hold)  # type: ignore[arg-type]
        times_s = np.linspace(0, 5, 101)
        assert skipped.bits(times_s) == pytest.approx(without.bits(times_s))


def test_what_is_passed_over_needs_a_neighbour_to_hold_on(write: Write) -> None:
    path = write("time_s,rate_bps\n0,nan\n1,1e6\n2,2e6\n3,-\n4,1e6\n5,\n6,-\n", "a.csv")
    assert problems_of(lambda: read_trace(path, missing="skip"), path) == [
        ":2: the rate is missing ('nan'), with none before it to hold on; delete the row"
    ]
    assert problems_of(lambda: read_trace(path, missing="skip", hold="next"), path) == [
        ":7: the rate is missing (''), with none after it to hold on; delete the row",
        ":8: the rate is missing ('-'), with none after it to hold on; delete the row",
    ]


def test_a_text_that_is_no_number_is_a_mistake_by_every_rule(write: Write) -> None:
    path = write("time_s,rate_bps\n0,1e6\n1,down\n2,inf\n3,1\n", "a.csv")
    for missing in ("error", "zero", "skip"):
        found = problems_of(lambda: read_trace(path, missing=missing), path)  # noqa: B023
        assert [text.split(";")[0] for text in found] == [
            ":3: the rate 'down' is not a finite number",
            ":4: the rate 'inf' is not a finite number",
        ]


@pytest.mark.parametrize(
    ("rule", "kept"), [(None, 3e6), ("last", 3e6), ("first", 1e6), ("mean", 2e6)]
)
def test_of_repeated_times_a_rule_says_which_counts(write: Write, rule: Any, kept: float) -> None:
    path = write("time_s,rate_bps\n0,5e6\n1,1e6\n1,2e6\n1,3e6\n2,7e6\n2,7e6\n", "a.csv")
    trace = read_trace(path, repeats=rule)
    assert steps(trace) == [(0, 5e6), (1, kept), (2, 7e6)]
    assert trace.period_s == 3


@pytest.mark.parametrize(("rule", "kept"), [(None, 1e6), ("last", 3e6), ("first", 1e6)])
def test_repeated_times_of_values_that_held_until_then(
    write: Write, rule: Any, kept: float
) -> None:
    path = write("time_s,rate_bps\n0,5e6\n1,1e6\n1,3e6\n2,7e6\n", "a.csv")
    assert steps(read_trace(path, repeats=rule, hold="next")) == [(0, kept), (1, 7e6)]


def test_a_repeated_time_before_the_end_of_a_csv(write: Write) -> None:
    path = write("time_s,rate_bps\n0,5e6\n1,1e6\n1,3e6\n4,\n", "a.csv")
    assert steps(read_trace(path, repeats="mean")) == [(0, 5e6), (1, 2e6)]
    assert read_trace(path, repeats="mean").period_s == 4


GAP = "0 1\n1 2\n2 3\n32 4\n33 5\n"


def test_a_gap_is_held_with_a_warning_or_zero(write: Write) -> None:
    path = write(GAP)
    how: dict[str, Any] = {"format": "two-column", "rate_unit_bps": 1e6}
    held = read_trace(path, **how)
    assert steps(held)[2] == (2, 3e6)
    assert held.warnings == (
        f"{path}: a gap of 30 s where rows are 1 s apart, at 2 s: the value next to it is held; "
        "max_hold_s would make it zero",
    )
    zero = read_trace(path, max_hold_s=2.5, **how)
    assert steps(zero)[2:5] == [(2, 3e6), (4.5, 0), (32, 4e6)]
    assert zero.warnings == ()
    before = read_trace(path, max_hold_s=2.5, hold="next", **how)
    assert steps(before) == [(0, 2e6), (1, 3e6), (2, 0), (29.5, 4e6), (32, 5e6)]


def test_a_steady_rate_is_no_gap(write: Write) -> None:
    """Oboe's lines come in pairs: the rate was the same at both ends of a long step."""
    path = write("0 1\n1 1\n2 2\n32 2\n33 5\n34 5\n")
    assert read_trace(path, format="two-column", rate_unit_bps=1e6).warnings == ()


def test_a_csv_that_says_when_it_ends_has_no_gaps(write: Write) -> None:
    """So we write them: a row where the rate changes, and one where the recording ends."""
    path = write("time_s,rate_bps\n0,1e6\n1,2e6\n2,1e6\n32,3e6\n33,\n", "a.csv")
    assert read_trace(path).warnings == ()


def test_csv_without_a_header(write: Write) -> None:
    path = write("0.5,CONNECTED,45.5\n1.5,CONNECTED,40\n2.5,CONNECTED,50\n", "a.csv")
    trace = read_trace(path, header=False, time=1, rate=3, rate_unit_bps=1e6)
    assert steps(trace) == [(0, 45.5e6), (1, 40e6), (2, 50e6)]
    assert problems_of(lambda: read_trace(path, header=False, time=1, rate=4), path) == [
        ":1: no columns are called '4'; name time and rate among 1, 2, 3"
    ]
    uneven = write("0,1\n1,2,3\n", "b.csv")
    found = problems_of(
        lambda: read_trace(uneven, header=False, time=1, rate=2, rate_unit_bps=1), uneven
    )
    assert found == [":2: 3 values where the first row has 2; correct it"]
    empty = write("# nothing\n", "c.csv")
    assert problems_of(lambda: read_trace(empty, header=False, time=1, rate=2), empty) == [
        ": rows are needed; is it another format?"
    ]


def test_times_of_day(write: Write) -> None:
    path = write("time_s,rate_bps\n13:29:59.5,1e6\n13:30:00,2e6\n", "a.csv")
    assert steps(read_trace(path)) == [(0, 1e6), (0.5, 2e6)]


# Several quantities at once

BOTH = """time_s,uplink_bps,downlink_bps,rtt_s,loss,snr_db
0,1e6,8e6,0.02,0,12
1,2e6,0,-,0.5,nan
3,0,9e6,0.04,1,-3
"""


def test_a_csv_may_hold_both_directions_round_trip_and_loss(write: Write) -> None:
    path = write(BOTH, "a.csv")
    recording = read_recording(path)
    assert values(recording, "rtt_s") == [0.02, None, 0.04]
    assert values(recording, "loss") == [0, 0.5, 1]
    assert values(recording, "snr_db") == [12, None, -3]
    assert steps(recording.trace("uplink")) == [(0, 1e6), (1, 2e6), (3, 0)]
    assert steps(read_trace(path, way="downlink")) == [(0, 8e6), (1, 0), (3, 9e6)]
    assert read_trace(path, way="downlink").way == "downlink"
    assert problems_of(lambda: read_trace(path), path) == [
        ": holds uplink and downlink; give way, one of them"
    ]


def test_the_direction_asked_for_must_be_there(write: Write) -> None:
    path = write("time_s,downlink_bps\n0,1e6\n1,2e6\n", "a.csv")
    assert read_trace(path).way == "downlink"
    assert problems_of(lambda: read_trace(path, way="uplink"), path) == [
        ": holds the downlink, and no uplink; give way downlink, or leave it out"
    ]
    assert (
        read_trace(write("time_s,rate_bps\n0,1e6\n1,2e6\n", "b.csv"), way="uplink").way == "uplink"
    )
    assert read_trace(write("1\n2\n", "c.up")).way == "uplink"
    assert read_trace(write("1\n2\n", "c.txt"), format="mahimahi").way is None


def test_a_direction_without_any_rate(write: Write) -> None:
    path = write("time_s,uplink_bps,downlink_bps\n0,1e6,0\n1,2e6,0\n", "a.csv")
    assert read_trace(path, way="uplink").mean_bps == 1.5e6
    (found,) = problems_of(lambda: read_trace(path, way="downlink"), path)
    assert found.startswith(": every rate is zero")


def test_columns_and_units_of_other_names(write: Write) -> None:
    path = write("t,up,rtt,lost\n0,1,20,0\n1000,2,-,5\n", "a.csv")
    recording = read_recording(
        path,
        time="t",
        time_unit_s=1e-3,
        rate_unit_bps=1e6,
        columns={"uplink_bps": "up", "rtt_s": "rtt", "loss": "lost"},
        units={"rtt_s": 1e-3, "loss": 0.01},
    )
    assert steps(recording.trace()) == [(0, 1e6), (1, 2e6)]
    assert values(recording, "rtt_s") == [0.02, None]
    assert values(recording, "loss") == [0, 0.05]


def test_values_that_cannot_be(write: Write) -> None:
    path = write("time_s,rate_bps,rtt_s,loss\n0,1,-0.1,0\n1,1,0.1,5\n2,-1,x,0\n", "a.csv")
    assert problems_of(lambda: read_recording(path), path) == [
        ":2: the round trip -0.1 is negative; correct it",
        ":3: the loss 5 is no share in [0, 1]; give its unit, 0.01 for per cent",
        ":4: the rate -1 is negative; correct it",
        ":4: the round trip 'x' is not a finite number; correct it",
    ]
    how: Any = {"columns": {"jitter": "x"}, "units": {"rate_bps": 1, "rtt_s": 0}}
    series = "rate_bps, uplink_bps, downlink_bps, rtt_s, loss, snr_db, rsrp_dbm"
    assert problems_of(lambda: read_recording(path, **how), path) == [
        f": columns has no 'jitter'; there are {series}",
        ": units has no 'rate_bps'; there are rtt_s, loss, snr_db, rsrp_dbm",
        ": units of rtt_s is 0; it must be a finite number above 0",
    ]


def test_options_that_are_not_words_of_ours(write: Write) -> None:
    path = write("0 1\n1 2\n")
    how: Any = {"missing": "hold", "repeats": "sum", "max_hold_s": 0, "way": "up"}
    assert problems_of(lambda: read_trace(path, format="two-column", **how), path) == [
        ": max_hold_s is 0; it must be a finite number above 0",
        ": missing is 'hold'; it must be 'error', 'zero' or 'skip'",
        ": repeats is 'sum'; it must be 'last', 'first' or 'mean'",
        ": way is 'up'; it must be 'uplink' or 'downlink'",
    ]


# Sabre

SABRE = """[
    {"duration_ms": 725, "bandwidth_kbps": 36014, "latency_ms": 20},
    {"duration_ms": 1000, "bandwidth_kbps": 0, "latency_ms": null},
    {"duration_ms": 275.5, "bandwidth_kbps": 100.5}
]
"""


def test_sabre_is_played_back_to_back(write: Write) -> None:
    recording = read_recording(write(SABRE), format="sabre")
    trace = recording.trace()
    assert steps(trace) == [(0, 36.014e6), (0.725, 0), (1.725, 100.5e3)]
    assert trace.period_s == 2.0005
    assert trace.way == "downlink"
    assert values(recording, "rtt_s") == [0.02, None, None]
    assert read_trace(write(SABRE), format="sabre", way="uplink").way == "uplink"


def test_mistakes_of_a_sabre_file_have_lines(write: Write) -> None:
    path = write(
        '[\n {"duration_ms": 0, "bandwidth_kbps": 5},\n {"bandwidth_kbps": -1, "duration_ms": 1},\n'
        '  7,\n {"duration_ms": "9",\n  "bandwidth_kbps": NaN}, {"duration_ms": true}\n]'
    )
    number = "it must be a finite number"
    assert problems_of(lambda: read_trace(path, format="sabre"), path) == [
        f":2: duration_ms is 0; {number} above 0",
        f":3: bandwidth_kbps is -1; {number} of 0 or more",
        ":4: 7 is not an object {...}; correct it",
        f":5: bandwidth_kbps is nan; {number} of 0 or more",
        f":5: duration_ms is '9'; {number} above 0",
        ":6: bandwidth_kbps is missing; add it, or delete the entry",
        f":6: duration_ms is True; {number} above 0",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[\n{"duration_ms": 1,\n', ":3: is not JSON ("),
        ("0 1\n1 2\n", ":1: is not JSON (Extra data)"),
        ('{"a": 1}', ": is not a list, as it is in this format"),
        ("[]", ": the list is empty"),
        ('[{"duration_ms": 1, "bandwidth_kbps": 0}]', ": every rate is zero"),
        ('[{"duration_ms": 1, "bandwidth_kbps": 1' + "0" * 400 + "}]", ":1: bandwidth_kbps is 1"),
        ("[" * 100_000, ": cannot be read as JSON ("),
    ],
)
def test_files_that_are_not_sabres(write: Write, text: str, problem: str) -> None:
    path = write(text)
    (found,) = problems_of(lambda: read_trace(path, format="sabre"), path)
    assert found.startswith(problem)


# iperf3


def iperf3(*intervals: dict[str, Any], **test_start: Any) -> str:
    return json.dumps(
        {"start": {"test_start": test_start}, "intervals": list(intervals)}, indent="\t"
    )


def interval(start: float, rate_bps: float, **more: Any) -> dict[str, Any]:
    of = {"start": start, "end": start + 1, "seconds": 1, "bits_per_second": rate_bps}
    return {"streams": more.pop("streams", []), "sum": {**of, "bytes": rate_bps / 8, **more}}


def test_iperf3_skips_what_was_omitted(write: Write) -> None:
    streams = [{"rtt": 20_000}, {"rtt": 30_000}]
    text = iperf3(
        interval(0, 9e6, omitted=True),
        interval(0, 4e6, omitted=False, streams=streams),
        interval(1.00005, 0),
        interval(2, 8e6, streams=streams[:1]),
        reverse=0,
    )
    recording = read_recording(write(text), format="iperf3")
    trace = recording.trace()
    assert steps(trace) == [(0, 4e6), (1.00005, 0), (2, 8e6)]
    assert (trace.period_s, trace.way) == (3, "uplink")
    assert values(recording, "rtt_s") == [pytest.approx(0.025), None, pytest.approx(0.02)]
    assert "loss" not in recording.series


def test_iperf3_in_reverse_is_a_download_and_udp_has_losses(write: Write) -> None:
    text = iperf3(interval(0, 4e6, lost_percent=2), interval(1, 5e6, lost_percent=0), reverse=1)
    recording = read_recording(write(text), format="iperf3")
    assert recording.trace().way == "downlink"
    assert values(recording, "loss") == [0.02, 0]


def test_iperf3_in_both_directions(write: Write) -> None:
    both = [interval(n, 4e6) | {"sum_bidir_reverse": interval(n, 7e6)["sum"]} for n in range(2)]
    path = write(iperf3(*both, bidir=1, reverse=0))
    assert read_trace(path, format="iperf3", way="uplink").mean_bps == 4e6
    assert read_trace(path, format="iperf3", way="downlink").mean_bps == 7e6


def test_mistakes_of_an_iperf3_file(write: Write) -> None:
    path = write(iperf3(interval(0, 4e6), interval(5, 4e6), interval(6, -1, bytes=0)))
    lines = path.read_text().splitlines()
    second, _ = (n for n, line in enumerate(lines, 1) if line == "\t\t{" and n > 9)
    assert problems_of(lambda: read_trace(path, format="iperf3"), path) == [
        f":{second}: the interval begins at 5 s, where the one before ended at 1 s; they must "
        "follow each other"
    ]
    path = write(iperf3(interval(0, 8e6, bytes=1e6 / 8), interval(1, -1)))
    found = problems_of(lambda: read_trace(path, format="iperf3"), path)
    assert found[0].endswith(
        "bits_per_second is 8e+06, but bytes and seconds make 1e+06; fetch or record it again"
    )
    assert found[1].endswith("bits_per_second is -1; it must be a finite number of 0 or more")
    assert len(found) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1]", ": is not an object, as it is in this format"),
        ("{}", ": has no intervals that are not omitted"),
        (iperf3(interval(0, 1, omitted=True)), ": has no intervals that are not omitted"),
        ('{"error": "unable to connect"}', ": has no intervals that are not omitted"),
        (iperf3({"sum": 7}), ":"),
    ],
)
def test_files_that_are_not_iperf3s(write: Write, text: str, problem: str) -> None:
    path = write(text)
    found = problems_of(lambda: read_trace(path, format="iperf3"), path)
    assert found[0].startswith(problem)
    assert ("iperf3 gave up: unable" in found[-1]) == ("unable" in text)


# G-NetTrack

NETTRACK = """Timestamp,NetworkMode,RSRP,SNR,DL_bitrate,UL_bitrate,State,PINGAVG,PINGLOSS
2020.01.16_12.10.03,5G,-100,-9.0,1,0,D,-,-
2020.01.16_12.10.03,5G,-100,-,5000,2,D,66.0,0.0
2020.01.16_12.10.04,5G,2147483647,2,-,2,D,-,50
2020.01.16_12.10.07,LTE,-90,3,8000,40,D,-,-
"""


def test_a_g_nettrack_log_keeps_the_last_of_equal_times(write: Write) -> None:
    path = write(NETTRACK)
    recording = read_recording(path, format="g-nettrack", missing="zero")
    assert steps(recording.trace("downlink")) == [(0, 5e6), (1, 0), (4, 8e6)]
    assert recording.period_s == 6  # the last row holds for the median of 1 and 3 s
    assert values(recording, "rsrp_dbm") == [-100, None, -90]
    assert values(recording, "snr_db") == [None, 2, 3]
    assert values(recording, "rtt_s") == [0.066, None, None]
    assert values(recording, "loss") == [0, 0.5, None]
    first = read_trace(path, format="g-nettrack", way="downlink", missing="skip", repeats="first")
    assert steps(first) == [(0, 1e3), (1, 5e6), (4, 8e6)]


def test_a_g_nettrack_log_of_downloads_warns_who_takes_its_uplink(write: Write) -> None:
    path = write(NETTRACK)
    up = read_trace(path, format="g-nettrack", way="uplink", missing="zero")
    assert "no State U" in up.warnings[0]
    assert "UL_bitrate is acknowledgements" in up.warnings[0]
    assert read_trace(path, format="g-nettrack", way="downlink", missing="zero").warnings == ()


def test_mistakes_of_a_g_nettrack_log(write: Write) -> None:
    path = write(NETTRACK)
    (found,) = problems_of(lambda: read_trace(path, format="g-nettrack"), path)
    assert found.startswith(":4: the rate is missing (''); write 0 if")
    other = write("time,rate\n1,2\n", "b.csv")
    assert problems_of(lambda: read_trace(other, format="g-nettrack"), other) == [
        ":1: no columns are called 'DL_bitrate'; name time and rate among time, rate",
        ":1: no columns are called 'Timestamp'; name time and rate among time, rate",
    ]


# The logs of Riiser et al. and of Ghent

GHENT = """1453121790686 39287 51.0386 3.7322 2493100 1000
1453121791686 40287 51.0386 3.7323 1250000 1000
1453121794186 42787 nan nan 1000000 2000
"""


def test_the_example_row_of_a_ghent_log(write: Write) -> None:
    trace = read_trace(write(GHENT), format="riiser-log")
    assert steps(trace)[0] == (0, 19.9448e6)
    assert steps(trace)[1:] == [(1, 10e6), (2, 4e6)]
    assert (trace.period_s, trace.way) == (4, "downlink")


def test_gaps_of_a_ghent_log_may_be_zero(write: Write) -> None:
    trace = read_trace(write(GHENT), format="riiser-log", gaps="zero")
    assert steps(trace) == [(0, 19.9448e6), (1, 10e6), (2, 0), (2.5, 4e6)]
    assert trace.period_s == 4.5


@given(
    st.lists(
        st.tuples(st.integers(1, 3000), st.integers(1, 3000), st.integers(0, 10**7)), min_size=1
    ).filter(lambda rows: any(row[2] for row in rows)),
    st.sampled_from(["join", "zero"]),
)
def test_a_ghent_log_conserves_bytes(tmp_path_factory: Any, rows: list[Any], gaps: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "ghent.log"
    stamp, text = 1000, []
    for step, length, count in rows:
        stamp += step
        text.append(f"0 {stamp} 1.0 2.0 {count} {length}")
    path.write_text("\n".join(text))
    trace = read_trace(path, format="riiser-log", gaps=gaps)
    bits = trace.mean_bps * trace.period_s
    assert bits == pytest.approx(8 * sum(row[2] for row in rows), rel=1e-9)
    assert np.all(trace.durations_s > 0)


def test_mistakes_of_a_ghent_log(write: Write) -> None:
    path = write("1 10 0 0 5 0\n1 20 0 0 -5 10\n1 30\n1 20 0 0 5 10\nx 40 0 0 x 10\n")
    found = problems_of(lambda: read_trace(path, format="riiser-log"), path)
    assert found == [
        ":1: a row of 0 ms has no length; delete it",
        ":2: -5 bytes are negative; correct it",
        ":3: 2 values where 6 are needed: epoch, ms, latitude, longitude, bytes, ms; correct it",
        ":4: time does not go on from 20 to 20 ms; sort the rows by time, or delete one",
        ":5: the number of bytes 'x' is not a finite number; correct it",
    ]
    empty = write("# nothing\n", "e.log")
    assert problems_of(lambda: read_trace(empty, format="riiser-log"), empty) == [
        ": has no rows; is it another format?"
    ]


# Fading traces


def test_a_fad_holds_gains_by_block_and_millisecond(write: Write) -> None:
    path = write("0 10 -10 \n3.0103 -20 0\n\n", "epa.fad")
    fading = read_fading(path)
    assert fading.powers.shape == (2, 3)
    assert fading.period_s == 0.003
    assert fading.gains(0) == pytest.approx([1, 10, 0.1])
    assert fading.gains(1) == pytest.approx([2, 0.01, 1], rel=1e-5)
    assert fading.gains() == pytest.approx((fading.gains(0) + fading.gains(1)) / 2)
    with pytest.raises(ValueError, match="no resource block 2; there are 0 to 1"):
        fading.gains(2)
    with pytest.raises(ValueError, match="read-only"):
        fading.powers[0, 0] = 1
    wrapped = write("0 10\n-10 3.0103\n-20 0\n", "w.fad")
    assert np.array_equal(read_fading(wrapped, resource_blocks=2).powers, fading.powers)


def test_mistakes_of_a_fad(write: Write) -> None:
    path = write("0 1 2\n0 1\n", "a.fad")
    assert problems_of(lambda: read_fading(path), path) == [
        ":2: is not as long as the first line; give resource_blocks, their number"
    ]
    assert problems_of(lambda: read_fading(path, resource_blocks=2), path) == [
        ": 5 gains are not those of 2 resource blocks"
    ]
    path = write("0 x -\n500 0 1\n", "b.fad")
    assert problems_of(lambda: read_fading(path), path) == [
        ":1: the gain 'x' is not a finite number; correct it",
        ":1: the gain is missing ('-'); correct it",
    ]
    path = write("0 1 2\n500 0 1\n", "c.fad")
    assert problems_of(lambda: read_fading(path), path) == [
        ":2: a gain of 500 dB is beyond 100 dB; correct it"
    ]
    assert problems_of(lambda: read_trace(path), path) == [
        ": a .fad holds gains in dB, no rates; read it with read_fading"
    ]
    (odd,) = read_fading(write("30 31\n29 30\n", "d.fad")).warnings
    assert "its mean gain is 30" in odd


# Units


@pytest.mark.parametrize(
    ("name", "unit_bps"),
    [
        ("throughput_mbps", 1e6),
        ("RATE(MBit/s)", 1e6),
        ("rate [kB/s]", 8e3),
        ("rate, Mbit/s", 1e6),
        ("bandwidth_kbps", 1e3),
        ("uplink_bps", 1.0),
        ("MBps", 8e6),
        ("speed Mb/s", 1e6),
        ("DL (bytes/sec)", 8.0),
        ("THROUGHPUT_MBPS", 1e6),
        ("kbytes_per_s", 8e3),
        ("DL_bitrate", None),
        ("jobs", None),
        ("Sent Bytes", None),
    ],
)
def test_units_in_names(name: str, unit_bps: float | None) -> None:
    assert unit_in(name) == unit_bps


@pytest.mark.parametrize(("unit_bps", "mean"), [(8e6, "24 Mbit/s"), (1e3, "3 kbit/s")])
def test_a_unit_against_the_name_of_its_column(write: Write, unit_bps: float, mean: str) -> None:
    """Eight times and a thousand times off."""
    path = write("time_s,r_mbps\n0,2\n1,4\n", "a.csv")
    found = read_trace(path, rate="r_mbps", rate_unit_bps=unit_bps).warnings
    assert found[0] == (
        f"{path}: the column 'r_mbps' is read in units of {unit_bps:g} bit/s, which gives a mean "
        f"of {mean}; its name says 1e+06 bit/s, which gives 3 Mbit/s"
    )
    assert read_trace(path, rate="r_mbps", rate_unit_bps=1e6).warnings == ()


@pytest.mark.parametrize(
    ("unit_bps", "mean"), [(1e3, "3 kbit/s"), (1e9, "3 Gbit/s"), (1.0, "3 bit/s")]
)
def test_a_mean_that_no_link_has(write: Write, unit_bps: float, mean: str) -> None:
    path = write("0 2\n1 4\n")
    (found,) = read_trace(path, format="two-column", rate_unit_bps=unit_bps).warnings
    assert found == (
        f"{path}: the mean rate is {mean}, which few links have; is the unit right (rate_unit_bps)?"
    )


def test_a_unit_that_is_not_told(write: Write) -> None:
    path = write("0 2\n1 4\n")
    (found,) = read_trace(path, format="two-column").warnings
    assert found == (
        f"{path}: the unit of its rates is not told: taken for Mbit/s they give a mean of "
        "3 Mbit/s; rate_unit_bps: 1e6 confirms it"
    )
    assert read_trace(path, format="two-column", rate_unit_bps=1e6).warnings == ()


@pytest.mark.parametrize(("unit_bps", "ratio"), [(8e6, "8"), (1e3, "1e+03"), (1e6 / 8, "8")])
def test_a_mean_that_was_not_expected(write: Write, unit_bps: float, ratio: str) -> None:
    path = write("0 2\n1 4\n")
    how: Any = {"format": "two-column", "expected_mean_bps": 3e6}
    (found,) = read_trace(path, rate_unit_bps=unit_bps, **how).warnings
    assert f", {ratio} times off the 3 Mbit/s expected" in found
    assert f"the mean rate is {in_words(3 * unit_bps)}" in found
    assert read_trace(path, rate_unit_bps=1.1e6, **how).warnings == ()


# Parts, scales, and other grids

rates = st.lists(st.tuples(st.floats(0.01, 10), st.floats(0, 1e7)), min_size=1, max_size=20).filter(
    lambda steps: any(rate > 1 for _, rate in steps)
)


def trace_of(steps_: list[tuple[float, float]]) -> Trace:
    edges_s = np.append(0.0, np.cumsum([length for length, _ in steps_]))
    return Trace(edges_s[:-1], np.array([rate for _, rate in steps_]), float(edges_s[-1]))


@given(rates, st.floats(0, 0.9), st.floats(0.05, 1))
def test_a_part_offers_the_bits_of_its_stretch(steps_: Any, begin: float, length: float) -> None:
    trace = trace_of(steps_)
    from_s = begin * trace.period_s
    to_s = min(from_s + length * trace.period_s, trace.period_s)
    part = trace.part(from_s, to_s)
    for time_s in np.linspace(0, part.period_s, 7):
        there = trace.bits(np.array([from_s, from_s + time_s]))
        assert part.bits(np.array([time_s]))[0] == pytest.approx(there[1] - there[0], abs=1e-3)
    assert part.starts_s[0] == 0
    assert np.all(part.durations_s > 0)


@given(rates, st.floats(0.05, 30))
def test_another_grid_loses_no_bit(steps_: Any, width_s: float) -> None:
    trace = trace_of(steps_)
    coarse = trace.resampled(width_s)
    assert coarse.period_s == trace.period_s
    assert coarse.bits(coarse.starts_s) == pytest.approx(trace.bits(coarse.starts_s), abs=1e-3)
    assert coarse.mean_bps == pytest.approx(trace.mean_bps)
    assert np.all(coarse.durations_s[:-1] == pytest.approx(width_s))


# Statistics


def test_statistics_of_a_small_trace() -> None:
    trace = trace_of([(2, 4e6), (0.5, 0), (1.5, 0), (1, 1e6), (3, 0), (0.25, 9e6)])
    found = trace_statistics(trace)
    assert found.length_s == 8.25
    assert found.mean_bps == pytest.approx((8e6 + 1e6 + 9e6 / 4) / 8.25)
    assert (found.min_bps, found.p50_bps, found.max_bps) == (0, 0, 4e6)
    assert found.zero_share == 5 / 8
    assert (found.outages, found.longest_outage_s) == (2, 3)
    assert found.std_bps == pytest.approx(np.std([4e6, 4e6, 0, 0, 1e6, 0, 0, 0]))
    assert trace_statistics(trace, 4.0).outages == 0
    assert trace_statistics(trace, 100.0).mean_bps == found.mean_bps
    assert np.isnan(trace_statistics(trace, 100.0).lag1)
    assert np.isnan(trace_statistics(trace_of([(10, 3e6)])).lag1)


def test_the_lag_1_correlation_of_a_first_order_process() -> None:
    """x' = a x + noise has the correlation a; Bartlett's error is sqrt((1 - a^2) / n)."""
    rng, a, n = np.random.default_rng(5), 0.8, 20_000
    x = np.zeros(n)
    noise = rng.standard_normal(n)
    for i in range(1, n):
        x[i] = a * x[i - 1] + noise[i]
    found = trace_statistics(trace_of([(1.0, rate) for rate in 1e6 * (20 + x)])).lag1
    assert found == pytest.approx(a, abs=4.5 * np.sqrt((1 - a * a) / n))


# Writing


def test_a_written_recording_reads_the_same(tmp_path: Path, write: Write) -> None:
    recording = read_recording(write(BOTH, "a.csv"))
    write_csv(tmp_path / "b.csv", recording, comments=["ours, for a test"])
    again = read_recording(tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_text().startswith("# ours, for a test\n")
    assert again.period_s == recording.period_s == 4.5
    assert again.series.keys() == recording.series.keys()
    for key in recording.series:
        assert np.array_equal(again.series[key], recording.series[key], equal_nan=True)


def test_a_written_trace_keeps_its_direction(tmp_path: Path, write: Write) -> None:
    write_csv(tmp_path / "b.csv", read_trace(write("1\n5\n", "a.down")))
    assert (tmp_path / "b.csv").read_text().splitlines()[1] == "time_s,downlink_bps"
    assert read_trace(tmp_path / "b.csv").way == "downlink"


@given(rates)
def test_a_trace_written_for_mahimahi_keeps_its_bits_to_a_packet(
    tmp_path_factory: Any, steps_: Any
) -> None:
    trace = trace_of(steps_)
    path = tmp_path_factory.getbasetemp() / "round.up"
    write_mahimahi(path, trace)
    again = read_trace(path)
    assert -1e-9 < again.period_s - trace.period_s < 1e-3 + 1e-9
    bits, offered = trace.mean_bps * trace.period_s, again.mean_bps * again.period_s
    assert abs(offered - bits) <= 12_000 * (1 + 1e-6)
    times_s = np.arange(1, int(trace.period_s * 1e3)) / 1e3  # whole ms before the last
    behind = trace.bits(times_s) - again.bits(times_s)
    assert np.all(behind >= -0.1)
    assert np.all(behind < 12_000 + 0.1)


@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=300).map(sorted))
def test_a_mahimahi_file_written_again_is_the_same(tmp_path_factory: Any, times: Any) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "one.up").write_text("".join(f"{time_ms}\n" for time_ms in times))
    write_mahimahi(folder / "two.up", read_trace(folder / "one.up"))
    assert (folder / "two.up").read_text() == (folder / "one.up").read_text()


# Every measured file. README figures of files with rows are unweighted over these.

FILES: dict[str, tuple[dict[str, Any], tuple[float, float] | None]] = {
    "5gophers/walking-trace.csv": (
        {"time": "seq_num", "rate": "throughput_mbps", "rate_unit_bps": 1e6, "way": "downlink"},
        (332.9, 271.5),
    ),
    "ghent-4g/report_bus_0001.json": ({"format": "sabre"}, (27.601, 10.346)),
    "ghent-4g/report_foot_0001.json": ({"format": "sabre"}, (41.564, 13.379)),
    "lumos5g/5g_trace_1_driving": ({"format": "two-column", "rate_unit_bps": 1e6}, (305.6, 277.1)),
    "mtu-uplink/sync_DataLTE.csv": (
        {"time": "Time", "rate": "RATE(MBit/s)", "rate_unit_bps": 1e6, "way": "uplink"},
        (28.609, 11.899),
    ),
    "norway-3g/norway_bus_1": ({"format": "two-column", "rate_unit_bps": 1e6}, (3.337, 0.885)),
    "norway-3g/report.2010-09-13_1003CEST.json": ({"format": "sabre"}, None),
    "oboe/trace_0.txt": (
        {"format": "two-column", "time_unit_s": 1e-3, "rate_unit_bps": 1e3},
        (2.984, 0.803),
    ),
    "sigcomm21-5g/mi_0106_ul_udp_50_1.csv": (
        {"header": False, "time": 1, "rate": 7, "rate_unit_bps": 1e6, "way": "uplink"},
        (34.323, 7.870),
    ),
    "ucc-5g/download_driving_B_2020.01.16_12.10.03.csv": (
        {"format": "g-nettrack", "way": "downlink"},
        (130.3, 103.3),
    ),
}
LENGTHS_S = {
    "ghent-4g/report_bus_0001.json": 607,
    "ghent-4g/report_foot_0001.json": 403,
    "5gophers/walking-trace.csv": 603,
    "mtu-uplink/sync_DataLTE.csv": 2132 + 3,  # and the last row's three seconds
    "sigcomm21-5g/mi_0106_ul_udp_50_1.csv": 357,
    "ucc-5g/download_driving_B_2020.01.16_12.10.03.csv": 386 + 1,
}


def manifest() -> list[str]:
    path = MEASURED / "MANIFEST.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [row["file"] for row in csv.DictReader(file) if "LICENSE" not in row["file"]]


@measured
@pytest.mark.parametrize("name", manifest())
def test_every_measured_file_can_be_read(name: str) -> None:
    wifi = {"format": "two-column", "rate_unit_bps": 1e6, "way": "uplink"}
    how, figures = FILES.get(name, (wifi if "solis" in name else {}, None))
    trace = read_trace(MEASURED / name, **how)
    found = trace_statistics(trace)
    if figures is not None:
        mean, std = (
            round(float(v) / 1e6, 3) for v in (trace.rates_bps.mean(), trace.rates_bps.std())
        )
        assert mean == pytest.approx(figures[0], abs=6e-4 if figures[0] < 100 else 0.06)
        assert std == pytest.approx(figures[1], abs=6e-4 if figures[0] < 100 else 0.06)
    if name in LENGTHS_S:
        assert found.length_s == pytest.approx(LENGTHS_S[name], abs=0.6)
    assert found.mean_bps * trace.period_s == pytest.approx(trace.rates_bps @ trace.durations_s)
    assert found.min_bps <= found.p5_bps <= found.p50_bps <= found.p95_bps <= found.max_bps
    assert found.max_bps <= trace.rates_bps.max() * (1 + 1e-9)
    assert -1 <= found.lag1 <= 1
    gap = "sigcomm21" in name  # of 15 s
    assert len(trace.warnings) == (1 if gap else 0), trace.warnings


@measured
def test_a_measured_log_holds_more_than_rates() -> None:
    name = "ucc-5g/download_driving_B_2020.01.16_12.10.03.csv"
    recording = read_recording(MEASURED / name, format="g-nettrack")
    assert set(recording.series) == {
        "uplink_bps",
        "downlink_bps",
        "rtt_s",
        "loss",
        "snr_db",
        "rsrp_dbm",
    }
    assert np.nanmin(recording.series["rtt_s"]) == pytest.approx(0.066)
    assert "acknowledgements" in recording.trace("uplink").warnings[0]
    report = read_recording(MEASURED / "ghent-4g/report_bus_0001.json", format="sabre")
    assert set(report.series["rtt_s"]) == {0.02}


@measured
def test_a_measured_file_in_wrong_units_is_told_of() -> None:
    path = MEASURED / "mtu-uplink" / "sync_DataLTE.csv"
    how: Any = {"time": "Time", "rate": "RATE(MBit/s)"}
    (eight,) = read_trace(path, rate_unit_bps=8e6, **how).warnings
    assert "which gives a mean of 229 Mbit/s; its name says 1e+06 bit/s, which gives 28.6" in eight
    thousand, mean = read_trace(path, rate_unit_bps=1e3, **how).warnings
    assert "a mean of 28.6 kbit/s" in thousand
    assert "the mean rate is 28.6 kbit/s, which few links have" in mean


@measured
@pytest.mark.parametrize("name", ["ATT-LTE-driving-2016.up", "Verizon-LTE-short.down"])
def test_a_measured_mahimahi_file_survives_a_round_trip(tmp_path: Path, name: str) -> None:
    source = MEASURED / "mahimahi" / name
    trace = read_trace(source)
    write_mahimahi(tmp_path / name, trace)
    times_ms = np.array(source.read_text().split(), dtype=int)
    ours_ms = np.sort((times_ms - 1) % times_ms[-1] + 1)  # 0 is the end of the round before
    assert np.array((tmp_path / name).read_text().split(), dtype=int).tolist() == ours_ms.tolist()
