"""The Gaussian sum as a filter of any model that is linear given its parameters: against quadrature."""

from dataclasses import replace

import numpy as np
import pytest
from mscale_uq.models.reference import local_level
from scipy.special import gammaln
from scipy.stats import norm
from tracked_cells import GAIN, KNOWN, RATES, population, readings

from mscale_uq.catalog import data_root
from mscale_uq.core.formula import PointwiseFormula
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import InputError
from mscale_uq.filters import node_sum
from mscale_uq.filters.augment import Unknown, augment
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.loop import prepared, run, start
from mscale_uq.filters.node_sum import GaussianSum
from mscale_uq.filters.records import Verdict
from mscale_uq.filters.series import filter_stream
from mscale_uq.macro.cells import FollowedCells
from mscale_uq.macro.linear_sde import LinearSDE, matrix
from mscale_uq.observe.counts import NegativeBinomial
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.laws import Gaussian, StudentT

PRIOR = {"k_m": Unknown(2.5, 0.3), "gain": Unknown(1.2, 0.2)}
REST = {name: KNOWN[name] for name in ("gamma_m", "k_p", "gamma_p")}
CAMERA = Fluorescence(20.0, shot=0.5, relative=0.03, background=100.0)
STEP, CELLS = 5.0, 2


def light(protein, gain):
    return 100.0 + gain * protein


def cells(law, count=CELLS):
    camera = ObservationOperator("light", law, PointwiseFormula(light, "light"))
    dynamics = FollowedCells(population(), count)
    return StateSpace([], dynamics, {"camera": camera}, (*RATES, GAIN), population().start())


def stream(data):
    return [Observation(STEP * t, "camera", "light", row) for t, row in enumerate(data, start=1)]


def batch(values, frames):
    """Mean and covariance of one cell's path ``(frames, 2)`` of (mrna, protein), flattened."""
    dynamics, rates = FollowedCells(population(), 1), {p.name: values[p.name] for p in RATES}
    mean, cov = np.zeros((frames, 2)), np.zeros((frames, 2, frames, 2))
    m, P = np.zeros(2), np.zeros((2, 2))
    for t in range(frames):
        move = dynamics.transition(STEP * t, STEP * (t + 1), rates)
        m, P = move.F @ m + move.b, move.F @ P @ move.F.T + move.Q
        for s in range(t):
            cov[t, :, s] = move.F @ cov[t - 1, :, s]
            cov[s, :, t] = cov[t, :, s].T
        mean[t], cov[t, :, t] = m, P
    return mean.ravel(), cov.reshape(2 * frames, 2 * frames)


def over_the_prior(data, sd, points=81, reach=6.0):
    """Evidence, mean and deviation of unknowns and last state, on a grid over the scores of the prior."""
    z, log, u, last, own = np.linspace(-reach, reach, points), [], [], [], []
    k_m, gain = (one.centre * np.exp(one.sd * z) for one in PRIOR.values())
    for place, rate in zip(z, k_m, strict=True):
        mean, cov = batch({**KNOWN, "k_m": rate}, len(data))
        S = gain[:, None, None] ** 2 * cov[1::2, 1::2] + sd**2 * np.eye(len(data))
        error = data - 100.0 - gain[:, None, None] * mean[1::2, None]
        weighed, told = np.linalg.solve(S, error), gain[:, None, None] * cov[-2:, 1::2]
        density = -0.5 * (error * weighed).sum(axis=(1, 2))
        density -= data.shape[1] / 2 * np.linalg.slogdet(2 * np.pi * S)[1]
        log.append(density + norm.logpdf(place) + norm.logpdf(z) + 2 * np.log(z[1] - z[0]))
        u.append(np.column_stack([np.full(points, np.log(rate)), np.log(gain)]))
        last.append((mean[-2:, None] + told @ weighed).reshape(points, -1))
        left = cov[-2:, -2:] - told @ np.linalg.solve(S, told.swapaxes(1, 2))
        own.append(np.repeat(np.diagonal(left, axis1=1, axis2=2), data.shape[1], axis=1))
    log, u, last, own = (np.concatenate(part) for part in (log, u, last, own))
    w = np.exp(log - log.max())
    evidence, w = np.log(w.sum()) + log.max(), w / w.sum()
    both, variance = np.column_stack([last, u]), np.column_stack([own, np.zeros_like(u)])
    mean = w @ both
    return evidence, mean, np.sqrt(w @ (variance + (both - mean) ** 2))


