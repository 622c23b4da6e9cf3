"""A morphogen gradient against the exact solution, and what its readings can and cannot tell."""

import numpy as np
import pytest
from fisher import spread
from mscale_uq.models.cells._gradient import at_rest, share
from mscale_uq.models.cells.morphogen_tissue import SYSTEM, forward, space
from scipy.stats import norm

from mscale_uq.errors import NoGradient
from mscale_uq.infer.methods import choose
from mscale_uq.observe.laws import Gaussian

REACH = np.sqrt(0.1 / 2.5e-4)
RATES = ("diffusivity", "degradation", "influx")


def grid(times, places):
    return (part.ravel() for part in np.meshgrid(times, places, indexing="ij"))


def microscope(value):
    """Noise of a reading, one sd."""
    return np.hypot(3.0, 0.05 * value)


def widths(model, free, noise):
    """Posterior sd of the logarithms under unit priors, by Fisher's information at the defaults."""
    theta = model.theta(background=1e-9)
    slopes = (model.jacobian(theta) * theta)[:, [model.names.index(name) for name in free]]
    return spread(slopes, noise(model.value(theta)), prior=1.0)[0]


def test_the_published_rates_of_two_morphogens_give_their_reach():
    assert np.sqrt(0.10 / 2.52e-4) == pytest.approx(19.92, abs=5e-3)
    assert np.sqrt(0.05 / 1.46e-3) == pytest.approx(5.85, abs=5e-3)
    known = forward(closed="exact").trace(forward().theta(degradation=2.52e-4))
    assert known["gradient_length"] == pytest.approx(19.92, abs=5e-3)


def test_the_tissue_at_rest_is_an_exponential():
    x = np.linspace(0.0, 60.0, 7)
    model = forward(np.full(7, 1e6), x, closed="exact", length=240.0, cells=192)
    made = model.trace(model.theta())["concentration"]
    assert made == pytest.approx(at_rest(x), rel=2e-3)


@pytest.mark.parametrize("place", [0.0, 1.0, 2.0])
def test_it_takes_half_a_lifetime_and_more_further_out_to_accumulate(place):
    """The mean time until a molecule that is there at rest has come is (1 + x/L)/(2 k)."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    root = (nodes + 1) / 2 * np.sqrt(8e4)  # the integrand behaves as the root of time at first
    x = np.full(80, place * REACH)
    model = forward(root**2, x, closed="exact", length=240.0, cells=192)
    missing = 1 - model.trace(model.theta())["concentration"] / at_rest(x)
    rest = forward([1e7], x[:1], closed="exact", length=240.0, cells=192)
    missing = missing - (1 - rest.trace(rest.theta())["concentration"][0] / at_rest(x))
    time = np.sum(weights * np.sqrt(8e4) / 2 * missing * 2 * root)
    assert time == pytest.approx((1 + place) / (2 * 2.5e-4), rel=5e-3)
    # and so says the closed form that the other tests use
    exact = np.sum(weights * np.sqrt(8e4) / 2 * (1 - share(x, root**2)) * 2 * root)
    assert exact == pytest.approx((1 + place) / (2 * 2.5e-4), rel=1e-6)


def test_the_stated_error_of_a_reading_is_its_spread_over_many_keys():
    time, x = grid([1e3, 1e4], [2.5, 20.0, 40.0])
    model, theta = forward(time, x), forward().theta()
    truth = forward(time, x, closed="exact").value(theta)
    made = [model.with_key(key).trace(theta) for key in range(160)]
    off = np.array([one["fluorescence"] - truth for one in made])
    stated = np.mean([one["fluorescence_var"] for one in made], axis=0)
    ratio = np.mean(off**2, axis=0) / stated
    assert ratio == pytest.approx(1.0, abs=4 * np.sqrt(2 / 160))
    # Their mean is as good as that of two independent readings, or better.
    assert ratio.mean() == pytest.approx(1.0, abs=4 * np.sqrt(2 / 160 / 2))
    assert np.all(np.sqrt(stated) < 0.05 * truth)  # less than the noise of the microscope


def test_chance_in_the_patches_makes_the_likelihood_wider():
    model, theta = forward(), forward().theta()
    known = model.trace(theta)
    law = Gaussian(3.0, 0.05)
    data = known["fluorescence"] * 1.1
    terms = law.logpdf(data, known["fluorescence"], known["fluorescence_var"], {})
    sd = np.sqrt(9 + (0.05 * known["fluorescence"]) ** 2 + known["fluorescence_var"])
    assert terms.pointwise == pytest.approx(norm.logpdf(data, known["fluorescence"], sd), rel=1e-12)


def test_with_one_key_the_likelihood_is_all_but_smooth():
    model, exact = forward(), forward(closed="exact")
    D = 0.1 * np.exp(np.linspace(-0.05, 0.05, 11))
    data = exact.value(exact.theta())

    def misfit(value):
        return np.sum(((value - data) / (0.05 * data)) ** 2) / 2

    def roughness(curve):
        return np.std(np.diff(curve, 2))

    held = [misfit(model.value(model.theta(diffusivity=d))) for d in D]
    free = [misfit(model.with_key(key).value(model.theta(diffusivity=d))) for key, d in enumerate(D)]
    assert roughness(held) < 0.1 * roughness(free)


def test_a_profile_at_rest_tells_two_of_three_rates():
    """Nothing is told along (1, 1, 1) of their logarithms: a third of each unit prior's variance is left."""
    x = np.linspace(0.0, 60.0, 13)
    model = forward(np.full(13, 1e7), x, closed="exact", length=240.0, cells=96)
    assert widths(model, RATES, lambda value: 1e-4 * value) == pytest.approx(3 * [np.sqrt(1 / 3)], abs=1e-3)


