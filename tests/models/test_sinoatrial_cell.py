"""Published features, drugs, sensitivities; the receptor's balance; SciPy as a witness."""

from functools import cache

import numba
import numpy as np
import pytest
from mscale_uq.models.physiology import _severi2012 as severi
from mscale_uq.models.physiology._beat import KNOWN_STATE, beat
from mscale_uq.models.physiology.sinoatrial_cell import OUTPUTS, forward
from scipy.integrate import solve_ivp

from mscale_uq.errors import Infeasible
from mscale_uq.run.calibrate import fit
from mscale_uq.solve.rate import Rate
from mscale_uq.solve.stiff import Tolerances, integrate

NAMES = [output.name for output in OUTPUTS]
EIGHT = severi.SCALES[:8]  # those that are calibrated
NOISE = {
    "cycle_length": 7.1,
    "diastolic_potential": 1.0,
    "overshoot": 1.0,
    "upstroke_velocity": 0.58,
    "apd50": 3.24,
    "diastolic_slope": 8.59,
    "calcium_low": 8.4,
    "calcium_high": 32.0,
}  # fmt: skip  (2 %, 1 mV, 1 mV, 8 %, 3 %, 10 %, 10 %, 10 %)


@pytest.fixture(scope="module")
def model():
    return forward()


def parameters(**changes):
    p = np.array([*np.ones(12), 0.0, 0.0, 0.0, 0.0])
    for name, value in changes.items():
        p[(*severi.SCALES, *severi.DRUGS).index(name)] = value
    return p


def features_after(seconds, p):
    """Features of a beat that a run from the published start has after some time, off samples at 20 kHz."""
    start, rate = np.array([severi.START[name] for name in severi.STATES]), Rate(severi.rate)
    settled = integrate(rate, start, p, 0.0, [seconds], Tolerances(1e-5, 1e-8)).states[-1]
    times = np.arange(0.0, 1.2, 5e-5)
    path = integrate(rate, settled, p, 0.0, [1.2], Tolerances(1e-6, 1e-9))(times)
    V, Ca = path[:, 29], path[:, 26]
    ups = np.flatnonzero((V[:-1] < -20) & (V[1:] >= -20))
    crossed = times[ups] + (-20 - V[ups]) / (V[ups + 1] - V[ups]) * 5e-5
    beat = slice(ups[0], ups[1])
    dV, middle, low = np.gradient(V, 5e-5)[beat], (V[beat].max() + V[beat].min()) / 2, V[beat].argmin()
    up = dV.argmax()
    half = np.flatnonzero(V[beat][up:] < middle)[0] + up
    share = (middle - V[beat][half]) / (V[beat][half - 1] - V[beat][half])
    rise = np.interp(times[beat][low] + 0.1, times, V) - V[beat].min()
    return np.array([
        1e3 * (crossed[1] - crossed[0]), V[beat].min(), V[beat].max(), 1e-3 * dV.max(),
        1e3 * (half - share - up) * 5e-5, rise / 0.1, 1e6 * Ca[beat].min(), 1e6 * Ca[beat].max(),
    ])  # fmt: skip


@cache
def unsettled(*change):
    """Length of the cycle 13 s after the published start."""
    return features_after(13.0, parameters(**dict(change)))[0]


def test_the_published_cell_beats_as_published(model):
    known = model.trace(model.theta())
    assert known["cycle_length"] == pytest.approx(352, rel=0.01)
    assert known["diastolic_potential"] == pytest.approx(-58, abs=0.1)
    assert known["overshoot"] - known["diastolic_potential"] == pytest.approx(80, abs=0.5)
    assert known["apd50"] == pytest.approx(108, abs=0.5)
    assert known["upstroke_velocity"] == pytest.approx(7.1, rel=0.02)
    # The run behind these numbers, 13 to 20 s from the published start, is within a few tenths of the cycle.
    assert known["diastolic_potential"] == pytest.approx(-58.00, abs=0.02)
    assert known["overshoot"] == pytest.approx(22.28, abs=0.1)
    assert known["upstroke_velocity"] == pytest.approx(7.206, rel=0.005)
    assert known["diastolic_slope"] == pytest.approx(85.8, rel=0.005)
    assert [known["calcium_low"], known["calcium_high"]] == pytest.approx([84, 320], rel=0.005)


