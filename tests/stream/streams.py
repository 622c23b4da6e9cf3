"""What the tests of streams share: a tracer in two compartments, its readings, a run that follows."""

import json

import numpy as np
from journal_rows import asked
from mscale_uq.models.reference import linear_gaussian

from mscale_uq.core.observation import Observation
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.loop import start
from mscale_uq.filters.stochastic import Stochastic
from mscale_uq.stream.follow import follow
from mscale_uq.stream.follower import Follower
from mscale_uq.stream.journal import Journal
from mscale_uq.stream.policy import Policy
from mscale_uq.stream.readings import AsItIs
from mscale_uq.stream.records import Objects

THETA = {"inflow": 2.0, "x_initial": 5.0, "y_initial": 1.0}
SPACE = linear_gaussian.space(noise=0.3, start_sd=1.0)
ENSEMBLE = EnsembleKalman(Stochastic(), size=20)  # random in its steps and in its analyses


def begin(filter=Kalman(), key=5):  # noqa: B008  # settings are frozen
    return start(filter, SPACE, THETA, key)


def readings(count=30, seed=4):
    rng = np.random.default_rng(seed)
    return [Observation(0.5 * (i + 1), "probe", "amount", 4 + rng.normal()) for i in range(count)]


def records(count=30, seed=4):
    return [
        {"source": "scope", "type": "probe", "seq": i, "event_time": o.time, "value": float(o.value)}
        for i, o in enumerate(readings(count, seed))
    ]


def as_lines(items):
    return "".join(json.dumps(item) + "\n" for item in items)


def opened(folder, filter=Kalman(), identity=None, **policy):  # noqa: B008
    """Return journal and follower of a run."""
    folder.mkdir(exist_ok=True)
    journal, first = Journal(folder), begin(filter)
    try:
        follower = Follower(
            journal, first, AsItIs(SPACE, first.values), Policy(**policy), identity or {"case": "a"}
        )
    except BaseException:
        journal.close()
        raise
    return journal, follower


def followed(folder, source, filter=Kalman(), **policy):  # noqa: B008
    """Take in a source, or the items of an iterable, and return the last state."""
    journal, follower = opened(folder, filter, **policy)
    with journal:
        chosen = source if hasattr(source, "read") else Objects(source)
        follow(follower, journal, chosen, stop_when_idle=0)
        return follower.now.state


def told(folder):
    """Return everything a run says, for comparison to the last byte."""
    return asked(folder, "SELECT time, revision, content FROM step ORDER BY time")


def same(one, other):
    """Whether two ensembles or normal laws are the same to the last bit."""
    parts = ("members",) if hasattr(one, "members") else ("mean", "cov")
    return one.time == other.time and all(
        np.array_equal(getattr(one, part), getattr(other, part)) for part in parts
    )
