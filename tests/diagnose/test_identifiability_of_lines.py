"""What readings can determine in models that are known in full, and in models that have no answer."""

import numpy as np
import pytest
from lines import X, line

from mscale_uq.core.formula import Formula
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.stage import MatrixLinearization, Stage
from mscale_uq.diagnose.identifiability import identifiability
from mscale_uq.diagnose.local_information import local_information
from mscale_uq.errors import Infeasible, InputError, NoGradient
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import LogNormal, Normal


def doubled(slope, b, x):
    return slope * x + b


def product(a, b):
    return a * b


LINE = tuple(Parameter(name, "1", 1.0) for name in "abc")


def test_an_unknown_that_also_enters_elsewhere_is_not_said_to_pass_through():
    apart = line([Formula(product, "slope"), Formula(doubled, "y")], LINE[:2], sd=1.0)
    found = identifiability(
        Posterior({"a": Normal(1, 1), "b": Normal(1, 1)}, [apart]), np.random.default_rng(1)
    )
    assert found.passages == ()


def linear(b, c, x):
    return b * x + c


def conjugate():
    return Posterior(
        {"b": Normal(1.0, 2.0), "c": Normal(0.0, 0.5)}, [line([Formula(linear, "y")], LINE[1:], sd=0.3)]
    )


def conjugate_covariance(rows):
    J = np.stack([X, np.ones(4)], axis=1)[rows]
    return np.linalg.inv(np.diag([1 / 4.0, 1 / 0.25]) + J.T @ J / 0.09)


def test_of_a_linear_model_widths_and_correlation_are_exact():
    found = identifiability(conjugate(), np.random.default_rng(0), draws=3)
    C = conjugate_covariance([0, 2, 3])
    assert found.kept == pytest.approx(np.tile(np.sqrt(np.diag(C)) / [2.0, 0.5], (4, 1)), rel=1e-10)
    assert found.contraction == pytest.approx(1 - np.diag(C) / [4.0, 0.25], rel=1e-10)
    assert found.worst_pair == ("b", "c", pytest.approx(C[0, 1] / np.sqrt(C[0, 0] * C[1, 1]), rel=1e-10))
    assert np.all(found.bends < 1e-6)
    assert found.bent == 0


def test_of_a_linear_model_a_readings_gain_is_the_evidence_it_brings():
    """Half the log ratio of posterior volumes without and with it; the missing reading brings none."""
    found = identifiability(conjugate(), np.random.default_rng(0), draws=1)
    assert {position for _, _, position in found.gains} == {0, 2, 3}
    with_all, without = conjugate_covariance([0, 2, 3]), conjugate_covariance([0, 2])
    exact = 0.5 * np.log(np.linalg.det(without) / np.linalg.det(with_all))
    assert found.gains[0, "y", 3] == pytest.approx(exact, rel=1e-10)
    kept = np.sqrt(np.diag(without)) / [2.0, 0.5]
    assert found.kept_without((0, "y", 3)) == pytest.approx(kept, rel=1e-10)


def test_an_unknown_noise_level_is_learned_from_the_number_of_readings():
    """n readings hold 2 n / sd^2 about a standard deviation, and nothing that mixes it with the mean."""
    experiment = line([Formula(linear, "y")], LINE[1:])
    priors = {"b": Normal(1.0, 2.0), "c": Normal(0.0, 0.5), "noise": LogNormal(-1.0, 0.7)}
    target = Posterior(priors, [experiment])
    local = local_information(target, np.array([1.0, 0.0, 0.4]))
    assert local.fisher[2, 2] == pytest.approx(2 * 3 * 0.7**2, rel=1e-12)
    assert local.fisher[2, :2] == pytest.approx(0, abs=1e-12)


class Half(Stage):
    name, inputs, outputs = "half", ("a", "x"), ("y",)

    def value(self, values):
        if values["a"] > 1:
            raise Infeasible(self.name, {}, "a is too large")
        return {"y": values["a"] * values["x"]}

    def linearize(self, values):
        made = self.value(values)
        jacobians = {("y", "a"): values["x"]}
        return made, MatrixLinearization(jacobians, {"a": (), "x": (4,)}, {"y": (4,)})


def test_points_without_a_prediction_are_counted_and_left_out():
    target = Posterior({"a": Normal(0.5, 1.0)}, [line([Half()], LINE[:1], sd=0.3)])
    found = identifiability(target, np.random.default_rng(0), draws=40)
    assert 0 < found.failed < 30
    assert len(found.points) + found.failed == 41
    assert all(point.theta[0] <= 1 for point in found.points)


def test_a_model_without_any_prediction_is_refused():
    target = Posterior({"a": Normal(5.0, 0.1)}, [line([Half()], LINE[:1], sd=0.3)])
    with pytest.raises(InputError, match="no prediction"):
        identifiability(target, np.random.default_rng(0), draws=3)


class Rough(Stage):
    name, inputs, outputs = "rough", ("a", "x"), ("y",)

    def value(self, values):
        return {"y": np.round(values["a"]) * values["x"]}


def test_a_model_without_a_derivative_is_not_judged_by_one():
    target = Posterior({"a": Normal(0.5, 1.0)}, [line([Rough()], LINE[:1], sd=0.3)])
    with pytest.raises(NoGradient, match="rough"):
        identifiability(target, np.random.default_rng(0), draws=3)
