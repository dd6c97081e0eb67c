"""The trace commands: what they tell, draw, convert and make."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from building import build

from splitsim import BadInput, load_scenario
from splitsim.cli import main
from splitsim.report.look import lines
from splitsim.report.traces import POINTS, QUANTILES, statistics_cells, trace_figures
from splitsim.simulation import channel
from splitsim.synthetic import device_in, group_of, synthetic_trace
from splitsim.world.traces import (
    PACKET_BITS,
    Trace,
    read_recording,
    read_trace,
    trace_statistics,
)

ROOT = Path(__file__).parent.parent
QUICKSTART = ROOT / "scenarios" / "quickstart.yaml"
SYNTHETIC = ROOT / "traces" / "channels" / "synthetic-lte-uplink.up"


@pytest.fixture
def trace(tmp_path, capsys, monkeypatch):
    """``trace(...)``: exit code, standard output, lines of standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPLITSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SPLITSIM_TRACES", raising=False)

    def trace(*arguments: str):
        monkeypatch.setattr(sys, "argv", ["splitsim", "trace", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        return left.value.code, out, err.splitlines()

    return trace


def write(name: str, *rows: str) -> str:
    Path(name).write_text("".join(f"{row}\n" for row in rows))
    return name


def small(name: str = "a.csv") -> str:
    return write(name, "time_s,rate_bps", "0,1e6", "1,3e6", "2,0", "4,2e6", "5,")


def both(name: str = "both.csv") -> str:
    head = "time_s,uplink_bps,downlink_bps,rtt_s"
    return write(name, head, "0,1e6,8e6,0.05", "1,2e6,9e6,", "2,,,")


# --- Usage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_the_commands(trace, arguments):
    code, out, err = trace(*arguments)
    assert (code, err) == (0, [])
    for command in ("info", "plot", "convert", "generate", "fetch", "record", "serve"):
        assert re.search(rf"\b{command}\b", out)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("info", ("--format", "--time", "--rate", "--time-unit-s", "--hold", "--bin-s")),
        ("plot", ("--out", "--rate-unit-bps", "--way")),
        ("convert", ("--out", "--no-header", "--missing")),
        ("generate", ("--cell", "--device", "--way", "--seed", "--duration-s", "--step-s")),
        ("fetch", ("--mirror", "--dry-run")),
        ("record", ("--interval-s", "--limit-bps", "--max-bytes", "--secret-file")),
        ("serve", ("--listen", "--max-duration-s", "--once")),
    ],
)
def test_help_names_the_options(trace, command, options):
    code, out, _ = trace(command, "--help")
    assert code == 0
    assert all(option in out for option in options)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["record", "--help"], ["fetch"], ["info", str(SYNTHETIC)]]
)
def test_a_light_command_loads_nothing_heavy(arguments):
    heavy = ("torch", "pandas", "plotly", "scipy", "pyarrow")
    code = (
        "import sys; sys.argv = ['splitsim', 'trace', *sys.argv[1:]]\n"
        "from splitsim.cli import main\n"
        "try:\n    main()\nfinally:\n"
        f"    print('loaded:', [n for n in {heavy} if n in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "loaded: []" in done.stderr


def test_the_trace_commands_cost_nothing_at_start_up():
    code = (
        "import sys, splitsim.cli\n"
        "late = ('http.client', 'urllib.request', 'jinja2', 'splitsim.measure',\n"
        "        'splitsim.report', 'splitsim.synthetic', 'splitsim.world')\n"
        "print([name for name in late if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- info ------------------------------------------------------------------------------------


def cells_of(out: str, name: str) -> list[str]:
    (line,) = (line for line in out.splitlines() if line.startswith(f"{name} "))
    return line.removeprefix(name).split()


def test_info_tells_the_statistics(trace):
    code, out, err = trace("info", small())
    assert (code, err) == (0, [])
    # Bins of 1, 3, 0, 0, 2 Mbit/s.
    assert cells_of(out, "a.csv") == [
        *("5.0", "1.200", "1.166", "0.000", "1.000", "2.800", "0.000", "3.000"),
        *("40.00", "1", "2.0"),
        f"{_lag1([1, 3, 0, 0, 2]):.3f}",
    ]
    for heading in ("length", "mean", "std", "5 %", "median", "95 %", "zero", "outages", "lag 1"):
        assert heading in out


def _lag1(bins: list[float]) -> float:
    around = np.array(bins) - np.mean(bins)
    return float(around[1:] @ around[:-1] / (around @ around))


def test_info_of_several_files_and_bins(trace):
    _, out, _ = trace("info", small(), str(SYNTHETIC), "--bin-s", "2")
    expected = statistics_cells(trace_statistics(read_trace(SYNTHETIC), 2.0))
    assert cells_of(out, str(SYNTHETIC)) == expected
    assert cells_of(out, "a.csv")[7] == "2.000"  # of bins of 2 s


def test_info_of_a_file_that_holds_both_directions(trace):
    _, out, _ = trace("info", both())
    assert cells_of(out, "both.csv uplink")[1] == "1.500"
    assert cells_of(out, "both.csv downlink")[1] == "8.500"
    _, out, _ = trace("info", "both.csv", "--way", "downlink")
    assert cells_of(out, "both.csv")[1] == "8.500"


@pytest.mark.parametrize(
    ("rows", "options", "mean"),
    [
        (("t,mbps", "0,1", "1000,3"), ("--time", "t", "--rate", "mbps", "--time-unit-s", "1e-3",
                                        "--rate-unit-bps", "1e6"), "2.000"),
        (("0 1", "1 3", "2 5"), ("--format", "two-column", "--rate-unit-bps", "1e6"), "3.000"),
        (("0 1", "1 3", "2 5"), ("--format", "two-column", "--rate-unit-bps", "1e6", "--hold",
                                 "next"), "4.000"),
        (("0,x,1e6", "1,x,3e6"), ("--no-header", "--time", "1", "--rate", "3",
                                  "--rate-unit-bps", "1"), "2.000"),
        (("time_s,rate_bps", "0,1e6", "1,-", "2,2e6"), ("--missing", "zero"), "1.000"),
    ],
)  # fmt: skip
def test_the_read_options(trace, rows, options, mean):
    code, out, err = trace("info", write("x.csv", *rows), *options)
    assert (code, err) == (0, [])
    assert cells_of(out, "x.csv")[1] == mean


def test_what_is_odd_is_told(trace):
    code, _, (line,) = trace("info", write("x.csv", "time_s,rate_bps", "0,1", "1,3"))
    assert code == 0
    assert line.startswith("warning: x.csv: the mean rate is 2 bit/s")


def test_the_mistakes_of_all_files_are_told_at_once(trace):
    write("bad.csv", "time_s,rate_bps", "0,1e6", "1,x", "2,y")
    code, out, err = trace("info", "bad.csv", "none.csv", "none.txt", small())
    assert (code, out, len(err)) == (2, "", 4)
    assert [line.split(": ")[0] for line in err] == [
        *("bad.csv:3", "bad.csv:4", "none.csv", "none.txt")
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("info", "a.csv", "--bin-s", "0"), "--bin-s: must be above 0, not 0"),
        (("info", "a.csv", "--way", "up"), "--way: must be uplink or downlink, not 'up'"),
        (("info", "a.csv", "--hold", "x"), "hold is 'x'; it must be 'previous' or 'next'"),
        (("info", "a.csv", "--format", "x"), "there is no format 'x'; give one of mahimahi"),
        (("info",), "Missing argument 'FILE...'"),
        (("plot", "a.csv", "--out", "a.png"), "--out: a.png must end in .html"),
        (("convert", "a.csv", "--out", "a.txt"), "--out: a.txt must end in one of .csv, .up, .do"),
        (("convert", "a.csv", "--out", "./a.csv"), "is what is converted; give another name"),
        (("info", "oboe/trace_0.txt"), "is not here; get it with: splitsim trace fetch oboe"),
        (("info", "trace_0.txt"), "is not here; get it with: splitsim trace fetch oboe"),
    ],
)
def test_mistakes(trace, arguments, expected):
    small()
    before = Path("a.csv").read_bytes()
    code, out, (line,) = trace(*arguments)
    assert (code, out) == (2, "")
    assert expected in line
    assert Path("a.csv").read_bytes() == before


