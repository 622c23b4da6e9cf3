"""Moments of gene expression and cells that are followed, against exact moments and a simulation."""

import numpy as np
import pytest

from mscale_uq.core.dynamics import initial_name
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import InputError, WiringError
from mscale_uq.filters.loop import prepared
from mscale_uq.filters.series import filter_stream
from mscale_uq.macro.cells import FollowedCells, MomentPath, Population
from mscale_uq.macro.linear_sde import LinearSDE, matrix
from mscale_uq.macro.side_by_side import SideBySide
from mscale_uq.observe.counts import NegativeBinomial
from mscale_uq.observe.followed import Followed
from mscale_uq.observe.laws import Gaussian

SPECIES = (Quantity("mrna", "1"), Quantity("protein", "1"))
STOICHIOMETRY = ((1, -1, 0, 0), (0, 0, 1, -1))
RATES = {"k_m": 2.0, "gamma_m": 0.1386, "k_p": 4.0, "gamma_p": 0.0231}
VALUES = {name: np.array(rate) for name, rate in RATES.items()}


def two_stage(k_m, gamma_m, k_p, gamma_p):
    none = 0 * k_m
    return matrix([[0, 0], [gamma_m, 0], [k_p, 0], [0, gamma_p]]), np.stack([k_m, none, none, none])


def population(**options):
    return Population(SPECIES, STOICHIOMETRY, two_stage, **options)


def test_gene_expression_settles_at_its_exact_moments():
    law = population().formula.value(VALUES)
    m, p, var_m, cov, var_p = np.linalg.solve(law["A"], -law["c"])
    assert (m, p) == pytest.approx((14.4300, 2498.70), abs=5e-3)
    assert var_m == pytest.approx(m, rel=1e-12)
    assert cov == pytest.approx(356.9577, abs=5e-5)
    assert var_p / p == pytest.approx(1 + RATES["k_p"] / (RATES["gamma_m"] + RATES["gamma_p"]), rel=1e-12)


def test_induced_mrna_is_poisson_at_every_time():
    times = np.array([1.0, 3.0, 10.0, 200.0])
    made = MomentPath(population(), times, "F", "Q").value(VALUES)
    rise = 2.0 / 0.1386 * (1 - np.exp(-0.1386 * times))
    assert made["mrna_mean"] == pytest.approx(rise, rel=1e-12)
    assert made["mrna_var"] == pytest.approx(rise, rel=1e-12)


def test_the_steps_of_one_cell_add_up_to_the_covariance_of_the_population():
    times = np.array([2.0, 5.0, 5.5, 30.0, 100.0])
    made = MomentPath(population(first=(3.0, 100.0), begin=1.0), times, "F", "Q").value(VALUES)
    P = np.zeros((2, 2))
    for t, (F, Q) in enumerate(zip(made["F"], made["Q"], strict=True)):
        P = F @ P @ F.T + Q
        rows = [made["mrna_var"][t], made["mrna_protein_cov"][t], made["protein_var"][t]]
        assert [P[0, 0], P[0, 1], P[1, 1]] == pytest.approx(rows, rel=1e-11)


def test_the_derivative_of_the_path_is_its_difference():
    stage = MomentPath(population(), np.array([2.0, 5.0, 5.5, 30.0]), "F", "Q")
    _, linear = stage.linearize(VALUES)
    for name, value in VALUES.items():
        h = 1e-6 * value
        high, low = (stage.value({**VALUES, name: value + s * h}) for s in (1, -1))
        for output, slope in linear.jvp({name: np.array(1.0)}).items():
            assert slope == pytest.approx((high[output] - low[output]) / (2 * h), rel=2e-7, abs=1e-6)


def by_events(cells, times, rng):
    """Simulate every reaction of every cell; ``(cells, times, 2)``."""
    state, now, seen = np.zeros((cells, 2)), np.zeros(cells), np.zeros((cells, len(times), 2))
    change = np.array(STOICHIOMETRY).T
    for t, time in enumerate(times):
        running = np.arange(cells)
        while running.size:
            m, p = state[running].T
            rates = np.stack([2.0 + 0 * m, 0.1386 * m, 4.0 * m, 0.0231 * p], axis=1)
            total = rates.sum(axis=1)
            then = now[running] + rng.exponential(1 / total)
            due = then < time
            pick = (rng.random(running.size)[:, None] * total[:, None] > rates.cumsum(axis=1)).sum(axis=1)
            now[running] = np.where(due, then, time)
            running, pick = running[due], pick[due]
            state[running] += change[pick]
        seen[:, t] = state
    return seen


def test_cells_simulated_event_by_event_have_the_moments_of_the_equations():
    times, cells = np.array([6.0, 15.0]), 4000
    drawn = by_events(cells, times, np.random.default_rng(5))
    made = MomentPath(population(), times, "F", "Q").value(VALUES)
    for t in (0, 1):
        mean, cov = drawn[:, t].mean(axis=0), np.cov(drawn[:, t], rowvar=False)
        exact = np.array([[made["mrna_var"][t], made["mrna_protein_cov"][t]], [0, made["protein_var"][t]]])
        assert mean == pytest.approx([made["mrna_mean"][t], made["protein_mean"][t]], rel=0.03)
        assert cov[np.triu_indices(2)] == pytest.approx(exact[np.triu_indices(2)], rel=0.12)
    # Later numbers follow from earlier ones by F.
    one, other = drawn[:, 0] - drawn[:, 0].mean(axis=0), drawn[:, 1] - drawn[:, 1].mean(axis=0)
    F = np.linalg.solve(one.T @ one, one.T @ other).T
    assert pytest.approx(made["F"][1], rel=0.1, abs=0.02) == F


