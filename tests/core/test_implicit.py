"""Couplings with several solutions, and with none: which one is meant, its derivative, and where it ends."""

import numpy as np
import pytest
from scipy.special import lambertw

from mscale_uq.core.fold import Fold
from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.implicit import Branch, Implicit
from mscale_uq.core.newton import NewtonSettings, find_root
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import Infeasible, SolveFailed, WiringError
from mscale_uq.solve.symmetric import symmetric_body

LOAD = Parameter("load", "1", 0.1)
SPRING = Parameter("spring", "1", 1.0, lower=0)
UPWARDS = Branch("load", since=-2.0)


def force(spring, deflection):
    return spring * deflection - deflection**3


def imbalance(force, load):
    """A snapping spring: dx/dt = a x - x^3 - load."""
    return force - load


STAGES = [Formula(force, "force"), Formula(imbalance, "imbalance")]


def snapping(branch=UPWARDS, start=1.5, **others):
    loop = Implicit(STAGES, "deflection", "imbalance", start, "snapping spring", branch=branch, **others)
    return ForwardModel([loop], [LOAD, SPRING], ["deflection"])


def fold_of(spring):
    return 2 * (spring / 3) ** 1.5


def upper(load, spring):
    """The largest root, by the closed form of three real ones."""
    return 2 * np.sqrt(spring / 3) * np.cos(np.arccos(-load / fold_of(spring)) / 3)


@pytest.mark.parametrize("load", [-0.3, 0.0, 0.1, 0.38, 0.3849])
def test_the_branch_that_is_meant_is_followed_and_differentiated(load):
    model = snapping()
    x = upper(load, 1.0)
    assert model.value([load, 1.0])[0] == pytest.approx(x, rel=1e-12)
    slopes = np.array([1.0, -x]) / (1 - 3 * x**2)
    assert model.jacobian([load, 1.0])[0] == pytest.approx(slopes, rel=1e-8)


def test_the_gradient_of_a_branch_passes_the_taylor_test():
    assert check_gradient(snapping(), np.array([0.2, 1.1]), np.random.default_rng(1)).ok


@pytest.mark.parametrize("start", [1.5, 0.3, -0.2, -4.0])
def test_the_branch_does_not_depend_on_where_the_search_for_its_beginning_starts(start):
    assert snapping(start=start).value([0.1, 1.0])[0] == pytest.approx(upper(0.1, 1.0), rel=1e-12)


@pytest.mark.parametrize(("load", "spring"), [(0.3850, 1.0), (2.0, 1.0), (0.1, 0.3)])
def test_beyond_its_fold_the_branch_has_no_solution_though_another_has(load, spring):
    model = snapping()
    with pytest.raises(
        Infeasible, match=r"snapping spring: no solution: the branch .* folds back at 0\."
    ) as caught:
        model.value([load, spring])
    assert caught.value.theta["load"] == load
    assert snapping(branch=None).value([load, spring])[0] < 0


@pytest.mark.parametrize("distance", [1e-3, 1e-5, 1e-7, 1e-9])
def test_near_the_fold_the_derivative_is_as_good_as_round_off_allows(distance):
    """It grows as one over the root of the distance; errors as round-off over the distance."""
    load = fold_of(1.0) * (1 - distance)
    # In the distance itself, without the cancellation of load and fold: cos of a small angle.
    angle = 2 * np.arcsin(np.sqrt(distance / 2))
    x = 2 / np.sqrt(3) * np.cos((np.pi - angle) / 3)
    exact = 1 / (1 - 3 * x**2)
    found = snapping().jvp([load, 1.0], [1.0, 0.0])[0]
    assert found == pytest.approx(exact, rel=100 * np.finfo(float).eps / distance)
    assert found < 0


def test_so_near_that_no_digit_is_left_there_is_no_derivative():
    model, fold = snapping(), fold_of(1.0)
    for distance in (3e-15, 1e-15, 5e-16):
        theta = [fold * (1 - distance), 1.0]
        assert model.value(theta)[0] == pytest.approx(3**-0.5, abs=1e-6)
        with pytest.raises(SolveFailed, match="sits on a fold"):
            model.jvp(theta, [1.0, 0.0])


def test_every_solution_of_the_branch_is_told_with_its_stability():
    loop = Implicit(STAGES, "deflection", "imbalance", 1.5, branch=UPWARDS)
    values = {"load": np.array(0.1), "spring": np.array(1.0)}
    found = loop.solutions(values, -3.0, 3.0)
    exact = sorted(np.roots([1, 0, -1, 0.1]).real, reverse=True)
    assert [point.unknown[0] for point in found] == pytest.approx(exact, abs=1e-12)
    assert [point.stable for point in found] == [True, False, True]
    with pytest.raises(WiringError, match="branch=Branch"):
        Implicit(STAGES, "deflection", "imbalance", 1.5).solutions(values)


def lonely(level, drive):
    """Zero along ``level = 0``, and on a circle of radius 1/2 around (3, 1): no fold connects them."""
    return -level * ((level - 3) ** 2 + (drive - 1) ** 2 - 0.25)


