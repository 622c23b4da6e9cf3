"""Patches of cells that hop and react by chance, against exact laws of independent walkers."""

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.special import erf
from tissues import LIGAND, bursts, off, tissue

from mscale_uq.errors import InputError
from mscale_uq.macro.burst import Bursts, Patch
from mscale_uq.macro.cell_row import CellRow
from mscale_uq.macro.network import Reaction


def moved(cells, hop, time, free):
    """Where a walker is after a time, by where it began ``(cells, cells + 2)``: the ends are outside."""
    Q = np.zeros((cells + 2, cells + 2))
    for i in range(1, cells + 1):
        for j in (i - 1, i + 1):
            if free or 1 <= j <= cells:
                Q[i, j] += hop
                Q[i, i] -= hop
    return expm(time * Q)[1:-1]


def walkers(level, slope, cells, faces, hop, time, free):
    """Mean and variance of the net flux, meant over middle faces, of independent walkers that start Poisson.

    Places -1 and `cells` are outside. A walker crosses a face once more to the right than to the left if it
    ends on its right and began on its left, whatever it did between.
    """
    P = moved(cells, hop, time, free)
    start, end = np.arange(cells)[:, None], np.arange(-1, cells + 1)[None, :]
    first = cells // 2 - 1 - (faces - 1) // 2
    crossed = sum(
        (start <= f).astype(float) * (end > f) - (start > f) * (end <= f) for f in range(first, first + faces)
    )
    numbers = level + slope * (np.arange(cells) - (cells - 1) / 2)  # a level may be one for each cell
    share = crossed / faces
    return (numbers @ (P * share).sum(axis=1)) / time, (numbers @ (P * share**2).sum(axis=1)) / time**2


def one_by_one(level, slope, cells, faces, hop, time, free, count=100_000):
    """The same mean, and its error, from so many walkers that are each followed hop by hop."""
    rng = np.random.default_rng(12)
    numbers = level + slope * (np.arange(cells) - (cells - 1) / 2)
    at = rng.choice(cells, count, p=numbers / numbers.sum())
    hops, net = rng.poisson(2 * hop * time, count), np.zeros(count)
    first = cells // 2 - 1 - (faces - 1) // 2
    for done in range(hops.max()):
        moving = (hops > done) & (at >= 0) & (at < cells)  # who has left does not come back
        there = at + moving * rng.choice([-1, 1], count)
        if not free:
            there = np.clip(there, 0, cells - 1)
        face = np.minimum(at, there)
        net += (there - at) * ((face >= first) & (face < first + faces))
        at = there
    per_walker = net * numbers.sum() / (faces * time)
    return per_walker.mean(), per_walker.std() / np.sqrt(count)


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize(("cells", "faces"), [(8, 3), (12, 1)])
def test_the_law_of_independent_walkers_is_that_of_walkers_followed_one_by_one(free, cells, faces):
    seen, error = one_by_one(12.0, -1.5, cells, faces, 1.0, 1.5, free)
    assert abs(seen - walkers(12.0, -1.5, cells, faces, 1.0, 1.5, free)[0]) < 4 * error
    assert error < 0.1 * seen


@pytest.mark.parametrize("ends", ["free", "closed"])
def test_the_flux_has_the_mean_and_the_variance_of_independent_walkers(ends):
    patch = Patch(tissue(8, ends), buffer=2, replicas=400)
    made = bursts(patch, 2, k=0.0)
    mean, variance = walkers(12.0, -1.5, 8, 3, 1.0, 1.5, free=ends == "free")
    for flux, stated in zip(made["ligand_flux"], made["ligand_flux_var"], strict=True):
        assert off(flux, mean, variance / 400) < 4
        assert stated == pytest.approx(variance / 400, rel=4 * np.sqrt(2 / 400))


def test_ends_that_are_held_on_the_slope_leave_no_bias():
    made = bursts(Patch(tissue(6, "held"), 1, 400, "exact", "rates"), 20, k=0.0)
    error = np.sqrt(made["ligand_flux_var"].mean() / 20)
    assert made["ligand_flux"].mean() == pytest.approx(1.5, abs=3 * error)
    assert error < 0.01 * 1.5


