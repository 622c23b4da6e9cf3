"""The published numbers of the 64-coefficient benchmark, in its own additive convention."""

from pathlib import Path

import numpy as np
import pytest
from mscale_uq.models.reference.laplace64 import forward

from mscale_uq.case.read import read_case
from mscale_uq.diagnose.gradient import check_gradient

CASE = Path(__file__).parents[2] / "models/reference/laplace64.toml"
ONES, TENS, RAMP = np.ones(64), np.full(64, 10.0), np.arange(1.0, 65.0)
# Test input 4 of the authors' own program, and what that program (deal.II) answers.
PUBLISHED_INPUT = np.array(
    """0.8192803309656589 3.638176667238537 2.827093228665591 0.6372436582321641 0.1341254546975316
    0.1605469770433475 9.264957440604691 1.443760902865249 0.1468243381295022 1.057814613129768
    5.528733295303567 0.239286516736003 2.800747303407959 0.1319575611674109 6.698198747762071
    0.1482966216824855 2.092743102527656 0.1466957251165379 2.368035518398941 0.3832546697654317
    1.820700501260099 0.7373609344953579 8.604354644250911 8.744422177184628 2.936438844102872
    1.294031563776594 2.669613300857404 0.1867087440678453 0.6192591955372289 0.2957723778839228
    1.675609793567188 0.1813289774517767 5.379563029897009 3.899477159252143 0.5719537257597139
    3.482795793657854 5.455771759435906 0.8275451007895783 2.530298141260427 0.7789728628848801
    0.5358519118264474 0.862630803593001 4.263674141904191 0.3055089623145412 5.582375555756837
    0.534544856438295 0.8239439404579769 0.3299875411663784 0.8806199187089369 0.4777951048085369
    2.992570284466547 2.289250442516765 0.3008552198972604 2.495954364514141 6.778016265057047
    0.7119458954926688 0.1312660457644184 8.851536884738612 0.2421400391357902 1.207647730932108
    3.396589978878624 3.623367539730488 9.679254991757832 7.13862864670367""".split(),
    dtype=float,
)
PUBLISHED_FIRST_ROW = [5.7204756364567733e-02, 1.2253936425313876e-01, 1.5730345256917480e-01]
PUBLISHED_LAST_ROW = [9.1061280672550968e-02, 4.4106949791987128e-02, 1.8127587033211483e-02]


@pytest.fixture(scope="module")
def posterior():
    return read_case(CASE).posterior()


@pytest.mark.parametrize(
    ("coefficients", "published", "precision"),
    [
        (ONES, -228.510844004, 1e-6),
        (TENS, -5708.64422369, 1e-6),
        (RAMP, -6412.82113914, 1e-6),
        (PUBLISHED_INPUT, -1264.0034757, 1e-6),
    ],
)
def test_the_log_likelihood_is_the_published_one(posterior, coefficients, published, precision):
    constant = -169 * np.log(np.sqrt(2 * np.pi) * 0.05)
    assert posterior.log_likelihood(coefficients) - constant == pytest.approx(published, abs=precision)


@pytest.mark.parametrize(
    ("coefficients", "published"), [(ONES, 0.0), (TENS, -42.4151848838), (RAMP, -88.6599171951)]
)
def test_the_prior_differs_from_the_published_one_by_a_constant(posterior, coefficients, published):
    """Normal with mean 4 in ln a, with its Jacobian, is prod exp(-(ln a)^2 / 8) as a density of a."""
    constant = posterior.log_prior(ONES)
    assert posterior.log_prior(coefficients) - constant == pytest.approx(published, abs=1e-9)
    assert constant == pytest.approx(-64 * (np.log(2 * np.sqrt(2 * np.pi)) + 2.0), rel=1e-14)


def test_displacements_are_those_of_the_authors_program_in_their_order():
    z = forward().value(PUBLISHED_INPUT)
    assert z[:3] == pytest.approx(PUBLISHED_FIRST_ROW, rel=1e-12)
    assert z[-3:] == pytest.approx(PUBLISHED_LAST_ROW, rel=1e-12)


def test_the_posterior_is_symmetric_under_transposition(posterior):
    """The data are symmetric, so coefficients and transposed coefficients are equally probable."""
    there = PUBLISHED_INPUT.reshape(8, 8).T.ravel()
    density, gradient = posterior.logpdf_gradient(PUBLISHED_INPUT)
    other, other_gradient = posterior.logpdf_gradient(there)
    assert other == pytest.approx(density, rel=1e-12)
    assert other_gradient.reshape(8, 8).T.ravel() == pytest.approx(gradient, rel=1e-8)


def test_the_gradient_of_the_log_posterior_is_exact(posterior):
    rng = np.random.default_rng(1)
    step = PUBLISHED_INPUT * rng.standard_normal(64)
    slope = posterior.logpdf_gradient(PUBLISHED_INPUT)[1] @ step
    h = 1e-5
    ahead, behind = (posterior.logpdf(PUBLISHED_INPUT + sign * h * step) for sign in (1, -1))
    assert (ahead - behind) / (2 * h) == pytest.approx(slope, rel=1e-7)
    assert check_gradient(forward(), PUBLISHED_INPUT, rng).ok


def test_the_mesh_error_of_the_benchmark_falls_at_second_order():
    """The middle of the even membrane against its Fourier series."""
    errors = []
    for elements in (16, 32, 64):
        model = forward(x=[0.5], y=[0.5], elements=elements)
        errors.append(model.value(model.theta())[0] / 0.736713532706 - 1)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.05)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2.0, abs=0.05)


def test_a_random_field_is_a_membrane_with_the_coefficients_that_it_makes():
    field = forward(field="karhunen_loeve", modes=9)
    theta = np.concatenate([[0.4], np.linspace(-2.0, 2.0, 9)])
    stiffness = field.trace(theta)["stiffness"]
    assert stiffness.max() / stiffness.min() > 3
    assert field.value(theta) == pytest.approx(forward().value(stiffness), rel=1e-14)


def test_the_case_of_a_random_field_asks_for_its_mean_and_as_many_modes_as_its_options_say(posterior):
    field = read_case(CASE.with_stem("laplace64_field")).posterior()
    assert field.names == ("mean_log", *(f"xi[{k}]" for k in range(20)))
    measured = [one.experiments[0].observed["displacement"] for one in (field, posterior)]
    assert np.array_equal(*measured)
