"""What a reading brings along is weighed as if the model had known it; nothing else can be brought."""

from dataclasses import replace

import numpy as np
import pytest
from mscale_uq.models.cells import cell_state_fusion as fusion

from mscale_uq.core.observation import Observation
from mscale_uq.errors import DataError
from mscale_uq.filters.apart import numbered
from mscale_uq.filters.augment import Unknown, augment
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.estimate import deviation
from mscale_uq.filters.identity import identity
from mscale_uq.filters.laplace import LaplaceKalman
from mscale_uq.filters.loop import run, start
from mscale_uq.filters.node_sum import GaussianSum
from mscale_uq.filters.particle import ParticleFilter
from mscale_uq.filters.records import Verdict
from mscale_uq.filters.replay import Replay
from mscale_uq.filters.sigma_point import SigmaPointKalman
from mscale_uq.filters.smoother import smooth
from mscale_uq.filters.stochastic import Stochastic
from mscale_uq.stream.follow import follow
from mscale_uq.stream.follower import Follower
from mscale_uq.stream.journal import Journal
from mscale_uq.stream.policy import Policy
from mscale_uq.stream.readings import AsItIs
from mscale_uq.stream.records import Objects, as_message
from mscale_uq.stream.states import pack, unpack

SIZES = np.array([0.5, 1.0, 2.5])
COUNTS = np.array([0.0, 2.0, 4.0])
THETA = {p.name: p.default for p in (*fusion.RATES, *fusion.LIGHT, fusion.CAPTURE)}
FILTERS = {
    "laplace": LaplaceKalman(),
    "sigma points": SigmaPointKalman(),
    "ensemble": EnsembleKalman(Stochastic(), size=20),
    "particles": ParticleFilter(size=20),
    "gaussian sum": GaussianSum(16),
}


def space(size_factor):
    plain = fusion.space(cell=(0.0,), size_factor=size_factor)
    return augment(plain, {"capture": Unknown(0.1, 0.3)})


def begun(filter, size_factor=np.nan):
    return start(filter, space(size_factor), {n: v for n, v in THETA.items() if n != "capture"}, key=3)


def dish(sizes=SIZES, counts=COUNTS, time=60.0):
    return Observation(time, "sequencer", "umi", counts, covariates={"size_factor": sizes})


@pytest.mark.parametrize("name", FILTERS)
def test_a_dish_that_nobody_announced_is_weighed_as_one_that_the_model_knew(name):
    known = Observation(60.0, "sequencer", "umi", COUNTS)
    expected, told = begun(FILTERS[name], SIZES).update(known)
    found, info = begun(FILTERS[name]).update(dish())
    assert np.array_equal(found.state.mean, expected.state.mean)
    assert np.array_equal(info.innovation, told.innovation)
    assert info.log_evidence == told.log_evidence
    other, _ = begun(FILTERS[name]).update(dish(2 * SIZES))
    assert not np.array_equal(other.state.mean, expected.state.mean)


def test_dishes_of_any_size_may_follow_each_other():
    now = begun(LaplaceKalman())
    for time, cells in ((60.0, 2), (90.0, 5), (120.0, 1)):
        now, info = now.update(dish(np.ones(cells), np.full(cells, 1.0), time))
        assert info.innovation.shape == (cells,)


@pytest.mark.parametrize("name", ["size_fcator", "mrna_mean"])
def test_what_nobody_reads_and_what_is_state_cannot_be_brought(name):
    wrong = Observation(60.0, "sequencer", "umi", COUNTS, covariates={name: 1.0})
    with pytest.raises(DataError, match=rf"sequencer: a reading brings '{name}'"):
        begun(LaplaceKalman()).update(wrong)
    with pytest.raises(DataError, match=r"size_factor of shape \(2,\) for a value of shape \(3,\)"):
        dish(SIZES[:2])


def test_readings_that_differ_in_what_they_bring_are_two():
    assert identity(dish()) != identity(dish(2 * SIZES))
    assert identity(dish()) == identity(dish(SIZES.copy()))


def test_what_a_reading_brought_is_stored_and_sent_with_it():
    one, first = dish(), begun(LaplaceKalman())
    back = unpack(pack((one,)))[0]
    assert np.array_equal(back.covariates["size_factor"], SIZES)
    sent = AsItIs(first.space, first.values)(as_message(one))
    assert identity(sent) == identity(one)


def two_dishes(numbers):
    """Three cells, the last of another dish."""
    return Observation(
        60.0, "sequencer", "umi", COUNTS, covariates={"size_factor": SIZES, "dish": np.array(numbers)}
    )


