"""Cells that divide, against moments that are integrated by themselves, and cells played by chance."""

import numpy as np
import pytest
from division import divide
from scipy.integrate import solve_ivp
from scipy.stats import multivariate_normal
from tracked_cells import GAIN, KNOWN, RATES, SPECIES, population, two_stage

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.observation import Observation
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import InputError
from mscale_uq.filters.augment import Unknown, augment
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.likelihood import KalmanLikelihood
from mscale_uq.filters.loop import run
from mscale_uq.filters.node_sum import GaussianSum
from mscale_uq.macro.cells import FollowedCells, Population
from mscale_uq.macro.dividing_cells import DividingCells
from mscale_uq.macro.jets import Sets
from mscale_uq.macro.lineage import Lineage, by_place
from mscale_uq.observe.laws import Gaussian

# Cell 3 stays alone. Cell 0 divides at 22 into 1 and 4, and 4 at 47 into 2 and 5.
CELLS = 6
PARENT, BORN = (0.0, 0.0, 4.0, 3.0, 0.0, 4.0), (0.0, 22.0, 47.0, 0.0, 22.0, 47.0)
FRAMES = {10.0: (0, 3), 20.0: (0, 3), 25.0: (1, 3, 4), 45.0: (1, 4), 50.0: (1, 2, 3, 5), 60.0: (2, 5)}
LINEAGE = {"parent": np.array(PARENT), "born": np.array(BORN)}
NOISE = 40.0


def light(gain):
    return gain * np.eye(2 * CELLS)[CELLS:], 100.0 * np.ones(CELLS)


def space(cells=None, lineage=LINEAGE):
    followed = cells or DividingCells(population(), CELLS)
    reading = LinearReading("light", followed.state, light, shape=(CELLS,))
    camera = {"camera": ObservationOperator("light", Gaussian(NOISE), reading)}
    return StateSpace([], followed, camera, (*RATES, GAIN), {**population().start(), **lineage})


def movie(seed=0):
    rng, made = np.random.default_rng(seed), []
    for time, seen in FRAMES.items():
        row = np.full(CELLS, np.nan)
        row[list(seen)] = 100 + 3000 * (1 - np.exp(-0.02 * time)) + 300 * rng.standard_normal(len(seen))
        made.append(Observation(time, "camera", "light", row))
    return made


class Dense:
    """Mean and covariance of all cells at all times, by integrating their equations and growing the matrix.

    The last entries are the cells now, two numbers each in the order of `alive`; those before are readings.
    """

    def __init__(self, gain):
        rates, start = two_stage(*KNOWN_RATES)
        self.S = np.array(((1, -1, 0, 0), (0, 0, 1, -1)), dtype=float)
        self.rates, self.start, self.gain = rates, start, gain
        self.alive, self.now, self.read = [0, 3], 0.0, 0
        self.mean, self.cov = np.zeros(4), np.zeros((4, 4))

    def move(self, time):
        n, k, r = self.mean.size, len(self.alive), self.read
        A = np.zeros((n, n))
        A[r:, r:] = np.kron(np.eye(k), self.S @ self.rates)
        c = np.concatenate([np.zeros(r), np.tile(self.S @ self.start, k)])

        def slope(_, y):
            m, P = y[:n], y[n:].reshape(n, n)
            G = np.zeros((n, n))
            for i in range(k):
                own = slice(r + 2 * i, r + 2 * i + 2)
                G[own, own] = self.S @ np.diag(self.rates @ m[own] + self.start) @ self.S.T
            return np.concatenate([A @ m + c, (A @ P + P @ A.T + G).ravel()])

        begin = np.concatenate([self.mean, self.cov.ravel()])
        end = solve_ivp(slope, (self.now, time), begin, method="DOP853", rtol=1e-11, atol=1e-9).y[:, -1]
        self.mean, self.cov, self.now = end[:n], end[n:].reshape(n, n), time

    def split(self, mother, daughters):
        place = self.read + 2 * self.alive.index(mother)
        own, rest = [place, place + 1], [i for i in range(self.mean.size) if i not in (place, place + 1)]
        m, P = divide(self.mean[own], self.cov[np.ix_(own, own)])
        half = np.tile(self.cov[np.ix_(rest, own)] / 2, 2)
        self.mean = np.concatenate([self.mean[rest], m])
        self.cov = np.block([[self.cov[np.ix_(rest, rest)], half], [half.T, P]])
        self.alive = [one for one in self.alive if one != mother] + list(daughters)

    def see(self, cells):
        r = self.read
        H = np.zeros((len(cells), self.mean.size))
        for row, cell in enumerate(cells):
            H[row, r + 2 * self.alive.index(cell) + 1] = self.gain
        grown = np.vstack([np.eye(self.mean.size)[:r], H, np.eye(self.mean.size)[r:]])
        self.mean, self.cov = grown @ self.mean, grown @ self.cov @ grown.T
        noise = np.arange(r, r + len(cells))
        self.cov[noise, noise] += NOISE**2
        self.mean[noise] += 100.0
        self.read += len(cells)


