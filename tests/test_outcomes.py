"""Outcomes: real bytes and answers per sample, cut and loss; the cache; what does not fit."""

from __future__ import annotations

import shutil
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from splitsim.dnn.crossing import Crossing, Level
from splitsim.dnn.data import dataset
from splitsim.dnn.outcomes import outcomes
from splitsim.dnn.partition import split
from splitsim.dnn.study import Plan, Study
from splitsim.dnn.wire import Wire
from splitsim.dnn.zoo import load
from splitsim.errors import BadInput
from splitsim.profiles import Tables

ROOT = Path(__file__).parents[1]
WEIGHTS = str(ROOT / "traces" / "weights" / "digits-cnn.pt")
DIGITS = Plan("small_cnn", "digits-test", weights=WEIGHTS, limit=100, batch=32, image="none")
PROFILED = replace(DIGITS, wire="4bit+zstd", image="uint8+zstd")  # as digits-cnn-4bit was
QUICK = Plan("small_cnn", "generated:10x1x8x8x20", batch=8, image="none", cuts="block2")


def table(plan, out, name="net", **more):
    """Rows by loss and cut: arrays with an entry per sample."""
    found = pq.read_table(outcomes(plan, out, name, **more)).to_pandas()
    return {key: rows.reset_index(drop=True) for key, rows in found.groupby(["loss", "cut"])}


@pytest.fixture
def computed(monkeypatch):
    """What was not cached: name of the cut, first sample, levels."""
    calls, rows = [], Crossing.rows

    def counted(self, samples, first, levels):
        calls.append((self.name.partition("/")[2], first, tuple(levels)))
        return rows(self, samples, first, levels)

    monkeypatch.setattr(Crossing, "rows", counted)
    return calls


# --- What is in the table --------------------------------------------------------------------


def plain_answers(samples):
    network = load("small_cnn", weights=WEIGHTS)
    with torch.no_grad():
        scores = network.module(torch.stack(list(map(network.preprocess, samples.images))))
    return scores.softmax(1).max(1)


@pytest.mark.parametrize("image", ["none", "uint8"])
def test_a_lossless_format_answers_as_the_plain_model_at_every_cut(tmp_path, image):
    found = table(replace(DIGITS, wire="float32", image=image, cuts="all", batch=100), tmp_path)
    samples = dataset("digits-test").take(0, 100)
    confidence, prediction = plain_answers(samples)
    accuracy = float((prediction.numpy() == samples.labels).mean())
    assert accuracy > 0.9
    assert len(found) == 14
    for rows in found.values():
        assert np.array_equal(rows.prediction, prediction)
        assert np.array_equal(rows.correct, prediction.numpy() == samples.labels)
        assert np.allclose(rows.confidence, confidence, atol=1e-6)
    model = Tables((tmp_path,)).model("net")
    assert model.top1 == accuracy
    assert found[0, 13].bytes.eq(0).all()


@pytest.mark.parametrize("wire", ["uint8+zstd", "4bit-channel+zlib", "topk0.1", "float16"])
def test_bytes_and_answers_are_those_of_the_coded_messages(tmp_path, wire):
    plan = replace(DIGITS, wire=wire, cuts="block2,pool", limit=20, batch=20)
    found = table(plan, tmp_path)
    study = Study.of(plan)
    samples, network = study.take(0), study.network
    inputs = torch.stack(list(map(network.preprocess, samples.images)))
    for cut in study.chosen[:-1]:
        head, tail = split(network.module, cut, network.example())
        with torch.no_grad():
            crossing = head(inputs)
            messages = [Wire.parse(wire).encode(crossing[n : n + 1]) for n in range(20)]
            scores = tail(torch.cat([Wire.decode(message) for message in messages]))
        rows = found[0, cut.index]
        assert rows.bytes.tolist() == list(map(len, messages))
        assert rows.prediction.tolist() == scores.argmax(1).tolist()
    means = [found[0, cut.index].bytes.mean() for cut in study.chosen]
    assert Tables((tmp_path,)).model("net").wire_bytes == pytest.approx(tuple(means))


