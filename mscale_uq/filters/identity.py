"""Which observations are the same record, so that what is delivered twice is taken in once."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mscale_uq.core.observation import Observation
from mscale_uq.errors import DataError, explain
from mscale_uq.filters.records import Verdict


def once(observations: Sequence[Observation]) -> tuple[Observation, ...]:
    """Return the observations of one update, those that repeat an earlier one marked as duplicates.

    A repetition has the same source and the same `record`. Observations without a record are all taken: in
    two cells the same number may be counted.

    Raises
    ------
    DataError
        If two of one record say different things.
    """
    first: dict[tuple[str, str], Observation] = {}
    taken = []
    for o in observations:
        earlier = first.setdefault((o.source, o.record), o) if o.record else o
        check_same(earlier, o)
        taken.append(o if earlier is o else replace(o, mark=np.array(Verdict.DUPLICATE)))
    return tuple(taken)


def identity(observation: Observation) -> tuple[object, ...]:
    """Return what tells an observation of a stream from all others: its record, else what it says."""
    return (observation.source, observation.record) if observation.record else content(observation)


def content(observation: Observation) -> tuple[object, ...]:
    """Return what an observation says, as something that can be compared."""
    o = observation
    noise = None if o.noise is None else (o.noise.shape, o.noise.tobytes())
    own = tuple((name, o.covariates[name].tobytes()) for name in sorted(o.covariates))
    return o.time, o.source, o.quantity, o.value.shape, (o.value + 0.0).tobytes(), noise, own


def check_same(earlier: Observation, later: Observation) -> None:
    """Refuse two observations of one record that say different things."""
    if earlier is not later and content(earlier) != content(later):
        given = f"{later.source}: two different observations are called {later.record!r}"
        raise DataError(explain(given, "one observation for each record"))
