"""A balance driven by a local law: published panels, order of convergence, Newton's order, derivatives."""

import numpy as np
import pytest
from skfem import Basis, ElementLineP1, ElementQuad2, MeshQuad

from mscale_uq.cell.elastic import (
    ENTRIES,
    STRAINS,
    STRESSES,
    Composite,
    EffectiveStiffness,
    ElasticCell,
    Laminate,
    entries,
    hooke,
)
from mscale_uq.core.formula import PointwiseFormula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.stage import PointwiseStage
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import InputError, SolveFailed, WiringError
from mscale_uq.macro.boundary import Dirichlet, Neumann, Source
from mscale_uq.macro.kinematics import STRAIN, gradient
from mscale_uq.macro.mesh import interval_mesh, tensor_mesh
from mscale_uq.macro.two_scale import TwoScale

LAMINATE = {"E_m": 1.0, "nu_m": 0.3, "E_i": 10.0, "nu_i": 0.3, "f": 0.3}
HOOKE = PointwiseFormula(hooke, STRESSES)


def cook(n, law=HOOKE):
    """Cook's panel with its right side pulled upwards by ``shear`` per length."""
    mesh = tensor_mesh(np.linspace(0, 1, n + 1), np.linspace(0, 1, n + 1))
    x, y = mesh.p
    panel = MeshQuad(np.array([48 * x, 44 * x + y * (44 - 28 * x)]), mesh.t).with_boundaries(mesh.boundaries)
    basis = Basis(panel, ElementQuad2(), intorder=4)
    held = {"u_x": Dirichlet(0.0), "u_y": Dirichlet(0.0)}
    boundaries = {"left": held, "right": {"u_y": Neumann("shear")}}
    reactions = {"force": ("left", "u_y")}
    return basis, TwoScale(
        basis, STRAIN, law, STRAINS, STRESSES, ("u_x", "u_y"), boundaries, reactions=reactions
    )


def deflection(n, C, force):
    """Deflection of the corner (48, 60) and of the middle of the right side (48, 52)."""
    basis, balance = cook(n)
    made = balance.value({**dict(zip(ENTRIES, entries(C), strict=True)), "shear": force / 16})
    assert made["force"] == pytest.approx(-force, rel=1e-10)
    at = [np.argmin(np.hypot(*(basis.doflocs - np.array([[48], [y]])))) for y in (60, 52)]
    return made["u_y"][at]


def plane_stress(E, nu):
    c = E / (1 - nu**2)
    return np.array([[c, nu * c, 0], [nu * c, c, 0], [0, 0, E / (2 * (1 + nu))]])


def plane_strain(E, nu):
    c = E / ((1 + nu) * (1 - 2 * nu))
    return np.array([[c * (1 - nu), c * nu, 0], [c * nu, c * (1 - nu), 0], [0, 0, E / (2 * (1 + nu))]])


def test_cooks_panel_in_plane_stress_bends_as_published():
    assert deflection(16, plane_stress(1.0, 1 / 3), 1.0)[0] == pytest.approx(25.079, abs=5e-4)
    assert deflection(32, plane_stress(1.0, 1 / 3), 1.0)[0] == pytest.approx(25.137, abs=5e-4)


@pytest.mark.slow
def test_the_number_23_96_of_cooks_panel_belongs_to_the_middle_of_the_side():
    corner, middle = deflection(48, plane_stress(1.0, 1 / 3), 1.0)
    assert corner == pytest.approx(25.155, abs=5e-4)
    assert middle == pytest.approx(23.964, abs=5e-4)


def test_cooks_panel_in_plane_strain_agrees_with_four_other_programs():
    """Code_Aster 32.20, CalculiX 32.27, Elmer 32.28; the load is 100 in total, and nu = 1/3."""
    assert deflection(32, plane_strain(70.0, 1 / 3), 100.0)[0] == pytest.approx(32.22, abs=0.05)


def layers(**values):
    made_of = Composite(Laminate(), ("E_m", "nu_m"), ("E_i", "nu_i"), "f")
    return EffectiveStiffness(made_of).value({**LAMINATE, **values})["C_hom"]


def test_cooks_panel_of_layers_bends_as_computed_elsewhere_between_voigt_and_reuss():
    assert deflection(16, layers(), 1.0) == pytest.approx([12.275, 11.609], abs=5e-4)
    assert deflection(32, layers(), 1.0) == pytest.approx([12.317, 11.623], abs=5e-4)
    pure = [layers(E_m=E, E_i=E) for E in (1.0, 10.0)]
    voigt = 0.7 * pure[0] + 0.3 * pure[1]
    reuss = np.linalg.inv(0.7 * np.linalg.inv(pure[0]) + 0.3 * np.linalg.inv(pure[1]))
    assert deflection(16, voigt, 1.0)[1] == pytest.approx(5.924, abs=5e-4)
    assert deflection(16, reuss, 1.0)[1] == pytest.approx(16.002, abs=5e-4)


