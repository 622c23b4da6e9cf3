"""Homogenised models and data from the resolved medium; all posteriors by exact algebra or quadrature.

The medium: -(k u')' = 1 on (0, 1), u = 0 at both ends, k = 1/(R (2 + 1.8 sin(2 pi x/eps + phase))).
Homogenised, u = R x (1 - x); resolved, u is an integral in closed form. Both are linear in R, so posteriors
of R under a normal prior are normal.
"""

from functools import partial

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
    medium,
    readings,
    resolved,
)
from mscale_uq.models.transport.biofilm_layers import DEPTHS, SYSTEM
from mscale_uq.models.transport.heat_conduction import SYSTEM as PLATE
from scipy.stats import binom

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.approximation_rounds import error_in_rounds, learn_error
from mscale_uq.diagnose.differences import differences
from mscale_uq.diagnose.model_error import (
    changes,
    has_model_error,
    with_approximation,
    without_model_error,
)
from mscale_uq.diagnose.resolved import Resolved, resolved_model
from mscale_uq.diagnose.scale_check import scale_check
from mscale_uq.errors import InputError, NoGradient
from mscale_uq.observe.approximation import ApproximationError
from mscale_uq.observe.correlated import GaussianCorrelated
from mscale_uq.observe.discrepancy import ProcessDiscrepancy, Zero
from mscale_uq.observe.laws import Gaussian, StudentT
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import HalfNormal, LogNormal, Normal


def sample(posterior, count, rng):
    mean, sd = exact(posterior)
    return mean + sd * rng.standard_normal((count, 1))


def off(posterior):
    """Distance of the mean from the truth, in posterior sds."""
    mean, sd = exact(posterior)
    return abs(mean - TRUTH) / sd


@pytest.mark.parametrize(("eps", "middle"), [(1 / 5, 0.2467172), (1 / 50.5, 0.2528185)])
def test_the_medium_is_the_published_one(eps, middle):
    assert medium({"resistivity": 1.0}, np.array([0.5]), eps)["u"][0] == pytest.approx(middle, abs=1e-7)


def test_the_resolved_medium_converges_to_the_homogenised_one_with_the_cells():
    x = np.linspace(0, 1, 20001)
    errors = [np.abs(readings(0.3, eps, x) - TRUTH * x * (1 - x)).max() for eps in (1 / 50.5, 1 / 505)]
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.1)


def test_data_from_five_cells_bias_the_homogenised_model():
    assert off(calibration(readings())) > 5


@pytest.mark.parametrize("phase", [0.0, *(PHASES + 0.2)])
def test_with_the_error_of_scale_in_the_likelihood_the_truth_is_covered(phase):
    """The medium may begin anywhere in its period, and the good models of the rounds do too."""
    good = {"rod": [resolved(each) for each in PHASES]}
    found = error_in_rounds(calibration(readings(phase)), good, sample, 2, 64, np.random.default_rng(0))
    assert off(found.posterior) < 1.96
    assert exact(found.posterior)[1] < 0.02


def test_intervals_cover_the_truth_as_often_as_they_say_and_without_the_correction_they_do_not():
    """Sixty rods with noise, each begun anywhere in its period."""
    rng, covered, uncorrected = np.random.default_rng(3), 0, 0
    good = {"rod": [resolved(each) for each in PHASES]}
    for phase in rng.uniform(0, 2 * np.pi, 60):
        plain = calibration(readings(phase) + SD * rng.standard_normal(SENSORS.size))
        uncorrected += off(plain) < 1.96
        covered += off(error_in_rounds(plain, good, sample, 2, 64, rng).posterior) < 1.96
    # Fewer happen once in a thousand such tests if 95 % are covered; an error that is not normal covers more.
    assert covered >= binom(60, 0.95).ppf(1e-3)
    assert uncorrected < 30


