from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitsim import load_scenario
from splitsim.errors import BadInput
from splitsim.synthetic import synthetic_trace
from splitsim.world.traces import Trace, formats, read_trace, write_csv
from splitsim.world.traces.lines import Lines

ROOT = Path(__file__).parents[1]
MEASURED = Path(os.environ.get("SPLITSIM_TRACES", ROOT / ".." / "shared" / "traces"))

measured = pytest.mark.skipif(
    not MEASURED.is_dir(), reason="no measured traces: set SPLITSIM_TRACES to their folder"
)

FORMATS = "mahimahi, two-column, csv, g-nettrack, riiser-log, sabre, iperf3"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(text: str | bytes, name: str = "trace.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return _write


def problems_of(path: Path, **how: Any) -> list[str]:
    """The problems, without the folder they begin with."""
    with pytest.raises(BadInput) as caught:
        read_trace(path, **how)
    assert all(problem.startswith(str(path)) for problem in caught.value.problems)
    assert all("\n" not in problem for problem in caught.value.problems)
    return [problem.removeprefix(str(path)) for problem in caught.value.problems]


def mahimahi(*times_ms: int) -> Trace:
    lines = Lines("trace.up", "".join(f"{time_ms}\n" for time_ms in times_ms))
    return formats.mahimahi(lines).trace()


def steps(trace: Trace) -> list[tuple[float, float]]:
    return list(zip(trace.starts_s.tolist(), trace.rates_bps.tolist(), strict=True))


# Mahimahi


def test_a_mahimahi_file_that_says_only_1_is_12_mbit_per_s(write: Write) -> None:
    trace = read_trace(write("1\n", "a.up"))
    assert steps(trace) == [(0.0, 12e6)]
    assert trace.period_s == 0.001


def test_mahimahi_24_mbit_per_s_for_5_ms_is_one_step(write: Write) -> None:
    trace = read_trace(write("1\n1\n2\n2\n3\n3\n4\n4\n5\n5\n", "a.down"))
    assert steps(trace) == [(0.0, 24e6)]
    assert trace.period_s == 0.005


def test_a_mahimahi_time_is_the_end_of_its_millisecond() -> None:
    assert steps(mahimahi(3, 3, 5)) == [(0, 0), (0.002, 24e6), (0.003, 0), (0.004, 12e6)]


def test_mahimahi_time_0_is_the_end_of_the_round_before() -> None:
    assert steps(mahimahi(0, 0, 2, 4)) == [(0, 0), (0.001, 12e6), (0.002, 0), (0.003, 36e6)]


def test_a_mahimahi_outage_is_one_step() -> None:
    trace = mahimahi(1000, 79_000, 79_001)
    assert steps(trace) == [(0, 0), (0.999, 12e6), (1.0, 0), (78.999, 12e6)]
    assert trace.durations_s[2] == pytest.approx(77.999, abs=1e-12)


@given(st.lists(st.integers(0, 10**6), min_size=1).map(sorted).filter(lambda times: times[-1] > 0))
def test_mahimahi_conserves_bits(times_ms: list[int]) -> None:
    trace = mahimahi(*times_ms)
    widths_ms = np.diff(np.rint(trace.starts_s * 1e3), append=times_ms[-1])
    assert np.sum(trace.rates_bps * widths_ms) == len(times_ms) * 12_000 * 1000  # bit/s x ms
    assert trace.mean_bps * trace.period_s == pytest.approx(len(times_ms) * 12_000, rel=1e-9)
    assert trace.starts_s[0] == 0
    assert np.all(trace.durations_s > 0)
    assert np.all(np.diff(trace.rates_bps) != 0)
    assert trace.period_s == times_ms[-1] / 1000


def test_mahimahi_may_have_windows_lines_and_no_last_line_end(write: Write) -> None:
    assert steps(read_trace(write(b"1\r\n2", "a.up"))) == [(0.0, 12e6)]


def test_mahimahi_may_be_asked_for_whatever_the_name(write: Write) -> None:
    assert read_trace(write("2\n", "a.csv"), format="mahimahi").mean_bps == 6e6


def test_all_mistakes_of_a_mahimahi_file_are_named(write: Write) -> None:
    assert problems_of(write("1\n\n3\n2\nx\n-4\n1e3\n5.0\n0\n", "a.up")) == [
        ":2: an empty line is not a whole number of ms; correct or delete it",
        ":4: time goes back from 3 to 2 ms; sort the file",
        ":5: 'x' is not a whole number of ms; correct or delete it",
        ":6: '-4' is not a whole number of ms; correct or delete it",
        ":7: '1e3' is not a whole number of ms; correct or delete it",
        ":8: '5.0' is not a whole number of ms; correct or delete it",
        ":9: the last time, the period, is 0; a trace lasts at least 1 ms",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0\n0\n", ":2: the last time, the period, is 0; a trace lasts at least 1 ms"),
        ("1\n\n", ":2: an empty line is not a whole number of ms; correct or delete it"),
        ("", ": the file is empty; fetch or record it again"),
        ("# no comments here\n1", ":1: '# no comments here' is not a whole number of ms"),
        ("9" * 5000, ":1: '999999999999...9999999999999' is not a whole number of ms"),
    ],
)
def test_a_mistake_of_a_mahimahi_file(write: Write, text: str, problem: str) -> None:
    (found,) = problems_of(write(text, "a.up"))
    assert found.startswith(problem)


