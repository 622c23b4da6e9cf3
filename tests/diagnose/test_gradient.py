"""A derivative may be off by what its stage declares, and by no more."""

import numpy as np
import pytest

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.stage import MatrixLinearization, Stage
from mscale_uq.diagnose.extrapolated import extrapolated
from mscale_uq.diagnose.gradient import check_gradient


class Growth(Stage):
    """y = exp(x), whose derivative is off by a share of itself."""

    name, inputs, outputs = "growth", ("x",), ("y",)

    def __init__(self, off: float, declared: float) -> None:
        self.off, self.slope_error = off, declared

    def value(self, values):
        return {"y": np.exp(values["x"])}

    def linearize(self, values):
        slope = np.exp(values["x"]) * (1 + self.off)
        return self.value(values), MatrixLinearization({("y", "x"): slope}, {"x": ()}, {"y": ()})


@pytest.mark.parametrize(
    ("off", "declared", "right"),
    [
        (0.0, 0.0, True),
        (1e-6, 0.0, False),
        (1e-4, 0.0, False),
        (1e-4, 3e-4, True),
        (1e-2, 3e-4, False),
        (1e-4, 1e-6, False),
    ],
)
def test_a_derivative_off_by_more_than_its_stage_declares_is_found(off, declared, right):
    model = ForwardModel([Growth(off, declared)], [Parameter("x", "1", 1.3)], ["y"])
    for seen in (model, model.fixed(), model.with_key(1)):
        assert check_gradient(seen, np.array([1.3]), np.random.default_rng(1)).ok is right


def test_a_model_declares_what_its_worst_stage_does_also_where_an_input_is_held():
    stage = Growth(1e-4, 3e-4)
    assert stage.holding({"x": np.array(1.0)}).slope_error == 3e-4
    assert ForwardModel([stage], [Parameter("x", "1", 1.3)], ["y"]).slope_error == 3e-4


def test_differences_are_extrapolated_to_round_off_and_know_how_far():
    """Against the derivative of a function with all powers, at steps that alone give three digits."""
    steps = 0.1 / np.sqrt(10.0) ** np.arange(5)
    x = np.array([0.3, 2.0])
    ahead, behind = (np.array([np.exp(np.sin(x + s * step)) for step in steps]) for s in (1, -1))
    slope, doubt, least = extrapolated(steps, ahead, behind)
    off = np.linalg.norm(slope - np.cos(x) * np.exp(np.sin(x)))
    assert off < 10 * doubt < 1e-10
    assert least <= 1e-2