def diffused(z, cells, free, beyond=0):
    """Share of the flux seen with D = t = 1, lifted on a half width 2 z, `beyond` empty cells around it."""
    # Up to where molecules are gone, or to the outer face of the last cell.
    width = 4 * z / (cells + (beyond == 0))
    numbers = np.zeros(cells + 2 * beyond)
    numbers[beyond : beyond + cells] = -20 * width**2 * (np.arange(cells) - (cells - 1) / 2)
    return walkers(numbers, 0.0, numbers.size, 1, 1 / width**2, 1.0, free)[0] / 20


@pytest.mark.parametrize("z", [1.5, 2.0])
def test_free_ends_take_from_the_flux_what_absorbed_diffusion_says_to_second_order(z):
    """A profile linear between ends where all is absorbed: its slope in the middle, by a Fourier series."""
    n, t = np.arange(1, 400), (np.arange(4000) + 0.5) / 4000
    exact = (-2 * (-1.0) ** n * np.exp(-((n * np.pi / (2 * z)) ** 2) * t[:, None])).sum(axis=1).mean()
    coarse, fine = (diffused(z, cells, True) - exact for cells in (20, 62))  # a third of the width
    assert abs(fine) < 1.5e-3
    assert coarse / fine == pytest.approx(9.0, rel=0.1)
    assert exact == pytest.approx({1.5: 0.8965, 2.0: 0.98435}[z], abs=1e-4)


def test_a_burst_loses_through_free_ends_what_walkers_lose():
    """Lifted on 12 cells for a burst in which a molecule spreads by z = 1.5 of the half width: a tenth."""
    width = 6.0 / 13
    given = {"k": 0.0, "hop": 1 / width**2, "burst": 1.0, "ligand_level": 63.0, "ligand_slope": -10.0}
    made = bursts(Patch(tissue(12, "free"), 5, 250), 1, **given)
    expected = walkers(63.0, -10.0, 12, 1, 1 / width**2, 1.0, free=True)[0]
    error = np.sqrt(made["ligand_flux_var"][0])
    assert off(made["ligand_flux"][0], expected, made["ligand_flux_var"][0]) < 4
    assert 10.0 / width**2 - expected > 5 * error  # and not the flux of the slope


def instantaneous(z):
    """Share of the flux of a slope that ends at a distance H, seen at z = H/sqrt(4 D t)."""
    return erf(z) - 2 * z * np.exp(-(z**2)) / np.sqrt(np.pi)


def test_at_one_time_a_patch_with_nothing_around_it_shows_the_known_share_of_its_flux():
    """-D dc/dx in the middle, by quadrature of the heat kernel over a slope cut off at both ends."""
    assert instantaneous(np.array([1.0, 2.0, 3.0])) == pytest.approx([0.42759, 0.95399, 0.99956], abs=5e-6)
    y, weights = np.polynomial.legendre.leggauss(60)
    for z in (1.0, 2.0, 3.0):  # D = t = 1, so that H = 2 z
        place = 2 * z * y
        kernel_slope = place / 2 * np.exp(-(place**2) / 4) / np.sqrt(4 * np.pi)
        assert 2 * z * weights @ (kernel_slope * place) == pytest.approx(instantaneous(z), rel=1e-9)


def test_a_buffer_of_two_and_a_half_spreads_leaves_a_tenth_of_a_percent():
    t = (np.arange(20_000) + 0.5) / 20_000
    assert 0 < 1 - np.mean(instantaneous(2.5 / np.sqrt(t))) < 1e-3
    assert 1 - np.mean(instantaneous(2.4 / np.sqrt(t))) > 1e-3