def test_mahimahi_takes_no_options(write: Write) -> None:
    assert problems_of(write("1\n", "a.up"), hold="next", time_unit_s=0.001) == [
        ": format mahimahi does not take time_unit_s; it takes no options",
        ": format mahimahi does not take hold; it takes no options",
    ]


# Two columns


@pytest.mark.parametrize(
    "text", ["0\t1\n2\t3\n6\t0.5\n", "0 1\n 2  3 \n6 0.5", "0,1\n2, 3\n6,0.5\n"]
)
def test_two_column_holds_a_value_until_the_next(write: Write, text: str) -> None:
    trace = read_trace(write(text), format="two-column")
    assert steps(trace) == [(0, 1e6), (2, 3e6), (6, 0.5e6)]
    assert trace.period_s == 6 + 3  # the median of 2 and 4


def test_two_column_held_next_never_uses_the_first_value(write: Write) -> None:
    trace = read_trace(write("10 1\n12 3\n16 0.5\n"), format="two-column", hold="next")
    assert steps(trace) == [(0, 3e6), (2, 0.5e6)]
    assert trace.period_s == 6
    assert trace.mean_bps == pytest.approx((2 * 3e6 + 4 * 0.5e6) / 6)


def test_two_column_units_and_shift(write: Write) -> None:
    trace = read_trace(
        write("15 3000\n515 1000\n"), format="two-column", time_unit_s=1e-3, rate_unit_bps=1e3
    )
    assert steps(trace) == [(0, 3e6), (0.5, 1e6)]
    assert trace.period_s == 1.0


def test_two_column_skips_comments_and_blank_lines(write: Write) -> None:
    trace = read_trace(write("# ours\n\n0 1\n  # more\n   \n1 2\n"), format="two-column")
    assert steps(trace) == [(0, 1e6), (1, 2e6)]
    assert problems_of(write("# ours\n\n0 1\n1 x\n"), format="two-column")[0].startswith(":4: ")


def test_of_equal_times_the_row_counts_that_has_an_interval(write: Write) -> None:
    path = write("0 1\n1 2\n1 3\n2 4\n2 5\n")
    previous = read_trace(path, format="two-column")
    assert steps(previous) == [(0, 1e6), (1, 3e6), (2, 5e6)]
    assert previous.period_s == 3
    assert steps(read_trace(path, format="two-column", hold="next")) == [(0, 2e6), (1, 4e6)]