KNOWN_RATES = [np.float64(KNOWN[p.name]) for p in RATES]


def dense(gain=1.5):
    whole, divisions = Dense(gain), {22.0: (0, (1, 4)), 47.0: (4, (2, 5))}
    for time in sorted({*FRAMES, *divisions}):
        whole.move(time)
        if time in divisions:
            whole.split(*divisions[time])
        if time in FRAMES:
            whole.see(FRAMES[time])
    return whole


def test_all_readings_of_a_family_and_its_last_state_are_the_dense_normal_law():
    data, whole = movie(), dense()
    steps = list(run(Kalman(), space(), KNOWN, data))
    state = steps[-1][0]
    y = np.concatenate([one.value[~np.isnan(one.value)] for one in data])
    r = whole.read
    joint = multivariate_normal(whole.mean[:r], whole.cov[:r, :r]).logpdf(y)
    assert sum(info.log_evidence for _, info in steps) == pytest.approx(joint, abs=1e-6)
    gain = np.linalg.solve(whole.cov[:r, :r], whole.cov[:r, r:]).T
    mean = whole.mean[r:] + gain @ (y - whole.mean[:r])
    cov = whole.cov[r:, r:] - gain @ whole.cov[:r, r:]
    places = [i for cell in whole.alive for i in (cell, CELLS + cell)]
    assert state.mean[places] == pytest.approx(mean, rel=1e-7)
    assert state.cov[np.ix_(places, places)] == pytest.approx(cov, rel=1e-6, abs=1e-5)
    gone = [0, CELLS, 4, CELLS + 4]
    assert np.all(state.mean[gone] == 0)
    assert np.all(state.cov[gone] == 0)


UNKNOWN = {"k_m": Unknown(2.5, 0.4), "gain": Unknown(1.2, 0.3)}
REST = {name: value for name, value in KNOWN.items() if name not in UNKNOWN}


def test_at_each_node_of_a_gaussian_sum_stands_the_exact_filter_family_by_family():
    state, _ = list(run(GaussianSum(16), augment(space(), UNKNOWN), REST, movie(), key=1))[-1]
    assert [kind.shape for kind in state.blocks.kinds] == [(1, 2), (1, 10)]
    for g in (0, 7):
        theta = {**REST, **dict(zip(UNKNOWN, np.exp(state.points[g]), strict=True))}
        *_, (alone, _) = run(Kalman(), space(), theta, movie())
        scale = np.sqrt(np.diag(alone.cov)) + 1e-3
        assert np.all(np.abs(state.means[g] - alone.mean) < 1e-7 * scale)
        assert np.all(np.abs(state.blocks.dense()[g] - alone.cov) < 1e-7 * np.outer(scale, scale))


def test_what_is_not_born_yet_changes_nothing_of_what_was_before():
    """A stream learns of a division when the daughters come."""
    before = [one for one in movie() if one.time <= 20.0]
    unknown = {"parent": np.arange(float(CELLS)), "born": np.zeros(CELLS)}
    ends = [
        list(run(GaussianSum(16), augment(space(lineage=past), UNKNOWN), REST, before))[-1][0]
        for past in (LINEAGE, unknown)
    ]
    assert np.array_equal(ends[0].cov, ends[1].cov)
    assert np.array_equal(ends[0].log_mass, ends[1].log_mass)


def test_cells_that_do_not_divide_move_as_followed_cells_do():
    none = {**KNOWN, "parent": np.arange(2.0), "born": np.zeros(2)}
    divided, plain = DividingCells(population(), 2), FollowedCells(population(), 2)
    pairs = [(one.transition(5.0, 20.0, none), one) for one in (divided, plain)]
    for part in ("F", "b", "Q"):
        assert getattr(pairs[0][0], part) == pytest.approx(getattr(pairs[1][0], part), rel=1e-12, abs=1e-12)
    slope = divided.linearize_transitions([(5.0, 20.0)], none)[0][1]["k_m"]
    assert np.any(slope.Q)


def test_messages_without_proteins_are_poisson_in_daughters_too_and_tell_nothing_of_each_other():
    """Each message is born, dies and is dealt out by itself, so that none knows of another."""
    past = {**KNOWN, "parent": np.array([0.0, 0.0, 0.0]), "born": np.array([0.0, 12.0, 12.0])}
    for share in (0.5, 0.3):
        move = DividingCells(population(), 3, share).transition(0.0, 15.0, past)
        rate, decay = KNOWN["k_m"], KNOWN["gamma_m"]
        then = rate / decay * (1 - np.exp(-decay * 12.0))
        own = rate / decay * (1 - np.exp(-decay * 3.0))
        mean = np.array([0.0, share, 1 - share]) * then * np.exp(-decay * 3.0) + [0.0, own, own]
        assert move.b[:3] == pytest.approx(mean, rel=1e-12)
        assert move.Q[:3, :3] == pytest.approx(np.diag(mean), rel=1e-10, abs=1e-10)


