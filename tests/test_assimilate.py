"""The section ``[assimilate]`` of a case, and what ``mscale assimilate`` makes of it."""

import re

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import minimize
from shipped import changed, mscale

from mscale_uq.case.assimilate import as_state
from mscale_uq.case.read import read_case
from mscale_uq.case.stream import time_of
from mscale_uq.catalog import find_case, load_system, names
from mscale_uq.core.parameter import Parameter
from mscale_uq.errors import RunError
from mscale_uq.filters.augment import unknown_values
from mscale_uq.filters.loop import run
from mscale_uq.run.assimilate import assimilate, take_in
from mscale_uq.stats.priors import LogNormal, Normal, Uniform


@pytest.mark.parametrize("filter", ["kalman", "square_root", "extended", "cubature", "laplace"])
def test_the_case_of_the_nile_gives_the_published_likelihood_and_level(filter, tmp_path):
    smooth = ("smooth = true", "smooth = false")
    case = changed("local_level_durbin2001", tmp_path, ('filter = "kalman"', f'filter = "{filter}"'), smooth)
    result = take_in(read_case(case))
    later = result.steps["log_evidence"].to_numpy()[1:]
    assert later.sum() - 99 * np.log(10) == pytest.approx(-632.54421, abs=6e-6)
    assert 10 * result.readings["filtered"].iloc[-1] == pytest.approx(798.37029, abs=1e-4)
    assert 10 * result.readings["filtered_sd"].iloc[-1] == pytest.approx(4032.15794**0.5, abs=1e-4)


@pytest.mark.parametrize("filter", ["kalman", "extended", "unscented"])
def test_smoothed_levels_of_the_nile_are_the_published_ones(filter, tmp_path):
    # The published ones start diffuse; the wide start moves them by the variance over 1e7.
    case = changed("local_level_durbin2001", tmp_path, ('filter = "kalman"', f'filter = "{filter}"'))
    rows = take_in(read_case(case)).readings
    assert 10 * rows["smoothed"].iloc[:2].to_numpy() == pytest.approx([1111.66832, 1110.85766], rel=5e-4)
    assert 10 * rows["smoothed_sd"].iloc[:2].to_numpy() == pytest.approx(
        np.sqrt([4032.15794, 3242.93007]), rel=5e-4
    )


def test_an_ensemble_learns_the_forcing_of_lorenz_96_as_the_posterior_of_the_same_case_has_it():
    case = read_case(find_case("lorenz96"))
    posterior, grid = case.posterior(), np.linspace(7.4, 8.9, 31)
    log = np.array([posterior.logpdf_gradient(np.array([forcing]))[0] for forcing in grid])
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    mean = weights @ grid
    sd = np.sqrt(weights @ (grid - mean) ** 2)
    low, middle, high = take_in(case).data["filtered_parameter"][-1, 0].to_numpy()
    # The filter's start is uncertain by 0.03, the sampler's is exact.
    assert abs(middle - mean) < 0.25 * sd
    assert (high - low) / (2 * 1.96) == pytest.approx(sd, rel=0.1)


@pytest.mark.slow
def test_one_case_of_heat_conduction_is_sampled_and_filtered_alike():
    """The filter's last word is the mode and the curvature of the same case's posterior."""
    case = read_case(find_case("heat_conduction_warming"))
    target = case.posterior()
    start = np.log([{"heat_transfer": 10.0, "matrix_conductivity": 0.2}[name] for name in target.names])

    def minus(u):  # the density of the logarithms
        value, slope = target.logpdf_gradient(np.exp(u))
        return -value - u.sum(), -slope * np.exp(u) - 1

    mode = minimize(minus, start, jac=True, method="BFGS", options={"gtol": 1e-3})
    curvature = [(minus(mode.x + 1e-3 * e)[1] - minus(mode.x - 1e-3 * e)[1]) / 2e-3 for e in np.eye(2)]
    sd = np.sqrt(np.diag(np.linalg.inv(curvature)))
    result = take_in(case)
    order = [list(result.data["parameter"].to_numpy()).index(name) for name in target.names]
    low, middle, high = np.log(result.data["filtered_parameter"][-1].to_numpy()[order]).T
    assert np.all(np.abs(middle - mode.x) < 0.4 * sd)  # 40 members
    assert (high - low) / (2 * 1.96) == pytest.approx(sd, rel=0.15)
    assert result.consistency.ok


