"""What users have asked other libraries for and not got, each by its name."""

import numpy as np
import pytest
from mscale_uq.models.reference import linear_gaussian

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.observation import Observation
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import CovarianceError, DataError, InputError, ParameterError
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.laplace import LaplaceKalman
from mscale_uq.filters.loop import prepared, run, start
from mscale_uq.filters.particle import ParticleFilter
from mscale_uq.filters.records import GaussianState, Verdict
from mscale_uq.filters.sigma_point import SigmaPointKalman
from mscale_uq.filters.sigma_rules import Unscented
from mscale_uq.filters.smoother import smooth
from mscale_uq.filters.square_root import SquareRootKalman
from mscale_uq.observe.counts import NegativeBinomial, poisson
from mscale_uq.observe.laws import Gaussian, StudentT

THETA = {"inflow": 2.0, "x_initial": 5.0, "y_initial": 1.0}
BOTH = np.array([[1.0, 0.2], [0.3, 1.0], [0.5, -0.5]])


def three():
    return BOTH, np.zeros(3)


def space():
    """The tracer, read by three mixed probes at once and by one alone."""
    plain = linear_gaussian.space(noise=0.3, start_sd=1.0)
    panel = LinearReading("panel", linear_gaussian.STATE, three)
    operators = {
        **plain.observations,
        "panel": ObservationOperator("panel", Gaussian((0.5, 0.4, 0.3)), panel),
    }
    return StateSpace([], plain.dynamics, operators, plain.parameters, plain.constants)


def panel(time, *value, **options):
    return Observation(time, "panel", "panel", value, **options)


def probe(time, value):
    return Observation(time, "probe", "amount", value)


def smaller(rows):
    """The same model with a panel that has only these rows: what missing entries must amount to."""

    class Rows:
        __name__ = "rows"

        def __call__(self):
            return BOTH[rows], np.zeros(len(rows))

    reading = LinearReading("panel", linear_gaussian.STATE, Rows())
    sds = tuple(np.array([0.5, 0.4, 0.3])[rows])
    whole = space()
    operators = {**whole.observations, "panel": ObservationOperator("panel", Gaussian(sds), reading)}
    return StateSpace([], whole.dynamics, operators, whole.parameters, whole.constants)


@pytest.mark.parametrize("rows", [[0], [2], [0, 2], [1, 2]])
@pytest.mark.parametrize("filter", [Kalman(), SquareRootKalman(), SigmaPointKalman()])
def test_elementwise_missing_data_are_left_out_with_the_exact_likelihood(filter, rows):
    value = np.full(3, np.nan)
    value[rows] = [4.0, 3.0, 1.0][: len(rows)]
    with_gaps, info = start(filter, space(), THETA).update(panel(1.0, *value))
    without, small = start(filter, smaller(rows), THETA).update(panel(1.0, *value[rows]))
    assert with_gaps.state.mean == pytest.approx(without.state.mean, abs=1e-13)
    assert with_gaps.state.cov == pytest.approx(without.state.cov, abs=1e-13)
    assert info.log_evidence == pytest.approx(small.log_evidence, abs=1e-12)
    assert [v == Verdict.USED for v in info.verdicts] == [i in rows for i in range(3)]
    assert np.array_equal(np.isnan(info.innovation), np.isnan(value))


def test_a_reading_that_is_missing_altogether_changes_nothing():
    forecast = start(Kalman(), space(), THETA).predict_to(1.0)
    after, info = forecast.update(panel(1.0, np.nan, np.nan, np.nan))
    assert np.array_equal(after.state.mean, forecast.state.mean)
    assert info.log_evidence == 0.0
    assert np.all(np.isfinite(info.innovation_cov))  # what would have been expected is known


def test_irregular_times_are_as_good_as_many_small_steps():
    now = start(Kalman(), space(), THETA)
    once = now.predict_to(7.3)
    for time in np.sort(np.random.default_rng(0).uniform(0, 7.3, 50)):
        now = now.predict_to(float(time))
    now = now.predict_to(7.3)
    assert now.state.mean == pytest.approx(once.state.mean, rel=1e-12)
    assert now.state.cov == pytest.approx(once.state.cov, rel=1e-12)


def test_time_is_never_silently_ignored():
    one, _ = start(Kalman(), space(), THETA).update(probe(1.0, 4.0))
    two, _ = start(Kalman(), space(), THETA).update(probe(2.0, 4.0))
    assert not np.allclose(one.state.mean, two.state.mean)
    with pytest.raises(DataError, match=r"time 0\.5; allowed: 1 or later"):
        one.predict_to(0.5)
    with pytest.raises(DataError, match="a finite time"):
        probe(np.nan, 4.0)
    with pytest.raises(DataError, match="one time"):
        one.update(probe(2.0, 4.0), probe(3.0, 4.0))


