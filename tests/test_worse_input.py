"""What a tired user is told of channels, cells, servers and changes: found by writing mistakes."""

from __future__ import annotations

import pytest
from building import build
from rich.console import Console
from test_bad_input import (  # noqa: F401 - fixtures
    GOOD,
    UPLINK,
    complaints,
    edited,
    matches,
    told,
)
from test_trace_cli import trace, write  # noqa: F401 - fixtures

from splitsim import run
from splitsim.cli.fit import fitting
from splitsim.cli.table import SPARE, summary_table
from splitsim.notes import notes, shown

CROWD = "sharing: {kind: airtime}\n    background: {kind: poisson, rate_hz: 1, transfer_bytes: 1e5"
PLACES = """\
    geometry:
      carrier_hz: 3.5e9
      sites: [{position_m: %s}]
      path_loss: {kind: %s}
"""
FAR = "{kind: awgn, bandwidth_hz: 10e6, snr: {kind: geometry, power_dbm: 23, noise_figure_db: 5}, "
FAR += "rate: {kind: shannon}}"
FADES = "{kind: fading, bandwidth_hz: 10e6, snr: {kind: constant, mean_db: 9}, "
FADES += "fading: {kind: rayleigh}, rate: {kind: shannon}}"
BATCHES = "{batch: [1, 2], relative: [1, 1.5]}"


def in_cell(text: str) -> str:
    return edited(("radio: lte\n", f"radio: lte\n    {text}\n"))


def in_server(text: str) -> str:
    return edited(("hardware: server-gpu\n", f"hardware: server-gpu\n    {text}\n"))


def replayed(keys: str) -> str:
    return edited((UPLINK, f"    uplink: {{kind: trace, {keys}}}\n"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            in_cell(f"{CROWD}, channel: {FAR}}}"),
            "cells.lte.background.channel: background devices are at no place from which an SNR",
        ),
        (
            in_cell(f"{CROWD}, channel: {FADES}}}"),
            "cells.lte.background.channel: background devices have no speed; give a channel whose",
        ),
        (in_cell("setup_s: 5ms"), "setup_s: must be a number, or a mapping of uplink and downlink"),
        (
            in_cell("sharing: {kind: wifi, cw_max: 1000}"),
            "sharing: cw_max 1,000: doubling from cw_min (15) comes to 1,023; make it that",
        ),
        (in_cell("sharing: {kind: WiFi}"), "there is no kind 'WiFi' (did you mean 'wifi'?)"),
        (
            edited(("radio: lte\n", "radio: lte\n" + PLACES % ("[0, 12, 10]", "umi"))),
            "sites.0.position_m: must have 2 members at most, not 3",
        ),
        (
            edited(("radio: lte\n", "radio: lte\n" + PLACES % ("12", "umi"))),
            "sites.0.position_m: must be a list, not 12",
        ),
        (
            edited(("radio: lte\n", "radio: lte\n" + PLACES % ("[0, 12]", "UMi"))),
            "there is no kind 'UMi' (did you mean 'umi'?)",
        ),
        (
            edited(("work_s: 0.02}", "work_s: 0.02, service: {kind: recorded}}")),
            "background.service.kind: there is no kind 'recorded'; there are constant, lognormal",
        ),
        (
            in_server(
                f"discipline: {{kind: batching, largest: 2, table: {BATCHES}, "
                f"tables: {{resnet52: {BATCHES}}}}}"
            ),
            "discipline.tables.resnet52: is none of the models; there are resnet152, resnet152-b",
        ),
        (
            in_server("outages: [{from_s: 5, to_s: 9}, {from_s: 8, to_s: 12}]"),
            "is over (9 s); list them in order, or make them one",
        ),
        (
            edited(("cut: bottleneck}", "cut: bottleneck, server: least-loaded}")),
            "no server 'least-loaded' for 'resnet152-bottlefit12'; there are edge, nearest, least_",
        ),
    ],
)
def test_cells_and_servers(complaints, text, expected):  # noqa: F811
    (line,) = complaints(text)
    assert expected in line


