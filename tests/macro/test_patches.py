"""A coefficient on patches: what goes out to the elements comes back from them."""

import pickle

import numpy as np
import pytest

from mscale_uq.errors import InputError
from mscale_uq.macro.patches import Patches

PATCH = [0, 0, 3, 5, 5, 5, 1]


def test_every_element_has_the_value_of_its_patch():
    made = Patches(PATCH, (2, 3), "a", "k").value({"a": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])})
    assert made["k"].tolist() == [1, 1, 4, 6, 6, 6, 2]


def test_the_derivative_is_the_map_itself_and_its_transpose():
    stage = pickle.loads(pickle.dumps(Patches(PATCH, (2, 3), "a", "k")))
    rng = np.random.default_rng(0)
    a, tangent, weight = rng.random((2, 3)), rng.random((2, 3)), rng.random(7)
    linear = stage.linearize({"a": a})[1]
    forth = linear.jvp({"a": tangent})["k"]
    assert forth == pytest.approx(stage.value({"a": a + tangent})["k"] - stage.value({"a": a})["k"])
    assert weight @ forth == pytest.approx(np.sum(linear.vjp({"k": weight})["a"] * tangent), rel=1e-14)


@pytest.mark.parametrize("patch", [[0, 6], [-1, 0]])
def test_a_patch_that_does_not_exist_is_refused(patch):
    with pytest.raises(InputError, match="0 to 5"):
        Patches(patch, (2, 3), "a", "k")
