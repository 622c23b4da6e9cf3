"""The law of a camera's frame, against the multivariate normal, quadrature and differences."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import ParameterError
from mscale_uq.filters.denkf import DEnKF
from mscale_uq.filters.enks import EnKS
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.etkf import ETKF
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.follow import follow
from mscale_uq.filters.ienks import IEnKS
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.laplace import LaplaceKalman
from mscale_uq.filters.letkf import LETKF
from mscale_uq.filters.localisation import Localisation
from mscale_uq.filters.records import GaussianState, Verdict
from mscale_uq.filters.serial import Serial
from mscale_uq.filters.sigma_point import SigmaPointKalman
from mscale_uq.filters.square_root import SquareRootKalman
from mscale_uq.filters.stochastic import Stochastic
from mscale_uq.filters.whole import WholeStream
from mscale_uq.macro.linear_sde import LinearSDE
from mscale_uq.observe.fluorescence import Fluorescence

MEAN = np.array([30.0, 100.0, 200.0, 15.0])
NONE = np.zeros(4)
CAMERA = {"shot": 0.4, "relative": 0.05, "background": 10.0}


def frame(law, seed=0):
    return law.sample(MEAN, NONE, {}, np.random.default_rng(seed))


def test_the_slope_of_variance_against_mean_is_the_gain_over_the_pixels():
    law = Fluorescence(3.0, shot=0.4, background=10.0)
    variance = np.diag(law.cov(MEAN, NONE, {}))
    assert np.diff(variance[:3]) / np.diff(MEAN[:3]) == pytest.approx([0.4, 0.4])
    assert law.own(np.array(10.0), np.array(0.0), {}) == 9.0


def test_simulated_frames_have_the_stated_covariance_off_the_diagonal_too():
    law = Fluorescence(3.0, background_sd=5.0, **CAMERA)
    rng = np.random.default_rng(1)
    drawn = np.array([law.sample(MEAN, NONE, {}, rng) for _ in range(40000)])
    cov = law.cov(MEAN, NONE, {})
    scale = np.sqrt(np.outer(np.diag(cov), np.diag(cov)))
    assert np.abs((np.cov(drawn, rowvar=False) - cov) / scale).max() < 0.03


@pytest.mark.parametrize("background_sd", [0.0, 5.0])
def test_the_density_of_a_frame_is_the_multivariate_normal_one_without_what_is_missing(background_sd):
    law = Fluorescence(3.0, background_sd=background_sd, **CAMERA)
    data = frame(law)
    data[1] = np.nan
    seen = ~np.isnan(data)
    joint = multivariate_normal(MEAN[seen], law.cov(MEAN, NONE, {})[np.ix_(seen, seen)])
    assert law.logpdf(data, MEAN, NONE, {}).total == pytest.approx(joint.logpdf(data[seen]), rel=1e-13)


def test_the_density_of_a_reading_given_the_others_is_that_of_the_joint_normal():
    law = Fluorescence(3.0, background_sd=5.0, **CAMERA)
    data, cov = frame(law), law.cov(MEAN, NONE, {})
    for k, found in enumerate(law.held_out(data, MEAN, NONE, {})):
        rest = np.arange(4) != k
        weights = np.linalg.solve(cov[np.ix_(rest, rest)], cov[rest, k])
        middle = MEAN[k] + weights @ (data - MEAN)[rest]
        assert found == pytest.approx(
            norm(middle, np.sqrt(cov[k, k] - weights @ cov[rest, k])).logpdf(data[k])
        )


def test_one_saturated_reading_counts_with_the_probability_of_saturation_given_the_others():
    law = Fluorescence(3.0, background_sd=5.0, saturation=190.0, **CAMERA)
    data = np.array([33.0, 96.0, 190.0, 15.0])
    free = Fluorescence(3.0, background_sd=5.0, **CAMERA)

    def density(reading):
        return np.exp(free.logpdf(np.where(data == 190.0, reading, data), MEAN, NONE, {}).total)

    exact = np.log(quad(density, 190.0, 400.0, epsabs=0, epsrel=1e-12, points=[200.0])[0])
    assert law.logpdf(data, MEAN, NONE, {}).total == pytest.approx(exact, rel=1e-9)


def test_a_reading_is_told_by_its_saturated_neighbours_as_by_bounds():
    """Each given all others: two densities, integrated over the background's error that the frame shares."""
    law = Fluorescence(3.0, background_sd=5.0, saturation=90.0, **CAMERA)
    data = np.array([33.0, 90.0, 90.0, 15.0])
    sd = np.sqrt(law.own(MEAN, NONE, {}))

    def joint(there):
        def at(b):
            each = np.where(data == 90.0, norm.sf(90.0, MEAN + b, sd), norm.pdf(data, MEAN + b, sd))
            return norm.pdf(b, 0.0, 5.0) * np.prod(each[there])

        return np.log(quad(at, -30.0, 30.0, epsabs=0, epsrel=1e-11, limit=200)[0])

    everyone = np.ones(4, dtype=bool)
    exact = [joint(everyone) - joint(np.arange(4) != k) for k in range(4)]
    assert law.held_out(data, MEAN, NONE, {}) == pytest.approx(exact, rel=1e-7)


