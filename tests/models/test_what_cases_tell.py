"""What the tool itself says of the shipped cases: which combinations the data tell, and which they leave."""

import numpy as np
import pytest
from mscale_uq.models.cells.morphogen_tissue import at_rest
from scipy.stats import multivariate_normal, norm

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.diagnose.identifiability import identifiability
from mscale_uq.diagnose.normal_scores import from_normal
from mscale_uq.diagnose.told import told_by_draws
from mscale_uq.errors import NoGradient

COARSE_ROAD = ("[fixed]", "[options]\ncells = 20\n\n[fixed]")
PER_FACTOR = 1 / 1.959964  # the sd of a logarithm, of the logarithm of a prior's factor


@pytest.fixture
def changed(tmp_path):
    """A shipped case, some of its text changed."""

    def write(name, *pairs):
        text = find_case(name).read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new, 1)
        (tmp_path / "case.toml").write_text(text, encoding="utf-8")
        return read_case(tmp_path / "case.toml")

    return write


@pytest.fixture
def posterior(changed):
    return lambda *case: changed(*case).posterior()


def seeing(posterior, *names, quantity=None):
    """Return the posterior of some experiments, or of one quantity: all other readings are missing."""

    def kept(experiment, one):
        return (not names or experiment.name in names) and quantity in (None, one)

    return posterior.changed(
        [
            e.changed(
                observed={q: d if kept(e, q) else np.full_like(d, np.nan) for q, d in e.observed.items()}
            )
            for e in posterior.experiments
        ]
    )


class Told:
    """The verdict at the prior median: shares of the prior's sds that are left, and correlations."""

    def __init__(self, posterior):
        found = identifiability(posterior, np.random.default_rng(0), draws=0)
        self.point, self.names = found.points[0], found.names

    def left(self, *names):
        return self.point.kept[[self.names.index(name) for name in names]]

    def correlation(self, one, other):
        return self.point.correlation[self.names.index(one), self.names.index(other)]

    def along(self, **direction):
        """Share of the information in a direction of normal scores: zero if nothing is told along it."""
        step = np.zeros(len(self.names))
        for label, part in direction.items():
            step[self.names.index(label.replace("_0", "[0]"))] = part
        fisher = self.point.fisher
        return np.linalg.norm(fisher @ step) / np.linalg.norm(fisher, 2) / np.linalg.norm(step)


def test_a_tracer_tells_velocity_and_partition_apart(posterior):
    """Known for 60 readings of 2 %: a correlation of 0.998 without the tracer; with it logarithms to 0.005 of
    the velocity, 0.058, 0.015 and 0.046 of the others, where binding is seen. 0.15 of these priors is 0.03 of
    the velocity and 0.08 of the dispersivity."""
    case = posterior("reactive_transport")
    alone, both = Told(seeing(case, "reactive solute")), Told(case)
    assert abs(alone.correlation("velocity", "partition")) > 0.8
    assert abs(both.correlation("velocity", "partition")) < 0.5
    assert both.left("velocity") < alone.left("velocity") / 4
    assert np.all(both.left("velocity", "dispersivity", "partition", "sorption_rate") < 0.15)


def test_spheres_tell_how_much_they_hold_and_consume_and_radius_and_diffusivity_as_one(posterior):
    freed = '[prior]\ndepth = { dist = "lognormal", median = "1 mm", factor = 2 }'
    at = ("at = {", 'at = { depth = "1 mm",')
    case = posterior("reactive_transport_spheres", ('depth = "1 mm"\n', ""), ("[prior]", freed), at)
    alone, both = Told(seeing(case, "spheres")), Told(case)
    # radius^2/diffusivity is the same along this line; priors' factors are 2 and 10.
    same = {"depth": 1 / np.log(2), "pore_diffusivity": 2 / np.log(10)}
    assert both.along(**same) < 1e-9
    assert np.all(both.left("phase_ratio", "pore_rate") < 0.2)
    assert both.correlation("phase_ratio", "pore_rate") < -0.7
    assert both.left("velocity") < alone.left("velocity") / 4
    assert (
        abs(both.correlation("velocity", "phase_ratio"))
        < abs(alone.correlation("velocity", "phase_ratio")) / 2
    )


