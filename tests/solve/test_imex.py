"""The implicit-explicit march of a column against exact solutions: order, stiffness, positivity, budget."""

import numpy as np
import pytest
from laplace_space import exact, ogata_banks
from scipy.linalg import expm
from slopes import check_step_slopes

from mscale_uq.errors import InputError, SolveFailed
from mscale_uq.macro.column import Breakthrough, Column, ColumnDynamics
from mscale_uq.macro.kinetics import Kinetics

HERE = {"velocity": 1.0, "dispersion": 0.5, "K": 1.0, "k": 0.15}


def sorption(c, s, p):
    return p[1] * (p[0] * c - s)


def inert(c, s, p):
    return 0 * c


SORPTION, INERT = Kinetics(sorption, ("K", "k")), Kinetics(inert, ())


def curve(times, values, cells=100, kinetics=SORPTION, courant=0.7, scheme="central"):
    # The outlet is 10 further away: what it changes at the reading is of the size of exp(-20).
    column = Column(kinetics, 10.0, 1.0, cells, courant * 20.0 / cells, scheme=scheme)
    return Breakthrough(column, times).value(values)["breakthrough"]


def test_the_solution_of_ogata_and_banks_has_the_known_values_and_is_that_in_laplace_space():
    times = np.array([5.0, 10.0, 20.0])
    known = [0.0174534, 0.5616070, 0.9921061]
    assert ogata_banks(10.0, 1.0, 0.5, times) == pytest.approx(known, abs=5e-8)
    assert exact(10.0, 1.0, 0.5, 0.0, 1.0, times) == pytest.approx(known, abs=5e-8)
    assert curve(times, HERE, cells=300, kinetics=INERT) == pytest.approx(known, abs=2e-4)


def cloud(cells, scheme):
    """Error of a cloud that drifts and spreads for 4 s, against the exact normal profile."""
    column = Column(INERT, 10.0, 1.0, cells, 0.7 * 20.0 / cells, pulse=0.0, scheme=scheme)
    x = (np.arange(cells) + 0.5) * 20.0 / cells

    def profile(centre, variance):
        return np.exp(-((x - centre) ** 2) / (2 * variance)) / np.sqrt(variance)

    values, none = {"velocity": 1.0, "dispersion": 0.3}, np.zeros((0, 2))
    start = np.concatenate([profile(6.0, 0.8), np.zeros(cells)])
    made = column.move(start, 0.0, 4.0, values, np.zeros((0, 2 * cells)), none)
    return np.abs(made.state[:cells] - profile(10.0, 0.8 + 2 * 0.3 * 4.0)).max()


@pytest.mark.parametrize(("scheme", "order"), [("central", 1.9), ("upwind", 0.8)])
def test_a_drifting_cloud_converges_at_the_order_of_the_scheme(scheme, order):
    errors = [cloud(cells, scheme) for cells in (80, 160, 320)]
    assert (np.log2(np.array(errors[:-1]) / errors[1:]) > order).all()


def test_a_front_from_a_sudden_inlet_converges_to_the_exact_curve_of_slow_binding():
    """Not at second order: the flow of a jump at the inlet begins as the inverse root of time."""
    times = np.linspace(4, 50, 24)
    known = exact(10.0, 1.0, 0.5, 1.0, 0.15, times)
    errors = np.array([np.abs(curve(times, HERE, cells) - known).max() for cells in (60, 120, 240)])
    assert (np.log2(errors[:-1] / errors[1:]) > 1.3).all()
    assert errors[-1] < 2e-4


def test_the_scheme_keeps_its_time_step_and_its_order_as_binding_becomes_instantaneous():
    """Retardation R = 1 + K: the limit is Ogata and Banks with v/R and D/R."""
    times = np.linspace(8, 50, 22)
    limit = ogata_banks(10.0, 0.5, 0.25, times)
    for k in (1e3, 1e6, 1e9):
        errors = [np.abs(curve(times, {**HERE, "k": k}, cells) - limit).max() for cells in (60, 120)]
        assert errors[1] < 1.5e-3
        assert errors[0] / errors[1] > 3
    assert np.abs(curve(times, {**HERE, "k": 1.0}, 120) - limit).max() > 0.05  # slow binding shows


def resolved(cells, time, k):
    """The same finite volumes in exact time, from an empty column: by the exponential of their matrix."""
    dx, i, both = 20.0 / cells, np.arange(cells), slice(0, cells)
    faces = np.zeros((cells + 1, cells + 1))  # what passes each face, by c; the last column is the inlet's
    D = HERE["dispersion"]
    faces[0, 0], faces[0, -1] = -2 * D / dx, 1.0 + 2 * D / dx
    faces[i[1:], i[:-1]], faces[i[1:], i[1:]] = 0.5 + D / dx, 0.5 - D / dx
    faces[-1, cells - 1] = 1.0
    carried, bound, K = -np.diff(faces, axis=0) / dx, slice(cells, 2 * cells), HERE["K"]
    M = np.zeros((2 * cells + 1, 2 * cells + 1))
    M[both, both], M[both, -1] = carried[:, :-1] - k * K * np.eye(cells), carried[:, -1]
    M[both, bound], M[bound, both], M[bound, bound] = (k * f * np.eye(cells) for f in (1.0, K, -1.0))
    return expm(M * time)[:-1, -1]