# --- plot ------------------------------------------------------------------------------------


def figures_of(page: str):
    found = re.search(
        r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL
    )
    assert found is not None
    return json.loads(found[1])


def test_a_page_of_traces(trace):
    code, out, err = trace("plot", small(), both(), "--out", "p.html")
    assert (code, out, err) == (0, "p.html\n", [])
    page = Path("p.html").read_text(encoding="utf-8")
    assert page.count("* plotly.js v") == 1
    assert not re.search(
        r'(src|href)="(?!#)', re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    )
    figures = figures_of(page)
    names = ["a.csv", "both.csv uplink", "both.csv downlink"]
    for key in ("rate", "shares"):
        assert [line["meta"] for line in figures[key]["data"]] == names
        assert len({line["line"]["color"] for line in figures[key]["data"]}) == 3
    rate, shares = figures["rate"]["data"][0], figures["shares"]["data"][0]
    assert rate["x"] == [0, 1, 2, 3, 4, 5]
    assert rate["y"] == [1, 3, 0, 0, 2, 2]  # Mbit/s; the last bin is drawn to its end
    assert shares["x"] == [0, 0, 0, 1, 2, 3]
    assert shares["y"] == [0, 0.2, 0.4, 0.6, 0.8, 1.0]


def test_a_name_is_text_and_no_markup(trace):
    _, _, err = trace("plot", small("<b>&.csv"), "--out", "p.html")
    assert err == []
    page = Path("p.html").read_text(encoding="utf-8")
    assert "<b>&.csv" not in page
    assert "&lt;b&gt;&amp;.csv" in page
    assert figures_of(page)["rate"]["data"][0]["meta"] == "<b>&.csv"


