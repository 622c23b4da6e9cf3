"""The scale check: how far a resolved model is off, in units of the noise."""

import numpy as np
import pytest
from five_cells import (
    PHASES,
    RESISTIVITY,
    SD,
    SENSORS,
    TRUTH,
    Fragile,
    calibration,
    exact,
    homogenised,
    readings,
    resolved,
)
from mscale_uq.models.transport.biofilm_layers import DEPTHS, SYSTEM

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.diagnose.model_error import (
    with_approximation,
)
from mscale_uq.diagnose.resolved import resolved_model
from mscale_uq.diagnose.scale_check import scale_check
from mscale_uq.observe.approximation import ApproximationError
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stats.experiment import Experiment, Fixed
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import LogNormal, Normal


def test_the_scale_check_measures_in_noise_sds():
    posterior = calibration(readings())
    check = scale_check(posterior, {"rod": [resolved()]}, np.array([[TRUTH], [1.0]]))
    miss = np.abs(readings() - TRUTH * SENSORS * (1 - SENSORS)) / SD
    assert check.rows[0].largest == pytest.approx(miss.max(), rel=1e-10)
    assert check.rows[0].reading == np.argmax(miss)
    assert check.rows[0].together == pytest.approx(np.linalg.norm(miss), rel=1e-10)
    assert not check.ok
    assert "WARNING" in check.lines()[-1]


def test_the_scale_check_bounds_the_bias():
    for phase in PHASES:
        posterior = calibration(readings(phase))
        check = scale_check(posterior, {"rod": [resolved(phase)]}, np.array([[TRUTH]]))
        mean, sd = exact(posterior)
        unbiased = exact(calibration(homogenised().value([TRUTH])))[0]
        assert abs(mean - unbiased) / sd <= check.together * (1 + 1e-9)


def test_with_fine_cells_the_scale_check_is_content():
    posterior = calibration(readings(eps=1e-4))
    check = scale_check(posterior, {"rod": [resolved(eps=1e-4)]}, np.array([[1.0]]))
    assert check.ok
    assert len(check.lines()) == 1


def test_small_errors_that_add_up_are_named():
    law = Gaussian(float(np.abs(readings() - TRUTH * SENSORS * (1 - SENSORS)).max()) * 1.1)
    check = scale_check(calibration(readings(), law=law), {"rod": [resolved()]}, np.array([[TRUTH]]))
    assert check.ok
    assert check.together > 1
    assert "together" in check.lines()[-1]


def test_the_scale_check_counts_noise_only_and_no_missing_reading():
    data = readings()
    data[np.argmax(np.abs(data - TRUTH * SENSORS * (1 - SENSORS)))] = np.nan
    posterior = calibration(data)
    error = ApproximationError(np.zeros(9), np.eye(9))
    thetas, good = np.array([[TRUTH]]), {"rod": [resolved()]}
    plain = scale_check(posterior, good, thetas)
    corrected = scale_check(with_approximation(posterior, {("rod", "u"): error}), good, thetas)
    assert corrected == plain
    assert plain.rows[0].largest < scale_check(calibration(readings()), good, thetas).rows[0].largest


def test_the_shipped_film_is_fine_enough_and_one_of_five_cells_is_not():
    model = SYSTEM.forward()
    theta = np.array([[2e-10, 0.01]])
    fixed = {
        p.name: Fixed(p.default)
        for p in model.parameters
        if p.name not in ("cluster_diffusivity", "uptake_rate")
    }
    data = {"concentration": np.zeros(20), "uptake": 0.0}
    operators = {
        "concentration": ObservationOperator("concentration", Gaussian(0.006)),
        "uptake": ObservationOperator("uptake", Gaussian(1.7e-8)),
    }
    priors = {"cluster_diffusivity": LogNormal(-22.3, 0.7), "uptake_rate": LogNormal(-4.6, 1.2)}
    film = Posterior(priors, [Experiment("film", model, data, operators, fixed)])
    fine, coarse = (
        scale_check(film, {"film": [resolved_model(SYSTEM, model, depth=DEPTHS, periods=n)]}, theta)
        for n in (50, 5)
    )
    assert fine.ok
    assert not coarse.ok


def test_an_experiment_that_was_compared_nowhere_is_not_passed_over():
    """With one experiment compared and fine, the check is not content while another was not compared."""
    operators = {"u": ObservationOperator("u", Gaussian(SD))}
    both = Posterior(
        {"resistivity": Normal(1.0, 0.1)},
        [Experiment(name, homogenised(), {"u": readings()}, operators) for name in ("rod", "other")],
    )
    good = {"rod": [resolved(eps=1e-4)], "other": [ForwardModel([Fragile()], RESISTIVITY, ["u"])]}
    check = scale_check(both, good, np.array([[1.2]]))
    assert [row.ok for row in check.rows] == [True, False]
    assert not check.ok
    assert "nothing was compared" in check.lines()[-1]