def test_profiles_in_time_tell_all_three_rates_as_well_as_the_exact_solution_does():
    time, x = grid([1e3, 3e3, 1e4], np.arange(2.5, 80.0, 5.0))
    model = forward(time, x, closed="exact", length=240.0, cells=96)
    made = widths(model, RATES, microscope)
    exact = exact_widths(time, x, microscope)
    assert made == pytest.approx(exact, rel=0.02)
    assert np.all(made < 0.06)


def exact_widths(time, x, noise):
    """The same of the exact solution, by differences."""

    def predicted(logs):
        D, k, j = np.array([0.1, 2.5e-4, 0.03]) * np.exp(logs)
        return 100 * at_rest(x, D, k, j) * share(x, time, D, k)

    slopes = np.stack([(predicted(h) - predicted(-h)) / 2e-5 for h in 1e-5 * np.eye(3)], axis=1)
    return spread(slopes, noise(predicted(np.zeros(3))), prior=1.0)[0]


def test_twenty_places_up_to_six_lengths_tell_the_rates_to_some_three_per_cent():
    """Known: 0.027, 0.038, 0.026 of the logarithms under 5 % noise, without the places. Here 5 to 120 um at
    three times, 5 % and 0.5 % of the concentration at the source; farther out 5 % of nothing tells all."""
    time, x = grid([1e3, 3e3, 1e4], np.linspace(5.0, 120.0, 20))
    source = 100 * at_rest(0.0) * share(0.0, time)

    def noise(value):
        return np.hypot(0.05 * value, 0.005 * source)

    sd = exact_widths(time, x, noise)
    assert sd == pytest.approx([0.0281, 0.0374, 0.0247], abs=5e-5)
    assert sd == pytest.approx([0.027, 0.038, 0.026], rel=0.06)
    model = forward(time, x, closed="exact", length=240.0, cells=96)
    assert widths(model, RATES, noise) == pytest.approx(sd, rel=0.03)


def test_without_a_known_brightness_the_influx_is_lost_and_nothing_else():
    time, x = grid([1e3, 3e3, 1e4], np.arange(2.5, 80.0, 5.0))
    model = forward(time, x, closed="exact", length=240.0, cells=96)
    known, unknown = (widths(model, free, microscope) for free in (RATES, (*RATES, "brightness")))
    assert unknown[:2] == pytest.approx(known[:2], rel=1e-2)
    assert unknown[2:] == pytest.approx(2 * [np.sqrt(1 / 2)], abs=2e-3)


SPOT = (20.0, 25.0)  # um, bleached at rest: seen later are the molecules that have come in since


def back_in_the_spot(time, D, k, _influx):
    """Share of the light before, without a mesh: what is missing spreads, and decays."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    size = SPOT[1] - SPOT[0]
    y, weights = SPOT[0] + size * (nodes + 1) / 2, size * weights / 2
    bleached, t = weights * at_rest(y, D, k), np.reshape(time, (-1, 1, 1))
    kernel = sum(np.exp(-(d**2) / (4 * D * t)) for d in (y[:, None] - y, y[:, None] + y))
    missing = weights @ (kernel / np.sqrt(4 * np.pi * D * t)) @ bleached
    return 1 - np.exp(-k * time) * missing / bleached.sum()


def back_in_the_tissue(time, *rates):
    """The same of the tissue that filters move, from its own rest."""
    here = space(closed="exact", cells=240)
    values = here.prepare({p.name: p.default for p in here.parameters} | dict(zip(RATES, rates, strict=True)))

    def moved(row, t):
        return here.dynamics.step(row[None], 0.0, t, values, None)[0]

    rest, x = moved(np.zeros(240), 1e6), here.dynamics.balance.centres
    inside = (x > SPOT[0]) & (x < SPOT[1])
    left = np.where(inside, 0.0, rest)
    return np.array([moved(left, t)[inside].sum() for t in time]) / rest[inside].sum()


def test_a_bleached_spot_tells_how_molecules_hop_and_how_many_do_not_and_nothing_else():
    """Recovery to 5 %: D and the immobile share, here a fifth; lifetime and influx stay with unit priors."""
    time = np.linspace(20.0, 600.0, 30)
    here = np.log([0.1, 2.5e-4, 0.03])
    found = []
    for back in (back_in_the_spot, back_in_the_tissue):
        steps = 1e-4 * np.eye(3)
        moved = [(back(time, *np.exp(here + h)) - back(time, *np.exp(here - h))) / 2e-4 for h in steps]
        known = back(time, *np.exp(here))
        found.append((known, spread(np.stack([*(0.8 * m for m in moved), -known], axis=1), 0.05, 1.0)[0]))
    (exact, exact_sd), (made, sd) = found
    assert made == pytest.approx(exact, abs=3e-3)
    assert sd == pytest.approx(exact_sd, rel=0.02)
    assert sd[1:3] == pytest.approx([1.0, 1.0], abs=5e-3)
    assert np.all(sd[[0, 3]] < 0.25)


def test_a_random_system_has_no_gradient_and_is_sampled_without_one():
    with pytest.raises(NoGradient, match="closure by patches"):
        forward().linearize(forward().theta())
    assert choose(SYSTEM.smoothness) == "demetropolisz"


def test_filters_move_the_tissue_that_the_forward_model_predicts():
    time, x = [1e3, 3e3], np.array([5.0, 25.0])
    model = space(x).forward(time)
    whole = forward(*grid(time, x))
    theta = whole.theta()
    assert model.value(model.theta()) == pytest.approx(whole.value(theta), rel=1e-9)
