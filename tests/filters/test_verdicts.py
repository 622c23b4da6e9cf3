"""Every verdict on a reading, where it is given; what is not used changes nothing and is still compared."""

from dataclasses import dataclass

import numpy as np
import pytest
from mscale_uq.models.reference import linear_gaussian, lorenz96

from mscale_uq.core.formula import Formula
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import DataError, Infeasible, InputError, SolveFailed
from mscale_uq.filters.augment import Unknown, augment
from mscale_uq.filters.denkf import DEnKF
from mscale_uq.filters.enks import EnKS
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.etkf import ETKF
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.follow import follow
from mscale_uq.filters.ienks import IEnKS
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.laplace import LaplaceKalman
from mscale_uq.filters.letkf import LETKF
from mscale_uq.filters.likelihood import FilterLikelihood, KalmanLikelihood
from mscale_uq.filters.localisation import Localisation
from mscale_uq.filters.loop import start
from mscale_uq.filters.node_sum import GaussianSum
from mscale_uq.filters.particle import ParticleFilter
from mscale_uq.filters.records import Verdict
from mscale_uq.filters.replay import Replay
from mscale_uq.filters.screen import Screen
from mscale_uq.filters.serial import Serial
from mscale_uq.filters.sigma_point import SigmaPointKalman
from mscale_uq.filters.square_root import SquareRootKalman
from mscale_uq.filters.stochastic import Stochastic
from mscale_uq.filters.whole import WholeStream
from mscale_uq.observe.laws import Gaussian

THETA = {"inflow": 2.0, "x_initial": 5.0, "y_initial": 1.0}
FILTERS = [
    Kalman(),
    SquareRootKalman(),
    ExtendedKalman(),
    SigmaPointKalman(),
    LaplaceKalman(),
    EnsembleKalman(DEnKF(), 20),
    ParticleFilter(50),
]
NOWHERE = Localisation(2.0, [np.nan, np.nan], {"probe": [0.0]})  # every reading reaches both states


def space(law=None, stage=None):
    """The tracer with a second source, `camera`, that reads the first compartment in its own way."""
    plain = linear_gaussian.space(noise=0.3, start_sd=1.0)
    camera = ObservationOperator("x" if stage is None else "light", law or Gaussian(0.5), stage)
    operators = {**plain.observations, "camera": camera}
    return StateSpace([], plain.dynamics, operators, plain.parameters, plain.constants)


def camera(value, time=1.0, **more):
    return Observation(time, "camera", more.pop("quantity", "x"), value, **more)


def probe(value, time=1.0, **more):
    return Observation(time, "probe", "amount", value, **more)


SCREENED = {
    Verdict.EVALUATED: (Screen(evaluated=("camera",)), 0.0),
    Verdict.NOT_SELECTED: (Screen(selected=("probe",)), 0.0),
    Verdict.INCOMING_QC: (Screen(qc_limit=3.0), 4.0),
    Verdict.CENSORED: (Screen(limits={"camera": (0.0, 3.0)}), 0.0),
}


@pytest.mark.parametrize("filter", FILTERS, ids=lambda f: type(f).__name__)
@pytest.mark.parametrize("verdict", SCREENED)
def test_a_screened_reading_is_compared_and_changes_nothing(verdict, filter):
    screen, qc = SCREENED[verdict]
    marked = screen.judge(camera(3.0), qc)
    with_it, info = start(filter, space(), THETA).update(probe(4.0), marked)
    without, alone = start(filter, space(), THETA).update(probe(4.0))
    where = {source: i for i, source in enumerate(info.sources)}
    assert info.verdicts[where["camera"]] == verdict
    assert info.verdicts[where["probe"]] == Verdict.USED
    assert with_it.state.mean == pytest.approx(without.state.mean, rel=1e-13)
    assert info.log_evidence == pytest.approx(alone.log_evidence, abs=1e-12)
    here, there = info.innovation[where["camera"]], info.innovation[where["probe"]]
    assert there - here == pytest.approx(4.0 - 3.0)  # both read x, so they expect the same


EVERY = [
    *FILTERS,
    *(EnsembleKalman(scheme(), 20) for scheme in (Stochastic, ETKF, Serial)),
    EnsembleKalman(LETKF(NOWHERE), 20),
    EnKS(EnsembleKalman(ETKF(), 20)),
    IEnKS(20, lag=0),
    IEnKS(20, lag=2),
    WholeStream(size=20),
    GaussianSum(128),
]


