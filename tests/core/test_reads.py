"""A mode of a model has the parameters and constants that its stages read."""

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.reads import read_by

HEIGHT, GRAVITY, DRAG = (Parameter(name, "1", 1.0) for name in ("height", "gravity", "drag"))


def fallen(gravity, time):
    return gravity * time**2 / 2


def left(height, fallen):
    return height - fallen


def test_a_model_has_what_its_stages_read_in_the_declared_order():
    stages = [Formula(fallen, "fallen"), Formula(left, "left")]
    parameters, constants = read_by(stages, (HEIGHT, DRAG, GRAVITY), {"time": 2.0, "other": 1.0})
    assert (parameters, constants) == ((HEIGHT, GRAVITY), {"time": 2.0})
    assert ForwardModel(stages, parameters, ["left"], constants).names == ("height", "gravity")


def test_what_is_constant_is_no_parameter():
    stages = [Formula(fallen, "fallen")]
    parameters, constants = read_by(stages, (HEIGHT, GRAVITY), {"time": 2.0, "gravity": 9.81})
    assert (parameters, constants) == ((), {"time": 2.0, "gravity": 9.81})


def test_what_a_stage_makes_is_no_parameter():
    made = Parameter("fallen", "1", 0.5)
    assert read_by([Formula(left, "left")], (made,), {})[0] == (made,)
    assert read_by([Formula(fallen, "fallen"), Formula(left, "left")], (made,), {})[0] == ()