def test_all_mistakes_of_a_two_column_file_are_named(write: Write) -> None:
    text = "time rate\n0 1\n1 -2\nx 3\n4 inf\n3 1\n5 nan\n5\n6 1 2\n- 4\n"
    remedy = "correct it, or give format csv if this is a header"
    assert problems_of(write(text), format="two-column") == [
        f":1: the rate 'rate' is not a finite number; {remedy}",
        f":1: the time 'time' is not a finite number; {remedy}",
        ":3: the rate -2 is negative; correct it",
        f":4: the time 'x' is not a finite number; {remedy}",
        f":5: the rate 'inf' is not a finite number; {remedy}",
        ":6: time goes back from 4 to 3; sort the rows by time",
        ":7: the rate is missing ('nan'); write 0 if the link was down, or delete the row to hold "
        "the rate before it; the options missing: zero and missing: skip do so for all",
        ":8: 1 value where a time and a rate are needed; correct it",
        ":9: 3 values where a time and a rate are needed; correct it",
        f":10: the time is missing ('-'); {remedy}",
    ]


def test_ten_mistakes_are_named_and_the_rest_counted(write: Write) -> None:
    found = problems_of(write("x 1\n" * 25), format="two-column")
    assert [problem.split()[0] for problem in found[:10]] == [f":{n}:" for n in range(1, 11)]
    assert found[10:] == [": ... and 15 more"]


@pytest.mark.parametrize("text", ["", "  \n\n"])
def test_an_empty_file(write: Write, text: str) -> None:
    assert problems_of(write(text), format="two-column") == [
        ": the file is empty; fetch or record it again"
    ]


@pytest.mark.parametrize("text", ["# nothing\n", "0 1\n", "3 1\n3 2\n3 4\n"])
@pytest.mark.parametrize("hold", ["previous", "next"])
def test_a_trace_needs_two_times(write: Write, text: str, hold: Any) -> None:
    (found,) = problems_of(write(text), format="two-column", hold=hold)
    assert found.startswith(": has fewer than two different times;")


@pytest.mark.parametrize(
    ("text", "hold"),
    [("0 0\n1 0\n", "previous"), ("0 5\n1 0\n", "next"), ("0 5\n0 0\n1 0\n", None)],
)
def test_a_trace_needs_some_capacity(write: Write, text: str, hold: Any) -> None:
    (found,) = problems_of(write(text), format="two-column", hold=hold)
    assert found.startswith(": every rate is zero")


@pytest.mark.parametrize("text", ["0 1e308\n1 1\n", "-1e308 1\n1e308 1\n"])
def test_numbers_that_overflow(write: Write, text: str) -> None:
    (found,) = problems_of(write(text), format="two-column", rate_unit_bps=1e6)
    assert found.startswith(": the numbers are too large")


def test_python_spellings_of_numbers_are_not_taken_for_dates(write: Write) -> None:
    (found,) = problems_of(write("20200213_130324 1\n20200213130325 2\n"), format="two-column")
    assert found.startswith(":1: the time '20200213_130324' is not a finite number")


# Csv with a header


def test_csv_by_default_reads_time_s_and_rate_bps(write: Write) -> None:
    trace = read_trace(
        write("# x\nrsrp,time_s, rate_bps\n-90,5,1e6\n-91,5.5,0\n-92,7,3e6\n", "a.csv")
    )
    assert steps(trace) == [(0, 1e6), (0.5, 0), (2, 3e6)]
    assert trace.period_s == 3


def test_csv_columns_units_and_hold(write: Write) -> None:
    path = write('t,"rate, Mbit/s"\n1000,8\n1500,"4"\n3500,2\n', "a.csv")
    how: dict[str, Any] = {"time": "t", "rate": "rate, Mbit/s", "time_unit_s": 1e-3}
    trace = read_trace(path, **how, rate_unit_bps=1e6)
    assert steps(trace) == [(0, 8e6), (0.5, 4e6), (2.5, 2e6)]
    assert steps(read_trace(path, **how, rate_unit_bps=1e6, hold="next")) == [(0, 4e6), (0.5, 2e6)]


def test_csv_of_a_rate_whose_unit_its_name_does_not_tell(write: Write) -> None:
    path = write("time_s,DL_bitrate\n0,1\n1,2\n", "a.csv")
    assert problems_of(path, rate="DL_bitrate") == [
        ": the unit of the column 'DL_bitrate' is not known; give rate_unit_bps"
    ]
    assert problems_of(write("time_s,r_mbps\n0,1\n1,2\n", "a.csv"), rate="r_mbps")
    assert read_trace(write("time_s,up_bps\n0,1\n1,2\n", "a.csv"), rate="up_bps").period_s == 2


