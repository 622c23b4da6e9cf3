import pickle

import numpy as np
import pytest

from mscale_uq.cell.conduction import effective_conductivity
from mscale_uq.cell.layered import LayeredCell
from mscale_uq.core.chain import Chain
from mscale_uq.errors import InputError, OutOfLimits

BIOFILM = LayeredCell(["theta"], ["D_c", "D_m"])
EVERYTHING = LayeredCell(
    ["f1", "f2"],
    ["D1", "D2", 0.7],
    partitions=["P1", 1.0, "P3"],
    reactions=["k1", "k2", "k1"],
    storages=[1, "b", "b"],
)
POINT = {"f1": 0.2, "f2": 0.5, "D1": 0.3, "D2": 2.0, "P1": 3.0, "P3": 0.4, "k1": 1.5, "k2": 0.1, "b": 2.5}


def scalars(values):
    return {name: np.array(value) for name, value in values.items()}


def stacked_diffusivity(fractions, diffusivities, partitions):
    """Flux through one period for a unit fall of u, from the concentrations at both sides of every layer."""
    n = len(fractions)
    A, load = np.zeros((2 * n + 1, 2 * n + 1)), np.zeros(2 * n + 1)
    for i, (f, D) in enumerate(zip(fractions, diffusivities, strict=True)):
        A[i, [2 * i, 2 * i + 1, 2 * n]] = D / f, -D / f, -1.0  # D (c_left - c_right)/f = flux
    for i in range(n - 1):  # u = c/P is continuous
        A[n + i, [2 * i + 1, 2 * i + 2]] = 1 / partitions[i], -1 / partitions[i + 1]
    A[2 * n - 1, 0], load[2 * n - 1] = 1 / partitions[0], 1.0
    A[2 * n, 2 * n - 1] = 1 / partitions[-1]
    return np.linalg.solve(A, load)[-1]


def test_the_biofilm_of_the_text_book_has_diffusivity_three_tenths():
    made = BIOFILM.value(scalars({"theta": 0.6, "D_c": 0.2, "D_m": 1.2}))
    np.testing.assert_allclose(made["D_across"], 0.3, rtol=1e-14)
    np.testing.assert_allclose(made["D_along"], 0.6, rtol=1e-14)
    np.testing.assert_allclose(made["storage"], 1.0, rtol=1e-14)


def test_layers_with_partition_carry_the_flux_of_the_resolved_stack():
    f, D, P = [0.2, 0.5, 0.3], [0.3, 2.0, 0.7], [3.0, 1.0, 0.4]
    made = LayeredCell(f, D, partitions=P).value({})
    np.testing.assert_allclose(made["D_across"], stacked_diffusivity(f, D, P), rtol=1e-12)


def test_without_partition_the_layers_are_the_laminate_of_the_two_dimensional_cell():
    D = np.array([0.3, 2.0, 0.7, 0.7])
    K = effective_conductivity(np.tile(D[:, None], (1, 3)))
    made = LayeredCell([0.25, 0.25, 0.5], [0.3, 2.0, 0.7]).value({})
    np.testing.assert_allclose([made["D_across"], made["D_along"]], np.diag(K), rtol=1e-12)


def test_storage_and_reaction_are_amounts_held_and_consumed_per_unit_of_u():
    # amount = sum f c b with c = P u; consumption = sum f k c
    made = EVERYTHING.value(scalars(POINT))
    f, P = np.array([0.2, 0.5, 0.3]), np.array([3.0, 1.0, 0.4])
    np.testing.assert_allclose(made["storage"], f @ (P * [1, 2.5, 2.5]), rtol=1e-14)
    np.testing.assert_allclose(made["reaction"], f @ (P * [1.5, 0.1, 1.5]), rtol=1e-14)


@pytest.mark.parametrize(("theta", "limit"), [(0.0, 1.2), (1.0, 0.2)])
def test_one_layer_alone_is_its_material(theta, limit):
    made = BIOFILM.value(scalars({"theta": theta, "D_c": 0.2, "D_m": 1.2}))
    np.testing.assert_allclose([made["D_across"], made["D_along"]], limit, rtol=1e-15)


@pytest.mark.parametrize("contrast", [1e-8, 1e8])
def test_the_worst_layer_governs_across_and_the_best_along(contrast):
    made = BIOFILM.value(scalars({"theta": 0.5, "D_c": contrast, "D_m": 1.0}))
    np.testing.assert_allclose(made["D_across"], 2 * min(contrast, 1.0), rtol=1e-7)
    np.testing.assert_allclose(made["D_along"], 0.5 * max(contrast, 1.0), rtol=1e-7)


