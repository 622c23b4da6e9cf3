"""Late data: replayed in their place, they leave no trace of having been late."""

import numpy as np
import pytest
from mscale_uq.models.reference import linear_gaussian

from mscale_uq.core.observation import Observation
from mscale_uq.errors import DataError, InputError
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.loop import run, start
from mscale_uq.filters.records import Verdict
from mscale_uq.filters.replay import Replay

THETA = {"inflow": 2.0, "x_initial": 5.0, "y_initial": 1.0}


def space():
    return linear_gaussian.space(noise=0.3, start_sd=1.0)


def readings(count=12):
    rng = np.random.default_rng(4)
    return [Observation(0.5 * (i + 1), "probe", "amount", 4 + rng.normal()) for i in range(count)]


def fed(observations, **options):
    replay, infos = Replay(start(Kalman(), space(), THETA), **options), []
    for observation in observations:
        replay, made = replay.add(observation)
        infos.extend(made)
    return replay, infos


def test_late_data_by_replay_equal_data_in_order_exactly():
    ordered = readings()
    oracle = [state for state, _ in run(Kalman(), space(), THETA, ordered)]
    for seed in range(5):
        shuffled = [ordered[i] for i in np.random.default_rng(seed).permutation(len(ordered))]
        replay, _ = fed(shuffled)
        for mark, state in zip(replay.marks, oracle, strict=True):
            assert mark.state.time == state.time
            assert np.array_equal(mark.state.mean, state.mean)
            assert np.array_equal(mark.state.cov, state.cov)


def test_observations_of_one_time_that_arrive_apart_are_one_joint_update():
    one, two = Observation(1.0, "probe", "amount", 4.0), Observation(1.0, "probe", "amount", 5.0)
    together = Replay(start(Kalman(), space(), THETA)).add(one, two)[0]
    apart, infos = fed([one, two])
    assert np.array_equal(apart.now.state.mean, together.now.state.mean)
    assert len(infos[-1].sources) == 2


def test_a_replay_revises_every_step_since_the_late_datum():
    ordered = readings()
    replay, _ = fed([*ordered[:4], *ordered[5:]])
    assert [info.time for info in replay.add(ordered[4])[1]] == [o.time for o in ordered[4:]]


def test_late_data_that_are_dropped_change_nothing_and_say_so():
    ordered = readings()
    replay, infos = fed([*ordered[1:], ordered[0]], late="drop")
    without, _ = fed(ordered[1:])
    assert np.array_equal(replay.now.state.mean, without.now.state.mean)
    assert list(infos[-1].verdicts) == [Verdict.TOO_LATE]
    assert not infos[-1].used.any()


def test_data_older_than_the_history_are_too_late():
    ordered = readings()
    replay, infos = fed([*ordered[1:], ordered[0]], history=2.0)
    assert list(infos[-1].verdicts) == [Verdict.TOO_LATE]
    assert len(replay.marks) == len(replay.log) == 5  # the history holds the times 4, 4.5, .. 6
    replay, infos = fed([*ordered[:8], *ordered[9:], ordered[8]], history=2.0)
    oracle, _ = fed(ordered)
    assert np.array_equal(replay.now.state.mean, oracle.now.state.mean)
    assert np.array_equal(replay.now.state.cov, oracle.now.state.cov)


def test_late_data_may_be_an_error():
    ordered = readings()
    with pytest.raises(DataError, match="late by the last one"):
        fed([*ordered[1:], ordered[0]], late="error")


def test_an_observation_before_the_start_is_too_late():
    _, infos = fed([Observation(-1.0, "probe", "amount", 4.0)])
    assert list(infos[0].verdicts) == [Verdict.TOO_LATE]


def test_an_unknown_policy_is_refused():
    with pytest.raises(InputError, match="replay, drop, error"):
        Replay(start(Kalman(), space(), THETA), late="ignore")


@pytest.mark.parametrize("apart", [True, False])
def test_a_record_that_returns_with_another_time_is_refused(apart):
    first = Observation(1.0, "probe", "amount", 4.0, record="7")
    later = Observation(2.0, "probe", "amount", 4.0, record="7")
    for pair in ([first, later], [later, first]):
        with pytest.raises(DataError, match="two different observations are called '7'"):
            fed(pair) if apart else Replay(start(Kalman(), space(), THETA)).add(*pair)
    _, infos = fed([first, Observation(2.0, "probe", "amount", 4.0, record="8"), first])
    assert list(infos[-1].verdicts) == [Verdict.DUPLICATE]
