"""The shipped sampler of a cheap shipped case, on 200 simulated data sets; by hand with 1000:

CALIBRATION_RUNS=1000 pytest -m slow --timeout 7200 tests/diagnose/test_calibration_of_a_case.py
"""

import os

import pytest

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.diagnose.sbc import check_calibration
from mscale_uq.infer.pool import process_pool
from mscale_uq.infer.settings import Settings

RUNS = int(os.environ.get("CALIBRATION_RUNS", "200"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nuts_on_the_biofilm_is_calibrated(tmp_path):
    posterior = read_case(find_case("biofilm_layers")).posterior()
    settings = Settings(sampler="nuts", draws=297, tune=200, target_accept=0.8, seed=20261120)
    with process_pool(2) as pool:
        calibration = check_calibration(posterior, settings, RUNS, tmp_path, map=pool.map)
    assert calibration.ok, calibration.verdict
    assert calibration.runs == RUNS
    assert calibration.failures == 0