def test_ninety_per_cent_of_the_repolarisation_takes_as_long_as_known():
    """APD90, counted like APD50 from the steepest rise: 134.4 ms, against 108.0."""
    cycle = beat(Tolerances(1e-6, 1e-9, 1e-6)).cycle(dict.fromkeys(severi.SCALES, np.array(1.0)))
    times = np.linspace(0.0, cycle.period, 20_001)
    V = cycle.path(times)[:, 29]
    steepest, top = np.gradient(V).argmax(), V.argmax()
    for share, length in ((0.5, 108.0), (0.9, 134.4)):
        level = V.max() - share * np.ptp(V)
        fallen = times[top + np.flatnonzero(V[top:] < level)[0]]
        assert 1e3 * (fallen - times[steepest]) == pytest.approx(length, abs=0.3)


@pytest.mark.parametrize(
    ("change", "length"),
    [
        ({}, 354.8),
        ({"funny_left": 0.34}, 448.8),
        ({"caesium": 1.0}, 437.6),
        ({"P_up": 0.5}, 382.3),
        ({"g_Kr": 0.8}, 368.4),
        ({"P_CaL": 0.8}, 363.2),
    ],
)
def test_runs_from_the_published_start_have_the_known_cycle_lengths(change, length):
    # Drift of sodium: those runs are 13 to 20 s long, over which the drugged cell still gains 0.3 ms.
    assert unsettled(*change.items()) == pytest.approx(length, abs=0.3)


@pytest.mark.parametrize(
    ("change", "rate", "within"),
    [
        ({"funny_left": 0.34}, -0.209, 1e-3),
        ({"caesium": 1.0}, -0.189, 1e-3),
        ({"isoprenaline": 1.0}, 0.285, 8e-3),
        ({"acetylcholine": 1e-5}, -0.184, 8e-3),
    ],
)
def test_runs_under_drugs_have_the_known_rates(change, rate, within):
    assert unsettled() / unsettled(*change.items()) - 1 == pytest.approx(rate, abs=within)


@pytest.mark.parametrize(
    ("change", "length"), [({"isoprenaline": 1.0}, 276.1), ({"acetylcholine": 1e-5}, 435.0)]
)
def test_runs_under_transmitters_come_within_six_thousandths_of_the_known_lengths(change, length):
    # 275.0 and 437.5 ms: 0.4 % less and 0.6 % more than the sheet has, by which run is not known. Between 5
    # and 30 s they change by 1.6 and 0.7 ms, and come no nearer.
    assert unsettled(*change.items()) == pytest.approx(length, rel=6e-3)


@numba.njit(error_model="numpy")
def pair(t, s, p, d):
    """Two cells of 32 pF, the second with 0.8 of g_Kr, and a gap junction of p[16] nS between them."""
    n = s.size // 2
    one, other = p[:16].copy(), p[:16].copy()
    other[1] *= 0.8
    severi.rate(t, s[:n], one, d[:n])
    severi.rate(t, s[n:], other, d[n:])
    passed = 1e3 * p[16] * (s[n + 29] - s[29]) / 32.0
    d[29] += passed
    d[n + 29] -= passed


