"""What the tool says of shipped cases is what a solution without a mesh, or another program, says of them."""

from functools import cache, partial

import numpy as np
import pytest
from laplace_space import bodies, exact
from mscale_uq.models.cells._gradient import at_rest, share
from mscale_uq.models.electrochemistry._lithium_sets import POTENTIALS, THERMAL_VOLTAGE
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.stats import norm
from skfem import (
    Basis,
    BilinearForm,
    ElementQuad2,
    ElementVector,
    FacetBasis,
    LinearForm,
    MeshQuad,
    condense,
    solve,
)  # fmt: skip
from told_of_cases import Known, Told, halfnormal, lognormal, seeing, table

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case

COLUMN = 0.3  # m
FLOW = {"velocity": lognormal(3e-5, 1.5), "dispersivity": lognormal(3e-3, 3)}


def posterior(name, folder=None, *pairs):
    """Return that of a shipped case, or with some of its text changed."""
    text = find_case(name).read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    if not pairs:
        return read_case(find_case(name)).posterior()
    (folder / "case.toml").write_text(text, encoding="utf-8")
    return read_case(folder / "case.toml").posterior()


def both_curves(curve):
    """A curve, and that of a tracer in the same flow."""
    time = 60 * table("reactive_transport/tracer")[0]
    return lambda v, a, *rest: np.append(curve(v, a, *rest), exact(COLUMN, v, a * v, 0.0, 1.0, time))


def test_a_tracer_tells_velocity_and_partition_apart():
    case, time = posterior("reactive_transport"), 60 * table("reactive_transport/reactive")[0]

    def bound(v, a, K, k):
        return exact(COLUMN, v, a * v, K, k, time)

    priors = FLOW | {"partition": lognormal(1, 5), "sorption_rate": lognormal(1e-4, 50)}
    alone, both = Told(seeing(case, "reactive solute")), Told(case)
    Known(bound, 0.02, **priors).assert_said_by(alone, 0.03)
    Known(both_curves(bound), 0.02, **priors).assert_said_by(both, 0.03)
    assert alone.correlation("velocity", "partition") > 0.8
    assert (
        abs(both.correlation("velocity", "partition")) < abs(alone.correlation("velocity", "partition")) / 2
    )
    assert both.left("velocity") < alone.left("velocity") / 4


def test_spheres_tell_how_much_they_hold_and_consume_and_radius_and_diffusivity_as_one(tmp_path):
    freed = '[prior]\ndepth = { dist = "lognormal", median = "1 mm", factor = 2 }'
    at = ("at = {", 'at = { depth = "1 mm",')
    case = posterior("reactive_transport_spheres", tmp_path, ('depth = "1 mm"\n', ""), ("[prior]", freed), at)
    time = 60 * table("reactive_transport/spheres")[0]

    def stored(v, a, beta, D, k, depth):
        return bodies(COLUMN, v, a * v, beta, D, depth, k, time, "spheres")

    priors = FLOW | {"phase_ratio": lognormal(1, 2), "pore_diffusivity": lognormal(2e-10, 10),
                     "pore_rate": lognormal(1e-4, 10), "depth": lognormal(1e-3, 2)}  # fmt: skip
    alone, both = Told(seeing(case, "spheres")), Told(case)
    Known(stored, 0.02, **priors).assert_said_by(alone, 0.03)
    Known(both_curves(stored), 0.02, **priors).assert_said_by(both, 0.03)
    assert both.correlation("phase_ratio", "pore_rate") < -0.7
    # radius^2/diffusivity is the same along this line; priors' factors are 2 and 10.
    same = {"depth": 1 / np.log(2), "pore_diffusivity": 2 / np.log(10)}
    assert both.along(**same) < 1e-9


def test_impedance_trades_barrier_for_scatter_as_the_law_of_hopping_says_and_tells_no_more():
    case, T = posterior("solid_electrolyte"), table("solid_electrolyte/impedance")[0]

    def hopping(reference, barrier, scatter):
        def law(T):
            kT = 8.617333262e-5 * T  # eV
            return np.exp(-barrier / kT - scatter**2 / (2 * kT**2)) / T

        return reference * law(T) / law(300.0)

    impedance = Told(seeing(case, "impedance"))
    priors = {"conductivity_ref": lognormal(0.03, 1.5), "migration_energy": lognormal(0.35, 1.2),
              "disorder": halfnormal(0.04)}  # fmt: skip
    Known(hopping, lambda value: 0.02 * value, **priors).assert_said_by(impedance, 1e-3)
    assert impedance.correlation("migration_energy", "disorder") < -0.99
    assert impedance.left("thermal_conductivity", "emissivity") == pytest.approx([1, 1], abs=1e-9)


