"""Exits of real networks: their branches, what they answer and cost; network files in tables."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from splitsim import Results, load_scenario, run
from splitsim.cli import main
from splitsim.dnn import networks
from splitsim.dnn.bottlenecks.noise import UnitPower, add_awgn
from splitsim.dnn.cache import weights_sha256
from splitsim.dnn.choice import choose, usual
from splitsim.dnn.crossing import Crossing
from splitsim.dnn.data import dataset
from splitsim.dnn.exact import inexact
from splitsim.dnn.exits import ExitsSpec, attach, counts
from splitsim.dnn.memory import memory
from splitsim.dnn.outcomes import outcomes
from splitsim.dnn.partition import cuts, find, split
from splitsim.dnn.profile import Plan as ProfilePlan
from splitsim.dnn.profile import profile
from splitsim.dnn.profile_tables import network_files, profile_files
from splitsim.dnn.study import Plan
from splitsim.dnn.tables import write
from splitsim.dnn.trace import trace
from splitsim.dnn.verify import verify
from splitsim.dnn.zoo import LoadedModel, load
from splitsim.entries import Hardware
from splitsim.errors import BadInput
from splitsim.outcome_table import EXIT_COLUMNS
from splitsim.profiles import Tables
from splitsim.rng import stream

BASE = "base: {network: small_resnet}\n"
TWO = BASE + "exits: {at: [layer3, layer1]}\n"
NARROW = BASE + "bottleneck: {kind: reduction, channels: 2}\nexits: {at: [layer1]}\n"
SAMPLES = 30


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def file_in(folder: Path, text: str = TWO, name: str = "net.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.fixture
def made(tmp_path):
    """``made(text)``: the path of a network file."""
    return partial(file_in, tmp_path)


def plan(network: str, **more) -> Plan:
    usual = {"limit": SAMPLES, "batch": SAMPLES, "image": "none"}
    return Plan(network, "digits-test", **{**usual, **more})


def rows_of(path: Path, cut: int, loss: float = 0.0):
    found = pq.read_table(path).to_pandas()
    return found[(found.cut == cut) & (found.loss == loss)].reset_index(drop=True)


def layers(path: Path, model: str) -> tuple[str, ...]:
    return Tables((path.parents[1],)).model(model).layers


# --- What is attached ---------------------------------------------------------------------------


def test_exits_change_nothing_of_the_network_but_its_state_dict(made):
    plain, found = load("small_resnet"), networks.load(made())
    example = found.example()
    assert list(found.exits) == ["layer1", "layer3"]
    assert torch.equal(found.module(example), plain.module(example))
    every = cuts(found.module, example)
    assert every == cuts(plain.module, example)
    assert inexact(found.module, every, example) == []
    new = found.module.state_dict().keys() - plain.module.state_dict().keys()
    assert {key.rpartition(".")[0] for key in new} == {
        *("exits.layer1.0", "exits.layer1.4", "exits.layer3.0", "exits.layer3.4"),
    }
    assert not any(part.training for part in found.module.modules())


def test_branches_are_random_and_always_the_same(made):
    one, two = (networks.load(made()).module.state_dict() for _ in range(2))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(one["exits.layer1.0.weight"][:, :1], torch.zeros(1))


def test_the_branch_of_branchynet_is_the_published_one():
    """The second of B-AlexNet: 96 maps of 4 x 4, 32 of which 2 x 2 are left, 10 classes."""
    pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 10)]
    net = nn.Sequential(nn.Conv2d(1, 96, 1), *pooled).eval()
    model = LoadedModel("net", net, (1, 4, 4), lambda image: image, 10)
    found = attach(model, ExitsSpec(at=["conv2d_0"]))
    every = cuts(found.module, found.example())
    at = find(every, "conv2d_0").index
    (cost,) = counts({at: found.exits["conv2d_0"]}, every).values()
    assert cost.params == 32 * 96 * 9 + 32 + 10 * 128 + 10
    assert cost.macs == 32 * 96 * 9 * 16 + 10 * 128


@pytest.mark.parametrize(("size", "left"), [(2, 1), (3, 1), (4, 2), (5, 2), (8, 4), (13, 6)])
def test_its_pool_leaves_half_of_every_side(size, left):
    pooled = nn.MaxPool2d(3, 2, ceil_mode=True)(torch.zeros(1, 1, size, size))
    assert pooled.shape[-1] == left == size // 2


def test_spinns_exits_are_equal_classifiers(made):
    found = networks.load(made(BASE + "exits: {at: [layer1, layer2, avgpool], kind: spinn}"))
    kinds = {tuple(map(type, branch)) for branch in found.exits.values()}
    assert kinds == {(nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear)}
    assert [branch[2].in_features for branch in found.exits.values()] == [16, 32, 128]


def test_a_cut_within_a_block_has_a_branch_like_any_other(made):
    found = networks.load(made(BASE + "exits: {at: [layer1, conv1.1]}"))
    assert list(found.exits) == ["conv1.1", "layer1"]
    assert "exits.conv1-1.0.weight" in found.module.state_dict()


def test_weights_of_exits_are_saved_loaded_and_told_apart(made, tmp_path):
    found = networks.load(made())
    before = weights_sha256(found.module)
    with torch.no_grad():
        found.exits["layer3"][4].bias += 1
    assert weights_sha256(found.module) != before
    torch.save(found.module.state_dict(), tmp_path / "trained.pt")
    again = networks.load(made(), weights=tmp_path / "trained.pt")
    assert weights_sha256(again.module) == weights_sha256(found.module)
    assert torch.equal(again.exits["layer3"][4].bias, found.exits["layer3"][4].bias)


@pytest.mark.parametrize("text", [TWO, NARROW])
def test_a_state_dict_without_the_exits_is_told(made, tmp_path, text):
    bare = text.partition("exits")[0]
    torch.save(networks.load(made(bare)).module.state_dict(), tmp_path / "bare.pt")
    with pytest.raises(BadInput, match=r"bare.pt: lacks what \w+ has: exits.layer1.0.bias"):
        networks.load(made(text), weights=tmp_path / "bare.pt")


@pytest.mark.parametrize(
    ("exits", "words"),
    [
        ("{at: [layr1]}", "exits.at: there is no cut 'layr1'; did you mean 'layer1'?"),
        ("{at: [output]}", "'output': no exit can be at the output, where the network itself"),
        ("{at: [input]}", "'input': no exit can be at the input, where nothing has been"),
        ("{at: [layer1, layer1]}", "exits.at: 'layer1' is there twice; name it once"),
        ("{at: [layer1, layer1.relu]}", "'layer1.relu' is the same cut as 'layer1'"),
        ("{at: [layer1.body]}", "inside the block 'layer1' more than one tensor crosses"),
        (
            "{at: [avgpool]}",
            "'avgpool': a branch of branchynet needs maps, 2 x 2 or more, not 128x1x1",
        ),
        ("{at: [flatten], kind: spinn}", "of spinn needs maps, 1 x 1 or more, not 128"),
        ("{at: []}", "at"),
        ("{at: [layer1], kind: spin}", "kind"),
        ("{at: [layer1], kind: spinn, channels: 8}", "channels are of branchynet's convolution"),
    ],
)
def test_mistakes_in_exits_name_the_file(made, exits, words):
    with pytest.raises(BadInput) as error:
        networks.load(made(BASE + f"exits: {exits}"))
    assert len(error.value.problems) == 1
    assert "net.yaml" in error.value.problems[0]
    assert words in error.value.problems[0]


def test_all_mistakes_in_exits_are_told_at_once(made):
    with pytest.raises(BadInput) as error:
        networks.load(made(BASE + "exits: {at: [layr1, output, layer2, layer2]}"))
    assert len(error.value.problems) == 3


def test_where_a_network_spikes_no_exit_can_be(made):
    spiking = "bottleneck: {kind: spikebottlenet, channels: 2, steps: 3}\n"
    with pytest.raises(BadInput, match="'layer1': 3 tensors of a sample cross there, one after"):
        networks.load(made(BASE + spiking + "exits: {at: [layer1]}"))


# --- What they answer ---------------------------------------------------------------------------


def direct(found: LoadedModel, samples) -> dict[str, torch.Tensor]:
    """Scores of every branch, by plain PyTorch on a whole network that is no graph."""
    at: dict[str, torch.Tensor] = {}
    plain = load("small_resnet").module
    plain.load_state_dict(found.module.state_dict(), strict=False)
    for name in found.exits:
        hook = lambda _module, _given, answer, name=name: at.update({name: answer.clone()})  # noqa: E731
        plain.get_submodule(name).register_forward_hook(hook)
    with torch.no_grad():
        plain(torch.stack(list(map(found.preprocess, samples.images))))
        return {name: found.module.exits[name](tensor) for name, tensor in at.items()}


def test_rows_of_exits_are_a_direct_run_of_the_network_and_its_branches(made, tmp_path):
    path = outcomes(plan(made(), losses=(0.3,)), tmp_path / "out", "net")
    samples = dataset("digits-test").take(0, SAMPLES)
    names = layers(path, "net")
    for layer, scores in direct(networks.load(made()), samples).items():
        shares = scores.double().softmax(1)
        entropy = -(shares * shares.log()).sum(1) / math.log(10)
        for loss in (0.0, 0.3):  # the device does not lose what it has
            rows = rows_of(path, names.index(layer), loss)
            assert rows.exit_prediction.tolist() == scores.argmax(1).tolist()
            assert np.allclose(rows.exit_confidence, shares.amax(1), atol=1e-6)
            assert np.allclose(rows.exit_entropy, entropy, atol=1e-6)
            right = scores.argmax(1).numpy() == samples.labels
            assert rows.exit_correct.tolist() == right.astype(float).tolist()


def test_cuts_without_an_exit_have_nulls_and_numbers_stay_whole(made, tmp_path):
    path = outcomes(plan(made()), tmp_path / "out", "net")
    table, names = pq.read_table(path), layers(path, "net")
    assert table.column_names[-4:] == list(EXIT_COLUMNS)
    types = {name: str(table.schema.field(name).type) for name in EXIT_COLUMNS}
    assert types["exit_prediction"] == "int64"
    assert types["exit_correct"] == "int8"
    exits = {names.index("layer1"), names.index("layer3")}
    for cut in range(len(names)):
        rows = rows_of(path, cut)
        assert rows[list(EXIT_COLUMNS)].isna().all(axis=None) == (cut not in exits)
    read = Tables((tmp_path / "out",)).outcomes("net", "digits-test")
    assert set(read.exits) == exits


def test_a_network_without_exits_has_no_such_columns(tmp_path):
    path = outcomes(plan("small_resnet"), tmp_path, "net")
    assert not {*EXIT_COLUMNS} & {*pq.read_table(path).column_names}
    assert "exit" not in (tmp_path / "models" / "net.csv").read_text()


def test_answers_of_exits_are_cached(made, tmp_path, monkeypatch):
    calls, rows = [], Crossing.rows
    monkeypatch.setattr(
        Crossing, "rows", lambda *given: calls.append(given[0].name) or rows(*given)
    )
    first = outcomes(plan(made()), tmp_path / "out", "net").read_bytes()
    computed = len(calls)
    assert computed > 4
    assert outcomes(plan(made()), tmp_path / "out", "net").read_bytes() == first
    assert len(calls) == computed
    found = networks.load(made())
    with torch.no_grad():
        found.exits["layer1"][4].bias += 1
    torch.save(found.module.state_dict(), tmp_path / "other.pt")
    outcomes(plan(made(), weights=str(tmp_path / "other.pt")), tmp_path / "out", "net")
    assert len(calls) == 2 * computed


def test_what_is_lost_does_not_depend_on_where_the_file_lies(made, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    files = [made(), made(name="elsewhere/net.yaml")]
    one, two = (
        outcomes(plan(file, losses=(0.4,), cuts="layer2"), tmp_path / f"out{n}", "net")
        for n, file in enumerate(files)
    )
    assert pq.read_table(one).equals(pq.read_table(two))


# --- Cuts, formats, costs -----------------------------------------------------------------------


def test_the_usual_cuts_of_a_bottleneck_are_it_and_the_exits(made, tmp_path):
    path = outcomes(plan(made(NARROW)), tmp_path / "out", "net")
    assert layers(path, "net") == ("input", "layer1", "bottleneck", "output")
    card = (tmp_path / "out" / "models" / "net.toml").read_text()
    assert "inner cuts: uint8+zstd, bottleneck uint8;" in card
    # 2 x 8 x 8 codes, their range, and the header of the format that the quantiser was made for.
    assert rows_of(path, 2).bytes.eq(2 * 8 * 8 + 8 + 14).all()


def test_exits_are_among_whatever_cuts_are_asked_for(made, tmp_path):
    file = made(BASE + "exits: {at: [conv1.0, layer3]}")  # conv1.0 is no natural cut
    found, plain = networks.load(file), load("small_resnet")
    every, bare = (cuts(net.module, net.example()) for net in (found, plain))
    natural = [cut.name for cut in choose(every, usual(found), found.exits)]
    usual_ones = [cut.name for cut in choose(bare, usual(plain))]
    assert [name for name in natural if name != "conv1.0"] == usual_ones
    some = layers(outcomes(plan(file, cuts="layer2"), tmp_path / "c", "net"), "net")
    assert some == ("input", "conv1.0", "layer2", "layer3", "output")


def test_a_profile_without_the_cut_of_an_exit_must_be_made_anew(profiled, made):
    folder, _, _ = profiled
    four = made(BASE + "exits: {at: [layer1, layer3, layer4]}", name="four.yaml")
    before = sorted(folder.rglob("*"))
    with pytest.raises(BadInput, match=r"net.csv: has a profile, and no cut 'layer4'; there are"):
        outcomes(plan(four), folder, "net")
    assert sorted(folder.rglob("*")) == before


@pytest.fixture
def profiled(tmp_path):
    """A folder with the profile of a network with two exits, and what was measured."""
    return profiled_in(tmp_path)


def profiled_in(folder: Path, text: str = TWO, which: str | None = "layer2"):
    found = networks.load(file_in(folder, text))
    what = ProfilePlan(None, None, which=which, runs=6, batch=2, batches=(1,))
    measured = profile(found, what)
    tables = {
        **network_files("net", folder / "out", found, measured),
        **profile_files("net", Hardware("here"), found, what, measured, ""),
    }
    write(folder / "out", tables)
    return folder / "out", found, measured


def test_a_profile_has_the_times_of_branches_where_they_are(profiled):
    folder, _, measured = profiled
    assert [cut.name for cut in measured.cuts] == ["input", "layer1", "layer2", "layer3", "output"]
    assert {at: len(times_s) for at, times_s in measured.exits_s.items()} == {1: 6, 3: 6}
    read = Tables((folder,)).profile("net", "here")
    assert [time_s is not None for time_s in read.times["exit"]] == [0, 1, 0, 1, 0]
    assert read.times["exit"][1] == pytest.approx(np.median(measured.exits_s[1]), abs=1e-9)
    assert read.basis["exit"] == ("", "measured", "", "measured", "")
    runs = pq.read_table(folder / "profiles" / "net@here.runs.parquet").to_pandas()
    assert np.array_equal(runs.exit_s[runs.cut == 3], measured.exits_s[3])
    assert runs.exit_s[~runs.cut.isin([1, 3])].isna().all()
    Tables((folder,)).runs("net", "here")


def test_a_model_table_counts_branches_alone(profiled):
    folder, found, _ = profiled
    table = (folder / "models" / "net.csv").read_text().splitlines()
    assert table[0].endswith(",exit_macs,exit_params")
    ends = [row.split(",")[-2:] for row in table[1:]]
    macs, params = 32 * 16 * 9 * 16 * 16 + 10 * 32 * 8 * 8, 32 * 16 * 9 + 32 + 10 * 32 * 8 * 8 + 10
    assert ends[1] == [str(macs), str(params)]
    assert ends[3][1] == str(sum(p.numel() for p in found.exits["layer3"].parameters()))
    assert ends[0] == ends[2] == ends[4] == ["", ""]


def test_memory_has_the_branches_before_a_cut_on_its_device(made):
    found = networks.load(made())
    every = cuts(found.module, found.example())
    traced = trace(found.module, found.example())
    at = {find(every, name).index: branch for name, branch in found.exits.items()}
    plain, full = (memory(traced, found.example(), every, b) for b in ({}, at))
    sizes = {n: 4 * sum(p.numel() for p in branch.parameters()) for n, branch in at.items()}
    for cut, one, other in zip(every, plain, full, strict=True):
        more = sum(size for n, size in sizes.items() if n <= cut.index)
        assert other.tail_bytes == one.tail_bytes
        # What is alive in a branch: here never more than in the widest layer before it.
        assert other.head_bytes - one.head_bytes >= more
        assert more or other == one


def test_memory_of_a_wide_branch_is_what_is_alive_in_it():
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), nn.Linear(16, 10)).eval()
    model = LoadedModel("net", net, (1, 4, 4), lambda image: image, 10)
    found = attach(model, ExitsSpec(at=["conv2d_0"], channels=100))
    every = cuts(found.module, found.example())
    at = find(every, "conv2d_0").index
    needs = memory(
        trace(net, found.example()), found.example(), every, {at: found.exits["conv2d_0"]}
    )
    weights = 2 + 100 * 9 + 100 + 10 * 400 + 10
    assert needs[at].head_bytes == 4 * (weights + 2 * 100 * 16)  # the ReLU's input and output


# --- Network files in tables --------------------------------------------------------------------


def test_a_base_with_weights_needs_no_other(made, tmp_path):
    weights = tmp_path / "teacher.pt"
    state = load("small_resnet").module.state_dict()
    state["fc.bias"][3] = 50.0
    torch.save(state, weights)
    file = made("base: {network: small_resnet, weights: teacher.pt}\nexits: {at: [layer1]}")
    path = outcomes(plan(file, cuts="layer2"), tmp_path / "out", "net")
    assert rows_of(path, 3).prediction.eq(3).all()
    weights.unlink()
    with pytest.raises(BadInput, match=r"net.yaml: .*teacher.pt: there is no such file"):
        outcomes(plan(file, cuts="layer2"), tmp_path / "out", "net")


def test_the_command_names_the_model_after_the_file_and_prints_exits(
    made, tmp_path, monkeypatch, capsys
):
    words = ("outcomes", made(NARROW), "--dataset", "digits-test", "--limit", "5")
    out = str(tmp_path / "out")
    monkeypatch.setattr("sys.argv", ["splitsim", *words, "--image", "none", "--out", out])
    with pytest.raises(SystemExit) as left:
        main()
    lines = capsys.readouterr().out.splitlines()
    assert left.value.code == 0
    assert lines[0].split() == ["loss", "cut", "bytes", "accuracy", "exit's"]
    assert [len(line.split()) for line in lines[1:5]] == [4, 5, 4, 4]
    assert lines[-1].endswith("outcomes/net@digits-test.parquet")


# --- In a run -----------------------------------------------------------------------------------


SCENARIO = """
name: exits
duration_s: 60
models: [net]
tables: [out]
dataset: digits-test
exits: {by: confidence, thresholds: [LOW, HIGH]}
devices:
  - name: board
    hardware: here
    cell: cell
    arrivals: {kind: poisson, rate_hz: 2}
    service: {kind: recorded}
