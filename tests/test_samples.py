"""Tasks that are real samples: bytes and answers from an outcomes table, and what loss does."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from building import Net, Waves, build, columns

from splitsim import load_scenario, run, simulate
from splitsim.errors import BadInput

SAMPLES = 50
NET = Net("net", [0.0, 0.01], [4e4, 5e3], [0.02, 0.01], top1=0.5)
WAVES = Waves("waves", a_up_j_per_bit=1e-6)


def table(samples=SAMPLES, cuts=(0, 1, 2), losses=(0.0, 0.3), **changes) -> dict[str, np.ndarray]:
    """Bytes and answers that differ by sample, cut and loss."""
    rows = np.array(list(itertools.product(losses, cuts, range(samples))))
    loss, cut, sample = rows.T
    made = {
        "sample": sample.astype(int),
        "cut": cut.astype(int),
        "loss": loss,
        "bytes": np.where(cut == 2, 0, 1000 + 10 * sample + 100 * cut).astype(int),
        "prediction": np.zeros(len(rows), int),
        "confidence": np.full(len(rows), 0.5),
        "correct": ((sample + cut) % 2 == 0) & ((loss == 0) | (sample % 4 == 0)),
    }
    return made | changes


def write(folder: Path, found: dict[str, np.ndarray], model="net", dataset="pictures") -> None:
    path = folder / "tables" / "outcomes" / f"{model}@{dataset}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(found), path)


def real(folder, found=None, nets=(NET,), cell=None, **scenario):
    """A scenario whose tasks are the samples of a table."""
    waves = {"radio": "waves", "uplink": {"kind": "constant", "rate_bps": 1e7}} | (cell or {})
    for net in nets:
        write(folder, table() if found is None else found, net.name)
    changes = {"dataset": "pictures", "cells": {"cell": waves}, **scenario}
    return build(folder, nets=nets, radios=(WAVES,), scenario=changes)


def test_a_task_sends_the_bytes_and_gives_the_answer_of_its_sample(tmp_path):
    spec = real(tmp_path, duration_s=400.0).points[0]
    for policy, cut in (("offload", 0), ("split1", 1)):
        rows = columns(simulate(spec, policy, 0).tasks, "sample", "sent_bytes", "correct")
        assert np.allclose(rows.sent_bytes, 1000 + 10 * rows.sample + 100 * cut)
        assert np.array_equal(rows.correct, (rows.sample + cut) % 2 == 0)
    local = columns(simulate(spec, "local", 0).tasks, "sample", "correct")
    assert np.array_equal(local.correct, local.sample % 2 == 0)


def test_samples_are_drawn_evenly_and_are_the_same_for_every_policy(tmp_path):
    spec = real(tmp_path, duration_s=2000.0).points[0]
    drawn = [columns(simulate(spec, p, 0).tasks, "sample").sample for p in ("local", "offload")]
    assert np.array_equal(*drawn)
    counts = np.bincount(drawn[0].astype(int), minlength=SAMPLES)
    expected = len(drawn[0]) / SAMPLES
    chi2 = float(np.sum((counts - expected) ** 2) / expected)
    # Chi-squared with 49 degrees of freedom: mean 49, standard deviation sqrt(98).
    assert abs(chi2 - (SAMPLES - 1)) < 4.5 * np.sqrt(2 * (SAMPLES - 1))
    other = columns(simulate(spec, "local", 1).tasks, "sample").sample
    assert not np.array_equal(drawn[0][:20], other[:20])


def test_policies_see_means_and_the_summary_counts_answers(tmp_path):
    scenario = real(tmp_path, duration_s=300.0)
    found = {(o.cut, o.server): o.mean for o in scenario.points[0].options["device"]}
    assert found[0, "edge"].send_bytes == pytest.approx(1000 + 10 * (SAMPLES - 1) / 2)
    assert found[1, "edge"].correct == found[2, None].correct == 0.5
    results = run(scenario, tmp_path / "out", jobs=1)
    rows = results.tasks[results.tasks.policy == "offload"]
    summary = results.summary.set_index("policy")
    assert summary.accuracy["offload"] == pytest.approx(rows.correct.mean())
    assert set(rows.correct) == {0.0, 1.0}


def test_loss_on_a_reliable_transport_costs_time_and_energy_only(tmp_path):
    plain = real(tmp_path, duration_s=100.0).points[0]
    lossy = real(
        tmp_path, duration_s=100.0, cell={"transport": {"kind": "reliable", "loss": 0.2}}
    ).points[0]
    one, other = (
        columns(simulate(s, "offload", 0).tasks, "airtime_s", "tx_j", "correct", "sent_bytes")
        for s in (plain, lossy)
    )
    assert np.allclose(other.airtime_s, one.airtime_s / 0.8)
    assert np.allclose(other.tx_j, one.tx_j / 0.8)
    assert np.array_equal(other.correct, one.correct)
    assert np.allclose(other.sent_bytes, one.sent_bytes)


def test_loss_on_an_unreliable_transport_costs_accuracy_only(tmp_path):
    plain = real(tmp_path, duration_s=100.0).points[0]
    cell = {"transport": {"kind": "unreliable", "loss": 0.25}}  # the nearest level is 0.3
    lossy = real(tmp_path, duration_s=100.0, cell=cell).points[0]
    one, other = (
        columns(simulate(s, "offload", 0).tasks, "sample", "done_s", "correct")
        for s in (plain, lossy)
    )
    assert np.array_equal(other.done_s, one.done_s)
    assert np.array_equal(other.correct, (one.sample % 4 == 0).astype(float))
    assert other.correct.sum() < one.correct.sum()


def test_a_cut_that_was_not_run_is_no_option(tmp_path):
    spec = real(tmp_path, table(cuts=(0, 2)), policies=[{"name": "random", "kind": "random"}])
    assert [option.cut for option in spec.points[0].options["device"]] == [0, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"correct": np.full(300, 2)}, "correct: must be from 0 to 1, not 2"),
        ({"bytes": np.full(300, -1)}, "bytes: must be from 0 to inf, not -1"),
        ({"cut": np.full(300, 7)}, "cut: must be from 0 to 2, not 7"),
        ({"sample": np.arange(300)[::-1] % 50}, "sample: must be 0 to 49 for every loss and cut"),
        ({"cut": np.arange(300) % 3}, "cut: must be the same for the 50 rows of all samples"),
    ],
)
def test_a_table_with_nonsense_is_one_clear_error(tmp_path, changes, message):
    with pytest.raises(BadInput, match=message):
        real(tmp_path, table(**changes))


def test_a_table_that_is_none_is_one_clear_error(tmp_path):
    found = table()
    del found["bytes"]
    with pytest.raises(BadInput, match="there is no column bytes; there are sample, cut"):
        real(tmp_path, found)
    path = tmp_path / "tables" / "outcomes" / "net@pictures.parquet"
    path.write_bytes(b"nothing")
    with pytest.raises(BadInput, match="cannot be read as Parquet"):
        load_scenario(tmp_path / "scenario.yaml")
    path.rename(path.with_name("net@others.parquet"))
    with pytest.raises(BadInput, match="no outcomes of model 'net' on data set 'pictures'; there"):
        load_scenario(tmp_path / "scenario.yaml")


def test_models_with_other_samples_and_unknown_losses_are_told(tmp_path):
    nets = (NET, Net("other", [0.0, 0.01], [4e4, 5e3], [0.02, 0.01]))
    assert real(tmp_path, nets=nets).points[0].samples == SAMPLES
    write(tmp_path, table(samples=20), "other")
    with pytest.raises(BadInput, match="must have the same samples, not 50 of net, 20 of other"):
        load_scenario(tmp_path / "scenario.yaml")
    lossy = {"transport": {"kind": "unreliable", "loss": 0.1}}
    with pytest.raises(
        BadInput, match=r"cells.cell.transport: outcomes of .* where 0.1 of the packets are"
    ):
        real(tmp_path, table(losses=(0.0,)), cell=lossy)
    with pytest.raises(BadInput, match="loses packets for good: name a dataset"):
        build(tmp_path, scenario={"cells": {"cell": lossy}})
