"""Electrodes of different porosity, as a closure and as arrays of particles."""

from pathlib import Path

import numpy as np
import pytest
from mscale_uq.models.transport.porous_medium import forward

from mscale_uq.case.read import read_case
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import Infeasible

CASE = Path(__file__).parents[2] / "models/transport/porous_medium.toml"
# ln(D_eff/D)/ln(porosity) of the images behind the synthetic data, less one (data/porous_medium/README.md).
EXPONENTS = np.array([2.0111, 1.9177, 1.7843, 1.6685, 1.8855, 1.6722, 1.7360, 1.8316]) - 1
POROSITIES = np.linspace(0.25, 0.60, 8)


def test_a_porosity_of_035_and_a_fifth_of_the_diffusivity_is_a_tortuosity_factor_of_175():
    model = forward()
    known = model.trace(model.theta(porosity=0.35, tortuosity_exponent=0.5330577))
    assert known["ratio"] == pytest.approx(0.2, rel=1e-7)
    assert known["tortuosity"] == pytest.approx(1.75, rel=1e-7)
    assert known["D_eff"] == pytest.approx(6e-11, rel=1e-7)


@pytest.mark.parametrize(
    ("array", "porosity", "ratio", "tortuosity"),
    [("square", 0.35, 0.183428, 1.90811), ("hexagonal", 0.35, 0.209379, 1.67161)],
)
def test_cylinders_have_the_published_tortuosity_factors(array, porosity, ratio, tortuosity):
    model = forward(microstructure=array)
    known = model.trace(model.theta(porosity=porosity, aspect_ratio=1.0))
    assert known["ratio"] == pytest.approx(ratio, rel=2e-4)
    assert known["tortuosity"] == pytest.approx(tortuosity, rel=2e-4)


@pytest.mark.parametrize("array", ["bruggeman", "square", "hexagonal"])
def test_the_gradient_is_exact_in_every_microstructure(array):
    model = forward(microstructure=array)
    theta = model.theta(porosity=0.45)
    assert check_gradient(model, theta, np.random.default_rng(0)).ok


def test_platelets_across_the_way_obstruct_more_than_a_power_of_three_halves():
    """The measured exponents of electrodes with flat particles exceed Bruggeman's."""
    model = forward(microstructure="hexagonal")
    exponents = [model.trace(model.theta(porosity=0.4, aspect_ratio=a))["exponent"] for a in (1.0, 2.0, 3.0)]
    assert exponents[0] == pytest.approx(np.log(0.248343) / np.log(0.4), rel=1e-3)
    assert exponents[0] > 1.5
    assert (np.diff(exponents) > 0.3).all()


def test_every_disc_shows_its_coating():
    model = forward(disc=[1, 2, 3])
    data = model.value(model.theta())
    assert data[:3] == pytest.approx(3e-10 * 0.4**1.5, rel=1e-14)
    assert data[3:] == pytest.approx(0.4, rel=1e-14)


def test_pores_that_are_as_good_as_closed_are_no_prediction():
    with pytest.raises(Infeasible, match="less than 1e-12"):
        forward().value(forward().theta(tortuosity_exponent=40.0))


def test_particles_that_touch_are_no_prediction():
    model = forward(microstructure="square")
    with pytest.raises(Infeasible, match="touch"):
        model.value(model.theta(porosity=0.2))


def test_one_coating_cannot_tell_bulk_diffusivity_and_exponent_apart():
    """D eps^(1 + b) is the same along ln D + b ln eps: the Jacobian has rank two, not three."""
    model = forward()
    J = model.jacobian(model.theta()) * model.theta()
    direction = np.array([1.0, 0.0, -1.0 / (0.5 * np.log(0.4))])
    assert J @ direction == pytest.approx(np.zeros(8), abs=1e-15 * np.abs(J).max())
    assert np.linalg.matrix_rank(J / np.abs(J).max(axis=1, keepdims=True)) == 2


@pytest.fixture(scope="module")
def posterior():
    return read_case(CASE).posterior()


def truth(posterior, **changes):
    values = {
        "bulk_diffusivity": 3e-10,
        "porosity": POROSITIES,
        "tortuosity_exponent": EXPONENTS,
        "typical_log_exponent": np.log(EXPONENTS).mean(),
        "scatter_of_exponents": np.log(EXPONENTS).std(),
        "impedance_scatter": 0.05,
    }
    return posterior.pack({name: np.asarray(v) for name, v in {**values, **changes}.items()})


def test_the_data_scatter_about_the_truth_as_they_should(posterior):
    """Squared residuals in units of the noise: 64 readings, chi-square within its 99.9 % range."""
    values = posterior.split(truth(posterior))
    total = 0.0
    for number, experiment in enumerate(posterior.experiments):
        D_eff = 3e-10 * POROSITIES[number] ** (1 + EXPONENTS[number])
        total += np.sum((experiment.observed["effective_diffusivity"] / D_eff - 1) ** 2) / 0.05**2
        total += np.sum((experiment.observed["density_porosity"] - POROSITIES[number]) ** 2) / 0.01**2
        assert experiment.trace(values)["D_eff"] == pytest.approx(D_eff, rel=1e-12)
    assert 31.0 < total < 110.0


def test_the_gradient_of_the_hierarchical_posterior_is_exact(posterior):
    theta = truth(posterior)
    step = theta * np.random.default_rng(1).standard_normal(theta.size)
    slope = posterior.logpdf_gradient(theta)[1] @ step
    h = 1e-6
    ahead, behind = (posterior.logpdf(theta + sign * h * step) for sign in (1, -1))
    assert (ahead - behind) / (2 * h) == pytest.approx(slope, rel=1e-6)