def test_barrier_and_scatter_trade_off_and_heat_tells_how_it_leaves_but_little_of_the_barrier(posterior):
    """Known from 250 to 400 K at 2 %: a correlation of barrier and scatter of 0.998 in size, and that heating
    tells of conduction and radiation, not of the barrier. Impedance knows nothing of either."""
    case = posterior("solid_electrolyte")
    impedance, all_three = Told(seeing(case, "impedance")), Told(case)
    assert impedance.correlation("migration_energy", "disorder") < -0.99
    assert impedance.left("thermal_conductivity", "emissivity") == pytest.approx([1, 1], abs=1e-9)
    assert np.all(all_three.left("thermal_conductivity", "emissivity") < [0.05, 0.5])
    assert all_three.left("migration_energy") > 0.75 * impedance.left("migration_energy")


def test_voltages_tell_the_slow_electrode_best_and_the_sum_of_both_reactions(posterior):
    """Known: a discharge tells the diffusion time of the positive electrode well, and the kinetics of both
    electrodes as one resistance. A prior's sd is 1.17 of the logarithm, so that 0.02 of it is 2 %."""
    told = Told(posterior("lithium_cell"))
    slow, fast, graphite, oxide = told.left(
        "positive_diffusivity", "negative_diffusivity", "negative_rate", "positive_rate"
    )
    assert slow < 0.02 < fast < 0.1
    assert graphite < oxide / 2
    assert told.correlation("negative_rate", "positive_rate") < -0.95


def test_growth_alone_tells_the_product_of_cost_and_expression_and_light_tells_each(posterior):
    """Exact: growth reads nothing but their product. Known: supply and maintenance trade off."""
    case = posterior("host_circuit")
    # More of one and less of the other, by the same factor; priors' factors are 4 and 2.
    apart = {"expression_0": 1 / np.log(4), "cost_0": -1 / np.log(2)}
    growth, both = Told(seeing(case, quantity="growth")), Told(case)
    assert growth.along(**apart) < 1e-9
    assert both.along(**apart) > 1e-3
    assert both.left("expression[0]") < 0.3 * growth.left("expression[0]")
    assert both.correlation("supply", "maintenance") > 0.5


def test_the_host_alone_tells_maintenance_from_what_the_weakest_construct_costs(posterior):
    """Without it growth knows their sum: one is traded for the other, in proportion to what each is."""
    case = posterior("host_circuit")
    constructs = [f"construct {number}" for number in range(1, 6)]
    with_it, without = Told(case), Told(seeing(case, *constructs))
    assert without.left("maintenance") > 1.5 * with_it.left("maintenance")
    assert without.correlation("maintenance", "cost[0]") < with_it.correlation("maintenance", "cost[0]")


def test_a_bent_panel_tells_the_matrix_well_and_its_stiff_layers_weakly(posterior):
    """Known: stiff inclusions hardly matter to a stiffness that soft layers limit; both have one prior."""
    told = Told(posterior("fe2_composite"))
    assert told.left("inclusion_modulus") > 3 * told.left("matrix_modulus")
    assert told.correlation("matrix_modulus", "inclusion_modulus") < -0.9


def test_profiles_in_time_tell_all_three_rates_of_a_morphogen(posterior):
    """Known for 5 %: logarithms to 0.027, 0.038 and 0.026; these readings have 3 units more of noise."""
    exact = posterior("morphogen_tissue", ("[fixed]", '[options]\nclosed = "exact"\n\n[fixed]'))
    rates = "diffusivity", "degradation", "influx"
    assert np.all(Told(exact).left(*rates) * np.log(2.7) * PER_FACTOR < 0.06)


def test_control_mice_leave_what_drugs_do_to_the_prior_and_trade_two_numbers_of_the_tissue(posterior):
    """Known of controls alone: a correlation of 0.997 without priors, and two combinations of three; other
    arms tell the drugs. Priors bound here what is free there, so that 0.9 is what is asked."""
    case = posterior("tumor_hallmarks")
    control, all_five = Told(seeing(case, "control")), Told(case)
    drugs, tissue = ("angiostatin_effect", "endostatin_effect"), ("growth_rate", "stimulation", "inhibition")
    assert control.left(*drugs) == pytest.approx([1, 1], abs=1e-9)
    assert control.correlation("stimulation", "inhibition") > 0.9
    assert np.all(all_five.left(*drugs) < 0.5)
    assert np.all(all_five.left(*tissue) < 0.75 * control.left(*tissue))


