"""Insulating particles on a fitted mesh: the published table, exact derivatives, limits of the shape."""

import pickle

import numpy as np
import pytest

from mscale_uq.cell.conduction import effective_conductivity
from mscale_uq.cell.inclusions import ARRAYS, disk_share
from mscale_uq.cell.particles import ParticleArray
from mscale_uq.errors import InputError, OutOfLimits

# D_eff/D of insulating cylinders, from multipole series.
PUBLISHED = {
    "square": {
        0.1: 0.818177, 0.2: 0.666531, 0.3: 0.537580, 0.4: 0.425351,
        0.5: 0.324654, 0.6: 0.230318, 0.65: 0.183428, 0.7: 0.134540,
    },
    "hexagonal": {
        0.1: 0.818182, 0.2: 0.666665, 0.3: 0.538442, 0.4: 0.428445,
        0.5: 0.332809, 0.6: 0.248343, 0.65: 0.209379, 0.7: 0.172083,
    },
}  # fmt: skip
ROWS = [(array, fraction) for array, column in PUBLISHED.items() for fraction in column]


def tensor(array, fraction, aspect=1.0, elements=4):
    return ParticleArray(array, elements=elements).value({"fraction": fraction, "aspect": aspect})["K"]


@pytest.mark.parametrize(("array", "fraction"), ROWS)
def test_cylinders_conduct_as_published(array, fraction):
    """To 0.02 % with 4 elements along a ray, 25 times closer than asked for."""
    assert tensor(array, fraction) == pytest.approx(
        PUBLISHED[array][fraction] * np.eye(2), rel=2e-4, abs=1e-12
    )


@pytest.mark.parametrize(("array", "fraction"), ROWS)
def test_a_finer_mesh_gives_five_digits_of_the_table(array, fraction):
    assert tensor(array, fraction, elements=8)[0, 0] == pytest.approx(PUBLISHED[array][fraction], rel=1.6e-5)


@pytest.mark.parametrize("array", PUBLISHED)
def test_the_error_falls_at_fourth_order(array):
    """Between 2 and 4 elements, where the table has digits enough to see it."""
    coarse, fine = (tensor(array, 0.5, elements=n)[0, 0] / PUBLISHED[array][0.5] - 1 for n in (2, 4))
    assert coarse > fine > 0  # a minimum over the elements is never too low
    assert np.log2(coarse / fine) == pytest.approx(4.0, abs=0.4)


@pytest.mark.parametrize("array", PUBLISHED)
@pytest.mark.parametrize("aspect", [1.0, 1.8])
def test_it_agrees_with_cut_elements_on_a_stretched_grid(array, aspect):
    """Another mesh: pixels that hold a share of solid, in a cell stretched like the particles."""
    share, _ = disk_share((128, 128), 0.4, ARRAYS[array])
    sides = np.array(ARRAYS[array].lengths) * [np.sqrt(aspect), 1 / np.sqrt(aspect)]
    grid = effective_conductivity(np.maximum(1 - share, 1e-9), lengths=tuple(sides))
    assert tensor(array, 0.4, aspect) == pytest.approx(grid, rel=3e-3, abs=1e-9)


def test_few_ellipses_obstruct_as_each_would_alone():
    """D_eff/D = 1 - f / (1 - L), depolarisation L = 1 / (1 + a) along the long axis, a / (1 + a) across."""
    fraction, aspect = 1e-4, 2.5
    alone = np.array([(1 + aspect) / aspect, 1 + aspect])
    obstruction = (1 - np.diag(tensor("hexagonal", fraction, aspect, elements=14))) / fraction
    assert obstruction == pytest.approx(alone, rel=2e-3)


def test_few_cylinders_follow_maxwell():
    for fraction in (0.001, 0.02, 0.05):
        maxwell = (1 - fraction) / (1 + fraction)
        assert tensor("square", fraction)[0, 0] == pytest.approx(maxwell, rel=2e-6)


@pytest.mark.parametrize("elements", [1, 3, 5, 6, 7, 11, 12, 14])
def test_any_number_of_elements_makes_a_cell_that_closes(elements):
    """A seam that does not close would conduct too little; a minimum over the elements is never too low."""
    error = tensor("hexagonal", 0.3, elements=elements)[0, 0] / 0.538442 - 1
    assert -1e-6 < error < 2e-3 / elements**3


def test_turning_a_square_array_by_a_right_angle_swaps_its_axes():
    assert tensor("square", 0.5, 1.6) == pytest.approx(tensor("square", 0.5, 1 / 1.6)[::-1, ::-1], abs=1e-13)


@pytest.mark.parametrize("array", PUBLISHED)
def test_platelets_obstruct_the_way_across_and_free_the_way_along(array):
    along, across = np.array([np.diag(tensor(array, 0.5, aspect)) for aspect in (1.0, 1.5, 2.0, 3.0)]).T
    assert (np.diff(along) > 0).all()
    assert (np.diff(across) < 0).all()
    assert (along < 0.5).all()  # Wiener: no better than straight pores


@pytest.mark.parametrize("array", PUBLISHED)
@pytest.mark.parametrize("aspect", [1.0, 1.7])
def test_the_derivatives_to_fraction_and_aspect_ratio_are_exact(array, aspect):
    stage, point = ParticleArray(array), {"fraction": 0.45, "aspect": aspect}
    linear = stage.linearize(point)[1]
    for name, value in point.items():
        h = 1e-4 * value
        # Fourth-order central difference of the discrete tensor itself.
        K = [stage.value({**point, name: value + k * h})["K"] for k in (-2, -1, 1, 2)]
        difference = (K[0] - 8 * K[1] + 8 * K[2] - K[3]) / (12 * h)
        assert linear.jvp({name: np.array(1.0)})["K"] == pytest.approx(difference, rel=1e-9, abs=1e-10)


def test_tangent_and_adjoint_are_transposes():
    linear = ParticleArray("hexagonal").linearize({"fraction": 0.3, "aspect": 1.4})[1]
    rng = np.random.default_rng(0)
    tangent, weight = {"fraction": rng.random(), "aspect": rng.random()}, rng.random((2, 2))
    back = linear.vjp({"K": weight})
    forth = np.sum(weight * linear.jvp({name: np.array(v) for name, v in tangent.items()})["K"])
    assert sum(back[name] * tangent[name] for name in tangent) == pytest.approx(forth, rel=1e-13)


@pytest.mark.parametrize(
    ("array", "fraction", "aspect", "reason"),
    [
        ("square", 0.79, 1.0, "0.785398.*, where particles of a square array touch"),
        ("hexagonal", 0.91, 1.0, "0.9069.*, where"),
        ("square", 0.0, 1.0, "outside"),
        ("square", np.nan, 1.0, "outside"),
        ("square", 0.3, 0.0, "aspect ratio 0 is not positive"),
    ],
)
def test_shapes_that_do_not_exist_are_out_of_limits(array, fraction, aspect, reason):
    with pytest.raises(OutOfLimits, match=reason):
        tensor(array, fraction, aspect)


def test_an_unknown_array_is_refused_with_a_near_match():
    with pytest.raises(InputError, match="did you mean 'hexagonal'"):
        ParticleArray("hexagon")


def test_the_stage_survives_pickling_without_its_mesh():
    stage = ParticleArray("square")
    stage.value({"fraction": 0.3, "aspect": 1.0})
    blob = pickle.dumps(stage)
    assert len(blob) < 1000
    point = {"fraction": 0.3, "aspect": 1.2}
    assert (pickle.loads(blob).value(point)["K"] == stage.value(point)["K"]).all()
