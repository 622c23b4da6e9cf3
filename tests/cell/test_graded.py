"""A graded cell is the cell, at every state, to the error that it states."""

import numpy as np
import pytest

from mscale_uq.cell.conduction import PeriodicConduction
from mscale_uq.cell.ellipse import SmoothEllipse
from mscale_uq.cell.fourier import FourierCell
from mscale_uq.cell.graded import GradedCell
from mscale_uq.cell.grid import FOURIER_FROM, periodic_grid
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import NoGradient, OutOfLimits, ParameterError, SolveFailed

READ = ("k_i", "k_m", "v", "alpha", "rho")
STATE = {"k_i": 10.0, "k_m": 1.2, "alpha": 0.6, "rho": 1.5}


def cell(elements=16, accuracy="reference"):
    shape = (elements, elements)
    return [SmoothEllipse(shape), PeriodicConduction(shape, tensor="K_cell", accuracy=accuracy)]


def graded(nodes=9, **settings):
    return GradedCell(cell(), READ, "v", (0.08, 0.38), "K_cell", "K", nodes, **settings)


def states(count=12):
    return np.random.default_rng(0).uniform(0.08, 0.38, count)


def one_by_one(v, elements=16):
    """The naive way: a cell problem at every state."""
    ellipse, conduction = cell(elements)
    return np.array([conduction.value(ellipse.value({**STATE, "v": one}))["K_cell"] for one in v])


@pytest.mark.parametrize(("nodes", "allowed"), [(5, 1e-3), (9, 1e-5), (13, 1e-7)])
def test_it_is_a_cell_problem_at_every_state_and_knows_its_own_error(nodes, allowed):
    v = states()
    fine = GradedCell(cell(32), READ, "v", (0.08, 0.38), "K_cell", "K", nodes)
    made, exact = fine.value({**STATE, "v": v}), one_by_one(v, 32)
    error = np.abs(made["K"] - exact).max() / np.abs(exact).max()
    assert error < allowed
    assert error / 20 < made["K_error"] < 20 * error


def test_at_a_node_it_is_the_cell_to_round_off():
    node = 0.23 + 0.15 * np.cos(np.pi * 2.5 / 9)
    K = graded().value({**STATE, "v": np.array([node])})["K"]
    assert pytest.approx(one_by_one([node]), rel=1e-12) == K


def test_its_derivative_is_exact():
    parameters = [Parameter(name, "1", value) for name, value in STATE.items()]
    parameters.append(Parameter("v", "1", (0.2,), shape=(6,), dims=("point",)))
    model = ForwardModel([graded()], parameters, ["K"])
    check = check_gradient(model, model.theta(v=states(6)), np.random.default_rng(1))
    assert check.ok, (check.worst, check.dot_error)


def test_the_estimate_has_no_derivative_and_says_so():
    linear = graded().linearize({**STATE, "v": states(2)})[1]
    with pytest.raises(NoGradient, match="K_error"):
        linear.vjp({"K": np.zeros((2, 2, 2)), "K_error": np.asarray(1.0)})


def test_what_it_cannot_vouch_for_fails():
    with pytest.raises(SolveFailed, match="the polynomial is off by"):
        graded(2, tolerance=1e-4).value({**STATE, "v": states(2)})
    with pytest.raises(OutOfLimits, match="'v' leaves"):
        graded().value({**STATE, "v": np.array([0.2, 0.5])})
    with pytest.raises(ParameterError, match="two nodes"):
        graded(1)


def solves(monkeypatch, make):
    """Return what `make` returns, and conductivities, correctors and iterations of every cell it solves."""
    found, plain = [], FourierCell.correctors

    def seen(self, k, tolerance, begin=None):
        found.append((self, k, tolerance, *plain(self, k, tolerance, begin)))
        return found[-1][3:]

    with monkeypatch.context() as patch:
        patch.setattr(FourierCell, "correctors", seen)
        return make(), found


@pytest.mark.parametrize(
    ("accuracy", "saved", "value", "slope"), [("sampling", 0.3, 2e-7, 1e-3), ("reference", 0.1, 1e-11, 1e-8)]
)
def test_cells_begin_at_their_neighbours_and_are_as_exact_as_from_nothing(
    accuracy, saved, value, slope, monkeypatch
):
    """Held to a factorisation within the bounds that a cell from nothing is held to."""
    size = FOURIER_FROM[accuracy]
    stage = GradedCell(cell(size, accuracy), READ, "v", (0.08, 0.38), "K_cell", "K")
    _, found = solves(monkeypatch, lambda: stage.linearize({**STATE, "v": states(2)}))
    cold = [fourier.correctors(k, tolerance)[1] for fourier, k, tolerance, *_ in found]
    warm = [iterations for *_, iterations in found]
    assert len(found) == 11
    assert warm[0] == cold[0]
    assert sum(warm) < (1 - saved) * sum(cold)
    grid = periodic_grid((size, size), (1.0, 1.0))
    for fourier, k, tolerance, chi, _ in found[1::4]:
        start = type("Given", (), {"guess": lambda self, chi=chi: chi, "keep": lambda self, chi: None})()
        (K, dK), (exact, direct) = fourier.tensor(k, tolerance, start), grid.factorized_tensor(k)
        assert np.abs(K - exact).max() < value * exact.max()
        assert np.abs(dK - direct).max() < slope * np.abs(direct).max()


def test_an_answer_does_not_depend_on_what_was_asked_before():
    def made(stage, v):
        known, linear = stage.linearize({**STATE, "v": v})
        return [known["K"], known["K_error"], *linear.vjp({"K": np.ones((2, 2, 2))}).values()]

    one, other = (
        GradedCell(cell(FOURIER_FROM["sampling"], "sampling"), READ, "v", (0.08, 0.38), "K_cell", "K", 5)
        for _ in range(2)
    )
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
