"""The shipped sampler of a cheap shipped case, on 200 simulated data sets; by hand with 1000:

CALIBRATION_RUNS=1000 pytest -m slow --timeout 7200 tests/diagnose/test_calibration_of_a_case.py

On 27 November 2026, `mscale sbc biofilm_layers --runs 1000 --draws 60 --tune 60 --kept 19` took 36 minutes of
one core, without a failed solve. Ranks against uniform, p of the chi-square and of the band: 0.62 and 0.38
(cluster_diffusivity), 0.60 and 0.94 (uptake_rate), 0.49 and 0.62 (log-likelihood; the misfit has the same
ranks under a Gaussian law).
"""

import os

import pytest

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.run.calibration import calibrate_sampler
from mscale_uq.run.method import with_changes

RUNS = int(os.environ.get("CALIBRATION_RUNS", "200"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nuts_on_the_biofilm_is_calibrated(tmp_path):
    """A run costs 117 steps, compiling nothing: power comes from the number of data sets, not of draws."""
    settings = {"sampler": "nuts", "tune": 60, "target_accept": 0.8, "cores": 2}
    case = with_changes(read_case(find_case("biofilm_layers")), settings)
    calibration, folder = calibrate_sampler(case, RUNS, out=tmp_path / "sbc", draws=57, kept=19)
    assert calibration.ok, calibration.verdict
    assert calibration.cautions == ()
    assert calibration.runs == RUNS
    assert calibration.failures == 0
    assert "Calibrated" in (folder / "calibration.html").read_text()
