"""Every sampler against posteriors that are known exactly."""

import arviz as az
import numpy as np
import pytest
from known_posteriors import exact, fail, limit_with_mass_above, log_evidence, not_a_number, refuse, straight

from mscale_uq.infer.chains import sample
from mscale_uq.infer.methods import METHODS
from mscale_uq.infer.settings import Settings

DRAWN = ["nuts", "demetropolisz", "slice", "smc", "laplace", "nutpie"]
TUNE = {"demetropolisz": 1500}
SIGMAS = (
    5.0  # a correct sampler fails one of the few dozen comparisons below once in 30,000 choices of the seed
)


def here(target, sampler, draws, chains=2, seed=4):
    settings = Settings(sampler, draws, TUNE.get(sampler, 500), chains, cores=0, seed=seed)
    return sample(target, settings)


def compare(samples, mean, spread, least_ess):
    """Hold mean and spread to their Monte Carlo errors."""
    for (name, draws), m, s in zip(samples.draws.items(), mean, spread, strict=True):
        ess, ess_spread = (float(az.ess(draws, method=method)) for method in ("mean", "sd"))
        assert ess > least_ess, name
        assert draws.mean() == pytest.approx(m, abs=SIGMAS * s / np.sqrt(ess)), name
        assert draws.std() == pytest.approx(s, rel=SIGMAS / np.sqrt(2 * ess_spread)), name


@pytest.mark.parametrize("sampler", DRAWN)
def test_a_conjugate_posterior_is_met(sampler):
    draws = {"demetropolisz": 3000}.get(sampler, 500)
    samples = here(straight(), sampler, draws)
    compare(samples, *exact(), least_ess=100)
    assert tuple(samples.stats) == METHODS[sampler].stats
    assert all(stat.shape == (2, draws) for stat in samples.stats.values())
    assert samples.failures == ()


def test_the_most_probable_point_of_a_normal_posterior_is_its_mean():
    samples = here(straight(), "map", draws=1)
    assert samples.troubles == ()
    for (_, draws), m, s in zip(samples.draws.items(), *exact(), strict=True):
        assert draws.shape == (2, 1)
        assert draws == pytest.approx(np.full((2, 1), m), abs=1e-6 * s)


def test_laplace_is_exact_for_a_normal_posterior():
    samples = here(straight(), "laplace", draws=200)
    assert samples.log_evidence == pytest.approx(np.full(2, log_evidence()), abs=1e-6)
    assert samples.stats["log_ratio"] == pytest.approx(np.full((2, 200), log_evidence()), abs=1e-6)


def test_smc_gives_the_evidence():
    """Roughly, and fast; tests/diagnose/test_compare.py holds it to its own, small error."""
    samples = here(straight(), "smc", draws=500, chains=4)
    assert samples.log_evidence.mean() == pytest.approx(log_evidence(), abs=0.25)


@pytest.mark.parametrize("sampler", [name for name in DRAWN if name != "laplace"])
def test_where_solves_fail_there_is_no_draw_and_elsewhere_the_law_is_right(sampler):
    limit = limit_with_mass_above(0.3)
    draws = {"demetropolisz": 3000, "smc": 800}.get(sampler, 500)
    samples = here(straight(limit, fail), sampler, draws)
    assert samples.draws["level"].max() < limit
    assert len(samples.failures) > 20
    assert all(row.theta[0] > limit and row.stage == "gate" for row in samples.failures)
    compare(samples, *exact(limit), least_ess=50)


def test_laplace_keeps_out_of_where_solves_fail():
    limit = limit_with_mass_above(0.3)
    samples = here(straight(limit, fail), "laplace", draws=500)
    assert samples.draws["level"].max() < limit
    # The mode is inside, so the approximation is the normal law cut at the limit: exact here.
    compare(samples, *exact(limit), least_ess=500)
    assert samples.log_evidence == pytest.approx(log_evidence() + np.log(0.7), abs=0.15)


@pytest.mark.parametrize("sampler", DRAWN)
def test_not_a_number_never_reaches_a_sampler(sampler):
    limit = limit_with_mass_above(0.2)
    samples = here(straight(limit, not_a_number), sampler, draws=100, chains=1)
    assert samples.draws["level"].max() < limit
    assert all(np.isfinite(draws).all() for draws in samples.draws.values())
    assert len(samples.failures) > 0


def test_an_infeasible_region_is_counted_and_is_no_failure():
    limit = limit_with_mass_above(0.2)
    samples = here(straight(limit, refuse), "nuts", draws=100, chains=1)
    assert samples.failures == ()
    assert samples.infeasible.sum() > 0
    assert samples.draws["level"].max() < limit
