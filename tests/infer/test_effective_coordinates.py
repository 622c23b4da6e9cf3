"""Effective coordinates straighten a ridge and change nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.cell.elastic import EffectiveStiffness
from mscale_uq.cell.grid import PeriodicGrid
from mscale_uq.infer.chains import sample
from mscale_uq.infer.coordinates import to_physical, to_sampler
from mscale_uq.infer.density import Density
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.shear import Shear, coordinates_said, find_shear
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import HalfNormal, LogNormal, LogUniform, TruncatedNormal

CASES = ["inclusions", "heat_conduction", "porous_medium", "host_circuit", "biofilm_layers"]


def posterior_of(name):
    return read_case(find_case(name)).posterior()


def with_prior(posterior, name, prior):
    return posterior.changed(posterior.experiments, {**posterior.priors, name: prior})


def some_w(shear, posterior, seed):
    """A draw of the prior, in effective coordinates."""
    return shear.to_w(to_sampler(posterior, posterior.sample_prior(np.random.default_rng(seed))))


@pytest.mark.parametrize("name", CASES)
def test_going_there_and_back_changes_nothing(name):
    posterior = posterior_of(name)
    shear, said = find_shear(posterior)
    assert said.startswith("effective coordinates: the logarithm of")
    for seed in range(3):
        z = to_sampler(posterior, posterior.sample_prior(np.random.default_rng(seed)))
        assert shear.to_z(shear.to_w(z)) == pytest.approx(z, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ["porous_medium", "host_circuit", "inclusions"])
def test_the_map_keeps_volumes(name):
    posterior = posterior_of(name)
    shear, _ = find_shear(posterior)
    w = some_w(shear, posterior, 5)
    steps = 1e-5 * np.eye(w.size)
    jacobian = np.array([(shear.to_z(w + step) - shear.to_z(w - step)) / 2e-5 for step in steps]).T
    assert np.linalg.det(jacobian) == pytest.approx(1.0, abs=1e-5)


def test_the_first_step_moves_the_effective_quantity_and_no_other_changes_it():
    """Along the scale's own coordinate K is multiplied as a whole; along the others its mean log stays."""
    posterior = posterior_of("inclusions")
    shear, _ = find_shear(posterior)
    (experiment,) = posterior.experiments
    w = some_w(shear, posterior, 2)

    def tensor(place):
        values = posterior.split(to_physical(posterior, shear.to_z(place)))
        return experiment.trace(values)["K_eff"]

    before, scale = tensor(w), posterior.names.index("matrix_conductivity")
    for entry in range(w.size):
        moved = tensor(w + 0.3 * np.eye(w.size)[entry])
        if entry == scale:  # b = 0.3, the sd of the prior's logarithm
            assert moved == pytest.approx(np.exp(0.3 * 0.3) * before, rel=1e-6)
        else:
            assert np.abs(moved / before - 1).max() > 1e-3
            assert np.log(np.diag(moved)).sum() == pytest.approx(np.log(np.diag(before)).sum(), abs=1e-6)


@pytest.mark.parametrize("name", ["inclusions", "porous_medium"])
def test_the_density_is_the_same_and_its_gradient_exact(name):
    posterior = posterior_of(name)
    shear, _ = find_shear(posterior)
    plain, straight = (Density(posterior, Ledger(), True, one).function() for one in (None, shear))
    w = some_w(shear, posterior, 3)
    value, slope = straight(w)
    assert value == pytest.approx(plain(shear.to_z(w))[0], rel=1e-10)
    for entry in range(min(w.size, 6)):
        step = 1e-5 * np.eye(w.size)[entry]
        difference = (straight(w + step)[0] - straight(w - step)[0]) / 2e-5
        assert slope[entry] == pytest.approx(difference, rel=1e-3, abs=1e-4 * np.abs(slope).max())


@pytest.fixture
def cells(monkeypatch):
    """How many cell problems, of conduction or of elasticity, have been solved."""
    count = [0]

    def counting(solve):
        def counted(*arguments):
            count[0] += 1
            return solve(*arguments)

        return counted

    monkeypatch.setattr(PeriodicGrid, "tensor", counting(PeriodicGrid.tensor))
    monkeypatch.setattr(EffectiveStiffness, "_relaxed", counting(EffectiveStiffness._relaxed))
    return count


def solved_by(function, z, cells):
    function(z + 0.01)  # what is made once
    cells[0] = 0
    return function(z), cells[0]


