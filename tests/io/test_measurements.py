"""From files to arrays: the columns are those of the system, in its units, in the order of the files."""

import numpy as np
import pytest

from mscale_uq.core.parameter import Quantity
from mscale_uq.errors import DataError, UnitError
from mscale_uq.io.measurements import measurements
from mscale_uq.io.table import Column, Table

OUTPUTS = (
    Quantity("temperature", "K", coordinates=("x", "time")),
    Quantity("flux", "W/m^2", coordinates=("x", "time")),
    Quantity("power", "W"),
)
COORDINATES = (Quantity("x", "m"), Quantity("time", "s"))


def table(label="a.csv", **columns):
    made = [
        Column(name, unit, np.array(values, dtype=float))
        for name, (unit, values) in (
            (name, c if isinstance(c, tuple) else (None, c)) for name, c in columns.items()
        )
    ]
    return Table(label, tuple(made), tuple(range(2, 2 + len(made[0].values))))


def arranged(*tables, optional=("time",)):
    return measurements(tables, OUTPUTS, COORDINATES, optional)


def test_columns_become_arrays_in_the_systems_units():
    data = arranged(
        table(x=("mm", [3, 1, 2]), temperature=("degC", [0, np.nan, 100])), table("b.csv", power=("mW", [5]))
    )
    assert np.allclose(data.coordinates["x"], [3e-3, 1e-3, 2e-3], rtol=1e-15)
    assert np.allclose(data.outputs["temperature"], [273.15, np.nan, 373.15], equal_nan=True)
    assert data.outputs["power"].shape == ()
    assert data.outputs["power"] == 5e-3


def test_outputs_along_the_same_coordinates_share_a_file():
    data = arranged(table(x=[1, 2], time=("min", [1, 1]), temperature=[3, 4], flux=[5, np.nan]))
    assert np.array_equal(data.coordinates["time"], [60.0, 60.0])
    assert set(data.outputs) == {"temperature", "flux"}


MISTAKES = {
    "unknown column": (
        [table(x=[1], temprature=[1])],
        "a.csv: column 'temprature' is unknown .did you mean 'temperature'",
    ),
    "missing coordinate": ([table(temperature=[1, 2])], "'temperature' needs a column 'x'; allowed: x, time"),
    "coordinate of nobody": ([table(x=[1], power=[1])], "coordinate 'x' is used by no output in this file"),
    "coordinates alone": ([table(x=[1], time=[1])], "no measured column; allowed: temperature, flux, power"),
    "two rows of one number": ([table(power=[1, 2])], "'power' is one number, and the file has 2 rows"),
    "different coordinates": (
        [table(x=[1], temperature=[1], power=[1])],
        "lie along different coordinates.*split",
    ),
    "a coordinate in two files": (
        [table(x=[1], temperature=[1]), table("b.csv", x=[1], flux=[1])],
        "b.csv: column 'x' stands in a.csv too",
    ),
    "an empty place": ([table(x=[1, np.nan], temperature=[1, 2])], "a.csv: line 3, column 'x' is empty"),
    "nothing measured": (
        [table(x=[1, 2], temperature=[np.nan, np.nan])],
        "column 'temperature' holds no value",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_file_that_does_not_fit_the_system_is_refused(mistake):
    tables, said = MISTAKES[mistake]
    with pytest.raises(DataError, match=said):
        arranged(*tables)


@pytest.mark.parametrize(
    ("unit", "said"), [("m", r"\[length\]; allowed: \[temperature\]"), ("blah", "cannot read")]
)
def test_a_header_with_the_wrong_unit_is_refused_with_its_column(unit, said):
    with pytest.raises(UnitError, match=rf"a.csv: column 'temperature' in \[{unit}\].*{said}"):
        arranged(table(x=[1], temperature=(unit, [1])))
