"""What a careless or hostile user is told: place, value and remedy, everything at once."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from splitsim import BadInput, load_scenario
from splitsim.cli import main
from splitsim.profiles import shipped
from splitsim.scenario.document import dump

UPLINK = """\
    uplink:
      kind: fading
      bandwidth_hz: 10e6
      snr: {kind: constant, mean_db: 5}
      fading: {kind: rayleigh, doppler_hz: 5}
      rate: {kind: shannon, efficiency: 0.4, cap_bps_hz: 2.0}
"""
SERVERS = """\
servers:
  edge:
    hardware: server-gpu
    background: {kind: poisson, load: 0.2, work_s: 0.02}
"""
GOOD = f"""\
name: small
duration_s: 20
warmup_s: 1
seeds: 1
models: [resnet152, resnet152-bottlefit12]
devices:
  - name: nano
    count: 2
    hardware: jetson-nano
    arrivals: {{kind: poisson, rate_hz: 2}}
    cell: lte
    timeout: {{after_s: 1, from: sent}}
cells:
  lte:
    radio: lte
    latency_s: 0.019
{UPLINK}\
    downlink: {{kind: constant, rate_bps: 20e6}}
{SERVERS}\
policies:
  - {{name: local, kind: local, model: resnet152}}
  - {{name: split, kind: split, model: resnet152-bottlefit12, cut: bottleneck}}
  - {{name: fastest, kind: fastest}}
