"""A graded cell is the cell, at every state, to the error that it states."""

import numpy as np
import pytest

from mscale_uq.cell.conduction import PeriodicConduction
from mscale_uq.cell.ellipse import SmoothEllipse
from mscale_uq.cell.graded import Graded, GradedCell, Grades
from mscale_uq.cell.grid import ACCURACIES, FOURIER_FROM, periodic_grid
from mscale_uq.core.chain import Chain
from mscale_uq.core.each import Each, each
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import NoGradient, OutOfLimits, ParameterError, SolveFailed
from mscale_uq.solve.neighbours import starts

READ = ("k_i", "k_m", "v", "alpha", "rho")
STATE = {"k_i": 10.0, "k_m": 1.2, "alpha": 0.6, "rho": 1.5}


def cell(elements=16, accuracy="reference"):
    shape = (elements, elements)
    return [SmoothEllipse(shape), PeriodicConduction(shape, tensor="K_cell", accuracy=accuracy)]


def graded(nodes=9, elements=16, accuracy="reference", **settings):
    grades = Grades(0.08, 0.38, nodes)
    cells = GradedCell(cell(elements, accuracy), [*STATE], "v", grades, "K_cell", "K_solved")
    return [cells, Graded("K_solved", "v", grades, "K", **settings)]


def chain(*given, **settings):
    return Chain(graded(*given, **settings), READ)


def states(count=12):
    return np.random.default_rng(0).uniform(0.08, 0.38, count)


def one_by_one(v, elements=16):
    """The naive way: a cell problem at every state."""
    ellipse, conduction = cell(elements)
    return np.array([conduction.value(ellipse.value({**STATE, "v": one}))["K_cell"] for one in v])


@pytest.mark.parametrize(("nodes", "allowed"), [(5, 1e-3), (9, 1e-5), (13, 1e-7)])
def test_it_is_a_cell_problem_at_every_state_and_knows_its_own_error(nodes, allowed):
    v = states()
    made, exact = chain(nodes, 32).value({**STATE, "v": v}), one_by_one(v, 32)
    error = np.abs(made["K"] - exact).max() / np.abs(exact).max()
    assert error < allowed
    assert error / 20 < made["K_error"] < 20 * error


def test_at_a_node_it_is_the_cell_to_round_off():
    node = 0.23 + 0.15 * np.cos(np.pi * 2.5 / 9)
    K = chain().value({**STATE, "v": np.array([node])})["K"]
    assert pytest.approx(one_by_one([node]), rel=1e-12) == K


def test_its_derivative_is_exact():
    parameters = [Parameter(name, "1", value) for name, value in STATE.items()]
    parameters.append(Parameter("v", "1", (0.2,), shape=(6,), dims=("point",)))
    model = ForwardModel(graded(), parameters, ["K"])
    check = check_gradient(model, model.theta(v=states(6)), np.random.default_rng(1))
    assert check.ok, (check.worst, check.dot_error)


def test_the_estimate_has_no_derivative_and_says_so():
    linear = chain().linearize({**STATE, "v": states(2)})[1]
    with pytest.raises(NoGradient, match="K_error"):
        linear.vjp({"K": np.zeros((2, 2, 2)), "K_error": np.asarray(1.0)})


def test_what_it_cannot_vouch_for_fails():
    with pytest.raises(SolveFailed, match="the polynomial is off by"):
        chain(2, tolerance=1e-4).value({**STATE, "v": states(2)})
    with pytest.raises(OutOfLimits, match="'v' leaves"):
        chain().value({**STATE, "v": np.array([0.2, 0.5])})
    with pytest.raises(ParameterError, match="two nodes"):
        Grades(0.08, 0.38, 1)


@pytest.mark.parametrize(
    ("accuracy", "saved", "value", "slope"), [("sampling", 0.3, 2e-7, 1e-3), ("reference", 0.1, 1e-11, 1e-8)]
)
def test_cells_begin_at_their_neighbours_and_are_as_exact_as_from_nothing(accuracy, saved, value, slope):
    """Held to a factorisation within the bounds that a cell from nothing is held to."""
    size, places = FOURIER_FROM[accuracy], np.cos(np.pi * (np.arange(9) + 0.5) / 9)
    grid, tolerance = periodic_grid((size, size), (1.0, 1.0)), ACCURACIES[accuracy]
    ellipse = SmoothEllipse((size, size))
    k = np.array([ellipse.value({**STATE, "v": 0.23 + 0.15 * x})["k"] for x in places])
    warm = grid._fourier.family(k, tolerance, starts(places))[1]
    cold = [grid._fourier.correctors(one, tolerance)[1] for one in k]
    assert warm[0] == cold[0]
    assert warm.sum() < (1 - saved) * sum(cold)
    K, dK = grid.tensors(k, accuracy, starts(places))
    for member in (1, 5, 8):
        exact, direct = grid.factorized_tensor(k[member])
        assert np.abs(K[member] - exact).max() < value * exact.max()
        assert np.abs(dK[member] - direct).max() < slope * np.abs(direct).max()


@pytest.mark.parametrize("size", [FOURIER_FROM["sampling"], 6])  # iterated, factorised
def test_rows_of_cells_are_the_cells_one_by_one(size):
    """Values, tangents and adjoints, to what sampling accuracy leaves; what rows share gets the sum."""
    rng, v = np.random.default_rng(3), np.array([0.1, 0.3, 0.2])
    values = {**STATE, "v": v}
    for stage, over in zip(cell(size, "sampling"), (["v"], ["k"]), strict=True):
        rows, one_by_one = each(stage, over, v), Each(stage, over)
        given = {name: values[name] for name in stage.inputs}
        (made, linear), (known, plain) = rows.linearize(given), one_by_one.linearize(given)
        weights = {name: rng.standard_normal(array.shape) for name, array in known.items()}
        moved = {name: rng.standard_normal(np.shape(array)) for name, array in given.items()}
        values.update(known)
        pairs = [(made, known), (rows.value(given), known), (linear.jvp(moved), plain.jvp(moved))]
        for ours, theirs in [*pairs, (linear.vjp(weights), plain.vjp(weights))]:
            assert set(ours) == set(theirs)
            for name, array in theirs.items():
                assert np.shape(ours[name]) == np.shape(array)
                assert np.abs(ours[name] - array).max() < 1e-3 * np.abs(array).max()


def test_an_answer_does_not_depend_on_what_was_asked_before():
    def made(stage, v):
        known, linear = stage.linearize({**STATE, "v": v})
        return [known["K"], known["K_error"], *linear.vjp({"K": np.ones((2, 2, 2))}).values()]

    one, other = (chain(5, FOURIER_FROM["sampling"], "sampling") for _ in range(2))
    made(one, np.array([0.1, 0.3]))
    v = np.array([0.2, 0.25])
    assert all(map(np.array_equal, made(one, v), made(other, v)))


def test_a_start_worse_than_none_is_not_taken():
    shape = (FOURIER_FROM["sampling"],) * 2
    k, grid = SmoothEllipse(shape).value({**STATE, "v": 0.2})["k"], periodic_grid(shape, (1.0, 1.0))
    chi, iterations = grid._fourier.correctors(k, 1e-4)
    far, more = grid._fourier.correctors(k, 1e-4, -20 * chi)
    assert abs(more - iterations) <= 1
    assert np.abs(far - chi).max() < 1e-3 * np.abs(chi).max()