@pytest.mark.parametrize("name", ["inclusions", "heat_conduction", "fe2_composite"])
def test_the_shift_and_the_likelihood_share_one_solution_of_the_cell(name, cells, monkeypatch):
    posterior = posterior_of(name)
    shear, _ = find_shear(posterior)
    w = some_w(shear, posterior, 6)
    _, plainly = solved_by(Density(posterior, Ledger(), True).function(), shear.to_z(w), cells)
    shared, once = solved_by(Density(posterior, Ledger(), True, shear).function(), w, cells)
    monkeypatch.setattr(Shear, "notes", ())  # a likelihood that is told nothing
    alone, twice = solved_by(Density(posterior, Ledger(), True, shear).function(), w, cells)
    assert once == plainly == len(posterior.experiments)
    assert twice == 2 * once
    assert shared[0] == pytest.approx(alone[0], rel=1e-11)
    assert shared[1] == pytest.approx(alone[1], rel=1e-10, abs=1e-10 * np.abs(alone[1]).max())


def test_each_specimen_of_an_array_has_a_shift_of_its_own():
    posterior = posterior_of("host_circuit")
    shear, _ = find_shear(posterior)
    theta = posterior.sample_prior(np.random.default_rng(0))
    where = {label: i for i, label in enumerate(posterior.names)}
    for entry, shift in enumerate(shear.shifts["cost"]):
        assert np.flatnonzero(shift(theta)[1]).tolist() == [
            where[f"expression[{entry}]"],
            where[f"cost[{entry}]"],
        ]


@pytest.mark.parametrize(
    ("prior", "word"),
    [
        (LogUniform(0.05, 2.0), "bounds"),
        (TruncatedNormal(0.3, 0.1, 0.05, 2.0), "bounds"),
        (HalfNormal(0.4), None),
        (LogNormal("log_heat_transfer", 0.5), "depends on other unknowns"),
    ],
)
def test_a_bounded_or_dependent_prior_of_the_scale_turns_it_off_and_says_so(prior, word):
    posterior = posterior_of("heat_conduction")
    more = {"log_heat_transfer": LogNormal(0.0, 1.0)} if prior.parents else {}
    priors = {**more, **posterior.priors, "matrix_conductivity": prior}
    target = Posterior(priors, posterior.experiments, posterior.variables, posterior.scale)
    shear, said = find_shear(target)
    assert (shear is None) == (word is not None)
    if word:
        assert said.startswith("plain coordinates: matrix_conductivity")
        assert word in said


def test_one_word_turns_it_off_and_methods_that_do_not_walk_there_say_nothing():
    posterior = posterior_of("inclusions")
    assert coordinates_said(posterior, Settings(coordinates="plain")) == "plain coordinates, as asked for"
    assert coordinates_said(posterior, Settings("slice")) == ""
    assert coordinates_said(Posterior(posterior.priors, posterior.experiments), Settings()) == ""


def draw_logs(folder):
    return [path.read_bytes() for path in sorted(folder.rglob("draws.log"))]


def test_a_chain_in_effective_coordinates_continues_to_the_byte(tmp_path):
    posterior = posterior_of("inclusions")
    settings = Settings(draws=12, tune=8, chains=1, cores=0, seed=4, checkpoint_seconds=0.0)
    sample(posterior, replace(settings, draws=3), tmp_path / "stopped")
    sample(posterior, settings, tmp_path / "stopped")
    sample(posterior, settings, tmp_path / "whole")
    assert draw_logs(tmp_path / "stopped") == draw_logs(tmp_path / "whole")


@pytest.mark.slow
def test_the_ridge_of_the_inclusions_is_sampled_without_divergence_and_to_the_known_moments():
    """Means and sds in standard normal coordinates, from 16,000 draws by four other routes."""
    posterior = posterior_of("inclusions")
    samples = sample(posterior, Settings(draws=500, tune=300, chains=2, cores=2, seed=7))
    assert samples.stats["diverging"].sum() == 0
    assert samples.stats["n_steps"].mean() < 10
    theta = np.stack([samples.draws[name] for name in posterior.variables], axis=-1).reshape(-1, 5)
    z = np.array([to_sampler(posterior, row) for row in theta])
    assert z.mean(axis=0) == pytest.approx([0.64, -0.27, 0.35, 0.17, 0.73], abs=0.15)
    assert z.std(axis=0) == pytest.approx([0.74, 0.54, 0.77, 0.39, 0.78], rel=0.2)