@pytest.mark.parametrize("background_sd", [0.0, 5.0])
@pytest.mark.parametrize("saturation", [None, 90.0])
def test_the_slopes_of_the_density_are_its_differences(background_sd, saturation):
    law = Fluorescence("noise", 0.4, "wobble", 10.0, background_sd, saturation)
    values = {"noise": np.array(3.0), "wobble": np.array(0.05)}
    data = np.array([33.0, 96.0, 190.0, np.nan])
    data = data if saturation is None else np.minimum(data, saturation)
    terms = law.logpdf(data, MEAN, NONE + 1, values)
    assert terms.pointwise.sum() == pytest.approx(terms.total)

    def slope(prediction=0.0, variance=0.0, **levels):
        h = 1e-5
        low, high = (
            law.logpdf(
                data,
                MEAN + s * h * prediction,
                NONE + 1 + s * h * variance,
                {name: value + s * h * levels.get(name, 0.0) for name, value in values.items()},
            ).total
            for s in (-1, 1)
        )
        return (high - low) / (2 * h)

    for k, unit in enumerate(np.eye(4)):
        assert terms.d_prediction[k] == pytest.approx(slope(prediction=unit), rel=1e-6, abs=1e-9)
        assert terms.d_variance[k] == pytest.approx(slope(variance=unit), rel=1e-6, abs=1e-9)
    for name in values:
        assert terms.d_values[name] == pytest.approx(slope(**{name: 1.0}), rel=1e-6)


@pytest.mark.parametrize("level", ["sd", "shot", "relative", "background_sd"])
def test_a_negative_noise_level_is_refused(level):
    with pytest.raises(ParameterError, match=level):
        Fluorescence(**{"sd": 1.0, level: -1.0})


def still(x):
    return np.zeros((1, 1)), np.zeros(1), np.zeros((1, 1))


def lamp(law, mean=0.0, sd=0.0):
    """One unknown intensity, read as it is."""
    constants = {"x": np.array(0.0), "light_initial": mean, "light_initial_var": sd**2}
    dynamics = LinearSDE("lamp", (Quantity("light", "1"),), still)
    return StateSpace([], dynamics, {"camera": ObservationOperator("light", law)}, [], constants)


def updated(filter, law, reading, mean, sd):
    space = lamp(law)
    seen = [Observation(0.0, "camera", "light", reading)]
    prior = GaussianState(0.0, np.array([mean]), np.array([[sd**2]]))
    return filter.analyse(space, space.prepare({}), prior, seen)


def exact(law, reading, mean, sd):
    """Moments of the posterior of the intensity, by the trapezoidal rule."""
    x = np.linspace(mean - 8 * sd, mean + 8 * sd, 4001)
    log = [law.logpdf(np.array([reading]), np.array([one]), np.zeros(1), {}).total for one in x]
    p = np.exp(log - np.max(log)) * norm(mean, sd).pdf(x)
    p /= p.sum()
    m = p @ x
    return m, np.sqrt(p @ (x - m) ** 2)


