"""Unknowns are read in the units in which the case writes them."""

import numpy as np
import pytest
from known_line import CASE, exact_posterior, write_case

from mscale_uq.io.units import written_unit
from mscale_uq.report.content import unknowns, verdicts
from mscale_uq.report.shown import shown_density, shown_numbers, shown_values
from mscale_uq.run.calibrate import fit

CELSIUS = {"unit": "K", "shown": "degC"}
MICRO = {"unit": "m", "shown": "um"}


def test_a_temperature_moves_with_its_zero_and_its_spread_does_not():
    row = {"unit": "K", "mean": 300.0, "sd": 2.0, "2.5 %": 296.0, "97.5 %": 304.0, "R-hat": 1.001}
    shown = shown_numbers(row, CELSIUS)
    assert shown["unit"] == "degC"
    assert [shown[key] for key in ("mean", "sd", "2.5 %", "97.5 %", "R-hat")] == pytest.approx(
        [26.85, 2.0, 22.85, 30.85, 1.001]
    )


def test_expected_numbers_move_as_draws_do():
    assert shown_numbers({"truth": 2e-6, "within": 0.95}, MICRO) == pytest.approx(
        {"truth": 2, "within": 0.95}
    )
    assert shown_numbers({"mean": 2e-6, "tolerance": 1e-7}, MICRO) == pytest.approx(
        {"mean": 2, "tolerance": 0.1}
    )
    assert shown_values(np.array([[1e-6, 2e-6]]), MICRO) == pytest.approx(np.array([[1, 2]]))


def test_a_density_keeps_its_mass():
    places = np.linspace(0, 1e-5, 1001)
    density = np.full(1001, 1e5)
    shown = shown_density((places, density), MICRO)
    assert np.trapezoid(shown[1], shown[0]) == pytest.approx(np.trapezoid(density, places))


def test_what_has_no_unit_of_its_own_is_left_alone():
    assert shown_numbers({"mean": 1.0, "sd": 0.1}, {}) == {"mean": 1.0, "sd": 0.1}
    assert shown_numbers({"unit": "K", "mean": 1.0}, {"unit": "K"}) == {"unit": "K", "mean": 1.0}


@pytest.mark.parametrize(
    ("given", "difference", "unit"),
    [
        ("20 degC", False, "degC"),
        ("2 degC", True, "K"),
        ("300", False, "K"),
        (300.0, False, "K"),
        ("5 mK", True, "mK"),
    ],
)
def test_the_unit_of_a_number_is_the_one_written(given, difference, unit):
    assert written_unit(given, "K", difference) == unit


def test_a_run_is_reported_in_the_unit_of_its_prior(tmp_path, toys):
    """Its file keeps the unit of the model; the exact posterior says what both must be."""
    text = CASE.replace("mean = 0, sd = 10", 'mean = "0 m/min", sd = "600 m/min"').replace(
        "draws = 300", "draws = 4000"
    )
    result = fit(write_case(tmp_path, text), out=tmp_path / "run")
    speed = next(scalar for scalar in unknowns(result) if scalar.label == "speed")
    mean, covariance = exact_posterior()
    error = 5 * np.sqrt(covariance[1, 1] / speed.draws.size)
    assert speed.unit == "m/min"
    assert speed.row["mean"] == pytest.approx(60 * mean[1], abs=60 * error)
    assert result.summary.loc["speed", "mean"] == pytest.approx(mean[1], abs=error)
    assert np.trapezoid(speed.prior[1], speed.prior[0]) == pytest.approx(1, abs=5e-3)
    assert next(row["wanted"] for row in verdicts([speed])) == "120 m/min"
    assert "speed (m/min)" in result.report.read_text()