def test_rounds_follow_the_linear_theory():
    """One sensor cannot tell R from the error, so each round sharpens the next by the exact recursion

    precision = 1/0.3^2 + g^2 / (SD^2 + var d^2), which contracts to its fixed point.
    """
    middle = np.array([0.5])
    posterior = calibration(readings(x=middle), homogenised(middle), Gaussian(1e-4))
    d, g = float(readings(x=middle)[0] / TRUTH - 0.25), 0.25
    variance, spreads = 0.09, []
    for _ in range(4):
        variance = 1 / (1 / 0.09 + g**2 / (1e-8 + variance * d**2))
        spreads.append(variance**0.5)
    assert spreads[1] < 0.2 * spreads[0]
    good = {"rod": [resolved(x=middle)]}
    found = error_in_rounds(posterior, good, sample, 4, 1000, np.random.default_rng(1))
    for each, spread in zip(found.rounds, spreads, strict=True):
        corrected = with_approximation(posterior, each.errors)
        # A sample sd of 1000 draws is right to 1/sqrt(2000) = 2.2 %.
        assert exact(corrected)[1] == pytest.approx(spread, rel=0.09)
        assert off(corrected) < 1.96
    assert found.change < 1


def test_over_the_prior_the_error_of_a_linear_model_is_exact_algebra():
    """Here good - used = R d, so its mean is E[R] d and its covariance Var[R] d d'."""
    rng = np.random.default_rng(2)
    draws = 1.0 + 0.3 * rng.standard_normal((4000, 1))
    error = learn_error(calibration(readings()), {"rod": [resolved()]}, draws).errors["rod", "u"]
    d = readings() / TRUTH - SENSORS * (1 - SENSORS)
    assert error.mean == pytest.approx(draws.mean() * d, abs=1e-12)
    assert error.covariance == pytest.approx(draws.var(ddof=1) * (1 + 1 / 4000) * np.outer(d, d), abs=1e-12)


def test_draws_without_a_good_prediction_are_left_out_and_counted():
    thetas = np.array([[0.8], [1.2], [0.9], [1.3]])
    fragile = ForwardModel([Fragile()], RESISTIVITY, ["u"])
    (found,) = differences(calibration(readings()), {"rod": [fragile]}, thetas)
    assert (len(found.rows), found.failed) == (2, 2)
    assert found.thetas == pytest.approx(thetas[[0, 2]])
    learned = learn_error(calibration(readings()), {"rod": [fragile]}, thetas)
    assert found.missed == learned.missed
    assert [(one.row, one.theta, one.reason) for one in found.missed] == [
        (1, (1.2,), "too large"),
        (3, (1.3,), "too large"),
    ]
    with pytest.raises(InputError, match="fewer than two"):
        learn_error(calibration(readings()), {"rod": [fragile]}, thetas[:2])
    nothing = scale_check(calibration(readings()), {"rod": [fragile]}, thetas[[1]])
    assert not nothing.ok
    assert "no prediction" in nothing.lines()[0]
    assert [one.theta for one in nothing.missed] == [(1.2,)]


def test_good_models_take_turns():
    thetas = np.full((4, 1), TRUTH)
    (found,) = differences(calibration(readings()), {"rod": [resolved(0.0), resolved(1.0)]}, thetas)
    assert found.rows[0] == pytest.approx(found.rows[2])
    assert found.rows[1] == pytest.approx(found.rows[3])
    assert np.abs(found.rows[0] - found.rows[1]).max() > 1e-3


def test_what_does_not_fit_is_refused():
    posterior, thetas = calibration(readings()), np.ones((2, 1))
    with pytest.raises(InputError, match="did you mean 'rod'"):
        differences(posterior, {"rods": [resolved()]}, thetas)
    short = Resolved(partial(medium, x=SENSORS[:3], eps=0.2), ("resistivity",), ("u",))
    with pytest.raises(InputError, match="3 readings"):
        differences(posterior, {"rod": [ForwardModel([short], RESISTIVITY, ["u"])]}, thetas)
    error = ApproximationError(np.zeros(9), np.eye(9))
    with pytest.raises(InputError, match="rod: v"):
        with_approximation(posterior, {("rod", "v"): error})
    with pytest.raises(InputError, match="StudentT"):
        with_approximation(calibration(readings(), law=StudentT(SD)), {("rod", "u"): error})


def test_a_system_without_a_resolved_model_says_so():
    with pytest.raises(InputError, match="no resolved model"):
        resolved_model(PLATE, PLATE.forward())
    with pytest.raises(InputError, match="did you mean 'periods'"):
        resolved_model(SYSTEM, SYSTEM.forward(), period=5)


