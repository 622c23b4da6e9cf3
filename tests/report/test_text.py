"""Numbers as a person writes them."""

import math

import pytest

from mscale_uq.report.text import axis_unit, exact, interval, number, pretty_unit, scale, share, words


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (0.200314, 0.0021, "0.2003"),
        (4.0123, 0.31, "4.01"),
        (295.1234, 0.2, "295.12"),
        (123456.7, 1234.0, "123457"),
        (2.0341e-10, 3e-12, "2.034 × 10⁻¹⁰"),
        (1.23456e8, 2e5, "1.2346 × 10⁸"),
        (-0.5, 0.02, "−0.500"),
        (0.0, math.nan, "0"),
        (10.2, 120.0, "10"),
        (math.nan, 1.0, "–"),
        (3.14159265, math.nan, "3.142"),
    ],
)
def test_a_number_has_the_digits_its_spread_supports(value, spread, text):
    assert number(value, spread) == text


@pytest.mark.parametrize("value", [1.0, 0.1, 123.456, 9.999, 1e-7, 6.022e23, -0.0042])
def test_a_number_reads_back_within_half_its_last_digit(value):
    text = number(value).replace("−", "-")
    digits = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    mantissa, _, power = text.partition(" × 10")
    assert float(mantissa) * 10.0 ** int(power.translate(digits) or 0) == pytest.approx(value, rel=1e-3)


def test_an_interval_shares_its_power_of_ten():
    assert interval(1.9e-10, 2.11e-10, 3e-12) == "(1.900 to 2.110) × 10⁻¹⁰"
    assert interval(-0.1, 0.2, 0.1) == "−0.10 to 0.20"


def test_a_given_number_keeps_its_own_digits():
    assert [exact(value) for value in (0.2, 2e-10, -3.5e7, 300)] == ["0.2", "2 × 10⁻¹⁰", "−3.5 × 10⁷", "300"]


def test_a_share_near_all_or_none_says_so():
    assert [share(value) for value in (0.0, 4e-5, 0.003)] == ["0 %", "< 0.1 %", "0.3 %"]
    assert [share(value) for value in (0.5, 0.995, 0.99996, 1.0, -0.2)] == [
        "50 %",
        "99.5 %",
        "> 99.9 %",
        "100 %",
        "−20 %",
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("matrix_conductivity", "matrix conductivity"),
        ("K_eff", "K_eff"),
        ("rate[first, 0]", "rate[first, 0]"),
    ],
)
def test_names_are_read_as_words_and_symbols_stay(name, text):
    assert words(name) == text


@pytest.mark.parametrize(
    ("unit", "power", "text"),
    [
        ("m", -6, " (µm)"),
        ("K", 0, " (K)"),
        ("m^2/s", -12, " (10⁻¹² m²/s)"),
        ("1", 0, ""),
        ("1", 3, " (10³)"),
        ("mol/(m^2 s)", -9, " (10⁻⁹ mol/(m² s))"),
    ],
)
def test_an_axis_takes_its_power_of_ten_into_the_unit(unit, power, text):
    assert axis_unit(unit, power) == text


@pytest.mark.parametrize(
    ("largest", "power"), [(2e-4, -6), (3e-10, -12), (290.0, 0), (0.0, 0), (5e6, 6), (0.02, 0)]
)
def test_an_axis_has_numbers_between_one_and_a_thousand(largest, power):
    assert scale(largest) == power


def test_units_have_superscripts():
    assert pretty_unit("W/(m^2 K)") == "W/(m² K)"
    assert pretty_unit("m^-3") == "m⁻³"
    assert pretty_unit("1") == ""
