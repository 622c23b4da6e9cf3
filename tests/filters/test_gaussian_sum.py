"""The Gaussian sum over shared unknowns: the posterior by direct quadrature, and its limits."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm
from tracked_cells import KNOWN, RATES, population, readings, space

from mscale_uq.core.observation import Observation
from mscale_uq.errors import InputError
from mscale_uq.filters.augment import Unknown
from mscale_uq.filters.gaussian_sum import GaussianSumBank
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.lattice import Lattice
from mscale_uq.filters.loop import run
from mscale_uq.filters.shared import SharedBank
from mscale_uq.macro.cells import FollowedCells
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.laws import Gaussian

SD, STEP, FRAMES, CELLS = 60.0, 5.0, 4, 2
PRIOR = {"k_m": Unknown(2.5, 0.3), "gain": Unknown(1.2, 0.2)}


def followed(filter, data, values=KNOWN):
    state, log = filter.init(values, data.shape[1]), 0.0
    for frame, row in enumerate(data, start=1):
        state, density = filter.analyse(filter.forecast(state, STEP * frame), "camera", row)
        log += density
    return state, log


def batch(values):
    """Mean and covariance of one cell's path ``(FRAMES, 2)`` of (mrna, protein), flattened."""
    dynamics, rates = FollowedCells(population(), 1), {p.name: values[p.name] for p in RATES}
    mean, cov = np.zeros((FRAMES, 2)), np.zeros((FRAMES, 2, FRAMES, 2))
    m, P = np.zeros(2), np.zeros((2, 2))
    for t in range(FRAMES):
        move = dynamics.transition(STEP * t, STEP * (t + 1), rates)
        m, P = move.F @ m + move.b, move.F @ P @ move.F.T + move.Q
        for s in range(t):
            cov[t, :, s] = move.F @ cov[t - 1, :, s]
            cov[s, :, t] = cov[t, :, s].T
        mean[t], cov[t, :, t] = m, P
    return mean.ravel(), cov.reshape(2 * FRAMES, 2 * FRAMES)


def quadrature(names, data, points, reach=8.0):
    """Evidence, moments of the unknowns and mean of the last state, on a dense grid over the prior."""
    z = np.linspace(-reach, reach, points)
    lines = {name: z if name in names else np.zeros(1) for name in PRIOR}
    log, u, last = [], [], []
    for place in lines["k_m"]:
        k_m = PRIOR["k_m"].centre * np.exp(PRIOR["k_m"].sd * place) if "k_m" in names else KNOWN["k_m"]
        gain = PRIOR["gain"].centre * np.exp(PRIOR["gain"].sd * lines["gain"])
        gain = gain if "gain" in names else np.array([KNOWN["gain"]])
        mean, cov = batch({**KNOWN, "k_m": k_m})
        S = gain[:, None, None] ** 2 * cov[1::2, 1::2] + SD**2 * np.eye(FRAMES)
        error = data - 100.0 - gain[:, None, None] * mean[1::2, None]
        weighed = np.linalg.solve(S, error)
        density = -0.5 * (error * weighed).sum(axis=(1, 2))
        density -= CELLS / 2 * np.linalg.slogdet(2 * np.pi * S)[1]
        log.append(
            density + norm.logpdf(place) * ("k_m" in names) + norm.logpdf(lines["gain"]) * ("gain" in names)
        )
        u.append(np.column_stack([np.full(gain.size, np.log(k_m)), np.log(gain)]))
        last.append(mean[-2:, None] + gain[:, None, None] * (cov[-2:, 1::2] @ weighed))
    log = np.concatenate(log) + len(names) * np.log(z[1] - z[0])
    u, last = np.concatenate(u)[:, [name in names for name in PRIOR]], np.concatenate(last)
    evidence = np.log(np.exp(log - log.max()).sum()) + log.max()
    w = np.exp(log - evidence)
    mean = w @ u
    return evidence, mean, (u - mean).T * w @ (u - mean), np.einsum("g,gni->in", w, last)


@pytest.mark.parametrize(("names", "points"), [(("gain",), 121), (("k_m",), 121), (("k_m", "gain"), 121)])
def test_the_sum_is_the_posterior_by_quadrature(names, points):
    data = readings(CELLS, FRAMES, seed=3)
    data[1, 0] = 900.0
    filter = GaussianSumBank(space(1, Gaussian(SD)), {n: PRIOR[n] for n in names}, reach=7.0)
    state, log = followed(filter, data)
    evidence, mean, cov, cells = quadrature(names, data, points)
    assert log == pytest.approx(evidence, abs=1e-8)
    assert state.mean == pytest.approx(mean, abs=1e-8)
    assert state.cov == pytest.approx(cov, rel=1e-7, abs=1e-9)
    assert state.cell_mean == pytest.approx(cells, rel=1e-8)


