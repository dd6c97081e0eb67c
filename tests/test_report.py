"""The report: figures agree with the rows, and the page opens anywhere."""

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
import yaml

import splitsim
from splitsim.report import digest as digests
from splitsim.report import plots
from splitsim.report.digest import Curve, digest, latency_parts_s
from splitsim.report.look import lines, short, unit
from splitsim.report.page import question, write_report
from splitsim.task import STAMPS

ROOT = Path(__file__).parent.parent
QUICKSTART = ROOT / "scenarios" / "quickstart.yaml"
SHORT = {"duration_s": 40.0, "warmup_s": 5.0, "seeds": 2}
# Some tasks are computed after all, some are skipped.
HARD = {"after_s": 0.12, "from": "created", "then": "local"}
PLOTLY_JS = "* plotly.js v"
PLACES = [
    *("latency", "energy", "latency-parts", "energy-parts", "latency-basis", "energy-basis"),
    "time-line",
]


def results_of(folder: Path, path: Path = QUICKSTART, **changes):
    scenario = splitsim.load_scenario(path, SHORT | changes)
    return splitsim.run(scenario, folder, jobs=1)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A run in which some tasks fail and some fall back."""
    changes = {"devices.nano.timeout": HARD, "devices.nano.max_in_flight": 2}
    return results_of(tmp_path_factory.mktemp("quick") / "r", **changes)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep over a number, overloaded at its end."""
    loads = {"servers.edge.background.load": [0.0, 0.4, 1.2]}
    return results_of(tmp_path_factory.mktemp("swept") / "r", sweep=loads)


def page_of(results) -> str:
    return write_report(results).read_text(encoding="utf-8")


def figures_of(page: str):
    """The data of all figures, as the page's script reads them."""
    found = re.search(
        r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL
    )
    assert found is not None
    return json.loads(found[1])


def own(page: str) -> str:
    """The page without plotly.js."""
    scripts = re.split(r"(?=<script)", page)
    return "".join(script for script in scripts if PLOTLY_JS not in script[:200])


def answered(results, policy: str):
    """Rows of a policy after the warm-up, and the latencies of those that are done."""
    tasks = results.tasks
    rows = tasks[(tasks.policy == policy) & (tasks.created_s >= SHORT["warmup_s"])]
    return rows, np.sort((rows.done_s - rows.created_s).dropna().to_numpy())


# Figures against rows


def test_the_parts_of_a_latency_sum_to_it(quick):
    done = quick.tasks[quick.tasks.status == "done"]
    assert done.fallback_start_s.notna().any()
    columns = {name: done[name].to_numpy() for name in STAMPS}
    parts = latency_parts_s(columns)
    assert min(part.min() for part in parts.values()) >= 0
    whole = columns["done_s"] - columns["created_s"]
    np.testing.assert_allclose(sum(parts.values()), whole, rtol=0, atol=1e-9)


def test_bars_of_latency_are_as_long_as_the_mean_latency(quick):
    groups = digest(quick)
    figure = plots.latency_parts(groups, plots.parts_used([g.latency_parts_s for g in groups]))
    lengths = sum(np.array(bar.x) for bar in figure.data if bar.type == "bar")
    means = [row["latency_mean_s"] for row in quick.summary_rows]
    scale = unit("seconds", means)
    assert "fallback" in [bar.name for bar in figure.data]
    np.testing.assert_allclose(lengths, np.array(means) * scale.factor, rtol=1e-9)


def test_bars_of_energy_are_as_long_as_the_mean_energy(quick):
    groups = digest(quick)
    figure = plots.energy_parts(groups, plots.parts_used([g.energy_parts_j for g in groups]))
    lengths = sum(np.array(bar.x) for bar in figure.data if bar.type == "bar")
    means = [row["energy_mean_j"] for row in quick.summary_rows]
    scale = unit("joules", means)
    np.testing.assert_allclose(lengths, np.array(means) * scale.factor, rtol=1e-9)


