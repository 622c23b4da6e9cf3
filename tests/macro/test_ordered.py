import numpy as np
import pytest
from skfem import Basis, ElementTriP2

from mscale_uq.errors import SolveFailed
from mscale_uq.macro import extended
from mscale_uq.macro.boundary import Dirichlet, Robin, Source
from mscale_uq.macro.diffusion import DiffusionProblem
from mscale_uq.macro.mesh import tensor_mesh
from mscale_uq.macro.ordered import OrderedBand
from mscale_uq.macro.steady import SteadyDiffusion


def scattered_chain(n, rng):
    """Springs in a row between two walls, numbered at random: places, entries, dense matrix."""
    number = rng.permutation(n)
    rows = np.concatenate([number, number[1:], number[:-1]])
    columns = np.concatenate([number, number[:-1], number[1:]])
    data = np.concatenate([np.full(n, 2.0), np.full(2 * (n - 1), -1.0)])
    dense = np.zeros((n, n))
    dense[rows, columns] = data
    return rows, columns, data, dense


def test_a_chain_numbered_at_random_is_put_in_a_row_and_solved():
    rows, columns, data, dense = scattered_chain(60, np.random.default_rng(0))
    band = OrderedBand(rows, columns, 60, "chain")
    assert band.work == 60.0  # the nearest neighbours stand side by side
    loads = np.random.default_rng(1).normal(size=(60, 3))
    np.testing.assert_allclose(band.factorize(data).solve(loads), np.linalg.solve(dense, loads), rtol=1e-10)


def test_a_chain_that_nothing_holds_is_singular():
    rows, columns, data, dense = scattered_chain(60, np.random.default_rng(0))
    free_ends = np.flatnonzero(np.sum(dense, axis=1) == 1.0)
    data[:60] -= np.isin(rows[:60], free_ends)
    with pytest.raises(SolveFailed, match=r"singular|not positive definite"):
        OrderedBand(rows, columns, 60, "chain").factorize(data)


def test_band_and_general_factorisation_give_one_field(monkeypatch):
    x = np.linspace(0.0, 1.0, 7)
    basis = Basis(tensor_mesh(x, x, triangles=True), ElementTriP2())
    stage = SteadyDiffusion(
        DiffusionProblem(
            basis,
            np.array([[1.0, 0.3], [0.3, 0.5]]),
            reaction=0.2,
            sources=Source(1.0),
            boundaries={"left": Dirichlet(1.0), "top": Robin(2.0, 0.5)},
            fluxes={"in_": "left"},
        )
    )
    band = stage.value({})
    monkeypatch.setattr(extended, "BAND_WORK", 0.0)
    general = stage.value({})
    np.testing.assert_allclose(band["u"], general["u"], rtol=1e-11)
    assert band["in_"] == pytest.approx(general["in_"], rel=1e-10)
