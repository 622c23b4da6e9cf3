"""The joint law of individuals that are followed in time, against dense normal laws and differences."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from mscale_uq.errors import InputError, SolveFailed
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.followed import Followed
from mscale_uq.observe.laws import Gaussian

T, N = 6, 3
WHO, WHEN = (tuple(axis.ravel()) for axis in np.meshgrid(range(N), range(T), indexing="ij"))


LAWS = (Gaussian("noise", 0.1), Fluorescence("noise", 0.2, 0.1, background=0.5, background_sd=0.8))

FULL = (replace(LAWS[1], background_sd=0.0, saturation=1.0), replace(LAWS[1], saturation=1.0))


@pytest.fixture(params=LAWS, ids=["each", "common"])
def noise(request):
    """Of each reading alone, or with an error that a frame's readings share."""
    return request.param


def scene(noise=LAWS[0], seed=1):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((T, 2, 2))
    values = {
        "y_transition": 0.5 * rng.standard_normal((T, 2, 2)),
        "y_diffusion": root @ np.swapaxes(root, 1, 2),
        "y_slope": rng.standard_normal((T, 2)),
        "noise": np.array(0.7),
    }
    law = Followed(noise, "y", WHO, WHEN)
    mean = 3 * rng.random(N * T)
    data = law.sample(mean, np.zeros(N * T), values, rng)
    data[[3, 9]] = np.nan
    return law, data, mean, values


def test_the_filters_density_is_that_of_the_dense_normal_law(noise):
    law, data, mean, values = scene(noise)
    seen = ~np.isnan(data)
    cov = law.cov(mean, np.zeros(N * T), values)[np.ix_(seen, seen)]
    joint = multivariate_normal(mean[seen], cov).logpdf(data[seen])
    assert law.logpdf(data, mean, np.zeros(N * T), values).total == pytest.approx(joint, rel=1e-13)


def test_the_density_of_a_reading_given_all_others_is_the_dense_one(noise):
    law, data, mean, values = scene(noise)
    seen = ~np.isnan(data)
    precision = np.linalg.inv(law.cov(mean, np.zeros(N * T), values)[np.ix_(seen, seen)])
    spread = 1 / np.diag(precision)
    miss = spread * (precision @ (data - mean)[seen])
    exact = -0.5 * (np.log(2 * np.pi * spread) + miss**2 / spread)
    assert law.held_out(data, mean, np.zeros(N * T), values)[seen] == pytest.approx(exact, rel=1e-11)
    assert np.all(law.held_out(data, mean, np.zeros(N * T), values)[~seen] == 0)


@pytest.mark.parametrize("noise", [*LAWS, *FULL], ids=["each", "common", "full", "full_common"])
def test_slopes_are_differences_to_everything_the_law_reads(noise):
    law, data, mean, values = scene(noise)
    terms, h, none = law.logpdf(data, mean, np.zeros(N * T), values), 1e-5, np.zeros(N * T)
    for name, value in values.items():
        for index in np.ndindex(value.shape):
            move = np.zeros(value.shape)
            move[index] = h
            if name == "y_diffusion":  # stays symmetric
                move[index[0]] = (move[index[0]] + move[index[0]].T) / 2
            high, low = (
                law.logpdf(data, mean, none, {**values, name: value + s * move}).total for s in (1, -1)
            )
            assert np.sum(terms.d_values[name] * move) == pytest.approx((high - low) / 2, rel=1e-6, abs=1e-13)
    for k, unit in enumerate(h * np.eye(N * T)):
        high, low = (law.logpdf(data, mean + s * unit, none, values).total for s in (1, -1))
        assert terms.d_prediction[k] == pytest.approx((high - low) / (2 * h), rel=1e-6, abs=1e-8)
        high, low = (law.logpdf(data, mean, s * unit, values).total for s in (1, -1))
        assert terms.d_variance[k] == pytest.approx((high - low) / (2 * h), rel=1e-6, abs=1e-8)


def test_drawn_readings_have_the_stated_covariance(noise):
    law, _, mean, values = scene(noise)
    rng = np.random.default_rng(2)
    drawn = np.array([law.sample(mean, np.zeros(N * T), values, rng) for _ in range(20000)])
    cov = law.cov(mean, np.zeros(N * T), values)
    sd = np.sqrt(np.diag(cov))
    assert np.abs(np.cov(drawn, rowvar=False) / np.outer(sd, sd) - cov / np.outer(sd, sd)).max() < 0.04
    assert np.abs((drawn.mean(axis=0) - mean) / sd).max() < 0.03


def test_the_readings_of_a_frame_share_the_error_of_its_background():
    (one, _, mean, values), none = scene(LAWS[1]), np.zeros(N * T)
    alone = replace(one, noise=replace(LAWS[1], background_sd=0.0)).cov(mean, none, values)
    same = np.equal.outer(WHEN, WHEN)
    assert one.cov(mean, none, values) - alone == pytest.approx(0.64 * same, abs=1e-12)
    (rows, cov), *others = one.blocks(mean, none, values)
    assert not others
    assert np.array_equal(cov, one.cov(mean, none, values))
    assert rows.size == N * T


