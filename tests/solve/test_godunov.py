"""Godunov's scheme against exact solutions of scalar conservation laws, and its budget."""

import numpy as np
import pytest

from mscale_uq.errors import SolveFailed
from mscale_uq.macro.traffic import ROAD
from mscale_uq.solve.godunov import FluxLaw, march
from mscale_uq.solve.ledger import Ledger

TRIANGLE = np.array([30.0, 1 / 7, 0.2, 30 / 49])  # free speed, jam density, tau/ell, capacity


def parabola_demand(density, p):
    return p[0] * density * (1 - density / p[1]) if density < p[1] / 2 else p[0] * p[1] / 4


def parabola_supply(density, p):
    return p[0] * density * (1 - density / p[1]) if density > p[1] / 2 else p[0] * p[1] / 4


GREENSHIELDS = FluxLaw(parabola_demand, parabola_supply)


def flux(density):
    return min(30 * density, 30 / 49, (1 / 7 - density) / 0.2)


def test_a_shock_moves_as_rankine_and_hugoniot_say():
    cells, dx, left, right = 400, 5.0, 0.01, 0.1
    start = np.where(np.arange(cells) < cells / 2, left, right)
    made = march(ROAD, start, np.tile(TRIANGLE, (cells, 1)), dx, dx / 40, 4000, flux(left), flux(right))
    moved = (made.density < 0.055).sum() - cells / 2
    speed = (flux(right) - flux(left)) / (right - left)
    assert speed == pytest.approx(-0.952381, abs=5e-7)
    assert moved * dx / (4000 * dx / 40) == pytest.approx(speed, abs=2 * dx / (4000 * dx / 40))


def fan_error(cells):
    vf, jam, time = 30.0, 0.14, 10.0
    dx = 1200.0 / cells
    x = (np.arange(cells) + 0.5) * dx - 600.0
    start = np.where(x < 0, jam, 0.0)
    steps = int(np.ceil(time * vf / dx))
    made = march(GREENSHIELDS, start, np.tile([vf, jam], (cells, 1)), dx, time / steps, steps)
    exact = np.clip(jam / 2 * (1 - x / (vf * time)), 0, jam)
    assert made.density.min() >= 0
    assert made.density.max() <= jam * (1 + 1e-12)
    return np.abs(made.density - exact).mean() / jam


def test_a_queue_dissolves_in_the_rarefaction_fan_of_greenshields_at_nearly_first_order():
    errors = np.array([fan_error(cells) for cells in (200, 400, 800)])
    assert (np.log2(errors[:-1] / errors[1:]) > 0.7).all()  # h log(1/h) in a fan
    assert errors[-1] < 3e-3


def test_a_road_keeps_its_vehicles_and_its_variation_never_grows():
    rng = np.random.default_rng(4)
    rho, variation = rng.uniform(0, 1 / 7, 50), []
    for _ in range(40):
        made = march(ROAD, rho, np.tile(TRIANGLE, (50, 1)), 10.0, 0.3, 3, ring=True)
        assert made.ledger.defect < 1e-14
        variation.append(np.abs(np.diff(rho, append=rho[0])).sum())
        rho = made.density
        assert rho.min() >= 0
        assert rho.max() <= 1 / 7 + 1e-15
    assert (np.diff(variation) <= 1e-14).all()


def test_counts_follow_the_formula_of_lax_and_hopf():
    """N(x, t) = min over both characteristics of a triangular flux, of the counts at the start."""
    cells, dx, time = 800, 2.5, 30.0
    edges = (np.arange(cells + 1)) * dx
    centres = edges[:-1] + dx / 2
    start = 0.03 + 0.025 * np.sin(centres / 150) + 0.05 * (centres > 1200)
    ahead = np.concatenate([[0.0], np.cumsum(start * dx)])  # vehicles between the entrance and x

    def at_start(x):
        return -np.interp(x, edges, ahead)

    steps = int(np.ceil(time * 35 / dx))
    made = march(ROAD, start, np.tile(TRIANGLE, (cells, 1)), dx, time / steps, steps, 0.0, 0.0)
    inner = (edges > 950) & (edges < 1800)  # out of reach of the ends
    x, wave = edges[inner], 1 / 0.2 / (1 / 7) / 7
    paths = np.linspace(-wave, 30.0, 400)
    slopes = [at_start(x - c * time) + time * np.max([flux(r) - r * c for r in np.linspace(0, 1 / 7, 400)])
              for c in paths]  # fmt: skip
    exact = np.min(slopes, axis=0)
    found = made.passed[inner] + at_start(x)
    assert np.abs(found - exact).mean() < 0.05  # vehicles, of up to 75
    assert found == pytest.approx(exact, abs=0.5)  # where a shock is spread over a few cells


@pytest.mark.parametrize(
    ("density", "expected", "mean"), [(0.06, 0.3867, 0.4350), (0.08, 0.2933, 0.3300), (0.10, 0.2000, 0.2250)]
)
def test_a_resolved_road_carries_the_flux_of_equal_fluxes_and_not_the_mean_of_fluxes(density, expected, mean):
    """Half the ring with tau = 1 s, half with 2 s: the closure holds, the naive average is 12 % high."""
    cells = 400
    tau = np.where(np.arange(cells) % 20 < 10, 1.0, 2.0)
    p = np.stack([np.full(cells, 30.0), np.full(cells, 1 / 7), tau / 7, 30 / (7 + 30 * tau)], axis=1)
    rho = np.full(cells, density)
    made = march(ROAD, rho, p, 10.0, 0.25, 20000, ring=True)
    made = march(ROAD, made.density, p, 10.0, 0.25, 4000, ring=True)
    found = made.passed.mean() / 1000.0
    assert found == pytest.approx(expected, abs=6e-5)
    naive = np.mean([(1 / 7 - density) / (t / 7) for t in (1.0, 2.0)])
    assert naive == pytest.approx(mean, rel=2e-3)
    assert naive > 1.12 * found


@pytest.mark.parametrize("density", [0.02, 0.04])
def test_on_a_plateau_the_worst_stretch_decides(density):
    cells = 400
    tau = np.where(np.arange(cells) % 20 < 10, 1.0, 2.0)
    p = np.stack([np.full(cells, 30.0), np.full(cells, 1 / 7), tau / 7, 30 / (7 + 30 * tau)], axis=1)
    made = march(ROAD, np.full(cells, density), p, 10.0, 0.25, 20000, ring=True)
    made = march(ROAD, made.density, p, 10.0, 0.25, 4000, ring=True)
    assert made.passed.mean() / 1000.0 == pytest.approx(0.4478, abs=6e-5)


def test_a_ledger_that_does_not_close_is_refused():
    Ledger(np.array([1.0, 2.0, 2.5]), np.array([1.0, 0.5])).check("road")
    with pytest.raises(SolveFailed, match=r"off by 2\.0e-01"):
        Ledger(np.array([1.0, 2.0, 2.5]), np.array([1.0, 1.0])).check("road")
    with pytest.raises(SolveFailed):
        Ledger(np.array([1.0, np.nan]), np.array([1.0])).check("road")
    Ledger(np.array([1.0, 2.0]), np.array([1.0 + 1e-13])).check("road")  # round-off
    with pytest.raises(SolveFailed):
        Ledger(np.array([1.0, 2.0]), np.array([1.0 + 1e-9])).check("road")