def test_an_image_is_coded_before_normalising_and_normalised_after(tmp_path):
    """A network of ImageNet's pre-processing: what is sent is the crop of 24 x 24 pixels."""
    plan = Plan("resnet18", "generated:5x3x40x50x4", classes=5, shape=(3, 24, 24), batch=4)
    found = table(replace(plan, cuts="layer2", image="jpeg90"), tmp_path)
    network = load("resnet18", classes=5, shape=(3, 24, 24))
    pre = network.preprocess
    for number, image in enumerate(dataset(plan.dataset).take(0, 4).images):
        crop = replace(pre, mean=(0.0,), std=(1.0,))(image)
        message = Wire.parse("jpeg90").encode(crop.unsqueeze(0))
        assert found[0, 0].bytes[number] == len(message)
        decoded = (Wire.decode(message)[0] * 255).round()
        with torch.no_grad():
            scores = network.module(replace(pre, resize=None, crop=None)(decoded).unsqueeze(0))
        assert found[0, 0].prediction[number] == int(scores.argmax())
        assert found[0, 0].confidence[number] == pytest.approx(float(scores.softmax(1).max()), 1e-3)


def test_loss_takes_right_answers_away_and_bytes_stay(tmp_path):
    losses = (0.1, 0.4, 0.9)
    found = table(replace(DIGITS, wire="float32", cuts="block2", losses=losses), tmp_path)
    right = [found[loss, 1].correct.mean() for loss in (0.0, *losses)]
    assert right == sorted(right, reverse=True)
    assert right[0] > 0.95
    assert right[-1] < 0.3
    for loss in losses:
        assert found[loss, 1].bytes.equals(found[0, 1].bytes)
        assert found[loss, 2].equals(found[0, 2].assign(loss=loss))  # nothing is sent


def test_what_is_lost_depends_on_the_sample_alone(tmp_path):
    plan = replace(DIGITS, wire="float32", cuts="block2", losses=(0.4,), limit=40)
    one = table(plan, tmp_path / "one")[0.4, 1]
    other = table(replace(plan, batch=7, limit=30), tmp_path / "other")[0.4, 1]
    assert np.array_equal(one.prediction[:30], other.prediction)
    assert np.allclose(one.confidence[:30], other.confidence, atol=1e-5)


def test_samples_lose_their_packets_independently(tmp_path):
    """A picture of 8 x 8 pixels is one packet: it is lost as often as packets are."""
    found = table(replace(DIGITS, image="uint8", cuts="block2", losses=(0.4,)), tmp_path)
    hit = found[0, 0].confidence != found[0.4, 0].confidence
    assert abs(hit.mean() - 0.4) < 4.5 * np.sqrt(0.4 * 0.6 / len(hit))


def test_the_simulator_reads_what_is_written(tmp_path):
    outcomes(replace(QUICK, losses=(0.2,)), tmp_path, "net")
    tables = Tables((tmp_path,))
    read = tables.outcomes("net", "generated")
    assert (read.samples, set(read.found), set(read.found[0.0])) == (20, {0.0, 0.2}, {0, 1, 2})
    assert tables.model("net").layers == ("input", "block2", "output")
    assert "20 samples of generated" in tables.provenance[-1]["source"]


def test_no_more_than_a_batch_or_two_is_in_memory(tmp_path, monkeypatch):
    (tmp_path / "largedata.py").write_text("made = None\ndef large(): return made")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import largedata  # type: ignore[import-not-found]

    alive = weakref.WeakSet()

    class Large:
        most = 0

        def __len__(self):
            return 200

        def __getitem__(self, number):
            image = torch.zeros(1, 8, 8, dtype=torch.uint8)
            alive.add(image)
            Large.most = max(Large.most, len(alive))
            return image, number % 10

    largedata.made = Large()
    outcomes(replace(QUICK, dataset="largedata:large", batch=10), tmp_path / "out", "net")
    assert 10 <= Large.most <= 21


# --- The cache -------------------------------------------------------------------------------


