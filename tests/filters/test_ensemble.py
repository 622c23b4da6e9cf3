from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chisquare

from mscale_uq.core.dynamics import Dynamics
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.diagnose.innovations import consistency, nees
from mscale_uq.errors import InputError
from mscale_uq.filters.denkf import DEnKF
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.etkf import ETKF
from mscale_uq.filters.inflation import Inflation, widened
from mscale_uq.filters.loop import run, simultaneous, start
from mscale_uq.filters.records import EnsembleState, Verdict
from mscale_uq.filters.serial import Serial
from mscale_uq.filters.stochastic import Stochastic
from mscale_uq.observe.laws import Gaussian

TURN = 0.97 * np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.1, 0.9]])
Q = np.array([[0.3, 0.1, 0.0], [0.1, 0.2, 0.0], [0.0, 0.0, 0.1]])


class Turning(Dynamics):
    """x <- A x + noise, one step per unit of time."""

    name = "turning"
    inputs = ()
    state = (Quantity("x", "1", shape=(2,)), Quantity("y", "1"))

    def step(self, states, start, stop, values, rng):
        return states @ np.linalg.matrix_power(TURN, round(stop - start)).T

    def noise(self, start, stop, values):
        powers = [np.linalg.matrix_power(TURN, k) for k in range(round(stop - start))]
        return sum(power @ Q @ power.T for power in powers)


def turning():
    left, right = ObservationOperator("x", Gaussian((0.5, 1.0))), ObservationOperator("y", Gaussian(0.3))
    initial = {"x_initial": [1.0, -1.0], "x_initial_var": [2.0, 1.0], "y_initial": 0.5, "y_initial_var": 1.0}
    return StateSpace([], Turning(), {"left": left, "right": right}, (), initial)


def stream(seed, steps):
    """A true path of the model and its readings; `right` reads every second time only."""
    rng = np.random.default_rng(seed)
    truth = np.array([1.0, -1.0, 0.5]) + rng.standard_normal(3) * np.sqrt([2, 1, 1])
    path, readings = [], []
    for time in range(1, steps + 1):
        truth = TURN @ truth + np.linalg.cholesky(Q) @ rng.standard_normal(3)
        path.append(truth)
        readings.append(Observation(time, "left", "x", truth[:2] + [0.5, 1.0] * rng.standard_normal(2)))
        if time % 2 == 0:
            readings.append(Observation(time, "right", "y", truth[2] + 0.3 * rng.standard_normal()))
    return np.array(path), readings


def kalman(readings):
    """The naive Kalman filter of the same stream: means and covariances at each time."""
    mean, P = np.array([1.0, -1.0, 0.5]), np.diag([2.0, 1.0, 1.0])
    results = []
    for time in sorted({reading.time for reading in readings}):
        mean, P = TURN @ mean, TURN @ P @ TURN.T + Q
        now = {reading.source: reading.value for reading in readings if reading.time == time}
        H, R, y = np.eye(3)[:2], np.diag([0.25, 1.0]), now["left"]
        if "right" in now:
            H, R, y = np.eye(3), np.diag([0.25, 1.0, 0.09]), np.append(y, now["right"])
        K = P @ H.T @ np.linalg.inv(H @ P @ H.T + R)
        mean, P = mean + K @ (y - H @ mean), P - K @ H @ P
        results.append((mean, P))
    return results


@pytest.mark.parametrize("analysis", [Stochastic(), ETKF(), Serial()], ids=repr)
def test_the_error_of_the_ensemble_falls_with_the_root_of_its_size(analysis):
    readings = stream(1, 6)[1]
    exact, P = kalman(readings)[-1]
    sizes = np.array([25, 100, 400, 1600])
    errors = []
    for size in sizes:
        filter = EnsembleKalman(analysis, int(size))
        finals = [list(run(filter, turning(), {}, readings, key))[-1][0] for key in range(40)]
        means = np.array([state.mean - exact for state in finals]) / np.sqrt(np.diag(P))
        errors.append(np.sqrt(np.mean(means**2)))
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    # 120 squared errors per size: each root mean square is known to 6.5 %, the slope to 0.04.
    assert slope == pytest.approx(-0.5, abs=0.12)
    assert errors[-1] < 0.1


