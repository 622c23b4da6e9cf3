"""Fisher information against its definition: the expected square of the score, integrated over the data."""

import numpy as np
import pytest
from scipy import integrate

from mscale_uq.core.law import Law
from mscale_uq.errors import NoGradient
from mscale_uq.observe.approximation import ApproximationError
from mscale_uq.observe.correlated import GaussianCorrelated
from mscale_uq.observe.counts import NegativeBinomial
from mscale_uq.observe.discrepancy import ProcessDiscrepancy
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.followed import Followed
from mscale_uq.observe.information import (
    Sensitivity,
    information,
    information_of_others,
    squared_distance,
)
from mscale_uq.observe.laws import Gaussian, StudentT

VALUES = {"s": np.array(0.7), "r": np.array(0.3), "a": np.array(0.5), "l": np.array(0.4)}
PREDICTION, VARIANCE = np.array([1.3, -0.6]), np.array([0.2, 0.1])
rng = np.random.default_rng(4)
AT = Sensitivity(
    PREDICTION,
    VARIANCE,
    VALUES,
    rng.standard_normal((2, 3)),
    rng.standard_normal((2, 3)),
    {name: rng.standard_normal((1, 3)) for name in VALUES},
)
SEEN = np.array([True, True])


def score(law, data):
    terms = law.logpdf(data, PREDICTION, VARIANCE, VALUES)
    total = terms.d_prediction @ AT.d_prediction + terms.d_variance @ AT.d_variance
    return total + sum(slope * AT.d_values[name][0] for name, slope in terms.d_values.items())


@pytest.mark.parametrize(
    "law",
    [
        Gaussian("s", relative="r"),
        Gaussian(0.7),
        GaussianCorrelated(Gaussian("s", relative="r"), (ProcessDiscrepancy([0.0, 0.3], "a", ("l",)),)),
    ],
    ids=["independent", "known", "correlated"],
)
def test_of_normal_readings_it_is_the_mean_square_of_the_score(law):
    # Gauss-Hermite integrates polynomials of degree 4 (the squared score of a normal law) exactly.
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    root = np.linalg.cholesky(law.cov(PREDICTION, VARIANCE, VALUES))
    total = np.zeros((3, 3))
    for i, j in np.ndindex(8, 8):
        g = score(law, PREDICTION + root @ np.array([nodes[i], nodes[j]]))
        total += weights[i] * weights[j] / (2 * np.pi) * np.outer(g, g)
    assert information(law, AT, SEEN) == pytest.approx(total, rel=1e-10)


def test_of_student_readings_it_is_the_mean_square_of_the_score():
    law = StudentT("s", df=5.0)

    def squared(y, a, b):
        terms = law.logpdf(np.array([y, np.nan]), PREDICTION, VARIANCE, VALUES)
        g = score(law, np.array([y, np.nan]))
        return g[a] * g[b] * np.exp(terms.total)

    exact = np.array(
        [[integrate.quad(squared, -np.inf, np.inf, args=(a, b))[0] for b in range(3)] for a in range(3)]
    )
    assert information(law, AT, np.array([True, False])) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("over", [-1.5, 0.2, 4.0])
def test_of_a_reading_that_may_be_full_it_is_the_mean_square_of_the_score(over):
    """The camera is full at so many standard deviations over what is expected."""
    sd = np.sqrt(0.7**2 + VARIANCE[0])
    law, free = Fluorescence(0.7, saturation=PREDICTION[0] + over * sd), Fluorescence(0.7)

    def score_of(reading):
        terms = law.logpdf(np.array([reading, np.nan]), PREDICTION, VARIANCE, VALUES)
        return terms.d_prediction[0], np.exp(terms.total)

    def squared(reading):
        pull, density = score_of(reading)
        return pull**2 * density

    below = integrate.quad(squared, -np.inf, law.saturation - 1e-12, epsabs=1e-13)[0]
    pull, probability = score_of(law.saturation)
    exact = (below + pull**2 * probability) * np.outer(AT.d_prediction[0], AT.d_prediction[0])
    one = np.array([True, False])
    assert information(law, AT, one) == pytest.approx(exact, rel=1e-7)
    assert np.all(np.linalg.eigvalsh(information(free, AT, one) - information(law, AT, one)) > -1e-12)