def test_a_second_call_computes_nothing_and_writes_the_same(tmp_path, computed):
    path = outcomes(QUICK, tmp_path, "net")
    assert len(computed) == 3 * 3  # batches x cuts
    first = path.read_bytes()
    computed.clear()
    assert outcomes(QUICK, tmp_path, "net").read_bytes() == first
    assert computed == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"wire": "float16"}, {"input", "block2"}),
        ({"image": "uint8"}, {"input"}),
        ({"cuts": "block1,block2"}, {"block1"}),
        ({"dataset": "generated:10x1x8x8x28"}, {"input", "block2", "output"}),
        ({"threads": 2}, {"input", "block2", "output"}),
    ],
)
def test_only_what_changed_is_computed(tmp_path, computed, change, expected):
    outcomes(QUICK, tmp_path, "net")
    computed.clear()
    outcomes(replace(QUICK, **change), tmp_path, "net")
    assert {cut for cut, *_ in computed} == expected
    if "dataset" in change:  # the same samples, and more
        assert {first for _, first, _ in computed} == {16, 24}


def test_only_new_losses_are_computed(tmp_path, computed):
    outcomes(replace(QUICK, losses=(0.1,)), tmp_path, "net")
    computed.clear()
    outcomes(replace(QUICK, losses=(0.1, 0.3)), tmp_path, "net")
    assert {levels for *_, levels in computed} == {(Level(0.3),)}


def test_other_weights_are_computed_anew(tmp_path, computed):
    outcomes(QUICK, tmp_path, "net")
    state = load("small_cnn").module.state_dict()
    state["fc.bias"][0] += 1
    torch.save(state, tmp_path / "weights.pt")
    computed.clear()
    outcomes(replace(QUICK, weights=str(tmp_path / "weights.pt")), tmp_path, "net")
    assert len(computed) == 9


