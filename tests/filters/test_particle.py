from dataclasses import replace

import numpy as np
import pytest
from kinds import stepping
from scipy.special import logsumexp
from scipy.stats import norm, t

from mscale_uq.core.dynamics import Dynamics
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.stage import Stage
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import Infeasible, InputError, SolveFailed
from mscale_uq.filters.loop import run, start
from mscale_uq.filters.particle import ParticleFilter
from mscale_uq.filters.records import EnsembleState, Verdict
from mscale_uq.filters.resampling import SCHEMES
from mscale_uq.observe.counts import NegativeBinomial
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.laws import Gaussian, StudentT
from mscale_uq.observe.lognormal import Lognormal

THETA = {"making": 4.0, "loss": 0.1}
TIMES, DATA = np.array([1.0, 3.0, 4.0]), np.array([16.0, 12.0, 25.0])
READINGS = [Observation(time, "camera", "protein", datum) for time, datum in zip(TIMES, DATA, strict=True)]


def exact():
    """The scalar Kalman filter of the specimen: means, variances and log-evidence."""
    mean, variance, now, evidence, path = 10.0, 25.0, 0.0, 0.0, []
    for time, datum in zip(TIMES, DATA, strict=True):
        kept = np.exp(-0.1 * (time - now))
        mean, variance = 40 + (mean - 40) * kept, variance * kept**2 + 40 * (1 - kept**2)
        evidence += norm(mean, np.sqrt(variance + 9)).logpdf(datum)
        gain = variance / (variance + 9)
        mean, variance, now = mean + gain * (datum - mean), variance * (1 - gain), time
        path.append((mean, variance))
    return path, evidence


@pytest.mark.parametrize("scheme", SCHEMES)
def test_particles_tend_to_the_exact_filter(scheme):
    filter = ParticleFilter(50000, scheme)
    path, evidence = exact()
    results = list(run(filter, stepping.space(), THETA, READINGS, key=1))
    for (state, _), (mean, variance) in zip(results, path, strict=True):
        # The Monte Carlo error is that of some thousand independent draws at least.
        assert state.mean[0] == pytest.approx(mean, abs=5 * np.sqrt(variance / 5000))
        assert state.cov[0, 0] == pytest.approx(variance, rel=5 * np.sqrt(2 / 5000))
    assert sum(info.log_evidence for _, info in results) == pytest.approx(evidence, abs=0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_evidence_is_unbiased_however_few_the_particles(scheme):
    filter, space = ParticleFilter(10, scheme, ess_min=0.7), stepping.space()
    logs = [sum(i.log_evidence for _, i in run(filter, space, THETA, READINGS, key)) for key in range(600)]
    ratios = np.exp(np.array(logs) - exact()[1])
    assert abs(ratios.mean() - 1) < 4 * ratios.std() / np.sqrt(ratios.size)
    assert ratios.std() > 0.1, "few particles scatter: the test is about the mean"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_keeps_each_particle_in_proportion_to_its_weight(scheme):
    weights = np.array([0.03, 0.4, 0.0, 0.25, 0.12, 0.2])
    rng = np.random.default_rng(2)
    counts = np.array([np.bincount(SCHEMES[scheme](weights, rng), minlength=6) for _ in range(20000)])
    assert np.all(counts.sum(axis=1) == 6)
    error = np.abs(counts.mean(axis=0) - 6 * weights)
    assert np.all(error <= 4.5 * counts.std(axis=0) / np.sqrt(len(counts)))
    if scheme == "systematic":
        assert np.all((counts == np.floor(6 * weights)) | (counts == np.ceil(6 * weights)))
    if scheme == "residual":
        assert np.all(counts >= np.floor(6 * weights))


class Still(Dynamics):
    name = "still"
    inputs = ("highest",)
    state = (Quantity("x", "1"),)

    def step(self, states, start, stop, values, rng):
        if np.any(states > values["highest"]):
            raise SolveFailed(self.name, {}, "too high")
        return states.copy()


def still(law, stage=None, highest=np.inf, first=0.0):
    quantity = stage.outputs[0] if stage else "x"
    constants = {"x_initial": first, "x_initial_var": 1.0, "highest": highest}
    return StateSpace([], Still(), {"eye": ObservationOperator(quantity, law, stage)}, (), constants)


def test_a_law_that_is_not_normal_gives_the_exact_posterior():
    law = StudentT(0.3, df=3.0)
    reading = Observation(1.0, "eye", "x", 3.0)
    state, info = next(iter(run(ParticleFilter(200000, ess_min=0.0), still(law), {}, [reading], key=3)))
    grid = np.linspace(-8, 8, 20001)
    density = norm.pdf(grid) * t(3, grid, 0.3).pdf(3.0)
    mass = np.trapezoid(density, grid)
    mean = np.trapezoid(grid * density, grid) / mass
    spread = np.sqrt(np.trapezoid((grid - mean) ** 2 * density, grid) / mass)
    effective = 1 / np.sum(state.weights**2)
    assert state.mean[0] == pytest.approx(mean, abs=5 * spread / np.sqrt(effective))
    assert info.log_evidence == pytest.approx(np.log(mass), abs=5 / np.sqrt(effective))


class Square(Stage):
    name, inputs, outputs = "square", ("x",), ("power",)

    def value(self, values):
        if values["x"] < -2:
            raise Infeasible(self.name, {}, "too low")
        return {"power": np.asarray(values["x"]) ** 2}


def test_a_posterior_with_two_humps_keeps_both():
    space = still(Gaussian(0.2), Square())
    reading = Observation(1.0, "eye", "power", 1.0)
    state = next(iter(run(ParticleFilter(4000), space, {}, [reading], key=4)))[0]
    right = state.weights[state.members[:, 0] > 0].sum()
    assert right == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(600))
    assert np.abs(state.weights @ np.abs(state.members[:, 0]) - 1) < 0.05