@pytest.mark.parametrize("filter", EVERY, ids=lambda f: type(f).__name__)
@pytest.mark.parametrize("mark", [None, Verdict.EVALUATED])
def test_a_lone_reading_that_is_not_used_changes_nothing_and_prints_nothing(mark, filter, capfd):
    """LAPACK writes to the process's own stream when it is handed a matrix of no size."""
    reading = Observation(0.0, "probe", "amount", np.nan if mark is None else 4.0, mark=mark)
    plain = linear_gaussian.space(start_sd=1.0)
    learning = augment(plain, {"inflow": Unknown(2.0, 0.5)})  # which a Gaussian sum is for
    followed = follow(filter, learning if isinstance(filter, GaussianSum) else plain, THETA, [reading])
    assert list(followed.infos[0].verdicts) == [Verdict.MISSING if mark is None else mark]
    assert followed.infos[0].log_evidence == 0.0
    assert followed.filtered[0].mean == pytest.approx(followed.first.mean, rel=1e-13)
    assert followed.filtered[0].sd == pytest.approx(followed.first.sd, rel=1e-13)
    assert capfd.readouterr() == ("", "")


def test_a_reading_within_every_limit_is_left_as_it_is():
    screen = Screen(("camera",), (), {"camera": (0.0, 3.0)}, 3.0)
    observation = camera(2.9)
    assert screen.judge(observation, 3.0) is observation
    assert list(screen.over([observation])) == [observation]
    vector = Observation(0.0, "camera", "x", [np.nan, 0.0, 1.0])
    assert list(screen.judge(vector).mark) == [0, Verdict.CENSORED, 0]
    assert list(screen.judge(vector, [0, 0, 9]).mark) == [0, Verdict.CENSORED, Verdict.INCOMING_QC]
    with pytest.raises(InputError, match="the lower one first"):
        Screen(limits={"camera": (3.0, 0.0)})


def test_a_marked_reading_is_not_in_the_compiled_likelihood_either():
    theta = {"inflow": 2.0, "x_initial": 5.0, "y_initial": 1.0}
    vector = np.array([theta[name] for name in KalmanLikelihood(space(), [probe(4.0)]).names])
    marked = [probe(4.0), camera(9.0, mark=Verdict.CENSORED)]
    assert KalmanLikelihood(space(), marked).logpdf(vector) == pytest.approx(
        KalmanLikelihood(space(), [probe(4.0)]).logpdf(vector), abs=1e-13
    )


@dataclass(frozen=True)
class DarkAbove:
    """A camera that the model cannot predict above a brightness."""

    limit: float
    __name__ = "dark above"

    def __call__(self, x):
        if x > self.limit:
            raise Infeasible("camera", {"x": x}, "too bright")
        return x


@pytest.mark.parametrize("filter", [ExtendedKalman(), SigmaPointKalman(), LaplaceKalman()])
def test_an_observation_that_fails_at_the_forecast_is_left_out_and_the_others_are_used(filter):
    blind = space(stage=Formula(DarkAbove(0.0), "light"))
    after, info = start(filter, blind, THETA).update(camera(4.0, quantity="light"), probe(4.0))
    alone, _ = start(filter, blind, THETA).update(probe(4.0))
    assert list(info.verdicts) == [Verdict.PRIOR_FAILED, Verdict.USED]
    assert "too bright" in info.note
    assert after.state.mean == pytest.approx(alone.state.mean, rel=1e-13)
    # A likelihood must not grow by what it cannot predict.
    likelihood = FilterLikelihood(filter, blind, [camera(4.0, quantity="light")])
    with pytest.raises(SolveFailed, match="too bright"):
        likelihood.logpdf([THETA[name] for name in likelihood.names])


@pytest.mark.parametrize(("screen", "code"), [(Screen(), 2), (Screen(evaluated=("camera",)), 3)])
def test_a_reading_that_fails_after_the_analysis_was_used_or_evaluated_all_the_same(screen, code):
    # The probe lifts the state above what the camera can show.
    bright = space(stage=Formula(DarkAbove(5.2), "light"))
    stream = [screen.judge(camera(5.0, quantity="light")), probe(9.0)]
    followed = follow(ExtendedKalman(), bright, THETA, stream)
    assert list(followed.infos[0].verdicts) == [code, Verdict.USED]
    assert np.isnan(followed.filtered[0].reading[0])
    assert followed.filtered[0].reading[1] > 5.2
    assert followed.infos[0].used[0] == (code == Verdict.USED_POSTERIOR_FAILED)