ROOTS = np.array(
    [brentq(lambda x: np.sin(x) - x * np.cos(x), k * np.pi, (k + 0.5) * np.pi) for k in range(1, 400)]
)


def surface(tau):
    """That of a sphere into which a unit of flux goes from time zero on; nothing before."""
    decay = (np.exp(-np.outer(np.maximum(tau, 0), ROOTS**2)) / ROOTS**2).sum(axis=1)
    return np.where(tau > 0, 3 * tau + 0.2 - 2 * decay, 0.0)


CELL = {"negative_diffusivity": lognormal(3.3e-14, 10), "positive_diffusivity": lognormal(4e-15, 10),
        "negative_rate": lognormal(6.5e-7, 5), "positive_rate": lognormal(3.4e-6, 5)}  # fmt: skip


def electrodes(known, time, until, *unknown):
    """What of the voltage hangs on the unknowns, by the series of both particles; 5 A until a time."""
    middle, made = [prior(0.0) for prior in CELL.values()], 0.0
    for e, (name, sign, radius) in enumerate((("negative", -1, 5.86e-6), ("positive", 1, 5.22e-6))):
        rate = unknown[e] / radius**2
        filled = surface(rate * time) - surface(rate * (time - until))
        x = known[f"{name}_initial"] + sign * 5.0 / (3 * known[f"{name}_charge"] * rate) * filled
        before = known[f"{name}_surface"]
        faster = unknown[2 + e] / middle[2 + e] * np.sqrt(x * (1 - x) / (before * (1 - before)))
        over = np.arcsinh(known[f"j_{name[0]}"] / (2 * known[f"j0_{name[0]}"] * faster))
        made = made + sign * POTENTIALS["Chen2020"][e](x) - 2 * THERMAL_VOLTAGE * over
    return made


def test_voltages_tell_the_slow_electrode_best_and_the_sum_of_both_reactions():
    """Discharge and pulse; what the salt adds hangs on none of the four."""
    case, parts = posterior("lithium_cell"), []
    for experiment, until in zip(case.experiments, (1e9, 1200.0), strict=True):
        known = experiment.trace({name: np.asarray(prior(0.0)) for name, prior in CELL.items()})
        parts.append((known, table(f"lithium_cell/{experiment.name}")[0], until))
    told = Told(case)
    voltages = Known(lambda *p: np.concatenate([electrodes(*one, *p) for one in parts]), 3e-3, **CELL)
    voltages.assert_said_by(told, 0.01)
    assert told.left(*CELL).argmin() == 1
    assert told.correlation("negative_rate", "positive_rate") < -0.95  # a sum


@cache
def grown(expression, cost, supply, maintenance, growth_constant):
    """Growth and light of a host and its construct, by SciPy."""

    def rates(_, y):
        made = supply - (maintenance + cost * expression) * y[0] - growth_constant * y[0] ** 2
        return [made, expression * y[0] - (growth_constant * y[0] + 0.05) * y[1]]

    time = table("host_circuit/construct_1")[0] / 60
    y = solve_ivp(rates, (0, time[-1]), [0.5, 0.1], "DOP853", time, rtol=1e-11, atol=1e-12).y
    return growth_constant * y[0], 100 * y[1]


def plates(*p, light=True, alone=True):
    """Readings of the host alone, and of five constructs."""
    host, parts = p[10:], []
    if alone:
        parts.append(grown(0.0, 0.0, *host)[0])
    for expression, cost in zip(p[:5], p[5:10], strict=True):
        parts += grown(expression, cost, *host)[: 1 + light]
    return np.concatenate(parts)


HOST = {
    **{f"expression[{i}]": lognormal(2, 4) for i in range(5)},
    **{f"cost[{i}]": lognormal(1, 2) for i in range(5)},
    "supply": lognormal(10, 2), "maintenance": lognormal(1, 2), "growth_constant": lognormal(0.5, 2),
}  # fmt: skip


