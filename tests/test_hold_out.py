"""What a case holds out changes no draw, and is predicted: the intervals are those of the exact posterior."""

import numpy as np
import pytest
from known_line import CASE, write_case
from scipy.stats import norm
from typer.testing import CliRunner

from mscale_uq.case.read import read_case
from mscale_uq.cli.commands import app
from mscale_uq.report.content import measured
from mscale_uq.report.page import render
from mscale_uq.run.calibrate import fit

pytestmark = pytest.mark.usefixtures("toys")
HELD = CASE.replace('data = ["slow.csv", "end.csv"]\n', 'data = ["slow.csv", "end.csv"]\nhold_out = "end"\n')


@pytest.fixture(scope="module")
def run(tmp_path_factory, toys):
    folder = tmp_path_factory.mktemp("held")
    return fit(write_case(folder, HELD), out=folder / "run")


def exact_prediction():
    """Mean and sd of the reading of the end, by linear algebra, from all readings but itself."""
    rows = np.array([[1, 0, 0.52], [1, 1, 2.41], [1, 3, 6.6], [1.1, 1.1, 2.8], [1.1, 2.2, 4.9]])
    design, data = rows[:, :2], rows[:, 2]
    precision = design.T @ design / 0.1**2 + np.diag([1.0, 1 / 100])
    covariance = np.linalg.inv(precision)
    mean = covariance @ design.T @ data / 0.1**2
    end = np.array([1.0, 10.0])
    return end @ mean, np.sqrt(end @ covariance @ end + 0.2**2)


def test_the_posterior_has_not_seen_what_is_held_out(run):
    assert np.isnan(run.idata["observed_data"]["10_slow.end"])
    assert run.idata["held_out_data"]["10_slow.end"].item() == 20.6
    assert (run.idata["log_likelihood"]["10_slow.end"] == 0).all()


def test_it_is_predicted_as_by_the_exact_posterior(run):
    mean, sd = exact_prediction()
    (end,) = [one for one in measured(run) if one.quantity == "end"]
    draws = end.band.replicated
    assert draws.mean() == pytest.approx(mean, abs=5 * sd / np.sqrt(draws.size))
    low, high = end.band.quantiles(0.95)
    error = 5 * sd * np.sqrt(0.025 * 0.975 / draws.size) / norm.pdf(1.96)
    assert [low, high] == pytest.approx([mean - 1.96 * sd, mean + 1.96 * sd], abs=error)
    inside = abs(20.6 - mean) < 1.96 * sd
    said = f"the held-out reading lies {'inside' if inside else 'outside'} its 95 % interval"
    assert end.inside == said


def test_the_report_shows_it_with_its_coverage(run):
    page = render(run)
    assert "<h2>Held out</h2>" in page
    assert "of 1 inside the 95 % interval. They were measured" in page
    assert ">held out<" in page


def test_a_case_without_hold_outs_has_no_such_section(line_run):
    assert "Held out" not in render(line_run)
    assert "held_out_data" not in line_run.idata.groups()


def test_single_readings_may_be_held_out(tmp_path):
    text = HELD.replace('hold_out = "end"', "hold_out = { length = [2, 4] }")
    case = read_case(write_case(tmp_path, text))
    seen = case.posterior().experiments[0].observed
    assert np.array_equal(seen["length"], [0.52, np.nan, np.nan, np.nan], equal_nan=True)
    assert seen["end"] == 20.6
    (tmp_path / "again.toml").write_text(case.resolved_toml())
    assert read_case(tmp_path / "again.toml").hash == case.hash
    assert case.hash != read_case(write_case(tmp_path)).hash


MISTAKES = {
    '"ends"': "hold_out: 'ends' is not measured here (did you mean 'end'?); allowed: length, end",
    "{ length = [5] }": "hold_out: reading 5 of 'length'; allowed: 1 to 4",
    "{ length = [0] }": "hold_out: reading 0 of 'length'; allowed: 1 to 4",
    "3": "hold_out: 3; allowed: true, names of outputs, or a table",
}


@pytest.mark.parametrize("given", MISTAKES)
def test_a_mistake_in_it_is_told(tmp_path, given):
    done = CliRunner().invoke(
        app, ["check", str(write_case(tmp_path, HELD.replace('"end"\n\n', f"{given}\n\n")))]
    )
    assert done.exit_code == 3
    assert MISTAKES[given] in done.output
