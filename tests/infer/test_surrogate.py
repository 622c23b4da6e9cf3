"""The No-U-Turn sampler on a cheap posterior, corrected to the exact one."""

from dataclasses import replace

import arviz as az
import known_posteriors as known
import numpy as np
import pytest
from scipy.signal import lfilter

from mscale_uq.errors import CaseError, RunError
from mscale_uq.infer.chains import sample
from mscale_uq.infer.exact_ratios import exact_ratios
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.samples import Samples
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.surrogate import LARGEST_K, _mixed, correct, sample_corrected
from mscale_uq.results.candidate import pareto_smoothed


def moved(posterior, by):
    """The same posterior with readings that are too large: a wrong surrogate of known wrongness."""
    (line,) = posterior.experiments
    return posterior.changed([line.changed(observed={"reading": known.READINGS + by})])


def errors_in_sds(samples, mean):
    """How far the means are from the exact ones, in Monte Carlo standard errors."""
    tables = [samples.draws[name] for name in ("level", "slope")]
    return [
        abs(x.mean() - one) / (x.std() / np.sqrt(float(az.ess(x))))
        for x, one in zip(tables, mean, strict=True)
    ]


DESIGN = np.c_[np.ones(5), known.PLACES]


def covariance():
    return np.linalg.inv(DESIGN.T @ DESIGN / known.NOISE**2 + np.diag(known.PRIOR_SD**-2))


def moved_mean(shift):
    """Mean of the posterior of `moved`."""
    seen = DESIGN.T @ (known.READINGS + shift) / known.NOISE**2
    return covariance() @ (seen + known.PRIOR_MEAN / known.PRIOR_SD**2)


def walk(shift=0.0, chains=4, draws=500, seed=3):
    """Independent draws of `moved`, in closed form, as if NUTS had made them."""
    noise = np.random.default_rng(seed).standard_normal((chains, draws, 2))
    thetas = moved_mean(shift) + noise @ np.linalg.cholesky(covariance()).T
    zeros, counts = np.zeros(thetas.shape[:2]), np.zeros(chains)
    named = {"level": thetas[:, :, 0], "slope": thetas[:, :, 1]}
    stats = {"diverging": zeros.astype(bool)}
    return Samples("nuts", named, stats, {}, (), counts, counts, counts, counts, None, ())


def corrected(exact, shift, home, walked=None):
    target = Levels(exact, [moved(known.straight(), shift)])
    settings = Settings(sampler="surrogate", draws=500, chains=4, cores=0, seed=7)
    return correct(target, settings, walked or walk(shift), pareto_smoothed, home)


def test_a_surrogate_that_is_slightly_wrong_gives_the_exact_posterior(tmp_path):
    shift, (mean, spread) = 0.1, known.exact()
    found = corrected(known.straight(), shift, tmp_path)
    assert not found.fell_back
    assert found.shape <= LARGEST_K
    # Of two normal laws of one covariance, d standard deviations apart, the weights' efficiency is exp(-d^2).
    apart = np.linalg.solve(covariance(), moved_mean(shift) - mean) @ (moved_mean(shift) - mean)
    assert found.efficiency == pytest.approx(np.exp(-apart), rel=0.1)
    assert max(errors_in_sds(found.samples, mean)) < 4
    spreads = [found.samples.draws[name].std() for name in ("level", "slope")]
    assert np.allclose(spreads, spread, rtol=0.08)
    assert "draws of the exact posterior" in str(found)
    assert found.exact == 2000 == found.samples.evaluations.sum()
    # The same draws without their weights are wrong by much more than chance.
    assert errors_in_sds(walk(shift), mean)[0] > 8


def test_a_perfect_surrogate_has_even_weights(tmp_path):
    found = corrected(known.straight(), 0.0, tmp_path)
    assert (found.shape, found.efficiency) == (0.0, pytest.approx(1.0))
    assert np.array_equal(found.samples.draws["slope"], walk().draws["slope"])


def test_a_surrogate_that_is_wrong_by_five_standard_deviations_is_caught(tmp_path):
    found = corrected(known.straight(), 1.0, tmp_path)
    assert found.fell_back
    assert found.shape > LARGEST_K
    assert "delayed acceptance took over" in str(found)


def test_draws_at_which_the_exact_model_fails_have_no_weight_and_are_counted(tmp_path):
    limit = known.limit_with_mass_above(0.1)
    found = corrected(known.straight(limit), 0.0, tmp_path)
    mean, _ = known.exact(limit)
    assert not found.fell_back
    assert np.all(found.samples.draws["level"] <= limit)
    assert max(errors_in_sds(found.samples, mean)) < 4
    share = len(found.samples.failures) / found.exact
    assert share == pytest.approx(0.1, abs=0.03)
    assert {failure.reason for failure in found.samples.failures} == {"no convergence"}
    assert found.efficiency == pytest.approx(1 - share)


def test_a_chain_of_nothing_but_impossible_draws_is_caught(tmp_path):
    found = corrected(known.straight(-10.0, known.refuse), 0.0, tmp_path)
    assert found.fell_back
    assert found.samples.infeasible.tolist() == [500] * 4


def apart(walked):
    """The same draws, in order of the level: four chains that have not mixed."""
    order = np.argsort(walked.draws["level"], axis=None)
    shape = walked.draws["level"].shape
    return replace(
        walked, draws={name: table.ravel()[order].reshape(shape) for name, table in walked.draws.items()}
    )


def test_chains_that_have_not_mixed_are_caught_though_all_draws_together_are_good(tmp_path):
    found = corrected(known.straight(), 0.1, tmp_path, apart(walk(0.1)))
    assert found.shape <= LARGEST_K
    assert found.fell_back
    assert "chains on the surrogate did not mix" in str(found)


