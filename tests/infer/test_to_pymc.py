import numpy as np
import pymc as pm
import pytest
from known_posteriors import RoughLine, every_family, exact, straight

from mscale_uq.infer.coordinates import to_physical, to_sampler
from mscale_uq.infer.density import MODE, Density
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.to_pymc import DISTRIBUTIONS, to_pymc
from mscale_uq.stats.priors import FAMILIES

# PyMC holds sqrt(2/pi) of the half-normal in single precision.
SINGLE = 1e-7


def point(posterior, model, z):
    parts = posterior.split(z)
    return {v.name: parts[model.values_to_rvs[v].name] for v in model.value_vars}


def test_every_prior_family_has_a_distribution():
    assert set(DISTRIBUTIONS) == set(FAMILIES.values())


@pytest.mark.filterwarnings("ignore:PyTensor could not link to a BLAS installation")
def test_pymcs_density_is_the_posteriors_also_in_a_hierarchy():
    posterior, rng = every_family(), np.random.default_rng(3)
    model = to_pymc(posterior)
    density = model.compile_logp(jacobian=False, mode=MODE)
    for _ in range(20):
        z = to_sampler(posterior, posterior.sample_prior(rng))
        theta = to_physical(posterior, z)
        assert density(point(posterior, model, z)) == pytest.approx(posterior.logpdf(theta), abs=SINGLE)


def test_the_jacobian_is_the_volume_of_the_map():
    posterior, rng = every_family(), np.random.default_rng(4)
    model = to_pymc(posterior)
    with_it, without = (model.compile_logp(jacobian=j, mode=MODE) for j in (True, False))
    for _ in range(5):
        z = to_sampler(posterior, posterior.sample_prior(rng))
        step = 1e-6 * np.eye(z.size)
        columns = [(to_physical(posterior, z + e) - to_physical(posterior, z - e)) / 2e-6 for e in step]
        volume = np.linalg.slogdet(np.array(columns))[1]
        at = point(posterior, model, z)
        assert with_it(at) - without(at) == pytest.approx(volume, abs=1e-5)


def test_the_gradient_in_sampler_coordinates_is_exact():
    posterior, rng = every_family(), np.random.default_rng(5)
    function = Density(posterior, Ledger(), gradient=True).function()
    for _ in range(5):
        z = to_sampler(posterior, posterior.sample_prior(rng))
        _, slope = function(z)
        direction = rng.standard_normal(z.size)
        wanted = (function(z + 1e-6 * direction)[0] - function(z - 1e-6 * direction)[0]) / 2e-6
        assert slope @ direction == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_variables_carry_the_posteriors_names_and_shapes():
    posterior = every_family()
    model = to_pymc(posterior)
    assert [rv.name for rv in model.free_RVs] == list(posterior.variables)
    assert {rv.name: rv.type.shape for rv in model.free_RVs} == posterior.variables


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("stage", [None, RoughLine])
def test_pymc_samples_the_model_with_or_without_a_gradient(stage):
    posterior = straight() if stage is None else straight(stage=stage)
    settings = {
        "cores": 1,
        "chains": 2,
        "progressbar": False,
        "random_seed": 2,
        "compile_kwargs": {"mode": MODE},
    }
    data = pm.sample(draws=800, tune=500, model=to_pymc(posterior), **settings)
    mean, spread = exact()
    for name, m, s in zip(posterior.names, mean, spread, strict=True):
        assert data.posterior[name].mean().item() == pytest.approx(m, abs=0.2 * s)
        assert data.posterior[name].std().item() == pytest.approx(s, rel=0.15)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_prior_draws_of_pymc_follow_the_priors():
    posterior, count = every_family(), 1000
    drawn = pm.draw(list(to_pymc(posterior).free_RVs), draws=count, random_seed=1)
    rng = np.random.default_rng(1)
    wanted = np.array([posterior.sample_prior(rng) for _ in range(count)])
    flat = np.concatenate([np.reshape(part, (count, -1)) for part in drawn], axis=1)
    from scipy.stats import ks_2samp

    assert min(ks_2samp(flat[:, i], wanted[:, i]).pvalue for i in range(flat.shape[1])) > 1e-4
