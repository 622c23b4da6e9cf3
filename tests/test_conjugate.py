"""A conjugate normal posterior through the full path: case file, tables, chains in processes, netCDF."""

import arviz as az
import numpy as np
import pytest
from known_line import CASE, exact_posterior, write_case

from mscale_uq.infer.methods import METHODS
from mscale_uq.run.calibrate import fit

pytestmark = pytest.mark.usefixtures("toys")
DRAWS = {"demetropolisz": 20_000, "slice": 6000, "pcn": 20_000, "nuts": 3000, "nutpie": 7500}
# A walk around the prior (pCN) needs a posterior of about its width: the same line, read less exactly.
NOISE = {"pcn": 150.0}
# `map` makes one point, and is held to it below; `mlda` needs a second, coarser model
# (test_case_model_error.py), `surrogate` a declared stretch (test_surrogate_case.py).
DRAWING = [
    name for name, method in METHODS.items() if not method.single and name not in ("mlda", "surrogate")
]


def calibrated(folder, sampler, **settings):
    """Return the draws in the run's file, and (mean, sd) by linear algebra, by name."""
    noise, text = NOISE.get(sampler, 1.0), CASE
    for sd in (0.1, 0.2):
        text = text.replace(f"sd = {sd} }}", f"sd = {sd * noise} }}")
    result = fit(write_case(folder, text), out=folder / "run", sampler=sampler, cores=2, **settings)
    mean, covariance = exact_posterior(noise)
    spread = np.sqrt(np.diag(covariance))
    draws = az.from_netcdf(result.folder / "posterior.nc", engine="h5netcdf")["posterior"]
    return draws, {"offset": (mean[0], spread[0]), "speed": (mean[1], spread[1])}


@pytest.mark.slow
@pytest.mark.parametrize("sampler", DRAWING)
def test_every_sampler_meets_the_exact_posterior_from_case_to_file(sampler, tmp_path):
    draws, exact = calibrated(tmp_path, sampler, draws=DRAWS.get(sampler, 2500), tune=1000)
    for name, (mean, sd) in exact.items():
        array = draws[name].to_numpy()
        assert float(az.ess(array)) >= 4000, name
        assert array.mean() == pytest.approx(mean, abs=0.05 * sd), name
        assert array.std() == pytest.approx(sd, rel=0.05), name


def test_the_most_probable_point_is_the_exact_mean_from_case_to_file(tmp_path):
    draws, exact = calibrated(tmp_path, "map")
    for name, (mean, sd) in exact.items():
        assert draws[name].to_numpy() == pytest.approx(mean, abs=1e-5 * sd), name
