"""Tracks become observations in the units of the model, in the order of time."""

import numpy as np
import pytest

from mscale_uq.core.parameter import Quantity
from mscale_uq.errors import DataError, UnitError
from mscale_uq.io.table import Column
from mscale_uq.io.track_observations import cell_observations, frame_observations
from mscale_uq.io.tracks import Tracks

SIZE = Quantity("size", "m", "radius of a cell")


def tracks(unit="um"):
    return Tracks(
        "made.csv",
        np.array(["b", "b", "a"], dtype=object),
        np.array([0.0, 5.0, 0.0]),
        "min",
        (Column("size", unit, np.array([1.0, np.nan, 3.0])),),
        np.array([2, 3, 4]),
    )


def test_each_cell_and_frame_is_one_observation_of_its_cell():
    found = cell_observations(tracks(), "probe", SIZE, "s")
    assert [one.cell for one in found] == ["b", "a", "b"]
    assert [one.observation.time for one in found] == [0.0, 0.0, 300.0]
    values = [float(one.observation.value) for one in found]
    assert np.array_equal(values, [1e-6, 3e-6, np.nan], equal_nan=True)
    assert {one.observation.quantity for one in found} == {"size"}


def test_a_frame_is_a_vector_over_the_cells_with_gaps_where_one_was_not_seen():
    first, second = frame_observations(tracks(), "probe", SIZE, "min", ["a", "b"])
    assert np.array_equal(first.value, [3e-6, 1e-6])
    assert np.array_equal(second.value, [np.nan, np.nan], equal_nan=True)
    assert (first.time, second.time) == (0.0, 5.0)


def test_a_cell_that_is_not_there_is_refused():
    with pytest.raises(DataError, match="no cell 'c'; allowed: b, a"):
        frame_observations(tracks(), "probe", SIZE, "min", ["c"])


def test_a_unit_of_another_dimension_is_refused():
    with pytest.raises(UnitError, match=r"column 'size' in \[kg\]"):
        cell_observations(tracks("kg"), "probe", SIZE, "s")
