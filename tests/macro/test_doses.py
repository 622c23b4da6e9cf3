"""Doses that are added to a state, against the sum of what is left of each of them."""

import numpy as np
import pytest

from mscale_uq.core.dynamics import Rollout
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import InputError, WiringError
from mscale_uq.macro.doses import Doses
from mscale_uq.macro.ode import Ode, OdePath
from mscale_uq.macro.ode_dynamics import OdeDynamics
from mscale_uq.macro.ode_event import OdeEvent
from mscale_uq.solve.rate import Level
from mscale_uq.solve.stiff import Tolerances


def cleared(t, y, p, dy):
    """A drug is cleared, and what has been cleared is counted."""
    dy[0] = -p[0] * y[0]
    dy[1] = p[0] * y[0]


def never(t, y, p):
    return y[0] + 1.0


STATE = (Quantity("drug", "1"), Quantity("gone", "1"))
DOSES = Doses((0.0, 1.0, 2.5), {"drug": 3.0})
ODE = Ode("drug", cleared, STATE, ("clearance",), Tolerances(1e-11, 1e-13), doses=DOSES)
TIMES = [0.0, 0.5, 1.0, 2.0, 2.5, 6.0]
PARAMETERS = (Parameter("clearance", "1/s", 0.8, lower=0), Parameter("drug_initial", "1", 2.0))


def left(clearance, first, times):
    """What is left of the first amount and of each dose that was given before."""
    total = first * np.exp(-clearance * np.asarray(times))
    for at in DOSES.times:
        since = np.asarray(times) - at
        total += np.where(since > 0, 3.0 * np.exp(-clearance * since), 0.0)
    return total


def model(stage):
    return ForwardModel([stage], PARAMETERS, ["drug", "gone"], {"gone_initial": 0.0})


def test_what_is_left_is_the_sum_over_all_doses_and_a_reading_comes_before_the_dose_of_its_time():
    drug, gone = np.split(model(OdePath(ODE, TIMES)).value(np.array([0.8, 2.0])), 2)
    assert drug == pytest.approx(left(0.8, 2.0, TIMES), rel=1e-9)
    assert drug + gone == pytest.approx([2, 5, 5, 8, 8, 11], rel=1e-12)  # nothing is lost


def test_the_path_through_doses_has_exact_derivatives():
    here, theta = model(OdePath(ODE, TIMES)), np.array([0.8, 2.0])
    assert check_gradient(here, theta, np.random.default_rng(3)).ok
    slope = (left(0.8 + 1e-6, 2.0, TIMES) - left(0.8 - 1e-6, 2.0, TIMES)) / 2e-6
    assert here.jacobian(theta)[:6, 0] == pytest.approx(slope, rel=1e-6)
    assert here.jacobian(theta)[:6, 1] == pytest.approx(np.exp(-0.8 * np.array(TIMES)), rel=1e-9)


def test_dynamics_with_doses_roll_out_to_the_same_path():
    theta = np.array([0.8, 2.0])
    path, rolled = model(OdePath(ODE, TIMES)), model(Rollout(OdeDynamics(ODE), TIMES))
    assert rolled.value(theta) == pytest.approx(path.value(theta), rel=1e-9)
    assert rolled.jacobian(theta) == pytest.approx(path.jacobian(theta), rel=1e-8, abs=1e-9)


def test_doses_after_the_last_reading_change_nothing():
    until = model(OdePath(ODE, TIMES[:3])).value(np.array([0.8, 2.0]))
    later = Ode("drug", cleared, STATE, ("clearance",), ODE.tolerances, doses=Doses((0.0,), {"drug": 3.0}))
    assert np.array_equal(until, model(OdePath(later, TIMES[:3])).value(np.array([0.8, 2.0])))


def test_a_dose_of_something_else_is_refused():
    wrong = Ode("drug", cleared, STATE, ("clearance",), doses=Doses((0.0,), {"drugs": 3.0}))
    with pytest.raises(WiringError, match=r"dose of 'drugs' \(did you mean 'drug'\?\).*drug, gone"):
        model(OdePath(wrong, TIMES)).value(np.array([0.8, 2.0]))


@pytest.mark.parametrize("doses", [((1.0, 1.0), {"drug": 1.0}), ((1.0,), {"drug": np.nan})])
def test_impossible_doses_are_refused(doses):
    with pytest.raises(InputError, match="doses"):
        Doses(*doses)


def test_an_event_is_not_looked_for_across_doses():
    with pytest.raises(InputError, match="an equation with doses"):
        OdeEvent(ODE, "never", Level(never), 3.0)