def test_the_order_in_time_is_two_whatever_the_rate():
    """What Prothero and Robinson ask: a stiff source, here binding, costs neither order nor error."""
    cells, time, errors = 30, 12.0, {}
    for k in (0.15, 30.0, 1e3, 1e6, 1e9):
        exact = resolved(cells, time, k)
        for steps in (20, 40, 80):
            column = Column(SORPTION, 10.0, 1.0, cells, time / steps)
            none, empty = (np.zeros((0, size)) for size in (4, 2 * cells))
            made = column.move(np.zeros(2 * cells), 0.0, time, {**HERE, "k": k}, empty, none).state
            errors[k, steps] = np.abs(made - exact).max()
        assert np.log2(errors[k, 20] / errors[k, 40]) > 1.8
        assert np.log2(errors[k, 40] / errors[k, 80]) > 1.8
        assert errors[k, 80] < 2 * errors[0.15, 80]


def test_concentrations_stay_between_nothing_and_the_inlet_with_upwind_faces():
    column = Column(SORPTION, 10.0, 0.5, 60, 0.2, pulse=3.0, scheme="upwind")
    state = np.zeros(120)
    for start in range(0, 40, 4):
        for k in (1e-2, 1e6):
            values = {**HERE, "dispersion": 1e-3, "k": k}
            made = column.move(state, start, start + 4.0, values, np.zeros((0, 120)), np.zeros((0, 4)))
            assert made.state.min() >= 0
            assert made.state.max() <= 1 + 1e-12
        state = made.state


@pytest.mark.parametrize("scheme", ["central", "upwind"])
def test_every_step_keeps_what_it_has(scheme):
    column = Column(SORPTION, 10.0, 0.5, 60, 0.2, pulse=3.0, scheme=scheme)
    made = column.move(np.zeros(120), 0.0, 40.0, {**HERE, "k": 1e6}, np.zeros((0, 120)), np.zeros((0, 4)))
    assert len(made.ledgers) == 2
    assert max(ledger.defect for ledger in made.ledgers) < 1e-13


def test_a_step_of_the_dynamics_has_the_derivative_of_differences():
    rng = np.random.default_rng(5)
    change = {name: rng.standard_normal() for name in HERE}
    check_step_slopes(ColumnDynamics(Column(SORPTION, 10.0, 0.5, 12, 0.7)), 2.0, HERE, change, rng)


def test_a_step_that_crosses_more_than_a_cell_is_refused():
    with pytest.raises(SolveFailed, match="shorten max_step"):
        curve([5.0], {**HERE, "velocity": 3.0})
    with pytest.raises(InputError, match="upwind, central"):
        Column(SORPTION, 1.0, 0.5, 10, 0.1, scheme="downwind")


@pytest.mark.parametrize(("phi", "expected"), [(1.0, 0.761594), (3.0, 0.331685)])
def test_the_effectiveness_of_a_slab_is_tanh_phi_over_phi(phi, expected):
    """Diffusion into a slab that consumes at first order; the column with no flow is such a slab."""
    cells = 400
    column = Column(Kinetics(consumed, ("rate",)), 1.0, 0.0, cells, 5.0)
    values = {"velocity": 0.0, "dispersion": 1.0, "rate": phi**2}
    made = column.move(np.zeros(2 * cells), 0.0, 200.0, values, np.zeros((0, 2 * cells)), np.zeros((0, 3)))
    assert made.state[:cells].mean() == pytest.approx(expected, abs=4e-6)


def consumed(c, s, p):
    return p[0] * c


def robertson(c, s, p):
    """Robertson's A and C, with the fast species B at the equilibrium that it has with them."""
    slow, fast, between = p[0] * c, p[1], p[2] * s
    B = 2 * slow / (between + np.sqrt(between**2 + 4 * slow * fast))
    return slow - between * B


@pytest.mark.parametrize(
    ("time", "step", "A", "C", "B"),
    [(0.4, 0.01, 0.985172114, 0.0147940222, 3.38639538e-5),
     (40.0, 0.2, 0.715827069, 0.284163746, 9.18553476e-6),
     (4000.0, 1.0, 0.183202258, 0.816796848, 8.94237e-7)],
)  # fmt: skip
def test_a_fast_species_may_be_closed_at_its_equilibrium_with_no_step_as_short_as_it_is_fast(
    time, step, A, C, B
):
    """Robertson's reaction, whose fastest rate is 3e7; what the closure leaves out is B itself."""
    column = Column(Kinetics(robertson, ("slow", "fast", "between")), 1.0, 0.0, 4, step)
    values = {"velocity": 0.0, "dispersion": 1e-12, "slow": 0.04, "fast": 3e7, "between": 1e4}
    start = np.repeat([1.0, 0.0], 4)
    made = column.move(start, 0.0, time, values, np.zeros((0, 8)), np.zeros((0, 5))).state
    assert made[1] == pytest.approx(A, abs=1.2 * B + 1e-6)
    assert made[5] == pytest.approx(C, abs=1.2 * B + 1e-6)
