"""A derivative may be off by what its stage declares, and by no more."""

import numpy as np
import pytest

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.stage import MatrixLinearization, Stage
from mscale_uq.diagnose.gradient import check_gradient


class Square(Stage):
    """y = x squared, whose derivative is off by a share of itself."""

    name, inputs, outputs = "square", ("x",), ("y",)

    def __init__(self, off: float, declared: float) -> None:
        self.off, self.slope_error = off, declared

    def value(self, values):
        return {"y": values["x"] ** 2}

    def linearize(self, values):
        slope = 2 * values["x"] * (1 + self.off)
        return self.value(values), MatrixLinearization({("y", "x"): slope}, {"x": ()}, {"y": ()})


@pytest.mark.parametrize(
    ("off", "declared", "right"),
    [(0.0, 0.0, True), (1e-4, 0.0, False), (1e-4, 3e-4, True), (1e-2, 3e-4, False), (1e-4, 1e-6, False)],
)
def test_a_derivative_off_by_more_than_its_stage_declares_is_found(off, declared, right):
    model = ForwardModel([Square(off, declared)], [Parameter("x", "1", 1.3)], ["y"])
    for seen in (model, model.fixed(), model.with_key(1)):
        assert check_gradient(seen, np.array([1.3]), np.random.default_rng(1)).ok is right


def test_a_model_declares_what_its_worst_stage_does_also_where_an_input_is_held():
    stage = Square(1e-4, 3e-4)
    assert stage.holding({"x": np.array(1.0)}).slope_error == 3e-4
    assert ForwardModel([stage], [Parameter("x", "1", 1.3)], ["y"]).slope_error == 3e-4
