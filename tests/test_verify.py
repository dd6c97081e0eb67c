"""Commands around real networks: outcomes, a run on them, and verifying it; digits to report."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from splitsim import Results, load_scenario, run
from splitsim.cli import main
from splitsim.dnn.outcomes import outcomes
from splitsim.dnn.study import Plan
from splitsim.dnn.verify import verify
from splitsim.dnn.zoo import load
from splitsim.errors import BadInput

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "traces" / "weights" / "digits-cnn.pt"
DIGITS = Plan("small_cnn", "digits-test", limit=60, batch=25, losses=(0.1, 0.4))
# As analysis/digits.py makes them.
MODELS = {"digits-cnn": ("float32", "uint8"), "digits-cnn-4bit": ("4bit+zstd", "uint8+zstd")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with ``own`` tables of 60 digits, the scenario on them, and its ``results``."""
    folder = tmp_path_factory.mktemp("digits")
    weights = folder / "own" / "weights" / "digits-cnn.pt"
    weights.parent.mkdir(parents=True)
    shutil.copy(WEIGHTS, weights)
    for name, (wire, image) in MODELS.items():
        plan = replace(DIGITS, weights=str(weights), wire=wire, image=image)
        outcomes(plan, folder / "own", name)
    text = (ROOT / "scenarios" / "digits-real.yaml").read_text()
    (folder / "digits.yaml").write_text(text.replace("dataset:", "tables: [own]\ndataset:"))
    changes = {"duration_s": 60, "seeds": 2}
    run(load_scenario(folder / "digits.yaml", changes), folder / "results", jobs=1)
    return folder


@pytest.fixture
def copied(made, tmp_path):
    """The same to break; results name the tables by their old place, so these are moved back."""
    shutil.copytree(made, tmp_path / "digits")
    return tmp_path / "digits"