@pytest.mark.parametrize("analysis", [LETKF, DEnKF])
def test_a_reading_whose_place_is_not_known_is_not_localised(analysis):
    sites = np.arange(8.0)
    known = Localisation(2.0, sites, {"stations": np.where(sites == 3, np.nan, sites)}, 8)
    filter = EnsembleKalman(analysis(localisation=known), 20)
    ring = lorenz96.space(sites=8)
    datum = np.arange(8.0)
    one, info = start(filter, ring, {"forcing": 8.0}).update(Observation(0.1, "stations", "x", datum))
    datum = np.where(sites == 3, 99.0, datum)
    other, _ = start(filter, ring, {"forcing": 8.0}).update(Observation(0.1, "stations", "x", datum))
    assert list(info.verdicts) == [0, 0, 0, Verdict.CONVERSION_FAILED, 0, 0, 0, 0]
    assert np.array_equal(one.state.members, other.state.members)


def test_a_record_that_comes_twice_is_taken_once():
    once, _ = start(Kalman(), space(), THETA).update(probe(4.0, record="17"))
    twice, info = start(Kalman(), space(), THETA).update(probe(4.0, record="17"), probe(4.0, record="17"))
    assert list(info.verdicts) == [Verdict.USED, Verdict.DUPLICATE]
    assert np.array_equal(once.state.mean, twice.state.mean)
    both, _ = start(Kalman(), space(), THETA).update(probe(4.0, record="17"), probe(4.0, record="18"))
    assert both.state.cov[0, 0] < once.state.cov[0, 0]
    with pytest.raises(DataError, match="two different observations are called '17'"):
        start(Kalman(), space(), THETA).update(probe(4.0, record="17"), probe(5.0, record="17"))


@pytest.mark.parametrize("record", ["", "17"])
def test_a_stream_that_delivers_twice_says_the_same_as_one_that_does_not(record):
    stream = [probe(4.0, record=record), camera(4.1), probe(3.0, 2.0), probe(2.5, 3.0)]
    plain, _ = Replay(start(Kalman(), space(), THETA)).add(*stream)
    repeated, infos = Replay(start(Kalman(), space(), THETA)).add(*stream, stream[1])
    repeated, late = repeated.add(stream[0], stream[3])
    assert [list(info.verdicts) for info in late] == [[Verdict.DUPLICATE]] * 2
    assert list(infos[0].verdicts) == [Verdict.DUPLICATE]
    assert np.array_equal(repeated.now.state.mean, plain.now.state.mean)
    assert np.array_equal(repeated.now.state.cov, plain.now.state.cov)
    assert len(repeated.log) == 4
    with pytest.raises(DataError, match="two different observations"):
        Replay(start(Kalman(), space(), THETA), "error").add(probe(4.0, record="3"), probe(4.2, record="3"))


def test_what_comes_after_its_history_is_too_late():
    replay, _ = Replay(start(Kalman(), space(), THETA), history=1.0).add(probe(4.0, 5.0))
    same, infos = replay.add(probe(4.0, 3.0))
    assert list(infos[0].verdicts) == [Verdict.TOO_LATE]
    assert same is replay


@pytest.mark.parametrize(("most", "used"), [(0.2, False), (0.8, True)])
def test_if_more_members_are_lost_than_allowed_the_reading_is_not_used(most, used):
    # Half of the members are brighter than the camera's model can show.
    bright = space(stage=Formula(DarkAbove(5.3), "light"))
    filter = EnsembleKalman(ETKF(), 40, most_lost=most)
    before = start(filter, bright, THETA).predict_to(0.01)
    _, info = before.update(camera(4.0, 0.01, quantity="light"))
    assert list(info.verdicts) == [Verdict.USED if used else Verdict.TOO_MANY_FAILED]
    assert "lost and drawn anew" in info.note
    assert (info.log_evidence != 0) == used
    with pytest.raises(InputError, match=r"most_lost = 1\.5"):
        EnsembleKalman(most_lost=1.5)


def test_the_iterative_smoother_keeps_marks_too():
    ring, marked = lorenz96.space(sites=8), np.where(np.arange(8) == 3, Verdict.EVALUATED, 0)
    datum = Observation(0.1, "stations", "x", np.arange(8.0), mark=marked)
    _, info = start(IEnKS(10), ring, {"forcing": 8.0}).update(datum)
    assert list(info.verdicts) == list(marked)


def test_a_mark_has_the_shape_of_its_value():
    assert list(Observation(0.0, "camera", "x", [1.0, 2.0], mark=Verdict.CENSORED).mark) == [12, 12]
    with pytest.raises(DataError, match=r"mark of shape \(3,\)"):
        Observation(0.0, "camera", "x", [1.0, 2.0], mark=[0, 0, 1])