def test_who_is_nowhere_has_neither_an_snr_nor_a_speed(told, tmp_path):  # noqa: F811
    """A crowd on the cell's own channel, which follows from where devices walk."""
    walk = "mobility: {kind: waypoints, start_m: [20, 0], legs: [{to_m: [90, 0], speed_mps: 1}]}"
    uplink = FAR.replace("awgn", "fading").replace("}, rate", "}, fading: {kind: rayleigh}, rate")
    text = edited(
        ("    cell: lte\n", f"    cell: lte\n    {walk}\n"),
        ("radio: lte\n", "radio: lte\n" + PLACES % ("[0, 12]", "umi") + f"    {CROWD}}}\n"),
        (UPLINK, f"    uplink: {uplink}\n"),
        ("warmup_s: 1\n", ""),
    )
    code, lines = told(text)
    assert code == 2
    matches(
        lines,
        "cells.lte.background: background devices are at no place",
        "cells.lte.background: background devices have no speed",
    )
    own = "channel: {kind: constant, rate_bps: 5e6}"
    assert told(text.replace("transfer_bytes: 1e5}", f"transfer_bytes: 1e5, {own}}}")) == (0, [])


@pytest.mark.parametrize(
    ("keys", "rows", "expected"),
    [
        (
            "file: t.csv, resample_s: 1e-9",
            "time_s,rate_bps\n0,5e6\n1,4e6\n",
            ["resample_s 1e-09 cuts the 2 s of t.csv into more than 10,000,000 pieces"],
        ),
        (
            "file: mahimahi/Verizon-LTE-short.up",
            "",
            ["is not here; get it with: splitsim trace fetch mahimahi"],
        ),
        (
            "file: synthetic-bus-lte-9.csv",
            "",
            ["no such file (did you mean 'synthetic-bus-lte-3.csv'?)"],
        ),
        (
            "file: t.csv, rate: 'rate_bps', time: 'time_s'",
            "time_s;rate_bps\n0;5e6\n1;4e6\n",
            ["separate values by commas, not as in 'time_s;rate_bps'"] * 2,
        ),
        (
            "file: t.csv",
            "0,5e6\n1,4e6\n",
            ["is the first line, 0, 5e6, a row (header: false)?"] * 2,
        ),
    ],
)
def test_recordings(told, monkeypatch, tmp_path, keys, rows, expected):  # noqa: F811
    monkeypatch.setenv("SPLITSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SPLITSIM_TRACES", raising=False)
    (tmp_path / "t.csv").write_text(rows)
    code, lines = told(replayed(keys))
    assert code == 2
    matches(lines, *expected)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (("bandwidth_hz: 10e6", "bandwidth_hz: 10"), "bandwidth_hz: 10 Hz is what few radios have"),
        (("rate_bps: 20e6", "rate_bps: 20"), "rate_bps: 20 bit/s is what few links have; is the"),
    ],
)
def test_megas_that_were_forgotten_are_warned_of(told, edit, expected):  # noqa: F811
    code, (line,) = told(edited(edit))
    assert code == 0
    assert expected in line


def test_a_word_in_a_curve(told, tmp_path):  # noqa: F811
    (tmp_path / "snr.csv").write_text("time_s,value\n0,10\n1,low\n2,-3\n")
    code, (line,) = told(edited(("mean_db: 5", "mean_db: {kind: csv, file: snr.csv}")))
    assert code == 2
    assert line.endswith("snr.csv:3: value: must be a number, not 'low'")