@pytest.mark.parametrize(
    ("first", "second", "step_s"),
    [
        ("2020.02.13_13.03.24", "2020.02.13_13.03.26", 2.0),
        ("2020.02.28_23.59.59", "2020.03.01_00.00.01", 86402.0),
        ("Sat Aug 20 13:29:30 UTC 2022", "Sat Aug 20 13:30:00 UTC 2022", 30.0),
        ("Mon Aug  1 13:29:30 2022", "Tue Aug  2 13:29:30 2022", 86400.0),
        ("2022-08-20T13:29:30.123456789", "2022-08-20T13:29:30.123456790", 1e-9),
        ("2022-08-20 13:29:30.5", "2022-08-20 13:29:31", 0.5),
        ("2022-08-20T13:29:30Z", "2022-08-20T13:29:31.25Z", 1.25),
        ("2022-08-20T13:29:30+02:00", "2022-08-20T13:29:33+02:00", 3.0),
        ("2022-08-20 13:29:30 UTC", "2022-08-20 13:29:33 UTC", 3.0),
        ("1661002170.25", "1661002170.75", 0.5),
    ],
)
def test_spellings_of_time(write: Write, first: str, second: str, step_s: float) -> None:
    trace = read_trace(write(f"time_s,rate_bps\n{first},1\n{second},2\n", "a.csv"))
    assert steps(trace) == [(0, 1), (step_s, 2)]


def test_epoch_in_ms_keeps_its_digits(write: Write) -> None:
    path = write("ms,rate_bps\n1661002170123,1\n1661002170124,2\n", "a.csv")
    assert read_trace(path, time="ms", time_unit_s=1e-3).starts_s[1] == 0.001


def test_mistakes_in_dates(write: Write) -> None:
    text = """time_s,rate_bps
2022-02-28T10:00:00Z,1
2022-02-30T10:00:00Z,1
2022-03-01T10:00:00+01:00,1
7,1
,1
2022-02-01T10:00:00Z,1
Sat Foo 20 13:29:30 UTC 2022,1
"""
    assert problems_of(write(text, "a.csv"), time_unit_s=0.001) == [
        ": its times are dates; leave out time_unit_s",
        ":3: the time '2022-02-30T10:00:00Z' is not a date; correct it",
        ":4: the time zone changes with '2022-03-01T10:00:00+01:00'; write the same one throughout",
        ":5: the time '7' is not a date; correct it",
        ":6: the time '' is not a date; correct it",
        ":8: the time 'Sat Foo 20 13:29:30 UTC 2022' is not a date; correct it",
    ]
    (first,) = problems_of(write("time_s,rate_bps\n2022-13-01T10:00:00,1\n", "a.csv"))
    assert first == ":2: the time '2022-13-01T10:00:00' is not a date; correct it"


def test_a_first_time_in_no_known_form(write: Write) -> None:
    found = problems_of(write("time_s,rate_bps\n20 Aug 2022,1\nlater,2\n", "a.csv"))
    remedy = "is not a finite number; correct it; a date is written 2020-02-13T13:03:24.5"
    assert found == [f":2: the time '20 Aug 2022' {remedy}", f":3: the time 'later' {remedy}"]


def test_a_missing_column_lists_those_there_are(write: Write) -> None:
    assert problems_of(write("# x\nTime,a,a\n0,1,2\n", "a.csv"), rate="a", rate_unit_bps=1) == [
        ":2: 2 columns are called 'a'; name time and rate among Time, a, a",
        ":2: no columns are called 'time_s'; name time and rate among Time, a, a",
    ]


@pytest.mark.parametrize("missing", ["", "-", "None", "nan", "NaN", "null", "N/A"])
def test_a_missing_rate_is_a_mistake(write: Write, missing: str) -> None:
    (found,) = problems_of(write(f"time_s,rate_bps\n0,1\n1,{missing}\n2,3\n", "a.csv"))
    assert found == (
        f":3: the rate is missing ({missing!r}); write 0 if the link was down, or delete the row "
        "to hold the rate before it; the options missing: zero and missing: skip do so for all"
    )