def test_cells_at_every_point_bend_as_one_cell_does_where_all_is_linear():
    made_of = Composite(Laminate(), ("E_m", "nu_m"), ("E_i", "nu_i"), "f")
    _, points = cook(4, ElasticCell(made_of))
    _, once = cook(4)
    at_points = points.value({**LAMINATE, "shear": 1 / 16})
    expected = once.value({**dict(zip(ENTRIES, entries(layers()), strict=True)), "shear": 1 / 16})
    scale = np.abs(expected["u_y"]).max()
    for name in ("u_x", "u_y"):
        assert at_points[name] == pytest.approx(expected[name], abs=1e-12 * scale)


def proportional(strain, k):
    """Return the stress of a spring."""
    return k * strain


@pytest.mark.parametrize("k", [2.0, -2.0], ids=["definite", "a law that pushes back"])
def test_a_balance_is_found_also_where_its_stiffness_is_not_positive(k):
    basis = Basis(interval_mesh(np.linspace(0, 1, 5)), ElementLineP1())
    ends = {"left": {"u": Dirichlet(0.0)}, "right": {"u": Neumann("pull")}}
    law = PointwiseFormula(proportional, "stress")
    bar = TwoScale(basis, gradient(1), law, ("strain",), ("stress",), ("u",), ends)
    assert bar.value({"pull": 0.4, "k": k})["u"] == pytest.approx(0.4 / k * basis.doflocs[0], abs=1e-14)


class Secant(PointwiseStage):
    """A law that hands back its secant in place of its tangent."""

    def __init__(self, law):
        self._law, self.name, self.inputs, self.outputs = law, "secant", law.inputs, law.outputs

    def value(self, values):
        return self._law.value(values)

    def tangent(self, values):
        made, tangent = self._law.tangent(values)
        at_rest = self._law.tangent({**values, **dict.fromkeys(STRAINS, np.zeros(len(tangent)))})[1]
        return made, (tangent + at_rest) / 2


def exponents(law, shear=2e-3):
    values = {**LAMINATE, "e_0": 0.01, "m": 0.4, "shear": shear}
    r = np.log(cook(4, law)[1].equilibrium({name: np.asarray(v) for name, v in values.items()}).residuals)
    return np.diff(r)[1:] / np.diff(r)[:-1], r


def test_newtons_method_is_quadratic_with_the_consistent_tangent_and_with_no_other():
    soft = Composite(Laminate(), ("E_m", "nu_m", "e_0", "m"), ("E_i", "nu_i"), "f")
    consistent, r = exponents(ElasticCell(soft))
    clear = r[2:] > r[0] + np.log(1e-12)  # the last residual is round-off
    assert consistent[clear][-1] == pytest.approx(2.0, abs=0.2)  # those before it are of the way there
    assert len(r) <= 9
    secant, r = exponents(Secant(ElasticCell(soft)))
    assert secant[1:].max() < 1.1
    assert len(r) >= 9


def test_halves_of_different_stiffness_in_series_strain_as_known():
    """eps = 0.6 (s/70 + 0.002 (s/0.3)^5) + 0.4 s/200 at s = 0.4: 0.00928536, tangent 13.553569."""
    made, slope = Series().tangent({"strain": np.array([0.00928536])})
    assert made["stress"] == pytest.approx(0.4, rel=1e-6)
    assert slope[0, 0, 0] == pytest.approx(13.553569, rel=1e-6)
    basis = Basis(interval_mesh(np.linspace(0, 1, 5)), ElementLineP1())
    ends = {"left": {"u": Dirichlet(0.0)}, "right": {"u": Neumann("pull")}}
    bar = TwoScale(basis, gradient(1), Series(), ("strain",), ("stress",), ("u",), ends)
    assert bar.value({"pull": 0.4})["u"].max() == pytest.approx(0.00928536, rel=1e-6)


class Series(PointwiseStage):
    """Two phases under one stress, found by Newton's method."""

    name, inputs, outputs = "series", ("strain",), ("stress",)

    def value(self, values):
        return self.tangent(values)[0]

    def tangent(self, values):
        strain = np.asarray(values["strain"])
        stress = np.zeros_like(strain)
        for _ in range(200):
            compliance = 0.6 * (1 / 70 + 0.002 * 5 * stress**4 / 0.3**5) + 0.4 / 200
            made = 0.6 * (stress / 70 + 0.002 * (stress / 0.3) ** 5) + 0.4 * stress / 200
            stress = stress - (made - strain) / compliance
        return {"stress": stress}, (1 / compliance)[:, None, None]


