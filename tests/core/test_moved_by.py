"""Stages that are told what moves, or what stays, have the same derivatives with less work."""

import numpy as np
import pytest

from mscale_uq.core.chain import Chain
from mscale_uq.core.each import Each
from mscale_uq.core.fold import Fold
from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.core.implicit import Branch, Implicit
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.together import Together
from mscale_uq.macro.ode import Ode, OdePath
from mscale_uq.macro.ode_event import OdeEvent
from mscale_uq.solve.rate import Level
from mscale_uq.solve.stiff import Tolerances


def heated(theta, load, loss):
    return load * np.exp(theta) - loss * theta


def doubled(theta, gain):
    return gain * 2 * theta


def fading(t, y, p, dy):
    dy[0] = p[1] - p[0] * y[0]


def half_left(t, y, p):
    return y[0] - 0.5


FADING = Ode("fading", fading, (Quantity("y", "1"),), ("decay", "source"), Tolerances(1e-10, 1e-13))
LOOP = Implicit([Formula(heated, "left")], "theta", "left", np.array(0.0), branch=Branch("load"))
POINTS = {
    "implicit": (LOOP, {"load": 0.2, "loss": 1.3}, "loss"),
    "fold": (
        Fold([Formula(heated, "left")], "theta", "left", np.array(0.0), Branch("load"), 9.0, "critical"),
        {"loss": 1.3},
        "loss",
    ),
    "together": (
        Together([LOOP, Formula(doubled, "seen")], ["seen"], "both"),
        {"load": 0.2, "loss": 1.3, "gain": 3.0},
        "loss",
    ),
    "each": (Each(LOOP, ("load",)), {"load": np.array([0.1, 0.2]), "loss": 1.3}, "loss"),
    "path": (OdePath(FADING, [0.5, 1.0]), {"y_initial": 2.0, "decay": 1.5, "source": 0.1}, "decay"),
    "event": (
        OdeEvent(FADING, "half", Level(half_left), 9.0),
        {"y_initial": 2.0, "decay": 1.5, "source": 0.1},
        "decay",
    ),
}


@pytest.mark.parametrize("kind", POINTS)
def test_the_derivative_along_one_input_is_that_of_the_whole(kind):
    stage, point, moved = POINTS[kind]
    values = {name: np.asarray(value) for name, value in point.items()}
    made, whole = stage.linearize(values)
    again, part = stage.moved_by({moved}).linearize(values)
    ones = {name: np.ones(np.shape(array)) for name, array in made.items()}
    assert set(part.vjp(ones)) <= {moved, *(set(values) if kind == "each" else ())}
    for name, array in made.items():
        assert again[name] == pytest.approx(array, rel=1e-14)
        along = {moved: np.asarray(1.0)}
        assert part.jvp(along)[name] == pytest.approx(whole.jvp(along)[name], rel=1e-13)
    assert any(np.any(slope != 0) for slope in whole.jvp(along).values())
    assert part.vjp(ones)[moved] == pytest.approx(whole.vjp(ones)[moved], rel=1e-13)


def row(state, rate, gain):
    """A reading of a row of two numbers."""
    return gain * np.exp(-rate * state.T[0]) * state.T[1] ** 2, state.T[0] / gain


def test_a_pointwise_formula_of_rows_is_the_formula_of_each():
    rng = np.random.default_rng(1)
    values = {"state": rng.uniform(1, 2, (3, 2)), "rate": rng.uniform(1, 2, 3), "gain": np.asarray(0.7)}
    once = PointwiseFormula(row, ("a", "b")).linearize(values)
    each = Each(Formula(row, ("a", "b")), ("state", "rate")).linearize(values)
    tangents = {"state": rng.normal(size=(3, 2)), "rate": rng.normal(size=3), "gain": np.asarray(0.3)}
    weights = {"a": rng.normal(size=3), "b": rng.normal(size=3)}
    for name in "ab":
        assert once[0][name] == pytest.approx(each[0][name], rel=1e-14)
        assert once[1].jvp(tangents)[name] == pytest.approx(each[1].jvp(tangents)[name], rel=1e-13)
    for name, back in each[1].vjp(weights).items():
        assert once[1].vjp(weights)[name] == pytest.approx(back, rel=1e-13)
        assert once[1].vjp(weights)[name].shape == values[name].shape


def test_several_changes_at_once_are_each_carried_as_if_alone():
    chain = Chain(
        [Formula(heated, "left"), PointwiseFormula(doubled_left, "more")], ("theta", "load", "loss")
    )
    _, linear = chain.linearize({name: np.asarray(0.3) for name in chain.given})
    tangents = {"theta": np.array([1.0, 0.0, 2.0]), "loss": np.array([0.0, 1.0, -1.0])}
    at_once = linear.jvps(tangents)
    for i in range(3):
        alone = linear.jvp({name: array[i] for name, array in tangents.items()})
        assert at_once["more"][i] == pytest.approx(alone["more"], rel=1e-14)


def doubled_left(left):
    return 2 * left


def test_a_chain_that_holds_some_values_reads_the_others_alone():
    chain = Chain([Formula(heated, "left"), Formula(doubled_left, "more")], ("theta", "load", "loss"))
    held = chain.holding({"load": np.asarray(0.4), "loss": np.asarray(2.0)})
    assert held.given == ("theta",)
    known, linear = held.linearize({"theta": np.asarray(0.3)})
    assert known["more"] == pytest.approx(2 * (0.4 * np.exp(0.3) - 0.6), rel=1e-15)
    assert set(linear.vjp({"more": np.asarray(1.0)})) == {"theta"}
    assert linear.jvp({"theta": np.asarray(1.0)})["more"] == pytest.approx(2 * (0.4 * np.exp(0.3) - 2))
