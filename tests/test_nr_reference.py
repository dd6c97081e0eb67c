"""NR against sionna-no-rt (extra ``nr``): block errors point by point, and TDL-A's Rayleigh fading.

What CI has no sionna for is skipped there; the tables themselves are tested without it.
"""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from building import agrees
from scipy import special, stats

from splitsim.world.around import Around
from splitsim.world.channel import FadingChannel
from splitsim.world.fading import Rayleigh
from splitsim.world.nr import Nr
from splitsim.world.travel import Gains

pytest.importorskip("sionna.phy", reason="the extra nr (sionna-no-rt) is not installed")

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.filterwarnings("default")  # a guest's warnings are not ours
SPEED_MPS, CARRIER_HZ, STEP_S = 6.0, 3.5e9, 0.01
DOPPLER_HZ = SPEED_MPS * CARRIER_HZ / 299792458


@pytest.fixture(scope="module")
def analysis():
    """The project's own scripts."""
    sys.path.insert(0, str(ROOT / "analysis"))
    import nr_bler
    import nr_traces

    yield nr_bler, nr_traces
    sys.path.remove(str(ROOT / "analysis"))


@pytest.mark.parametrize("script", ["nr_bler.py", "nr_traces.py"])
def test_what_is_shipped_is_what_the_scripts_make(script):
    command = [sys.executable, str(ROOT / "analysis" / script), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("mcs", "published_db"), [(3, -2.92), (10, 2.84), (17, 8.73), (28, 18.97)])
def test_where_the_published_thresholds_come_from(analysis, mcs, published_db):
    """The line through log BLER (at least 1e-6) of blocks of 2,000 bits: just these values."""
    curves = {bits: curve for bits, *curve in analysis[0].simulated(1)[mcs]}
    snrs_db, lost = curves[2000]
    assert np.diff(snrs_db) == pytest.approx(25 / 14)
    logs = np.log10(np.maximum(lost, 1e-6))
    after = int(np.argmax(logs < -1))
    before = after - 1
    share = (logs[before] + 1) / (logs[before] - logs[after])
    found_db = snrs_db[before] + share * (snrs_db[after] - snrs_db[before])
    assert found_db == pytest.approx(published_db, abs=0.006)


@pytest.mark.parametrize("table", [1, 2])
def test_block_errors_against_every_simulated_point(analysis, table):
    """The law behind the tables, at the lengths that were simulated: by how many dB it is off.

    A simulated share p of at least 600 blocks is somewhere within four standard errors; the SNR at
    which the law has such a share is to be within 0.2 dB of the point's, for all of 0.5 to 99 %.
    """
    bler_of, off_db = analysis[0], []
    for mcs, curves in bler_of.simulated(table).items():
        scheme = bler_of.schemes(table)[mcs]
        gap = bler_of.gap_db(scheme)
        for bits, snrs_db, lost in curves:
            for snr_db, share in zip(snrs_db, lost, strict=True):
                if not 0.005 < share < 0.99:
                    continue
                grid_db = snr_db + np.arange(-1, 1, 0.002)
                law = bler_of.bler(bler_of.margin(scheme, bits, grid_db - gap))
                error = 4 * math.sqrt(share * (1 - share) / 600)
                fits = np.abs(law - share) <= max(error, 0.005)
                off_db.append(np.abs(grid_db[fits] - snr_db).min())
    assert len(off_db) > 60
    assert max(off_db) < 0.2
    assert np.mean(off_db) < 0.05


def test_sionna_has_the_same_code_rates(analysis):
    import torch
    from sionna.phy.nr.utils import MCSDecoderNR

    decode = MCSDecoderNR()
    for table in (1, 2):
        for mcs, scheme in enumerate(analysis[0].schemes(table)):
            order, rate = decode(torch.tensor([mcs]), torch.tensor([table]), torch.tensor([1]))
            assert order.item() == scheme.order
            assert rate.item() == pytest.approx(scheme.rate, abs=1e-6)


@pytest.fixture(scope="module")
def flat(analysis):
    """Gains of TDL-A with no delay spread to speak of: one block, many independent paths."""
    return analysis[1].gains(SPEED_MPS, 1e-12, 2.0, paths=1500, blocks=1)[:, :, 0]


def test_a_tdl_without_delay_is_rayleigh_as_ours_is(flat):
    """Both exponential, by Kolmogorov and Smirnov, against theory and against each other."""
    assert stats.kstest(flat[:, 0], stats.expon.cdf).pvalue > 1e-5
    fading = Rayleigh(kind="rayleigh", doppler_hz=DOPPLER_HZ)
    ours = [fading.gains(Around(0, f"d-{n}", "uplink")).stretch(0)[1][0] for n in range(1500)]
    assert stats.ks_2samp(flat[:, 0], ours).pvalue > 1e-5


@pytest.mark.parametrize("steps", [1, 2])
def test_its_power_is_as_alike_over_time_as_ours(flat, steps):
    """E[(|h(0)|^2 - 1)(|h(t)|^2 - 1)] = J0(2 pi fd t)^2: of sinusoids that are 20 a little less."""
    found = ((flat[:, :-steps] - 1) * (flat[:, steps:] - 1)).mean(axis=1)
    expected = special.j0(2 * np.pi * DOPPLER_HZ * steps * STEP_S) ** 2
    assert found.mean() == pytest.approx(expected, abs=0.05)


def test_the_mean_rate_over_a_tdl_is_that_over_our_fading(analysis, flat):
    rate = Nr(kind="nr")
    snr = 10.0 * flat
    line = Gains(2.0, lambda n: (STEP_S * np.arange(snr.shape[1]), snr[n]), STEP_S)
    mapped = rate.rates(line, Around(0, "d", "uplink"))
    theirs = [mapped.stretch(n)[1].mean() for n in range(len(snr))]
    law = FadingChannel.model_validate(
        {
            "kind": "fading",
            "bandwidth_hz": 1e6,
            "snr": {"kind": "constant", "mean_db": 10.0},
            "fading": {"kind": "rayleigh", "doppler_hz": DOPPLER_HZ},
            "rate": rate.model_dump(),
        }
    )
    ours = [law.steps(Around(0, f"d-{n}", "uplink")).mean(0, 20.0) / 1e6 for n in range(200)]
    agrees(np.array(theirs), float(np.mean(ours)), error=0.01)


def test_delay_spread_evens_out_the_band(analysis):
    """51 resource blocks over 18 MHz: the more delay, the less the band's mean power varies."""
    powers = [
        analysis[1].gains(SPEED_MPS, spread_s, 0.5, paths=200).mean(axis=2)
        for spread_s in (1e-12, 100e-9, 1e-6)
    ]
    agrees(((powers[0] - 1) ** 2).mean(axis=1), 1.0, error=0.15)  # exponential where it is flat
    spreads = [power.var() for power in powers]
    assert spreads[0] > 1.3 * spreads[1] > 1.7 * spreads[2]
