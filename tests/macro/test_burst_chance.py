"""Bursts molecule by molecule: how they are lifted, and that none is lost."""

import numpy as np
import pytest
from tissues import bursts, off, tissue

from mscale_uq.core.dynamics import initial_name
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.random import generator
from mscale_uq.errors import Infeasible, InputError
from mscale_uq.macro.burst import EVOLVING, HEALING, Bursts, Patch
from mscale_uq.macro.cell_row import CellRow
from mscale_uq.macro.jumps import sample_paths
from mscale_uq.macro.linear_noise import linear_noise
from mscale_uq.macro.network import Reaction
from mscale_uq.macro.ode import OdePath
from mscale_uq.solve.philox import exponential


def test_lifting_has_the_means_that_it_is_given():
    for lifting, spread in (("poisson", None), ("exact", 1.0)):
        patch = Patch(tissue(6), 1, 500, lifting)
        numbers = patch.lift(np.array([[3.3]]), np.array([[0.7]]), key=2)[0, :, :, 0]
        mean = 3.3 + 0.7 * patch.offsets
        assert np.all(np.abs(numbers.mean(axis=0) - mean) < 4 * np.sqrt(mean / 500))
        if spread:
            assert np.all(np.abs(numbers - mean) < 1)
            assert np.all(np.abs(numbers.sum(axis=1) - mean.sum()) < 1)
        else:
            assert numbers.var(axis=0) == pytest.approx(mean, rel=4 * np.sqrt(2.5 / 500))


def test_molecules_that_start_poisson_stay_poisson_in_every_cell():
    row = tissue(3)
    level = np.array([9.0, 1.0, 4.0])
    equation = linear_noise(row.network)
    start = {initial_name(v.name): 0.0 for v in equation.state}
    for i, mean in enumerate(level):
        start |= {initial_name(f"ligand_{i}_mean"): mean, initial_name(f"ligand_{i}_var"): mean}
    made = OdePath(equation, [0.3, 1.0, 8.0]).value({**start, "hop": 0.7, "k": 0.1})
    for i in range(3):
        assert made[f"ligand_{i}_var"] / made[f"ligand_{i}_mean"] == pytest.approx(1.0, abs=1e-6)
    assert np.abs([path for name, path in made.items() if name.endswith("_cov")]).max() < 1e-6


def simulated(numbers, decay, hop, stop, word, replica):
    """A closed row as one writes it down: each reaction waits on a clock of its own, numbered as in a row."""
    cells, x = len(numbers), np.array(numbers)
    moves = [(decay, i, None) for i in range(cells)]
    moves += [(hop, i, j) for i in range(cells) for j in (i + 1, i - 1) if 0 <= j < cells]
    happened = np.zeros(len(moves), dtype=int)
    left, now = np.array([exponential(word, replica, r, 0) for r in range(len(moves))]), 0.0
    while True:
        rates = np.array([rate * x[i] for rate, i, _ in moves])
        waits = np.divide(left, rates, out=np.full(len(moves), np.inf), where=rates > 0)
        r = int(waits.argmin())
        if now + waits[r] > stop:
            return x, happened
        now, left = now + waits[r], left - rates * waits[r]
        happened[r] += 1
        left[r] = exponential(word, replica, r, happened[r])
        _, i, j = moves[r]
        x[i] -= 1
        if j is not None:
            x[j] += 1


def test_a_patch_that_covers_the_whole_row_is_a_direct_run_of_it_with_the_same_chance():
    patch = Patch(tissue(7), 0, 3)
    numbers = patch.lift(np.array([[5.0]]), np.array([[1.0]]), key=4)
    paths = patch.evolve(numbers, np.array([[0.05, 1.0]]), 2.0, key=4)
    word = int(generator(int(generator(4, EVOLVING).integers(2**62))).integers(2**62))
    for replica in range(3):
        x, happened = simulated(numbers[0, replica, :, 0], 0.05, 1.0, 2.0, word, replica)
        assert np.array_equal(paths.states[replica, 0], x)
        assert np.array_equal(paths.counts[replica], happened)
    assert paths.counts.sum() > 300