cells:
  cell:
    radio: wifi
    uplink: {kind: constant, rate_bps: 1e6}
    downlink: {kind: constant, rate_bps: 1e6}
    transport: {kind: unreliable, loss: 0.3}
servers: {edge: {hardware: here}}
policies:
  - {name: local, kind: local, model: net, exit: HIGH}
  - {name: split, kind: split, model: net, cut: layer3, exit: LOW}
  - {name: whole, kind: split, model: net, cut: layer3}
"""


def run_in(folder: Path, network: str, text: str, **more) -> Path:
    """Results of a scenario on the tables of a network, ``out`` in a folder."""
    path = outcomes(plan(network, **more), folder / "out", "net")
    found = pq.read_table(path)["exit_confidence"].drop_null().to_numpy()
    low, high = np.quantile(found, [0.4, 0.8]).round(4)  # so that all ways are taken
    (folder / "exits.yaml").write_text(text.replace("LOW", str(low)).replace("HIGH", str(high)))
    run(load_scenario(folder / "exits.yaml"), folder / "results", jobs=1)
    return folder / "results"


@pytest.fixture(scope="module")
def run_there(tmp_path_factory):
    """Results of a run on the tables of a network with exits, and its network file."""
    folder = tmp_path_factory.mktemp("run")
    profiled_in(folder)
    file = file_in(folder)
    return run_in(folder, file, SCENARIO, losses=(0.3,)), Path(file)


def test_tasks_that_end_at_exits_agree_with_the_real_network(run_there):
    results, _ = run_there
    tasks = Results(results).tasks
    exits = set(tasks.exit.dropna())
    assert exits == {"layer1", "layer3"}
    checks = verify(results, 150)
    assert all(check.agrees for check in checks)
    early = [check for check in checks if check.row_bytes == 0 and "split" in check.option]
    assert early
    assert any(check.row_bytes for check in checks)


def test_a_row_of_an_exit_that_was_changed_is_found(run_there):
    results, _ = run_there
    (path,) = (results / "tasks").glob("p0000-split-*.parquet")
    rows = pq.read_table(path)
    at = rows.column_names.index("correct")
    flipped = pa.array(1 - rows["correct"].to_numpy())
    pq.write_table(rows.set_column(at, "correct", flipped), path)
    checks = verify(results, 150)
    pq.write_table(rows, path)
    wrong = {check.option for check in checks if not check.agrees}
    assert len(wrong) == 1
    assert wrong.pop().startswith("split:net/layer3 exit 0.")


def test_a_network_file_that_changed_or_is_gone_is_told(run_there):
    results, file = run_there
    table = results.parent / "out" / "outcomes" / "net@digits-test.parquet"
    about = json.loads(pq.read_schema(table).metadata[b"splitsim"])
    assert about["plan"]["network"] == "../../net.yaml"
    text = file.read_text()
    file.write_text(text.replace("layer3", "layer2"))
    with pytest.raises(
        BadInput, match=r"net.yaml: changed since .*net@digits-test.parquet was made"
    ):
        verify(results, 3)
    file.unlink()
    with pytest.raises(BadInput, match=r"net.yaml: there is no such network file; put it back"):
        verify(results, 3)
    file.write_text(text)


# --- Numbers sent as symbols --------------------------------------------------------------------

ANALOGUE = (
    BASE + "bottleneck: {kind: bottlenetpp, channels: 2, channel: {kind: awgn, snr_db: 10}}\n"
    "exits: {at: [layer1]}\n"
)
SNRS = (20.0, -10.0, 5.0)


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    """The outcomes of a network whose bottleneck sends symbols, at a loss and three SNRs."""
    folder = tmp_path_factory.mktemp("heard")
    network = file_in(folder, ANALOGUE)
    return outcomes(plan(network, losses=(0.2,), snrs=SNRS), folder / "out", "net")


def test_rows_at_an_snr_are_those_of_the_noisy_tensor(heard, made):
    table = pq.read_table(heard).to_pandas()
    found = networks.load(made(ANALOGUE))
    every = cuts(found.module, found.example())
    head, tail = split(found.module, find(every, "bottleneck"), found.example())
    samples = dataset("digits-test").take(0, SAMPLES)
    with torch.no_grad():
        symbols = head(torch.stack(list(map(found.preprocess, samples.images))))
        assert torch.allclose(symbols.square().flatten(1).mean(1), torch.ones(SAMPLES), atol=1e-5)
        for snr_db in SNRS:
            rows = table[table.snr_db == snr_db]
            noisy = torch.cat(
                [
                    add_awgn(x, snr_db, rng=stream(0, "noise", f"net.yaml/bottleneck/{n}"))
                    for n, x in enumerate(symbols.split(1))
                ]
            )
            assert rows.prediction.tolist() == tail(noisy).argmax(1).tolist()
            assert rows.bytes.eq(4 * 2 * 8 * 8).all()  # two maps of 8 x 8


def test_rows_at_snrs_come_last_and_of_the_bottleneck_only(heard):
    table = pq.read_table(heard)
    names, rows = table.column_names, table.to_pandas()
    assert names[:4] == ["sample", "cut", "loss", "snr_db"]
    symbols = rows.snr_db.notna()
    cut = layers(heard, "net").index("bottleneck")
    assert (rows.cut[symbols] == cut).all()
    assert rows.loss[symbols].isna().all()
    assert rows.loss[~symbols].notna().all()
    levels = rows[~rows.duplicated(["loss", "snr_db"])][["loss", "snr_db"]]
    assert levels.loss.dropna().tolist() == [0.0, 0.2]
    assert levels.snr_db.dropna().tolist() == sorted(SNRS)
    assert levels.snr_db.isna().tolist() == [True, True, False, False, False]
    assert rows.exit_prediction[rows.cut == cut].isna().all()
    read = Tables((heard.parents[1],)).outcomes("net", "digits-test")
    assert list(read.heard) == [cut]
    assert set(read.found[0.2]) == {0, 1, 2, 3}


def test_noise_depends_on_the_sample_alone_and_grows(heard, made, tmp_path):
    """Noise of -10 dB changes more of what is said than that of 20 dB does."""
    again = plan(made(ANALOGUE), losses=(0.2,), snrs=SNRS, batch=7, limit=20)
    other = pq.read_table(outcomes(again, tmp_path / "again", "net")).to_pandas()
    rows = pq.read_table(heard).to_pandas()
    clean = rows[(rows.loss == 0) & (rows.cut == 2)].confidence.to_numpy()
    apart = {}
    for snr_db in SNRS:
        one, two = (r[r.snr_db == snr_db].reset_index(drop=True) for r in (rows, other))
        assert np.allclose(one.confidence[:20], two.confidence, atol=1e-5)
        apart[snr_db] = np.abs(one.confidence.to_numpy() - clean).mean()
    assert apart[20.0] < apart[5.0] < apart[-10.0]


@pytest.mark.parametrize("text", [BASE, NARROW])
def test_a_network_without_symbols_has_no_snr(made, tmp_path, text):
    with pytest.raises(BadInput, match=r"--snr: .*net.yaml has no bottleneck whose numbers are"):
        outcomes(plan(made(text), snrs=(3.0,)), tmp_path / "out", "net")
    assert not (tmp_path / "out").exists()


def test_numbers_of_another_power_are_no_symbols(made, tmp_path, monkeypatch):
    monkeypatch.setattr(UnitPower, "forward", lambda self, x: 2 * x)
    with pytest.raises(BadInput, match=r"sends numbers of a mean square of .*, not 1: they are no"):
        outcomes(plan(made(ANALOGUE), snrs=(3.0,)), tmp_path / "out", "net")


def test_tasks_over_an_analogue_link_agree_with_the_real_network(tmp_path):
    profiled_in(tmp_path, ANALOGUE, which=None)
    uplink = "{kind: fading, bandwidth_hz: 1e4, snr: {kind: constant, mean_db: 0}, " + (
        "fading: {kind: rayleigh, doppler_hz: 5}, rate: {kind: symbols}}"
    )
    text = SCENARIO.replace("uplink: {kind: constant, rate_bps: 1e6}", f"uplink: {uplink}")
    text = text.replace("{kind: unreliable, loss: 0.3}", "{kind: analogue}")
    text = text.replace("cut: layer3", "cut: bottleneck")
    results = run_in(tmp_path, file_in(tmp_path, ANALOGUE), text, snrs=(-10.0, 0.0, 10.0))
    heard = Results(results).tasks.snr_db.dropna()
    assert heard.nunique() > 20
    checks = verify(results, 150)
    assert all(check.agrees for check in checks)
    assert {check.row_bytes for check in checks} == {0.0, 512.0}


def test_a_bottleneck_that_does_not_compress_is_told(made, tmp_path):
    said = []
    outcomes(plan(made(ANALOGUE)), tmp_path / "out", "net", say=said.append)
    assert len(said) == 1
    assert "net.yaml: the bottleneck does not compress: its messages have" in said[0]
