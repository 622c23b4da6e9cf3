"""One homogenised heat equation, one object: filtered with its matrix conductivity as state, and sampled.

The parameter enters through the periodic cell, the macro equation and its time steps. The exact posterior is
the density of the same object's forward model on a fine grid.
"""

from functools import cache

import numpy as np
import pytest
from mscale_uq.models.transport import heat_conduction

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.errors import InputError
from mscale_uq.filters.augment import Unknown, augment, unknown_values
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.etkf import ETKF
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.loop import run
from mscale_uq.filters.sigma_point import SigmaPointKalman
from mscale_uq.filters.sigma_rules import Cubature
from mscale_uq.infer.chains import sample
from mscale_uq.infer.settings import Settings
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stats.experiment import Experiment, Fixed
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import LogNormal

NAME, CENTRE, SPREAD, SD = "matrix_conductivity", 0.25, 0.3, 0.2
TIMES = (300.0, 900.0, 1800.0, 2700.0, 3600.0)
FILTERS = {
    "extended": ExtendedKalman(),
    "iterated extended": ExtendedKalman(iterations=5),
    "cubature": SigmaPointKalman(Cubature()),
    "ensemble": EnsembleKalman(ETKF(), 50),
}


@cache
def plate():
    sensors = {"x": (0.016, 0.028, 0.036), "y": (0.02, 0.02, 0.01)}
    return heat_conduction.space(**sensors, cell_elements=8, elements=8, max_step=200.0, thermocouple_sd=SD)


def model():
    return plate().forward(TIMES)


def readings():
    truth = model().value(model().theta()).reshape(len(TIMES), 3)
    return truth + SD * np.random.default_rng(0).standard_normal(truth.shape)


def defaults(without=()):
    return {p.name: p.default for p in plate().parameters if p.name not in without}


@cache
def exact():
    """Mean and standard deviation of the logarithm of the conductivity."""
    data, grid = readings().ravel(), np.linspace(-1.63, -1.58, 101)
    error = [data - model().value(model().theta(**{NAME: np.exp(u)})) for u in grid]
    log = -0.5 * np.sum(np.array(error) ** 2, axis=1) / SD**2
    log -= 0.5 * ((grid - np.log(CENTRE)) / SPREAD) ** 2
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    mean = weights @ grid
    return mean, np.sqrt(weights @ (grid - mean) ** 2)


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_learns_a_micro_parameter_through_cell_and_plate(name):
    stream = [
        Observation(time, "thermocouples", "temperature", row)
        for time, row in zip(TIMES, readings(), strict=True)
    ]
    space = augment(plate(), {NAME: Unknown(CENTRE, SPREAD)})
    state, _ = list(run(FILTERS[name], space, defaults(without=[NAME]), stream, key=1))[-1]
    mean, sd = exact()
    assert abs(state.mean[-1] - mean) < 0.15 * sd
    assert np.sqrt(state.cov[-1, -1]) == pytest.approx(sd, rel=0.03)
    assert unknown_values(space, state.mean)[NAME] == pytest.approx(np.exp(state.mean[-1]))


def test_a_plate_whose_parameters_are_known_is_affine_and_one_with_unknowns_is_not():
    stream = [Observation(300.0, "thermocouples", "temperature", readings()[0])]
    state, _ = next(iter(run(Kalman(), plate(), defaults(), stream)))
    seen = plate().observe("thermocouples", state.mean, plate().prepare(defaults()))["temperature"]
    assert seen == pytest.approx(model().value(model().theta())[:3], rel=1e-12)
    with pytest.raises(InputError, match="not affine"):
        list(run(Kalman(), augment(plate(), {NAME: Unknown(CENTRE, SPREAD)}), defaults([NAME]), stream))


@pytest.mark.slow
def test_a_sampler_on_the_same_object_finds_what_the_filters_find():
    operators = {"temperature": ObservationOperator("temperature", Gaussian(SD))}
    fixed = {name: Fixed(value) for name, value in defaults(without=[NAME]).items()}
    experiment = Experiment("plate", model(), {"temperature": readings()}, operators, fixed)
    posterior = Posterior({NAME: LogNormal(np.log(CENTRE), SPREAD)}, [experiment])
    draws = sample(posterior, Settings("nuts", draws=300, tune=150, chains=2, cores=0, seed=5)).draws
    found = np.log(draws[NAME].ravel())
    mean, sd = exact()
    assert abs(found.mean() - mean) < 0.15 * sd
    assert found.std() == pytest.approx(sd, rel=0.12)