def long_trace(count: int) -> Trace:
    rates = np.random.default_rng(1).exponential(2e6, count)
    return Trace(np.arange(count) * 0.1, rates, count * 0.1)


def test_a_long_trace_is_drawn_by_points_that_keep_its_bits():
    long = long_trace(10 * POINTS + 7)
    figures = trace_figures({"long": long}, lines(["long"]), 0.1)
    (line,) = figures["rate"]["data"]
    assert len(line["y"]) <= POINTS + 1
    width_s = line["x"][1]
    drawn = sum(line["y"][:-1]) * width_s * 1e6
    whole_s = width_s * (len(line["y"]) - 1)
    assert drawn == pytest.approx(long.bits(np.array([whole_s]))[0], rel=1e-5)
    (share,) = figures["shares"]["data"]
    assert len(share["y"]) == QUANTILES + 1
    assert share["y"][-1] == 1.0
    expected = np.quantile(long.rates_bps / 1e6, 0.9, method="inverted_cdf")
    assert np.interp(0.9, share["y"], share["x"]) == pytest.approx(expected, rel=0.01)


def test_a_trace_shorter_than_a_bin_is_drawn():
    short = Trace(np.array([0.0]), np.array([5e3]), 0.25)
    figures = trace_figures({"s": short}, lines(["s"]), 1.0)
    assert figures["rate"]["data"][0]["x"] == [0, 0.25]
    assert figures["rate"]["data"][0]["y"] == [5, 5]  # kbit/s


