"""What a model says at options, coordinates and parameters that are given by name alone."""

import numpy as np
import pytest

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.known import known, off
from mscale_uq.core.parameter import Parameter
from mscale_uq.errors import ParameterError


def falling(height, gravity, time):
    """Height of what falls freely."""
    return height - gravity * time**2 / 2


def forward(time=(0.0, 1.0), scale=1.0):
    parameters = Parameter("height", "m", 10.0), Parameter("gravity", "m/s^2", 9.81)
    made = {"time": scale * np.asarray(time)}
    return ForwardModel([Formula(falling, "position")], parameters, ["position"], made)


def test_options_and_coordinates_reach_the_model_and_the_rest_its_parameters():
    found = known(forward, time=[2.0], scale=0.5, height=4.905)
    assert found["position"] == pytest.approx([0.0], abs=1e-15)
    assert known(forward)["position"] == pytest.approx([10.0, 10.0 - 9.81 / 2])


def test_the_largest_deviation_is_relative_to_each_entry():
    assert off(forward, "position", (10.0, 5.0), gravity=9.0) == pytest.approx(0.1)
    assert off(forward, "position", 10.0, gravity=0.0) == 0.0


def test_what_neither_knows_is_refused():
    with pytest.raises(ParameterError, match=r"unknown parameter 'heigth' \(did you mean 'height'\?\)"):
        known(forward, heigth=1.0)
