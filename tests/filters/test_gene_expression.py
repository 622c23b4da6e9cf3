"""Time-lapse microscopy and a sequenced snapshot of one population: exact numbers of a three-frame problem.

x = (mRNA, protein), dm = (k_m - g_m m) dt + dW1, dp = (k_p m - g_p p) dt + dW2, with the noise of births and
deaths at the stationary means.
"""

import numpy as np
import pytest

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.loop import Assimilation, prepared
from mscale_uq.filters.records import FactorState, GaussianState
from mscale_uq.filters.smoother import Passed, backward
from mscale_uq.filters.square_root import SquareRootKalman
from mscale_uq.macro.linear_sde import LinearSDE, matrix
from mscale_uq.observe.laws import Gaussian

STATE = (Quantity("mrna", "1"), Quantity("protein", "1"))
RATES = ("k_m", "g_m", "k_p", "g_p")
FRAMES = [
    Observation(0.0, "microscope", "protein", 2400.0),
    Observation(5.0, "microscope", "protein", 2600.0),
    Observation(5.0, "sequencer", "mrna", 13.0),
    Observation(10.0, "microscope", "protein", 2550.0),
]
THREE_FRAMES = {"k_m": 2.0, "g_m": np.log(2) / 5, "k_p": 4.0, "g_p": np.log(2) / 30}


def law(k_m, g_m, k_p, g_p):
    m = k_m / g_m
    A = matrix([[-g_m, 0.0], [k_p, -g_p]])
    return A, np.stack([k_m, 0 * k_m]), matrix([[2 * k_m, 0.0], [0.0, 2 * k_p * m]])


def space(sd=125.0, snapshot_var=0.5):
    return StateSpace(
        [],
        LinearSDE("gene expression", STATE, law),
        {
            "microscope": ObservationOperator("protein", Gaussian(sd)),
            "sequencer": ObservationOperator("mrna", Gaussian(np.sqrt(snapshot_var))),
        },
        [Parameter(name, "1/min", 1.0, lower=0) for name in RATES],
        {"mrna_initial": 0.0, "protein_initial": 0.0},
    )


def stationary(rates):
    return space().dynamics.stationary({name: np.asarray(value) for name, value in rates.items()})


def begun(filter=Kalman()):  # noqa: B008 - frozen settings
    mean, cov = stationary(THREE_FRAMES)
    law = GaussianState(0.0, mean, cov)
    if isinstance(filter, SquareRootKalman):
        law = FactorState(0.0, mean, np.linalg.cholesky(cov))
    return Assimilation(filter, space(), prepared(space(), THREE_FRAMES), law)


def test_the_stationary_moments_of_gene_expression_are_exact():
    rates = {"k_m": 2.0, "g_m": 0.1386, "k_p": 4.0, "g_p": 0.0231}
    mean, cov = stationary(rates)
    assert mean == pytest.approx([14.4300, 2498.70], abs=5e-3)
    assert cov[0, 0] == pytest.approx(mean[0], rel=1e-12)  # Poisson
    assert cov[0, 1] == pytest.approx(356.9577, abs=5e-5)
    assert cov[1, 1] / mean[1] == pytest.approx(25.73717, abs=5e-6)
    fano = 1 + (4.0 / 0.1386) / (1 + 0.0231 / 0.1386)
    assert cov[1, 1] / mean[1] == pytest.approx(1 + 4.0 / (0.1386 + 0.0231), rel=1e-12)
    assert fano == pytest.approx(25.73717, abs=5e-6)


@pytest.mark.parametrize("filter", [Kalman(), SquareRootKalman()])
def test_the_three_frame_problem_has_the_printed_numbers(filter):
    mean, _ = stationary(THREE_FRAMES)
    assert mean == pytest.approx([14.4269504, 2497.6427772], abs=5e-8)
    now, states, log = begun(filter), [], 0.0
    for group in (FRAMES[:1], FRAMES[1:3], FRAMES[3:]):
        now, info = now.update(*group)
        states.append(now.state)
        log += info.log_evidence
    means = np.array([state.mean for state in states])
    sds = np.array([np.sqrt(np.diag(state.cov)) for state in states])
    printed = [(13.990879, 2419.096126), (13.093580, 2491.836352), (14.100531, 2499.524076)]
    assert means == pytest.approx(np.array(printed), abs=5.1e-7)
    printed = [(3.582382, 112.112436), (0.693401, 83.781767), (3.235149, 72.037936)]
    assert sds == pytest.approx(np.array(printed), abs=5.1e-7)
    # Printed -21.7265157608; with 40 digits the joint normal density is -21.72651576070294.
    assert log == pytest.approx(-21.72651576070294, abs=1e-12)


