"""A conducting cell as a stage: exact derivatives, names, and what it refuses."""

import pickle

import numpy as np
import pytest
from media import linearized, normal, random_image

from mscale_uq.cell.conduction import PeriodicConduction, effective_conductivity
from mscale_uq.core.chain import Chain
from mscale_uq.errors import OutOfLimits, ParameterError, SolveFailed


def test_the_derivative_agrees_with_central_differences():
    k, direction = random_image(9, 8), normal(9, 8, seed=4)
    _, derivative = linearized(k, (1.0, 1.4))
    step = 1e-4
    difference = (
        effective_conductivity(k * np.exp(step * direction), (1.0, 1.4))
        - effective_conductivity(k * np.exp(-step * direction), (1.0, 1.4))
    ) / (2 * step)
    np.testing.assert_allclose(derivative.jvp({"k": k * direction})["K"], difference, rtol=0, atol=1e-7)


def test_every_single_element_of_the_derivative_agrees_with_central_differences():
    k = random_image(4, 3)
    _, derivative = linearized(k)
    for element in np.ndindex(k.shape):
        unit = np.zeros(k.shape)
        unit[element] = 1.0
        difference = (
            effective_conductivity(k + 1e-5 * unit) - effective_conductivity(k - 1e-5 * unit)
        ) / 2e-5
        np.testing.assert_allclose(derivative.jvp({"k": unit})["K"], difference, rtol=0, atol=1e-7)


def test_the_tensor_is_homogeneous_of_degree_one():
    # Euler: sum_e k_e dK/dk_e = K
    k = random_image(10, 7)
    K, derivative = linearized(k)
    np.testing.assert_allclose(derivative.jvp({"k": k})["K"], K, rtol=1e-10, atol=1e-13)


def test_a_better_conductor_anywhere_conducts_better():
    _, derivative = linearized(random_image(6, 7))
    for direction in ([1.0, 0.0], [0.0, 1.0], [0.6, -0.8]):
        assert derivative.vjp({"K": np.outer(direction, direction)})["k"].min() >= 0


def test_tangent_and_adjoint_are_transposes():
    k = random_image(6, 5)
    _, derivative = linearized(k)
    v, w = normal(*k.shape, seed=4), normal(2, 2, seed=5)
    forward = np.sum(w * derivative.jvp({"k": v})["K"])
    np.testing.assert_allclose(np.sum(v * derivative.vjp({"K": w})["k"]), forward, rtol=1e-12)


def test_the_stage_reads_and_makes_the_names_it_is_given():
    stage = PeriodicConduction((4, 4), conductivity="lambda_e", tensor="lambda_eff")
    k = random_image(4, 4)
    np.testing.assert_array_equal(
        Chain([stage], ["lambda_e"]).value({"lambda_e": k})["lambda_eff"], effective_conductivity(k)
    )


def test_the_stage_pickles_without_its_symbolic_work():
    stage = PeriodicConduction((64, 64), (1.0, 2.0))
    k = random_image(64, 64)
    value = stage.value({"k": k})["K"]
    message = pickle.dumps(stage)
    assert len(message) < 500
    np.testing.assert_array_equal(pickle.loads(message).value({"k": k})["K"], value)


def test_the_image_is_left_alone():
    k = random_image(4, 4)
    k.flags.writeable = False
    kept = k.copy()
    linearized(k)
    effective_conductivity(k)
    np.testing.assert_array_equal(k, kept)


def test_an_image_of_labels_is_the_array_of_its_phases():
    image = np.random.default_rng(3).integers(0, 3, (6, 6))
    phases = {0: 0.2, 1: 4.0, 2: 1.0, 7: 3.0}
    k = np.vectorize(phases.get)(image)
    np.testing.assert_array_equal(effective_conductivity(image, phases=phases), effective_conductivity(k))
    segmented = np.where(image == 0, "pore", "grain")
    words = effective_conductivity(segmented, phases={"pore": 0.2, "grain": 4.0})
    np.testing.assert_array_equal(words, effective_conductivity(np.where(image == 0, 0.2, 4.0)))