def light():
    return np.array([[0.0, 1.5]]), np.zeros(1)


def test_one_followed_cell_has_the_same_likelihood_as_law_and_in_the_kalman_filter():
    times = np.array([5.0, 10.0, 20.0])
    cells, people = FollowedCells(population(), 1), population()
    reading = LinearReading("light", cells.state, light, shape=(1,))
    camera = ObservationOperator("light", Gaussian(20.0), reading)
    parameters = [Parameter(name, "1/min", rate, lower=0) for name, rate in RATES.items()]
    space = StateSpace([], cells, {"camera": camera}, parameters, people.start())
    data = np.array([140.0, np.nan, 900.0])
    stream = [Observation(t, "camera", "light", [y]) for t, y in zip(times, data, strict=True)]
    _, logs = filter_stream(space, prepared(space, RATES), stream)
    made = MomentPath(people, times, "light_transition", "light_diffusion").value(VALUES)
    law = Followed(Gaussian(20.0), "light", (0, 0, 0), (0, 1, 2))
    values = {**made, "light_slope": np.array([[0.0, 1.5]] * 3)}
    terms = law.logpdf(data, 1.5 * made["protein_mean"], np.zeros(3), values)
    assert terms.pointwise == pytest.approx(logs, rel=1e-10)


def test_side_by_side_each_moves_as_alone():
    people = population()
    walk = LinearSDE("walk", (Quantity("x", "1"),), lambda D: (0 * matrix([[D]]), np.zeros(1), matrix([[D]])))
    both = SideBySide([people.moments(), FollowedCells(people, 2), walk])
    values = {**VALUES, "D": np.array(0.3)}
    whole, slopes = both.linearize_transitions([(4.0, 9.0)], values)[0]
    first = 0
    for part in both.parts:
        alone, own = part.linearize_transitions([(4.0, 9.0)], values)[0]
        rows = slice(first, first + part.size)
        assert np.array_equal(whole.F[rows, rows], alone.F)
        assert np.array_equal(whole.Q[rows, rows], alone.Q)
        for name, slope in slopes.items():
            expected = own[name].b if name in own else 0.0
            assert np.all(slope.b[rows] == expected)
        first = rows.stop
    assert np.count_nonzero(whole.F) == sum(
        np.count_nonzero(p.transition(4.0, 9.0, values).F) for p in both.parts
    )
    with pytest.raises(WiringError, match="twice"):
        SideBySide([people.moments(), people.moments()])


def test_cells_do_not_move_before_the_beginning():
    with pytest.raises(InputError, match="1 or later"):
        FollowedCells(population(begin=1.0), 1).transition(0.0, 2.0, VALUES)


def observed(variable, destructive):
    people = population()
    cells = FollowedCells(people, 2)
    both = SideBySide([people.moments(), cells])
    constants = {**people.start()}
    parameters = [Parameter(name, "1/min", rate, lower=0) for name, rate in RATES.items()]
    sequencer = ObservationOperator(variable, NegativeBinomial(0.0), destructive=destructive)
    return StateSpace([], both, {"sequencer": sequencer}, parameters, constants)


def test_a_sequenced_cell_can_be_no_reading_of_a_tracked_one():
    assert observed("mrna_mean", destructive=True).observations["sequencer"].destructive
    with pytest.raises(WiringError, match="destroys what it reads, and reads the tracked 'mrna'"):
        observed("mrna", destructive=True)


def test_counts_are_of_cells_that_are_gone_unless_somebody_says_that_they_live_on():
    with pytest.raises(WiringError, match="tracked 'mrna'"):
        observed("mrna", destructive=None)
    assert not observed("mrna", destructive=False).observations["sequencer"].destroys
    light = ObservationOperator("mrna", Gaussian(1.0))
    assert not light.destroys


def test_the_beginning_is_the_same_for_the_population_and_its_cells():
    start = population(first=(3.0, 100.0)).start()
    assert start[initial_name("mrna")] == start[initial_name("mrna_mean")] == 3.0
    assert start[initial_name("protein_var")] == 0.0


def test_cells_moved_by_one_rate_have_its_derivative_alone():
    cells, intervals = FollowedCells(population(), 2), [(0.0, 5.0), (5.0, 12.0)]
    whole = cells.linearize_transitions(intervals, VALUES)
    alone = cells.moved_by(["k_p"]).linearize_transitions(intervals, VALUES)
    for (now, all_slopes), (same, slopes) in zip(whole, alone, strict=True):
        assert slopes.keys() == {"k_p"}
        for part in ("F", "b", "Q"):
            assert np.array_equal(getattr(same, part), getattr(now, part))
            assert getattr(slopes["k_p"], part) == pytest.approx(getattr(all_slopes["k_p"], part), rel=1e-12)