def test_rows_in_any_order_and_missing_readings_make_the_same_stream(tmp_path):
    header, *rows = (find_case("lorenz96").parents[2] / "data/lorenz96/stations.csv").read_text().splitlines()
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    shuffled[3] = re.sub(r",[^,]*$", ",", shuffled[3])
    (tmp_path / "shuffled.csv").write_text("\n".join([header, *shuffled]) + "\n")
    path = changed("lorenz96", tmp_path, ("lorenz96/stations.csv", "shuffled.csv"))
    plan = read_case(path).assimilating
    assert [o.time for o in plan.stream.observations] == [0.2, 0.4, 0.6, 0.8, 1.0]
    table = read_case(path).plans[0].data
    for observation, rows_ in zip(plan.stream.observations, plan.stream.rows, strict=True):
        assert np.array_equal(observation.value, table.outputs["reading"][rows_], equal_nan=True)
        assert np.array_equal(table.coordinates["site"][rows_], np.arange(0, 40, 4))
        assert np.all(table.coordinates["time"][rows_] == observation.time)
    result = take_in(read_case(path))
    assert (result.readings["verdict"] == "missing").sum() == 1
    assert result.steps["used"].sum() == 49


def test_different_sensors_at_each_time_and_repeated_readings_are_taken_in(tmp_path):
    lines = ["time [1],site [1],reading [1]", "0.2,0,1.5", "0.2,8,1.6", "0.4,4,2.5", "0.4,4,2.7", "0.4,0,2.2"]
    (tmp_path / "few.csv").write_text("\n".join(lines) + "\n")
    path = changed("lorenz96", tmp_path, ("lorenz96/stations.csv", "few.csv"))
    result = take_in(read_case(path))
    assert list(result.steps["used"]) == [2, 3]
    assert list(result.readings["value"]) == [1.5, 1.6, 2.2, 2.5, 2.7]
    assert list(result.readings["site [1]"]) == [0, 8, 0, 4, 4]
    assert result.readings["filtered"].iloc[3] == result.readings["filtered"].iloc[4]


def test_an_outlier_is_left_out_and_said(tmp_path):
    given = ('filter = "kalman"', 'filter = "kalman"\noutlier_sd = 3.0')
    result = take_in(read_case(changed("local_level", tmp_path, given)))
    out = result.readings[result.readings["verdict"] == "outlier"]
    off = np.abs(out["value"] - out["forecast"]) / out["forecast_sd"]
    assert (off > 3).all()
    kept = result.readings[result.readings["verdict"] == "used"]
    assert (np.abs(kept["value"] - kept["forecast"]) <= 3 * kept["forecast_sd"]).all()


def test_the_ensemble_smoother_looks_back_over_the_whole_stream(tmp_path):
    path = changed("lorenz96", tmp_path, ("members = 100", "members = 100\nsmooth = true"))
    data = take_in(read_case(path)).data
    last = data["filtered_parameter"][-1].to_numpy()
    # A parameter that does not move is known as well at the first time as at the last, in hindsight.
    assert data["smoothed_parameter"].to_numpy() == pytest.approx(np.broadcast_to(last, (5, 1, 3)), rel=1e-9)
    assert (data["smoothed_sd"] <= data["filtered_sd"] * (1 + 1e-9)).all()


def test_files_agree_and_the_page_needs_no_network(tmp_path):
    result = assimilate("local_level", out=tmp_path)
    with xr.open_dataset(tmp_path / "assimilation.nc", engine="h5netcdf") as data:
        assert data["nis"].to_numpy() == pytest.approx(result.steps["nis"].to_numpy())
        assert data["reading_filtered"].to_numpy() == pytest.approx(result.readings["filtered"].to_numpy())
        assert data["reading_verdict"].attrs["flag_meanings"].split()[0] == "used"
        assert set(data["filtered_mean"].dims) == {"time", "state"}
    assert len((tmp_path / "readings.csv").read_text().splitlines()) == 101
    page = (tmp_path / "assimilation.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert not re.search(r"(src|href)=\"(?!#)", page)
    assert assimilate("local_level", out=tmp_path).page.read_text() == page  # the same call, the same page


