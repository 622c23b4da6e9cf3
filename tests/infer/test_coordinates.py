import numpy as np
import pytest
from known_posteriors import every_family
from scipy import stats

from mscale_uq.infer.coordinates import COORDINATES, to_physical, to_sampler
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import FAMILIES

POSTERIOR = every_family()


def draws(count, seed=1):
    rng = np.random.default_rng(seed)
    return [POSTERIOR.sample_prior(rng) for _ in range(count)]


def test_every_prior_family_has_a_coordinate():
    assert set(COORDINATES) == set(FAMILIES.values())


def test_going_there_and_back_changes_nothing():
    for theta in draws(100):
        assert to_physical(POSTERIOR, to_sampler(POSTERIOR, theta)) == pytest.approx(theta, rel=1e-9)


def test_log_slopes_are_the_derivative_of_the_map():
    step = 1e-6
    for coordinate, a, b in [(pair[0], 0.3, 1.7) for pair in COORDINATES.values()]:
        for z in (-30.0, -3.0, 0.0, 0.4, 5.0):
            ahead, behind = (coordinate.backward(np, z + sign * step, a, b) for sign in (1, -1))
            slope = (ahead - behind) / (2 * step)
            if slope > 1e-7:
                assert coordinate.log_slope(np, z, a, b) == pytest.approx(np.log(slope), abs=1e-4)


def test_children_are_independent_of_their_parents_in_sampler_coordinates():
    index = {name: i for i, name in enumerate(POSTERIOR.names)}
    z = np.array([to_sampler(POSTERIOR, theta) for theta in draws(500)])
    for child, parent in (
        ("own[0]", "centre"),
        ("own[1]", "spread"),
        ("amount", "spread"),
        ("rate", "spread"),
    ):
        _, p = stats.spearmanr(np.abs(z[:, index[child]]), z[:, index[parent]])
        assert p > 1e-4
    for child in ("own[2]", "amount"):
        assert stats.kstest(z[:, index[child]], "norm").pvalue > 1e-4


def test_coordinates_have_unit_scale_under_the_prior_whatever_the_units():
    for scale in (1e-9, 1.0, 1e11):
        family, arguments = FAMILIES["normal"], (3 * scale, scale)
        posterior = Posterior.__new__(Posterior)
        posterior.priors, posterior.variables = {"modulus": family(*arguments)}, {"modulus": ()}
        z = [to_sampler(posterior, posterior.sample_prior(np.random.default_rng(i))) for i in range(300)]
        assert np.std(z) == pytest.approx(1.0, rel=0.2)


def test_a_far_point_is_infinite_and_no_warning():
    theta = to_physical(POSTERIOR, np.full(len(POSTERIOR.names), 1e4))
    assert np.isinf(theta).any()