@pytest.mark.parametrize("background_sd", [0.0, 0.4])
def test_followed_readings_that_are_full_beyond_doubt_tell_nothing_and_those_far_below_all(background_sd):
    draw = np.random.default_rng(7)
    root = draw.standard_normal((3, 1, 1))
    values = {
        "y_transition": draw.uniform(0.3, 0.9, (3, 1, 1)),
        "y_diffusion": root**2,
        "y_slope": np.ones((3, 1)),
    }
    prediction, none = np.array([1.0, 900.0, 2.0, 1.5, 3.0, 900.0]), np.zeros(6)
    at = Sensitivity(prediction, none, values, draw.standard_normal((6, 3)), np.zeros((6, 3)), {})

    def tells(saturation, seen):
        noise = Fluorescence(0.7, background_sd=background_sd, saturation=saturation)
        law = Followed(noise, "y", (0, 0, 0, 1, 1, 1), (0, 1, 2, 0, 1, 2))
        return information(law, at, np.array(seen)), information_of_others(law, at, np.array(seen))

    everyone, dim = [True] * 6, [True, False, True, True, True, False]
    assert tells(100.0, everyone)[0] == pytest.approx(tells(None, dim)[0], rel=1e-8)
    assert tells(100.0, everyone)[1][[0, 2, 3, 4]] == pytest.approx(tells(None, dim)[1], rel=1e-8)
    for part, exact in zip(tells(2000.0, everyone), tells(None, everyone), strict=True):
        assert part == pytest.approx(exact, rel=1e-12)


def test_independent_readings_add_up():
    law = Gaussian("s", relative="r")
    parts = [information(law, AT, seen) for seen in np.array([[True, False], [False, True]])]
    assert information(law, AT, SEEN) == pytest.approx(sum(parts), rel=1e-13)


def test_where_no_reading_is_left_there_is_no_information():
    law = GaussianCorrelated(Gaussian("s"), (ApproximationError(np.zeros(2), np.eye(2)),))
    assert not information(law, AT, np.array([False, False])).any()


def test_readings_with_a_common_error_are_worth_less():
    noise = Gaussian(0.7)
    law = GaussianCorrelated(noise, (ApproximationError(np.zeros(2), np.full((2, 2), 0.5)),))
    loss = information(noise, AT, SEEN) - information(law, AT, SEEN)
    assert np.linalg.eigvalsh(loss).min() > -1e-12
    assert np.linalg.eigvalsh(loss).max() > 0.1


class Double(Law):
    reads = ()

    def logpdf(self, data, prediction, variance, values):
        raise NotImplementedError

    def mean(self, prediction, values):
        return 2 * prediction

    def cov(self, prediction, variance, values):
        return np.eye(prediction.size)

    def sample(self, prediction, variance, values, rng):
        raise NotImplementedError


def test_a_law_it_knows_nothing_of_is_refused():
    with pytest.raises(NoGradient, match="Double"):
        information(Double(), AT, SEEN)


@pytest.mark.parametrize("seen", [[True] * 6, [True, True, False, True, True, False]])
def test_what_all_but_one_reading_tell_is_the_information_of_the_others(seen):
    draw, seen = np.random.default_rng(7), np.array(seen)
    root = draw.standard_normal((3, 1, 1))
    values = {
        "y_transition": draw.standard_normal((3, 1, 1)),
        "y_diffusion": root**2,
        "y_slope": np.ones((3, 1)),
    }
    followed = Followed(Gaussian(0.5), "y", (0, 1, 0, 1, 1, 0), (0, 0, 1, 1, 2, 2))
    at = Sensitivity(
        np.arange(1.0, 7.0), np.zeros(6), values, draw.standard_normal((6, 2)), np.zeros((6, 2)), {}
    )
    for law in (followed, NegativeBinomial(0.3), Gaussian(0.7)):
        others = information_of_others(law, at, seen)
        assert others.shape == (seen.sum(), 2, 2)
        for place, found in zip(np.flatnonzero(seen), others, strict=True):
            rest = seen & (np.arange(6) != place)
            assert found == pytest.approx(information(law, at, rest), rel=1e-10, abs=1e-12)
        dense = law.cov(at.prediction, at.variance, at.values)[np.ix_(seen, seen)]
        exact = at.d_prediction[seen].T @ np.linalg.solve(dense, at.d_prediction[seen])
        assert information(law, at, seen) == pytest.approx(exact, rel=1e-10)
        miss = draw.standard_normal(6)
        exact = miss[seen] @ np.linalg.solve(dense, miss[seen])
        assert squared_distance(law, at, seen, miss) == pytest.approx(exact, rel=1e-10)