@pytest.mark.parametrize("law", [Gaussian(60.0), Fluorescence(60.0, background=100.0)])
def test_the_filter_is_the_posterior_by_quadrature(law):
    data = readings(CELLS, 10, seed=3)
    data[1, 0] = 900.0
    made = list(run(GaussianSum(1024), augment(cells(law), PRIOR), REST, stream(data), key=2))
    evidence, mean, sd = over_the_prior(data, 60.0)
    state = made[-1][0]
    assert sum(info.log_evidence for _, info in made) == pytest.approx(evidence, abs=0.02)
    assert np.all(np.abs(state.mean - mean)[4:] < 0.03 * sd[4:].min())
    assert np.all(np.abs(state.mean - mean)[:4] < 0.05 * sd[:4])
    assert np.sqrt(np.diag(state.cov)) == pytest.approx(sd, rel=0.03)


def test_where_the_unknown_is_all_but_known_it_is_the_kalman_filter():
    plain = cells(Gaussian(60.0))
    space, rest = augment(plain, {"gain": Unknown(KNOWN["gain"], 1e-12)}), {**REST, "k_m": KNOWN["k_m"]}
    data = stream(readings(CELLS, 6))
    exact, told = zip(*run(Kalman(), plain, KNOWN, data), strict=True)
    sums, found = zip(*run(GaussianSum(32), space, rest, data), strict=True)
    for one, other, info, same in zip(exact, sums, told, found, strict=True):
        assert other.mean[:4] == pytest.approx(one.mean, rel=1e-10)
        assert other.cov[:4, :4] == pytest.approx(one.cov, rel=1e-8, abs=1e-8)
        assert np.diff([info.log_evidence, same.log_evidence]) == pytest.approx(0, abs=1e-8)
        assert same.innovation == pytest.approx(info.innovation, rel=1e-9, nan_ok=True)
        seen = ~np.isnan(info.innovation)
        pair = np.ix_(seen, seen)
        assert same.innovation_cov[pair] == pytest.approx(info.innovation_cov[pair], rel=1e-9)
        assert np.array_equal(same.verdicts, info.verdicts)


def still(speed):
    return matrix([[-speed]]), np.zeros(1), matrix([[0.0 * speed]])


MEAN, SD = 200.0, 80.0  # of the protein before it is read


def one_reading(law):
    """A sum over a gain that is all but known: of one reading of one number."""
    camera = ObservationOperator("light", law, PointwiseFormula(light, "light"))
    dynamics = LinearSDE("cell", (Quantity("protein", "1"),), still)
    known = Parameter("speed", "1/h", 1e-9, lower=0), Parameter("gain", "1", 1.0, lower=0)
    begin = {"protein_initial": MEAN, "protein_initial_var": SD**2}
    space = augment(StateSpace([], dynamics, {"camera": camera}, known, begin), {"gain": Unknown(1.0, 1e-9)})
    return start(GaussianSum(16), space, {"speed": 1e-9})


def by_quadrature(law, y):
    """Mode, mean, standard deviation and log-evidence of the same."""
    x = np.linspace(MEAN - 9 * SD, MEAN + 9 * SD, 20001)
    noise = np.sqrt(law.own(100.0 + x, np.zeros(x.size), {}))
    said = norm.logsf if law.censored(np.array(y)) else norm.logpdf
    density = norm.logpdf(x, MEAN, SD) + said(y, 100.0 + x, noise)
    weights = np.exp(density - density.max())
    evidence = np.log(weights.sum() * (x[1] - x[0])) + density.max()
    weights /= weights.sum()
    mean = weights @ x
    return x[density.argmax()], mean, np.sqrt(weights @ (x - mean) ** 2), evidence


