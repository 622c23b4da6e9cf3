"""Steps that are given: where they end, and that a path along them is smooth and right."""

import numpy as np
import pytest

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import InputError
from mscale_uq.macro.doses import Doses
from mscale_uq.macro.ode import Ode, OdePath
from mscale_uq.macro.steps import Steps


def decays(t, y, p, dy):
    dy[0] = -p[0] * y[0]


def model(longest):
    drug = (Quantity("drug", "1"),)
    ode = Ode("drug", decays, drug, ("rate",), doses=Doses((0.0, 1.5), {"drug": 2.0}), steps=Steps(longest))
    return ForwardModel([OdePath(ode, TIMES)], [Parameter("rate", "1/s", 1.0, lower=0)], ["drug"],
                        {"drug_initial": 1.0})  # fmt: skip


TIMES = [1.0, 2.0, 4.0]


def exact(rate):
    t = np.array(TIMES)
    return 3 * np.exp(-rate * t) + np.where(t > 1.5, 2 * np.exp(-rate * (t - 1.5)), 0.0)


def test_steps_grow_up_to_the_longest_and_end_at_every_stop():
    ends, places = Steps(0.5, first=0.1, growth=2.0).mesh(1.0, [2.0, 2.01, 5.0])
    lengths = np.diff(ends)
    assert list(ends[places]) == [2.0, 2.01, 5.0]
    assert lengths[:3] == pytest.approx([0.05, 0.1, 0.2])
    assert np.all(lengths > 0)
    assert lengths.max() <= 1.5 * 0.5


def test_halving_the_steps_divides_the_error_by_thirty_two():
    errors = [np.abs(model(h).value(np.array([1.3])) - exact(1.3)).max() for h in (0.8, 0.4, 0.2)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert orders == pytest.approx(5, abs=0.5)


def test_a_loose_path_along_given_steps_has_the_derivative_of_what_it_computes():
    here = model(0.8)
    assert np.abs(here.value(np.array([1.3])) - exact(1.3)).max() > 1e-6
    assert check_gradient(here, np.array([1.3]), np.random.default_rng(4)).ok


@pytest.mark.parametrize("given", [{"longest": 0.0}, {"longest": -1.0}, {"longest": 1.0, "growth": 0.5}])
def test_impossible_steps_are_refused(given):
    with pytest.raises(InputError, match="longest step"):
        Steps(**given)
