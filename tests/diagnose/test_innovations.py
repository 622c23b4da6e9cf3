"""Whether a filter is honest: the tests of honesty on data whose law is known."""

import numpy as np
import pytest
from mscale_uq.models.reference import linear_gaussian
from scipy.integrate import quad
from scipy.stats import chi2, multivariate_normal, norm

from mscale_uq.core.observation import Observation
from mscale_uq.diagnose.innovations import (
    chi2_band,
    consistency,
    crps_ensemble,
    crps_gaussian,
    flatness,
    influence,
    innovation_consistency,
    log_score,
    nees,
    nis,
    rank_histogram,
    spread_skill,
    standardised,
    whiteness,
)
from mscale_uq.errors import InputError
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.loop import prepared, run
from mscale_uq.filters.records import StepInfo, Verdict

THETA = {"inflow": 2.0, "x_initial": 5.0, "y_initial": 1.0}


def twin(steps, seed, noise=0.3):
    """Return the truth and readings of a tracer, with some readings missing."""
    rng, space = np.random.default_rng(seed), linear_gaussian.space(noise=noise, start_sd=1.0)
    values = prepared(space, THETA)
    mean, cov = space.initial(values)
    x, truth, stream = rng.multivariate_normal(mean, cov), [], []
    move = space.dynamics.transition(0.0, 0.5, values)
    for k in range(steps):
        x = rng.multivariate_normal(move.F @ x + move.b, move.Q)
        reading = x[0] + 0.5 * rng.standard_normal()
        stream.append(Observation(0.5 * (k + 1), "probe", "amount", np.nan if k % 11 == 3 else reading))
        truth.append(x)
    return np.array(truth), stream


def filtered(stream, noise=0.3, sd=0.5):
    space = linear_gaussian.space(noise=noise, start_sd=1.0, sd=sd)
    return list(run(Kalman(), space, THETA, stream))


def test_nis_and_nees_of_a_right_filter_lie_in_their_bands():
    truth, stream = twin(1500, 1)
    steps = filtered(stream)
    assert innovation_consistency(info for _, info in steps).ok
    assert state_consistency(truth, steps).ok


def state_consistency(truth, steps):
    """NEES of states 40 steps apart, whose errors are independent (the slowest rate is 0.064/h)."""
    sparse = [state for state, _ in steps][::40]
    terms = nees(truth[::40], np.array([s.mean for s in sparse]), np.array([s.cov for s in sparse]))
    return consistency(terms.sum(), 2 * len(sparse))


@pytest.mark.parametrize(("noise", "sd"), [(0.03, 0.5), (0.3, 0.25), (3.0, 0.5)])
def test_nis_of_a_filter_with_a_wrong_noise_leaves_its_band_and_so_does_nees_if_it_is_too_small(noise, sd):
    truth, stream = twin(1500, 2)
    steps = filtered(stream, noise, sd)
    found, too_sure = innovation_consistency(info for _, info in steps), noise * sd < 0.3 * 0.5
    assert not found.ok
    assert (found.ratio > 1) == too_sure
    if too_sure:  # 38 independent states are too few to tell a filter that is not sure enough
        found = state_consistency(truth, steps)
        assert not found.ok
        assert found.ratio > 1


def test_standardised_innovations_of_a_right_filter_are_white_and_normal():
    _, stream = twin(1500, 3)
    white = np.concatenate(standardised([info for _, info in filtered(stream)]))
    assert whiteness(white).ok
    assert white.mean() == pytest.approx(0, abs=4 / np.sqrt(white.size))
    assert white.var() == pytest.approx(1, abs=4 * np.sqrt(2 / white.size))


def test_innovations_of_a_filter_that_trusts_its_model_too_much_are_not_white():
    _, stream = twin(1500, 4)
    white = np.concatenate(standardised([info for _, info in filtered(stream, noise=0.01)]))
    assert not whiteness(white).ok