def test_a_curve_of_latency_is_the_distribution_and_ends_at_the_share_answered(quick):
    groups = digest(quick)
    axis = plots.Axis.over("seconds", [group.latency_s for group in groups])
    looks = lines(quick.manifest["policies"])
    figure = plots.latency_curves(groups, looks, axis)
    drawn = {trace.meta: trace for trace in figure.data if trace.mode == "lines"}
    for policy in quick.manifest["policies"]:
        rows, latency_s = answered(quick, policy)
        trace = drawn[policy]
        share = trace.y0 + trace.dy * np.arange(len(trace.x))
        assert share[-1] == pytest.approx(len(latency_s) / len(rows), rel=1e-12)
        below = np.searchsorted(latency_s * axis.unit.factor * (1 + 1e-6), trace.x, side="right")
        at_least = np.searchsorted(latency_s * axis.unit.factor * (1 - 1e-6), trace.x, side="right")
        assert np.all(share[1:] <= at_least[1:] / len(rows) + 1e-9)
        assert np.all(share[1:] >= below[1:] / len(rows) - trace.dy - 1e-9)
    failed = [trace.meta for trace in figure.data if trace.mode == "markers"]
    assert failed == [row["policy"] for row in quick.summary_rows if row["done"] < row["tasks"]]
    assert failed


def test_a_curve_has_no_more_points_than_allowed():
    values = np.random.default_rng(1).exponential(size=12_345)
    curve = Curve.of(values, 20_000, 1000)
    assert len(curve.values) == 1000
    assert curve.values[-1] == values.max()
    assert curve.end == pytest.approx(12_345 / 20_000)
    ranks = np.searchsorted(np.sort(values), curve.values, side="right") / len(values)
    np.testing.assert_allclose(ranks, np.arange(1, 1001) / 1000, atol=1 / len(values))


def test_few_values_are_all_drawn():
    curve = Curve.of(np.array([3.0, 1.0, 2.0]), 4, 1000)
    assert curve.values.tolist() == [1, 2, 3]
    assert curve.end == 0.75
    assert Curve.of(np.array([]), 0, 1000).end == 0


def test_many_groups_share_the_room(quick, monkeypatch):
    monkeypatch.setattr(digests, "QUANTILES", 0)
    monkeypatch.setattr(digests, "MARKERS", 0)
    for group in digest(quick):
        assert len(group.energy_j.values) == 100
        assert len(group.timeline.created_s) <= 200


def test_the_time_line_shows_every_task_of_the_first_device(quick):
    tasks = quick.tasks
    for group in digest(quick):
        mine = tasks[(tasks.policy == group.policy) & (tasks.seed == 0)]
        mine = mine[(mine.device == "nano-0") & (mine.created_s >= 5.0)]
        np.testing.assert_array_equal(group.timeline.created_s, mine.created_s)
        np.testing.assert_array_equal(group.timeline.done, mine.status == "done")
    timeline = figures_of(page_of(quick))["time-line"][0]
    for figure in timeline.values():
        shown = {trace["yaxis"] for trace in figure["data"]}
        assert shown == {"y", "y2", "y3"}


def test_a_policy_has_one_colour_everywhere(swept):
    seen: dict[str, set[str]] = {}
    figures = figures_of(page_of(swept))
    flat = [f for key in ("latency", "energy") for f in figures[key]]
    flat += [figure for key, figure in figures.items() if key.startswith("sweep-")]
    for trace in (trace for figure in flat for trace in figure["data"] if "line" in trace):
        seen.setdefault(trace["meta"], set()).add(trace["line"]["color"])
    assert list(map(len, seen.values())) == [1] * len(swept.manifest["policies"])
    assert len(set.union(*seen.values())) == len(seen)


def test_a_sweep_draws_the_summary(swept):
    figure = figures_of(page_of(swept))["sweep-energy_mean_j"]
    rows = swept.summary_rows
    scale = unit("joules", (row["energy_mean_j"] for row in rows))
    for trace in figure["data"]:
        own_rows = [row for row in rows if row["policy"] == trace["meta"]]
        expected = [row["energy_mean_j"] * scale.factor for row in own_rows]
        assert trace["y"] == pytest.approx(expected)
        half = [row["energy_mean_j_ci95"] * scale.factor for row in own_rows]
        assert trace["error_y"]["array"] == pytest.approx(half)
        assert trace["x"] == [0.0, 0.4, 1.2]


