"""A tissue with receptors, lifted at every step: the linear solution, a PDE, and every molecule."""

import numpy as np
import pytest
from fisher import spread
from mscale_uq.models.cells._gradient import at_rest, share
from mscale_uq.models.cells._receptors import Receptors, bound
from mscale_uq.models.cells.morphogen_tissue import forward, space
from scipy.integrate import solve_ivp
from scipy.sparse import bmat, diags, eye
from scipy.stats import f

from mscale_uq.errors import NoGradient, ParameterError
from mscale_uq.macro.cell_row import CellRow
from mscale_uq.macro.jumps import sample_paths
from mscale_uq.macro.lifted_closure import LiftedClosure, Lifting
from mscale_uq.macro.network import Reaction, ReactionNetwork

TIME, X = (grid.ravel() for grid in np.meshgrid([3e3, 1e4], [5.0, 15.0, 35.0], indexing="ij"))
D, RECEPTORS, BINDING, RELEASE, INSIDE, INFLUX = 0.1, 0.5, 0.05, 0.1, 1e-3, 0.03
HALF = (RELEASE + INSIDE) / BINDING
KEYS = 8


def over_keys(time=TIME, x=X, options=None, **given):
    """Concentrations ``(keys, readings)``, and the variance that they state, meant over the keys."""
    model = forward(time, x, loss="receptors", **(options or {}))
    theta = model.theta(**given)
    made = [model.with_key(key).trace(theta) for key in range(KEYS)]
    return np.array([one["concentration"] for one in made]), np.mean(
        [one["concentration_var"] for one in made], 0
    )


def mean_field(time, x, cells=240, length=120.0):
    """Free and bound molecules of a PDE with receptors that bind as they do, by a stiff integrator."""
    dx = length / cells

    def rates(_, y):
        free, bound = y[:cells], y[cells:]
        flux = np.concatenate([[INFLUX], -D * np.diff(free) / dx, [0.0]])
        binds = BINDING * free * (RECEPTORS - bound) - RELEASE * bound
        return np.concatenate([-np.diff(flux) / dx - binds, binds - INSIDE * bound])

    near = diags([np.ones(cells - 1), np.ones(cells), np.ones(cells - 1)], [-1, 0, 1])
    sparse = bmat([[near, eye(cells)], [eye(cells), eye(cells)]])
    times = np.unique(time)
    y = solve_ivp(rates, (0, times[-1]), np.zeros(2 * cells), "BDF", times, rtol=1e-6, atol=1e-8,
                  jac_sparsity=sparse).y  # fmt: skip
    rows, centres = (y[:cells] + y[cells:]).T, (np.arange(cells) + 0.5) * dx
    return np.array(
        [np.interp(at, centres, rows[np.searchsorted(times, t)]) for t, at in zip(time, x, strict=True)]
    )


@pytest.fixture(scope="module")
def scarce():
    return over_keys()


def test_few_receptors_give_what_the_mean_field_says_within_the_stated_errors(scarce):
    made, stated = scarce
    off = (made - mean_field(TIME, X)) / np.sqrt(stated)
    assert np.abs(off.mean(axis=0)).max() < 4 / np.sqrt(KEYS) + 0.7  # and so much of the step and the mesh
    assert np.mean(off**2) < 2.0
    assert np.all(np.sqrt(stated) < 0.05 * made.mean(axis=0))  # less than the noise of the microscope


def test_few_receptors_do_not_take_up_in_proportion(scarce):
    made, stated = scarce
    free = HALF / (HALF + RECEPTORS)
    k = INSIDE * (1 - free)
    linear = at_rest(X, D * free, k, INFLUX) * share(X, TIME, D * free, k)
    off = np.abs(made.mean(axis=0) - linear) / np.sqrt(stated)
    assert off[X == 5.0].min() > 10  # of one run, in its own stated errors
    assert off[TIME == 1e4].min() > 5


def test_the_error_that_is_stated_is_the_spread_over_keys(scarce):
    made, stated = scarce
    ratio = made.var(axis=0, ddof=1) / stated  # six readings, of which some tell the same: as good as three
    low, high = f.ppf([1e-3, 1 - 1e-3], 3 * (KEYS - 1), 3 * 3 * KEYS)  # four marches, whose spread is stated
    assert low < ratio.mean() < high


def test_receptors_in_great_excess_give_the_exact_linear_solution_within_the_stated_errors():
    """A fifth of the molecules is bound: D and k are 4/5 and 1/5 of those of a free and of a bound one."""
    made, stated = over_keys(diffusivity=0.125, internalisation=1.25e-3, receptors=2500.0, binding=0.10125e-4)
    off = (made - at_rest(X) * share(X, TIME)) / np.sqrt(stated)
    assert np.abs(off.mean(axis=0)).max() < 4 / np.sqrt(KEYS) + 0.7
    assert np.mean(off**2) < 2.0


def test_what_is_neither_taken_in_nor_lost_is_all_there():
    model = forward(TIME, X, loss="receptors", cells=12, marches=2)
    values = {p.name: p.default for p in model.parameters} | {"internalisation": 1e-11, "key": np.uint64(3)}
    values["half_bound"] = (RELEASE + 1e-11) / BINDING
    march = next(stage for stage in model.chain.stages if stage.name.startswith("projective"))
    for time, rows in zip((3e3, 1e4), march.states(values), strict=True):
        assert rows.sum(axis=1) * 10.0 == pytest.approx(INFLUX * time, rel=1e-7)