"""
# Words that only a Python programmer, or nobody, understands.
JARGON = re.compile(
    r"Input should|validation|pydantic|NoneType|Traceback|\bErrno|\bTrue\b|\bNone\b"
)


def edited(*edits: tuple[str, str]) -> str:
    text = GOOD
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.fixture
def told(tmp_path, capsys, monkeypatch):
    """What ``splitsim validate`` says of a text: exit code, and lines of standard error."""
    monkeypatch.chdir(tmp_path)

    def told(text: str | bytes, *sets: str, command: tuple[str, ...] = ("validate",)):
        Path("s.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
        words = [word for override in sets for word in ("--set", override)]
        monkeypatch.setattr(sys, "argv", ["splitsim", *command, "s.yaml", *words])
        with pytest.raises(SystemExit) as left:
            main()
        err = capsys.readouterr().err.replace(f"{tmp_path}/", "")
        assert not JARGON.search(err), err
        return left.value.code, err.splitlines()

    return told


@pytest.fixture
def complaints(told):
    """The lines of a bad input; nothing is written."""

    def complaints(text: str | bytes, *sets: str) -> list[str]:
        before = sorted(Path().rglob("*"))
        code, lines = told(text, *sets, command=("run", "--out", "out"))
        assert code == 2, lines
        assert set(Path().rglob("*")) <= {*before, Path("s.yaml")}
        return lines

    return complaints


def matches(lines: list[str], *expected: str) -> None:
    """There are as many lines as expected, each with what is expected of it."""
    assert len(lines) == len(expected), lines
    for line, part in zip(lines, expected, strict=True):
        assert part in line


def test_the_scenario_is_fine_as_it_is(told):
    assert told(GOOD) == (0, [])


# --- Keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([("seeds:", "sedes:")], ["s.yaml:4:1: sedes: unknown key (did you mean 'seeds'?)"]),
        ([("count:", "cuont:")], ["s.yaml:8:5: devices.nano.cuont: unknown key (did you mean 'co"]),
        (
            [("doppler_hz", "dopler_hz")],
            ["s.yaml:21:32: cells.lte.uplink.fading.dopler_hz: unknown key (did you mean 'do"],
        ),
        ([("    cell: lte\n", "")], ["s.yaml:7:5: devices.nano.cell: is missing"]),
        (
            [("after_s: 1, ", ""), ("work_s: 0.02", "colour: red")],
            [
                "s.yaml:12:5: devices.nano.timeout.after_s: is missing",
                "s.yaml:27:5: servers.edge.background.work_s: is missing",
                "s.yaml:27:44: servers.edge.background.colour: unknown key; there are kind, load",
            ],
        ),
        ([("name: small\n", "{}: 1\n")], ["a key must be a plain word"]),
        ([("name: small\n", "5: 1\n")], ["1:1: name: is missing", "s.yaml:1:1: 5: unknown key; t"]),
        ([("model: resnet152}", "modle: resnet152}")], ["model: is missing", "modle: unknown key"]),
        ([("fastest}", "fastest, cut: 1}")], ["s.yaml:31:36: policies.fastest.cut: unknown key;"]),
    ],
)
def test_keys(complaints, edits, expected):
    matches(complaints(edited(*edits)), *expected)


def test_all_that_is_missing_is_told_at_once(complaints):
    missing = ("duration_s", "models", "devices", "cells", "policies")
    matches(complaints("name: x\n"), *(f"s.yaml:1:1: {key}: is missing" for key in missing))


@pytest.mark.parametrize(
    ("text", "found"),
    [("", "nothing"), ("# hi\n", "nothing"), ("- a\n", "a list"), ("5", "5"), ("hello", "'hello'")],
)
def test_a_scenario_is_a_mapping(complaints, text, found):
    expected = (
        f"s.yaml:1:1: must be a mapping of keys to values, not {found}; see 'splitsim schema'"
    )
    matches(complaints(text), expected)
    matches(complaints(text, "duration_s=5"), expected)


# --- Types and values ------------------------------------------------------------------------

NUMBERS = {
    '"20"': "must be a number, not '20'; leave out the quotes",
    "20 s": "must be a number, not '20 s'",
    "1_000": "must be a number, not '1_000'",
    "12:30": "must be a number, not '12:30'",
    "true": "must be a number, not true",
    "~": "must be a number, not nothing",
    "": "must be a number, not nothing",
    "[20]": "must be a number, not a list",
    "[]": "must be a number, not an empty list",
    "{a: 1}": "must be a number, not a mapping",
    ".nan": "must be a finite number, not nan",
    "-.inf": "must be a finite number, not -inf",
    "1e400": "must be a finite number, not inf",
    "9" * 5000: "must be a finite number, not inf",
    "0": "must be more than 0, not 0",
    "-0.0": "must be more than 0, not -0.0",
    "-1": "must be more than 0, not -1",
    "x" * 500: f"must be a number, not '{'x' * 59}...",
}


@pytest.mark.parametrize(("value", "what"), NUMBERS.items())
def test_numbers(complaints, value, what):
    matches(complaints(edited(("20\n", f"{value}\n"))), f"s.yaml:2:1: duration_s: {what}")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        *[("0", "must be 1 or more, not 0"), ("-3", "must be 1 or more, not -3")],
        *[("1.5", "must be a whole number, not 1.5"), ("true", "must be a whole number, not true")],
        *[("2.0", "must be a whole number, not 2.0; write 2"), ("1e3", "not 1000.0; write 1000")],
        *[('"2"', "must be a whole number, not '2'; leave out the quotes"), ("on", "not 'on'")],
    ],
)
def test_counts(complaints, value, what):
    (line,) = complaints(edited(("count: 2", f"count: {value}")))
    assert line.startswith("s.yaml:8:5: devices.nano.count: must be ")
    assert what in line


@pytest.mark.parametrize(
    ("value", "what"),
    [
        *[
            ("5", "must be a text, not 5; put it in quotes"),
            ("1e3", "not 1000.0; put it in quotes"),
        ],
        *[
            ("true", "must be a text, not true; put it in quotes"),
            ("~", "must be a text, not noth"),
        ],
        *[
            (name, "must be A-Z, a-z, 0-9, - and _ only")
            for name in ("a/b", "../x", "ü", "a.b", "-a")
        ],
        *[(name, "must be A-Z, a-z, 0-9, - and _ only") for name in ('""', '"a b"', '"a\\n"')],
        ("x" * 65, "must have 64 letters at most, not 65"),
    ],
)
def test_names(complaints, value, what):
    matches(complaints(edited(("name: small", f"name: {value}"))), what)
    (line,) = complaints(edited(("name: nano", f"name: {value}")))
    assert line.startswith("s.yaml:7:5: devices.")
    assert what in line


def test_names_of_cells_are_keys(complaints):
    lines = complaints(edited(("  lte:", "  l/te:"), ("cell: lte", "cell: l/te")))
    matches(lines, "s.yaml:14:3: cells.l/te: its name must be A-Z, a-z, 0-9, - and _ only")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[resnet152, resnet152-bottlefit12]", "[]", "5:1: models: must have 1 or more members, n"),
        (
            "[resnet152, resnet152-bottlefit12]",
            "resnet152",
            "5:1: models: must be a list, not 'res",
        ),
        ("[resnet152,", "[resnet152, resnet152,", "5:21: models.1: the name 'resnet152' is taken;"),
        ("\n  - name: nano", "\n    name: nano", "6:1: devices: must be a list, not a mapping"),
        ("efficiency: 0.4", "efficiency: 1.4", "s.yaml:22:29: cells.lte.uplink.rate.efficiency: m"),
        (
            "load: 0.2",
            "load: -0.2",
            "27:33: servers.edge.background.load: must be 0 or more, not -",
        ),
        ("load: 0.2", "load: .nan", "servers.edge.background.load: must be a finite number, not n"),
        ("load: 0.2", 'load: "1"', "load: must be a number, or a curve over time, not '1'"),
        ("seeds: 1", "seeds: 10001", "s.yaml:4:1: seeds: must be 10,000 or less, not 10001"),
        ("from: sent", "from: send", "from: must be 'created' or 'sent', not 'send'"),
        ("warmup_s: 1", "warmup_s: 20", "s.yaml:3:1: warmup_s: must be less than duration_s (20)"),
        ("after_s: 1,", "after_s: 0.01,", "after_s: must be more than the one-way latency (0.019"),
        ("cut: bottleneck", "cut: 1.5", "split.cut: must be a text or a whole number, not 1.5"),
        ("kind: fastest", 'kind: fastest, models: "x"', "fastest.models: must be a list, not 'x'"),
        (
            "kind: fastest",
            "kind: fastest, initial_rate_bps: .inf",
            "rate_bps: must be a finite numb",
        ),
        (
            "kind: fastest",
            "kind: fastest, initial_rate_bps: -1",
            "policies.fastest: initial_rate_bp",
        ),
        (
            "kind: fastest",
            "kind: fastest, models: []",
            "policies.fastest: models must not be empty",
        ),
        ("mean_db: 5", "mean_db: 1e5", "cells.lte.uplink.snr.mean_db: must be 200 or less, not "),
        ("count: 2", "count: 99999999999999999999", "nano.count: must be 1,000,000 or less, not "),
    ],
)
def test_values(complaints, old, new, expected):
    matches(complaints(edited((old, new))), expected)


ARRIVALS = "arrivals: {kind: poisson, rate_hz: 2}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            "5",
            "10:5: devices.nano.arrivals: must be a mapping of keys to values, of a kind poisson, ",
        ),
        (
            "{rate_hz: 2}",
            "s.yaml:10:5: devices.nano.arrivals.kind: is missing; there are poisson, per",
        ),
        (
            "{kind: pois}",
            "10:16: devices.nano.arrivals.kind: there is no kind 'pois' (did you mean 'p",
        ),
        (
            "{kind: ~}",
            "devices.nano.arrivals.kind: there is no kind nothing; there are poisson, peri",
        ),
        ("{kind: poisson}", "s.yaml:10:5: devices.nano.arrivals.rate_hz: is missing"),
        (
            "{kind: poisson, rate_hz: {kind: steps, times_s: [0, 1], values: [1]}}",
            "2 times_s but 1 v",
        ),
        (
            "{kind: poisson, rate_hz: {kind: steps, times_s: [1], values: [1]}}",
            "must begin with 0 an",
        ),
        (
            "{kind: poisson, rate_hz: {kind: steps, times_s: [0], values: [a]}}",
            "values.0: must be a nu",
        ),
        (
            "{kind: poisson, rate_hz: {values: [1]}}",
            "rate_hz.kind: is missing; there are constant, s",
        ),
        ("{kind: closed, think_s: 1, think: x}", "must be 'constant' or 'exponential', not 'x'"),
    ],
)
def test_kinds(complaints, value, expected):
    matches(complaints(edited((ARRIVALS, f"arrivals: {value}"))), expected)


LEAVES = st.sampled_from(
    [None, True, 0, -1, 1, 0.5, 10**400, float("nan"), "", "x", "a/b", "lte", [], {}, [1], {"a": 1}]
)
HOSTILE = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("kind"), inner)
)


def places(node, path=()):
    """The paths of everything in plain data."""
    yield path
    members = dict(enumerate(node)) if isinstance(node, list) else node
    for key, value in members.items() if isinstance(members, dict) else ():
        yield from places(value, (*path, key))


def problems(path: Path) -> tuple[str, ...]:
    try:
        load_scenario(path)
    except BadInput as error:
        return error.problems
    return ()


PLACES = list(places(yaml.safe_load(GOOD)))


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from(PLACES[1:]), HOSTILE)
def test_whatever_stands_anywhere_is_taken_or_explained(tmp_path, path, value):
    data = yaml.safe_load(GOOD)
    node = data
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    (tmp_path / "s.yaml").write_text(dump(data))
    for line in problems(tmp_path / "s.yaml"):
        assert line.startswith(str(tmp_path))
        assert "\n" not in line
        assert not JARGON.search(line), line


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.integers(0, len(GOOD)),
    st.integers(0, 12),
    st.text("{}[],:&*!|>'\"%@`#-? \t\n<~x0", max_size=4),
)
def test_a_scenario_broken_anywhere_is_taken_or_explained(tmp_path, at, length, text):
    (tmp_path / "s.yaml").write_text(GOOD[:at] + text + GOOD[at + length :])
    assert all(line.startswith(str(tmp_path)) for line in problems(tmp_path / "s.yaml"))


# --- Names that lead nowhere -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        (
            [("cell: lte", "cell: ltee"), ("radio: lte", "radio: 5g"), ("jetson-nano", "nono")],
            [
                "s.yaml:11:5: devices.nano.cell: no cell 'ltee'; there are lte (did you mean",
                "s.yaml:15:5: cells.lte.radio: no radio '5g' in radios.csv; there are lte, wifi",
                "s.yaml:9:5: devices.nano.hardware: no profile of model 'resnet152' on hardware "
                "'nono'; there are profiles on",
                "no profile of model 'resnet152-bottlefit12' on hardware 'nono'",
            ],
        ),
        (
            [("[resnet152,", "[resnet151,")],
            ["5:10: models.0: no table for model 'resnet151'; ther"],
        ),
        ([("[resnet152,", f"[{'x' * 5000},")], ["cannot be looked up: File name too long"]),
        (
            [("hardware: server-gpu", "hardware: jetson-tx2")],
            ["on hardware 'jetson-tx2'; there are profiles on jetson-nano, jetson-nano-5w, "] * 2,
        ),
        (
            [("cut: bottleneck", "cut: neck")],
            ["split: model 'resnet152-bottlefit12' has no cut 'ne"],
        ),
        ([("cut: bottleneck", "cut: 99")], ["has no cut 99; there "]),
        (
            [("cut: bottleneck", "cut: 1, server: cloud")],
            ["no server 'cloud' for 'resnet152-bottl"],
        ),
        (
            [("model: resnet152}", "model: x}")],
            ["s.yaml:29:5: policies.local: model 'x' cannot run"],
        ),
        (
            [("kind: fastest", "kind: fastest, models: [x]")],
            ["policies.fastest: no model 'x' here"],
        ),
        (
            [(SERVERS, "")],
            ["policies.split: there is no server to send to; add one under servers"],
        ),
        (
            [("name: split", "name: LOCAL")],
            ["s.yaml:30:6: policies.LOCAL.name: the name 'LOCAL' is"],
        ),
        (
            [
                (
                    "cells:",
                    "  - {name: nano, hardware: jetson-nano, cell: lte, " + ARRIVALS + "}\ncells:",
                )
            ],
            ["s.yaml:13:6: devices.nano.name: the name 'nano' is taken; choose another"],
        ),
    ],
)
def test_names_that_lead_nowhere(complaints, edits, expected):
    matches(complaints(edited(*edits)), *expected)


def test_what_there_is_instead_is_listed(complaints):
    (line,) = complaints(edited(("cut: bottleneck", "cut: neck")))
    assert line.endswith("input, bottleneck, decoder, layer3, layer4, avgpool")


def test_ten_thousand_devices_are_read_in_seconds_and_not_listed_one_by_one(told):
    board = "hardware: jetson-nano, arrivals: {kind: poisson, rate_hz: 0.01}, cell: lte"
    start, end = GOOD.index("  - name: nano"), GOOD.index("cells:")
    many = "".join(f"  - {{name: d{n}, {board}}}\n" for n in range(10_000))
    text = GOOD[:start] + many + GOOD[end:]
    assert told(text) == (0, [])
    code, (line,) = told(text, "devices.x.count=3")
    assert code == 2
    assert line.endswith(", d19 and 9,980 more")


# --- Files -----------------------------------------------------------------------------------


def test_files_that_cannot_be_read(told, tmp_path, capsys, monkeypatch):
    for name, why in (
        ("nope.yaml", "nope.yaml: cannot be read: No such file or directory; check the path"),
        (".", ".: cannot be read: Is a directory; check the path"),
    ):
        monkeypatch.setattr(sys, "argv", ["splitsim", "validate", name])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 2
        assert capsys.readouterr().err == f"{why}\n"


def test_a_file_without_permission(complaints, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    matches(complaints(GOOD), "s.yaml: cannot be read: Permission denied; check the path")


def test_bytes_that_are_no_text(complaints):
    matches(complaints(GOOD.encode() + b"# \xff"), "s.yaml:32: is not UTF-8 text; save the file in")
    matches(complaints(GOOD.encode("utf-16")), "s.yaml:1: is not UTF-8 text")


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(told):
    text = GOOD.replace("\n", "\r\n").encode("utf-8-sig")
    assert told(text) == (0, [])
    _, (line,) = told(text.replace(b"count", b"cuont"))
    assert line.startswith("s.yaml:8:5: devices.nano.cuont")


def test_an_alias_shares_a_channel_but_a_mistake_is_told_of_both(complaints, told):
    shared = edited(("uplink:\n", "uplink: &up\n"), ("{kind: constant, rate_bps: 20e6}", "*up"))
    assert told(shared) == (0, [])
    lines = complaints(shared.replace("doppler_hz: 5", "doppler_hz: 0"))
    matches(
        lines, "s.yaml:21:32: cells.lte.uplink.fading.dopp", "s.yaml:23:5: cells.lte.downlink.fa"
    )


# --- Fading ----------------------------------------------------------------------------------

RAYLEIGH = "{kind: rayleigh, doppler_hz: 5}"


@pytest.mark.parametrize(
    ("fading", "expected"),
    [
        ("{kind: rician}", ["fading: say how strong the direct path is: either k_db or k_factor"]),
        ("{kind: rician, k_db: 3, k_factor: 2, doppler_hz: 5}", ["either k_db or k_factor"]),
        ("{kind: rician, k_factor: -1, los_doppler: 2}", ["k_factor: must be", "los_doppler: m"]),
        ("{kind: nakagami, m: 0.4, doppler_hz: 5}", ["fading.m: must be 0.5 or more, not 0.4"]),
        (
            "{kind: rayleigh, doppler_hz: 5, carrier_hz: 1e9}",
            ["fading: carrier_hz does nothing beside doppler_hz; remove one of them"],
        ),
        (
            "{kind: rayleigh, carrier_hz: 1e9}",
            ["lte.uplink.fading: needs doppler_hz, or mobility of the device, whose speed then c"],
        ),
        ("{kind: gilbert-elliott, good_s: 1, bad_s: 0, bad_db: 3}", ["bad_s: m", "bad_db: must"]),
        ("{kind: none, doppler_hz: 5}", ["fading.doppler_hz: unknown key; there "]),
        ("{kind: recorded, file: none.fad}", ["fading: none.fad: no such file"]),
        ("{kind: rice}", ["no kind 'rice'"]),
    ],
)
def test_fading(complaints, fading, expected):
    matches(complaints(edited((RAYLEIGH, fading))), *expected)


def test_fading_over_distance_needs_a_wavelength(complaints, told):
    """Of its own, or of the cell's geometry."""
    moves = ("count: 2\n", "count: 2\n    mobility: {kind: fixed, position_m: [0, 0]}\n")
    where = "cells.lte.uplink.fading: needs carrier_hz, or the cell's geometry, to know the wave"
    matches(complaints(edited(moves, (RAYLEIGH, "{kind: rayleigh}"))), where)
    assert told(edited(moves, (RAYLEIGH, "{kind: rayleigh, carrier_hz: 1e9}"))) == (0, [])
    geometry = (
        "  lte:\n",
        "  lte:\n    geometry: {carrier_hz: 2e9, sites: [{position_m: [0, 9]}]}\n",
    )
    assert told(edited(moves, geometry, (RAYLEIGH, "{kind: rayleigh}"))) == (0, [])