def test_a_resolved_model_takes_its_settings_and_has_no_derivative():
    model = resolved_model(SYSTEM, SYSTEM.forward(), depth=DEPTHS, elements=8, periods=3)
    known = SYSTEM.resolved(model.split(model.theta()), DEPTHS, periods=3)
    assert model.value(model.theta()) == pytest.approx(
        np.append(known["concentration"], known["uptake"]), rel=1e-15
    )
    with pytest.raises(NoGradient, match="resolved"):
        model.linearize(model.theta())


MACHINE_X = np.linspace(0.2, 4.0, 11)


def machine(efficiency, x):
    return efficiency * x


def test_without_model_error_noise_and_its_unknowns_remain():
    model = ForwardModel(
        [Formula(machine, "y")], [Parameter("efficiency", "1", 0.6)], ["y"], {"x": MACHINE_X}
    )
    zeros = (Zero((0.0,)), Zero((0.0,), slope=0))
    law = GaussianCorrelated(Gaussian("noise"), (ProcessDiscrepancy(MACHINE_X, "amplitude", (3.0,), zeros),))
    data = 0.65 * MACHINE_X / (1 + MACHINE_X / 20)
    priors = {
        "efficiency": Normal(1.0, 1.0),
        "spread": HalfNormal(1.0),
        "amplitude": HalfNormal("spread"),
        "noise": HalfNormal(0.02),
    }
    operators = {"y": ObservationOperator("y", law)}
    full = Posterior(priors, [Experiment("machine", model, {"y": data}, operators)])
    plain = without_model_error(full)
    assert has_model_error(full)
    assert not has_model_error(plain)
    assert plain.names == ("efficiency", "noise")
    alone = Experiment("machine", model, {"y": data}, {"y": ObservationOperator("y", Gaussian("noise"))})
    exact_one = Posterior({"efficiency": priors["efficiency"], "noise": priors["noise"]}, [alone])
    assert plain.logpdf([0.6, 0.02]) == exact_one.logpdf([0.6, 0.02])


def test_the_likelihoods_gradient_goes_through_a_discrepancy_with_unknowns():
    model = ForwardModel(
        [Formula(machine, "y")], [Parameter("efficiency", "1", 0.6)], ["y"], {"x": MACHINE_X}
    )
    law = GaussianCorrelated(Gaussian(0.01), (ProcessDiscrepancy(MACHINE_X, "amplitude", ("length",)),))
    priors = {"efficiency": Normal(1.0, 1.0), "amplitude": HalfNormal(1.0), "length": LogNormal(1.0, 0.5)}
    experiment = Experiment("machine", model, {"y": MACHINE_X**0.9}, {"y": ObservationOperator("y", law)})
    posterior = Posterior(priors, [experiment])
    theta = np.array([0.6, 0.4, 2.5])
    central = [(posterior.logpdf(theta + e) - posterior.logpdf(theta - e)) / 2e-6 for e in 1e-6 * np.eye(3)]
    assert posterior.logpdf_gradient(theta)[1] == pytest.approx(central, rel=1e-6)


def test_a_correction_replaces_the_one_before_and_leaves_a_discrepancy():
    law = GaussianCorrelated(Gaussian(SD), (ProcessDiscrepancy(SENSORS, 0.01, (0.5,)),))
    posterior = calibration(readings(), law=law)
    error = ApproximationError(np.zeros(9), np.eye(9))
    once = with_approximation(posterior, {("rod", "u"): error})
    twice = with_approximation(once, {("rod", "u"): error})
    assert len(once.experiments[0].operators["u"].law.errors) == 2
    assert twice.logpdf([1.0]) == once.logpdf([1.0])
    assert with_approximation(once, {}).logpdf([1.0]) == posterior.logpdf([1.0])


def test_changes_compare_what_both_posteriors_have():
    rng = np.random.default_rng(5)
    with_error = np.stack([1.0 + 0.2 * rng.standard_normal(20000), rng.standard_normal(20000)], axis=1)
    without = 0.7 + 0.1 * rng.standard_normal((20000, 1))
    (change,) = changes(("a", "amplitude"), with_error, ("a",), without)
    assert change.shift == pytest.approx(3.0, abs=0.1)
    assert change.widening == pytest.approx(2.0, abs=0.05)
    assert change.with_error[2:] == pytest.approx((1 - 0.392, 1 + 0.392), abs=0.02)
