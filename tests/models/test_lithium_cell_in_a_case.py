"""A lithium cell in a case: filtered, and with an error of its voltage that goes on in time."""

import re

import numpy as np
import pytest
from autoregressive import autoregressive, drawn
from mscale_uq.models.electrochemistry.lithium_cell import forward, space

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.cli.check import check_case
from mscale_uq.errors import CaseError
from mscale_uq.run.assimilate import take_in


@pytest.mark.parametrize("fidelity", ["spm", "spme"])
def test_the_state_space_gives_the_voltage_of_the_forward_model(fidelity):
    times = [0.0, 600.0, 1200.0, 1500.0]
    known = {"fidelity": fidelity, "duration": 1200.0, "cells": 8, "max_step": 150.0}
    model, path = forward(times, **known), space(**known).forward(times)
    theta = model.theta()
    assert path.value(theta) == pytest.approx(model.value(theta), rel=1e-9)
    assert path.jacobian(theta) == pytest.approx(model.jacobian(theta), rel=1e-7, abs=1e-12)


FACTORS = {  # of the case's priors: 95 % lie between the median over this and times this
    "negative_diffusivity": 10,
    "positive_diffusivity": 10,
    "negative_rate": 5,
    "positive_rate": 5,
}


def case_with_a_missed_voltage(folder, amplitude):
    """The shipped case with its commented block, by which it misses so many mV beside the noise."""
    text = find_case("lithium_cell").read_text(encoding="utf-8")
    text = re.sub(r"^# (?=\[discrepancy|(along|kernel|amplitude|length) =)", "", text, flags=re.MULTILINE)
    assert "\n[discrepancy.voltage]\nalong =" in text
    path = folder / "lithium_cell.toml"
    path.write_text(text.replace('amplitude = "10 mV"', f'amplitude = "{amplitude} mV"'), encoding="utf-8")
    return read_case(path)


def test_a_case_with_an_autoregressive_error_has_its_exact_density_and_slope(tmp_path):
    posterior = case_with_a_missed_voltage(tmp_path, 10).posterior()
    theta = posterior.pack(posterior.split([3e-14, 5e-15, 6e-7, 3e-6]))
    density, slope = posterior.log_likelihood_gradient(theta)
    levels, exact, exact_slope = (3e-3, 1e-2, 240.0), 0.0, np.zeros(4)
    for experiment in posterior.experiments:
        data = experiment.observed["voltage"]
        apart = np.full(data.size - 1, 60.0)
        predicted, linear = experiment.model.linearize(experiment.theta(posterior.split(theta)))
        exact += autoregressive(data - predicted, levels, apart)
        for row, unknown in zip(np.eye(experiment.model.size), experiment.model.names, strict=True):
            moved = data - predicted - 1e-30j * linear.jvp(row)
            exact_slope[posterior.names.index(unknown)] += autoregressive(moved, levels, apart).imag / 1e-30
    assert density == pytest.approx(exact, rel=1e-10)
    assert slope * theta == pytest.approx(exact_slope * theta, rel=1e-7, abs=1e-6)


def test_a_filter_refuses_a_law_of_many_readings(tmp_path):
    with pytest.raises(CaseError, match="takes one reading at a time"):
        take_in(case_with_a_missed_voltage(tmp_path, 10))
    told = next(
        one for one in check_case(case_with_a_missed_voltage(tmp_path, 10)) if one.what == "left to fits"
    )
    assert told.good is None
    assert "takes one reading at a time" in told.found


@pytest.mark.parametrize("amplitude", [5, 10, 15])
def test_intervals_hold_under_the_autoregressive_law_and_not_under_the_white_one(amplitude, tmp_path):
    """From 400 truths and discharges with errors made step by step; linear in the logs of the unknowns."""
    (experiment, _) = case_with_a_missed_voltage(tmp_path, amplitude).posterior().experiments
    at = experiment.theta(experiment.model.split(experiment.model.theta()))
    slopes = experiment.model.jacobian(at) * at
    law, times = experiment.operators["voltage"].law, 60.0 * np.arange(len(slopes))
    rng, zero, held = np.random.default_rng(8), np.zeros(len(slopes)), {}
    prior = np.diag([(np.log(FACTORS[name]) / 1.96) ** -2 for name in experiment.model.names])
    for name, cov in (("right", law.cov(zero, zero, {})), ("white", law.noise.cov(zero, zero, {}))):
        weight = np.linalg.solve(cov, slopes)
        spread = np.linalg.inv(slopes.T @ weight + prior)
        off = [
            spread @ weight.T @ (slopes @ x + drawn(rng, (3e-3, amplitude / 1e3, 240.0), times)) - x
            for x in rng.multivariate_normal(np.zeros(4), np.linalg.inv(prior), 400)
        ]
        held[name] = np.mean(np.abs(off) < 1.96 * np.sqrt(np.diag(spread)), axis=0)
    assert held["right"] == pytest.approx([0.95] * 4, abs=4.5 * np.sqrt(0.95 * 0.05 / 400))
    assert held["white"].max() < 0.65
