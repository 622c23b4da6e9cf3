"""What currents that heat an electrolyte tell: by the thermistor theorem, and by a rod of one temperature."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.stats import beta, norm
from told_of_cases import Known, Told, halfnormal, lognormal, seeing, table

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case

HALF, ELECTRODES, GAS, CAPACITY, SIGMA_B = 2e-3, 2e4, 20.0, 2.5e6, 5.670374419e-8
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
NODES, WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2
PRIORS = {"conductivity_ref": lognormal(0.03, 1.5), "migration_energy": lognormal(0.35, 1.2),
          "disorder": halfnormal(0.04), "thermal_conductivity": lognormal(1.5, 2),
          "emissivity": lambda score: beta(5, 2).ppf(norm.cdf(score))}  # fmt: skip


def conductivity(T, reference, barrier, scatter):
    """Hopping over barriers in eV that scatter, with the 1/T of Nernst and Einstein."""
    kT, kT_ref = 8.617333262e-5 * T, 8.617333262e-5 * 300.0
    bend = scatter**2 / 2 * (1 / kT**2 - 1 / kT_ref**2)
    return reference * 300.0 / T * np.exp(-barrier * (1 / kT - 1 / kT_ref) - bend)


def between_electrodes(field, T_0, law, k):
    """Mean current density and temperature of the middle of a slab, by the theorem: no mesh.

    From the middle on, the potential is phi^2/2 = int_T k/sigma; heat flows as j phi, a = int k dT/(j phi).
    """

    def beyond(surface):
        def resisted(T, middle):
            rest = np.reshape(T, (-1, 1)) + (middle - np.reshape(T, (-1, 1))) * NODES
            return k * (middle - T) * (WEIGHTS / conductivity(rest, *law)).sum(axis=1)

        middle = brentq(
            lambda T: resisted(np.array([surface]), T)[0] - (HALF * field) ** 2 / 2, surface, surface + 300
        )
        T = middle - (middle - surface) * NODES**2
        slope = 2 * (middle - surface) * NODES
        return middle, np.sum(WEIGHTS * k * slope / np.sqrt(2 * resisted(T, middle))) / HALF

    surface = brentq(
        lambda T: beyond(T)[1] * HALF * field - ELECTRODES * (T - T_0), T_0 + 1e-6, T_0 + 10, xtol=1e-10
    )
    middle, current = beyond(surface)
    return current, middle


def warmed(time, law, emissivity):
    """Temperature of a rod that is the same all over, in a field of 1 kV/m and a furnace of 340 K."""

    def rate(_, T):
        lost = GAS * (T - 340.0) + emissivity * SIGMA_B * (T**4 - 340.0**4)
        return (conductivity(T, *law) * 1e6 - 2 / HALF * lost) / CAPACITY

    return solve_ivp(rate, (0, time[-1]), [340.0], "DOP853", time, rtol=1e-10, atol=1e-10).y[0]


def readings(reference, barrier, scatter, k, emissivity):
    """Of all three experiments, each over its noise."""
    law = reference, barrier, scatter
    field, T_0 = table("solid_electrolyte/joule")[:2]
    current, middle = np.transpose(
        [between_electrodes(E, T, law, k) for E, T in zip(field, T_0, strict=True)]
    )
    rod = warmed(table("solid_electrolyte/warming")[0], law, emissivity)
    logs = np.log(conductivity(table("solid_electrolyte/impedance")[0], *law))
    return np.concatenate([logs / 0.02, np.log(current) / 0.01, middle / 0.5, rod / 0.5])


def test_barrier_and_scatter_trade_off_and_heat_tells_how_it_leaves_but_little_of_the_barrier():
    case = read_case(find_case("solid_electrolyte")).posterior()
    impedance, all_three = Told(seeing(case, "impedance")), Told(case)
    Known(readings, 1.0, **PRIORS).assert_said_by(all_three, 0.01)
    assert impedance.left("thermal_conductivity", "emissivity") == pytest.approx([1, 1], abs=1e-9)
    assert np.all(all_three.left("thermal_conductivity", "emissivity") < [0.05, 0.5])
    assert all_three.left("migration_energy") > 0.75 * impedance.left("migration_energy")