def test_reciprocal_fading_is_said_in_the_same_words_for_both_directions(complaints, told):
    text = edited(("uplink:\n", "uplink: &up\n"), ("{kind: constant, rate_bps: 20e6}", "*up"))
    same = text.replace("doppler_hz: 5", "doppler_hz: 5, reciprocal: true")
    assert told(same) == (0, [])
    down = "{kind: fading, bandwidth_hz: 1e6, snr: {kind: constant, mean_db: 12}, "
    down += "fading: {kind: rayleigh, doppler_hz: 6}, rate: {kind: shannon}}"
    lines = complaints(same.replace("*up", down))
    matches(lines, "s.yaml:23:85: cells.lte.downlink.fading: reciprocal fading is the same in both")


# --- Traces ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "more", "expected"),
    [
        (None, "", ["s.yaml:17:5: cells.lte.uplink: t.csv: no such file; check the path"]),
        ("", "", ["cells.lte.uplink: t.csv: the file is empty; fetch or record it again"]),
        (
            "time_s,rate_bps\n0,5\n1,x\n2,y\n",
            "",
            ["t.csv:3: the rate 'x' is not", "t.csv:4: the ra"],
        ),
        (
            "time_s,rate_bps\n0,5\n2,4\n1,5\n",
            "",
            ["t.csv:4: time goes back from 2 to 1; sort the r"],
        ),
        ("time_s,rate_bps\n0,5\n1,-4\n", "", ["t.csv:3: the rate -4 is negative; correct it"]),
        (
            "time_s,rate_bps\n0,5\n9,4\n10,",
            ", offset_s: 10",
            ["offset_s 10 is beyond the trace's 10"],
        ),
        (
            "time_s,rate_bps\n0,5\n9,4\n10,",
            ", offset_s: -1",
            ["offset_s: must be 0 or more, not -1"],
        ),
        (
            "time_s,rate_bps\n0,5\n9,4\n10,",
            ", scale: 0",
            ["uplink.scale: must be more than 0, not 0"],
        ),
        (
            "time_s,rate_bps\n0,5\n9,4\n10,",
            ", loop: yes",
            ["loop: must be true or false, not 'yes'"],
        ),
        (
            "time_s,rate_bps\n0,5\n9,4\n10,",
            ", format: x",
            ["must be 'mahimahi', 'two-column', 'csv', "],
        ),
        (
            "time_s,rate_bps\n0,5\n9,4\n10,",
            ", unit: 1",
            ["cells.lte.uplink.unit: unknown key; there"],
        ),
    ],
)
def test_traces(complaints, content, more, expected):
    if content is not None:
        Path("t.csv").write_text(content)
    lines = complaints(edited((UPLINK, f"    uplink: {{kind: trace, file: t.csv{more}}}\n")))
    matches(lines, *expected)