def test_a_last_row_without_a_rate_ends_the_trace(write: Write) -> None:
    path = write("time_s,rate_bps\n0,1\n1,2\n2,3\n9,\n", "a.csv")
    assert read_trace(path).period_s == 9
    assert problems_of(path, hold="next")[0].startswith(":5: the rate is missing ('')")
    assert read_trace(write("time_s,rate_bps\n0,1\n5,\n", "a.csv")).period_s == 5
    assert problems_of(write("time_s,rate_bps\n0,1\n1,1\n0.5,\n", "a.csv")) == [
        ":4: time goes back from 1 to 0.5; sort the rows by time"
    ]


def test_rows_of_another_length(write: Write) -> None:
    found = problems_of(write("time_s,rate_bps\n0,1\n1\n2,3,4\n\n3,1\n", "a.csv"))
    assert found == [
        ":3: 1 value where the header has 2; correct it",
        ":4: 3 values where the header has 2; correct it",
    ]


@pytest.mark.parametrize("text", ["time_s,rate_bps\n", "# nothing\n"])
def test_csv_without_rows(write: Write, text: str) -> None:
    (found,) = problems_of(write(text, "a.csv"))
    assert found == ": a header and rows are needed; is it another format?"


def test_a_field_that_csv_cannot_read(write: Write) -> None:
    (found,) = problems_of(write(f"time_s,rate_bps\n0,1\n1,{'9' * 200_000}\n", "a.csv"))
    assert found.startswith(":3: field larger than field limit")


def test_csv_with_a_byte_order_mark(write: Write) -> None:
    path = write("\ufefftime_s,rate_bps\r\n0,1\r\n1,2\r\n", "a.csv")
    assert steps(read_trace(path)) == [(0, 1), (1, 2)]


# Any file


def test_a_format_is_never_guessed(write: Write) -> None:
    path = write("0 1\n1 2\n")
    assert problems_of(path) == [f": its name does not tell the format; give one of {FORMATS}"]
    assert problems_of(path, format="pensieve") == [
        f": there is no format 'pensieve'; give one of {FORMATS}"
    ]


@pytest.mark.parametrize("unit", [0, -1.0, float("nan"), float("inf"), "1"])
def test_units_are_positive(write: Write, unit: Any) -> None:
    found = problems_of(
        write("0 1\n1 2\n"), format="two-column", time_unit_s=unit, rate_unit_bps=unit, hold="last"
    )
    assert found == [
        f": time_unit_s is {unit!r}; it must be a finite number above 0",
        f": rate_unit_bps is {unit!r}; it must be a finite number above 0",
        ": hold is 'last'; it must be 'previous' or 'next'",
    ]


def test_columns_are_for_csv_only(write: Write) -> None:
    assert problems_of(write("0 1\n1 2\n"), format="two-column", time="t") == [
        ": format two-column does not take time; it takes time_unit_s, rate_unit_bps, hold, "
        "missing, repeats, max_hold_s"
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "none.up") == [": no such file; check the path"]
    assert problems_of(tmp_path) == [": is a folder; name a file in it"]
    (tmp_path / "file").write_text("x")
    assert problems_of(tmp_path / "file" / "a.up") == [
        ": cannot be read (Not a directory); check the file"
    ]


@pytest.mark.parametrize("data", [gzip.compress(b"1\n"), "time_s,rate_bps\n".encode("utf-16")])
def test_a_binary_file(write: Write, data: bytes) -> None:
    for name in ("a.up", "a.csv"):
        assert problems_of(write(data, name)) == [
            ": is not a text file; unpack it or save it as UTF-8 text"
        ]