def beaten(states, times, place):
    """Times at which a potential rises through -20 mV."""
    V = states[:, place]
    ups = np.flatnonzero((V[:-1] < -20) & (V[1:] >= -20))
    return times[ups] + (-20 - V[ups]) / (V[ups + 1] - V[ups]) * (times[1] - times[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("junction", "length", "lag"), [(0.02, 360.5, 38.0), (0.1, 361.8, 6.5), (1.0, 361.3, -0.8)]
)
def test_a_gap_junction_locks_two_cells_between_their_own_rhythms(junction, length, lag):
    """Alone 354.8 and 368.1 ms; a lag is how much later the slower one fires."""
    one = np.array([severi.START[name] for name in severi.STATES])
    p = np.append(parameters(), junction)
    settled = integrate(Rate(pair), np.tile(one, 2), p, 0.0, [13.0], Tolerances(1e-5, 1e-8)).states[-1]
    times = np.arange(0.0, 1.6, 1e-4)
    states = integrate(Rate(pair), settled, p, 0.0, [1.6], Tolerances(1e-6, 1e-9))(times)
    first, second = (beaten(states, times, place) for place in (29, len(one) + 29))
    assert 1e3 * np.diff(first)[0] == pytest.approx(length, abs=0.5)
    assert 1e3 * np.diff(second)[0] == pytest.approx(length, abs=0.5)
    behind = 1e3 * (second[1] - first[np.abs(first - second[1]).argmin()])
    assert behind == pytest.approx(lag, abs=max(0.5, 0.05 * abs(lag)))


@pytest.mark.parametrize(
    ("treatment", "published", "within"),
    [
        ("ivabradine", -0.22, 0.005),
        ("caesium", -0.20, 0.005),
        ("acetylcholine", -0.20, 0.005),
        ("isoprenaline", 0.28, 0.03),
    ],
)
def test_drugs_change_the_rate_as_published(treatment, published, within):
    model = forward(predict=treatment, steps="chosen")
    known = model.trace(model.theta())
    assert known["cycle_length"] / known["predicted_cycle_length"] - 1 == pytest.approx(published, abs=within)


def test_the_periodic_orbit_is_periodic_for_another_program():
    @numba.njit
    def velocity(t, s, p):
        made = np.empty_like(s)
        severi.rate(t, s, p, made)
        return made

    cycle = beat(Tolerances(1e-7, 1e-10, 1e-6)).cycle(dict.fromkeys(severi.SCALES, np.array(1.0)))
    start = cycle.path.states[0]
    run = solve_ivp(velocity, (0, cycle.period), start, "LSODA", args=(parameters(),), rtol=1e-10, atol=1e-13)
    assert run.y[:, -1] == pytest.approx(start, rel=1e-5, abs=1e-10)


def test_features_hold_to_a_ten_thousandth_at_the_tolerance_of_sampling(model):
    fine = forward(tolerance=1e-7, steps="chosen")
    assert model.value(model.theta()) == pytest.approx(fine.value(fine.theta()), rel=2e-5)


def test_chosen_and_kept_steps_agree_away_from_the_published_cell(model):
    theta = model.theta(g_f=1.1, g_Kr=0.93, P_CaL=1.05, K_NaCa=0.95)
    assert forward(steps="chosen").value(theta) == pytest.approx(model.value(theta), rel=1e-4)


def test_derivatives_along_chosen_steps_are_off_by_no_more_than_the_beat_declares():
    chosen, rng = forward(steps="chosen"), np.random.default_rng(3)
    assert 0 < chosen.slope_error < 1e-3
    theta = chosen.theta() * np.exp(0.2 * rng.standard_normal(chosen.size))
    data, linear = chosen.linearize(theta)
    for direction in theta * rng.standard_normal((2, chosen.size)):
        there, here = (chosen.value(theta + step * direction) for step in (1e-4, -1e-4))
        off = ((there - here) / 2e-4 - linear.jvp(direction)) / data
        assert np.linalg.norm(off) < chosen.slope_error * np.linalg.norm(direction / theta)


@pytest.mark.slow
def test_runs_that_have_not_settled_have_the_known_sensitivities():
    # On the cycle itself, where sodium has answered too, g_Kr counts nearly twice as much: -0.307.
    base = parameters()
    features, slopes = features_after(13.0, base), []
    for name in EIGHT:
        more, less = (features_after(13.0, parameters(**{name: scale})) for scale in (1.05, 0.95))
        slopes.append((more - less) / np.log(1.05 / 0.95))
    slopes = np.array(slopes).T
    known = [-0.201, -0.172, -0.095, 0.076, -0.183, -0.025, -0.028, 0.010]
    assert slopes[0] / features[0] == pytest.approx(known, abs=0.004)
    weighted = slopes / np.array([NOISE[name] for name in NAMES])[:, None]
    information = weighted.T @ weighted
    sd = np.sqrt(np.diag(np.linalg.inv(information + np.eye(8) / 0.3**2)))
    assert sd == pytest.approx([0.176, 0.072, 0.069, 0.135, 0.136, 0.279, 0.271, 0.275], rel=0.04)
    assert np.sqrt(np.linalg.eigvalsh(information))[::-1] == pytest.approx(
        [27.7, 19.2, 11.0, 8.2, 4.2, 1.6, 1.1, 0.11], rel=0.04, abs=0.05
    )  # one digit is known after the point


def test_the_receptor_keeps_detailed_balance():
    # B16: P_O = ko Ca^2/(ko Ca^2 + kom) kim/(ki Ca + kim), times the sum that is conserved.
    for Ca, store, open_share in [
        (1e-4, 1.0, 6.069755e-7),
        (1e-3, 1.0, 4.916784e-5),
        (1e-4, 0.3, 1.328767e-7),
    ]:
        slow = 15 - 14 / (1 + (0.45 / store) ** 2.5)
        ko, ki = 1e4 / slow * Ca**2, 500 * slow * Ca
        P_open = ko / (ko + 60) * 5 / (ki + 5)
        assert P_open == pytest.approx(open_share, rel=1e-6)
        state = KNOWN_STATE.copy()
        state[24], state[28] = store, Ca
        state[15:18] = severi.RYR_SUM * np.array([
            60 / (ko + 60) * 5 / (ki + 5), P_open, ko / (ko + 60) * ki / (ki + 5),
        ])  # fmt: skip
        assert Rate(severi.rate).at(0.0, state, parameters())[15:18] == pytest.approx(0, abs=1e-12)


def test_removable_singularities_are_removed():
    state = KNOWN_STATE.copy()
    for potential in (-41.8, -41.0, -6.8, -1.8, 0.0):
        made = []
        for shift in (-1e-6, 0.0, 1e-6):
            state[29] = potential + shift
            made.append(Rate(severi.rate).at(0.0, state, parameters()))
        assert np.all(np.isfinite(made))
        assert made[1] == pytest.approx((made[0] + made[2]) / 2, rel=1e-6, abs=1e-9)


def test_the_right_hand_side_is_analytic():
    drugged = parameters(caesium=0.5, acetylcholine=1e-5, isoprenaline=0.5)
    Rate(severi.rate).check_analytic(0.0, KNOWN_STATE, drugged)


def test_a_cell_without_its_calcium_current_is_quiescent():
    values = {**dict.fromkeys(severi.SCALES, np.array(1.0)), "P_CaL": np.array(0.02)}
    with pytest.raises(Infeasible, match="potential"):
        beat(Tolerances(1e-4, 1e-7, 1e-6)).value(values)


@pytest.mark.slow
def test_the_cell_in_the_drug_is_not_fitted_and_beats_as_predicted(tmp_path):
    run = fit("sinoatrial_cell", out=tmp_path, sampler="laplace", draws=60, chains=1, cores=0, predictions=60)
    assert (run.idata["log_likelihood"]["in_ivabradine.cycle_length"] == 0).all()
    measured = run.idata["held_out_data"]["in_ivabradine.cycle_length"].item()
    low, high = np.quantile(run.idata["posterior_predictive"]["in_ivabradine.cycle_length"], [0.025, 0.975])
    without = run.idata["observed_data"]["cell.cycle_length"].item()
    assert without < low < measured < high < without + 2 * (measured - without)