@pytest.mark.parametrize(
    ("k", "options", "message"),
    [
        (np.ones(4), {}, r"an image of shape \(4,\); allowed: a 2-D array"),
        (np.ones((0, 3)), {}, r"an image of shape \(0, 3\)"),
        (
            np.eye(3),
            {},
            r"a conductivity of 0 in 6 of 9 pixels, first at \(0, 1\); allowed: positive.*insulating",
        ),
        (-np.ones((2, 2)), {}, "a conductivity of -1 in 4 of 4 pixels"),
        (np.array([[1.0, np.nan]]), {}, r"a conductivity of nan in 1 of 2 pixels, first at \(0, 1\)"),
        (np.array([[1.0, np.inf]]), {}, "a conductivity of inf"),
        (np.array([[0, 1]]), {}, r"an image of int64 without phases; .*hint: say phases=\{0: 0.2, 1: 4.0\}"),
        (np.array([[True, False]]), {}, "an image of bool without phases"),
        (np.array([[1j, 2.0]]), {}, "an image of complex128; allowed: an array of floats"),
        (np.array([[0, 1, 2]]), {"phases": {0: 1.0, 1: 2.0}}, "no conductivity for label 2 .*given are 0, 1"),
        (np.array([[0, 1]]), {"phases": {0: 1.0, 1: -2.0}}, "a conductivity of -2.0 for label 1"),
        (np.arange(9.0).reshape(3, 3), {"phases": {0: 1.0}}, "a grey-scale image must be segmented first"),
        (np.ones((2, 2)), {"lengths": (1.0, 0.0)}, r"lengths=\(1.0, 0.0\); allowed: two positive numbers"),
        (np.ones((2, 2)), {"lengths": (1.0,)}, r"lengths=\(1.0,\)"),
        (np.ones((2, 2)), {"lengths": ("a", "b")}, r"lengths=\('a', 'b'\); allowed: two positive numbers"),
        (np.ones((2, 2)), {"lengths": (1j, 1.0)}, "lengths="),
        ([[1.0, 2.0], [1.0]], {}, "rows differ in length"),
        (
            np.array([["a", 1]], dtype=object),
            {"phases": {"a": 1.0, 1: 2.0}},
            "labels that cannot be compared",
        ),
        (
            np.array([[0, 1]]),
            {"phases": {0: 1.0, 1: "2 W/(m K)"}},
            r"a conductivity of '2 W/\(m K\)' for label 1",
        ),
        (np.array([[0, 1]]), {"phases": {0: 1.0, 1: None}}, "a conductivity of None for label 1"),
        (np.ma.masked_less(np.array([[0.1, 1.0]]), 0.5), {}, "an image with masked pixels.*filled"),
    ],
)
def test_a_wrong_image_is_refused_with_what_is_allowed(k, options, message):
    with pytest.raises(ParameterError, match=message):
        effective_conductivity(k, **options)


def test_a_wrong_grid_is_refused_when_the_stage_is_made():
    with pytest.raises(ParameterError, match=r"shape=\(0, 4\); allowed: two positive whole numbers"):
        PeriodicConduction((0, 4))
    with pytest.raises(ParameterError, match=r"shape=\(4,\)"):
        PeriodicConduction((4,))


@pytest.mark.parametrize("n", [4, 64])
def test_a_laminate_is_exact_up_to_the_greatest_contrast_and_refused_beyond(n):
    k = np.ones((n, n))
    k[n // 2 :] = 1e-12
    K = effective_conductivity(k)
    assert np.diag(K) == pytest.approx([2e-12 / (1 + 1e-12), (1 + 1e-12) / 2], rel=1e-10)
    k[n // 2 :] = 9e-13
    with pytest.raises(SolveFailed, match=r"k spans 12.0 orders of magnitude; the solver bears twelve"):
        effective_conductivity(k)


def test_a_stage_says_why_it_has_no_value():
    stage = PeriodicConduction((2, 2))
    with pytest.raises(ParameterError, match=r"'k' of shape \(3, 2\); allowed: shape \(2, 2\)"):
        stage.value({"k": np.ones((3, 2))})
    with pytest.raises(OutOfLimits, match="'k' is -1 somewhere, and must be positive"):
        stage.value({"k": -np.ones((2, 2))})
    with pytest.raises(SolveFailed, match="'k' is not finite everywhere"):
        stage.linearize({"k": np.full((2, 2), np.nan)})
