"""Fetching public traces: the right file or none, and nothing without being asked."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import socket
import sys
import threading
import zipfile
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from building import build

from splitsim import BadInput, load_scenario
from splitsim.cli import main, trace_fetch
from splitsim.measure.datasets import PUBLISHED_AT, Dataset, catalogue, trace_file
from splitsim.measure.fetch import FetchFailed, fetch
from splitsim.profiles import shipped
from splitsim.world.traces import library, read_trace
from splitsim.world.traces.library import cache_folder, fetched

MEASURED = Path(os.environ.get("SPLITSIM_TRACES", Path(__file__).parents[2] / "shared/traces"))
needs_measured = pytest.mark.skipif(
    not MEASURED.is_dir(), reason="no measured traces: set SPLITSIM_TRACES to their folder"
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TRACE = b"time_s,rate_bps\n0.0,1000000.0\n1.0,2000000.0\n2.0,\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and no folder that holds traces."""
    monkeypatch.delenv("SPLITSIM_TRACES", raising=False)
    monkeypatch.setenv("SPLITSIM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "traces"


class Site:
    """A web server: what it has by path, what it was asked for, and how it answers."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.promised = 0  # bytes more than it sends
        self.silent = threading.Event()
        self.silent.set()
        self.status = 404

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        self.silent.wait(5)
        body = self.files.get(handler.path)
        handler.send_response(self.status if body is None else 200)
        handler.send_header("Content-Length", str(len(body or b"") + self.promised))
        handler.end_headers()
        handler.wfile.write(body or b"")


@pytest.fixture
def site():
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):
                site.answer(self)

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.base = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield site
    site.silent.set()
    server.shutdown()
    server.server_close()


def dataset(*contents: bytes, paths=("folder/a trace.csv",), **more) -> Dataset:
    files = [
        {
            "name": f"trace-{n}.csv",
            "repository": "somebody/traces",
            "commit": COMMIT,
            "paths": [path.replace("trace", f"trace-{n}") for path in paths],
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            **more,
        }
        for n, content in enumerate(contents)
    ]
    told = {"title": "T", "way": "uplink", "licence": "CC0", "citation": "Somebody, 2020"}
    return Dataset.model_validate({"name": "theirs", **told, "files": files})


def at(n: int, folder: str = "folder") -> str:
    return f"/somebody/traces/{COMMIT}/{folder}/a%20trace-{n}.csv"


def left_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file()) if folder.exists() else []


# --- Getting a file --------------------------------------------------------------------------


def test_files_are_fetched_to_the_cache_once(site, cache):
    wanted = dataset(TRACE, TRACE + b"\n")
    site.files = {at(0): TRACE, at(1): TRACE + b"\n"}
    told: list[tuple[int, int]] = []
    places = fetch(wanted, base=site.base, progress=lambda *at: told.append(at))
    assert places == [cache / "theirs" / "trace-0.csv", cache / "theirs" / "trace-1.csv"]
    assert [place.read_bytes() for place in places] == [TRACE, TRACE + b"\n"]
    assert left_in(cache) == ["trace-0.csv", "trace-1.csv"]
    assert site.asked == [at(0), at(1)]
    assert told[-1] == (wanted.size_bytes, wanted.size_bytes)
    assert [got for got, _ in told] == sorted(got for got, _ in told)
    assert fetch(wanted, base=site.base) == places
    assert len(site.asked) == 2


def test_a_mirror_below_a_path(site):
    site.files = {f"/mirror{at(0)}": TRACE}
    assert fetch(dataset(TRACE), base=f"{site.base}/mirror/")


def test_of_several_paths_the_first_that_is_there_is_taken(site):
    wanted = dataset(TRACE, paths=("folder/a trace.csv", "other/a trace.csv"))
    site.files = {at(0, "other"): TRACE}
    assert fetch(wanted, base=site.base)[0].read_bytes() == TRACE
    assert site.asked == [at(0), at(0, "other")]


def test_a_file_in_an_archive(site):
    other = b"x" * len(TRACE)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deep/same size.csv", other)
        archive.writestr("../deep/it.csv", TRACE)
        archive.writestr("big.bin", bytes(1_000_000))
    site.files = {at(0): packed.getvalue()}
    (place,) = fetch(dataset(TRACE, archive=True), base=site.base)
    assert place.read_bytes() == TRACE


def packed(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("it.csv", content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"no zip", "cannot be unpacked (File is not a zip file)"),
        (b"", "cannot be unpacked (File is not a zip file)"),
        (packed(b"x" * len(TRACE)), "has no member of that size and hash"),
        (packed(TRACE)[:36] + b"\xff\xff\xff" + packed(TRACE)[39:], "cannot be unpacked ("),
        (packed(TRACE)[:-10], "cannot be unpacked ("),
    ],
)
def test_an_archive_that_is_none_or_has_another_file(site, cache, content, what):
    site.files = {at(0): content}
    with pytest.raises(FetchFailed, match=r"the archive .*; nothing was written") as failed:
        fetch(dataset(TRACE, archive=True), base=site.base)
    assert what in str(failed.value)
    assert left_in(cache) == []


# --- What may go wrong -----------------------------------------------------------------------


def fails(site, cache, what: str, wanted: Dataset | None = None, **how) -> str:
    """The one line it fails with; it leaves nothing behind."""
    with pytest.raises(FetchFailed) as failed:
        fetch(wanted or dataset(TRACE), base=site.base, **how)
    (line,) = str(failed.value).splitlines()
    assert what in line
    assert "; nothing was written. To do: fetch trace-0.csv (" in line
    assert f"{len(TRACE)} bytes, sha256 {hashlib.sha256(TRACE).hexdigest()}" in line
    assert f"from {site.base}{at(0)} to {cache / 'theirs' / 'trace-0.csv'}" in line
    assert left_in(cache) == []
    assert not (cache / "theirs").exists()
    return line


def test_a_corrupted_file(site, cache):
    site.files = {at(0): TRACE.replace(b"1", b"7", 1)}
    fails(site, cache, "what came has another SHA-256")


def test_a_file_that_breaks_off(site, cache):
    site.files, site.promised = {at(0): TRACE[:20]}, len(TRACE) - 20
    fails(site, cache, f"the connection broke after 20 of {len(TRACE)} bytes")


@pytest.mark.parametrize(
    ("size", "what"), [(10, "10 bytes came where 49"), (100, "sends more than")]
)
def test_a_file_of_another_size(site, cache, size, what):
    site.files = {at(0): (TRACE * 3)[:size]}
    fails(site, cache, what)


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_file_that_cannot_be_had(site, cache, status):
    site.status = status
    fails(site, cache, f"{at(0)} answers {status}")


def test_a_refusal_is_no_reason_to_look_elsewhere(site, cache):
    wanted = dataset(TRACE, paths=("folder/a trace.csv", "other/a trace.csv"))
    site.status = 500
    with pytest.raises(FetchFailed, match="answers 500"):
        fetch(wanted, base=site.base)
    assert site.asked == [at(0)]


def test_a_server_that_falls_silent(site, cache):
    site.silent.clear()
    fails(site, cache, "the server fell silent", timeout_s=0.2)


def test_without_a_network(site, cache):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        site.base = f"http://127.0.0.1:{taken.getsockname()[1]}"
    fails(site, cache, "no server can be reached (Connection refused)")


def test_what_came_before_a_failure_is_kept(site, cache):
    site.files = {at(0): TRACE}
    with pytest.raises(FetchFailed, match=r"trace-1\.csv"):
        fetch(dataset(TRACE, TRACE + b"\n"), base=site.base)
    assert left_in(cache) == ["trace-0.csv"]


def test_an_interrupted_download_leaves_nothing(site, cache):
    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    site.files = {at(0): TRACE}
    with pytest.raises(KeyboardInterrupt):
        fetch(dataset(TRACE), base=site.base, progress=interrupt)
    assert left_in(cache) == []


def test_a_file_that_was_changed_is_told_and_not_replaced(site, cache):
    place = cache / "theirs" / "trace-0.csv"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"mine")
    with pytest.raises(BadInput, match=r"is not the published file .*; delete it and fetch it"):
        fetch(dataset(TRACE), base=site.base)
    assert place.read_bytes() == b"mine"
    assert site.asked == []


@pytest.mark.parametrize("base", ["", "ftp://x", "file:///etc", "http://", "http://[", "x"])
def test_what_is_no_address(base):
    with pytest.raises(BadInput, match=r"--mirror: .* is no address; give one like https://raw"):
        fetch(dataset(TRACE), base=base)


# --- Where they lie --------------------------------------------------------------------------


def test_a_fetched_trace_is_found_by_its_name(cache, tmp_path, monkeypatch):
    assert fetched("theirs/a.csv") is None
    place = cache / "theirs" / "a.csv"
    place.parent.mkdir(parents=True)
    place.write_bytes(TRACE)
    assert fetched("theirs/a.csv") == fetched("a.csv") == place
    held = tmp_path / "held"
    (held / "theirs").mkdir(parents=True)
    (held / "theirs" / "a.csv").write_bytes(TRACE)
    monkeypatch.setenv("SPLITSIM_TRACES", str(held))
    assert fetched("a.csv") == held / "theirs" / "a.csv"
    (held / "ours").mkdir()
    (held / "ours" / "a.csv").write_bytes(TRACE)
    with pytest.raises(BadInput, match=r"has ours/a\.csv and theirs/a\.csv; name one of them"):
        fetched("a.csv")


@pytest.mark.parametrize("name", ["", "..", "../a", "theirs/../../a", "/etc/passwd", "a/b/c", "."])
def test_nothing_else_is_found(cache, name):
    (cache / "theirs").mkdir(parents=True)
    assert fetched(name) is None


def test_a_variable_that_names_no_folder_is_a_mistake(monkeypatch):
    monkeypatch.setenv("SPLITSIM_TRACES", "nowhere")
    with pytest.raises(BadInput, match="SPLITSIM_TRACES: there is no folder 'nowhere'"):
        fetched("a")


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"SPLITSIM_CACHE": "/own"}, "linux", "/own/traces"),
        ({"XDG_CACHE_HOME": "/xdg"}, "linux", "/xdg/splitsim/traces"),
        ({"XDG_CACHE_HOME": "relative"}, "linux", "~/.cache/splitsim/traces"),
        ({}, "linux", "~/.cache/splitsim/traces"),
        ({}, "darwin", "~/Library/Caches/splitsim/traces"),
        ({"LOCALAPPDATA": "/local"}, "win32", "/local/splitsim/traces"),
    ],
)
def test_the_cache_is_where_the_platform_keeps_caches(environment, platform, expected):
    assert cache_folder(environment, platform) == Path(expected).expanduser()


def test_a_scenario_names_a_fetched_trace(cache, tmp_path):
    (cache / "theirs").mkdir(parents=True)
    (cache / "theirs" / "a.csv").write_bytes(TRACE)
    for name in ("theirs/a.csv", "a.csv"):
        channel = {"kind": "trace", "file": name}
        loaded = build(tmp_path, scenario={"cells": {"cell": {"uplink": channel}}})
        assert cache / "theirs" / "a.csv" in loaded.files
    (tmp_path / "a.csv").write_bytes(TRACE.replace(b"1000000", b"3000000"))
    loaded = load_scenario(tmp_path / "scenario.yaml")
    assert tmp_path / "a.csv" in loaded.files  # what is beside the scenario comes first


# --- The catalogue ---------------------------------------------------------------------------


def test_the_command_knows_the_address_without_the_catalogue():
    assert trace_fetch.PUBLISHED_AT == PUBLISHED_AT


def test_the_catalogue_is_in_order():
    known = catalogue()
    assert len(known) == 10
    names = [file.name for d in known.values() for file in d.files]
    assert len(set(names)) == len(names)  # so that a bare name tells
    for each in known.values():
        assert all((each.title, each.way, each.licence, each.citation))
        for file in each.files:
            for address in file.addresses():
                assert address.startswith("https://raw.githubusercontent.com/")
                assert f"/{file.commit}/" in address


def test_none_of_the_data_is_shipped():
    hashes = {file.sha256 for d in catalogue().values() for file in d.files}
    ours = [p for p in (shipped() / "channels").rglob("*") if p.is_file()]
    assert not hashes & {hashlib.sha256(p.read_bytes()).hexdigest() for p in ours}


@needs_measured
def test_the_catalogue_agrees_with_the_manifest():
    with (MEASURED / "MANIFEST.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    listed = {
        f"{d.name}/{f.name}": (str(f.size_bytes), f.sha256, f.repository, f.commit)
        for d in catalogue().values()
        for f in d.files
    }
    assert listed == {r["file"]: tuple(list(r.values())[1:]) for r in rows}


@needs_measured
@pytest.mark.parametrize("name", list(catalogue()))
def test_every_trace_of_the_catalogue_is_read_as_it_says(name, monkeypatch):
    monkeypatch.setenv("SPLITSIM_TRACES", str(MEASURED))
    each = catalogue()[name]
    assert fetch(each, base="http://127.0.0.1:1") == [
        MEASURED / name / file.name for file in each.files
    ]
    for file in each.files:
        path, how = trace_file(f"{name}/{file.name}")
        way = "downlink" if each.way == "downlink" else "uplink"
        trace = read_trace(path, **how, way=None if path.suffix in {".up", ".down"} else way)
        assert 5e5 < trace.mean_bps < 4e8
        assert not [w for w in trace.warnings if "unit" in w]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no toml", "is not TOML"),
        ("[a]\ntitle = 3", "a.title: Input should be a valid string"),
        ("[a]\nmore = 3", "a.more: Extra inputs are not permitted"),
        ("a = 3", ": a: Input should be"),
    ],
)
def test_a_catalogue_that_is_none(tmp_path, text, expected):
    path = tmp_path / "datasets.toml"
    path.write_text(text)
    with pytest.raises(BadInput) as bad:
        catalogue(path)
    assert any(expected in line for line in bad.value.problems)
    assert all(line.startswith(str(path)) for line in bad.value.problems)


# --- The command -----------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path, capsys, monkeypatch):
    """``command(...)`` of ``splitsim trace fetch``: exit code, output, lines of errors."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str):
        monkeypatch.setattr(sys, "argv", ["splitsim", "trace", "fetch", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        return left.value.code, out, err.splitlines()

    return command


def test_without_a_name_it_lists_what_there_is(command, cache):
    code, out, err = command()
    assert (code, err) == (0, [])
    for each in catalogue().values():
        assert each.name in out
    assert f"looked for in {cache}; get one with: splitsim trace fetch NAME" in out


def test_a_dry_run_says_what_it_would_do(command, cache):
    code, out, err = command("oboe", "--dry-run")
    assert (code, err) == (0, [])
    (file,) = catalogue()["oboe"].files
    for words in ("licence: none stated", "cite: Akhtar", file.sha256, file.addresses()[0]):
        assert words in out
    assert f"to {cache / 'oboe' / 'trace_0.txt'}" in out
    assert not cache.exists()


def test_offline_it_says_in_one_line_what_it_would_do(command, cache):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        base = f"http://127.0.0.1:{taken.getsockname()[1]}"
    code, out, (line,) = command("oboe", "--mirror", base)
    assert code == 1
    assert "cite: Akhtar" in out
    assert line.startswith("splitsim: no server can be reached (Connection refused); nothing was")
    for words in ("2,623 bytes", catalogue()["oboe"].files[0].sha256, base, str(cache)):
        assert words in line
    assert not (cache / "oboe").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("obo",), ["there is no data set 'obo'; did you mean oboe?"]),
        (("x", "y"), ["there is no data set 'x'; give one of mahimahi", "there is no data set 'y"]),
        (("oboe", "--mirror", "ftp://x"), ["--mirror: 'ftp://x' is no address"]),
        (("--dry-run",), ["--dry-run: needs the name of a data set"]),
    ],
)
def test_mistakes(command, arguments, expected):
    code, out, err = command(*arguments)
    assert (code, out, len(err)) == (2, "", len(expected))
    assert all(line.startswith(words) for words, line in zip(expected, err, strict=True))


def test_it_shows_licence_citation_and_how_a_scenario_names_it(command, site, cache, monkeypatch):
    wanted = dataset(TRACE, read={"format": "csv", "time": "time_s", "rate": "a b", "header": True})
    monkeypatch.setattr("splitsim.measure.datasets.catalogue", lambda: {"theirs": wanted})
    site.files = {at(0): TRACE}
    code, out, err = command("theirs", "--mirror", site.base)
    assert (code, err) == (0, [])
    place = cache / "theirs" / "trace-0.csv"
    assert "licence: CC0\n  cite: Somebody, 2020" in out
    keys = 'file: theirs/trace-0.csv, format: csv, time: time_s, rate: "a b", header: true'
    assert f"  {place}\n    {{kind: trace, {keys}}}\n" in out
    assert library.fetched("theirs/trace-0.csv") == place