def test_values_that_are_infinite_are_marked_and_not_drawn(swept):
    figure = figures_of(page_of(swept))["sweep-latency_p95_all_s"]
    endless = {row["policy"] for row in swept.summary_rows if math.isinf(row["latency_p95_all_s"])}
    assert endless
    marked = {trace["meta"] for trace in figure["data"] if trace["mode"] == "text"}
    assert marked == endless
    gaps = {trace["meta"] for trace in figure["data"] if None in trace["y"]}
    assert gaps == endless


# The page


def test_the_page_is_one_file_that_asks_for_nothing(quick):
    page = page_of(quick)
    assert page.count(PLOTLY_JS) == 1
    rest = own(page)
    assert not re.findall(r"""(?:src|href)\s*=|@import|url\(|https?://|fetch\(|<link""", rest)
    assert str(quick.folder) not in page
    assert str(ROOT) not in page
    assert not list(quick.folder.glob("*.partial"))


def test_the_page_says_what_matters(quick, swept):
    page = own(page_of(quick))
    assert "Does a 12-channel BottleFit bottleneck beat" in page
    assert "not complete" not in page
    assert "times the work it can do" not in page
    for entry in quick.manifest["provenance"]:
        assert f"<th>{entry['table']}</th>" in page
    page = own(page_of(swept))
    assert "split (servers.edge.background.load = 1.2): a server was offered " in page
    assert "unless tasks give up, its queue grows as long as tasks come" in page


def test_names_and_comments_are_text(tmp_path):
    evil = "<script>alert('x')</script> & <b>bold</b> {{ 7 * 7 }}"
    path = tmp_path / "evil.yaml"
    path.write_text(f"# {evil}\n" + QUICKSTART.read_text(encoding="utf-8"), encoding="utf-8")
    results = results_of(tmp_path / "r", path, seeds=1)
    failed = tmp_path / "r" / "failed"
    failed.mkdir()
    (failed / "p0000-local-s0009.txt").write_text(f"ValueError: {evil}\n\nTraceback\n")
    page = own(page_of(results))
    assert "<script>alert" not in page
    assert "<b>bold" not in page
    assert page.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; ") == 2
    assert "{{ 7 * 7 }}" in page
    assert short("<a>") == "&lt;a&gt;"


def test_an_incomplete_run_says_so(tmp_path):
    results = results_of(tmp_path / "r")
    parts = sorted((tmp_path / "r" / "tasks").iterdir())
    parts[0].unlink()
    page = own(page_of(splitsim.Results(results.folder)))
    assert f"1 of {len(parts)} parts are missing" in page
    for part in parts[1:]:
        part.unlink()
    page = own(page_of(splitsim.Results(results.folder)))
    assert "no part of this run is there" in page
    assert figures_of(page) == {}


def policies(count: int) -> list[dict]:
    found = yaml.safe_load(QUICKSTART.read_text(encoding="utf-8"))["policies"]
    name = "a-policy-with-a-very-long-name-that-goes-on-and-on"
    return [found[n % len(found)] | {"name": f"{name}-{n:02d}"} for n in range(count)]


def lonely() -> dict:
    """One device that knows no deadline and no server."""
    scenario = yaml.safe_load(QUICKSTART.read_text(encoding="utf-8"))
    [device] = scenario["devices"]
    kept = {key: device[key] for key in ("name", "hardware", "arrivals", "cell")}
    return {"devices": [kept], "servers": {}, "policies": scenario["policies"][:1]}


