"""A step of some dynamics held to its own differences, forward and back."""

import numpy as np
import pytest


def check_step_slopes(dynamics, span, values, change, rng):
    """Hold the derivative of a step to differences, along a random state and the `change` of the values."""
    size = dynamics.size
    state, values = rng.uniform(0, 1, size), {name: np.asarray(value) for name, value in values.items()}
    change = {"state": rng.standard_normal(size), **change}
    made, slope = dynamics.linearize_step(state, 0.0, span, values)

    def moved(h):
        there = {name: value + h * change[name] for name, value in values.items()}
        return dynamics.step((state + h * change["state"])[None], 0.0, span, there, rng)[0]

    assert moved(0.0) == pytest.approx(made, rel=1e-12)
    difference = (moved(1e-5) - moved(-1e-5)) / 2e-5
    assert slope.jvp(change)["state"] == pytest.approx(difference, rel=1e-6, abs=1e-7)
    weight = rng.standard_normal(size)
    back = slope.vjp({"state": weight})
    total = sum(np.sum(back[name] * change[name]) for name in change)
    assert total == pytest.approx(weight @ slope.jvp(change)["state"], rel=1e-12)