def test_evidence_and_covariance_tend_to_kalmans():
    readings = stream(2, 6)[1]
    filter = EnsembleKalman(ETKF(), 20000)
    results = list(run(filter, turning(), {}, readings, key=3))
    for (state, _), (mean, P) in zip(results, kalman(readings), strict=True):
        assert state.mean == pytest.approx(mean, abs=5 * np.sqrt(np.diag(P).max() / 20000))
        assert state.cov == pytest.approx(P, abs=6 * np.diag(P).max() * np.sqrt(2 / 20000))


def test_a_missing_entry_is_left_out_and_its_prediction_kept():
    space, filter = turning(), EnsembleKalman(ETKF(), 10)
    now = start(filter, space, {}, key=1).predict_to(1.0)
    partly, info = now.update(Observation(1.0, "left", "x", [np.nan, 0.3]))
    prior = now.state
    row = prior.cov[1] / (prior.cov[1, 1] + 1.0)
    assert partly.state.mean == pytest.approx(prior.mean + row * (0.3 - prior.mean[1]), rel=1e-12)
    assert list(info.verdicts) == [Verdict.MISSING, Verdict.USED]
    assert info.innovation_cov[0, 0] == pytest.approx(prior.cov[0, 0] + 0.25, rel=1e-12)
    assert np.isnan(info.innovation[0])


@pytest.mark.parametrize("when", ["prior", "posterior"])
def test_when_nothing_was_read_the_forecast_stays(when):
    filter = EnsembleKalman(Stochastic(), 10, Inflation(1.5, when=when), rotation=True)
    now = start(filter, turning(), {}, key=1).predict_to(1.0)
    same, info = now.update(Observation(1.0, "left", "x", [np.nan, np.nan]))
    assert np.array_equal(same.state.members, now.state.members)
    assert info.log_evidence == 0.0


def test_an_outlier_is_seen_and_not_used():
    filter = EnsembleKalman(ETKF(), 10, outlier_sd=4.0)
    now = start(filter, turning(), {}, key=1).predict_to(1.0)
    there, info = now.update(Observation(1.0, "left", "x", [1e3, 0.0]))
    assert list(info.verdicts) == [Verdict.OUTLIER, Verdict.USED]
    without, _ = now.update(Observation(1.0, "left", "x", [np.nan, 0.0]))
    assert np.array_equal(there.state.members, without.state.members)


def test_simultaneous_readings_may_come_in_any_order_or_one_by_one():
    now = start(EnsembleKalman(ETKF(), 10), turning(), {}, key=1).predict_to(2.0)
    left = Observation(2.0, "left", "x", [0.1, 0.2])
    right = Observation(2.0, "right", "y", 0.4)
    one, _ = now.update(left, right)
    other, _ = now.update(right, left)
    serial = now.update(left)[0].update(right)[0]
    for result in (other, serial):
        assert result.state.mean == pytest.approx(one.state.mean, rel=1e-10)
        assert result.state.cov == pytest.approx(one.state.cov, rel=1e-9)


def test_an_observation_may_state_its_own_noise():
    now = start(EnsembleKalman(ETKF(), 10), turning(), {}, key=1).predict_to(1.0)
    prior = now.state
    cov = np.array([[2.0, 0.5], [0.5, 1.0]])
    there, _ = now.update(Observation(1.0, "left", "x", [0.1, 0.2], noise=cov))
    K = prior.cov[:, :2] @ np.linalg.inv(prior.cov[:2, :2] + cov)
    assert there.state.mean == pytest.approx(prior.mean + K @ ([0.1, 0.2] - prior.mean[:2]), rel=1e-11)


