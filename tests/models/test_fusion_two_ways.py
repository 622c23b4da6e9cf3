"""One small movie with a dish: the case's posterior, integrated, and its Gaussian sum say the same."""

import numpy as np
import pytest
from mscale_uq.models.cells import cell_state_fusion as fusion
from scipy.stats import norm
from twins import CAMERA, KNOWN, by_events

from mscale_uq.case.read import read_case
from mscale_uq.errors import CaseError, DataError
from mscale_uq.filters.loop import run
from mscale_uq.observe.fluorescence import Fluorescence

CASE = """
system = "cells/cell_state_fusion"
question = "Do a sampler and a filter of one case agree?"
seed = 4

[[experiment]]
name = "movie"
data = "movie.csv"

[[experiment]]
name = "dish"
data = "dish.csv"

[fixed]
background = 100
bleaching = "1e-5 1/min"
translation_rate = "4 1/min"
mrna_decay = "0.138629 1/min"
protein_decay = "0.0231049 1/min"
capture = 0.1

[law]
intensity = { law = "fluorescence", sd = 40 }
umi = { law = "negative_binomial", overdispersion = 0.05 }

[prior]
transcription_rate = { dist = "lognormal", median = "2 1/min", factor = 2 }
gain = { dist = "lognormal", median = 1, factor = 2 }
dish_offset = { dist = "normal", mean = 0, sd = 0.1 }

[method]
sampler = "nuts"

[assimilate]
filter = "gaussian_sum"
members = 1024
experiment = ["movie", "dish"]
learn = ["transcription_rate", "gain"]
"""
HEAD = "time [min],dish [1],size_factor [1],umi [1]"
TIMES = 20.0 * np.arange(1, 7)


def write(folder, *pairs, dish=40, camera=Fluorescence(40.0)):  # noqa: B008 - frozen settings
    """Two cells in six frames, and a dish of so many cells at the fourth; every reaction is simulated."""
    rng = np.random.default_rng(3)
    path = by_events(*(KNOWN[p.name] for p in fusion.RATES), 20.0, TIMES.size, 2, rng)
    rows = ["time [min],cell [1],intensity [1]"]
    for time, proteins in zip(TIMES, path[:, :, 1], strict=True):
        light = 100.0 + KNOWN["gain"] * proteins
        seen = light + np.sqrt(camera.own(light, np.zeros(2), {})) * rng.standard_normal(2)
        rows += [f"{time},{cell},{value:.1f}" for cell, value in enumerate(seen)]
    (folder / "movie.csv").write_text("\n".join(rows) + "\n")
    size, mrna = rng.lognormal(0.0, 0.3, dish), rng.poisson(14.4, dish)
    counts = rng.binomial(mrna, np.minimum(0.1 * size, 1.0))
    rows = [HEAD]
    rows += [f"80,1,{s:.4f},{count}" for s, count in zip(size, counts, strict=True)]
    (folder / "dish.csv").write_text("\n".join(rows) + "\n")
    text = CASE
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (folder / "two_ways.toml").write_text(text, encoding="utf-8")
    return read_case(folder / "two_ways.toml")


def integrated(posterior, centre, sd):
    """Mean, deviation and integral of the posterior of both logarithms; offsets by Gauss and Hermite."""
    axes = [c + s * np.linspace(-4.5, 4.5, 13) for c, s in zip(centre, sd, strict=True)]
    points, weights = np.polynomial.hermite_e.hermegauss(6)
    here = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    logs = np.empty((len(here), points.size))
    for k, (rate, gain) in enumerate(here):
        for j, z in enumerate(points):
            named = {"transcription_rate": np.exp(rate), "gain": np.exp(gain)}
            theta = posterior.pack({**named, "dish_offset": np.array([0.1 * z])})
            # The density of the logarithms; weights are those of exp(-z^2/2).
            logs[k, j] = posterior.logpdf(theta) + rate + gain + z**2 / 2 + np.log(0.1 * weights[j])
    top = logs.max()
    mass = np.exp(logs - top).sum(axis=1)
    mean = mass @ here / mass.sum()
    spread = np.sqrt(mass @ (here - mean) ** 2 / mass.sum())
    return mean, spread, np.log(mass.sum() * np.prod([axis[1] - axis[0] for axis in axes])) + top


