import pickle

import numpy as np
import pytest
from scipy import special

from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.errors import NoGradient, WiringError


def hill(concentration, half, steepness):
    return concentration**steepness / (half**steepness + concentration**steepness)


def test_a_formula_reads_its_arguments_by_name():
    stage = Formula(hill, "response")
    assert stage.inputs == ("concentration", "half", "steepness")
    made = stage.value({"concentration": 2.0, "half": 1.0, "steepness": 3.0})
    assert made["response"] == pytest.approx(8 / 9, rel=1e-15)


def test_the_complex_step_is_exact_to_round_off():
    c, k, n = 2.0, 1.3, 2.5
    slope = Formula(hill, "y").linearize({"concentration": c, "half": k, "steepness": n})[1].vjp({"y": 1.0})
    y = c**n / (k**n + c**n)
    assert slope["concentration"] == pytest.approx(n * y * (1 - y) / c, rel=1e-14)
    assert slope["half"] == pytest.approx(-n * y * (1 - y) / k, rel=1e-14)
    assert slope["steepness"] == pytest.approx(y * (1 - y) * np.log(c / k), rel=1e-14)


@pytest.mark.parametrize("scale", [1e-250, 1e-30, 1.0, 1e30, 1e200])
def test_the_step_is_relative_so_units_do_not_matter(scale):
    slope = Formula(lambda x: 3 * x / (1 + x / scale), "y").linearize({"x": scale})[1].jvp({"x": 1.0})["y"]
    assert slope == pytest.approx(0.75, rel=1e-14)


def matrix_formula(A, b):
    return np.linalg.solve(A, b), np.einsum("ij,j->i", A, b)


def test_array_inputs_and_several_outputs_have_full_jacobians():
    A, b = np.array([[3.0, 1.0], [0.5, 2.0]]), np.array([1.0, -2.0])
    made, linear = Formula(matrix_formula, ("x", "Ab")).linearize({"A": A, "b": b})
    dA = np.array([[0.1, -0.2], [0.3, 0.7]])
    moved = linear.jvp({"A": dA})
    assert moved["x"] == pytest.approx(-np.linalg.solve(A, dA @ made["x"]), rel=1e-13)
    assert moved["Ab"] == pytest.approx(dA @ b, rel=1e-13)
    w = np.array([0.4, -1.1])
    back = linear.vjp({"x": w})
    assert back["b"] == pytest.approx(np.linalg.solve(A.T, w), rel=1e-13)
    assert np.vdot(back["A"], dA) == pytest.approx(w @ moved["x"], rel=1e-13)


def assigned(x):
    y = np.zeros(2)
    y[0] = x
    return y


# Each of these would drop the imaginary part and give a wrong derivative in silence.
NOT_ANALYTIC = {
    "absolute": lambda x: np.abs(x),
    "abs": lambda x: abs(x),
    "norm": lambda x: np.linalg.norm(x * np.ones(2)),
    "sign": lambda x: np.sign(x) * x,
    "conjugate": lambda x: np.conj(x),
    "maximum": lambda x: np.maximum(x, 0.0),
    "max": lambda x: np.max(x * np.ones(2)),
    "amax": lambda x: np.amax(x * np.ones(2)),
    ".real": lambda x: x.real,
    "real": lambda x: np.real(x),
    ".astype": lambda x: x.astype(float),
    "vdot": lambda x: np.vdot(x, x),
    "vecdot": lambda x: np.vecdot(x * np.ones(2), x * np.ones(2)),
    "hypot": lambda x: np.hypot(x, 1.0),
    "clip": lambda x: np.clip(x, 0.0, 3.0),
    "interp": lambda x: np.interp(x, [0.0, 1.0], [0.0, 1.0]),
    "expit": lambda x: special.expit(x),
    "float": lambda x: float(x),
    "plain array": lambda x: np.asarray(x) * 2.0,
    "sequence": assigned,
    "floor": lambda x: np.floor(x),
    ".item": lambda x: x.item(),
    "fabs": lambda x: np.fabs(x),
    "sort": lambda x: np.sort(x * np.ones(2)),
}


@pytest.mark.parametrize("what", NOT_ANALYTIC)
def test_a_function_that_is_not_analytic_is_refused_by_name(what):
    with pytest.raises(NoGradient, match=r"formula 'hidden'") as refusal:
        Formula(NOT_ANALYTIC[what], "y", name="hidden").linearize({"x": np.array(2.0)})
    if what != "sequence":
        assert what in str(refusal.value)


def rate(substrate, half):
    return substrate / (half + substrate), substrate**2


def test_a_pointwise_formula_has_one_small_matrix_per_point():
    stage = PointwiseFormula(rate, ("uptake", "square"))
    s = np.array([0.5, 1.0, 4.0])
    made, tangent = stage.tangent({"substrate": s, "half": 2.0})
    assert tangent.shape == (3, 2, 2)
    assert tangent[:, 0, 0] == pytest.approx(2 / (2 + s) ** 2, rel=1e-14)
    assert tangent[:, 0, 1] == pytest.approx(-s / (2 + s) ** 2, rel=1e-14)
    assert tangent[:, 1, 0] == pytest.approx(2 * s, rel=1e-14)
    assert made["square"] == pytest.approx(s**2)
    back = stage.linearize({"substrate": s, "half": 2.0})[1].vjp({"uptake": np.ones(3)})
    assert back["half"] == pytest.approx(np.sum(-s / (2 + s) ** 2), rel=1e-14)


def test_a_pointwise_formula_refuses_points_that_do_not_match():
    with pytest.raises(WiringError, match="half"):
        PointwiseFormula(rate, ("a", "b")).value({"substrate": np.ones(3), "half": np.ones(2)})