def test_no_molecule_is_lost_at_a_division():
    past = {**KNOWN, "parent": np.array([0.0, 0.0, 0.0]), "born": np.array([0.0, 12.0, 12.0])}
    cells = DividingCells(population(), 3, share=0.3)
    before, after = (cells.transition(0.0, time, past) for time in (np.nextafter(12.0, 0.0), 12.0))
    total = np.kron(np.eye(2), [[0.0, 1.0, 1.0]])
    mother = np.kron(np.eye(2), [[1.0, 0.0, 0.0]])
    assert total @ after.b == pytest.approx(mother @ before.b, rel=1e-12)
    assert total @ after.Q @ total.T == pytest.approx(mother @ before.Q @ mother.T, rel=1e-11)


WRONG = {
    "three daughters": ((0, 0, 0, 0), (0, 5, 5, 5), "at most two"),
    "daughters of two ages": ((0, 0, 0), (0, 5, 6), "born at one time"),
    "a daughter as old as her mother": ((0, 0, 1), (0, 5, 5), "not younger"),
    "a circle": ((1, 0), (5, 6), "not younger"),
    "nobody's daughter": ((0, 7), (0, 5), "the mother of cell 1 is 7"),
    "born at no time": ((0, 0), (0, np.nan), "not younger"),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_impossible_lineage_is_refused(what):
    parent, born, said = WRONG[what]
    with pytest.raises(InputError, match=said):
        Lineage(parent, born)


def test_mistakes_are_told():
    for share in (0.0, 1.0, -0.1):
        with pytest.raises(InputError, match=f"share = {share}"):
            DividingCells(population(), 2, share=share)
    with pytest.raises(InputError, match="cell 2 comes from 9; allowed: one of 1, 2"):
        by_place([1, 2], [1, 9], [0, 5])
    late = Population(SPECIES, ((1, -1, 0, 0), (0, 0, 1, -1)), two_stage, begin=30.0)
    with pytest.raises(InputError, match="born at 22"):
        DividingCells(late, CELLS).transition(30.0, 40.0, {**KNOWN, **LINEAGE})


def test_the_derivative_of_a_move_through_divisions_is_its_difference():
    cells, none = DividingCells(population(), CELLS, share=0.4), {**KNOWN, **LINEAGE}
    for interval in ((5.0, 50.0), (25.0, 45.0), (3.0, 9.0)):
        whole, slopes = cells.linearize_transitions([interval], none)[0]
        assert pytest.approx(cells.transition(*interval, none).Q, rel=1e-11, abs=1e-11) == whole.Q
        assert list(slopes) == list(population().formula.inputs)
        for name, slope in slopes.items():
            h = 1e-5 * none[name]
            high, low = (cells.transition(*interval, {**none, name: none[name] + s * h}) for s in (1, -1))
            for part in ("F", "b", "Q"):
                difference = (getattr(high, part) - getattr(low, part)) / (2 * h)
                largest = np.abs(difference).max()
                assert getattr(slope, part) == pytest.approx(difference, rel=1e-7, abs=1e-8 * largest)


def test_the_likelihood_of_a_family_has_its_exact_slope():
    """A sampler may walk on it; the value is that of the dense normal law."""
    likelihood = KalmanLikelihood(space(), movie())
    theta = np.array([KNOWN[name] for name in likelihood.names])
    density, slope = likelihood.logpdf_gradient(theta)
    whole = dense()
    y = np.concatenate([one.value[~np.isnan(one.value)] for one in movie()])
    exact = multivariate_normal(whole.mean[: y.size], whole.cov[: y.size, : y.size])
    assert density == pytest.approx(exact.logpdf(y), abs=1e-6)
    for k, unit in enumerate(np.eye(theta.size)):
        h = 1e-5 * theta[k]
        rise = likelihood.logpdf(theta + h * unit) - likelihood.logpdf(theta - h * unit)
        assert slope[k] == pytest.approx(rise / (2 * h), rel=1e-5, abs=1e-6)


def two_families(other):
    """Cells 0 and 1 of two families; daughters of 0 at 22, of 1 at `other`."""
    return {
        **KNOWN,
        "parent": np.array([0.0, 1, 0, 0, 1, 1]),
        "born": np.array([0.0, 0, 22, 22, other, other]),
    }


def test_when_others_divide_changes_no_digit_of_a_family():
    cells = DividingCells(population(), CELLS)
    apart, together = (cells.block_rows(20.0, 30.0, two_families(time), 1)[0] for time in (27.0, 22.0))
    for part in ("F", "b", "Q"):
        assert np.array_equal(getattr(apart, part), getattr(together, part))


def test_what_a_time_does_is_worked_out_once_for_all_cells(monkeypatch):
    asked, moves = [], Sets.moves

    def listened(law, length, n=None):
        asked.append((length, n))
        return moves(law, length, n)

    monkeypatch.setattr(Sets, "moves", listened)
    DividingCells(population(), CELLS).block_rows(20.0, 30.0, two_families(22.0), 1)
    assert {length for length, n in asked if n is None} == {2.0, 8.0}
    assert len(asked) == len(set(asked))
