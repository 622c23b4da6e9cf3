"""Coefficients in proportion are solved once, others each."""

import numpy as np
import pytest

from mscale_uq.cell.conduction import PeriodicConduction
from mscale_uq.cell.elastic import Composite, EffectiveStiffness, SquareInclusion
from mscale_uq.solve.proportional import Notes, noted, recalled, solved

K = np.random.default_rng(3).uniform(0.2, 5.0, (6, 6))


def counting():
    """The mean, homogeneous of degree one, and how often it was asked for."""
    asked = []

    def solve(k):
        asked.append(k)
        return k.mean()

    return solve, asked


@pytest.mark.parametrize("factor", [1.0, 3.7, 1e-9, 1e9])
def test_a_multiple_is_solved_by_multiplying(factor):
    stage, notes = PeriodicConduction((6, 6)), Notes()
    with noted(notes):
        stage.linearize({"k": K})
    with recalled([notes]):
        known, linear = stage.linearize({"k": factor * K})
    exact, slope = stage.linearize({"k": factor * K})
    assert known["K"] == pytest.approx(exact["K"], rel=1e-12)
    weights = {"K": np.array([[1.0, 2.0], [3.0, 4.0]])}
    assert linear.vjp(weights)["k"] == pytest.approx(slope.vjp(weights)["k"], rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("factor", [1.0, 3.7, 1e-9, 1e9])
def test_moduli_in_proportion_have_one_solution_of_an_elastic_cell(factor, monkeypatch):
    composite = Composite(SquareInclusion(4), ("E_m", "nu_m"), ("E_i", "nu_i"), "f")
    values = {"E_m": 1.0, "nu_m": 0.3, "E_i": 10.0, "nu_i": 0.2, "f": 0.3}
    stage, notes = EffectiveStiffness(composite), Notes()
    times = {**values, "E_m": factor * values["E_m"], "E_i": factor * values["E_i"]}
    exact, slopes = stage.linearize(times)
    with noted(notes):
        stage.linearize(values)
    with recalled([notes]), monkeypatch.context() as patch:
        patch.setattr(EffectiveStiffness, "_relaxed", None)  # whoever solves again fails
        known, again = stage.linearize(times)
        for moved in ("nu_m", "nu_i", "f", "E_i"):  # another cell
            with pytest.raises(TypeError, match="not callable"):
                stage.value({**times, moved: 1.01 * times[moved]})
    assert known["C_hom"] == pytest.approx(exact["C_hom"], rel=1e-11, abs=1e-11 * factor)
    for pair, slope in slopes.jacobians.items():
        largest = np.abs(slope).max()
        assert again.jacobians[pair] == pytest.approx(slope, rel=1e-9, abs=1e-10 * largest)


@pytest.mark.parametrize("size", [1.0, 1e-9])
def test_what_is_no_multiple_or_another_problem_is_solved(size):
    """Also where what differs is as small as an insulator among conductors."""
    (solve, asked), notes = counting(), Notes()
    K = np.random.default_rng(3).uniform(0.2, 5.0, (6, 6))
    K[2, 3] *= size
    with noted(notes):
        solved("mean", K, solve)
    near = K.copy()
    near[2, 3] *= 1 + 1e-10
    with recalled([notes]):
        solved("mean", near, solve)
        solved("another", K, solve)
        solved("mean", K[:3], solve)
        assert len(asked) == 4
        mean, factor = solved("mean", 2 * K, solve)
    assert len(asked) == 4
    assert factor * mean == pytest.approx(2 * K.mean(), rel=1e-12)


def test_notes_hold_what_was_solved_last_and_nothing_is_recalled_unasked():
    (solve, asked), notes = counting(), Notes()
    for k in (K, K.T):
        with noted(notes):
            solved("mean", k, solve)
    solved("mean", K.T, solve)
    with recalled([notes]):
        solved("mean", K, solve)
        assert len(asked) == 4
        solved("mean", K.T, solve)
    assert len(asked) == 4
