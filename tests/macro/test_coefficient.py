import numpy as np
import pytest

from mscale_uq.errors import InputError, WiringError
from mscale_uq.macro.coefficient import Coefficient, Slots, coefficient


def slots_of(*given):
    slots = Slots(2, 3)
    places = [slots.add(coefficient(one)) for one in given]
    return slots, places


def test_the_first_entry_of_p_is_the_number_one():
    slots, _ = slots_of("a", 5.0)
    np.testing.assert_array_equal(slots.fill({"a": 2.0}, ["a"]), [[1.0, 2.0, 5.0]])


def test_an_array_tells_its_kind_by_its_number_of_axes():
    kinds = [coefficient(np.ones((2,) * axes)).kind for axes in range(4)]
    assert kinds == ["scalar", "elements", "tensor", "element_tensors"]


def test_members_become_rows_whatever_the_kind():
    slots, _ = slots_of("a", Coefficient("K", "tensor"), Coefficient("f", "elements"))
    K = np.arange(20.0).reshape(5, 2, 2)
    p = slots.fill({"a": np.arange(5.0), "K": K, "f": np.ones(3)}, slots.names)
    np.testing.assert_array_equal(
        p, np.column_stack([np.ones(5), np.arange(5.0), K.reshape(5, 4), np.ones((5, 3))])
    )


def test_filling_and_collecting_are_transposed_for_a_name_used_twice():
    rng = np.random.default_rng(0)
    slots, _ = slots_of("h", Coefficient("K", "tensor"), "h")
    change = {"h": rng.normal(size=(1,)), "K": rng.normal(size=(2, 2))}
    weights = rng.normal(size=slots.size)
    back = slots.collect(weights, {"h": (1,), "K": (2, 2)})
    assert slots.spread(change, slots.names) @ weights == pytest.approx(
        float(back["h"] @ change["h"] + np.sum(back["K"] * change["K"])), rel=1e-14
    )


def test_a_matrix_where_one_number_is_expected_is_refused_with_the_cure():
    slots, _ = slots_of("K")
    with pytest.raises(WiringError, match=r"'tensor'"):
        slots.fill({"K": np.eye(2)}, ["K"])


def test_an_unknown_kind_is_refused():
    with pytest.raises(InputError, match="scalar, elements"):
        Coefficient("K", "matrix")
