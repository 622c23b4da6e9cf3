"""Predictions: one solve a draw, failed draws as rows of NaN with a reason."""

import numpy as np

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.stage import Stage
from mscale_uq.errors import SolveFailed
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.predictive import predict
from mscale_uq.stats.priors import Normal


class Picky(Stage):
    """Counts its solves, and fails above one."""

    name, inputs, outputs = "picky", ("x",), ("square", "field")

    def __init__(self):
        self.solves = 0

    def value(self, values):
        self.solves += 1
        if values["x"] > 1:
            raise SolveFailed(self.name, values, "too large")
        return {"square": values["x"] ** 2, "field": np.full(100, values["x"])}


def half(square):
    return square / 2


def posterior(stage):
    model = ForwardModel([stage, Formula(half, "half")], [Parameter("x", "m", 0.5)], ["half"])
    operator = ObservationOperator("half", Gaussian(0.1))
    return Posterior({"x": Normal(0.0, 1.0)}, [Experiment("one", model, {"half": 0.2}, {"half": operator})])


def test_each_draw_is_solved_once_and_a_failed_one_is_a_row_of_nan():
    stage = Picky()
    thetas = np.array([[0.5], [2.0], [-0.8]])
    found = predict(posterior(stage), thetas, np.random.default_rng(0))
    assert stage.solves == 3
    assert np.allclose(found.predicted["one", "half"], [0.125, np.nan, 0.32], equal_nan=True)
    assert np.allclose(found.made["one", "square"], [0.25, np.nan, 0.64], equal_nan=True)
    assert ("one", "field") not in found.made
    (gone,) = found.missed
    assert (gone.row, gone.experiment, gone.stage, gone.theta) == (1, "one", "picky", (2.0,))
    assert (gone.reason, gone.infeasible) == ("too large", False)
    exact = -0.5 * ((0.2 - 0.125) / 0.1) ** 2 - np.log(0.1 * np.sqrt(2 * np.pi))
    assert np.isclose(found.pointwise["one", "half"][0], exact)


def test_what_no_reading_sees_is_neither_run_nor_fails_in_the_density_and_is_predicted_all_the_same():
    """Half is seen; the dear square beside it, and a second experiment without a reading, are not."""
    seen, unseen = (Picky() for _ in range(2))

    def own(x):
        return x / 2

    operator = {"half": ObservationOperator("half", Gaussian(0.1))}
    beside = ForwardModel([Formula(own, "half"), seen], [Parameter("x", "m", 0.5)], ["half", "square"])
    alone = ForwardModel([unseen, Formula(half, "half")], [Parameter("x", "m", 0.5)], ["half"])
    experiments = [
        Experiment("one", beside, {"half": 0.9}, operator),
        Experiment("two", alone, {"half": np.nan}, operator),
    ]
    target = Posterior({"x": Normal(0.0, 1.0)}, experiments)
    density, slope = target.log_likelihood_gradient([2.0])  # where both would fail
    assert density == target.log_likelihood([2.0])
    assert np.isclose(density, -0.5 - np.log(0.1 * np.sqrt(2 * np.pi)))
    assert np.allclose(slope, -0.5 / 0.1)
    assert seen.solves == unseen.solves == 0
    found = predict(target, [[0.5], [2.0]], np.random.default_rng(0))
    assert np.allclose(found.predicted["two", "half"], [0.125, np.nan], equal_nan=True)
    assert [(one.row, one.experiment) for one in found.missed] == [(1, "one"), (1, "two")]


def test_replicated_data_scatter_as_the_law_says():
    found = predict(posterior(Picky()), np.full((4000, 1), 0.4), np.random.default_rng(1))
    spread = found.replicated["one", "half"] - 0.08
    assert abs(spread.mean()) < 5 * 0.1 / np.sqrt(4000)
    assert abs(spread.std() / 0.1 - 1) < 5 / np.sqrt(8000)


def test_where_every_draw_fails_there_is_nothing_but_nan_and_reasons():
    found = predict(posterior(Picky()), [[3.0], [4.0]], np.random.default_rng(0))
    assert np.isnan(found.predicted["one", "half"]).all()
    assert found.made == {}
    assert [one.row for one in found.missed] == [0, 1]


def test_the_inputs_are_left_alone():
    thetas = np.array([[0.5], [0.6]])
    predict(posterior(Picky()), thetas, np.random.default_rng(0))
    assert np.array_equal(thetas, [[0.5], [0.6]])