def test_a_chain_without_any_weight_is_caught(tmp_path):
    walked = walk()
    walked.draws["level"][0] += 1000 * known.NOISE
    assert corrected(known.straight(), 0.1, tmp_path, walked).fell_back


def test_few_chains_that_have_mixed_are_taken_for_such_that_have_not():
    rng = np.random.default_rng(8)
    logs = lfilter([1.0], [1.0, -0.5], rng.standard_normal((1000, 4, 500)))  # three draws are worth one
    assert sum(not _mixed(weights) for weights in np.exp(logs)) <= 10


def test_draws_of_no_weight_count_as_chance_wherever_they_are():
    """As where a chain strays from what polynomials were made for: six draws of 700, at its end or before."""
    for first in (0, 350, 694):
        weights = np.exp(0.005 * np.random.default_rng(9).standard_normal((4, 700)))
        weights[2, first : first + 6] = 0.0
        assert _mixed(weights)
    weights[2, 500:] = 0.0  # a chain that stays where there is no weight
    assert not _mixed(weights)


@pytest.mark.slow
def test_a_bad_surrogate_gives_the_exact_posterior_all_the_same(tmp_path):
    target = Levels(known.straight(), [moved(known.straight(), 0.6)], length=3)
    settings = Settings(sampler="surrogate", draws=1200, tune=300, chains=2, cores=0, seed=5)
    found = sample_corrected(target, settings, pareto_smoothed, tmp_path)
    assert found.fell_back
    assert found.samples.sampler == "mlda"
    assert max(errors_in_sds(found.samples, known.exact()[0])) < 4


@pytest.mark.slow
def test_the_ledger_of_a_fallback_holds_what_failed_before_it(tmp_path):
    """Failures of the weights that were not good enough, and of the delayed acceptance that took over."""
    exact = known.straight(known.limit_with_mass_above(0.3))
    target = Levels(exact, [moved(known.straight(), 1.5)], length=3)
    settings = Settings(sampler="surrogate", draws=150, tune=50, chains=2, cores=0, seed=5)
    found = sample_corrected(target, settings, pareto_smoothed, tmp_path)
    assert found.fell_back
    later = sample(target, replace(settings, sampler="mlda"), tmp_path / "mlda").failures
    assert later
    assert found.samples.failures[-len(later) :] == later
    earlier = found.samples.failures[: -len(later)]
    assert 0 < len(earlier) <= found.exact == 300
    assert found.samples.evaluations.sum() > found.exact


def test_ratios_in_the_log_are_not_computed_again(tmp_path):
    target = Levels(known.straight(), [moved(known.straight(), 0.1)])
    rng = np.random.default_rng(1)
    thetas = np.array([[target.sample_prior(rng) for _ in range(120)] for _ in range(2)])
    path, done = tmp_path / "exact.log", []

    def watched(function, tasks):
        for task in tasks:
            done.append((task.chain, task.first))
            yield function(task)

    whole = exact_ratios(target, thetas, path, "this", watched)
    assert done == [(chain, first) for chain in (0, 1) for first in (0, 50, 100)]
    for likelihood in (target.fine, *target.coarse):
        assert np.isfinite(likelihood.log_likelihood(thetas[0, 0]))
    ratio = target.fine.log_likelihood(thetas[1, 77]) - target.coarse[0].log_likelihood(thetas[1, 77])
    assert whole.logs[1, 77] == ratio
    done.clear()
    assert np.array_equal(exact_ratios(target, thetas, path, "this", watched).logs, whole.logs)
    assert done == []
    path.write_bytes(path.read_bytes()[:-5])  # as a kill leaves it
    assert np.array_equal(exact_ratios(target, thetas, path, "this", watched).logs, whole.logs)
    assert done == [(1, 100)]
    with pytest.raises(RunError, match="another run"):
        exact_ratios(target, thetas, path, "other", watched)


def test_ratios_of_other_draws_in_the_log_are_not_taken_for_these(tmp_path):
    """As of a run begun when other draws of a chain were weighed."""
    target = Levels(known.straight(), [moved(known.straight(), 0.1)])
    rng = np.random.default_rng(2)
    thetas = np.array([[target.sample_prior(rng) for _ in range(70)]])
    exact_ratios(target, thetas, tmp_path / "exact.log", "this")
    others = thetas[:, ::-1][:, :60]
    found = exact_ratios(target, others, tmp_path / "exact.log", "this")
    assert np.array_equal(found.logs, exact_ratios(target, others, tmp_path / "anew", "this").logs)


@pytest.mark.slow
def test_more_draws_extend_a_run_as_if_they_had_been_asked_for_at_once(tmp_path):
    target = Levels(known.straight(), [moved(known.straight(), 0.1)])
    short, long = (Settings(sampler="surrogate", draws=n, tune=100, chains=1, cores=0) for n in (60, 130))
    sample_corrected(target, short, pareto_smoothed, tmp_path / "one")
    again = sample_corrected(target, long, pareto_smoothed, tmp_path / "one")
    whole = sample_corrected(target, long, pareto_smoothed, tmp_path / "two")
    assert np.array_equal(again.samples.draws["level"], whole.samples.draws["level"])


@pytest.mark.slow
def test_progress_counts_tuning_and_draws():
    seen = []
    settings = Settings(sampler="surrogate", draws=50, tune=50, chains=1, cores=0, seed=1)
    target = Levels(known.straight(), [known.straight()])
    sample_corrected(target, settings, pareto_smoothed, on_progress=lambda _, draw, *__: seen.append(draw))
    assert (min(seen), max(seen)) == (0, 99)


def test_a_surrogate_is_one_level():
    one = known.straight()
    with pytest.raises(CaseError, match="2 coarse levels"):
        sample_corrected(Levels(one, [one, one]), Settings(), pareto_smoothed)