def test_other_pixels_of_one_sample_are_computed_anew(tmp_path, monkeypatch, computed):
    (tmp_path / "changing.py").write_text(
        "import torch\nvalues = [0] * 20\n"
        "def data(): return [(torch.full((1, 8, 8), v / 255), 0) for v in values]"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import changing  # type: ignore[import-not-found]

    plan = replace(QUICK, dataset="changing:data")
    outcomes(plan, tmp_path / "out", "net")
    changing.values[10] = 200
    computed.clear()
    outcomes(plan, tmp_path / "out", "net")
    assert [(cut, first) for cut, first, _ in computed] == [
        ("input", 8),
        ("block2", 8),
        ("output", 8),
    ]


def test_a_killed_call_leaves_no_table_and_loses_nothing_finished(tmp_path, monkeypatch, computed):
    def stop(share):
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outcomes(QUICK, tmp_path, "net", progress=stop)
    assert len(computed) == 5
    assert [path.name for path in tmp_path.iterdir()] == [".cache"]
    outcomes(QUICK, tmp_path, "net")
    assert len(computed) == len(set(computed)) == 9


def test_a_file_that_is_no_cache_is_one_clear_error(tmp_path):
    (tmp_path / "notes.txt").write_text("my notes " * 200)
    with pytest.raises(BadInput, match=r"notes.txt: cannot be used as a cache"):
        outcomes(QUICK, tmp_path / "out", "net", kept=tmp_path / "notes.txt")
    assert not (tmp_path / "out").exists()


# --- Beside a profile ------------------------------------------------------------------------


@pytest.fixture
def profiled(tmp_path):
    """A folder with the model tables and the profiles of digits-cnn."""
    for folder in ("models", "profiles"):
        shutil.copytree(
            ROOT / "traces" / folder,
            tmp_path / folder,
            ignore=lambda _, names: [n for n in names if not n.startswith("digits-cnn")],
        )
    return tmp_path


def test_a_profiled_model_keeps_its_cuts(profiled):
    name = "digits-cnn-4bit"
    before = Tables((profiled,)).model(name)
    outcomes(replace(PROFILED, cuts="pool"), profiled, name)
    tables = Tables((profiled,))
    after, found = tables.model(name), tables.outcomes(name, "digits-test")
    assert after.layers == before.layers
    pool = before.layers.index("pool")
    assert set(found.found[0.0]) == {0, pool, len(before.layers) - 1}
    changed = [n for n, sent in enumerate(after.wire_bytes) if sent != before.wire_bytes[n]]
    assert changed == [0, pool]


def test_a_profile_of_another_model_is_one_clear_error(profiled):
    before = (profiled / "models" / "digits-cnn.csv").read_bytes()
    with pytest.raises(BadInput, match="must be a cut of this network") as caught:
        outcomes(replace(QUICK, dataset="generated:5x1x8x8x20", classes=5), profiled, "digits-cnn")
    assert all("digits-cnn.csv:" in problem for problem in caught.value.problems)
    with pytest.raises(BadInput, match=r"has a profile, and no cut 'block1.0'; there are input, b"):
        outcomes(replace(DIGITS, cuts="block1.0"), profiled, "digits-cnn")
    assert (profiled / "models" / "digits-cnn.csv").read_bytes() == before
    assert not (profiled / "outcomes").exists()


def test_other_formats_than_the_profiles_are_one_clear_error(profiled):
    with pytest.raises(BadInput) as caught:
        outcomes(DIGITS, profiled, "digits-cnn")
    (problem,) = caught.value.problems
    assert "digits-cnn@x86-1t.toml: was made with wire float32 and image uint8, not " in problem
    assert "not wire uint8+zstd and image none: times and bytes of two formats" in problem
    assert not (profiled / "outcomes").exists()


def test_other_formats_than_another_data_sets_are_one_clear_error(tmp_path):
    outcomes(replace(QUICK, wire="float16"), tmp_path, "net")
    before = (tmp_path / "models" / "net.csv").read_bytes()
    outcomes(QUICK, tmp_path, "other")
    with pytest.raises(BadInput, match=r"net@generated.parquet: was made with wire float16"):
        outcomes(replace(QUICK, dataset="digits-test", limit=5), tmp_path, "net")
    assert (tmp_path / "models" / "net.csv").read_bytes() == before
    outcomes(QUICK, tmp_path, "net")  # the table itself is written anew


# --- What does not fit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "generated:5x1x8x8x9"}, "has 5 classes; small_cnn chooses from 10"),
        (
            {"dataset": "generated:10x1x9x8x9"},
            "has an image that is 1x9x8 .* small_cnn takes 1x8x8",
        ),
        ({"dataset": "generated:10x3x8x8x9"}, "has an image of 3x8x8; small_cnn takes 1x8x8"),
        ({"losses": (0.5, -1)}, "--loss: must be shares of packets from 0 to 1, not -1"),
        ({"batch": 0}, "--batch: must be a whole number, 1 or more, not 0"),
        ({"cuts": "block9"}, "there is no cut 'block9'; did you mean 'block"),
        ({"wire": "uint9"}, "there is no form 'uint9'"),
        ({"wire": "jpeg90"}, "use it at cut 0 only"),
        ({"image": "png"}, "there is no form 'png'"),
        ({"network": "smal_cnn"}, "did you mean 'small_cnn'"),
        ({"weights": "nowhere.pt"}, "there is no such file of weights"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(tmp_path, change, message):
    with pytest.raises(BadInput, match=message) as caught:
        outcomes(replace(QUICK, **change), tmp_path / "out", "net")
    assert len(caught.value.problems) == 1
    assert not (tmp_path / "out" / "models").exists()
    assert not (tmp_path / "out" / "outcomes").exists()


def test_weights_that_are_nan_are_one_clear_error(tmp_path):
    state = load("small_cnn").module.state_dict()
    state["block2.0.weight"][0, 0] = torch.nan
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(BadInput, match=r"holds NaN: block2.0.weight"):
        outcomes(replace(QUICK, weights=str(tmp_path / "weights.pt")), tmp_path / "out", "net")


def test_a_name_that_is_no_file_name(tmp_path):
    with pytest.raises(BadInput, match="--name: must be letters"):
        outcomes(QUICK, tmp_path, "a/b")