def test_a_solution_on_an_island_is_found_by_who_begins_there_and_by_nobody_else():
    values = {"drive": np.array(1.2)}

    def levels(start, since, low, high):
        loop = Implicit([Formula(lonely, "left")], "level", "left", start, branch=Branch("drive", since, 1.0))
        return [(point.unknown[0], point.stable) for point in loop.solutions(values, low, high)], loop

    (only,), shore = levels(0.1, 0.0, -0.1, 3.0)
    assert only == (pytest.approx(0.0, abs=1e-12), True)
    assert shore.value(values)["level"] == pytest.approx(0.0, abs=1e-12)
    height = np.sqrt(0.25 - 0.2**2)
    island, there = levels(3.4, 1.0, 0.0, 2.0)
    assert there.value(values)["level"] == pytest.approx(3 + height, rel=1e-9)
    assert island == [(pytest.approx(3 + height), True), (pytest.approx(3 - height), False)]
    with pytest.raises(Infeasible, match=r"folds back at 1\.5"):
        there.value({"drive": np.array(1.6)})


@pytest.mark.parametrize("drive", [0.4, 1.6])
def test_an_island_that_never_meets_a_value_is_gone_around_once(drive):
    calls = []

    def counted(level, drive):
        calls.append(1)
        return lonely(level, drive)

    loop = Implicit([Formula(counted, "left")], "level", "left", 3.4, branch=Branch("drive", 1.0, 1.0))
    assert len(loop.solutions({"drive": np.array(1.2)}, 0.0, 2.0)) == 2  # once around, in shorter steps
    around = len(calls)
    assert loop.solutions({"drive": np.array(drive)}, 0.0, 2.0) == ()
    assert len(calls) - around < around


def test_a_branch_goes_along_something_that_is_read():
    with pytest.raises(WiringError, match=r"'lod'.*did you mean 'load'"):
        snapping(branch=Branch("lod"))


def test_a_branch_that_has_no_beginning_says_so():
    root = Implicit(
        [Formula(lambda level, load: load - level**2, "left", name="left")], "level", "left", 1.0,
        branch=Branch("load", since=-1.0),
    )  # fmt: skip
    with pytest.raises(Infeasible, match="no solution at load = -1, where the branch begins"):
        root.value({"load": np.array(1.0)})


def conductivity(temperature):
    return np.exp(temperature)


def balance(heating, conductivity, temperature):
    return heating * conductivity - temperature


HEAT = [Formula(conductivity, "conductivity"), Formula(balance, "balance")]


@pytest.mark.parametrize("heating", [0.01, 0.2, 0.36, 0.3678])
def test_self_heating_has_both_branches_of_lamberts_function(heating):
    loop = Implicit(HEAT, "temperature", "balance", 0.0, branch=Branch("heating"))
    cold, hot = loop.solutions({"heating": np.array(heating)}, 1e-3, 1.0)
    assert cold.unknown[0] == pytest.approx(-lambertw(-heating).real, rel=1e-9)
    assert hot.unknown[0] == pytest.approx(-lambertw(-heating, -1).real, rel=1e-9)
    assert cold.stable
    assert not hot.stable


def critical(**others):
    found = Fold(STAGES, "deflection", "imbalance", 1.5, UPWARDS, 5.0, "critical_load", **others)
    return ForwardModel([found], [SPRING], ["critical_load"])


@pytest.mark.parametrize("spring", [0.2, 1.0, 3.0])
def test_the_critical_load_and_its_derivative_are_exact(spring):
    model = critical()
    assert model.value([spring])[0] == pytest.approx(fold_of(spring), rel=1e-13)
    assert model.jvp([spring], [1.0])[0] == pytest.approx((spring / 3) ** 0.5, rel=1e-9)
    assert model.vjp([spring], [1.0])[0] == pytest.approx((spring / 3) ** 0.5, rel=1e-9)


def test_the_gradient_of_a_fold_passes_the_taylor_test():
    assert check_gradient(critical(), np.array([1.1]), np.random.default_rng(1)).ok


def test_a_fold_that_comes_too_late_is_none():
    with pytest.raises(Infeasible, match="snap: no fold before load = 5"):
        critical(name="snap").value([30.0])


def test_a_branch_without_a_fold_has_no_critical_load():
    linear = [Formula(lambda load, deflection, spring: load - spring * deflection, "left", name="left")]
    fold = Fold(linear, "deflection", "left", 0.0, Branch("load"), 9.0, "critical")
    model = ForwardModel([fold], [SPRING], ["critical"])
    with pytest.raises(Infeasible, match="no fold before load = 9"):
        model.value([1.0])


BODY = symmetric_body("cylinder", 7)


def heat_balance(theta, delta, loss):
    """A cylinder that heats itself, cold at its surface: theta of the inner nodes."""
    conducted = loss * BODY.stiffness[:6, :6] @ theta / BODY.weights[:6]
    return delta * np.exp(theta) - conducted


def test_the_critical_heating_of_a_cylinder_is_two_and_in_proportion_to_what_it_conducts():
    """Frank-Kamenetskii: delta = 2 exactly, whose logarithm moves with that of the conductivity by one."""
    loss = Parameter("loss", "1", 1.0, lower=0)
    stages = [Formula(heat_balance, "rest")]
    fold = Fold(stages, "theta", "rest", np.zeros(6), Branch("delta"), 50.0, "critical")
    model = ForwardModel([fold], [loss], ["critical"])
    assert model.value([1.0])[0] == pytest.approx(2.0, rel=1e-7)
    assert model.value([7.0])[0] == pytest.approx(7 * model.value([1.0])[0], rel=1e-12)
    assert model.jvp([7.0], [7.0])[0] == pytest.approx(model.value([7.0])[0], rel=1e-9)


def test_a_root_at_zero_is_found_although_no_step_is_small_beside_it():
    found = find_root(
        lambda u: (np.sin(u + np.pi), np.diag(np.cos(u + np.pi))), np.array([0.7]), NewtonSettings()
    )
    assert found.converged
    assert abs(found.unknown[0]) < 1e-14