@pytest.mark.parametrize(
    "file", [".", '""', "5", '"a\\0b.up"', "x" * 5000, "/dev/null", "nope/t.up"]
)
def test_files_that_are_no_traces(complaints, file):
    (line,) = complaints(edited((UPLINK, f"    uplink: {{kind: trace, file: {file}}}\n")))
    assert line.startswith("s.yaml:17:")
    assert ": cells.lte.uplink" in line


def test_a_trace_that_ends_before_the_run_is_warned_of(told):
    Path("t.csv").write_text("time_s,rate_bps\n0,1e6\n5,4e6\n10,\n")
    trace = edited((UPLINK, "    uplink: {kind: trace, file: t.csv, loop: false, offset_s: 2}\n"))
    code, (line,) = told(trace)
    assert code == 0
    assert line.startswith("warning: s.yaml:17:5: cells.lte.uplink: the trace ends after 8 s, and")
    assert told(trace, "duration_s=8") == (0, [])
    assert told(trace, "cells.lte.uplink.loop=true") == (0, [])


# --- Tables of one's own ---------------------------------------------------------------------

OWN = ("seeds: 1", "seeds: 1\ntables: [tab]")
MODEL = (shipped() / "models" / "resnet152.csv").read_text()
CARD = "answer_bytes = 8\ntop1 = 0.78\n"
PROFILE = (shipped() / "profiles" / "resnet152@jetson-nano.csv").read_text()


