"""``mscale sbc`` and ``mscale check`` of a case whose likelihood holds a learned error of its model.

The line is read with a ruler that is right at 300 K; a better model knows that it is right at 290 K.
"""

import json
import re

import numpy as np
import pytest
from known_line import CASE, write_case
from scipy.stats import multivariate_normal
from typer.testing import CliRunner

from mscale_uq.case.read import read_case
from mscale_uq.cli.commands import app
from mscale_uq.diagnose.identifiability import identifiability
from mscale_uq.run import calibration
from mscale_uq.run.calibrate import settings_of
from mscale_uq.run.calibration import calibrate_sampler
from mscale_uq.run.model_error import Learning, expected_error

pytestmark = pytest.mark.usefixtures("toys")
DRAWS = 40
LEARN = f"""
[approximation_error]
against = "finer"
options = {{ reference = "290 K" }}
over = "prior"
draws = {DRAWS}
"""
TIMES, READINGS = np.array([1.0, 2.0]), np.array([2.8, 4.9])  # of the experiment "fast", at 330 K


def learning_case(folder, sampler="pcn"):
    text = CASE.replace('"laplace"', f'"{sampler}"').replace("tune = 0", "tune = 5") + LEARN
    return read_case(write_case(folder, text))


def of_fast(posterior, theta):
    """Return the log-likelihood of the second experiment alone."""
    terms = posterior.experiments[1].terms(posterior.split(theta))
    return terms["length"].total


def by_hand(theta, mean, covariance):
    predicted = 1.1 * (theta[0] + theta[1] * TIMES)
    return multivariate_normal(predicted + mean, covariance + 0.01 * np.eye(2)).logpdf(READINGS)


def test_the_sampler_is_calibrated_on_the_likelihood_that_a_fit_uses(tmp_path, monkeypatch):
    case, seen, whole = learning_case(tmp_path), [], calibration.check_calibration

    def watched(target, *arguments):
        seen.append(target)
        return whole(target, *arguments)

    monkeypatch.setattr(calibration, "check_calibration", watched)
    _, folder = calibrate_sampler(case, 2, out=tmp_path / "sbc", draws=19, kept=19)
    (tmp_path / "fit").mkdir()
    Learning(case, settings_of(case), tmp_path / "fit").corrected(case.posterior())
    kept = [(tmp_path / run / "approximation_error.json").read_bytes() for run in ("sbc", "fit")]
    assert kept[0] == kept[1]
    (learned,) = json.loads(kept[0])["rounds"]
    (error,) = [one for one in learned["errors"] if one["place"] == ["fast", "length"]]
    for theta in ([0.5, 2.0], [-1.0, 3.0]):
        expected = by_hand(theta, np.array(error["mean"]), np.array(error["covariance"]))
        assert of_fast(seen[0], theta) == pytest.approx(expected, rel=1e-9)
    # (330 / 290 - 330 / 300) times the line, whose speed has the prior mean 0 and sd 10
    sd = (330 / 290 - 330 / 300) * 10 * TIMES
    assert np.sqrt(np.diag(error["covariance"])) == pytest.approx(sd, rel=4 / np.sqrt(2 * DRAWS))
    page = " ".join((folder / "calibration.html").read_text().split())
    assert "hold the error of the used models against the finer ones, as a fit would learn it over" in page


# experiment, quantity, stretch, times, which readings are there, sd of the noise
READ = [
    (0, "length", 1.0, [0, 1, 2, 3], [0, 1, 3], 0.1),
    (0, "end", 1.0, [10], [0], 0.2),
    (1, "length", 1.1, [1, 2], [0, 1], 0.1),
]


def expected_widths(posterior):
    """Posterior sds over prior sds of (offset, speed), by normal algebra; the model is linear."""
    precision = np.diag([1.0, 0.01])
    for experiment, quantity, stretch, times, there, sd in READ:
        law = posterior.experiments[experiment].operators[quantity].law
        (error,) = law.errors
        design = stretch * np.stack([np.ones(len(times)), times], axis=1)[there]
        covariance = error.covariance[np.ix_(there, there)] + sd**2 * np.eye(len(there))
        precision += design.T @ np.linalg.solve(covariance, design)
    return np.sqrt(np.diag(np.linalg.inv(precision))) / [1.0, 10.0]


def test_what_the_data_could_say_counts_the_error_of_the_model(tmp_path):
    case = learning_case(tmp_path)
    plain, rng = case.posterior(), np.random.default_rng(1)
    widened = expected_error(case, plain, rng)
    kept, other = (
        identifiability(one, np.random.default_rng(2), draws=1).points[0].kept for one in (widened, plain)
    )
    assert kept == pytest.approx(expected_widths(widened), rel=1e-6)
    assert kept[1] > 5 * other[1]


def test_a_case_that_learns_nothing_is_looked_at_as_it_is(tmp_path):
    case = read_case(write_case(tmp_path))
    posterior = case.posterior()
    assert expected_error(case, posterior, np.random.default_rng(1)) is posterior


def test_check_says_that_it_counts_a_learned_error(tmp_path):
    learning_case(tmp_path)
    said = CliRunner().invoke(app, ["check", str(tmp_path / "line.toml")]).output
    assert f"counts the error against finer models over {DRAWS} prior draws" in re.sub(r"\s+", " ", said)
