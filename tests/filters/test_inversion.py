"""ES-MDA and ensemble Kalman inversion against linear algebra."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.stage import Stage
from mscale_uq.errors import DataError, InputError, SolveFailed
from mscale_uq.filters.eki import EKI
from mscale_uq.filters.esmda import ESMDA
from mscale_uq.filters.etkf import ETKF
from mscale_uq.filters.letkf import LETKF
from mscale_uq.filters.localisation import Localisation
from mscale_uq.filters.serial import Serial

H = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, -1.0], [2.0, 0.0, 0.3], [0.1, 0.1, 0.1], [0.0, 0.4, 1.0]])
DATA = np.array([1.0, -0.5, 2.0, 0.3, 0.1])
NOISE = 0.3 * np.eye(5) + 0.05
LOCAL = ESMDA(analysis=LETKF(Localisation(1.0, np.zeros(1), {})))
SCHEDULES = [(1.0,), (4.0, 4.0, 4.0, 4.0), (9.333, 7.0, 4.0, 2.0), (1.0, 5.0)]


def weighted(k):
    return H @ k


def logs(k):
    return H @ np.log(k)


def linear(function=weighted, lower=-np.inf):
    return ForwardModel([Formula(function, "y")], [vector(lower)], ["y"])


def vector(lower=-np.inf):
    return Parameter("k", "1", (1.0,) * 3, lower=lower, shape=(3,))


def prior(members, seed=1):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((members, 3)) @ [[1.0, 0.3, 0.0], [0.0, 1.0, 0.2], [0.0, 0.0, 0.5]] + 0.5


def posterior(mean, P, seen=slice(None)):
    """The naive Gaussian posterior."""
    A, R, y = H[seen], NOISE[seen][:, seen], DATA[seen]
    K = P @ A.T @ np.linalg.inv(A @ P @ A.T + R)
    return mean + K @ (y - A @ mean), P - K @ A @ P


@pytest.mark.parametrize("alphas", SCHEDULES)
@pytest.mark.parametrize("analysis", [ETKF(), Serial()], ids=["etkf", "serial"])
def test_es_mda_does_not_depend_on_its_alphas_for_a_linear_model(alphas, analysis):
    members = prior(20)
    found = ESMDA(alphas, analysis).invert(linear(), members, DATA, NOISE)
    mean, cov = posterior(members.mean(axis=0), np.cov(members.T))
    assert found.thetas.mean(axis=0) == pytest.approx(mean, rel=1e-10)
    assert np.cov(found.thetas.T) == pytest.approx(cov, rel=1e-9, abs=1e-12)
    assert found.predicted == pytest.approx(found.thetas @ H.T, rel=1e-12)


@pytest.mark.parametrize("alphas", SCHEDULES)
def test_with_perturbed_data_it_does_not_in_the_limit_of_many_members(alphas):
    members = prior(10_000)
    found = ESMDA(alphas).invert(linear(), members, DATA, NOISE, key=3).thetas
    L = np.array([[1.0, 0.3, 0.0], [0.0, 1.0, 0.2], [0.0, 0.0, 0.5]])
    mean, cov = posterior(np.full(3, 0.5), L.T @ L)
    sd = np.sqrt(np.diag(cov))
    assert np.abs((found.mean(axis=0) - mean) / sd).max() < 5 * np.sqrt(6 / 10_000)
    assert np.abs((np.cov(found.T) - cov) / np.outer(sd, sd)).max() < 5 * np.sqrt(12 / 10_000)


def test_the_alphas_are_scaled_to_one_update():
    for alphas in SCHEDULES:
        scaled = np.array(ESMDA(alphas).scaled_alphas)
        assert (1 / scaled).sum() == pytest.approx(1.0, rel=1e-14)
        assert scaled / scaled[0] == pytest.approx(np.array(alphas) / alphas[0], rel=1e-14)


def test_positive_parameters_are_updated_in_their_logarithm_and_stay_positive():
    members = np.exp(prior(20))
    found = ESMDA((2.0, 2.0), ETKF()).invert(linear(logs, lower=0.0), members, DATA, NOISE)
    mean, cov = posterior(np.log(members).mean(axis=0), np.cov(np.log(members).T))
    assert np.all(found.thetas > 0)
    assert np.log(found.thetas).mean(axis=0) == pytest.approx(mean, rel=1e-10)
    assert np.cov(np.log(found.thetas).T) == pytest.approx(cov, rel=1e-9)


def test_a_missing_datum_is_left_out():
    members, gaps = prior(20), np.where(np.arange(5) == 2, np.nan, DATA)
    found = ESMDA(analysis=ETKF()).invert(linear(), members, gaps, NOISE)
    mean, _ = posterior(members.mean(axis=0), np.cov(members.T), np.array([0, 1, 3, 4]))
    assert found.thetas.mean(axis=0) == pytest.approx(mean, rel=1e-10)


def test_misfits_are_those_of_the_members_mean():
    members = prior(20)
    found = ESMDA(analysis=ETKF()).invert(linear(), members, DATA, NOISE)
    d = DATA - H @ members.mean(axis=0)
    assert found.misfits[0] == pytest.approx(d @ np.linalg.solve(NOISE, d) / 5, rel=1e-12)
    assert len(found.misfits) == len(found.alphas) + 1 == 5
    assert np.all(np.diff(found.misfits) < 0)


def test_the_same_key_gives_the_same_members_also_through_an_executor():
    members = prior(15)
    one = ESMDA().invert(linear(), members, DATA, NOISE, key=7)
    with ThreadPoolExecutor(2) as pool:
        other = ESMDA().invert(linear(), members, DATA, NOISE, key=7, map=pool.map)
    assert np.array_equal(one.thetas, other.thetas)
    assert not np.array_equal(one.thetas, ESMDA().invert(linear(), members, DATA, NOISE, key=8).thetas)


class Fragile(Stage):
    name, inputs, outputs = "fragile", ("k",), ("y",)

    def value(self, values):
        if values["k"][0] > 1.2:
            raise SolveFailed(self.name, values, "too stiff")
        return {"y": H @ values["k"]}


def test_members_that_fail_are_redrawn_and_counted():
    model = ForwardModel([Fragile()], [vector()], ["y"])
    members = prior(40)
    high = members[:, 0] > 1.2
    found = ESMDA((1.0,), ETKF()).invert(model, members, DATA, NOISE)
    assert found.lost[0] == high.sum() > 0
    assert np.all(np.isfinite(found.thetas))
    # The others' law is what is updated: the mean agrees up to the redrawn members' sampling noise.
    mean, _ = posterior(members[~high].mean(axis=0), np.cov(members[~high].T))
    spread = np.sqrt(np.diag(np.cov(members[~high].T)) / high.sum())
    assert np.all(np.abs(found.thetas.mean(axis=0) - mean) < 4 * spread)


def test_fewer_than_two_successes_are_an_error():
    model = ForwardModel([Fragile()], [vector()], ["y"])
    stiff = prior(5) + np.array([5.0, 0.0, 0.0])
    with pytest.raises(SolveFailed, match="no member left; the last failure: fragile: too stiff"):
        ESMDA().invert(model, stiff, DATA, NOISE)
    stiff[0, 0] = 0.0
    with pytest.raises(SolveFailed, match="1 of 5 members left"):
        ESMDA().invert(model, stiff, DATA, NOISE)


def test_inversion_goes_to_the_best_fit_in_the_hull_of_its_members():
    # Three members span a plane; the weighted least-squares point of that plane is the limit.
    members = prior(3, seed=4)
    found = EKI(steps=3000, discrepancy=0.0, analysis=ETKF()).invert(linear(), members, DATA, NOISE)
    W = np.linalg.inv(np.linalg.cholesky(NOISE))
    basis = np.diff(members, axis=0).T
    base = members[0]
    shift = np.linalg.lstsq(W @ H @ basis, W @ (DATA - H @ base), rcond=None)[0]
    best = base + basis @ shift
    # The distance to the limit falls as 1/steps.
    assert np.abs(found.thetas.mean(axis=0) - best).max() < 3e-3 * np.abs(members - best).max()
    normal = np.cross(*basis.T)
    assert np.abs((found.thetas - base) @ normal).max() < 1e-9, "no member leaves the plane"


def test_inversion_stops_when_the_noise_explains_the_misfit():
    rng = np.random.default_rng(5)
    data = H @ [0.2, 0.4, 0.9] + np.linalg.cholesky(NOISE) @ rng.standard_normal(5)
    found = EKI(steps=50, analysis=ETKF()).invert(linear(), prior(20) + 4, data, NOISE)
    assert found.misfits[-1] <= 1.0 < found.misfits[-2]
    assert len(found.alphas) < 50


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ESMDA(()), InputError, "at least one positive number"),
        (lambda: ESMDA((1.0, -1.0)), InputError, "at least one positive number"),
        (lambda: EKI(steps=0), InputError, "steps from 1"),
        (lambda: EKI(discrepancy=-1.0), InputError, "discrepancy from 0"),
        (lambda: ESMDA().invert(linear(), prior(5), DATA, np.ones(4)), DataError, r"noise of shape \(4,\)"),
        (lambda: ESMDA().invert(linear(), prior(5), DATA[:4], np.ones(4)), DataError, "4 data, 5 predicted"),
        (lambda: LOCAL.invert(linear(), prior(5), DATA, NOISE), InputError, "a localised analysis"),
    ],
)
def test_impossible_requests_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
