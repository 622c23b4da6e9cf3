"""Everything that makes the inclusions fast, on simulated data sets; and with a part of it broken.

Exact gradients in effective coordinates at sampling accuracy, and a surrogate with exact weights. A run costs
two to four CPU seconds: there are as few of them, and as short ones, as see what is planted. More by hand:

CALIBRATION_RUNS=200 pytest -m slow --timeout 7200 tests/diagnose/test_calibration_of_inclusions.py

On 28 November 2026, `mscale sbc inclusions --sampler surrogate --runs 100 --kept 49 --tune 150 --draws 500`
found ranks uniform, while only every third draw on a surrogate was kept, so that ranked draws lay thirty
apart where they now lie ten apart: p of the chi-square and of the band 0.38 and 0.14
(inclusion_conductivity), 0.37 and 0.37 (matrix_conductivity), 0.2 and 0.11 (fraction_logit), 0.51 and 0.17
(angle), 0.24 and 0.7 (aspect_logit), 0.38 and 0.99 (log-likelihood; the misfit has the same ranks under a
Gaussian law).
"""

import os
from functools import partial

import numpy as np
import pytest

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.infer import density, surrogate
from mscale_uq.infer.shear import coordinates_said
from mscale_uq.infer.shear_graph import sheared
from mscale_uq.run import surrogate as drawing
from mscale_uq.run.calibration import calibrate_sampler
from mscale_uq.run.method import settings_of, with_changes
from mscale_uq.stats import surrogate as building

RUNS = int(os.environ.get("CALIBRATION_RUNS", "0"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MSCALE_UQ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "surrogates"


def case_with(sampler, tune):
    changes = {"sampler": sampler, "tune": tune, "target_accept": 0.8, "cores": 0}
    return with_changes(read_case(find_case("inclusions")), changes)


def exact(folder, runs):
    return calibrate_sampler(case_with("nuts", 50), runs, out=folder, draws=38, kept=19)[0]


def by_surrogate(folder, runs):
    return calibrate_sampler(case_with("surrogate", 60), runs, out=folder, draws=38, kept=19)[0]


def failing(calibration):
    return {check.name for check in calibration.wrong}


def test_nuts_in_effective_coordinates_at_sampling_accuracy_is_calibrated(tmp_path):
    case = case_with("nuts", 50)
    assert [one.options["accuracy"] for one in case.plans] == ["sampling"]
    assert coordinates_said(case.posterior(), settings_of(case)).startswith("effective coordinates")
    calibration = exact(tmp_path / "sbc", RUNS or 24)
    assert calibration.ok, calibration.verdict
    assert calibration.failures == 0


def with_volumes(shear, cost, variables):
    """As if the shift were the log of a volume, in the matrix and in the inclusions."""
    cost, w = sheared(shear, cost + 2 * variables["matrix_conductivity"], variables)
    return cost - 2 * w["matrix_conductivity"], w


def test_ranks_see_a_shear_with_the_jacobian_of_another_map(tmp_path, monkeypatch):
    monkeypatch.setattr(density, "sheared", with_volumes)
    assert "matrix_conductivity" in failing(exact(tmp_path / "sbc", 20))


def test_the_surrogate_with_exact_weights_is_calibrated_and_built_once(tmp_path, cache, monkeypatch):
    built, choose = [], building.choose_nodes
    monkeypatch.setattr(building, "choose_nodes", lambda *given: built.append(1) or choose(*given))
    by_surrogate(tmp_path / "sbc", 1)
    calibration = by_surrogate(tmp_path / "sbc", RUNS or 40)
    assert calibration.ok, calibration.verdict
    assert calibration.failures == 0
    assert len(built) == len(list(cache.iterdir())) == 2


def even(logs, smooth):
    return np.full(logs.shape, 1.0 / logs.size), 0.0


def test_ranks_see_draws_on_a_bad_surrogate_that_nobody_weighs(tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "surrogate_of", partial(building.surrogate_of, budget=260))
    monkeypatch.setattr(surrogate, "_weights", even)
    assert failing(by_surrogate(tmp_path / "sbc", 20)) == {"log-likelihood", "misfit by moments"}
