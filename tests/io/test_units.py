"""Units at the boundary, against conversions that are exact by definition."""

import numpy as np
import pytest

from mscale_uq.errors import UnitError
from mscale_uq.io.units import check_unit, convert, to_unit

# given, unit, value: prefixes, the inch, the calorie and the zero of Celsius are exact by definition
DEFINITIONS = [
    ("1.2 um", "m", 1.2e-6),
    ("200 um", "m", 2e-4),
    ("0.4 W/(m K)", "W/(m K)", 0.4),
    ("0.4 W/(m degC)", "W/(m K)", 0.4),
    ("1 inch", "mm", 25.4),
    ("1 cal", "J", 4.184),
    ("1 1/day", "1/s", 1 / 86400),
    ("17 nmol/(m^2 s)", "mol/(m^2 s)", 1.7e-8),
    ("250 umol/L", "mol/m^3", 0.25),
    ("20 degC", "K", 293.15),
    ("300 K", "degC", 26.85),
    ("50 degF", "degC", 10.0),
    ("3 %", "1", 0.03),
    (" -2.5e-3mm", "um", -2.5),
    ("7", "K", 7.0),
    (7, "K", 7.0),
]


@pytest.mark.parametrize(("given", "unit", "value"), DEFINITIONS)
def test_a_value_with_its_unit_becomes_a_float_in_the_models_unit(given, unit, value):
    assert to_unit(given, unit, "k") == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    ("given", "unit", "value"), [("0.2 degC", "K", 0.2), ("0.2 K", "degC", 0.2), ("9 degF", "K", 5.0)]
)
def test_a_width_in_degrees_has_no_zero_point(given, unit, value):
    assert to_unit(given, unit, "sd", difference=True) == pytest.approx(value, rel=1e-14)


def test_prefixes_do_not_leave_round_off_behind():
    assert to_unit("200 um", "m", "thickness") == 200e-6
    assert to_unit("95 %", "1", "within") == 0.95


MISTAKES = [
    ("1.2 m", "K", r"'1.2 m' has the dimension of \[length\]; allowed: \[temperature\], such as '1.2 K'"),
    ("1.2 K", "1", "allowed: a pure number"),
    ("1,2 um", "m", "hint: write 1.5, not 1,5"),
    ("1.2 m2/s", "m^2/s", r"hint: write m\^2 for m2"),
    ("1.2 furlongs/fortknight", "m/s", "cannot read the unit 'furlongs/fortknight'"),
    ("1.2 W/(m K", "W/(m K)", "cannot read the unit"),
    ("about 3 K", "K", "not a number with a unit; allowed: a number, or text such as '1.2 K'"),
    ("", "K", "not a number with a unit"),
    ("nan", "K", "not a number with a unit"),
    (float("inf"), "K", "allowed: a finite number"),
    ("1e400 K", "K", "allowed: a finite number"),
    (True, "K", "allowed: a number"),
    ("3 dB", "1", "a logarithmic unit"),
]


@pytest.mark.parametrize(("given", "unit", "said"), MISTAKES)
def test_a_unit_mistake_is_refused_with_file_and_key(given, unit, said):
    with pytest.raises(UnitError, match=said) as caught:
        to_unit(given, unit, "case.toml: fixed.k")
    assert str(caught.value).startswith("case.toml: fixed.k: ")


def test_arrays_are_converted_and_left_alone():
    celsius = np.array([0.0, np.nan, 100.0])
    assert np.allclose(
        convert(celsius, "degC", "K", "T"), [273.15, np.nan, 373.15], equal_nan=True, rtol=1e-15
    )
    assert np.array_equal(celsius, [0.0, np.nan, 100.0], equal_nan=True)


def test_a_unit_that_nobody_knows_is_refused():
    check_unit("J/(kg K)")
    with pytest.raises(UnitError, match="'blah' is not defined"):
        check_unit("blah")