COUNTS = '{ law = "negative_binomial", overdispersion = 0.05 }'
SUMMED, PAIRED = '{ law = "pseudobulk" }', '{ law = "factorial_moments" }'
PLAIN = '{ law = "fluorescence", sd = 40 }'
SHIPPED = '{ law = "fluorescence", sd = 20, shot = 0.05, relative = "3 %", background = 100 }'
STEADY = Fluorescence(40.0), (PLAIN, PLAIN), 0.06, 0.03
GROWS = CAMERA, (PLAIN, SHIPPED), 0.1, 0.25
# A cell's light is off the population's by a tenth, its noise by a fifth, an eighth of what a reading varies
# by: the log-densities of twelve readings are off by 0.06 in all. Four times that; means are off by 0.04.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("law", "cells", "noise"),
    [(COUNTS, 40, STEADY), (SUMMED, 40, STEADY), (PAIRED, 200, STEADY), (COUNTS, 40, GROWS)],
    ids=["each cell", "pseudobulk", "factorial moments", "noise that grows with the light"],
)
def test_the_case_is_sampled_and_filtered_alike(law, cells, noise, tmp_path):
    camera, light, off, off_evidence = noise
    case = write(tmp_path, (COUNTS, law), light, dish=cells, camera=camera)
    plan = case.assimilating
    *_, (state, _) = run(plan.filter, plan.space, plan.theta, plan.stream.observations, case.seed)
    centre, sd = state.mean[-2:], np.sqrt(state.variances[-2:])
    mean, spread, evidence = integrated(case.posterior(), centre, sd)
    assert np.all(np.abs(centre - mean) < off * spread)
    assert sd == pytest.approx(spread, rel=0.05)
    assert state.log_evidence == pytest.approx(evidence, abs=off_evidence)
    assert np.all(np.abs(mean - np.log([2.0, 1.5])) < 3.3 * spread)
    assert np.all(spread < [0.25, 0.25])  # 0.35 and 0.35 before


def test_an_error_of_the_background_is_fitted_with_exact_slopes_and_without_it_is_what_it_was(tmp_path):
    densities = []
    for sd in (1e-6, 60.0):
        law = f'{{ law = "fluorescence", sd = 40, background = 100, background_sd = {sd} }}'
        filter = 'filter = "gaussian_sum"\nmembers = 1024', 'filter = "laplace"'
        case = write(tmp_path, ('{ law = "fluorescence", sd = 40 }', law), filter)
        posterior = case.posterior()
        named = {"transcription_rate": 2.0, "gain": 1.5, "dish_offset": np.zeros(1)}
        theta, h = posterior.pack(named), 1e-5
        density, slope = posterior.logpdf_gradient(theta)
        rows = [
            (posterior.logpdf(theta + h * e) - posterior.logpdf(theta - h * e)) / (2 * h)
            for e in np.eye(theta.size)
        ]
        assert slope == pytest.approx(rows, rel=1e-5, abs=1e-5)
        densities.append(density)
    assert densities[0] == pytest.approx(write(tmp_path).posterior().logpdf(theta), abs=1e-6)
    assert abs(densities[1] - densities[0]) > 0.1