def test_a_browser_draws_the_page(trace, tmp_path):
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium on PATH: apt-get install chromium")
    trace("plot", small(), str(SYNTHETIC), "--out", "p.html")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--dump-dom")
    done = subprocess.run(
        [
            *(browser, *flags, "--virtual-time-budget=10000"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}"),
            (tmp_path / "p.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.count('class="main-svg"') >= 2
    assert done.stdout.count("js-plotly-plot") >= 2


# --- convert ---------------------------------------------------------------------------------


def test_a_converted_csv_is_the_same_trace_and_says_where_it_comes_from(trace):
    how = ("--format", "two-column", "--rate-unit-bps", "1e6")
    write("x.txt", "0 1", "1 3", "2 5")
    assert trace("convert", "x.txt", "--out", "y.csv", *how) == (0, "y.csv\n", [])
    first = Path("y.csv").read_text().splitlines()[0]
    assert re.match(r"# Converted from x\.txt \(sha256 [0-9a-f]{64}\), read with \{'format'", first)
    before = read_trace("x.txt", format="two-column", rate_unit_bps=1e6)
    after = read_trace("y.csv")
    assert np.array_equal(before.starts_s, after.starts_s)
    assert np.array_equal(before.rates_bps, after.rates_bps)
    assert before.period_s == after.period_s


def test_a_csv_keeps_all_that_was_recorded(trace):
    trace("convert", both(), "--out", "all.csv")
    assert set(read_recording("all.csv").series) == {"uplink_bps", "downlink_bps", "rtt_s"}
    trace("convert", "both.csv", "--out", "one.csv", "--way", "downlink")
    assert set(read_recording("one.csv").series) == {"downlink_bps"}


def test_mahimahi_gets_the_direction_that_its_name_says(trace):
    both()
    for suffix, bits in (("up", 3e6), ("down", 17e6)):
        code, out, err = trace("convert", "both.csv", "--out", f"m.{suffix}")
        assert (code, out, err) == (0, f"m.{suffix}\n", [])
        packets = len(Path(f"m.{suffix}").read_text().splitlines())
        assert abs(packets * PACKET_BITS - bits) <= PACKET_BITS


# --- generate --------------------------------------------------------------------------------


def test_a_generated_trace_carries_what_the_channel_does(trace):
    how = ("--device", "nano-1", "--seed", "3", "--duration-s", "20.25", "--step-s", "0.1")
    code, out, err = trace("generate", str(QUICKSTART), "--out", "f.csv", *how)
    assert (code, out, err) == (0, "f.csv\n", [])
    made = read_trace("f.csv")
    spec = load_scenario(QUICKSTART).points[0]
    steps = channel(spec, group_of(spec, "nano-1"), "nano-1", 3, "uplink")
    assert made.way == "uplink"
    assert made.period_s == 20.25
    assert len(made.starts_s) == 203
    for n in (0, 1, 57, 202):
        from_s, to_s = made.starts_s[n], np.append(made.starts_s, 20.25)[n + 1]
        assert made.rates_bps[n] == pytest.approx(steps.mean(from_s, to_s), rel=1e-9)
    assert made.mean_bps * 20.25 == pytest.approx(steps.area(20.25), rel=1e-9)


def test_its_head_says_how_it_was_made(trace):
    short = ("--duration-s", "2", "--set", "cells.lte.uplink.fading.doppler_hz=7")
    trace("generate", str(QUICKSTART), "--out", "f.csv", "--cell", "lte", *short)
    head = [line for line in Path("f.csv").read_text().splitlines() if line.startswith("#")]
    assert head[0] == "# Synthetic: made by a scenario's channel, measured by nobody."
    assert re.search(r"quickstart\.yaml, sha256 [0-9a-f]{64}", head[1])
    assert head[2] == "# Changed: cells.lte.uplink.fading.doppler_hz=7."
    assert "uplink of nano-0 in the cell lte, alone in it, seed 0" in head[3]
    assert "'doppler_hz': 7" in head[3]
    assert "splitsim 0." in head[4]


def test_it_is_the_same_every_time_and_another_with_another_seed(trace):
    made = []
    for name, seed in (("a.csv", "0"), ("b.csv", "0"), ("c.csv", "1")):
        trace("generate", str(QUICKSTART), "--out", name, "--duration-s", "2", "--seed", seed)
        made.append(read_trace(name).rates_bps.tolist())
    assert made[0] == made[1] != made[2]


def test_a_trace_of_a_trace_says_so(trace):
    path = ROOT / "scenarios" / "replay-lte.yaml"
    trace("generate", str(path), "--out", "f.csv", "--duration-s", "30", "--step-s", "1")
    head = Path("f.csv").read_text().splitlines()[0]
    assert head == "# Made from the trace synthetic-lte-uplink.up by a scenario's channel."
    expected = read_trace(SYNTHETIC).binned_bps(1.0)[:30]
    assert read_trace("f.csv").rates_bps == pytest.approx(expected, rel=1e-9)


def test_the_point_of_a_sweep(tmp_path):
    rates = [1e6, 2e6]
    scenario = {"sweep": {"cells.cell.uplink.rate_bps": rates}}
    loaded = build(tmp_path, scenario=scenario)
    for point, rate_bps in enumerate(rates):
        made = synthetic_trace(loaded, "device-0", "uplink", point=point, duration_s=1.0)
        assert made.rates_bps == pytest.approx([rate_bps] * 10)


def test_progress_is_told():
    told: list[float] = []
    scenario = load_scenario(QUICKSTART)
    how = {"duration_s": 30.0, "step_s": 0.01, "progress": told.append}
    synthetic_trace(scenario, "nano-0", "uplink", **how)
    assert told == sorted(told)
    assert len(told) == 4


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--device", "nano-4"), "--device: there is no device 'nano-4'; there are nano-0 to nan"),
        (("--device", "nano-00"), "--device: there is no device 'nano-00'"),
        (("--device", "nano"), "--device: there is no device 'nano'"),
        (("--cell", "wifi"), "--cell: there is no cell 'wifi'; there are lte"),
        (("--way", "up"), "--way: must be uplink or downlink, not 'up'"),
        (("--seed", "-1"), "--seed: must be 0 or more, not -1"),
        (("--point", "3"), "--point: must be from 0 to 0, the points of the sweep, not 3"),
        (("--duration-s", "inf"), "--duration-s: must be above 0, not inf"),
        (("--step-s", "1e-6"), "--step-s: 1e-06 s makes more than 10,000,000 steps; give a long"),
        (("--out", "f.up"), "--out: f.up must end in .csv: it holds how it was made; convert"),
    ],
)
def test_what_cannot_be_made(trace, arguments, expected):
    code, out, err = trace("generate", str(QUICKSTART), "--out", "f.csv", *arguments)
    assert (code, out) == (2, "")
    assert err[0].startswith(expected)
    assert not Path("f.csv").exists()


def test_a_device_is_in_one_cell(tmp_path):
    cell = {"radio": "silent", "uplink": {"kind": "constant", "rate_bps": 0.0}}
    down = {"downlink": {"kind": "constant", "rate_bps": 1e6}}
    loaded = build(tmp_path, scenario={"cells": {"other": {**cell, **down}}})
    spec = loaded.points[0]
    assert device_in(spec, None, None) == device_in(spec, "cell", None) == "device-0"
    with pytest.raises(BadInput, match="no device is in the cell 'other'"):
        device_in(spec, "other", None)
    with pytest.raises(BadInput, match="device-0 is in the cell 'cell', not in 'other'"):
        device_in(spec, "other", "device-0")


def test_a_rate_of_zero_throughout_is_no_trace(tmp_path):
    dead = {"cells": {"cell": {"uplink": {"kind": "constant", "rate_bps": 0.0}}}}
    loaded = build(tmp_path, scenario=dead)
    with pytest.raises(BadInput, match="its uplink has a rate of zero for all of 300 s"):
        synthetic_trace(loaded, "device-0", "uplink")
    assert math.isclose(
        synthetic_trace(loaded, "device-0", "downlink", duration_s=1.0).mean_bps, 1e15
    )
