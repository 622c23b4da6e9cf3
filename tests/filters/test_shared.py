"""Cells that share unknowns: the same as one filter of the joint state; honest in twin experiments."""

import numpy as np
import pytest
from tracked_cells import KNOWN, RATES, UNKNOWN, readings, space

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import NoGradient, WiringError
from mscale_uq.filters.augment import Unknown, augment
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.loop import start
from mscale_uq.filters.shared import SharedBank
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.laws import Gaussian


def joint(cells, law, data):
    """The extended Kalman filter of the whole state, cells and unknowns."""
    whole = augment(space(cells, law), UNKNOWN)
    now, log = start(ExtendedKalman(), whole, {n: KNOWN[n] for n in ("gamma_m", "k_p", "gamma_p")}), 0.0
    for frame, row in enumerate(data, start=1):
        now, info = now.update(Observation(5.0 * frame, "camera", "light", row))
        log += info.log_evidence
    return now.state, log


def bank(cells, law, data):
    filter = SharedBank(space(1, law), UNKNOWN)
    state, log = filter.init(KNOWN, cells), 0.0
    for frame, row in enumerate(data, start=1):
        state, density = filter.analyse(KNOWN, filter.forecast(KNOWN, state, 5.0 * frame), "camera", row)
        log += density
    return state, log


@pytest.mark.parametrize(
    "law", [Gaussian(60.0), Fluorescence(20.0, shot=0.5, relative=0.03, background=100.0)]
)
def test_the_bank_is_the_extended_filter_of_the_joint_state(law):
    data = readings(3, 8)
    whole, log = joint(3, law, data)
    state, found = bank(3, law, data)
    assert found == pytest.approx(log, rel=1e-10)
    assert state.mean == pytest.approx(whole.mean[6:], rel=1e-9)
    assert state.cov == pytest.approx(whole.cov[6:, 6:], rel=1e-8)
    assert state.cells.T.ravel() == pytest.approx(whole.mean[:6], rel=1e-9)
    own = np.array([whole.cov[np.ix_([i, i + 3], [i, i + 3])] for i in range(3)])
    assert state.cell_cov == pytest.approx(own, rel=1e-8)
    across = state.lean[0] @ state.cov @ state.lean[1].T
    assert across == pytest.approx(whole.cov[np.ix_([0, 3], [1, 4])], rel=1e-7, abs=1e-9)


def test_one_frame_with_a_common_error_of_the_background_is_the_joint_update():
    law = Fluorescence(20.0, shot=0.5, relative=0.03, background=100.0, background_sd=40.0)
    data = readings(3, 2)[:1]
    whole, log = joint(3, law, data)
    state, found = bank(3, law, data)
    assert found == pytest.approx(log, rel=1e-10)
    assert state.mean == pytest.approx(whole.mean[6:], rel=1e-9)
    assert state.cov == pytest.approx(whole.cov[6:, 6:], rel=1e-8)
    assert state.cells.T.ravel() == pytest.approx(whole.mean[:6], rel=1e-9)
    own = np.array([whole.cov[np.ix_([i, i + 3], [i, i + 3])] for i in range(3)])
    assert state.cell_cov == pytest.approx(own, rel=1e-8)


def test_a_sequenced_dish_moves_the_cells_only_through_what_they_share():
    filter = SharedBank(space(1, Gaussian(60.0)), UNKNOWN)
    state = filter.forecast(KNOWN, filter.init(KNOWN, 3), 5.0)
    dish = np.array([[1.0, 0.0]]), np.array([-0.2]), np.array([[0.01]])
    new, _ = filter.observe_shared(state, *dish)
    assert new.covs is state.covs
    assert new.lean is state.lean
    assert new.cells == pytest.approx(state.cells + state.lean @ (new.mean - state.mean))
    # cells that lean on nothing do not move at all
    alone = SharedBank(space(1, Gaussian(60.0)), {"gain": UNKNOWN["gain"]})
    state = alone.forecast(KNOWN, alone.init(KNOWN, 3), 5.0)
    new, _ = alone.observe_shared(state, np.array([[1.0]]), np.array([-0.2]), np.array([[0.01]]))
    assert np.array_equal(new.cells, state.cells)


def test_what_is_no_model_of_one_cell_is_refused():
    with pytest.raises(WiringError, match="k_n"):
        SharedBank(space(1, Gaussian(60.0)), {"k_n": Unknown(1.0, 1.0)})
    odd = space(1, Gaussian(60.0))
    direct = StateSpace(
        [], odd.dynamics, {"eye": ObservationOperator("protein", Gaussian(1.0))}, RATES, odd.constants
    )
    filter = SharedBank(direct, {"k_m": UNKNOWN["k_m"]})
    with pytest.raises(NoGradient, match="LinearReading"):
        filter.analyse(KNOWN, filter.init(KNOWN, 1), "eye", np.zeros(1))