def test_a_dish_read_as_pseudobulk_is_one_normal_reading_of_a_usual_cell(tmp_path):
    case = write(tmp_path, (COUNTS, '{ law = "pseudobulk" }'))
    size, counts = np.loadtxt(tmp_path / "dish.csv", delimiter=",", skiprows=1)[:, 2:].T
    number, share = counts.sum() / size.sum(), size / size.sum()
    # For any weights, the mean of sum (share left)^2 is the variance times this, if cells scatter as s l do.
    left = counts / size - number
    sd = np.sqrt((share**2 @ left**2) / (1 - share @ share))
    _, dish = case.plans
    assert dish.data.outputs["umi"] == pytest.approx([number])
    assert dish.data.coordinates["size_factor"] == pytest.approx([1.0])
    (tmp_path / "again.toml").write_text(case.resolved_toml(), encoding="utf-8")
    again = read_case(tmp_path / "again.toml")
    assert again.resolved() == case.resolved()
    assert again.plans[1].operators == dish.operators
    posterior, mrna = case.posterior(), 14.4269504 * -np.expm1(-80 * 0.138629) / 0.138629 * np.log(2) / 5

    def density(offset):
        named = {"transcription_rate": 2.0, "gain": 1.5, "dish_offset": np.array([offset])}
        return posterior.logpdf(posterior.pack(named)) - norm.logpdf(offset, 0, 0.1)

    for offset in (-0.2, 0.1):
        expected = norm.logpdf(number, 0.1 * mrna * np.exp([offset, 0.0]), sd)
        assert density(offset) - density(0.0) == pytest.approx(expected[0] - expected[1], rel=1e-6)
    readings = [o for o in case.assimilating.stream.observations if o.source == "sequencer"]
    assert [float(o.value.item()) for o in readings] == pytest.approx([number])
    assert [float(o.noise.item()) for o in readings] == pytest.approx([sd])


SHOT = '{ law = "fluorescence", sd = 40, shot = 0.5, background = %s }'
LAPLACE = 'filter = "gaussian_sum"\nmembers = 1024', 'filter = "laplace"'


def test_noise_grows_with_the_light_above_the_one_background_of_model_and_law(tmp_path):
    fixed, unknown = "background = 100\n", 'background = { dist = "normal", mean = 100, sd = 5 }\n'
    silent = PLAIN, SHOT.replace(", background = %s", "")
    case = write(tmp_path, silent, LAPLACE)
    sources = case.assimilating.space.observations
    for law in (case.plans[0].operators["intensity"].law.noise, sources["microscope"].law):
        assert law.own(np.array([100.0, 300.0]), np.zeros(2), {}).tolist() == [1600.0, 1600.0 + 0.5 * 200]
    with pytest.raises(CaseError, match=r"law.intensity: background = 0, .* fixed at 100; allowed: one"):
        write(tmp_path, (PLAIN, SHOT % 0), LAPLACE)
    learned = fixed, "", "[prior]\n", f"[prior]\n{unknown}"
    with pytest.raises(CaseError, match=r"law.intensity: no background, where the parameter is unknown"):
        write(tmp_path, silent, learned[:2], learned[2:], LAPLACE)


@pytest.mark.parametrize(
    ("filter", "said"),
    [
        ("esmda", "esmda: the dynamics states noise"),
        ("ienks", "ienks: the dynamics states noise"),
        ("kalman", "affine in the state"),
        ("square_root", "affine in the state"),
    ],
)
def test_a_filter_that_cannot_run_the_model_is_refused_when_the_case_is_read(filter, said, tmp_path):
    with pytest.raises(CaseError, match=f"assimilate: .*{said}"):
        write(tmp_path, ('filter = "gaussian_sum"\nmembers = 1024', f'filter = "{filter}"'))


def test_a_pseudobulk_that_cannot_be_is_refused(tmp_path):
    movie = ('intensity = { law = "fluorescence", sd = 40 }', 'intensity = { law = "pseudobulk" }')
    with pytest.raises(CaseError, match="no size_factor"):
        write(tmp_path, movie)
    with pytest.raises(CaseError, match="pseudobulk: overdispersion"):
        write(tmp_path, (COUNTS, '{ law = "pseudobulk", overdispersion = 0.1 }'))
    case = (COUNTS, '{ law = "pseudobulk" }')
    write(tmp_path, case)
    few = r'dish\.csv: umi: 2 cells; .*hint: law = "negative_binomial"'
    apart = r"dish\.csv: umi at dish 2: the cells do not scatter"
    scattered = [f"80,1,1,{count}" for count in range(20)]
    for rows, wrong in ((["80,1,1,2", "80,1,1,0"], few), ([*scattered, *["80,2,1,2"] * 20], apart)):
        (tmp_path / "dish.csv").write_text("\n".join([HEAD, *rows]) + "\n")
        with pytest.raises(DataError, match=wrong):
            read_case(tmp_path / "two_ways.toml")


