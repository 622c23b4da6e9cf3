"""Shipped cases under `mscale assimilate`: innovations as large as they say they are, and the truth found."""

import numpy as np
import pytest
from scipy.stats import chi2, norm
from typer.testing import CliRunner

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.cli.check import check_case
from mscale_uq.cli.commands import app
from mscale_uq.run.assimilate import take_in
from mscale_uq.run.filtered_only import goes_without

WIDER = norm.ppf(0.995) / norm.ppf(0.95)  # two dozen intervals of 90 % would miss two truths or three
# What is learned, and the truth; of the road's inflow, what came.
LEARNED = {
    "traffic_flow": {"headway": 1.4, "free_speed": 30.0, "inflow": 0.482, "exit_capacity": 0.25},
    "reactive_transport": {"partition": 1.0, "sorption_rate": 1.5e-4},
    "reactive_transport_spheres": {"phase_ratio": 1.0, "pore_rate": 5e-5},
    "solid_electrolyte": {"conductivity_ref": 0.03, "emissivity": 0.8},
    "lithium_cell": {"positive_diffusivity": 4e-15, "negative_rate": 6.48e-7},
    "morphogen_tissue": {"diffusivity": 0.1, "degradation": 2.5e-4, "influx": 0.03},
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n == "lithium_cell" else n for n in LEARNED]
)
def test_innovations_are_consistent_and_the_truth_is_in_the_last_interval(name):
    taken = take_in(read_case(find_case(name)))
    used, size = taken.steps["used"].sum(), taken.steps["nis"].sum()
    assert 0.001 < chi2.cdf(size, used) < 0.999
    data = taken.data["filtered_parameter"]
    for parameter, truth in LEARNED[name].items():
        low, middle, high = data.sel(parameter=parameter).isel(time=-1).to_numpy()
        first_low, _, first_high = taken.data["prior_parameter"].sel(parameter=parameter).to_numpy()
        assert middle - WIDER * (middle - low) <= truth <= middle + WIDER * (high - middle), parameter
        assert np.log(high / low) < 0.95 * np.log(first_high / first_low), parameter


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("fe2_composite", "the panel rests under its load"),
        ("fe2_composite_softening", "the panel rests under its load"),
        ("sinoatrial_cell", "none of them belongs to a time"),
        ("tumor_hallmarks", "tumor_hallmarks_chance, tumor_hallmarks_drift"),
    ],
)
def test_who_asks_a_case_that_no_filter_takes_is_told_why(name, reason, tmp_path):
    said = CliRunner().invoke(app, ["assimilate", name, "--out", str(tmp_path / "out")])
    assert said.exit_code == 3
    assert reason in " ".join(said.output.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "fe2_composite"), "No filter follows it: the panel rests under its load"),
        (("show", "sinoatrial_cell"), "none of them belongs to a time"),
        (("check", "biofilm_layers", "--system"), "declares no state in time"),
    ],
)
def test_who_looks_at_a_system_or_a_case_is_told_what_filters_can_and_cannot_do(arguments, words):
    said = CliRunner().invoke(app, arguments)
    assert words in " ".join(said.output.split())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tumor_hallmarks_chance", "watched: fitted without chance = 0.05 1/day^0.5"),
        ("tumor_hallmarks_drift", "independence, angiogenic_drive, suppressor_function constant in time"),
    ],
)
def test_what_only_filters_follow_is_told_to_who_fits(name, words):
    (sentence,) = goes_without(read_case(find_case(name)))
    assert words in sentence


def test_who_checks_a_case_is_told_what_is_left_to_filters_before_anything_is_run():
    found = check_case(read_case(find_case("tumor_hallmarks_drift")))
    said = next(finding.found for finding in found if finding.what == "left to filters")
    assert "mscale assimilate lets them drift" in said


def test_a_case_that_a_fit_takes_as_it_is_has_no_such_note():
    assert goes_without(read_case(find_case("tumor_hallmarks"))) == []