def test_growth_alone_tells_the_product_of_cost_and_expression_and_light_tells_each():
    """Exact: growth reads nothing but their product."""
    case = posterior("host_circuit")
    growth, both = Told(seeing(case, quantity="growth")), Told(case)
    for told, light in ((growth, False), (both, True)):
        Known(partial(plates, light=light), lambda value: 0.05 * value, **HOST).assert_said_by(told, 0.01)
    # More of one and less of the other, by the same factor; priors' factors are 4 and 2.
    apart = {"expression_0": 1 / np.log(4), "cost_0": -1 / np.log(2)}
    assert growth.along(**apart) < 1e-9
    assert both.left("expression[0]") < 0.3 * growth.left("expression[0]")
    assert both.correlation("supply", "maintenance") > 0.5


def test_the_host_alone_tells_maintenance_from_what_constructs_cost():
    case = posterior("host_circuit")
    without = Told(seeing(case, *(f"construct {number}" for number in range(1, 6))))
    Known(partial(plates, alone=False), lambda value: 0.05 * value, **HOST).assert_said_by(without, 0.01)
    assert without.left("maintenance") > 1.5 * Told(case).left("maintenance")
    assert without.correlation("maintenance", "cost[0]") < 0


def test_profiles_in_time_tell_all_three_rates_of_a_morphogen(tmp_path):
    options = ("[fixed]", '[options]\nclosed = "exact"\n\n[fixed]')
    minutes, x = table("morphogen_tissue/profiles")[:2]

    def gradient(D, k, j, background):
        return 100 * at_rest(x, D, k, j) * share(x, 60 * minutes, D, k) + background

    priors = {"diffusivity": lognormal(0.1, 2.7), "degradation": lognormal(2e-4, 2.7),
              "influx": lognormal(0.03, 2.7), "background": lognormal(5, 1.5)}  # fmt: skip
    known = Known(gradient, lambda value: np.hypot(3, 0.05 * value), **priors)
    known.assert_said_by(Told(posterior("morphogen_tissue", tmp_path, options)), 0.03)


def layers(E_m, E_i, nu=0.33, share=0.3):
    """Stiffness of layers with their normal along y, in plane strain: what is across is in series."""
    weights, E = np.array([1 - share, share]), np.array([E_m, E_i])
    lame, mu = E * nu / ((1 + nu) * (1 - 2 * nu)), E / (2 * (1 + nu))
    stiff = lame + 2 * mu
    across, side = 1 / (weights @ (1 / stiff)), weights @ (lame / stiff)
    along = weights @ (stiff - lame**2 / stiff) + side**2 * across
    return np.array([[along, side * across, 0], [side * across, across, 0], [0, 0, 1 / (weights @ (1 / mu))]])


@BilinearForm
def work(u, v, w):
    """Virtual work in a material of stiffness C."""
    strained = [np.array([f.grad[0, 0], f.grad[1, 1], f.grad[0, 1] + f.grad[1, 0]]) for f in (u, v)]
    return np.einsum("ij,j...,i...", w["C"][..., 0, 0], strained[0], strained[1])


def bent(places, E_m, E_i):
    """Displacements of Cook's panel by scikit-fem alone, on an even mesh of its own; 200 kN/m in all."""
    s = np.linspace(0, 1, 25)
    mesh = MeshQuad.init_tensor(s, s)
    x, y = mesh.p
    mesh = MeshQuad(0.048 * np.array([x, 44 / 48 * x + y * (44 - 28 * x) / 48]), mesh.t)
    basis = Basis(mesh, ElementVector(ElementQuad2()))
    right = FacetBasis(mesh, basis.elem, facets=mesh.facets_satisfying(lambda x: np.isclose(x[0], 0.048)))
    pull = LinearForm(lambda v, w: 2e5 / 0.016 * v[1]).assemble(right)
    C = layers(E_m, E_i)[:, :, None, None]
    held = basis.get_dofs(lambda x: np.isclose(x[0], 0.0))
    return basis.probes(places) @ solve(*condense(work.assemble(basis, C=C), pull, D=held))


