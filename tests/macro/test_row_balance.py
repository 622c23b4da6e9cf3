"""The balance of a row of cells against the exact solution of diffusion with loss, and its budget."""

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.special import erfc

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import Infeasible, InputError
from mscale_uq.macro.row_balance import RowBalance, RowDynamics, RowProfile
from mscale_uq.solve.modes import decay_between, rise_between

D, K, INFLUX = 0.1, 2.5e-4, 0.05
TIMES, PLACES = (
    grid.ravel() for grid in np.meshgrid([1e3, 3e3, 1e4], [0.0, 10.0, 33.0, 60.0], indexing="ij")
)
SPECIES = Quantity("c", "1")


def uneven(cells, seed=1):
    rng = np.random.default_rng(seed)
    faces, losses = (
        D * np.exp(0.3 * rng.standard_normal(cells - 1)),
        K * np.exp(0.3 * rng.standard_normal(cells)),
    )
    return {"face_diffusivity": faces, "cell_loss": losses, "influx": np.array(INFLUX)}


def exact(x, t):
    """From an empty half line."""
    length, a, b = np.sqrt(D / K), x / (2 * np.sqrt(D * t)), np.sqrt(K * t)
    share = (erfc(a - b) - np.exp(2 * x / length) * erfc(a + b)) / 2
    return INFLUX / np.sqrt(D * K) * np.exp(-x / length) * share


def test_the_error_falls_with_the_square_of_the_length_of_a_cell():
    errors = []
    for cells in (48, 96, 192):
        values = {"face_diffusivity": np.full(cells - 1, D), "cell_loss": np.full(cells, K), "influx": INFLUX}
        made = RowProfile(RowBalance(240.0, cells), TIMES, PLACES, "c").value(values)["c"]
        errors.append(np.abs(made - exact(PLACES, TIMES)).max() / exact(0.0, 1e4))
    assert np.array(errors[:-1]) / errors[1:] == pytest.approx(4.0, rel=0.1)
    assert errors[1] < 6e-4


def test_the_row_moves_as_the_exponential_of_its_matrix_says():
    values, balance, start = uneven(7), RowBalance(14.0, 7), np.linspace(3.0, 1.0, 7)
    faces, M = values["face_diffusivity"] / 4.0, np.diag(values["cell_loss"])
    for f, rate in enumerate(faces):
        M[f : f + 2, f : f + 2] += rate * np.array([[1, -1], [-1, 1]])
    b = np.append(INFLUX / 2.0, np.zeros(6))
    rest = np.linalg.solve(M, b)
    dynamics = RowDynamics(balance, SPECIES)
    step = dynamics.step(np.stack([start, 2 * start]), 0.0, 150.0, values, np.random.default_rng(0))
    assert step[0] == pytest.approx(rest + expm(-150.0 * M) @ (start - rest), rel=1e-11)
    half = dynamics.step(dynamics.step(start[None], 0.0, 60.0, values, None), 60.0, 150.0, values, None)
    assert half[0] == pytest.approx(step[0], rel=1e-11)


def test_members_move_with_values_of_their_own():
    dynamics, start = RowDynamics(RowBalance(14.0, 7), SPECIES), np.ones((2, 7))
    one, other = uneven(7, 1), uneven(7, 2)
    both = {name: np.stack([one[name], other[name]]) for name in one}
    made = dynamics.step(start, 0.0, 100.0, both, None)
    for row, own in zip(made, (one, other), strict=True):
        assert row == pytest.approx(dynamics.step(start[:1], 0.0, 100.0, own, None)[0], rel=1e-13)


def test_what_is_held_changes_by_influx_and_loss_alone_whatever_the_fluxes():
    values, balance = uneven(30), RowBalance(60.0, 30)
    values["cell_loss"] = np.full(30, K)
    found = balance.modes(values)
    for time in (1.0, 1e3, 1e6):
        row, ledger = balance.move(np.zeros(30), found, INFLUX, values["cell_loss"], time)
        assert ledger.defect < 1e-12
        assert row.sum() * balance.dx == pytest.approx(INFLUX / K * -np.expm1(-K * time), rel=1e-11)


def test_derivatives_to_every_face_and_cell_are_exact():
    values = uneven(6)
    parameters = [Parameter(name, "1", shape=np.shape(v), default=v) for name, v in values.items()]
    profile = RowProfile(RowBalance(30.0, 6), [500.0, 500.0, 4000.0], [1.0, 17.0, 29.0], "c")
    model = ForwardModel([profile], parameters, ["c"])
    assert check_gradient(model, model.pack(values), np.random.default_rng(3)).ok


def test_divided_differences_hold_where_rates_nearly_meet_and_where_they_are_far_apart():
    rates, t = np.array([0.3, 0.3 + 1e-9, 0.4, 60.0, 4e3]), 1.7
    steps = (np.arange(20_000) + 0.5) / 20_000
    for between, weight in ((decay_between, lambda s: 1.0), (rise_between, None)):
        made = between(rates, t)
        for i, p in enumerate(rates[:4]):
            for j, q in enumerate(rates[:4]):
                if weight:  # t int_0^1 exp(-(p s + q (1 - s)) t) ds, by Hermite and Genocchi
                    truth = t * np.mean(np.exp(-(p * steps + q * (1 - steps)) * t))
                    assert made[i, j] == pytest.approx(truth, rel=1e-4)
                assert made[i, j] == pytest.approx(made[j, i], rel=1e-9)
        assert np.all(np.isfinite(made))
    later, now = (decay_between(rates, time) for time in (t + 1e-5, t - 1e-5))
    slope = (rise_between(rates, t + 1e-5) - rise_between(rates, t - 1e-5)) / 2e-5
    assert slope[:3, :3] == pytest.approx((later + now)[:3, :3] / 2, rel=1e-6)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="four cells"):
        RowBalance(1.0, 3)
    balance = RowBalance(10.0, 5)
    with pytest.raises(InputError, match="places"):
        balance.reading([11.0])
    with pytest.raises(InputError, match="as many of both"):
        RowProfile(balance, [1.0], [1.0, 2.0], "c")
    values = {"face_diffusivity": np.full(4, 1.0), "cell_loss": np.full(5, -1.0), "influx": 1.0}
    with pytest.raises(Infeasible, match="negative"):
        balance.modes(values)