def test_a_filter_takes_the_noise_where_the_iteration_is_and_not_at_the_forecast():
    # Shot and segmentation noise at the forecast, 400, are a third of those at the reading.
    law = Fluorescence(2.0, shot=4.0, relative=0.05)
    mean, sd = exact(law, 1000.0, 400.0, 400.0)
    once, _ = updated(ExtendedKalman(), law, 1000.0, 400.0, 400.0)
    often, _ = updated(LaplaceKalman(), law, 1000.0, 400.0, 400.0)
    assert abs(often.mean[0] - mean) < 0.2 * sd
    assert np.sqrt(often.cov[0, 0]) == pytest.approx(sd, rel=0.05)
    assert np.sqrt(once.cov[0, 0]) < 0.7 * sd  # what one step believes


def test_a_saturated_reading_is_used_as_a_bound_by_the_filter_that_knows_laws():
    law = Fluorescence(20.0, saturation=255.0)
    mean, sd = exact(law, 255.0, 240.0, 30.0)
    state, info = updated(LaplaceKalman(), law, 255.0, 240.0, 30.0)
    assert abs(state.mean[0] - mean) < 0.25 * sd
    assert np.sqrt(state.cov[0, 0]) == pytest.approx(sd, rel=0.15)
    assert list(info.verdicts) == [Verdict.USED]


TWO_MOMENTS = [
    Kalman(),
    SquareRootKalman(),
    ExtendedKalman(iterations=20),
    SigmaPointKalman(iterations=20),
    *(EnsembleKalman(scheme(), 20) for scheme in (Stochastic, ETKF, DEnKF, Serial)),
    EnsembleKalman(LETKF(Localisation(2.0, [0.0], {"camera": [0.0]})), 20),
    EnKS(EnsembleKalman(ETKF(), 20)),
    IEnKS(20, lag=0),
    IEnKS(20, lag=2),
    WholeStream(size=20),
]


@pytest.mark.parametrize("filter", TWO_MOMENTS, ids=lambda f: type(f).__name__)
def test_a_saturated_reading_is_set_aside_by_the_filters_that_know_two_moments(filter):
    # The prior says 5 +- 1, so that a reading of 4 that is taken as exact would move it far.
    space = lamp(Fluorescence(0.3, saturation=4.0), 5.0, 1.0)
    followed = follow(filter, space, {}, [Observation(0.0, "camera", "light", 4.0)])
    assert list(followed.infos[0].verdicts) == [Verdict.CENSORED]
    assert followed.infos[0].log_evidence == 0.0
    after = followed.filtered[0]
    assert after.mean == pytest.approx(followed.first.mean, abs=1e-12)
    assert after.sd == pytest.approx(followed.first.sd, abs=1e-12)


# The first two refuse a law that saturates so near the forecast: it is not normal there.
@pytest.mark.parametrize("filter", TWO_MOMENTS[2:], ids=lambda f: type(f).__name__)
def test_the_readings_beside_a_saturated_one_are_used_as_if_it_were_missing(filter):
    space = lamp(Fluorescence(0.3, saturation=4.0), 3.5, 1.0)
    rest = [Observation(1.0, "camera", "light", 3.0), Observation(2.0, "camera", "light", 2.8)]
    cut, gone = (
        follow(filter, space, {}, [Observation(0.0, "camera", "light", value), *rest])
        for value in (4.0, np.nan)
    )
    assert [list(info.verdicts) for info in cut.infos] == [[Verdict.CENSORED], [Verdict.USED], [Verdict.USED]]
    for one, two in zip(cut.filtered, gone.filtered, strict=True):
        assert one.mean == pytest.approx(two.mean, abs=1e-12)
    assert abs(cut.filtered[-1].mean[0] - 3.5) > 0.3