def test_times_in_milliseconds_are_taken_for_seconds_with_a_warning(told, tmp_path):  # noqa: F811
    (tmp_path / "t.csv").write_text("time_s,rate_bps\n0,5e6\n1000,4e6\n2000,3e6\n")
    code, (line,) = told(replayed("file: t.csv"))
    assert code == 0
    assert "its rows are 1000 s apart; is the unit of time right (time_unit_s)?" in line
    assert told(replayed("file: t.csv, time_unit_s: 0.001")) == (0, [])


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("info", "a.csv", "--bin-s", "1s"), 2, "'--bin-s': must be a number; see"),
        (
            ("info", "a.csv", "--bin-s", "1e-9"),
            2,
            "more than 10,000,000 bins of 2 s; give a lo",
        ),
        (("plot", "a.csv", "--out", "page.html"), 1, "splitsim: page.html: Is a directory"),
        (("plot", "a.csv", "--out", "no/p.html"), 1, "splitsim: no/p.html: No such file or dir"),
        (("convert", "huge.csv", "--out", "h.up"), 2, "lines, more than 100,000,000; is the unit"),
        (
            ("generate", "s.yaml", "--out", "o.csv", "--step-s", "9", "--duration-s", "5"),
            2,
            "--step-s: 9 s is longer than the 5 s of --duration-s",
        ),
        (("record", "http://192.0.2.1", "--out", "o.csv"), 2, "is no address; give one like"),
        (("record", "192.0.2.1", "--out", "o.png"), 2, "--out: o.png must end in .csv"),
        (("record", "192.0.2.1", "--out", "no/o.csv"), 2, "--out: no is no folder; make it first"),
        (
            ("serve", "--listen", "192.0.2.1:1"),
            2,
            "(Cannot assign requested address); give ano",
        ),
    ],
)
def test_trace_commands(trace, tmp_path, monkeypatch, arguments, code, expected):  # noqa: F811
    monkeypatch.setenv("SPLITSIM_SECRET", "long enough to be one")
    write("a.csv", "time_s,rate_bps", "0,1e6", "1,2e6")
    write("huge.csv", "time_s,rate_bps", "0,1e15", "1,2e15")
    write("s.yaml", GOOD)
    (tmp_path / "page.html").mkdir()
    before = sorted(tmp_path.rglob("*"))
    found, _, lines = trace(*arguments)
    assert (found, sorted(tmp_path.rglob("*"))) == (code, before)
    assert expected in lines[-1]


# --- What a tired user sees of results -------------------------------------------------------


def test_numbers_of_a_sweep_are_shown_as_a_file_has_them():
    assert [shown(v) for v in (54e6, 5.5e6, 1e15, 0.25, 120000.0, 16, "edf")] == [
        *("54e6", "5.5e6", "1e15", "0.25", "120000", "16", "edf")
    ]


NEVER = "a server was offered work, and can do none; unless tasks give up, its queue grows as long"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"devices": [{"leave_s": 0}]}, []),  # nobody is ever there
        ({"servers": {"edge": {"speed": 0}}}, [f"offload: {NEVER} as tasks come"]),
    ],
)
def test_what_never_works_is_said_in_words_and_of_those_who_need_it(tmp_path, changes, expected):
    loaded = build(tmp_path, scenario={"duration_s": 20.0, "drain_s": 5.0, **changes})
    found = notes(run(loaded, tmp_path / "out", jobs=1).summary_rows, [])
    assert [note for note in found if "offered" in note or "too hot" in note] == expected


def test_a_table_leaves_out_what_has_no_room_and_says_so():
    row = dict.fromkeys(SPARE, 1.0) | {"energy_mean_j": 1.0, "deadline_miss": 0.0, "exited": 0.0}
    row |= {"tasks": 1, "timeout": 0, "dropped": 0, "unfinished": 3, "point": 0, "stable": True}
    row |= {"device_load": 0, "uplink_load": 0, "server_load": 0, "policy": "local"}
    row["latency_p95_s"] = 1.0
    for width, more in ((200, 0), (80, 4), (50, 7)):
        console = Console(width=width)
        with console.capture() as shown_:
            console.print(summary_table([row], [], console))
        text = shown_.get()
        assert (f"{more} more columns in a wider terminal" in text) == bool(more), text
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        assert "missed" in text


def test_what_may_not_be_left_out_stays_however_narrow_it_is():
    table = fitting(Console(width=5), ["a"], [], lambda names: summary_table([], []))
    assert table.caption is None