def test_the_command_tells_what_was_learned(tmp_path):
    rows = ["time [1],site [1],reading [1]", "0.2,0,1.6", "0.4,0,3.1"]
    (tmp_path / "one.csv").write_text("\n".join(rows) + "\n")
    path = changed("lorenz96", tmp_path, ("lorenz96/stations.csv", "one.csv"))
    done = mscale("assimilate", path, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert re.search(r"forcing +[\d.]+ +[\d.]+ +[\d.]+ to [\d.]+ +8", done.output)
    assert "2 times; readings: 2 used" in done.output
    assert mscale("assimilate", path, "--out", tmp_path / "out", "--quiet").output == ""


def test_a_filter_that_is_too_sure_ends_with_status_4(tmp_path):
    path = changed("local_level", tmp_path, ('reading_sd = "12.288 km^3"', 'reading_sd = "4 km^3"'))
    done = mscale("assimilate", path, "--out", tmp_path / "out")
    assert done.exit_code == 4
    assert "do not trust this filter yet: the filter is too sure of itself" in done.output


def test_a_folder_with_something_else_is_not_touched(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="holds something else"):
        assimilate("local_level", out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_resolved_case_keeps_its_section(tmp_path):
    case = read_case(find_case("lorenz96"))
    (tmp_path / "again.toml").write_text(case.resolved_toml())
    again = read_case(tmp_path / "again.toml")
    assert again.assimilating.filter == case.assimilating.filter
    assert again.identity["priors"] == case.identity["priors"]


def test_a_prior_becomes_the_law_of_its_coordinate():
    positive = Parameter("rate", "1/s", 1.0, lower=0.0)
    free = Parameter("shift", "m", 0.0)
    share = Parameter("share", "1", 0.5, lower=0.0, upper=1.0)
    exact = as_state(LogNormal(np.log(3.0), 0.7), positive, 0.0)
    assert (float(exact.centre), float(exact.sd)) == pytest.approx((3.0, 0.7))
    exact = as_state(Normal(2.0, 0.5), free, 0.1)
    assert (float(exact.centre), float(exact.sd), exact.drift) == pytest.approx((2.0, 0.5, 0.1))
    # The logit of a uniform share is logistic: mean 0, variance pi^2 / 3.
    exact = as_state(Uniform(0.0, 1.0), share, 0.0)
    assert (float(exact.centre), float(exact.sd)) == pytest.approx((0.5, np.pi / 3**0.5), rel=1e-3)


# What a model reads only where it is told to: single sites, cells of a dish with their sizes, the network.
READ_WHEN_TOLD = {
    "reference/lorenz96": [{"site": [0]}],
    "cells/cell_state_fusion": [{"size_factor": (1.0,), "mean_weight": (1.0,)}],
    "physiology/tumor_hallmarks": [{"model": "drifting"}, {"model": "spheroid"}],
}


@pytest.mark.parametrize("name", [name for name in names() if load_system(name).space is not None])
def test_every_model_in_time_reads_its_outputs_along_time(name):
    system = load_system(name)
    time = time_of(system)
    spaces = [system.space(**options) for options in ({}, *READ_WHEN_TOLD.get(name, []))]
    read = {operator.quantity for space in spaces for operator in space.observations.values()}
    assert {o.name for o in system.outputs if time.name in o.coordinates} <= read


NAMED = {
    "stochastic": "members = 200",
    "denkf": "members = 60\nlocalisation_half_width = 20",
    "serial": "members = 100",
    "letkf": "members = 60\nlocalisation_half_width = 20",
    "particle": "members = 1000",
    "unscented": "",
    "posterior_linearisation": "",
    "iterated_extended": "",
    "ienks": "members = 60\nlag = 2",
}


@pytest.mark.parametrize("filter", NAMED)
def test_every_filter_with_a_name_comes_near_the_exact_posterior_of_the_case(filter, tmp_path):
    given = ('filter = "etkf"\nmembers = 100\n', f'filter = "{filter}"\n{NAMED[filter]}\n')
    plan = read_case(changed("lorenz96", tmp_path, given)).assimilating
    state, _ = list(run(plan.filter, plan.space, plan.theta, plan.stream.observations, 1))[-1]
    # That is 8.166 +- 0.158, see the test of the ETKF.
    assert abs(unknown_values(plan.space, state.mean)["forcing"] - 8.166) < 2.5 * 0.158


def test_one_linear_case_has_one_posterior_whichever_way_it_is_asked(tmp_path):
    """The Kalman filter and its smoother, ES-MDA, and the log-density that a sampler would have."""
    case = read_case(find_case("linear_gaussian"))
    target = case.posterior()
    at = np.array([1.0, 4.0, 4.0])
    slopes = [target.logpdf_gradient(at + step)[1] for step in (*np.eye(3), np.zeros(3))]
    curvature = -(np.array(slopes[:3]) - slopes[3])
    mean = at + np.linalg.solve(curvature, slopes[3])
    sd = np.sqrt(np.diag(np.linalg.inv(curvature)))
    inflow = target.names.index("inflow")
    expected = mean[inflow] + np.array([-1, 0, 1]) * 1.959963984540054 * sd[inflow]
    filtered = take_in(case)
    assert filtered.data["filtered_parameter"][-1, 0].to_numpy() == pytest.approx(expected, rel=1e-9)
    data = filtered.data["smoothed_parameter"].to_numpy()
    assert data == pytest.approx(np.broadcast_to(expected, data.shape), rel=1e-9)
    # The mean of many members, whatever the alphas; their start is a sample, hence the tolerance.
    for alphas in ("[1]", "[3, 1]"):
        text = f'filter = "esmda"\nmembers = 200\nalphas = {alphas}'
        path = changed("linear_gaussian", tmp_path, ('filter = "kalman"', text))
        found = take_in(read_case(path))
        middle, high = found.data["filtered_parameter"][-1, 0].to_numpy()[1:]
        assert abs(middle - mean[inflow]) < 0.3 * sd[inflow]
        assert (high - middle) / 1.959963984540054 == pytest.approx(sd[inflow], rel=0.15)
        logs = [one.steps["log_evidence"].sum() for one in (found, filtered)]
        assert logs[0] == pytest.approx(logs[1], abs=0.5)


def test_a_lag_smooths_by_the_readings_within_it_alone(tmp_path):
    some, none, whole = (
        take_in(read_case(changed("lorenz96", tmp_path, ("members = 100", f"members = 100\n{text}")))).data
        for text in ("smooth = true\nlag = 2", "smooth = false", "smooth = true")
    )
    a, b, c = (
        d["smoothed_mean"] if "smoothed_mean" in d else d["filtered_mean"] for d in (some, none, whole)
    )
    assert a[-2:].to_numpy() == pytest.approx(c[-2:].to_numpy(), rel=1e-9)  # nothing comes later
    assert a[-1].to_numpy() == pytest.approx(b[-1].to_numpy(), rel=1e-9)
    assert not np.allclose(a[0], c[0], rtol=1e-6)
    assert not np.allclose(a[0], b[0], rtol=1e-6)


def test_what_is_only_compared_or_censored_is_said_and_changes_nothing(tmp_path):
    level = ("smooth = true", 'smooth = false\nlimits = { flow = ["0 km^3", "125 km^3"] }')
    rows = take_in(read_case(changed("local_level", tmp_path, level))).readings
    high = rows["value"] >= 125
    assert high.any()
    assert set(rows["verdict"][high]) == {"censored"}
    assert set(rows["verdict"][~high]) == {"used"}
    compared = ("smooth = true", 'smooth = false\nevaluate = ["flow"]')
    result = take_in(read_case(changed("local_level", tmp_path, compared)))
    assert set(result.readings["verdict"]) == {"evaluated"}
    assert result.steps["log_evidence"].sum() == 0
    assert result.readings["filtered"].to_numpy() == pytest.approx(100.0)  # the level the case starts with
    off = result.readings["value"] - 100.0
    assert (result.readings["value"] - result.readings["forecast"]).to_numpy() == pytest.approx(
        off.to_numpy()
    )


@pytest.mark.parametrize(("name", "error"), [("lorenz96_sakov2008", 0.35), ("lorenz63_sakov2012", 0.9)])
def test_a_case_named_after_its_source_runs_with_its_settings(name, error):
    result = take_in(read_case(find_case(name)))
    assert result.reasons == []
    spread = result.data["filtered_sd"].to_numpy()
    assert np.sqrt(np.mean(spread[-5:] ** 2)) < error  # from 1 or 1.4 of a reading
