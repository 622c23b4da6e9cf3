"""A state survives storage to the last bit; a damaged or foreign one is refused, and nothing is ever run."""

import io
import pickle

import numpy as np
import pytest
from mscale_uq.models.reference import linear_gaussian
from streams import SPACE, THETA, readings, same

from mscale_uq.errors import DataError
from mscale_uq.filters.enks import EnKS
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.etkf import ETKF
from mscale_uq.filters.ienks import IEnKS
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.loop import start
from mscale_uq.filters.particle import ParticleFilter
from mscale_uq.filters.square_root import SquareRootKalman
from mscale_uq.stream.ladder import kept
from mscale_uq.stream.states import pack, unpack

FILTERS = [
    *(Kalman(), SquareRootKalman(), EnsembleKalman(ETKF(), size=8), ParticleFilter(50)),
    *(EnKS(EnsembleKalman(ETKF(), size=8), 3), IEnKS(8)),
]


@pytest.mark.parametrize("filter", FILTERS, ids=lambda filter: type(filter).__name__)
def test_a_stored_state_goes_on_as_if_it_had_not_been_stored(filter):
    space = linear_gaussian.space(start_sd=1.0) if isinstance(filter, IEnKS) else SPACE  # it takes no noise
    now = start(filter, space, THETA, 3)
    stored = now
    for observation in readings(6):
        now = now.update(observation)[0]
        stored = type(stored)(filter, space, stored.values, unpack(pack(stored.state)), 3).update(
            observation
        )[0]
    assert type(stored.state) is type(now.state)
    assert same(stored.state, now.state)


def test_a_damaged_state_is_refused():
    content = pack(start(Kalman(), SPACE, THETA).state)
    for cut in range(0, len(content), 97):
        with pytest.raises(DataError, match="cannot be read"):
            unpack(content[:cut])


def test_what_is_pickled_is_not_read():
    bomb = pickle.dumps(np.array([print], dtype=object))
    with pytest.raises(DataError):
        unpack(bomb)
    archive = io.BytesIO()
    np.savez(archive, form=np.array([print], dtype=object))
    with pytest.raises(DataError, match="allow_pickle"):
        unpack(archive.getvalue())


def test_a_foreign_object_is_not_stored():
    with pytest.raises(DataError, match="a state with a set"):
        pack({"a": {1.0}})


def test_a_ladder_keeps_the_last_ones_and_doubles_its_gaps():
    have: list[int] = []
    for number in range(1, 3001):
        have = kept([*have, number], last=8)
        assert have[-min(number, 8) :] == list(range(max(1, number - 7), number + 1))
        gaps = np.diff([0, *have])
        behind = number - np.array(have)
        # To go back somewhere costs at most a quarter more than what lies behind it.
        assert np.all(gaps <= np.maximum(1, (behind + gaps) / 4))
    assert len(have) < 8 * np.log2(3000)
