"""A handful of searches tell one mode from several, within a bounded number of evaluations."""

import known_posteriors as known
import numpy as np
import pytest

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.infer.choice import FEW, Trial, by_pilot, pays, try_surrogate
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.pilot import SEARCHES, SHARE, Pilot, explore
from mscale_uq.infer.settings import Settings
from mscale_uq.observe.laws import Gaussian
from mscale_uq.results.candidate import pareto_smoothed
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import Normal

SETTINGS = Settings(draws=500, tune=500, chains=4, cores=0, seed=4)
ONE = Pilot(90, 8, 8, (1.0,))
TWO = Pilot(90, 8, 8, (0.6, 0.4))


def seen_through(function, readings, sd, means=(0.0, 0.0)):
    """The posterior of two normal unknowns x and y, of which `function` is read."""
    parameters = [Parameter(name, "1", 0.5) for name in ("x", "y")]
    model = ForwardModel([Formula(function, "seen")], parameters, ["seen"])
    sensor = {"seen": ObservationOperator("seen", Gaussian(sd))}
    priors = {"x": Normal(means[0], 1.0), "y": Normal(means[1], 1.0)}
    return Posterior(priors, [Experiment("one", model, {"seen": readings}, sensor)])


def square(x, y):
    return x**2 + 0.0 * y


def valley(x, y):
    return 10.0 * (y - x**2)


def test_a_straight_line_has_one_mode_and_all_searches_find_it():
    found = explore(known.straight(), SETTINGS)
    assert found.shares == (1.0,)
    assert found.ended == found.begun == SEARCHES
    assert "all ended in one" in str(found)


def test_a_square_has_a_mode_for_each_sign_and_they_share_the_posterior_evenly():
    found = explore(seen_through(square, 1.0, 0.1), SETTINGS)
    assert found.shares == pytest.approx((0.5, 0.5), abs=1e-3)


def test_the_weights_of_two_modes_are_those_of_their_normal_laws():
    """The prior prefers x = 1 to x = -1, both of which the data allow, by its density there."""
    tight = 0.001  # so that normal laws are nearly exact, and the prior is even across a mode
    found = explore(seen_through(square, 1.0, tight, means=(0.5, 0.0)), SETTINGS)
    ratio = np.exp(-0.5 * (0.5**2 - 1.5**2))
    assert found.shares == pytest.approx((ratio / (1 + ratio), 1 / (1 + ratio)), abs=0.01)


def test_a_curved_valley_is_not_taken_for_several_modes():
    assert explore(seen_through(valley, 0.0, 0.1), SETTINGS).shares == (1.0,)


def test_a_pilot_costs_a_tenth_of_an_evaluation_a_draw_at_most():
    for draws in (10, 60, 500):
        settings = Settings(draws=draws, tune=draws, chains=2, cores=0)
        found = explore(seen_through(valley, 0.0, 0.01), settings)
        assert found.evaluations <= settings.chains * 2 * draws // SHARE


def test_a_posterior_without_a_likelihood_is_left_to_the_run_to_tell():
    found = explore(known.straight(-1e9, known.refuse), SETTINGS)
    assert (found.begun, found.shares) == (0, ())


def test_failed_solves_do_not_end_a_pilot():
    limit = known.limit_with_mass_above(0.1)
    assert explore(known.straight(limit), SETTINGS).shares == (1.0,)


def test_several_modes_of_few_unknowns_ask_for_particles_and_many_unknowns_for_a_warning():
    assert by_pilot(FEW, TWO, None).sampler == "smc"
    assert by_pilot(FEW, Pilot(90, 8, 8, (1 - 1e-6, 1e-6)), None).sampler == "nuts"
    many = by_pilot(FEW + 1, TWO, Trial(True, "good"))
    assert many.sampler == "nuts"
    assert "mind R-hat" in many.why


def test_a_surrogate_is_chosen_only_after_a_good_trial():
    assert by_pilot(5, ONE, Trial(True, "good")).sampler == "surrogate"
    assert by_pilot(5, ONE, Trial(False, "bad")).sampler == "nuts"
    assert by_pilot(5, ONE, None).sampler == "nuts"


def test_a_short_run_does_not_pay_for_a_surrogate():
    building = 5000
    assert not pays(Settings(draws=250, tune=250, chains=2), building)
    assert pays(Settings(draws=1000, tune=1000, chains=4), building)


@pytest.mark.parametrize(("shift", "good"), [(0.05, True), (1.0, False)])
def test_a_trial_tells_a_good_surrogate_from_one_that_is_wrong_by_five_standard_deviations(shift, good):
    (line,) = known.straight().experiments
    cheap = known.straight().changed([line.changed(observed={"reading": known.READINGS + shift})])
    settings = Settings(draws=500, tune=100, chains=4, cores=0, seed=1)
    found = try_surrogate(Levels(known.straight(), [cheap]), settings, pareto_smoothed)
    assert found.good is good, found.said