def test_noise_that_grows_with_the_light_is_taken_at_the_most_probable_state():
    law = Fluorescence(5.0, 2.0, 0.1, 100.0)
    now = one_reading(law)
    R = law.own(np.array(100.0 + MEAN), np.zeros(()), {})  # as it would be, frozen at the forecast
    misses, rng = [], np.random.default_rng(1)
    for truth in rng.normal(MEAN, SD, 40):
        y = rng.normal(100.0 + truth, np.sqrt(law.own(np.array(100.0 + truth), np.zeros(()), {})))
        top, exact, spread, evidence = by_quadrature(law, y)
        after, info = now.update(Observation(0.0, "camera", "light", np.array([y])))
        found, sure = after.state.mean[0], np.sqrt(after.state.cov[0, 0])
        assert not info.note
        assert found == pytest.approx(top, abs=0.01 * SD)
        gain = SD**2 / (SD**2 + R)
        frozen, of_frozen = MEAN + gain * (y - 100.0 - MEAN), np.sqrt(gain * R)
        misses.append([(found - exact) / spread, np.log(sure / spread), (frozen - exact) / spread])
        misses[-1].append(np.log(of_frozen / spread))
        density = norm.logpdf(y, 100.0 + MEAN, np.sqrt(SD**2 + R))
        misses[-1] += [info.log_evidence - evidence, density - evidence]
    here, width, frozen, frozen_width, odds, frozen_odds = np.sqrt(np.mean(np.square(misses), axis=0))
    assert here < 0.7 * frozen
    assert width < 0.6 * frozen_width
    assert odds < 0.7 * frozen_odds
    assert np.abs(misses)[:, 4].max() < 0.2


STEADY, GROWING = Fluorescence(60.0, background=100.0), Fluorescence(5.0, 2.0, 0.1, 100.0)
BOUNDS = [(STEADY, 0.2, 0.05, 0.03), (GROWING, 0.45, 0.2, 0.12)]


@pytest.mark.parametrize(("law", "of_spread", "of_width", "of_odds"), BOUNDS)
@pytest.mark.parametrize("above", [-2.0, -1.0, 0.0, 1.0, 2.0])
def test_a_saturated_reading_is_a_bound_as_by_quadrature(law, of_spread, of_width, of_odds, above):
    limit = 100.0 + MEAN + above * SD
    law = replace(law, saturation=limit)
    top, mean, spread, evidence = by_quadrature(law, limit)
    for read in (limit, limit + 30.0):  # a camera that says more than its limit says no more
        after, info = one_reading(law).update(Observation(0.0, "camera", "light", np.array([read])))
        assert after.state.mean[0] == pytest.approx(top, abs=0.01 * SD)
        assert after.state.mean[0] == pytest.approx(mean, abs=of_spread * spread)
        assert np.sqrt(after.state.cov[0, 0]) == pytest.approx(spread, rel=of_width, abs=0.01 * SD)
        assert info.log_evidence == pytest.approx(evidence, abs=of_odds)
        assert (info.note, info.verdicts[0]) == ("", Verdict.USED)


def wander(speed):
    return matrix([[-speed]]), np.zeros(1), matrix([[0.02 * speed]])


def dish(sizes):
    def counts(level, capture, size):
        return capture * 10.0 * size * np.exp(level)

    operator = ObservationOperator("umi", NegativeBinomial(0.05), PointwiseFormula(counts, "umi"))
    parameters = (Parameter("speed", "1/h", 0.5, lower=0), Parameter("capture", "1", 0.2, lower=0, upper=1))
    constants = {"level_initial": 0.1, "level_initial_var": 0.01, "size": sizes}
    dynamics = LinearSDE("level", (Quantity("level", "1"),), wander)
    return StateSpace([], dynamics, {"sequencer": operator}, parameters, constants)