REPLICATES = {
    'learn = ["transcription_rate", "gain"]': 'learn = ["transcription_rate"]',
    "mean = 0, sd = 0.1": "mean = 0.05, sd = 0.3",
    "members = 1024": "members = 256",
    "sd = 40": "sd = 1e7",  # the movie tells nothing
    'gain = { dist = "lognormal", median = 1, factor = 2 }\n': "",
    "background = 100": "background = 100\ngain = 1.5",
}


def replicates(folder, dishes):
    """Return the case of a blind movie, and of dishes that are taken at one time."""
    write(folder)
    rng, text = np.random.default_rng(8), CASE
    rows = [
        f"80,{dish},1,{count}" for dish, level in dishes.items() for count in rng.poisson(1.44 * level, 150)
    ]
    (folder / "dish.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    for old, new in REPLICATES.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "replicates.toml").write_text(text)
    return read_case(folder / "replicates.toml")


def test_two_dishes_of_one_time_have_an_offset_each_of_the_prior_in_the_fit_and_in_the_filter(tmp_path):
    case = replicates(tmp_path, {1: 0.8, 2: 1.4})
    plan, posterior = case.assimilating, case.posterior()
    *_, (state, _) = run(plan.filter, plan.space, plan.theta, plan.stream.observations, case.seed)
    rates = np.linspace(-0.3, 1.7, 21)
    fine = 0.05 + 0.3 * np.linspace(-4, 4, 21)

    def density(rate):
        """Given the rate the dishes know nothing of each other, so that each offset is integrated alone."""
        total = 0.0
        base = at(rate, np.full(2, 0.05))
        for place in (0, 1):
            rows = [at(rate, 0.05 + np.eye(2)[place] * (one - 0.05)) for one in fine]
            total += np.log(np.exp(np.array(rows) - base).sum())
        return base + total + rate  # of the logarithm

    def at(rate, offset):
        return posterior.logpdf(posterior.pack({"transcription_rate": np.exp(rate), "dish_offset": offset}))

    logs = np.array([density(rate) for rate in rates])
    mass = np.exp(logs - logs.max())
    mass /= mass.sum()
    mean = mass @ rates
    spread = np.sqrt(mass @ (rates - mean) ** 2)
    assert state.mean[-1] == pytest.approx(mean, abs=0.05 * spread)
    assert np.sqrt(state.variances[-1]) == pytest.approx(spread, rel=0.05)
    assert 0.15 < spread < 0.24  # 0.28 if both had one offset, 0.09 with offsets of 0.1


ONLY = {
    '[[experiment]]\nname = "movie"\ndata = "movie.csv"\n': "",
    '["movie", "dish"]': '"dish"',
    'intensity = { law = "fluorescence", sd = 1e7 }\n': "",
    'background = 100\ngain = 1.5\nbleaching = "1e-5 1/min"\n': "",
}


def test_dishes_alone_are_filtered_as_with_a_movie_that_tells_nothing(tmp_path):
    blind = replicates(tmp_path, {1: 0.8, 2: 1.4})
    text = blind.path.read_text()
    for old, new in ONLY.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "alone.toml").write_text(text)
    ends = []
    for case in (blind, read_case(tmp_path / "alone.toml")):
        plan = case.assimilating
        *_, (state, _) = run(plan.filter, plan.space, plan.theta, plan.stream.observations, case.seed)
        ends.append((state.mean[-1], np.sqrt(state.variances[-1])))
    assert ends[0] == pytest.approx(ends[1], rel=1e-6)