def line_changed(text: str, number: int, old: str, new: str) -> str:
    lines = text.splitlines(keepends=True)
    assert old in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new, 1)
    return "".join(lines)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"models/resnet152.toml": "answer_bytes = 1\ntop1 = \n", "models/resnet152.csv": MODEL},
            ["tab/models/resnet152.toml: cannot be read as TOML: Invalid value (at line 2"],
        ),
        (
            {"models/resnet152.toml": CARD, "models/resnet152.csv": ""},
            ["tab/models/resnet152.csv: is empty; its first line must name the columns"],
        ),
        (
            {
                "models/resnet152.toml": CARD,
                "models/resnet152.csv": line_changed(MODEL, 4, "200727", "2e5x"),
            },
            ["s.yaml:6:10: models.0: tab/models/resnet152.csv:4: wire_bytes: must be a num"],
        ),
        (
            {"profiles/resnet152@jetson-nano.csv": PROFILE.replace(",scaled,", ",guess,", 2)},
            [
                ":2: head_basis: must be one of measured, ",
                ":3: head_basis: must be one of measured, ",
            ],
        ),
        (
            {"profiles/resnet152@jetson-nano.csv": "".join(PROFILE.splitlines(True)[:-1])},
            ["tab/profiles/resnet152@jetson-nano.csv: has 8 cuts, its model has 9"],
        ),
        (
            {
                "hardware.csv": "hardware,idle_w,compute_w,idle_basis,compute_basis\n"
                "x,1,1,measured,measured\njetson-nano,-1,,guess,assumed\n"
            },
            [
                "hardware.csv:3: idle_basis: must be one of measured, published, scaled, assum",
                "hardware.csv:3: idle_w: must be a number",
                "hardware.csv:3: compute_w: must be a numb",
            ],
        ),
        (
            {"hardware.csv": "hardware,idle_w,compute_w\njetson-nano,1,1\n"},
            [
                "hardware.csv:1: there is no column idle_basis; there are hardware, idle_w, comp",
                "hardware.csv:1: there is no column compute_basis; there are",
            ],
        ),
    ],
)
def test_tables_of_ones_own(complaints, files, expected):
    for name, content in files.items():
        path = Path("tab", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    lines = complaints(edited(OWN))
    for line, part in zip(lines, expected, strict=True):
        assert part in line


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"models/resnet152.csv": MODEL, "models/resnet152.toml": "x = 1"}, "bytes: is missing"),
        ({"models/resnet152.csv": MODEL, "models/resnet152.toml": "\udcff"}, "is not UTF-8 text"),
        ({"models/resnet152.csv": MODEL.replace("layer,", "", 1)}, "csv:1: there is no column lay"),
        ({"models/resnet152.csv": MODEL.replace(",", ";")}, "csv:1: there is no column"),
        ({"models/resnet152.csv": MODEL.replace("layer2", "layer1")}, "csv:6: layer: must differ"),
        ({"models/resnet152.csv": MODEL.replace("401432\n", "401432,9\n")}, "has more values than"),
        ({"models/resnet152.csv": MODEL.replace("\n3,", "\n\nx,")}, "resnet152.csv:6: cut: must"),
        (
            {"profiles/resnet152@jetson-nano.csv": PROFILE.replace("head_s", "h")},
            "no column head_s",
        ),
    ],
)
def test_tables_that_are_broken(complaints, files, expected):
    card = {"models/resnet152.toml": CARD} if "models/resnet152.csv" in files else {}
    for name, content in (card | files).items():
        path = Path("tab", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, errors="surrogateescape")
    assert expected in complaints(edited(OWN))[0]