def cubic(slope, k):
    return k * (slope + slope**3)


def bar(n):
    """-(u' + u'^3)' = q with u = sin(x) on (0, 1.2)."""
    basis = Basis(interval_mesh(np.linspace(0, 1.2, n + 1)), ElementLineP1())

    def load(x):
        return np.sin(x[0]) * (1 + 3 * np.cos(x[0]) ** 2)

    ends = {"left": {"u": Dirichlet(0.0)}, "right": {"u": Dirichlet(np.sin(1.2))}}
    law = PointwiseFormula(cubic, "flux")
    stage = TwoScale(basis, gradient(1), law, ("slope",), ("flux",), ("u",), ends, {"u": Source(1.0, load)})
    return basis.doflocs[0], stage


def test_a_nonlinear_balance_converges_at_second_order():
    errors = []
    for n in (10, 20, 40):
        x, stage = bar(n)
        errors.append(middle_error(x, stage.value({"k": 1.0})["u"]))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 1.9).all()


def middle_error(x, u):
    order = np.argsort(x)
    x, u = x[order], u[order]
    return np.abs((u[:-1] + u[1:]) / 2 - np.sin((x[:-1] + x[1:]) / 2)).max()


def test_every_direction_of_a_balance_is_exact_held_values_loads_sources_and_reactions_alike():
    basis = Basis(interval_mesh(np.linspace(0, 1, 6)), ElementLineP1())
    ends = {"left": {"u": Dirichlet("low")}, "right": {"u": Neumann("pull")}}
    law = PointwiseFormula(cubic, "flux")
    stage = TwoScale(
        basis,
        gradient(1),
        law,
        ("slope",),
        ("flux",),
        ("u",),
        ends,
        {"u": Source("q")},
        {"held": ("left", "u")},
    )
    unknowns = [
        Parameter(name, "1", value) for name, value in {"k": 1.3, "low": 0.2, "pull": 0.7, "q": 0.5}.items()
    ]
    model = ForwardModel([stage], unknowns, ["u", "held"])
    assert check_gradient(model, model.theta(), np.random.default_rng(2)).ok
    assert model.trace(model.theta())["held"] == pytest.approx(-1.2, rel=1e-12)  # pull and q, balanced


class Brittle(PointwiseStage):
    """A law that exists below a strain alone, where the first Newton step overshoots."""

    name, inputs, outputs = "brittle", ("slope",), ("flux",)

    def value(self, values):
        return self.tangent(values)[0]

    def tangent(self, values):
        x = np.asarray(values["slope"])
        if np.abs(x).max() >= 1:
            raise SolveFailed(self.name, values, "broken")
        return {"flux": np.arctanh(x)}, (1 / (1 - x**2))[:, None, None]


def test_loads_that_a_law_cannot_take_at_once_are_applied_in_steps():
    basis = Basis(interval_mesh(np.linspace(0, 1, 3)), ElementLineP1())

    def pulled(ends):
        return TwoScale(basis, gradient(1), Brittle(), ("slope",), ("flux",), ("u",), ends)

    stage = pulled({"left": {"u": Dirichlet(0.0)}, "right": {"u": Neumann("pull")}})
    assert stage.value({"pull": 3.0})["u"].max() == pytest.approx(np.tanh(3.0), rel=1e-9)
    torn = pulled({"left": {"u": Dirichlet(0.0)}, "right": {"u": Dirichlet("end")}})
    with pytest.raises(SolveFailed, match=r"no balance beyond (8|9)\d\.\d% of the loads"):
        torn.value({"end": 1.1})


def test_wrong_wiring_is_found_when_the_balance_is_made():
    basis = Basis(interval_mesh(np.linspace(0, 1, 3)), ElementLineP1())
    law = PointwiseFormula(cubic, "flux")
    ends = {"left": {"u": Dirichlet(0.0)}}
    with pytest.raises(WiringError, match="does not read"):
        TwoScale(basis, gradient(1), law, ("strain",), ("flux",), ("u",), ends)
    with pytest.raises(InputError, match="did you mean 'left'"):
        TwoScale(basis, gradient(1), law, ("slope",), ("flux",), ("u",), {"leftt": {"u": Dirichlet(0.0)}})
    with pytest.raises(InputError, match="some, but not all"):
        TwoScale(basis, gradient(1), law, ("slope",), ("flux",), ("u",), {"left": {"u": Neumann(1.0)}})
