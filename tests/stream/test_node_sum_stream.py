"""A Gaussian sum in a stream: it takes its past along, and ends the same however the stream came."""

import numpy as np
from streams import SPACE, THETA, readings, told

from mscale_uq.core.observation import Observation
from mscale_uq.filters.augment import Unknown, augment
from mscale_uq.filters.loop import start
from mscale_uq.filters.node_sum import GaussianSum
from mscale_uq.stream.follow import follow
from mscale_uq.stream.follower import Follower
from mscale_uq.stream.journal import Journal
from mscale_uq.stream.policy import Policy
from mscale_uq.stream.readings import AsItIs
from mscale_uq.stream.records import Objects
from mscale_uq.stream.states import pack, unpack

WHOLE = augment(SPACE, {"inflow": Unknown(1.0, 1.5)})
REST = {name: value for name, value in THETA.items() if name != "inflow"}


def begun():
    return start(GaussianSum(32), WHOLE, REST, key=3)


def followed(folder, items):
    folder.mkdir(exist_ok=True)
    with Journal(folder) as journal:
        first = begun()
        policy = Policy(window=1.0, checkpoint_every=3)
        follower = Follower(journal, first, AsItIs(WHOLE, first.values), policy, {"case": "a"})
        follow(follower, journal, Objects(items), stop_when_idle=0)
        return follower.now.state


def test_order_batches_and_restarts_do_not_matter_to_the_last_byte(tmp_path):
    late = Observation(3.25, "probe", "amount", 5.0, noise=0.2)
    items = [*readings(12), late]
    in_order = begun()
    for one in sorted(items, key=lambda o: o.time):
        in_order, _ = in_order.update(one)
    drawn_anew = not np.array_equal(in_order.state.points, begun().state.points)
    assert drawn_anew
    for name, size in (("whole", 13), ("few", 3)):
        for first in range(0, len(items), size):
            state = followed(tmp_path / name, items[first : first + size])
        assert np.array_equal(state.points, in_order.state.points)
        assert np.array_equal(state.mean, in_order.state.mean)
        assert np.array_equal(state.cov, in_order.state.cov)
        steps = [content for _, _, content in told(tmp_path / name)]
        assert steps == [content for _, _, content in told(tmp_path / "whole")]


def test_a_stored_sum_has_its_past_with_it():
    now = begun().update(Observation(0.5, "probe", "amount", np.nan, mark=0, record="a"))[0].state
    back = unpack(pack(now))
    assert [(o.time, o.source, o.record, o.noise) for o in back.history] == [(0.5, "probe", "a", None)]
    assert np.array_equal(back.cov, now.cov)
    assert np.array_equal(back.blocks.dense(), now.blocks.dense())