def test_a_table_without_its_card(complaints):
    Path("tab", "models").mkdir(parents=True)
    Path("tab", "models", "resnet152.csv").write_text(MODEL)
    (line,) = complaints(edited(OWN))
    assert line.startswith("s.yaml:6:10: models.0: tab/models/resnet152.toml: cannot be read as ")
    assert line.endswith("No such file or directory")


def test_a_table_may_have_a_byte_order_mark_as_excel_writes_it(told):
    for name, content in (("resnet152.csv", MODEL), ("resnet152.toml", CARD)):
        Path("tab", "models").mkdir(parents=True, exist_ok=True)
        Path("tab", "models", name).write_text(content, encoding="utf-8-sig")
    assert told(edited(OWN)) == (0, [])


def test_folders_of_tables_that_are_not_there(complaints):
    lines = complaints(edited(("seeds: 1", "seeds: 1\ntables: [tab, s.yaml, 5]")))
    matches(
        lines, "5:10: tables.0: there is no folder 'tab'", "tables.1: there is no", "tables.2: mu"
    )


# --- Sweeps ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        ("5", ["s.yaml:32:1: sweep: must be a mapping of keys to values, not 5"]),
        ("{duration_s: 5}", ["s.yaml:32:9: sweep.duration_s: must be a list, not 5"]),
        ("{duration_s: []}", ["sweep.duration_s: must have 1 or more members, not 0"]),
        (
            "{servers.edg.workers: [1]}",
            ["s.yaml:32:9: sweep.servers.edg.workers: there is no serve"],
        ),
        (
            "{servers.edge.wrokers: [1]}",
            ["s.yaml:32:9: servers.edge.wrokers: unknown key (did you "],
        ),
        (
            "{devices.nono.count: [1]}",
            ["s.yaml:32:9: sweep.devices.nono.count: no member 'nono'; the"],
        ),
        ("{duration_s.x: [1]}", ["sweep.duration_s.x: duration_s is a plain value, it has no 'x'"]),
        ('{"": [1]}', ["a path is keys joined by dots, such as devices.nano.count"]),
        (
            "{seeds: [1, 2]}",
            ["sweep.seeds: cannot be swept; make a scenario of its own of each value"],
        ),
        (
            "{policies.split.name: [a, b]}",
            ["sweep.policies.split.name: cannot be swept; make a sce"],
        ),
        (
            "{devices.nano.count: [1, 2], devices.0.count: [3]}",
            ["s.yaml:32:37: sweep.devices.0.count: is the same as devices.nano.count, or a"],
        ),
        (
            "{servers.edge.workers: [1, 2], servers.edge: [{hardware: server-gpu}]}",
            ["sweep.servers.edge: is the same as servers.edge.workers, or a part of it; "],
        ),
        (
            "{servers.edge.background.load: [0.1, -1, a]}",
            [
                "must be 0 or more, not -1 (where servers.edge.background.load is -1)",
                "not 'a' (whe",
            ],
        ),
        (
            "{drain_s: [1, 2], policies.split.cut: [bottleneck, neck]}",
            ["has no cut 'neck'; there "],
        ),
        (
            "{policies: [[{name: a, kind: fastest}], [{name: b, kind: fastest}]]}",
            ["s.yaml:32:1: sweep: the policies must have the same names at all points of"],
        ),
        (
            f"{{warmup_s: {list(range(200))}, drain_s: {list(range(200))}}}",
            ["s.yaml:32:1: sweep: makes 40,000 points, must be 10,000 or less; sweep fewer values"],
        ),
    ],
)
def test_sweeps(complaints, sweep, expected):
    matches(complaints(f"{GOOD}sweep: {sweep}\n"), *expected)