def test_a_patch_tells_the_uptake_and_the_diffusivity_of_michaelis_and_menten():
    """Free molecules l bind r l/(K + l) receptors; the root of l + r l/(K + l) = c by a polynomial."""
    concentration = np.geomspace(0.01, 20.0, 12)
    closure = LiftedClosure(Receptors(), Lifting(2.6, 240.0, 30, 0.1, 0.5), 5.0, 12, 8)
    values = {"diffusivity": D, "receptors": RECEPTORS, "binding": BINDING, "release": RELEASE,
              "internalisation": INSIDE, "half_bound": HALF}  # fmt: skip
    faces, losses = closure.closed(np.tile(concentration, (8, 1)), values, 5)
    free = np.array([np.roots([1.0, HALF + RECEPTORS - c, -HALF * c]).max() for c in concentration])
    exact_D = D / (1 + RECEPTORS * HALF / (HALF + free) ** 2)
    exact = (exact_D[1:] + exact_D[:-1]) / 2, INSIDE * (concentration - free) / concentration
    for made, truth in zip((faces, losses), exact, strict=True):
        error = made.std(axis=0, ddof=1) / np.sqrt(8)
        # and half a percent: what curvature within a patch, and what is lost in a burst, make of it
        assert np.all(np.abs(made.mean(axis=0) - truth) < 4.5 * error + 0.005 * truth)
        assert np.all(error < 0.05 * truth)
    assert bound(concentration, RECEPTORS, HALF)[0] == pytest.approx(concentration - free, rel=1e-9)


def test_the_loop_gives_what_every_molecule_of_the_whole_tissue_gives():
    """No patches, mesh or steps: all 46 cells of the tissue, 50 um^2 of each, from empty on, one by one."""
    width, area, cells, time = 2.6, 50.0, 46, 3e3
    row = CellRow("whole", Receptors.species, Receptors.reactions, {"ligand": "hop"}, cells)
    source = Reaction("source", "source", makes={"ligand_0": 1})
    whole = ReactionNetwork("whole", row.network.species, [*row.network.reactions, source])
    rates = {"hop": D / width**2, "source": INFLUX * area, "binding": BINDING / (width * area),
             "release": RELEASE, "internalisation": INSIDE}  # fmt: skip
    start = np.zeros((12, cells, 3))
    start[:, :, 1] = RECEPTORS * width * area  # 65 in a cell
    p = np.array([rates[name] for name in whole.parameters])
    numbers = sample_paths(whole, start.reshape(12, -1), p, np.array([time]), key=11).states[:, 0]
    held = numbers.reshape(12, cells, 3)[:, :, [0, 2]].sum(axis=2) / (width * area)
    x = (np.arange(cells) + 0.5) * width
    seen = np.array([1, 3, 7])  # cells of the tissue
    made, stated = over_keys(np.full(3, time), x[seen], {"length": width * cells, "cells": 23})
    apart = made.mean(axis=0) - held[:, seen].mean(axis=0)
    error = np.sqrt(stated / KEYS + held[:, seen].var(axis=0, ddof=1) / 12)
    assert np.all(np.abs(apart) < 4 * error)
    assert np.all(error < 0.06 * made.mean(axis=0))


def test_a_tissue_with_receptors_has_no_gradient_and_no_filter():
    model = forward(loss="receptors")
    with pytest.raises(NoGradient, match="projective march"):
        model.linearize(model.theta())
    with pytest.raises(ParameterError, match="loss = 'linear'"):
        space(loss="receptors")
    assert "degradation" not in model.names
    assert "receptors" not in forward().names


@pytest.mark.parametrize(("excess", "told"), [(True, False), (False, True)])
def test_number_and_affinity_of_receptors_are_told_by_saturation_alone(excess, told):
    """In excess only their product is told: half of each unit prior's variance is left, along (1, -1)."""
    time, x = (
        part.ravel() for part in np.meshgrid([1e3, 3e3, 1e4], np.arange(2.5, 80.0, 5.0), indexing="ij")
    )
    model = forward(time, x, loss="receptors", closed="exact", cells=48)
    given = {"diffusivity": 0.125, "internalisation": 1.25e-3, "receptors": 2500.0, "binding": 0.10125e-4}
    theta, slopes = model.theta(**(given if excess else {})), []
    for name in ("diffusivity", "influx", "receptors", "binding"):
        step = 1e-3 * (np.array(model.names) == name)
        slopes.append((model.value(theta * np.exp(step)) - model.value(theta * np.exp(-step))) / 2e-3)
    value = model.value(theta)
    sd = spread(np.stack(slopes, axis=1), np.hypot(3.0, 0.05 * value), prior=1.0)[0]
    assert np.all(sd[:2] < 0.05)
    assert np.all(sd[2:] < 0.5) if told else sd[2:] == pytest.approx(2 * [np.sqrt(1 / 2)], abs=2e-3)
