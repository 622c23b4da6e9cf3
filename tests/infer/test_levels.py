import json

import numpy as np
import pytest
from known_posteriors import every_family, exact, straight

from mscale_uq.errors import CaseError, ParameterError, SolveFailed
from mscale_uq.infer.chains import sample
from mscale_uq.infer.checkpoint import dump
from mscale_uq.infer.coordinates import to_physical, to_sampler
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.likelihood import Likelihood
from mscale_uq.infer.plain import PlainDensity
from mscale_uq.infer.settings import Settings
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import Normal


def shifted(values):
    """A coarse model that is off by three noise levels everywhere."""
    return {"reading": values["level"] + 1.2 + 0.7 * values["slope"] * np.arange(-1.0, 4.0)}


def always_shifted():
    return straight(limit=-np.inf, what=shifted)


def test_the_plain_density_is_the_posterior_times_the_volume_of_the_coordinates():
    posterior, rng = every_family(), np.random.default_rng(4)
    plain = PlainDensity(posterior, Likelihood(posterior, Ledger(), gradient=False))
    for _ in range(5):
        z = to_sampler(posterior, posterior.sample_prior(rng))
        step = 1e-6 * np.eye(z.size)
        columns = [(to_physical(posterior, z + e) - to_physical(posterior, z - e)) / 2e-6 for e in step]
        volume = np.linalg.slogdet(np.array(columns))[1]
        assert plain(z) == pytest.approx(posterior.logpdf(to_physical(posterior, z)) + volume, abs=1e-5)


def test_the_plain_density_is_minus_infinity_where_numbers_end():
    posterior = every_family()
    plain = PlainDensity(posterior, Likelihood(posterior, Ledger(), gradient=False))
    assert plain(np.full(len(posterior.names), 1e6)) == -np.inf


def error_in_standard_errors(samples, batches=50):
    """Largest deviation of mean and variance from the exact answer, in Monte Carlo standard errors."""
    mean, spread = exact()
    draws = np.stack([samples.draws["level"], samples.draws["slope"]], axis=-1)
    z = ((draws - mean) / spread).reshape(len(draws), batches // len(draws), -1, 2)
    worst = 0.0
    for values in (z, z**2 - 1.0):
        parts = values.mean(axis=2).reshape(-1, 2)
        worst = max(worst, np.abs(parts.mean(axis=0) / (parts.std(axis=0) / np.sqrt(len(parts)))).max())
    return worst


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(Levels(straight(), [always_shifted()], 3), id="a coarse model that is wrong"),
        pytest.param(Levels(straight(), [straight(limit=1.2)], 3), id="a coarse model that fails"),
        pytest.param(Levels(straight(), [straight(limit=1.2), always_shifted()], 2), id="three levels"),
    ],
)
def test_no_coarse_model_changes_the_posterior(target):
    settings = Settings(sampler="mlda", draws=1000, tune=300, chains=2, cores=0, seed=3)
    assert error_in_standard_errors(sample(target, settings)) < 4.5


def test_crank_nicolson_finds_the_exact_posterior():
    settings = Settings(sampler="pcn", draws=4000, tune=500, chains=2, cores=0, seed=3)
    assert error_in_standard_errors(sample(straight(), settings)) < 4.5


def test_a_good_coarse_model_spares_fine_solves():
    """With the fine model as its own coarse one, every end of a subchain is accepted."""
    settings = Settings(sampler="mlda", draws=300, tune=100, chains=1, cores=0)
    samples = sample(Levels(straight(), [straight()], 5), settings)
    by_subchain = ~np.isnan(samples.stats["coarse_acceptance_rate"])
    moved = by_subchain & (samples.stats["acceptance_rate"] > 0)
    assert samples.stats["acceptance_rate"][moved] == pytest.approx(1.0)
    assert moved.mean() > 0.7


def test_failures_of_all_levels_are_in_the_ledger():
    settings = Settings(sampler="mlda", draws=200, tune=50, chains=1, cores=0)
    samples = sample(Levels(straight(), [straight(limit=1.2)], 3), settings)
    assert len(samples.failures) > 0
    assert {failure.reason for failure in samples.failures} == {"no convergence"}


def test_one_level_only_is_refused():
    with pytest.raises(CaseError, match=r"one level only.*coarser meshes"):
        sample(straight(), Settings(sampler="mlda", draws=1, chains=1, cores=0))


def test_levels_share_their_priors():
    other = Posterior({**straight().priors, "level": Normal(0.0, 1.0)}, straight().experiments)
    with pytest.raises(ParameterError, match="same priors"):
        Levels(straight(), [other])


@pytest.mark.parametrize(
    ("sampler", "target"),
    [("pcn", straight()), ("mlda", Levels(straight(), [always_shifted(), straight()], 2))],
)
@pytest.mark.parametrize("stop", [3, 77])
def test_a_chain_goes_on_exactly_where_it_stopped(sampler, target, stop, tmp_path):
    settings = Settings(sampler=sampler, draws=60, tune=40, chains=1, cores=0, checkpoint_seconds=0.05)
    whole = sample(target, settings, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        sample(target, settings, tmp_path / "halves", on_progress=Stopping(stop))
    halves = sample(target, settings, tmp_path / "halves")
    for name in whole.draws:
        assert whole.draws[name].tobytes() == halves.draws[name].tobytes()


class Stopping:
    def __init__(self, draw):
        self.draw = draw

    def __call__(self, chain, draw, tuning, stats):
        if draw == self.draw:
            raise KeyboardInterrupt


def test_a_checkpoint_of_a_generator_is_plain_json():
    state = np.random.default_rng(1).bit_generator.state
    (content,) = dump(state)
    assert json.loads(content)["arrays"] == 0


def test_a_start_where_only_the_coarse_model_fails_is_left():
    """The chain of coarse answers cannot leave; steps proposed to the fine level directly can."""

    class Never:
        def __call__(self, values):
            raise SolveFailed("coarse", values, "never")

    target = Levels(straight(), [straight(limit=-np.inf, what=Never())], 2)
    samples = sample(target, Settings(sampler="mlda", draws=400, tune=400, chains=1, cores=0))
    assert len(np.unique(samples.draws["level"])) > 3