EDGES = {
    "nobody gets an answer": {"devices.nano.timeout": {"after_s": 1e-3, "from": "created"}},
    "nothing after the warm-up": {"devices.nano.arrivals.rate_hz": 0.05, "warmup_s": 39.9},
    "one device, no server, no deadline": lonely(),
    "twelve policies": {"policies": policies(12), "seeds": 1},
    "two parameters": {
        "seeds": 1,
        "sweep": {"servers.edge.background.load": [0.0, 0.5], "devices.nano.count": [1, 4]},
    },
    "names": {"seeds": 1, "sweep": {"cells.lte.radio": ["lte", "wifi"]}},
    "over decades": {"seeds": 1, "sweep": {"cells.lte.uplink.fading.doppler_hz": [1, 10, 100]}},
}


@pytest.mark.parametrize("changes", EDGES.values(), ids=EDGES)
def test_odd_runs_have_whole_reports(tmp_path, changes):
    results = results_of(tmp_path / "r", **changes)
    page = page_of(results)
    assert "nan" not in re.sub(r"<script.*?</script>", "", own(page), flags=re.DOTALL).split()
    figures = figures_of(page)
    points = len(results.manifest["points"])
    assert [len(figures[key]) for key in PLACES] == [points] * len(PLACES)
    assert all(figure for key in PLACES for figure in figures[key])
    names = list(next(iter(results.manifest["points"]))["swept"])
    numeric = names == ["cells.lte.uplink.fading.doppler_hz"]
    assert any(key.startswith("sweep-") for key in figures) == numeric
    assert ("95th percentile of latency, all tasks, ms" in page) == (points > 1 and not numeric)


def test_the_question_is_the_opening_comment():
    assert question("# One\n#  two?\nname: x\n# three\n") == "One two?"
    assert question("\n# One\n\n# two\n") == "One"
    assert question("name: x\n# no\n") == ""


def test_importing_the_report_is_cheap():
    code = (
        "import sys, splitsim.report.page\n"
        "print([name for name in ('plotly', 'pandas', 'jinja2', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_units_fit():
    assert unit("seconds", [0.25, math.inf, math.nan]).full(0.25) == "250.0 ms"
    assert unit("seconds", [250.0]).full(250.0) == "250.00 s"
    assert unit("joules", []).text(math.nan) == "\N{EN DASH}"
    assert unit("share", [1.0]).text(math.inf) == "\N{INFINITY}"
    assert unit("share", [1.0]).interval(math.nan) == ""
    assert unit("share", [1.0]).interval(1e-5) == "\N{PLUS-MINUS SIGN}<0.1"
    looks = lines([str(n) for n in range(12)])
    assert len({(look.colour, look.dash) for look in looks.values()}) == 12


# A real browser

OFFLINE = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=10000", "--dump-dom"),
)


def shown_by_chromium(path: Path, profile: Path) -> str:
    """The document after the page's scripts have run."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium on PATH: apt-get install chromium")
    profile.mkdir()
    command = [browser, *OFFLINE, f"--user-data-dir={profile}", path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


CLICKS = """<script>
const point = document.getElementById("point");
point.value = "2";
point.dispatchEvent(new Event("change"));
document.querySelector(".key button").click();
</script></body>"""


def test_point_and_policies_can_be_chosen(swept, tmp_path):
    path = tmp_path / "clicked.html"
    path.write_text(page_of(swept).replace("</body>", CLICKS), encoding="utf-8")
    drawn = shown_by_chromium(path, tmp_path / "profile")
    assert 'class="here">servers.edge.background.load = 1.2<' in drawn
    pressed = re.findall(r'<button [^>]*aria-pressed="(\w+)"', drawn)
    assert pressed == ["false"] + ["true"] * (len(swept.manifest["policies"]) - 1)


@pytest.mark.parametrize("name", ["quick", "swept"])
def test_a_browser_draws_every_figure(name, request, tmp_path):
    results = request.getfixturevalue(name)
    drawn = shown_by_chromium(write_report(results), tmp_path / "profile")
    places = re.split(r'data-key="', drawn)[1:]
    expected = len(PLACES) + (5 if name == "swept" else 0)
    assert len(places) == expected
    for place in places:
        assert 'class="main-svg"' in place, f"{place[:20]} is not drawn"
    assert drawn.count("js-plotly-plot") >= expected