def test_fluxes_and_losses_account_for_every_molecule_of_a_whole_row():
    row = tissue(7)
    patch = Patch(row, 0, 3)
    numbers = patch.lift(np.array([[5.0]]), np.array([[1.0]]), key=4)
    paths = patch.evolve(numbers, np.array([[0.05, 1.0]]), 2.0, key=4)
    held = numbers[0, :, :, 0].sum(axis=1) - paths.counts[:, row.happening("decay")].sum(axis=1)
    assert np.array_equal(paths.states[:, 0].sum(axis=1), held)  # nothing but decay takes a molecule away
    right, left = row.crossing("ligand")
    through = paths.counts[:, right] - paths.counts[:, left]
    beyond = paths.states[:, 0] - numbers[0, :, :, 0] + paths.counts[:, row.happening("decay")]
    assert np.array_equal(through, np.cumsum(beyond[:, ::-1], axis=1)[:, ::-1][:, 1:])
    assert patch.flux(paths, "ligand", 2.0)[0] == pytest.approx(through.mean(axis=1) / 2.0)


def test_one_key_gives_neighbouring_parameters_nearly_the_same_noise():
    patch = Patch(tissue(6, "held"), 1, 4)
    here, there = (bursts(patch, 60, hop=hop)["ligand_flux"] for hop in (1.0, 1.02))
    other = bursts(patch, 60, hop=1.02, key=9)["ligand_flux"]
    assert np.var(there - here) < 0.3 * np.var(other - here)
    assert np.array_equal(here, bursts(patch, 60)["ligand_flux"])


def test_chance_in_healing_is_not_that_of_the_burst_after_it():
    """From the same numbers, over as long a time: what happens in one tells nothing of the other."""
    patch = Patch(tissue(7), 0, 400, "exact")
    numbers = patch.lift(np.array([[5.0]]), np.array([[1.0]]), key=4)
    healed, moved = (
        patch.evolve(numbers, np.array([[0.05, 1.0]]), 1.0, 4, purpose).counts.sum(axis=1)
        for purpose in (HEALING, EVOLVING)
    )
    assert abs(np.corrcoef(healed, moved)[0, 1]) < 4 / np.sqrt(400)


def test_states_that_lifting_does_not_know_settle_while_they_heal():
    """All ligand is lifted free, while in truth 3/4 of it are bound after a few exchanges."""
    species = (Quantity("free", "1"), Quantity("bound", "1"))
    reactions = (
        Reaction("binding", "k_on", takes={"free": 1}, makes={"bound": 1}),
        Reaction("release", "k_off", takes={"bound": 1}, makes={"free": 1}),
        Reaction("uptake", "k", takes={"bound": 1}),
    )
    row = CellRow("tissue", species, reactions, {"free": "hop"}, 4)
    stage = Bursts(Patch(row, 1, 400, reading="rates"), ("uptake",))
    values = {"free_level": 20.0, "free_slope": 0.0, "bound_level": 0.0, "bound_slope": 0.0, "hop": 1.0,
              "k_on": 3.0, "k_off": 1.0, "k": 1e-3, "burst": 0.05, "key": 1}  # fmt: skip
    raw, healed = (stage.value({**values, "healing": time}) for time in (0.0, 2.5))
    exact = 1e-3 * 0.75 * 20.0
    assert raw["uptake_activity"][0] < 0.2 * exact
    assert off(healed["uptake_activity"][0], exact, healed["uptake_activity_var"][0]) < 4
    assert healed["uptake_activity"][0] == pytest.approx(exact, rel=0.05)


def test_what_cannot_be_lifted_is_refused():
    with pytest.raises(InputError, match="two cells in the core"):
        Patch(tissue(5), 2, 4)
    with pytest.raises(InputError, match="ends 'open'"):
        tissue(5, "open")
    with pytest.raises(Infeasible, match="out of range"):
        bursts(Patch(tissue(6), 1, 2), 1, ligand_level=1.0, ligand_slope=2.0)
    with pytest.raises(Infeasible, match="beyond an end"):
        bursts(Patch(tissue(6, "held"), 1, 2), 1, ligand_level=5.0, ligand_slope=1.9)
    direct = sample_paths(tissue(3).network, np.ones((2, 3)), np.array([0.1, 1.0]), np.array([1.0]), key=1)
    assert direct.states.shape == (2, 1, 3)