@pytest.mark.parametrize("name", ["laplace", "gaussian sum"])
def test_a_dish_is_any_number_and_its_cells_speak_of_its_offset_alone(name):
    states = [
        begun(FILTERS[name]).update(two_dishes(n))[0].state for n in ((1, 1, 2), (17.0, 17.0, 4e9), (1, 1, 1))
    ]
    assert np.array_equal(states[0].mean, states[1].mean)
    names = [variable.name for variable in begun(FILTERS[name]).space.dynamics.state]
    first = names.index("dish_offset_1")  # one followed cell, so that all variables are single numbers
    for state, told in ((states[0], 2), (states[2], 1)):
        offsets = state.mean[first : first + 4]
        assert np.all(offsets[:told] != 0)
        assert np.all(offsets[told:] == 0)


def test_dishes_have_offsets_of_their_own_up_to_four_at_a_time():
    cells = np.ones(5)
    own = {"size_factor": cells, "dish": np.arange(5.0)}
    many = Observation(60.0, "sequencer", "umi", cells, covariates=own)
    with pytest.raises(DataError, match="sequencer: 5 of 'dish' at time 60; allowed: at most 4"):
        begun(LaplaceKalman()).update(many)


def alone(size, count, number):
    own = {"size_factor": np.atleast_1d(size), "dish": np.array(number)}
    return Observation(60.0, "sequencer", "umi", np.atleast_1d(count), covariates=own)


APART = [alone(SIZES[:2], COUNTS[:2], 17.0), alone(SIZES[2], COUNTS[2], 4e9)]


@pytest.mark.parametrize("name", ["laplace", "gaussian sum"])
def test_two_dishes_of_one_time_are_what_they_are_in_one_observation(name):
    whole = begun(FILTERS[name]).update(two_dishes((1, 1, 2)))[0].state
    both = begun(FILTERS[name]).update(*APART)[0].state
    late = Replay(begun(FILTERS[name])).add(APART[0])[0].add(APART[1])[0].now.state
    ((along, _),) = run(FILTERS[name], space(np.nan), begun(FILTERS[name]).values, APART, 3)
    for state in (both, late, along):
        assert state.mean == pytest.approx(whole.mean, rel=1e-9)
        assert deviation(state) == pytest.approx(deviation(whole), rel=1e-9)


def test_a_second_dish_in_an_update_of_its_own_is_refused_at_that_time_alone():
    now = begun(LaplaceKalman()).update(APART[0])[0]
    for same in (now, now.predict_to(60.0)):
        with pytest.raises(DataError, match="sequencer: a second update at time 60; allowed: all readings"):
            same.update(APART[1])
    now.update(replace(APART[1], time=61.0))
    now.predict_to(61.0).update(replace(APART[1], time=61.0))
    with pytest.raises(DataError, match="a reading at time 60 without 'dish', beside one with it"):
        numbered(now.space, {}, [APART[0], dish()])


def test_a_smoother_knows_dishes_by_any_number():
    begin = begun(LaplaceKalman())
    later = Observation(90.0, "sequencer", "umi", COUNTS, covariates={"size_factor": SIZES, "dish": 7.0})
    ends = [
        smooth(LaplaceKalman(), begin.space, begin.values, [*dishes, later], 3)[0].mean
        for dishes in ([two_dishes((1, 1, 2))], [two_dishes((17, 17, 4e9))], APART)
    ]
    assert np.array_equal(ends[0], ends[1])
    assert ends[2] == pytest.approx(ends[0], rel=1e-9)


def test_a_fifth_dish_of_one_time_is_a_dead_letter_and_the_stream_goes_on(tmp_path):
    first, four = begun(LaplaceKalman()), [alone(1.0, 2.0, number) for number in range(4)]
    read = AsItIs(first.space, first.values)
    with Journal(tmp_path) as journal:
        follower = Follower(journal, first, read, Policy(), {"case": "a"})
        items = [*four, alone(1.0, 3.0, 9.0), dish(time=90.0)]
        follow(follower, journal, Objects(items), stop_when_idle=0)
        ((_, verdict, reason),) = journal.refused(0)
        assert verdict == Verdict.CONVERSION_FAILED
        assert reason == "sequencer: 5 of 'dish' at time 60; allowed: at most 4"
        expected = first.update(*four)[0].update(dish(time=90.0))[0].state
        assert follower.now.state.mean == pytest.approx(expected.mean, rel=1e-9)