@pytest.mark.parametrize(
    "made", [lambda x, k: (k * x)[:1], lambda x, k: (k * x)[:2], lambda x, k: k * x[:, None]]
)
def test_a_pointwise_formula_makes_a_value_for_each_point_and_nothing_else(made):
    stage = PointwiseFormula(made, "y", name="line")
    with pytest.raises(
        WiringError, match=r"formula 'line': 'y' has shape \(.*\) for 3 points; allowed: \(3,\)"
    ):
        stage.value({"x": np.arange(3.0), "k": 2.0})


def test_one_number_for_all_points_holds_at_each_of_them():
    stage = PointwiseFormula(lambda x, k: 2 * k, "y", name="level")
    assert stage.value({"x": np.arange(3.0), "k": 2.0})["y"].tolist() == [4.0, 4.0, 4.0]


def test_a_formula_without_its_return_is_told_by_name():
    def forgotten(x):
        x + 1.0  # as somebody writes it who forgets the return

    def in_one_branch(x):
        if x > 1:
            return x
        return None

    for function in (forgotten, in_one_branch):
        with pytest.raises(WiringError, match=rf"formula '{function.__name__}' returned nothing.*`return`"):
            Formula(function, "y").value({"x": 1.0})
    with pytest.raises(WiringError, match="returned None among its values"):
        Formula(lambda x: (x, None), ("y", "z"), name="two").value({"x": 1.0})


def test_a_wrong_number_of_outputs_is_refused():
    with pytest.raises(WiringError, match="returned 2 values"):
        Formula(rate, "uptake").value({"substrate": 1.0, "half": 2.0})


def test_arguments_without_names_are_refused():
    with pytest.raises(WiringError, match="named arguments"):
        Formula(lambda *args: args[0], "y")


def test_a_formula_of_a_module_level_function_pickles():
    stage = pickle.loads(pickle.dumps(Formula(hill, "y")))
    assert stage.value({"concentration": 1.0, "half": 1.0, "steepness": 1.0})["y"] == 0.5


def power_of_half(x):
    return 0.5**x


@pytest.mark.parametrize("x", [1e-300, 1e-290, 1e-200])
def test_a_derivative_is_exact_at_the_smallest_numbers_a_sampler_tries(x):
    linear = Formula(power_of_half, "y").linearize({"x": np.array(x)})[1]
    assert linear.jvp({"x": np.array(1.0)})["y"] == pytest.approx(-np.log(2), rel=1e-12)


def test_only_what_moves_is_differentiated():
    calls = []

    def decay(rate, time, floor):
        calls.append(rate)
        return floor + np.exp(-rate * time)

    stage = Formula(decay, "level")
    point = {"rate": np.array(0.3), "time": np.linspace(0, 1, 50), "floor": np.array(0.1)}
    whole = stage.linearize(point)[1].vjp({"level": np.ones(50)})
    calls.clear()
    some = stage.moved_by({"rate"}).linearize(point)[1].vjp({"level": np.ones(50)})
    assert len(calls) == 2  # the value, and one step along the rate
    assert set(some) == {"rate"}
    assert some["rate"] == whole["rate"]


@pytest.mark.parametrize(
    "mixing", [lambda x: x * x.sum(), lambda x: x - x.mean(), lambda x: np.cumsum(x[::-1])]
)
def test_a_pointwise_formula_that_mixes_points_is_found_at_its_first_use(mixing):
    stage = PointwiseFormula(mixing, "y", name="mixing")
    for use in (stage.value, stage.tangent):
        with pytest.raises(WiringError, match=r"'mixing' mixes points: 'y' of the first.*use a Formula"):
            use({"x": np.array([1.0, 2.0, 3.0])})


def test_of_inputs_between_which_a_point_chooses_those_that_are_read_are_differentiated():
    def picked(x, one, other, which):
        return x * np.where(which == 1, one, np.where(which == 2, other, 0.0))

    point = {"x": np.array([2.0, 3.0]), "one": np.array(5.0), "other": np.array(7.0)}
    plain = PointwiseFormula(picked, "y").moved_by(["x", "one", "other"])
    chosen = PointwiseFormula(picked, "y", choice=("which", ("one", "other"))).moved_by(plain.inputs[:3])
    for which in ([1.0, 1.0], [1.0, 2.0], [2.0, 2.0]):
        given = {**point, "which": np.array(which)}
        assert np.array_equal(chosen.tangent(given)[1], plain.tangent(given)[1])
    wrong = PointwiseFormula(lambda x, one, which: x * one + 0 * which, "y", choice=("which", ("one",)))
    with pytest.raises(WiringError, match="points depend on 'one', where 'which' is not 1"):
        wrong.value({**point, "which": np.array([1.0, 2.0])})


def test_a_point_without_a_number_is_no_point_that_depends_on_what_it_has_not_chosen():
    """A diverged node is reported by whoever reads it; here it stays what it is."""

    def picked(x, one, which):
        return np.where(which == 1, one, np.log(x))

    given = {"x": np.array([-1.0, 2.0, 3.0]), "one": np.array(5.0), "which": np.array([2.0, 1.0, 2.0])}
    made = PointwiseFormula(picked, "y", choice=("which", ("one",))).value(given)["y"]
    assert np.isnan(made[0])
    assert made[1:] == pytest.approx([5.0, np.log(3.0)], rel=1e-15)
    mixed = PointwiseFormula(
        lambda x, one, which: np.log(x) + one + 0 * which, "y", choice=("which", ("one",))
    )
    with pytest.raises(WiringError, match="points depend on 'one'"):
        mixed.value(given)
