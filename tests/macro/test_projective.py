"""A row that is asked for its closure at every step: its order, its budget, and the error that it states."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from mscale_uq.errors import InputError
from mscale_uq.macro.projective import ProjectiveRow
from mscale_uq.macro.row_balance import RowBalance

ROW = RowBalance(6.0, 6)
GIVEN = {"influx": 1.0, "key": np.uint64(0)}


class Saturable:
    """D rises and k falls with the concentration; some of it by chance, which nobody else knows of."""

    inputs = ("influx",)

    def __init__(self, chance=0.0, uptake=0.3):
        self.chance, self.uptake, self.keys = chance, uptake, []

    def closed(self, states, values, key):
        self.keys.append(key)
        D, k = 1 + states / (1 + states), self.uptake / (1 + states)
        D, rng = (D[:, 1:] + D[:, :-1]) / 2, np.random.default_rng(key)
        return D * (1 + self.chance * rng.standard_normal(D.shape)), k * (
            1 + self.chance * rng.standard_normal(k.shape)
        )


def rates(_, c):
    D = 1 + c / (1 + c)
    flux = np.concatenate([[1.0], -(D[1:] + D[:-1]) / 2 * np.diff(c), [0.0]])
    return -np.diff(flux) - 0.3 * c / (1 + c)


def test_it_is_of_second_order_in_the_length_of_its_steps():
    exact = solve_ivp(rates, (0, 4.0), np.zeros(6), rtol=1e-11, atol=1e-12).y[:, -1]
    off = []
    for step in (0.2, 0.1, 0.05):
        row = ProjectiveRow(ROW, Saturable(), [4.0], [1.0], "c", step).states(GIVEN)[-1][0]
        off.append(np.abs(row - exact).max())
    assert off[1] / off[2] == pytest.approx(4.0, rel=0.2)
    assert off[0] / off[1] == pytest.approx(4.0, rel=0.3)
    assert off[2] < 1e-3


def test_steps_are_stable_that_are_a_hundred_times_longer_than_diffusion_takes_across_a_cell():
    march = ProjectiveRow(ROW, Saturable(), [6e4], [1.0], "c", 100.0)
    uptake, end = 0.3, march.states({**GIVEN, "influx": 0.6})[-1][0]
    assert uptake * np.sum(end / (1 + end)) == pytest.approx(0.6, rel=1e-6)  # at rest, what comes in is lost


def test_what_chance_makes_of_the_fluxes_is_neither_made_nor_lost():
    times = 0.5 * np.arange(1, 21)  # every step
    march = ProjectiveRow(ROW, Saturable(0.3, uptake=1e-9), times, np.ones(20), "c", 0.5, marches=5)
    rows = np.stack(march.states(GIVEN))
    assert rows.sum(axis=2) == pytest.approx(np.tile(times[:, None], 5), rel=2e-8)  # 1e-9 of it is lost
    assert np.std(rows[-1], axis=0).min() > 1e-3


def test_the_variance_that_marches_state_is_that_of_their_mean_over_many_keys():
    march = ProjectiveRow(ROW, Saturable(0.2), [2.0, 6.0], [1.0, 4.0], "c", 0.5, marches=4)
    made = [march.value({**GIVEN, "key": key}) for key in range(200)]
    spread = np.var([one["c"] for one in made], axis=0, ddof=1)
    stated = np.mean([one["c_var"] for one in made], axis=0)
    assert spread / stated == pytest.approx(1.0, abs=4 * np.sqrt(2 / 200 + 2 / 600))


def test_every_step_has_random_numbers_of_its_own_and_the_same_at_any_value():
    here, there = Saturable(), Saturable()
    for closure, influx in ((here, 1.0), (there, 1.3)):
        ProjectiveRow(ROW, closure, [3.0], [1.0], "c", 0.5).value({**GIVEN, "influx": influx})
    assert here.keys == there.keys
    assert len(set(here.keys)) == len(here.keys) == 7  # one burst a step, and one before the first


def test_what_is_no_march_is_refused():
    with pytest.raises(InputError, match="as many times as places"):
        ProjectiveRow(ROW, Saturable(), [3.0], [1.0, 2.0], "c", 0.5)
    with pytest.raises(InputError, match="0 marches"):
        ProjectiveRow(ROW, Saturable(), [3.0], [1.0], "c", 0.5, marches=0)