def test_a_trace_cannot_be_changed(write: Write) -> None:
    for trace in (mahimahi(1, 3), read_trace(write("0 1\n1 2\n"), format="two-column")):
        with pytest.raises(ValueError, match="read-only"):
            trace.starts_s[0] = 1.0
        with pytest.raises(ValueError, match="read-only"):
            trace.rates_bps[0] = 1.0
        with pytest.raises(AttributeError):
            trace.period_s = 2.0  # type: ignore[misc]


# What a trace knows


def test_the_mean_is_over_time() -> None:
    trace = Trace(np.array([0.0, 1.0]), np.array([4.0, 1.0]), 4.0)
    assert trace.mean_bps == (4 + 3) / 4
    assert trace.durations_s.tolist() == [1.0, 3.0]


def test_bins_leave_out_what_is_not_whole() -> None:
    trace = Trace(np.array([0.0, 1.0]), np.array([4.0, 1.0]), 4.5)
    assert trace.binned_bps(2.0).tolist() == [2.5, 1.0]
    assert len(Trace(np.array([0.0]), np.array([1.0]), 0.3).binned_bps(0.1)) == 3


# Round trips

rates = st.floats(0, 1e12, allow_subnormal=False)


@given(
    st.lists(st.tuples(st.floats(1e-6, 1e6), rates), min_size=1, max_size=30).filter(
        lambda steps: any(rate > 0 for _, rate in steps)
    )
)
def test_a_written_trace_reads_the_same(tmp_path_factory: Any, steps: list[Any]) -> None:
    edges_s = np.append(0.0, np.cumsum([duration_s for duration_s, _ in steps]))
    trace = Trace(edges_s[:-1], np.array([rate for _, rate in steps]), float(edges_s[-1]))
    path = tmp_path_factory.getbasetemp() / "round.csv"
    write_csv(path, trace)
    again = read_trace(path)
    assert np.array_equal(again.starts_s, trace.starts_s)
    assert np.array_equal(again.rates_bps, trace.rates_bps)
    assert again.period_s == trace.period_s


def test_a_mahimahi_trace_survives_as_csv(tmp_path: Path) -> None:
    trace = mahimahi(3, 3, 5, 5, 90)
    write_csv(tmp_path / "a.csv", trace)
    again = read_trace(tmp_path / "a.csv")
    assert steps(again) == steps(trace)
    assert again.period_s == trace.period_s


# Speed


def test_a_long_mahimahi_file_is_read_quickly(write: Write) -> None:
    times_ms = np.sort(np.random.default_rng(1).integers(0, 10**6, 70_000))
    path = write("\n".join(map(str, times_ms.tolist())), "a.up")
    took_s = []
    for _ in range(3):
        start_s = time.process_time()
        read_trace(path)
        took_s.append(time.process_time() - start_s)
    assert min(took_s) < 0.15


# The trace that we ship