def test_the_smoothed_three_frame_problem_has_the_printed_numbers():
    now, passes = begun(), []
    for group in (FRAMES[:1], FRAMES[1:3], FRAMES[3:]):
        time = group[0].time
        passage = Kalman().passage(space(), now.values, now.state, time) if time else None
        now, _ = now.update(*group)
        passes.append(Passed(now.state, passage))
    smoothed = backward(passes)
    assert smoothed[0].mean == pytest.approx([14.651871, 2514.955436], abs=5.1e-7)
    assert smoothed[1].mean == pytest.approx([13.126504, 2512.219031], abs=5.1e-7)


def test_the_settled_gain_of_the_microscope_is_the_printed_one():
    rates = {"k_m": 2.0, "g_m": 0.1386, "k_p": 4.0, "g_p": 0.0231}
    mean, cov = stationary(rates)
    model = space(sd=0.05 * mean[1])
    now = Assimilation(Kalman(), model, prepared(model, rates), GaussianState(0.0, mean, cov))
    for frame in range(1, 200):
        forecast = now.predict_to(5.0 * frame)
        now, _ = forecast.update(Observation(5.0 * frame, "microscope", "protein", mean[1]))
    P = forecast.state.cov
    assert pytest.approx(np.array([[13.76788, 238.01558], [238.01558, 12921.96007]]), abs=5.1e-6) == P
    gain = P[:, 1] / (P[1, 1] + (0.05 * mean[1]) ** 2)
    assert gain == pytest.approx([0.00834242, 0.45291325], abs=5.1e-9)


def walk(rate):
    return np.zeros((1, 1)), np.zeros(1), matrix([[rate]])


def test_the_settled_gain_of_a_random_walk_is_the_golden_section():
    state = (Quantity("x", "1"),)
    model = StateSpace(
        [],
        LinearSDE("walk", state, walk),
        {"eye": ObservationOperator("x", Gaussian(1.0))},
        [Parameter("rate", "1", 1.0)],
        {"x_initial": 0.0, "x_initial_var": 1.0},
    )
    now = Assimilation(
        Kalman(), model, prepared(model, {"rate": 1.0}), GaussianState(0.0, np.zeros(1), np.eye(1))
    )
    for time in range(1, 60):
        forecast = now.predict_to(float(time))
        now, _ = forecast.update(Observation(float(time), "eye", "x", 0.0))
    golden = (1 + np.sqrt(5)) / 2
    assert forecast.state.cov == pytest.approx(golden, rel=1e-13)
    assert now.state.cov == pytest.approx(golden - 1, rel=1e-13)


def test_order_of_arrival_within_a_time_does_not_matter():
    forth, _ = begun().predict_to(5.0).update(*FRAMES[1:3])
    back, _ = begun().predict_to(5.0).update(*FRAMES[2:0:-1])
    one, _ = begun().predict_to(5.0).update(FRAMES[1])
    both, _ = one.update(FRAMES[2])
    for other in (back, both):
        assert other.state.mean == pytest.approx(forth.state.mean, rel=1e-13)
        assert other.state.cov == pytest.approx(forth.state.cov, rel=1e-12)


def test_one_scan_split_into_two_of_half_the_information_says_the_same():
    whole, _ = begun().update(Observation(0.0, "microscope", "protein", 2400.0, noise=125.0))
    half = Observation(0.0, "microscope", "protein", 2400.0, noise=125.0 * np.sqrt(2))
    split, _ = begun().update(half, half)
    assert split.state.mean == pytest.approx(whole.state.mean, rel=1e-13)
    assert split.state.cov == pytest.approx(whole.state.cov, rel=1e-12)
