"""A whole stream at once: for linear models, what a filter and its smoother say."""

import numpy as np
import pytest
from mscale_uq.models.reference import linear_gaussian, lorenz96

from mscale_uq.core.formula import Formula
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import Infeasible, InputError, SolveFailed
from mscale_uq.filters.denkf import DEnKF
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.esmda import ESMDA
from mscale_uq.filters.etkf import ETKF
from mscale_uq.filters.follow import follow
from mscale_uq.filters.localisation import Localisation
from mscale_uq.filters.records import Verdict
from mscale_uq.filters.whole import WholeStream
from mscale_uq.observe.laws import Gaussian

THETA = {"inflow": 2.0, "x_initial": 5.0, "y_initial": 1.0}
STREAM = [
    Observation(0.0, "probe", "amount", 4.2),
    Observation(1.0, "probe", "amount", 4.0),
    Observation(2.5, "probe", "amount", np.nan),
    Observation(2.5, "probe", "amount", 3.1, noise=0.2),
    Observation(4.0, "probe", "amount", 30.0, mark=Verdict.EVALUATED),
    Observation(6.0, "probe", "amount", 5.5),
]


@pytest.mark.parametrize("alphas", [(1.0,), (4.0, 4.0, 4.0, 4.0), (9.0, 3.0, 1.0)])
def test_a_whole_linear_stream_at_once_is_the_smoother_of_the_same_members_whatever_the_alphas(alphas):
    space = linear_gaussian.space(start_sd=1.0)
    whole = follow(WholeStream(ESMDA(alphas, ETKF()), 30), space, THETA, STREAM)
    smoother = follow(EnsembleKalman(ETKF(), 30), space, THETA, STREAM, look_back=True)
    for one, two in zip(whole.smoothed, smoother.smoothed, strict=True):
        assert one.mean == pytest.approx(two.mean, abs=1e-10)
        assert one.sd == pytest.approx(two.sd, abs=1e-10)
        assert one.reading == pytest.approx(two.reading, abs=1e-10)
    for one, two in zip(whole.infos, smoother.infos, strict=True):
        assert list(one.verdicts) == list(two.verdicts)
        assert one.log_evidence == pytest.approx(two.log_evidence, abs=1e-9)
        used = one.used
        assert one.innovation[used] == pytest.approx(two.innovation[used], abs=1e-9)
        assert one.innovation_cov[used][:, used] == pytest.approx(two.innovation_cov[used][:, used], abs=1e-9)


def short_sighted(x):
    if x > 6.0:
        raise Infeasible("camera", {"x": x}, "too bright")
    return x


def test_a_member_that_is_lost_on_the_way_is_drawn_anew_at_the_start():
    plain = linear_gaussian.space(start_sd=1.0)
    camera = ObservationOperator("light", Gaussian(0.5), Formula(short_sighted, "light"))
    space = StateSpace([], plain.dynamics, {"camera": camera}, plain.parameters, plain.constants)
    stream = [Observation(t, "camera", "light", 4.0) for t in (0.0, 1.0)]
    followed = follow(WholeStream(size=40), space, THETA, stream)
    assert "of 40 members lost" in followed.infos[0].note
    assert all(np.isfinite(one.mean).all() for one in followed.smoothed)
    assert abs(followed.smoothed[-1].reading[0] - 4.0) < 0.6
    with pytest.raises((SolveFailed, Infeasible)):
        follow(WholeStream(size=40), space, {**THETA, "x_initial": 50.0}, stream)


def test_settings_that_mean_nothing_for_a_whole_stream_are_refused():
    with pytest.raises(InputError, match="the dynamics states noise"):
        follow(WholeStream(), linear_gaussian.space(noise=0.3), THETA, STREAM)
    with pytest.raises(InputError, match="at least 2 members"):
        WholeStream(size=1)
    near = Localisation.of(lorenz96.space(), 5.0)
    with pytest.raises(InputError, match="localised analysis"):
        WholeStream(ESMDA(analysis=DEnKF(localisation=near)))