def test_a_different_sensor_set_at_every_time_is_no_trouble():
    stream = [probe(0.5, 4.0), panel(1.0, 4.0, 3.0, 1.0), panel(1.5, 4.0, np.nan, 1.0), probe(1.5, 3.8)]
    steps = list(run(Kalman(), space(), THETA, stream))
    assert [len(info.sources) for _, info in steps] == [1, 3, 4]
    assert steps[2][1].sources == ("panel", "panel", "panel", "probe")


def test_predict_to_and_update_are_public_and_pure():
    now = start(Kalman(), space(), THETA)
    before = now.state.mean.copy(), now.state.cov.copy()
    first, _ = now.predict_to(1.0).update(probe(1.0, 4.0))
    second, _ = now.predict_to(1.0).update(probe(1.0, 4.0))
    assert np.array_equal(first.state.mean, second.state.mean)
    assert np.array_equal(now.state.mean, before[0])
    assert np.array_equal(now.state.cov, before[1])
    streamed, _ = list(run(Kalman(), space(), THETA, [probe(1.0, 4.0)]))[-1]
    assert np.array_equal(streamed.mean, first.state.mean)
    assert now.predict_to(0.0).state is now.state


@pytest.mark.parametrize("filter", [Kalman(), SquareRootKalman()])
@pytest.mark.parametrize("seen", [(0, 1, 2), (0,)])
def test_the_covariance_stays_positive_when_readings_are_nearly_exact(seen, filter):
    # Three readings pin both states; one pins a sum, and the variances lie 13 decades apart.
    now = start(filter, space(), THETA)
    rng, left_out = np.random.default_rng(1), ~np.isin(np.arange(3), seen)
    for k in range(400):
        value = np.where(left_out, np.nan, rng.normal(size=3))
        now, _ = now.update(panel(0.01 * (k + 1), *value, noise=1e-7))
        cov = now.state.cov
        assert np.array_equal(cov, cov.T)
        assert np.linalg.eigvalsh(cov).min() > 0


@pytest.mark.slow
@pytest.mark.parametrize("filter", [Kalman(), SquareRootKalman()])
def test_after_ten_thousand_updates_the_covariance_is_symmetric_and_positive(filter):
    """As many as take a few seconds, call by call; the compiled kernels are shown for a hundred thousand.

    With hardly any noise in the dynamics the covariance shrinks for as long as there are readings.
    """
    count, rng = 10_000, np.random.default_rng(8)
    plain = linear_gaussian.space(noise=1e-10, start_sd=1.0)
    eye = {"eye": ObservationOperator("x", Gaussian(1e-4))}
    now = start(filter, StateSpace([], plain.dynamics, eye, plain.parameters, plain.constants), THETA)
    covs = np.empty((count, 2, 2))
    for k in range(count):
        now, _ = now.update(Observation(0.01 * (k + 1), "eye", "x", rng.normal()))
        covs[k] = now.state.cov
    assert np.array_equal(covs, np.swapaxes(covs, 1, 2))
    assert np.linalg.eigvalsh(covs).min() > 0


def test_a_covariance_that_is_not_positive_says_so_with_its_time():
    now = start(Kalman(), space(), THETA)
    wrong = GaussianState(2.0, np.zeros(2), np.diag([1.0, -1.0]))
    with pytest.raises(CovarianceError, match=r"time=2\.5") as caught:
        Kalman().forecast(now.space, now.values, wrong, 2.5)
    assert caught.value.theta == {"time": 2.5}
    with pytest.raises(CovarianceError, match="two exact readings"):
        now.update(probe(1.0, 4.0), Observation(1.0, "probe", "amount", 4.0, noise=-0.0), *[exact(1.0)] * 2)


@pytest.mark.parametrize("filter", [Kalman(), SquareRootKalman()])
@pytest.mark.parametrize(
    ("law", "message"),
    [
        (StudentT(0.5), "'probe' has the law StudentT; allowed: normal laws; hint: LaplaceKalman"),
        (NegativeBinomial(0.3), "'probe' has the law NegativeBinomial"),
        (poisson(), "'probe' has the law NegativeBinomial"),
        (Gaussian(0.5, relative=0.1), "the noise of a reading is not affine"),
    ],
)
def test_an_exact_filter_refuses_laws_it_is_not_exact_for(filter, law, message):
    with pytest.raises(InputError, match=message):
        start(filter, space().with_laws({"probe": law}), THETA).update(probe(1.0, 4.0))
    # What states its own noise is normal, whatever the law.
    own = Observation(1.0, "probe", "amount", 4.0, noise=0.5)
    told, _ = start(filter, space().with_laws({"probe": law}), THETA).update(own)
    plain, _ = start(filter, space(), THETA).update(own)
    assert told.state.mean == pytest.approx(plain.state.mean, rel=1e-14)


