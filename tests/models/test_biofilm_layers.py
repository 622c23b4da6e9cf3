"""Numbers of the homogenised film, and its distance to the resolved one."""

import numpy as np
import pytest
from mscale_uq.models.transport.biofilm_layers import forward, resolved

from mscale_uq.macro.layered import layered_profile

# In units of thickness 1, surface concentration 1.
THETA = {
    "cluster_diffusivity": 0.2,
    "matrix_diffusivity": 1.2,
    "cluster_fraction": 0.6,
    "uptake_rate": 1.0,
    "surface_concentration": 1.0,
    "diffusivity_bias": 1.0,
}


def test_the_published_film():
    model = forward(depth=[1.0], thickness=1.0)
    known = model.trace(model.theta(**THETA))
    assert known["D_eff"] == pytest.approx(0.3, rel=1e-14)
    assert known["D_along"] == pytest.approx(0.6, rel=1e-14)
    assert known["concentration"][0] == pytest.approx(0.3140458707, abs=1e-8)
    assert known["uptake"] == pytest.approx(0.5200120742, abs=1e-8)


@pytest.mark.parametrize(
    ("cluster_first", "published"),
    [
        (True, [-1.51e-2, -7.88e-3, -4.01e-3, -2.02e-3, -1.02e-3]),
        (False, [1.74e-2, 8.43e-3, 4.15e-3, 2.06e-3, 1.03e-3]),
    ],
)
def test_the_resolved_film_differs_by_what_the_sheet_says(cluster_first, published):
    homogenised = 0.3140458707
    for periods, difference in zip([5, 10, 20, 40, 80], published, strict=True):
        exact = resolved(THETA, depth=[1.0], thickness=1.0, periods=periods, cluster_first=cluster_first)
        assert exact["concentration"][0] - homogenised == pytest.approx(difference, rel=5e-3)


def test_the_mean_of_both_orderings_converges_at_second_order():
    errors = []
    for periods in (10, 20, 40):
        both = [resolved(THETA, [1.0], 1.0, periods, first)["concentration"][0] for first in (True, False)]
        errors.append(np.mean(both) - 0.3140458707)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.05)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2.0, abs=0.05)


def test_the_resolved_film_of_equal_layers_is_the_hyperbolic_cosine():
    depth = np.linspace(0, 1, 7)
    profile, inflow = layered_profile(depth, np.full(9, 1 / 9), np.full(9, 0.3), 1.0)
    m = np.sqrt(1 / 0.3)
    assert profile == pytest.approx(np.cosh(m * (1 - depth)) / np.cosh(m), rel=1e-13)
    assert inflow == pytest.approx(0.3 * m * np.tanh(m), rel=1e-13)


def test_thick_layers_do_not_overflow():
    profile, inflow = layered_profile([0.0, 0.5, 1.0], [0.5, 0.5], [1e-8, 1e-8], 1.0)
    assert inflow == pytest.approx(1e-4, rel=1e-12)
    assert profile[0] == 1
    assert np.all(np.isfinite(profile))


def test_a_steady_profile_alone_fixes_only_the_ratio_of_uptake_and_diffusivity():
    model = forward(depth=np.linspace(0.05, 1, 20), thickness=1.0)
    names = [model.names.index(name) for name in ("cluster_diffusivity", "uptake_rate")]
    # Scaling all diffusivities and the rate together changes nothing but the uptake.
    theta = model.theta(**THETA)
    scaled = model.theta(
        **{**THETA, "cluster_diffusivity": 0.4, "matrix_diffusivity": 2.4, "uptake_rate": 2.0}
    )
    assert model.value(scaled)[:-1] == pytest.approx(model.value(theta)[:-1], rel=1e-10)
    assert model.value(scaled)[-1] == pytest.approx(2 * model.value(theta)[-1], rel=1e-10)
    # And so one direction of (ln D, ln k) is invisible to the profile, as one singular value says.
    in_logs = model.jacobian(theta)[:-1][:, names] * theta[names]
    through_D_eff = in_logs / np.array([1 / (1 + 0.4 / 1.2 * 0.2 / 0.6), 1.0])
    singular = np.linalg.svd(through_D_eff, compute_uv=False)
    assert singular[1] < 1e-9 * singular[0]