def dense(law, data, mean, values, full):
    """The density of known readings, and mean and covariance of full ones given these, by dense algebra."""
    known, cov = ~np.isnan(data) & ~full, law.cov(mean, np.zeros(N * T), values)
    gain = cov[np.ix_(full, known)] @ np.linalg.inv(cov[np.ix_(known, known)])
    density = multivariate_normal(mean[known], cov[np.ix_(known, known)]).logpdf(data[known])
    left = cov[np.ix_(full, full)] - gain @ cov[np.ix_(known, full)]
    return density, mean[full] + gain @ (data - mean)[known], left


@pytest.mark.parametrize("noise", FULL, ids=["each", "common"])
def test_one_full_reading_counts_with_its_tail_given_all_others_exactly(noise):
    law, data, mean, values = scene(replace(noise, saturation=None))
    data[7] = limit = np.nanmax(data) + 1.0
    law = replace(law, noise=replace(noise, saturation=limit))
    full = np.arange(N * T) == 7
    density, there, left = dense(law, data, mean, values, full)
    exact = density + norm.logsf(limit, there[0], np.sqrt(left[0, 0]))
    assert law.logpdf(data, mean, np.zeros(N * T), values).total == pytest.approx(exact, rel=1e-12)
    alone = law.held_out(data, mean, np.zeros(N * T), values)[7]
    assert alone == pytest.approx(exact - density, rel=1e-10)


@pytest.mark.parametrize("noise", FULL, ids=["each", "common"])
def test_several_full_readings_count_with_the_probability_that_all_of_them_are_full(noise):
    law, data, mean, values = scene(noise)
    full = law.censored(data)
    assert full.sum() >= 4
    density, there, left = dense(law, data, mean, values, full)
    beyond = multivariate_normal(np.zeros(full.sum()), left, seed=1).logcdf(there - 1.0)
    exact = density + beyond
    assert law.logpdf(data, mean, np.zeros(N * T), values).total == pytest.approx(exact, abs=0.01)


def probability(law, data, mean, values, there):
    """The log-density of those readings that are there, full ones as bounds, by dense algebra."""
    full = law.censored(data) & there
    some = np.where(there, data, np.nan)
    density, centre, left = dense(law, some, mean, values, full)
    if not full.any():
        return density
    tail = multivariate_normal(np.zeros(full.sum()), left, seed=1, maxpts=20_000, abseps=1e-3)
    return density + tail.logcdf(centre - 1.0)


@pytest.mark.parametrize("noise", FULL, ids=["each", "common"])
def test_what_a_held_out_reading_is_given_are_all_the_others_full_ones_as_bounds(noise):
    law, data, mean, values = scene(noise)
    everyone = ~np.isnan(data)
    found = law.held_out(data, mean, np.zeros(N * T), values)
    whole = probability(law, data, mean, values, everyone)
    for k in np.flatnonzero(everyone):
        rest = everyone & (np.arange(N * T) != k)
        exact = whole - probability(law, data, mean, values, rest)
        assert found[k] == pytest.approx(exact, abs=0.02)
    assert np.all(found[~everyone] == 0)


def test_too_many_individuals_with_a_common_error_are_refused_and_two_readings_of_one_at_one_time():
    law, _, _, values = scene()
    many = replace(law, noise=LAWS[1], individual=tuple(range(600)), time=(T - 1,) * 600)
    with pytest.raises(InputError, match="600 followed individuals"):
        many.logpdf(np.ones(600), np.ones(600), np.zeros(600), values)
    with pytest.raises(InputError, match="two readings"):
        Followed(Gaussian(1.0), "y", (0, 0), (1, 1))


@pytest.mark.parametrize("times", [T - 1, T + 1])
def test_a_model_of_more_or_fewer_times_than_the_readings_have_is_refused(noise, times):
    law, data, mean, values = scene(noise)
    cut = {name: np.resize(a, (times, *a.shape[1:])) if a.ndim else a for name, a in values.items()}
    for ask in (law.cov, lambda *rest: law.logpdf(data, *rest), lambda *rest: law.held_out(data, *rest)):
        with pytest.raises(InputError, match=f"{T} of {times}"):
            ask(mean, np.zeros(N * T), cut)


@pytest.mark.parametrize("noise", FULL, ids=["each", "common"])
def test_full_readings_whose_noise_is_lost_in_round_off_are_a_failure_that_names_them(noise):
    law, data, mean, values = scene(replace(noise, sd=1e-3, relative=0.0, shot=0.0))
    values["y_diffusion"][0] *= 1e13
    values["y_diffusion"][1:] = 0.0  # so that one number at the start tells all readings
    assert law.censored(data).sum() > 1
    for density in (law.logpdf, law.held_out):
        with pytest.raises(SolveFailed, match=r"(?s)y.*covariance of full readings"):
            density(data, mean, np.zeros(N * T), values)


def test_more_readings_than_one_matrix_allows_are_refused_where_one_of_them_is_full_and_tied(monkeypatch):
    law, data, mean, values = scene(FULL[1])
    monkeypatch.setattr("mscale_uq.observe.followed.MOST", N * T - 1)
    for density in (law.logpdf, law.held_out):
        with pytest.raises(InputError, match=r"y: 18 readings with .* at saturation; allowed: 17 readings"):
            density(data, mean, np.zeros(N * T), values)
    below = np.minimum(data, 0.9)
    assert np.isfinite(law.logpdf(below, mean, np.zeros(N * T), values).total)
    alone = replace(law, noise=FULL[0])
    assert np.isfinite(alone.logpdf(data, mean, np.zeros(N * T), values).total)