def test_a_missing_reading_adds_no_freedom():
    info = StepInfo(
        0.0,
        ("a", "b"),
        np.array([2.0, np.nan]),
        np.array([[4.0, 1.0], [1.0, 9.0]]),
        0.0,
        np.array([Verdict.USED, Verdict.MISSING]),
    )
    assert nis(info) == (1.0, 1)
    nothing = StepInfo(0.0, ("a",), np.array([np.nan]), np.eye(1), 0.0, np.array([Verdict.MISSING]))
    assert nis(nothing) == (0.0, 0)


def test_the_band_holds_its_mass():
    lower, upper = chi2_band(7, 0.9)
    assert chi2.cdf(upper, 7) - chi2.cdf(lower, 7) == pytest.approx(0.9)
    assert chi2.cdf(lower, 7) == pytest.approx(0.05)


def test_the_rank_histogram_is_flat_if_the_truth_is_one_more_member():
    rng = np.random.default_rng(5)
    members, truth = rng.normal(size=(5000, 9)), rng.normal(size=5000)
    counts = rank_histogram(truth, members, rng)
    assert counts.sum() == 5000
    assert counts.size == 10
    assert flatness(counts).ok
    narrow = rank_histogram(truth, 0.7 * members, rng)
    assert not flatness(narrow).ok
    assert narrow[0] + narrow[-1] > counts[0] + counts[-1]


def test_ties_with_the_truth_are_broken_evenly():
    counts = rank_histogram(np.zeros(5000), np.zeros((5000, 3)), np.random.default_rng(6))
    assert flatness(counts).ok


def test_the_score_of_a_normal_forecast_is_the_area_between_the_steps():
    for truth, mean, sd in ((0.3, 1.0, 0.5), (-4.0, 0.0, 1.0)):
        cuts = sorted([truth, mean])
        area = sum(
            quad(lambda x, t=truth, m=mean, s=sd: (norm(m, s).cdf(x) - (x >= t)) ** 2, *piece)[0]
            for piece in ((-20, cuts[0]), cuts, (cuts[1], 20))
        )
        assert crps_gaussian(np.array(truth), np.array(mean), np.array(sd)) == pytest.approx(area, rel=1e-8)


def test_the_score_of_an_ensemble_is_fair_in_its_size():
    # The mean over ensembles of any size is the score of the law they are drawn from.
    rng = np.random.default_rng(7)
    exact = crps_gaussian(np.array(0.7), np.array(0.0), np.array(1.0))
    for count in (2, 8):
        scores = crps_ensemble(np.full(20_000, 0.7), rng.normal(size=(20_000, count)))
        assert scores.mean() == pytest.approx(exact, abs=4 * scores.std() / np.sqrt(20_000))


def test_the_score_of_an_ensemble_is_its_definition():
    truth, members = np.array([0.2]), np.array([[1.0, -0.5, 0.3]])
    pairs = np.abs(members[0][:, None] - members[0][None]).sum() / 6
    assert crps_ensemble(truth, members)[0] == pytest.approx(np.abs(members - 0.2).mean() - pairs / 2)


def test_the_log_score_is_minus_the_density():
    mean, cov, truth = np.array([1.0, 2.0]), np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([0.0, 3.0])
    assert log_score(truth, mean, cov) == pytest.approx(-multivariate_normal(mean, cov).logpdf(truth))


def test_spread_equals_error_for_a_right_filter():
    truth, stream = twin(1500, 8)
    states = [state for state, _ in filtered(stream)]
    spread, error = spread_skill(truth, np.array([s.mean for s in states]), np.array([s.cov for s in states]))
    assert spread / error == pytest.approx(1, abs=0.15)


def test_the_influence_of_readings_is_the_trace_of_the_gain():
    _, stream = twin(5, 9)
    steps = filtered(stream)
    R = [np.array([[0.25]])] * 5
    shares = influence([info for _, info in steps], R)
    gains = [state.cov[0, 0] / 0.25 for state, _ in steps]  # K = P+ H' / R
    expected = [0.0 if np.isnan(o.value) else g for o, g in zip(stream, gains, strict=True)]
    assert shares == pytest.approx(expected, abs=1e-12)


def test_too_short_a_series_is_refused():
    with pytest.raises(InputError, match="more values than lags"):
        whiteness(np.zeros(5))