def test_a_particle_that_cannot_be_seen_or_moved_has_no_weight():
    space = still(Gaussian(5.0), Square(), highest=1.5)
    now = start(ParticleFilter(400, ess_min=0.0), space, {}, key=5)
    high, low = now.state.members[:, 0] > 1.5, now.state.members[:, 0] < -2
    assert high.any()
    assert low.any()
    then, info = now.update(Observation(1.0, "eye", "power", 0.5))
    assert np.array_equal(then.state.weights == 0, high | low)
    assert info.note.startswith(f"{high.sum()} lost; ")


def test_when_no_particle_is_left_the_filter_says_so():
    space = still(Gaussian(1e-3), Square(), highest=-10.0)
    now = start(ParticleFilter(20), space, {}, key=6)
    with pytest.raises(SolveFailed, match="too high"):
        now.predict_to(1.0)
    blind = start(ParticleFilter(20), still(Gaussian(1.0), Square(), first=-20.0), {}, key=6)
    with pytest.raises(SolveFailed, match="no particle explains the readings"):
        blind.update(Observation(1.0, "eye", "power", 400.0))


def test_a_missing_reading_changes_no_weight():
    now = start(ParticleFilter(50), stepping.space(), THETA, key=7).predict_to(1.0)
    then, info = now.update(Observation(1.0, "camera", "protein", np.nan))
    assert then.state.weights == pytest.approx(now.state.weights, rel=1e-12)
    assert info.log_evidence == pytest.approx(0.0, abs=1e-12)
    assert list(info.verdicts) == [Verdict.MISSING]


def test_jitter_parts_the_copies_by_a_share_of_the_samples_covariance():
    weights = np.where(np.arange(4000) < 400, 1 / 400, 0.0)
    members = np.random.default_rng(8).standard_normal((4000, 2)) * [1.0, 3.0]
    plain, _ = ParticleFilter(4000)._resampled(members, weights, 1.0, key=9)
    drawn, equal = ParticleFilter(4000, jitter=0.5)._resampled(members, weights, 1.0, key=9)
    assert np.unique(drawn, axis=0).shape[0] == 4000
    assert np.all(equal == 1 / 4000)
    width = 0.5 * 4000 ** (-1 / 6)
    exact = width**2 * np.cov(members[:400].T)
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert np.abs((np.cov((drawn - plain).T) - exact) / scale).max() < 4.5 * np.sqrt(2 / 4000)


def test_a_sample_in_one_particle_is_widened_by_the_spread_of_all():
    filter = ParticleFilter(100, ess_min=1.0, jitter=1.0)
    members = np.random.default_rng(8).standard_normal((100, 1))
    drawn, _ = filter._resampled(members, np.eye(100)[0], 1.0, key=9)
    assert drawn.std() == pytest.approx(100 ** (-1 / 5) * members.std(), rel=0.3)


def test_an_equally_weighted_state_needs_no_weights():
    space = stepping.space()
    now = start(ParticleFilter(50), space, THETA, key=7).predict_to(1.0)
    bare = EnsembleState(1.0, now.state.members)
    one = now.filter.analyse(space, now.values, bare, READINGS[:1], 7)[0]
    assert one.mean == pytest.approx(now.update(READINGS[0])[0].state.mean, rel=1e-12)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resampling": "sistematic"}, "did you mean 'systematic'"),
        ({"size": 1}, "size from 2"),
        ({"ess_min": 1.5}, "ess_min from 0 to 1"),
        ({"jitter": -1.0}, "jitter from 0"),
    ],
)
def test_impossible_settings_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        ParticleFilter(**given)


LAWS = {
    "gaussian": Gaussian(3.0, 0.1),
    "student": StudentT(3.0, df=4.0),
    "lognormal": Lognormal(0.2),
    "counts": NegativeBinomial(0.1),
    "camera": Fluorescence(3.0, shot=0.5),
    "camera that clips": Fluorescence(3.0, saturation=15.0),
    "frame": Fluorescence(3.0, background_sd=2.0),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_particles_weigh_by_any_law_what_it_says_of_each_of_them(law):
    space = stepping.space().with_laws({"camera": law})
    info = next(run(ParticleFilter(300), space, THETA, READINGS[:1], key=1))[1]
    prior = next(
        run(ParticleFilter(300), stepping.space(), THETA, [replace(READINGS[0], value=np.nan)], key=1)
    )
    each = [law.logpdf(READINGS[0].value, one, 0 * one, {}).total for one in prior[0].members[:, 0]]
    assert info.log_evidence == pytest.approx(logsumexp(each) - np.log(300), rel=1e-9)