def test_perturbed_readings_do_not_depend_on_the_order_in_which_they_come():
    now = start(EnsembleKalman(Stochastic(), 10), turning(), {}, key=1).predict_to(2.0)
    left, right = Observation(2.0, "left", "x", [0.1, 0.2]), Observation(2.0, "right", "y", 0.4)
    one, other = now.update(left, right)[0], now.update(right, left)[0]
    assert np.array_equal(one.state.members, other.state.members)


@pytest.mark.parametrize("analysis", [Stochastic(), DEnKF()], ids=repr)
def test_a_stream_that_is_cut_gives_the_same_members_bit_for_bit(analysis):
    readings = stream(3, 6)[1]
    filter = EnsembleKalman(analysis, 12, Inflation(1.02), rotation=True)
    whole = list(run(filter, turning(), {}, readings, key=5))
    cut = start(filter, turning(), {}, key=5)
    for together in simultaneous(r for r in readings if r.time <= 3):
        cut, _ = cut.update(*together)
    assert np.array_equal(cut.state.members, whole[2][0].members)


def test_another_key_gives_other_members():
    readings = stream(3, 2)[1]
    one, other = (list(run(EnsembleKalman(size=5), turning(), {}, readings, key))[-1][0] for key in (1, 2))
    assert not np.any(one.members == other.members)


@pytest.mark.parametrize(("told", "honest"), [(1.0, True), (0.5, False)])
def test_nees_of_an_etkf_of_many_members_is_in_its_band_unless_it_is_told_too_small_a_noise(told, honest):
    path, readings = stream(7, 1200)
    plain = turning()
    laws = {"left": Gaussian((0.5 * told, 1.0 * told)), "right": Gaussian(0.3 * told)}
    states = [state for state, _ in run(EnsembleKalman(ETKF(), 100), plain.with_laws(laws), {}, readings)]
    sparse, truth = states[4::5], path[4::5]  # so far apart errors are independent
    terms = nees(truth, np.array([s.mean for s in sparse]), np.array([s.cov for s in sparse]))
    found = consistency(terms.sum(), truth.size)
    assert found.ok == honest
    assert honest or found.ratio > 1.5


FORTY_RANKS = {
    "stochastic": EnsembleKalman(Stochastic(), 39),
    "etkf": EnsembleKalman(ETKF(), 39, rotation=True),
    "serial": EnsembleKalman(Serial(), 39, rotation=True),
}


def ranks(filter, narrowing, steps=1500):
    """Ranks of the truth among the forecast members at every third time, in ten classes, for each state."""
    path, readings = stream(4, steps)
    now, found = start(filter, turning(), {}, key=6), []
    for together in simultaneous(readings):
        time = together[0].time
        now = now.predict_to(time)
        members = narrowing(now.state.members)
        if time % 3 == 0:
            found.append((members < path[int(time) - 1]).sum(axis=0))
        now, _ = replace(now, state=EnsembleState(time, members)).update(*together)
    return [np.bincount(each // 4, minlength=10) for each in np.array(found).T]


@pytest.mark.parametrize("name", FORTY_RANKS)
def test_the_rank_histogram_is_flat_under_a_perfect_model(name):
    # The third state is read every second time only.
    for counts in ranks(FORTY_RANKS[name], lambda members: members):
        assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("name", FORTY_RANKS)
def test_a_filter_that_is_too_sure_of_itself_has_a_rank_histogram_that_is_not_flat(name):
    counts = ranks(FORTY_RANKS[name], lambda members: widened(members, 0.6), 900)[0]
    assert chisquare(counts).pvalue < 1e-6
    assert counts[0] + counts[-1] > 1.3 * counts.sum() * 2 / counts.size


@pytest.mark.parametrize(
    ("given", "message"), [({"size": 1}, "at least 2 members"), ({"outlier_sd": 0.0}, "a positive number")]
)
def test_impossible_settings_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        EnsembleKalman(**given)
