"""States at rest of an equation are the zeros of its rate, from the function that is integrated in time."""

import numpy as np
import pytest

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.implicit import Branch, Implicit
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import NoGradient
from mscale_uq.macro.ode import Ode, OdePath
from mscale_uq.macro.ode_rate import OdeRate


def population(t, y, p, dy):
    """Growth and death with mixing of two patches: y' = r y (1 - y) - d y +- m (z - y)."""
    dy[0] = p[0] * y[0] * (1 - y[0]) - p[1] * y[0] + p[2] * (y[1] - y[0])
    dy[1] = p[0] * y[1] * (1 - y[1]) - p[1] * y[1] + p[2] * (y[0] - y[1])


def kinked(t, y, p, dy):
    dy[0] = p[0] - abs(y[0])


PATCHES = Ode("patches", population, (Quantity("alive", "1", shape=(2,)),), ("growth", "death", "mixing"))
UNKNOWN = tuple(Parameter(name, "1/s", value, lower=0) for name, value in
                (("growth", 1.0), ("death", 0.4), ("mixing", 0.3)))  # fmt: skip


def at_rest():
    loop = Implicit([OdeRate(PATCHES)], "alive", "alive_rate", [1.0, 1.0], branch=Branch("death", 0.1))
    return ForwardModel([loop], UNKNOWN, ["alive"]), loop


def test_at_rest_both_patches_hold_one_minus_death_over_growth():
    model, _ = at_rest()
    assert model.value([1.0, 0.4, 0.3]) == pytest.approx([0.6, 0.6], rel=1e-12)
    exact = [[0.4, -1.0, 0.0]] * 2
    assert model.jacobian([1.0, 0.4, 0.3]) == pytest.approx(np.array(exact), abs=1e-10)
    assert check_gradient(model, np.array([1.1, 0.4, 0.3]), np.random.default_rng(1)).ok


def test_rest_is_where_the_path_ends_and_fades_at_the_known_rates():
    loop = at_rest()[1]
    path = OdePath(PATCHES, [60.0])
    start = {"alive_initial": np.array([0.1, 0.9])}
    values = {"growth": np.array(1.0), "death": np.array(0.4), "mixing": np.array(0.3)}
    assert path.value({**start, **values})["alive"][0] == pytest.approx([0.6, 0.6], rel=1e-8)
    point = loop.solutions(values, 0.05, 0.9)[0]
    assert point.eigenvalues.real == pytest.approx([-0.6, -1.2], rel=1e-10)  # -(r - d), and 2 m faster
    assert point.stable


def test_a_rate_that_is_not_analytic_is_refused():
    stage = OdeRate(Ode("kinked", kinked, (Quantity("y", "1"),), ("a",)))
    with pytest.raises(NoGradient, match="kinked"):
        stage.linearize({"y": np.asarray(0.5), "a": np.asarray(1.0)})


def test_the_derivative_may_be_taken_along_some_inputs_alone():
    stage, values = OdeRate(PATCHES), {"alive": np.array([0.2, 0.5])}
    values |= {"growth": np.array(1.0), "death": np.array(0.4), "mixing": np.array(0.3)}
    whole, part = stage.linearize(values)[1], stage.moved_by(["death"]).linearize(values)[1]
    move = {"death": np.asarray(1.0)}
    assert part.jvp(move)["alive_rate"] == pytest.approx([-0.2, -0.5], rel=1e-14)
    assert part.jvp(move)["alive_rate"] == pytest.approx(whole.jvp(move)["alive_rate"])