def test_with_nothing_unknown_every_cell_has_its_own_kalman_filter():
    data = readings(3, 6)
    state, log = followed(GaussianSumBank(space(1, Gaussian(SD)), {}), data)
    total = 0.0
    for cell, row in enumerate(data.T):
        stream = [Observation(STEP * t, "camera", "light", [y]) for t, y in enumerate(row, start=1)]
        (
            *_,
            (last, _),
        ) = steps = list(run(Kalman(), space(1, Gaussian(SD)), KNOWN, stream))
        assert state.cell_mean[cell] == pytest.approx(last.mean, rel=1e-10)
        assert state.cell_cov[cell] == pytest.approx(last.cov, rel=1e-9)
        total += sum(info.log_evidence for _, info in steps)
    assert log == pytest.approx(total, rel=1e-10)


def test_where_the_unknowns_are_nearly_known_linearising_is_as_good():
    law = Fluorescence(20.0, shot=0.5, relative=0.03, background=100.0, background_sd=40.0)
    tight = {"k_m": Unknown(2.0, 1e-5), "gain": Unknown(1.5, 1e-5)}
    data = readings(3, 4)
    state, log = followed(GaussianSumBank(space(1, law), tight), data)
    filter = SharedBank(space(1, law), tight)
    one, total = filter.init(KNOWN, 3), 0.0
    for frame, row in enumerate(data, start=1):
        one, density = filter.analyse(KNOWN, filter.forecast(KNOWN, one, STEP * frame), "camera", row)
        total += density
    assert log == pytest.approx(total, abs=1e-4)
    assert state.mean == pytest.approx(one.mean, abs=1e-3 * 1e-5)
    assert state.cell_mean == pytest.approx(one.cells, rel=1e-5)
    assert state.cell_cov == pytest.approx(one.cell_cov, rel=1e-3)


def dish(named):
    return norm.logpdf(0.8, np.log(named["k_m"]), 0.1)


def test_it_does_not_matter_which_of_two_data_of_one_time_comes_first():
    filter, row = GaussianSumBank(space(1, Gaussian(SD)), PRIOR), readings(2, 2)[0]
    state = filter.forecast(filter.init(KNOWN, 2), STEP)
    after, _ = filter.analyse(filter.observe_shared(state, dish)[0], "camera", row)
    before, _ = filter.observe_shared(filter.analyse(state, "camera", row)[0], dish)
    assert after.log_evidence == pytest.approx(before.log_evidence, abs=1e-6)
    assert after.mean == pytest.approx(before.mean, abs=1e-6)
    assert after.cell_mean == pytest.approx(before.cell_mean, rel=1e-6)


def test_what_a_dead_cell_says_is_bayes_rule_for_the_unknowns_alone():
    filter = GaussianSumBank(space(1, Gaussian(SD)), PRIOR, reach=7.0)
    state, _ = filter.observe_shared(filter.init(KNOWN, 1), dish)
    precision = 0.3**-2 + 0.1**-2
    mean = (np.log(2.5) / 0.3**2 + 0.8 / 0.1**2) / precision
    assert state.mean == pytest.approx([mean, np.log(1.2)], abs=1e-9)
    assert state.cov == pytest.approx(np.diag([1 / precision, 0.2**2]), abs=1e-9)
    assert state.log_evidence == pytest.approx(norm.logpdf(0.8, np.log(2.5), np.hypot(0.3, 0.1)), abs=1e-9)
    upper = [mean + 1.6448536 * precision**-0.5, np.log(1.2) + 1.6448536 * 0.2]
    assert state.quantile(0.95) == pytest.approx(upper, abs=1e-4)
    assert state.cdf(upper) == pytest.approx(0.95, abs=1e-4)
    assert state.cdf(state.quantile(0.3)) == pytest.approx(0.3, abs=1e-6)


def test_half_of_a_cells_law_lies_below_its_median():
    state, _ = followed(GaussianSumBank(space(1, Gaussian(SD)), PRIOR), readings(2, 2))
    assert state.cell_cdf(state.cell_quantile(0.5)) == pytest.approx(0.5, abs=1e-9)


def test_a_lattice_integrates_a_correlated_normal_law():
    mean, cov = np.array([1.0, -2.0, 0.5]), np.array([[4.0, 1.9, 0.2], [1.9, 1.0, 0.1], [0.2, 0.1, 0.3]])
    lattice = Lattice.around(mean, cov, 0.8, 6.5)
    weight = multivariate_normal(mean, cov).pdf(lattice.points) * np.exp(lattice.log_volume)
    assert weight.sum() == pytest.approx(1.0, abs=1e-7)
    assert weight @ lattice.points == pytest.approx(mean, abs=1e-6)
    assert lattice.resolves(cov, 0.81)
    assert not lattice.resolves(cov / 4, 0.81)


def test_an_unknown_that_drifts_is_refused():
    with pytest.raises(InputError, match="drift"):
        GaussianSumBank(space(1, Gaussian(SD)), {"gain": Unknown(1.2, 0.2, drift=0.1)})