def test_a_bent_panel_tells_the_matrix_well_and_its_stiff_layers_weakly():
    """Both have one prior; stiff layers hardly matter to a stiffness that soft ones limit."""
    told, places = Told(posterior("fe2_composite")), 1e-3 * table("fe2_composite/linear")[:2]
    noise = halfnormal(2e-5)(0.0)
    moduli = {"matrix_modulus": lognormal(3e9, 1.5), "inclusion_modulus": lognormal(70e9, 1.5)}
    Known(partial(bent, places), noise, **moduli).assert_said_by(told, 0.02)
    assert told.left("inclusion_modulus") > 3 * told.left("matrix_modulus")
    assert told.correlation("matrix_modulus", "inclusion_modulus") < -0.9


@cache
def tumour(days, doses, growth, stimulation, inhibition, by_A, by_E, log_capacity, log_volume):
    """Logarithms of volumes under daily doses in mg/kg, by SciPy from dose to dose."""
    y, drugs, clearance, seen = np.array([log_volume, log_capacity]), np.zeros(2), np.array([0.38, 1.7]), []
    for day in range(int(days[-1]) + 1):
        if day in days:
            seen.append(y[0])
        drugs = drugs + doses

        def rates(t, y, drugs=drugs, day=day):
            lost = inhibition * np.exp(2 * y[0] / 3) + np.dot(
                (by_A, by_E), drugs * np.exp(-clearance * (t - day))
            )
            return [growth * (y[1] - y[0]), stimulation * np.exp(y[0] - y[1]) - lost]

        y = solve_ivp(rates, (day, day + 1), y, "DOP853", rtol=1e-9, atol=1e-9).y[:, -1]
        drugs = drugs * np.exp(-clearance)
    return np.array(seen)


ARMS = {"control": (0, 0), "angiostatin_20": (20, 0), "endostatin_20": (0, 20), "endostatin_4": (0, 4),
        "both_20": (20, 20)}  # fmt: skip
TISSUE = {"growth_rate": lognormal(0.2, 3), "stimulation": lognormal(5, 5), "inhibition": lognormal(0.01, 5),
          "angiostatin_effect": lognormal(0.2, 5), "endostatin_effect": lognormal(0.5, 5),
          "capacity_initial": lognormal(600, 2), "typical_log_volume": lambda score: 5.3 + 0.5 * score,
          **{f"volume_initial[{i}]": float for i in range(len(ARMS))}}  # fmt: skip


def mice(arms, growth, stimulation, inhibition, angiostatin, endostatin, capacity, typical, *own):
    """Readings of some groups, which begin about a common volume, each on its own."""
    made = []
    for arm, score in zip(ARMS, own, strict=True):
        if arm in arms:
            days = tuple(table(f"tumor_hallmarks/{arm}")[0])
            tissue = (growth, stimulation, inhibition, angiostatin, endostatin, np.log(capacity))
            made.append(tumour(days, ARMS[arm], *tissue, typical + 0.3 * score))
    return np.concatenate(made)


SCATTER = halfnormal(0.3)(0.0)


def caliper(logs):
    """Sds of readings without a limit that tell of a log-volume what one that is lost below 5 mm^3 does."""
    limits = (np.log(5.0) - logs) / SCATTER
    told = [norm.expect(np.square, lb=z) + norm.pdf(z) ** 2 / norm.cdf(z) for z in limits]
    return SCATTER / np.sqrt(told)


def test_control_mice_leave_what_drugs_do_to_the_prior_and_trade_two_numbers_of_the_tissue():
    """The fifth group has volumes near the limit of detection and ends with zeros, which are censored."""
    case = posterior("tumor_hallmarks")
    drugs, tissue = ("angiostatin_effect", "endostatin_effect"), ("growth_rate", "stimulation", "inhibition")
    told = []
    for arms in (("control",), tuple(ARMS)[:4], tuple(ARMS)):
        told.append(Told(seeing(case, *(arm.replace("_", " ") for arm in arms))))
        Known(partial(mice, arms), caliper, **TISSUE).assert_said_by(told[-1], 1e-3)
    control, four, five = told
    assert control.left(*drugs) == pytest.approx([1, 1], abs=1e-9)
    assert control.correlation("stimulation", "inhibition") > 0.9
    assert np.all(five.left(*drugs) < 0.5)
    assert np.all(five.left(*tissue) < 0.75 * control.left(*tissue))
    assert five.left("growth_rate") < 0.75 * four.left("growth_rate")