@pytest.mark.slow
def test_features_of_a_beat_tell_five_scales_as_known_and_leave_three_to_the_prior(posterior):
    """Known, linearised: deviations of the logarithms under a prior sd of 0.3, to 0.02."""
    names, known = ("P_CaL", "K_NaCa", "P_up", "g_f"), (0.069, 0.135, 0.136, 0.176)
    rest, rest_known = ("P_CaT", "k_s", "g_to"), (0.279, 0.271, 0.275)
    held = "P_CaT = 1\nk_s = 1\ng_to = 1\n"
    freed = "".join(f'{name} = {{ dist = "lognormal", median = 1, factor = 1.8 }}\n' for name in rest)
    told = Told(posterior("sinoatrial_cell", (held, ""), ("[prior]\n", "[prior]\n" + freed)))
    sds = told.left(*names, *rest, "g_Kr") * np.log(1.8) * PER_FACTOR
    assert sds[:-1] == pytest.approx([*known, *rest_known], abs=0.02)
    assert sds[-1] < 0.072


def told_by_weighed_draws(case, size, powers=(0.02, 0.1, 0.4, 1.0)):
    """What draws tell, without derivatives: normal proposals, resampled by ever more of the likelihood."""
    posterior, rng = case.posterior(), np.random.default_rng(3)
    law = multivariate_normal(np.zeros(posterior.size))
    for power in powers:
        z = law.rvs(size, random_state=rng)
        thetas = [from_normal(posterior, row) for row in z]
        seen = np.array([posterior.log_likelihood(theta) for theta in thetas])
        log = power * seen + norm.logpdf(z).sum(axis=1) - law.logpdf(z)
        weight = np.exp(log - log.max())
        rows = rng.choice(size, size, p=weight / weight.sum())
        law = multivariate_normal(z[rows].mean(axis=0), 1.5 * np.cov(z[rows].T))
    effective = weight.sum() ** 2 / np.sum(weight**2)
    assert effective > 0.15 * size
    kept = [posterior.split(thetas[row]) for row in rows]
    draws = {n: np.array([[one[n] for one in kept]]) for n in posterior.variables}
    return told_by_draws(posterior, draws, effective)


def test_free_flow_tells_the_free_speed_and_leaves_the_drivers_to_the_prior(changed, tmp_path):
    """Known, where the road carries the inflow at any headway in question."""
    rows = (find_case("traffic_flow").parents[2] / "data/traffic_flow/blocked_road.csv").read_text()
    (tmp_path / "free.csv").write_text("\n".join(rows.splitlines()[:13]) + "\n")  # before the incident
    short = 'median = "1.2 s", factor = 2.2', 'median = "1.2 s", factor = 1.3'
    case = changed("traffic_flow", ("traffic_flow/blocked_road", "free"), COARSE_ROAD, short)
    told = told_by_weighed_draws(case, 800, powers=(0.2, 1.0))
    kept = dict(zip(told.names, told.kept, strict=True))
    assert max(kept["free_speed"], kept["inflow"]) < 0.5
    assert [kept[name] for name in ("headway", "spacing", "exit_capacity")] == pytest.approx(
        [1, 1, 1], abs=0.15
    )


def test_a_profile_at_rest_tells_two_of_three_rates(changed, tmp_path):
    """Known: nothing along (1, 1, 1) of the logarithms; of three equal priors' sds 1/sqrt(3) is left."""
    rows = [f"1e7,{place:g},{100 * at_rest(place) + 6:.4f}" for place in np.linspace(0.0, 60.0, 13)]
    (tmp_path / "rest.csv").write_text("\n".join(["time [s],x [um],fluorescence", *rows]) + "\n")
    small = "[options]\ncells = 12\nmolecules = 200\nreplicas = 2\n\n[fixed]\nbackground = 6"
    case = changed(
        "morphogen_tissue",
        ("morphogen_tissue/profiles", "rest"),
        ("[fixed]", small),
        ("background = { dist", "# background = { dist"),
        ("at = { background = 6 }", ""),
    )
    told = told_by_weighed_draws(case, 400)
    shares, vectors = told.directions
    assert told.kept == pytest.approx(3 * [np.sqrt(1 / 3)], abs=0.08)
    assert np.abs(vectors[:, -1]) == pytest.approx(3 * [np.sqrt(1 / 3)], abs=0.05)
    assert shares[1] < 0.2
    assert shares[2] == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("name", ["traffic_flow", "morphogen_tissue"])
def test_of_a_model_without_derivatives_nothing_is_said_before_a_fit(posterior, name):
    with pytest.raises(NoGradient, match="no derivative"):
        Told(posterior(name))
