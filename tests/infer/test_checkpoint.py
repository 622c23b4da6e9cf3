from collections import namedtuple
from dataclasses import dataclass, field

import numpy as np
import pytest

from mscale_uq.infer.checkpoint import dump, load

Pair = namedtuple("Pair", "big small")


@dataclass
class Inner:
    values: np.ndarray
    count: int


@dataclass
class State:
    scale: np.float64
    inner: Inner
    random: Pair
    kept: dict
    parts: list
    fixed: str = field(metadata={"frozen": True})


def state(seed):
    rng = np.random.default_rng(seed)
    generator = np.random.default_rng(seed).bit_generator.state
    return State(
        np.float64(rng.normal()),
        Inner(rng.normal(size=(2, 3)), seed),
        Pair(generator, {"entropy": 2**127 + 1, "spawn_key": (1, 2)}),
        {"nothing": None, "text": "µ", "truth": True, "limit": float("inf")},
        [np.int64(3), 0.1, (np.zeros(0), "x")],
        fixed="as built",
    )


def test_a_state_comes_back_bit_by_bit_with_its_types():
    found = load(dump(state(5)), template=state(6))
    wanted = state(5)
    assert type(found.scale) is np.float64
    assert found.scale == wanted.scale
    assert found.inner.values.tobytes() == wanted.inner.values.tobytes()
    assert found.random == wanted.random
    assert found.kept == wanted.kept
    assert type(found.parts[0]) is np.int64
    assert found.parts[2][1] == "x"
    assert found.inner.count == 5


def test_a_field_that_cannot_change_is_the_fresh_ones():
    stored = state(5)
    stored.fixed = "as it was"
    assert load(dump(stored), template=state(6)).fixed == "as built"


def test_what_is_not_a_number_or_text_is_refused():
    with pytest.raises(TypeError, match="function cannot be written"):
        dump({"callback": test_what_is_not_a_number_or_text_is_refused})


def test_an_array_of_objects_is_refused():
    with pytest.raises(ValueError, match="allow_pickle"):
        dump({"objects": np.array([object()])})


def test_a_missing_array_is_noticed():
    with pytest.raises(ValueError, match="arrays where"):
        load(dump({"a": np.zeros(3), "b": np.ones(2)})[:-1])
