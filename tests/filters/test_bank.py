"""Many cells that share a model: the bank against one filter for each."""

import numpy as np
import pytest
from mscale_uq.models.reference import linear_gaussian

from mscale_uq.core.observation import Observation
from mscale_uq.errors import DataError
from mscale_uq.filters.bank import filter_bank
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.loop import prepared, run

THETA = {"inflow": 2.0, "x_initial": 5.0, "y_initial": 1.0}
TIMES = np.cumsum([0.5, 0.5, 1.0, 0.25, 2.0, 0.5])


def space():
    return linear_gaussian.space(noise=0.3, start_sd=1.0)


def readings(rng, cells):
    data = 4 + rng.normal(size=(cells, len(TIMES)))
    data[2:5, 3] = np.nan  # these three share a pattern
    data[7, [0, 5]] = np.nan
    return data


def test_each_cell_of_a_bank_has_the_law_of_its_own_filter():
    data = readings(np.random.default_rng(1), 9)
    bank = filter_bank(space(), prepared(space(), THETA), TIMES, {"probe": data})
    for cell, row in enumerate(data):
        stream = [Observation(t, "probe", "amount", value) for t, value in zip(TIMES, row, strict=True)]
        steps = list(run(Kalman(), space(), THETA, stream))
        assert bank.means[cell] == pytest.approx(np.array([s.mean for s, _ in steps]), abs=1e-12)
        assert bank.covs[bank.group[cell]] == pytest.approx(np.array([s.cov for s, _ in steps]), abs=1e-12)
        assert bank.log_evidence[cell] == pytest.approx(sum(i.log_evidence for _, i in steps), abs=1e-11)


def test_cells_that_miss_the_same_readings_share_one_gain():
    data = readings(np.random.default_rng(2), 9)
    bank = filter_bank(space(), prepared(space(), THETA), TIMES, {"probe": data}, keep=False)
    assert len(bank.covs) == 3
    assert len({*bank.group[2:5]}) == 1
    assert bank.means.shape == (9, 1, 2)


def test_readings_that_do_not_fit_the_times_are_refused():
    with pytest.raises(DataError, match=r"\(cells, 6, ...\)"):
        filter_bank(space(), prepared(space(), THETA), TIMES, {"probe": np.zeros((3, 5))})
