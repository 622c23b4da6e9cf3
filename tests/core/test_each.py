"""A stage that is run for every row of a table is the block-diagonal stage that it stands for."""

import numpy as np
import pytest

from mscale_uq.core.each import Each
from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import WiringError

RATE = Parameter("rate", "1/s", 0.3, lower=0)
STARTS = Parameter("start", "1", 2.0, shape=(3,))


def decay(start, rate, time):
    return start * np.exp(-rate * time)


def test_every_row_has_its_own_value_and_slopes():
    each = Each(Formula(decay, "left"), ("start", "time"))
    model = ForwardModel([each], [RATE, STARTS], ["left"], {"time": [0.0, 1.0, 4.0]})
    theta, t = np.array([0.3, 2.0, 5.0, 7.0]), np.array([0.0, 1.0, 4.0])
    left = theta[1:] * np.exp(-0.3 * t)
    assert model.value(theta) == pytest.approx(left, rel=1e-15)
    assert model.jacobian(theta) == pytest.approx(
        np.column_stack([-t * left, np.diag(left / theta[1:])]), rel=1e-13
    )
    assert check_gradient(model, theta, np.random.default_rng(1)).ok


def test_rows_go_over_what_is_read_and_are_as_many():
    with pytest.raises(WiringError, match="does not read 'tim'"):
        Each(Formula(decay, "left"), ("tim",))
    each = Each(Formula(decay, "left"), ("start", "time"))
    with pytest.raises(WiringError, match="the same number of each"):
        each.value({"start": np.ones(2), "time": np.ones(3), "rate": np.asarray(1.0)})