@pytest.mark.parametrize(("z", "factor"), [(1.5, 0.940237), (2.0, 0.991410), (3.0, 0.999958)])
def test_a_patch_with_nothing_lifted_around_it_loses_less(z, factor):
    """Mean over the burst of erf(z) - 2 z exp(-z^2)/sqrt(pi), z = H/sqrt(4 D t): who leaves may come back."""
    t = (np.arange(200_000) + 0.5) / 200_000
    assert np.mean(instantaneous(z / np.sqrt(t))) == pytest.approx(factor, abs=2e-6)
    assert diffused(z, 62, True, beyond=60) == pytest.approx(factor, abs=3e-3)


def test_the_variance_of_a_flux_through_one_face_is_that_of_brownian_walkers():
    """2 C sqrt(D t / pi) / t^2 = 225.7 at C = 200, D = t = 1, to second order in the width of a cell."""
    exact, missed = 2 * 200 * np.sqrt(1 / np.pi), []
    for cells in (60, 120):
        width = 12.0 / cells
        missed.append(walkers(200 * width, 0.0, cells, 1, 1 / width**2, 1.0, free=False)[1] / exact - 1)
    assert abs(missed[1]) < 1e-2
    assert missed[0] / missed[1] == pytest.approx(4.0, rel=0.1)


def test_fluxes_meant_over_the_core_scatter_less_than_displacements_of_those_that_start_in_it():
    """Displacements over w t: their mean square is 2 D t, so that the variance is 2 D C / (w t) = 400."""
    cells, width, core = 120, 0.1, 10  # w = 1, C = 200, D = t = 1
    place = width * np.arange(-1, cells + 1)
    start = np.arange((cells - core) // 2, (cells + core) // 2)
    P = moved(cells, 1 / width**2, 1.0, free=False)[start]
    displaced = 200 * width * np.sum(P * (place - place[start + 1][:, None]) ** 2)
    assert displaced == pytest.approx(400, rel=1e-3)
    assert walkers(200 * width, 0.0, cells, 11, 1 / width**2, 1.0, free=False)[1] < 226


@pytest.mark.parametrize("reading", ["counts", "rates"])
@pytest.mark.parametrize("lifting", ["poisson", "exact"])
def test_the_stated_error_is_the_spread_over_many_keys(lifting, reading):
    patch = Patch(tissue(6, "held"), 1, 6, lifting, reading)
    made = [bursts(patch, 20, key=key) for key in range(30)]
    for name in ("ligand_flux", "decay_activity"):
        seen = np.ravel([one[name] for one in made])  # 600 bursts of 6 replicas
        stated = np.mean([one[f"{name}_var"] for one in made])
        # A variance of n normal values scatters by sqrt(2/n); that of counts by somewhat more.
        assert seen.var() / stated == pytest.approx(1.0, abs=4 * np.sqrt(2 / 600) * 1.5)


def test_reactions_are_read_in_the_middle_where_a_wide_core_would_not_do():
    """The pairs in a cell, in a steep profile: their mean over the core is above that in the middle."""
    pairs = (Reaction("pairing", "k", takes={"ligand": 2}),)
    row = CellRow("tissue", LIGAND, pairs, {"ligand": "hop"}, 6)
    given = {"ligand_level": 60.0, "ligand_slope": 20.0, "hop": 1e-9, "k": 1e-9, "healing": 0.0, "burst": 1.0}
    wide, narrow = (
        Bursts(Patch(row, 0, 200, "exact", "rates", cells), ("pairing",)).value({**given, "key": 1})
        for cells in (None, 2)
    )
    for made, offsets in ((wide, [0.5, 1.5, 2.5]), (narrow, [0.5])):
        exact = 1e-9 * np.mean([(60 + 20 * at) * (59 + 20 * at) / 2 for o in offsets for at in (-o, o)])
        assert made["pairing_activity"][0] == pytest.approx(exact, rel=2e-3)
    with pytest.raises(InputError, match="either side"):
        Patch(row, 0, 2, reacting=3)


def test_four_times_the_replicas_halve_the_error():
    few, many = (bursts(Patch(tissue(6), 1, count), 40)["ligand_flux_var"].mean() for count in (10, 40))
    assert few / many == pytest.approx(4.0, rel=4 * np.sqrt(2 / 400))
