import numpy as np
import pytest

from mscale_uq.core.parameter import Parameter
from mscale_uq.errors import ParameterError
from mscale_uq.filters.free import Free

PARAMETERS = (
    Parameter("free", "1", 0.0),
    Parameter("positive", "1", (1.0, 2.0), lower=0, shape=(2,)),
    Parameter("share", "1", 0.5, lower=-1, upper=3),
    Parameter("debt", "1", -1.0, upper=0),
)
THETAS = np.array([[-3.0, 0.1, 20.0, 2.9, -0.5], [5.0, 1e-9, 1e9, -0.99, -1e6]])


def test_there_and_back_is_where_it_was():
    free = Free.of(PARAMETERS)
    assert free.backward(free.forward(THETAS)) == pytest.approx(THETAS, rel=1e-12)
    assert np.array_equal(free.forward(THETAS)[:, 1:3], np.log(THETAS[:, 1:3]))
    assert np.array_equal(free.forward(THETAS)[:, 0], THETAS[:, 0])


def test_the_map_rises_with_every_parameter():
    free = Free.of(PARAMETERS)
    low, high = free.forward(THETAS[0]), free.forward(THETAS[0] * [0.9, 1.1, 1.1, 1.01, 0.9])
    assert np.all(high > low)


def test_no_number_is_too_large_to_come_back_inside():
    free = Free.of(PARAMETERS)
    theta = free.backward(np.full(5, 30.0))
    assert theta[3] < 3
    assert free.backward(np.full(5, -30.0))[1] > 0


def test_a_member_outside_its_limits_is_refused_by_name():
    with pytest.raises(ParameterError, match=r"'share': a member outside its limits; allowed: \(-1, 3\)"):
        Free.of(PARAMETERS).forward(THETAS + np.array([0, 0, 0, 1, 0]))