@pytest.fixture
def splitsim(capsys, monkeypatch, tmp_path):
    """``splitsim(...)``: exit code, standard output, lines of standard error."""
    monkeypatch.chdir(tmp_path)

    def splitsim(*arguments):
        monkeypatch.setattr(sys, "argv", ["splitsim", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return left.value.code, out, err.splitlines()

    return splitsim


# --- A run ------------------------------------------------------------------------------------


def test_every_option_and_loss_agrees_with_the_real_network(made):
    checks = verify(made / "results", 200)
    assert len(checks) == 200
    assert all(check.agrees for check in checks)
    assert len({check.option for check in checks}) == 5
    assert {check.part[:5] for check in checks} == {"p0000", "p0001", "p0002"}
    assert {check.row_correct for check in checks} == {0.0, 1.0}


def test_accuracy_without_loss_is_that_of_the_plain_model(made):
    results = Results(made / "results")
    summary = results.summary[results.summary["cells.mesh.transport.loss"] == 0]
    accuracy = summary.set_index("policy").accuracy
    assert accuracy["local"] == accuracy["picture"] == accuracy["plain"]
    tasks = results.tasks[(results.tasks.policy == "local") & (results.tasks.point == 0)]
    network = load("small_cnn", weights=WEIGHTS)
    from splitsim.dnn.data import dataset

    samples = dataset("digits-test").take(0, 60)
    with torch.no_grad():
        scores = network.module(torch.stack(list(map(network.preprocess, samples.images))))
    right = scores.argmax(1).numpy() == samples.labels
    counted = tasks[tasks.created_s >= 5]
    assert accuracy["local"] == pytest.approx(right[counted["sample"]].mean(), abs=1e-12)


def test_loss_takes_answers_away(made):
    summary = Results(made / "results").summary.set_index(["cells.mesh.transport.loss", "policy"])
    for policy in ("picture", "plain", "coded", "narrow"):
        right = [summary.accuracy[loss, policy] for loss in (0, 0.1, 0.4)]
        assert right == sorted(right, reverse=True)
        assert right[0] > 0.9 > right[-1]
    assert summary.accuracy[0.4, "local"] == summary.accuracy[0, "local"]


# --- Rows and files that were changed -----------------------------------------------------------


@pytest.mark.parametrize(("column", "change"), [("sent_bytes", 1.0), ("correct", 1.0)])
def test_rows_that_differ_are_found(copied, splitsim, column, change):
    for path in (copied / "results" / "tasks").glob("p0000-plain-*.parquet"):
        rows = pq.read_table(path)
        at = rows.column_names.index(column)
        values = rows[column].to_numpy() + change
        values = values % 2 if column == "correct" else values
        pq.write_table(rows.set_column(at, column, pa.array(values)), path)
    code, out, err = splitsim("verify", copied / "results", "--tasks", "150")
    assert (code, err) == (1, [])
    differ = [line for line in out.splitlines() if line.rstrip().endswith("differs")]
    assert differ
    assert all("split:digits-cnn/block2" in line for line in differ)
    assert all("really" in line for line in differ)
    assert out.splitlines()[-1] == f"{150 - len(differ)} of 150 tasks agree with the real network"


def test_all_agree(made, splitsim):
    code, out, err = splitsim("verify", made / "results", "--tasks", "7")
    assert (code, err) == (0, [])
    assert out.splitlines()[-1] == "7 of 7 tasks agree with the real network"
    assert len(out.splitlines()) == 1 + 7 + 1


def at_home(copied, made):
    """Results that name the copied tables, not the ones they were made with."""
    manifest = copied / "results" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(str(made), str(copied)))


def test_outcomes_that_changed_since_the_run(copied, made, splitsim):
    at_home(copied, made)
    path = copied / "own" / "outcomes" / "digits-cnn@digits-test.parquet"
    pq.write_table(pq.read_table(path).slice(0, 60), path)
    code, _, (line,) = splitsim("verify", copied / "results")
    assert code == 2
    assert line.endswith(f"{path}: changed since the run; run the scenario anew")
    path.unlink()
    code, _, (line,) = splitsim("verify", copied / "results")
    assert code == 2
    assert "is no longer there; put it back" in line


def test_weights_that_moved_or_changed(copied, made, splitsim):
    at_home(copied, made)
    weights = copied / "own" / "weights" / "digits-cnn.pt"
    elsewhere = copied / "moved.pt"
    weights.rename(elsewhere)
    code, _, (line,) = splitsim("verify", copied / "results")
    assert (code, "no such file of weights; give it as --weights FILE" in line) == (2, True)
    code, *_ = splitsim("verify", copied / "results", "--weights", elsewhere, "--tasks", "3")
    assert code == 0
    torch.save(load("small_cnn").module.state_dict(), weights)
    code, _, (line,) = splitsim("verify", copied / "results")
    assert (code, "was made with other weights" in line) == (2, True)
    assert "--weights FILE" in line


def test_a_run_without_samples_cannot_be_verified(tmp_path, splitsim):
    from building import build

    run(build(tmp_path, scenario={"duration_s": 5.0}), tmp_path / "plain", jobs=1)
    with pytest.raises(BadInput, match="no outcomes table was used; name a dataset"):
        verify(tmp_path / "plain")
    assert splitsim("verify", tmp_path)[0] == 2
    code, _, (line,) = splitsim("verify", tmp_path / "plain", "--tasks", "0")
    assert (code, line) == (2, "--tasks: must be a whole number, 1 or more, not 0")


def test_a_table_of_unknown_origin_cannot_be_verified(tmp_path):
    from test_samples import real

    run(real(tmp_path, duration_s=5.0), tmp_path / "out", jobs=1)
    with pytest.raises(BadInput, match="was not made by splitsim outcomes"):
        verify(tmp_path / "out")


# --- The command --------------------------------------------------------------------------------


def test_outcomes_prints_means_and_writes_tables(splitsim, tmp_path):
    arguments = ("outcomes", "small_cnn", "--dataset", "generated:10x1x8x8x6", "--image", "none")
    code, out, err = splitsim(*arguments, "--out", "mine", "--cuts", "pool", "--loss", "0.2")
    assert (code, err) == (0, [])
    lines = out.splitlines()
    assert lines[0].split() == ["loss", "cut", "bytes", "accuracy"]
    assert len(lines) == 1 + 2 * 3 + 1
    path = tmp_path / lines[-1]
    assert path.relative_to(tmp_path).as_posix() == "mine/outcomes/small_cnn@generated.parquet"
    rows = pq.read_table(path)
    assert np.array_equal(rows["sample"], np.tile(np.arange(6), 6))
    assert float(lines[2].split()[2]) == pytest.approx(rows["bytes"].to_numpy()[6:12].mean(), 0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dataset", "dgits"), "unknown data set 'dgits'"),
        (("--loss", "much"), "--loss: must be shares of packets, as 0.01,0.05, not 'much'"),
        (("--snr", "loud"), "--snr: must be numbers in dB, as 0,5,10, not 'loud'"),
        (("--snr", "3"), "--snr: small_cnn has no bottleneck whose numbers are sent as symbols"),
        (("--shape", "8,8"), "--shape: must be sizes with an x between them, as 3x32x32"),
        (("--wire", "uint9"), "there is no form 'uint9'"),
        (("--cuts", "block9"), "--cuts: there is no cut 'block9'"),
        (("--classes", "7"), "has 10 classes; small_cnn chooses from 7"),
        (("--out", "no/where/near"), "--out: there is no folder"),
        (("--batch", "0", "--threads", "0"), "--batch: must be a whole number, 1 or more, not 0"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(splitsim, tmp_path, arguments, message):
    usual = {"--dataset": "generated:10x1x8x8x6", "--out": "mine"}
    usual |= dict(zip(arguments[::2], arguments[1::2], strict=True))
    code, out, err = splitsim("outcomes", "small_cnn", *(w for pair in usual.items() for w in pair))
    assert (code, out) == (2, "")
    assert message in err[0]
    assert len(err) == len(arguments) // 2
    assert list(tmp_path.iterdir()) == []