def test_a_mistake_at_some_points_says_at_which(complaints):
    sweep = "sweep: {drain_s: [1, 2], policies.split.cut: [bottleneck, neck]}\n"
    (line,) = complaints(GOOD + sweep)
    assert line.endswith("(where policies.split.cut is 'neck')")
    (line,) = complaints(edited(("cell: lte", "cell: x")) + sweep)
    assert "where" not in line


def test_a_sweep_may_set_what_the_file_leaves_out(told):
    assert told(f"{GOOD}sweep: {{servers.edge.workers: [1, 2], devices.nano.timeout: [~]}}\n") == (
        0,
        [],
    )


# --- Overrides -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "override",
    [
        *[
            "duration_s=30",
            "devices.nano.count=8",
            "devices.0.count=8",
            " name = x ",
            "models.0=vgg16",
        ],
        *[
            "servers.cloud={hardware: server-gpu}",
            "devices.nano.timeout=null",
            "policies.split.cut=1",
        ],
        *[
            "sweep={servers.edge.workers: [1, 2]}",
            "policies=[{name: a, kind: fastest}]",
            "drain_s=1 # s",
        ],
    ],
)
def test_overrides_that_are_fine(told, override):
    code, lines = told(GOOD, override)
    assert code == 0 or "vgg16" in override, lines


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (["duration_s"], ["--set duration_s: must be PATH=VALUE, such as devices.nano.count=8"]),
        (["=3"], ["--set =3: a path is keys joined by dots, such as devices.nano.count"]),
        (["duration_s="], ["--set duration_s=: duration_s: must be a number, not nothing"]),
        (['duration_s="30"'], ["must be a number, not '30'; leave out the quotes"]),
        (
            ["duration_s=[1"],
            ["--set duration_s=[1: is not valid YAML: did not find expected ',' or"],
        ),
        (["duration_s={a: 1, a: 2}"], ["--set duration_s={a: 1, a: 2}: a: duplicate key"]),
        (["dur=3"], ["--set dur=3: dur: unknown key; there are name, duration_s"]),
        (
            ["devices.nono.count=8"],
            ["--set devices.nono.count=8: no member 'nono'; there are nano"],
        ),
        (["devices.nano.cuont=8"], ["devices.nano.cuont: unknown key (did you mean 'count'?)"]),
        (
            ["servers.edg.workers=2"],
            ["there is no servers.edg (did you mean 'edge'?); to make it, se"],
        ),
        (["duration_s.x=3"], ["--set duration_s.x=3: duration_s is a plain value, it has no 'x'"]),
        (
            ["x", "a.b=1", "seeds=["],
            ["--set x: must be", "--set a.b=1: there is no a;", "--set seeds"],
        ),
        (
            ["seeds=0", "drain_s=a"],
            ["--set drain_s=a: drain_s: must", "--set seeds=0: seeds: must be"],
        ),
    ],
)
def test_overrides_that_are_not(complaints, sets, expected):
    lines = complaints(GOOD, *sets)
    assert len(lines) == len(expected), lines
    for part in expected:
        assert any(part in line for line in lines), lines


