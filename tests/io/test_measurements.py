"""From files to arrays: the columns are those of the system, in its units, in the order of the files."""

import numpy as np
import pytest

from mscale_uq.core.parameter import Quantity
from mscale_uq.errors import DataError, UnitError
from mscale_uq.io.measurements import measurements
from mscale_uq.io.table import Column, Table

OUTPUTS = (
    Quantity("temperature", "K", coordinates=("x", "time"), lower=0.0),
    Quantity("flux", "W/m^2", coordinates=("x", "time")),
    Quantity("power", "W", upper=10.0),
    Quantity("porosity", "1", coordinates=("disc",), lower=0.0, upper=1.0),
)
COORDINATES = (Quantity("x", "m", lower=0.0), Quantity("time", "s"), Quantity("disc", "1"))
OWN = {q.name: q.unit for q in (*OUTPUTS, *COORDINATES)} | {"temprature": "K"}


def table(label="a.csv", **columns):
    made = [
        Column(name, unit, np.array(values, dtype=float))
        for name, (unit, values) in (
            (name, c if isinstance(c, tuple) else (OWN[name], c)) for name, c in columns.items()
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
    "coordinates alone": (
        [table(x=[1], time=[1])],
        "no measured column; allowed: temperature, flux, power, porosity",
    ),
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
    "colder than cold": (
        [table(x=("mm", [1, 2, 3]), temperature=("degC", [20, -300, -400]))],
        "a.csv: line 3, column 'temperature': -300 degC is impossible, and 1 more; allowed: at least 0 K; "
        "hint: is its unit right",
    ),
    "a place outside": (
        [table(x=("mm", [-1]), temperature=[1])],
        "'x': -1 mm is impossible; .* at least 0 m",
    ),
    "too much": (
        [table(power=("kW", [1]))],
        "column 'power': 1 kW is impossible; allowed: at most 10 W",
    ),
    "per cent without their sign": (
        [table(disc=[1], porosity=[35])],
        "column 'porosity': 35 is impossible; allowed: 0 to 1;",
    ),
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


def test_a_column_says_its_unit_unless_it_is_a_pure_number():
    pure = arranged(table(disc=(None, [1, 2]), porosity=(None, [0.3, 0.4])))
    assert np.array_equal(pure.outputs["porosity"], [0.3, 0.4])
    with pytest.raises(UnitError) as caught:
        arranged(table(x=(None, [1]), temperature=("", [300])))
    assert str(caught.value).splitlines() == [
        "a.csv: column 'x' has no unit; allowed: one like 'm'; hint: if it is in it, write x [m]",
        "a.csv: column 'temperature' has no unit; allowed: one like 'K'; "
        "hint: if it is in it, write temperature [K]",
    ]


def test_every_mistake_in_the_files_of_an_experiment_is_told():
    with pytest.raises(DataError) as caught:
        arranged(
            table(x=[1, np.nan], temperature=("m", [1, 2]), speed=("m/s", [1, 2])),
            table("b.csv", power=("W", [1, 2])),
        )
    assert [line.split(";")[0] for line in str(caught.value).splitlines()] == [
        "a.csv: column 'speed' is unknown",
        "a.csv: line 3, column 'x' is empty",
        "a.csv: column 'temperature' in [m] has the dimension of [length]",
        "b.csv: 'power' is one number, and the file has 2 rows",
    ]