@pytest.mark.parametrize("filter", [LaplaceKalman(), ExtendedKalman()])
def test_the_filters_it_names_instead_take_them(filter):
    for law in (StudentT(0.5), NegativeBinomial(0.3)):
        after, _ = start(filter, space().with_laws({"probe": law}), THETA).update(probe(1.0, 4.0))
        assert np.all(np.isfinite(after.state.mean))


def exact(time):
    return Observation(time, "probe", "amount", 4.0, noise=0.0)


def test_an_unscented_filter_redraws_its_points_after_the_forecast():
    # Without new points an unscented filter differs from the Kalman filter on a linear model with noise.
    stream = [panel(0.5 * (k + 1), 4.0, 3.0, 1.0) for k in range(50)]
    plain = list(run(Kalman(), space(), THETA, stream))
    sigma = list(run(SigmaPointKalman(Unscented()), space(), THETA, stream))
    for (one, _), (two, _) in zip(plain, sigma, strict=True):
        assert two.mean == pytest.approx(one.mean, abs=1e-11)
        assert two.cov == pytest.approx(one.cov, abs=1e-11)


def test_a_wrong_source_quantity_or_size_is_refused_by_name():
    now = start(Kalman(), space(), THETA)
    with pytest.raises(DataError, match=r"'prob' \(did you mean 'probe'"):
        now.update(Observation(1.0, "prob", "amount", 4.0))
    with pytest.raises(DataError, match="'probe': quantity 'mass'; allowed: amount"):
        now.update(Observation(1.0, "probe", "mass", 4.0))
    with pytest.raises(DataError, match=r"panel at time 1: value of shape \(2,\)"):
        now.update(panel(1.0, 4.0, 3.0))
    with pytest.raises(ParameterError, match="no value for 'inflow'"):
        start(Kalman(), space(), {"x_initial": 5.0, "y_initial": 1.0})


def test_inputs_are_not_mutated():
    value = np.array([4.0, np.nan, 1.0])
    observation = panel(1.0, *value)
    theta = {name: np.array(number) for name, number in THETA.items()}
    list(run(Kalman(), space(), theta, [observation]))
    assert np.array_equal(observation.value, value, equal_nan=True)
    assert theta == THETA
    with pytest.raises(ValueError, match="read-only"):
        observation.value[0] = 1.0


def test_noise_of_an_observation_must_have_a_shape_that_means_something():
    assert np.array_equal(panel(1.0, 1, 2, 3, noise=2.0).noise_cov, 4 * np.eye(3))
    assert np.array_equal(panel(1.0, 1, 2, 3, noise=[1, 2, 3]).noise_cov, np.diag([1.0, 4.0, 9.0]))
    with pytest.raises(DataError, match=r"noise of shape \(2,\)"):
        panel(1.0, 1, 2, 3, noise=[1, 2])
    with pytest.raises(DataError, match="not negative"):
        panel(1.0, 1, 2, 3, noise=-1.0)


def test_an_observation_states_its_own_noise():
    loose, _ = start(Kalman(), space(), THETA).update(Observation(1.0, "probe", "amount", 9.0, noise=5.0))
    values = prepared(space(), THETA)
    forecast = start(Kalman(), space(), THETA).predict_to(1.0).state
    gain = forecast.cov[:, 0] / (forecast.cov[0, 0] + 25.0)
    assert loose.state.mean == pytest.approx(forecast.mean + gain * (9.0 - forecast.mean[0]), rel=1e-13)
    assert values["noise"] == 0.3


@pytest.mark.parametrize(
    "filter", [Kalman, SquareRootKalman, ExtendedKalman, SigmaPointKalman, LaplaceKalman]
)
def test_why_a_reading_was_not_used_is_said(filter):
    # One entry lies 40 standard deviations off: it is left out as if it were missing, and named an outlier.
    with_limit = start(filter(outlier_sd=4.0), space(), THETA)
    screened, info = with_limit.update(panel(1.0, 4.0, 60.0, np.nan))
    missing, plain = start(filter(), space(), THETA).update(panel(1.0, 4.0, np.nan, np.nan))
    assert list(info.verdicts) == [Verdict.USED, Verdict.OUTLIER, Verdict.MISSING]
    assert screened.state.mean == pytest.approx(missing.state.mean, abs=1e-13)
    assert info.log_evidence == pytest.approx(plain.log_evidence, abs=1e-12)
    assert info.innovation[1] > 40
    with pytest.raises(InputError, match="outlier_sd = 0"):
        start(filter(outlier_sd=0.0), space(), THETA).update(panel(1.0, 4.0, 3.0, 1.0))


def test_a_filter_that_cannot_be_smoothed_says_so():
    with pytest.raises(InputError, match="smoothing by ParticleFilter; allowed: Kalman, SquareRootKalman"):
        smooth(ParticleFilter(), space(), THETA, [probe(1.0, 4.0)])