@pytest.mark.parametrize("name", POINT)
def test_derivatives_agree_with_central_differences(name):
    _, derivative = EVERYTHING.linearize(scalars(POINT))
    step = 1e-5 * POINT[name]
    above, below = (EVERYTHING.value(scalars({**POINT, name: POINT[name] + s * step})) for s in (1, -1))
    slopes = derivative.jvp({name: np.array(1.0)})
    for output in EVERYTHING.outputs:
        difference = (above[output] - below[output]) / (2 * step)
        np.testing.assert_allclose(slopes[output], difference, rtol=1e-8, atol=1e-9)


def test_tangent_and_adjoint_are_transposes():
    _, derivative = EVERYTHING.linearize(scalars(POINT))
    rng = np.random.default_rng(0)
    v = {name: rng.normal(size=()) for name in EVERYTHING.inputs}
    w = {name: rng.normal(size=()) for name in EVERYTHING.outputs}
    forward, back = derivative.jvp(v), derivative.vjp(w)
    expected = sum(w[name] * forward[name] for name in w)
    np.testing.assert_allclose(sum(v[name] * back[name] for name in v), expected, rtol=1e-12)


def test_the_stage_reads_each_name_once_and_makes_a_reaction_only_if_asked():
    assert EVERYTHING.inputs == ("f1", "f2", "D1", "D2", "P1", "P3", "k1", "k2", "b")
    assert EVERYTHING.outputs == ("D_across", "D_along", "storage", "reaction")
    assert BIOFILM.outputs == ("D_across", "D_along", "storage")


def test_two_solutes_pass_through_the_same_layers_under_their_own_names():
    oxygen = LayeredCell(
        ["theta"], ["D_c", "D_m"], across="D_oxygen", along="D_oxygen_along", storage="b_oxygen"
    )
    glucose = LayeredCell(
        ["theta"], ["G_c", "G_m"], across="D_glucose", along="D_glucose_along", storage="b_glucose"
    )
    given = {"theta": 0.6, "D_c": 0.2, "D_m": 1.2, "G_c": 0.1, "G_m": 0.6}
    made = Chain([oxygen, glucose], given).value(scalars(given))
    np.testing.assert_allclose([made["D_oxygen"], made["D_glucose"]], [0.3, 0.15], rtol=1e-14)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"theta": 1.2}, "layer fractions .* are negative or do not sum to one"),
        ({"theta": -0.1}, "layer fractions"),
        ({"theta": np.nan}, "layer fractions"),
        ({"D_c": 0.0}, "a diffusivity of 0 is not positive"),
        ({"D_m": -1.0}, "a diffusivity of -1 is not positive"),
    ],
)
def test_impossible_layers_are_out_of_limits(changed, message):
    values = scalars({"theta": 0.6, "D_c": 0.2, "D_m": 1.2, **changed})
    with pytest.raises(OutOfLimits, match=message):
        BIOFILM.value(values)
    with pytest.raises(OutOfLimits, match=message):
        BIOFILM.linearize(values)


def test_named_fractions_of_all_layers_must_sum_to_one():
    stage = LayeredCell(["f1", "f2"], [1.0, 2.0])
    np.testing.assert_allclose(stage.value(scalars({"f1": 0.4, "f2": 0.6}))["D_along"], 1.6, rtol=1e-14)
    with pytest.raises(OutOfLimits, match="do not sum to one"):
        stage.value(scalars({"f1": 0.4, "f2": 0.61}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (["theta"], ["D_c", "D_m", "D_x"]),
            r"1 fraction value\(s\) for 3 layers; allowed: 3, or 2 fractions",
        ),
        (([0.5, 0.6], [1.0, 2.0]), "sum to one"),
        (([0.5, 0.4], [1.0, 2.0]), "with sum 0.9; allowed: a sum of one; hint: leave the last one out"),
        (([-0.5], [1.0, 2.0]), r"layer fractions \[-0.5\]; allowed: numbers in \[0, 1\]"),
        ((["theta"], [1.0, -2.0]), "a diffusivity of -2.0; allowed: positive numbers"),
        ((["theta"], ["D_c", "D_m"], [1.0]), r"1 partition value\(s\) for 2 layers"),
    ],
)
def test_layers_that_do_not_fit_are_refused_when_the_stage_is_made(arguments, message):
    with pytest.raises(InputError, match=message):
        LayeredCell(*arguments)


def test_the_stage_survives_pickling():
    copy = pickle.loads(pickle.dumps(EVERYTHING))
    assert copy.value(scalars(POINT)) == EVERYTHING.value(scalars(POINT))