def test_the_synthetic_trace_is_what_its_script_makes() -> None:
    script = subprocess.run(
        [sys.executable, ROOT / "analysis" / "synthetic_lte.py", "--check"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert script.returncode == 0, script.stdout + script.stderr


def test_the_synthetic_trace_is_as_its_readme_says() -> None:
    folder = ROOT / "traces" / "channels"
    path = folder / "synthetic-lte-uplink.up"
    trace = read_trace(path)
    seconds = trace.binned_bps(1.0) / 1e6
    readme = (folder / "README.md").read_text(encoding="utf-8")
    figures = (
        f"| {seconds.mean():.3f} Mbit/s | {seconds.std():.3f} Mbit/s | {seconds.min():g} / "
        f"{seconds.max():.3f} Mbit/s | {100 * np.mean(seconds == 0):.2f} % (2 of 300) | 300 s |"
    )
    assert figures in readme
    assert trace.mean_bps == pytest.approx(5.85e6, rel=1e-9)
    assert trace.period_s == 300.0
    assert path.stat().st_size < 1.5e6
    gaps_s = np.sort(trace.durations_s[trace.rates_bps == 0])
    assert 3.0 < gaps_s[-1] < 3.3
    assert 0.08 < gaps_s[-2] < 0.5


@pytest.mark.parametrize("number", range(4))
def test_the_traces_of_a_bus_are_what_the_command_makes(number: int) -> None:
    folder = ROOT / "traces" / "channels"
    path = folder / f"synthetic-bus-lte-{number}.csv"
    shipped = read_trace(path)
    world = load_scenario(folder / "bus.yaml")
    assert hashlib.sha256((folder / "bus.yaml").read_bytes()).hexdigest() in path.read_text()
    made = synthetic_trace(world, f"bus-{number}", "uplink", seed=number, step_s=0.2)
    np.testing.assert_allclose(shipped.binned_bps(0.2), made.binned_bps(0.2), rtol=1e-9)
    rates = shipped.binned_bps(1.0) / 1e6
    figures = (
        f"| {rates.mean():.3f} Mbit/s | {rates.std():.3f} Mbit/s | {rates.min():.3f} / "
        f"{rates.max():.3f} Mbit/s | none | 300 s |"
    )
    assert any(
        f"`{path.name}`" in line and figures in line
        for line in (folder / "README.md").read_text(encoding="utf-8").splitlines()
    )


# Measured traces. The README's Mahimahi figures count a time t in the second floor(t); ours ends
# at t, so that a packet at a full second is counted in the second before: they differ by < 1 %.


@measured
@pytest.mark.parametrize(
    ("name", "mean", "std", "low", "high", "length_s", "zero"),
    [
        ("Verizon-LTE-short.up", 5.946, 3.101, 0, 12.948, 140, 0.0071),
        ("Verizon-LTE-short.down", 5.027, 3.194, 0.288, 16.776, 140, 0),
        ("ATT-LTE-driving-2016.up", 1.910, 1.687, 0, 12.768, 120, 0.0333),
        ("ATT-LTE-driving-2016.down", 4.560, 3.882, 0.228, 27.552, 120, 0),
        ("ATT-LTE-driving.up", 0.834, 0.406, 0, 1.296, 1012.5, 0.0929),
    ],
)
def test_measured_mahimahi(
    name: str, mean: float, std: float, low: float, high: float, length_s: float, zero: float
) -> None:
    path = MEASURED / "mahimahi" / name
    trace = read_trace(path)
    seconds = trace.binned_bps(1.0) / 1e6
    assert seconds.mean() == pytest.approx(mean, rel=1e-3)
    assert seconds.std() == pytest.approx(std, rel=5e-3)
    assert seconds.min() == pytest.approx(low, abs=1e-9)
    assert seconds.max() == pytest.approx(high, rel=1e-2)
    assert np.mean(seconds == 0) == pytest.approx(zero, abs=5e-5)
    assert trace.period_s == pytest.approx(length_s, abs=0.05)
    packets = path.read_bytes().count(b"\n")
    assert trace.mean_bps * trace.period_s == pytest.approx(packets * 12_000, rel=1e-12)


@measured
def test_the_measured_outage_is_one_step() -> None:
    trace = read_trace(MEASURED / "mahimahi" / "ATT-LTE-driving.up")
    longest = np.argmax(trace.durations_s)
    assert trace.rates_bps[longest] == 0
    assert trace.durations_s[longest] == pytest.approx(78.318, abs=1e-6)
    assert trace.starts_s[longest] == 787.595


TWO_COLUMN = {
    "norway-3g/norway_bus_1": {},
    "oboe/trace_0.txt": {"time_unit_s": 1e-3, "rate_unit_bps": 1e3},
}


@measured
@pytest.mark.parametrize(
    ("name", "row_mean", "row_std", "span_s", "replayed"),
    [
        ("norway-3g/norway_bus_1", 3.337, 0.885, 154.8, 2.95),
        ("oboe/trace_0.txt", 2.984, 0.803, 176, 2.63),
    ],
)
def test_measured_two_column(
    name: str, row_mean: float, row_std: float, span_s: float, replayed: float
) -> None:
    trace = read_trace(MEASURED / name, format="two-column", **TWO_COLUMN[name])  # type: ignore[arg-type]
    assert trace.rates_bps.mean() / 1e6 == pytest.approx(row_mean, abs=5e-4)
    assert trace.rates_bps.std() / 1e6 == pytest.approx(row_std, abs=5e-4)
    assert trace.starts_s[-1] == pytest.approx(span_s, abs=0.1)
    # The README's replay: a value holds until the next row, and the last row has no duration.
    weighted = np.average(trace.rates_bps[:-1], weights=np.diff(trace.starts_s)) / 1e6
    assert round(float(weighted), 2) == replayed
    # Ours gives the last row the median step.
    assert trace.mean_bps / 1e6 == pytest.approx(replayed, abs=0.006)


@measured
@pytest.mark.parametrize(
    ("name", "replayed"), [("norway-3g/norway_bus_1", 2.912), ("oboe/trace_0.txt", 2.635)]
)
def test_measured_two_column_as_pensieve_replays_it(name: str, replayed: float) -> None:
    how: Any = TWO_COLUMN[name]
    trace = read_trace(MEASURED / name, format="two-column", hold="next", **how)
    assert trace.mean_bps / 1e6 == pytest.approx(replayed, abs=5e-4)
    times, values = np.loadtxt(MEASURED / name).T
    held = np.diff(times) @ values[1:] * how.get("rate_unit_bps", 1e6) / (times[-1] - times[0])
    assert trace.mean_bps == pytest.approx(held, rel=1e-12)


@measured
def test_measured_lumos() -> None:
    trace = read_trace(MEASURED / "lumos5g" / "5g_trace_1_driving", format="two-column")
    rates = trace.rates_bps / 1e6
    assert (rates.min(), rates.max()) == (0, 969)
    assert rates.mean() == pytest.approx(305.6, abs=0.05)
    assert rates.std() == pytest.approx(277.1, abs=0.05)
    assert trace.starts_s[-1] == 229
    assert trace.period_s == 230


@measured
def test_every_measured_wifi_trace_can_be_read() -> None:
    paths = sorted((MEASURED / "solis-wifi").glob("wifi_*.txt"))
    assert len(paths) == 8
    for path in paths:
        trace = read_trace(path, format="two-column")
        assert (len(trace.starts_s), trace.period_s) == (200, 200.0)


@measured
@pytest.mark.parametrize(
    ("name", "columns", "unit_bps", "mean", "std", "low", "high", "rows", "span_s", "period_s"),
    [
        # Stamps repeat within a second: the README's figures, too, keep the last of them.
        (
            "ucc-5g/download_driving_B_2020.01.16_12.10.03.csv",
            ("Timestamp", "DL_bitrate"),
            *(1e3, 130.3, 103.3, 0, 371.8, 340, 386, 387),
        ),
        (
            "mtu-uplink/sync_DataLTE.csv",
            ("Time", "RATE(MBit/s)"),
            *(1e6, 28.609, 11.899, 5.666, 48.593, 709, 2132, 2135),
        ),
        (
            "5gophers/walking-trace.csv",
            ("seq_num", "throughput_mbps"),
            *(1e6, 332.9, 271.5, 0, 954, 603, 602, 603),
        ),
    ],
)
def test_measured_csv(
    name: str,
    columns: tuple[str, str],
    unit_bps: float,
    mean: float,
    std: float,
    low: float,
    high: float,
    rows: int,
    span_s: float,
    period_s: float,
) -> None:
    time_column, rate_column = columns
    trace = read_trace(MEASURED / name, time=time_column, rate=rate_column, rate_unit_bps=unit_bps)
    values = trace.rates_bps / 1e6
    assert len(values) == rows
    assert values.mean() == pytest.approx(mean, abs=0.05)
    assert values.std() == pytest.approx(std, abs=0.05)
    assert values.min() == pytest.approx(low, abs=5e-4)
    assert values.max() == pytest.approx(high, abs=0.05)
    assert trace.starts_s[-1] == span_s
    assert trace.period_s == period_s


@measured
def test_missing_values_of_a_measured_file_are_named() -> None:
    path = MEASURED / "ucc-5g" / "download_driving_B_2020.01.16_12.10.03.csv"
    found = problems_of(path, time="Timestamp", rate="PINGAVG", rate_unit_bps=1.0)
    assert found[0].startswith(":2: the rate is missing ('-')")
    assert len(found) == 11
