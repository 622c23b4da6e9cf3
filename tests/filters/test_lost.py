import numpy as np
import pytest

from mscale_uq.core.dynamics import Dynamics
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.stage import Stage
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import Infeasible, SolveFailed
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.etkf import ETKF
from mscale_uq.filters.loop import start
from mscale_uq.filters.lost import redrawn
from mscale_uq.observe.laws import Gaussian


class Fragile(Dynamics):
    """Stays where it is; gives up on states above `highest`, or lets them become NaN."""

    name = "fragile"
    inputs = ("highest", "silent")
    state = (Quantity("x", "1", shape=(2,)),)

    def step(self, states, start, stop, values, rng):
        bad = states[:, 0] > values["highest"]
        if values["silent"]:
            return np.where(bad[:, None], np.nan, states)
        if bad.any():
            raise SolveFailed(self.name, {}, "too high")
        return states.copy()


class Shy(Stage):
    """Sees the first state variable, but not where it is low."""

    name, inputs, outputs = "shy", ("x", "lowest"), ("seen",)

    def value(self, values):
        if values["x"][0] < values["lowest"]:
            raise Infeasible(self.name, {}, "too low to be seen")
        return {"seen": np.asarray(values["x"][0])}


def fragile(highest=np.inf, silent=0.0, lowest=-np.inf):
    operator = ObservationOperator("seen", Gaussian(0.5), Shy())
    constants = {"x_initial": [0.0, 1.0], "x_initial_var": [1.0, 1.0]}
    limits = {"highest": highest, "silent": silent, "lowest": lowest}
    return StateSpace([], Fragile(), {"eye": operator}, (), {**constants, **limits})


@pytest.mark.parametrize("silent", [0.0, 1.0])
def test_lost_members_are_redrawn_and_the_others_stay(silent):
    now = start(EnsembleKalman(ETKF(), 20), fragile(highest=1.0, silent=silent), {}, key=1)
    lost = now.state.members[:, 0] > 1.0
    assert 0 < lost.sum() < 10
    later = now.predict_to(1.0)
    assert later.state.lost == lost.sum()
    assert np.array_equal(later.state.members[~lost], now.state.members[~lost])
    assert np.all(np.isfinite(later.state.members))
    _, info = later.update(Observation(1.0, "eye", "seen", 0.0))
    assert info.note == f"{lost.sum()} of 20 members lost and drawn anew"


def test_the_redrawn_ensemble_has_the_survivors_mean_and_covariance_on_average():
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((12, 3)) @ [[1, 0.5, 0], [0, 1, 0.2], [0, 0, 0.3]]
    lost = np.arange(12) >= 7
    draws = [redrawn(rows, lost, 0.0, np.random.default_rng(i)) for i in range(4000)]
    means = np.array([draw.mean(axis=0) for draw in draws])
    covs = np.array([np.cov(draw.T) for draw in draws])
    for found, exact in ((means, rows[~lost].mean(axis=0)), (covs, np.cov(rows[~lost].T))):
        error = (found.mean(axis=0) - exact) / (found.std(axis=0) / np.sqrt(len(draws)))
        assert np.abs(error).max() < 4.5


def test_fewer_than_two_survivors_are_an_error():
    space = fragile(highest=-1.0)
    now = start(EnsembleKalman(ETKF(), 6), space, {}, key=1)
    alive = (now.state.members[:, 0] <= -1.0).sum()
    assert alive < 2
    with pytest.raises(SolveFailed, match=r"too high|of 6 members left; two are needed"):
        now.predict_to(1.0)
    with pytest.raises(SolveFailed, match="1 of 6 members left"):
        redrawn(np.eye(6), np.arange(6) > 0, 1.0, np.random.default_rng(0))


def test_a_member_that_cannot_be_seen_is_redrawn_with_its_prediction():
    now = start(EnsembleKalman(ETKF(), 30), fragile(lowest=-1.0), {}, key=1).predict_to(1.0)
    unseen = now.state.members[:, 0] < -1.0
    assert 0 < unseen.sum() < 15
    later, info = now.update(Observation(1.0, "eye", "seen", np.nan))
    assert np.array_equal(later.state.members[~unseen], now.state.members[~unseen])
    # The prediction is the first state variable; what is redrawn keeps that relation exactly.
    assert info.innovation_cov[0, 0] - 0.25 == pytest.approx(later.state.cov[0, 0], rel=1e-10)
    assert info.note == f"{unseen.sum()} of 30 members lost and drawn anew"


def test_a_bug_in_the_model_is_not_a_lost_member():
    space = fragile()
    now = start(EnsembleKalman(ETKF(), 5), space, {}, key=1)
    broken = type(now)(now.filter, space, {**now.values, "highest": np.array("high")}, now.state, 1)
    with pytest.raises(TypeError):
        broken.predict_to(1.0)