def test_an_override_replaces_a_sweep_of_the_file(tmp_path):
    (tmp_path / "s.yaml").write_text(f"{GOOD}sweep: {{servers.edge.workers: [1, 2]}}\n")
    swept = load_scenario(tmp_path / "s.yaml", ["sweep.servers.edge.workers=[3, 4, 5]"])
    assert [point.swept for point in swept.points] == [
        {"servers.edge.workers": n} for n in (3, 4, 5)
    ]


def test_overrides_from_python_name_themselves(tmp_path):
    (tmp_path / "s.yaml").write_text(GOOD)
    with pytest.raises(
        BadInput, match=r"^override seeds='3': seeds: must be a whole number, not '3'"
    ):
        load_scenario(tmp_path / "s.yaml", {"seeds": "3"})


# --- Policies of one's own -------------------------------------------------------------------

LAB = """
class Good:
    def reset(self, options, rng):
        pass
    def choose(self, view):
        return 0
class Typed(Good):
    def __init__(self, a: int, b: float = 2.0, c: "list[str] | None" = None):
        pass
class Untyped(Good):
    def __init__(self, a: "Nothing"):
        pass
class NoChoose:
    def reset(self, options, rng):
        pass
class NoReset:
    def choose(self, view):
        return 0
class BadInit(Good):
    def __init__(self):
        raise RuntimeError("no power")
class BadReset(Good):
    def reset(self, options, rng):
        raise KeyError("edge")
class Picky(Good):
    def reset(self, options, rng):
        raise LookupError("needs a model 'x'")
class Leaves(Good):
    def reset(self, options, rng):
        raise SystemExit(3)
instance = Good()
"""


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        (
            "fastst",
            "",
            ["s.yaml:31:21: policies.fastest.kind: unknown kind 'fastst'; there are local"],
        ),
        ("nolab:Good", "", ["cannot import 'nolab': No module named 'nolab'"]),
        ("lab:Nothing", "", ["policies.fastest.kind: 'lab' has no class 'Nothing'"]),
        ("lab:instance", "", ["policies.fastest.kind: 'lab' has no class 'instance'"]),
        ("lab:NoChoose", "", ["class 'lab:NoChoose' has no method choose; see"]),
        ("lab:NoReset", "", ["class 'lab:NoReset' has no method reset; see"]),
        (":Good", "", ["s.yaml:31:21: policies.fastest.kind: "]),
        ("..lab:Good", "", ["s.yaml:31:21: policies.fastest.kind: "]),
        ("broken:Good", "", ["policies.fastest.kind: SyntaxError: "]),
        (
            "fails:Good",
            "",
            ["policies.fastest.kind: ZeroDivisionError: division by zero (fails.py:2)"],
        ),
        ("lab:Untyped", ", a: 1", ["NameError: name 'Nothing' is not defined"]),
        ("lab:BadInit", "", ["s.yaml:31:5: policies.fastest: RuntimeError: no power (lab.py:21)"]),
        ("lab:BadReset", "", ["s.yaml:31:5: policies.fastest: KeyError: 'edge' (lab.py:24)"]),
        ("lab:Picky", "", ["s.yaml:31:5: policies.fastest: needs a model 'x'"]),
        ("lab:Leaves", "", ["s.yaml:31:5: policies.fastest: SystemExit: 3 (lab.py:30)"]),
        ("lab:Typed", "", ["s.yaml:31:5: policies.fastest.a: is missing"]),
        (
            "lab:Typed",
            ", a: 1.5, b: x, c: [1], d: 2",
            [
                "s.yaml:31:40: policies.fastest.a: must be a whole number, not 1.5",
                "s.yaml:31:48: policies.fastest.b: must be a number, not 'x'",
                "s.yaml:31:58: policies.fastest.c.0: must be a text, not 1; put it in quotes",
                "s.yaml:31:62: policies.fastest.d: unknown key; there are a, b, c",
            ],
        ),
    ],
)
def test_policies_of_ones_own(complaints, monkeypatch, kind, more, expected):
    Path("lab.py").write_text(LAB)
    Path("broken.py").write_text("def (:\n")
    Path("fails.py").write_text("# a comment\n1 / 0\n")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for module in ("lab", "broken", "fails"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    matches(complaints(edited(("kind: fastest", f'kind: "{kind}"{more}'))), *expected)


def test_a_good_policy_of_ones_own_is_fine(told, monkeypatch):
    Path("lab.py").write_text(LAB)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "lab", raising=False)
    assert told(edited(("kind: fastest", 'kind: "lab:Typed", a: 1, b: 3'))) == (0, [])


def test_a_module_of_the_same_name_in_another_folder_is_another(tmp_path):
    """Two scenarios in one session, each with a lab of its own."""
    from splitsim.policies.kinds import policy_class

    for n in (1, 2):
        folder = tmp_path / str(n)
        folder.mkdir()
        (folder / "samelab.py").write_text(
            f"class Mine:\n    n = {n}\n    reset = choose = lambda *_: 0\n"
        )
    found = [policy_class("samelab:Mine", tmp_path / str(n)).n for n in (1, 2, 1)]
    assert found == [1, 2, 1]