def test_counts_are_taken_in_as_by_quadrature():
    rng = np.random.default_rng(4)
    sizes = rng.lognormal(0.0, 0.3, 60)
    y = rng.poisson(2.4 * sizes).astype(float)
    y[7] = np.nan
    prior = {"capture": Unknown(0.2, 0.4)}
    now = start(GaussianSum(1024), augment(dish(sizes), prior), {"speed": 0.5})
    now, info = now.update(Observation(0.0, "sequencer", "umi", y))
    x, u = 0.1 + 0.1 * np.linspace(-7, 7, 401), np.log(0.25) + 0.4 * np.linspace(-7, 7, 401)
    mean = 10.0 * sizes * np.exp(x[:, None, None]) / (1 + np.exp(-u[None, :, None]))
    a, used = 20.0, ~np.isnan(y)
    count = np.where(used, y, 0.0)
    each = gammaln(count + a) - gammaln(a) - gammaln(count + 1) - (count + a) * np.log1p(mean / a)
    each += count * np.log(mean / a)
    log = each[:, :, used].sum(axis=2) + norm.logpdf(x, 0.1, 0.1)[:, None] + norm.logpdf(u, np.log(0.25), 0.4)
    weights = np.exp(log - log.max())
    evidence = np.log(weights.sum() * (x[1] - x[0]) * (u[1] - u[0])) + log.max()
    weights /= weights.sum()
    both = [weights.sum(axis=1) @ x, weights.sum(axis=0) @ u]
    sds = [
        np.sqrt(weights.sum(axis=1) @ (x - both[0]) ** 2),
        np.sqrt(weights.sum(axis=0) @ (u - both[1]) ** 2),
    ]
    assert info.log_evidence == pytest.approx(evidence, abs=0.01)
    assert now.state.mean == pytest.approx(both, abs=0.003)
    assert np.sqrt(np.diag(now.state.cov)) == pytest.approx(sds, rel=0.03)
    assert info.verdicts[7] == Verdict.MISSING


def test_the_unknown_noise_of_a_level_is_learned_as_by_quadrature():
    flows = np.loadtxt(data_root() / "local_level" / "nile.csv", delimiter=",", skiprows=1)[:40]
    data = [Observation(year, "gauge", "flow", flow) for year, flow in flows]
    model = local_level.space(level_spread=30.0)
    *_, (state, _) = run(
        GaussianSum(256), augment(model, {"level_sd": Unknown(4.0, 0.8)}), {"reading_sd": 12.3}, data
    )
    z = np.linspace(-5, 5, 101)
    logs = norm.logpdf(z)
    for point, u in enumerate(np.log(4.0) + 0.8 * z):
        theta = {"reading_sd": 12.3, "level_sd": np.exp(u)}
        logs[point] += filter_stream(model, prepared(model, theta), data)[1].sum()
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    mean = weights @ (np.log(4.0) + 0.8 * z)
    assert state.mean[1] == pytest.approx(mean, abs=0.01)
    sd = np.sqrt(weights @ (np.log(4.0) + 0.8 * z - mean) ** 2)
    assert np.sqrt(state.cov[1, 1]) == pytest.approx(sd, rel=0.03)
    assert sd < 0.7


def test_many_sets_of_rates_move_as_each_of_them():
    dynamics = cells(CAMERA).dynamics
    rates = {**KNOWN, "k_m": np.array([0.5, 2.0, 9.0]), "gamma_p": np.array([0.01, 0.2, 0.03])}
    for start_at in (0.0, 17.0, 900.0):
        rows = dynamics.transition_rows(start_at, start_at + 5.0, rates, 3)
        for row in range(3):
            one = dynamics.transition(start_at, start_at + 5.0, dynamics.row(rates, row))
            for part in "FbQ":
                assert getattr(rows, part)[row] == pytest.approx(getattr(one, part), rel=1e-11, abs=1e-12)


def test_too_few_nodes_are_told_and_drawing_others_cures_it(monkeypatch):
    space = augment(cells(Gaussian(1.0)), {"gain": Unknown(1.2, 3.0), "k_m": Unknown(2.0, 3.0)})
    data = stream(readings(CELLS, 4, seed=3))
    assert not any(info.note for _, info in run(GaussianSum(64), space, REST, data))
    monkeypatch.setattr(node_sum, "ROUNDS", 0)
    assert any("of 64 nodes count" in info.note for _, info in run(GaussianSum(64), space, REST, data))


def test_what_is_not_linear_given_its_parameters_is_refused():
    filter, space = GaussianSum(), cells(CAMERA)
    with pytest.raises(InputError, match="without unknowns"):
        start(filter, space, KNOWN)
    drifting = augment(space, {"gain": replace(PRIOR["gain"], drift=0.1)})
    with pytest.raises(InputError, match="drift"):
        start(filter, drifting, KNOWN)
    for law in (replace(CAMERA, background_sd=5.0), StudentT(20.0, 4.0)):
        with pytest.raises(InputError, match=type(law).__name__):
            start(filter, augment(cells(law), PRIOR), REST)
    with pytest.raises(InputError, match="16"):
        GaussianSum(8)
