"""A body of a solid electrolyte that carries current: hopping conductivity, Joule's heat and its way out.

Rates of the overheating at the nodes of a `SymmetricBody`, for `Ode`, and where they vanish. Source of the
conductivity: bonds in series along a chain, G = G_0 exp(-E/kT) with E normal of mean E_m and deviation s,
conduct as the harmonic mean; its average over bonds is exp(-E_m/kT - s^2/(2 k^2 T^2)), and the relation of
Nernst and Einstein adds 1/T.
"""

import numpy as np

from mscale_uq.core.fold import Fold
from mscale_uq.core.implicit import Branch, Implicit
from mscale_uq.core.parameter import Quantity
from mscale_uq.errors import ParameterError, explain
from mscale_uq.macro.ode import Ode
from mscale_uq.macro.ode_rate import OdeRate
from mscale_uq.solve.kernel import kernel
from mscale_uq.solve.stiff import Tolerances
from mscale_uq.solve.symmetric import symmetric_body
from mscale_uq.solve.symmetric_kernels import conduct

HOPPING = ("conductivity_ref", "migration_energy", "disorder", "boltzmann", "reference")
LOADS = ("furnace_temperature", "drive")
LOSSES = ("thermal_conductivity", "heat_transfer", "emissivity", "heat_capacity", "stefan_boltzmann")
BODY = ("half_width", "surface", "weights", "stiffness")
OVERHEATING = 10.0  # K, about how far a body heats itself until it runs away
NAMES = (*LOADS, *HOPPING, *LOSSES, *BODY)  # the order of p in the rates


def conductivity(temperature, conductivity_ref, migration_energy, disorder, boltzmann, reference):
    """By Arrhenius with 1/T, bent by the scatter of the barriers, from that at the reference temperature."""
    u = (1 / temperature - 1 / reference) / boltzmann
    v = (1 / temperature**2 - 1 / reference**2) / boltzmann**2
    return conductivity_ref * reference / temperature * np.exp(-migration_energy * u - disorder**2 / 2 * v)


hopping = kernel(error_model="python")(conductivity)  # the same law in the rates


@kernel(error_model="python")
def lose(y, p, dy):
    """Turn heating per volume into rates: conduction to the surface, convection and radiation from there."""
    T_0, k, h, emissivity, C, radiation = p[0], p[7], p[8], p[9], p[10], p[11]
    surface = y[y.size - 1]
    lost = h * surface + emissivity * radiation * ((T_0 + surface) ** 4 - T_0**4)
    conduct(y, p, 12, k, lost, dy)
    for i in range(y.size):
        dy[i] /= C


def along(t, y, p, dy):  # noqa: ARG001  (autonomous)
    """The field, whose square is the drive, runs along the surface and is the same everywhere."""
    for i in range(y.size):
        dy[i] = p[1] * hopping(p[0] + y[i], p[2], p[3], p[4], p[5], p[6])
    lose(y, p, dy)


def across(t, y, p, dy):  # noqa: ARG001
    """Electrodes on both faces of a slab: one current everywhere; the drive is the mean field squared."""
    resistivity = 0 * y[0]
    for i in range(y.size):
        dy[i] = 1 / hopping(p[0] + y[i], p[2], p[3], p[4], p[5], p[6])
        resistivity += p[14 + i] * dy[i]
    for i in range(y.size):
        dy[i] *= p[1] / resistivity**2
    lose(y, p, dy)


def driven(t, y, p, dy):  # noqa: ARG001
    """The same slab, where a source holds the current density, whose square is the drive."""
    for i in range(y.size):
        dy[i] = p[1] / hopping(p[0] + y[i], p[2], p[3], p[4], p[5], p[6])
    lose(y, p, dy)


RATES = {"along": along, "across": across, "driven": driven}


def apparent_energy(temperature, migration_energy, disorder, boltzmann):
    """The slope of an Arrhenius plot of conductivity times temperature through the readings, a barrier.

    The scatter of the barriers bends the plot; a straight line through one temperature is the tangent there.
    """
    x = 1 / temperature
    off = x - np.mean(x)
    bend = off @ x**2 / (off @ off) if np.ptp(x) > 0 else 2 * np.mean(x)
    return migration_energy + disorder**2 / (2 * boltzmann) * bend


def settings(o, supply):
    """Return the body and what is fixed, by the options `o` of the system.

    Raises
    ------
    ParameterError
        If a body that is no slab is held between electrodes.
    """
    if supply == "across" and o.shape != "slab":
        raise ParameterError(explain(f"solid_electrolyte: a {o.shape} between electrodes", "shape = 'slab'"))
    body = symmetric_body(o.shape, o.nodes)
    made = {"boltzmann": o.boltzmann, "reference": o.reference, "stefan_boltzmann": o.stefan_boltzmann}
    made |= {"half_width": o.half_width, "surface": body.surface, "weights": body.weights}
    made |= {"stiffness": body.stiffness, "heat_capacity": 1.0}
    return body, made if supply == "along" else made | {"emissivity": 0.0}  # electrodes do not radiate


def heated(supply, nodes):
    """Return the equation of the overheating."""
    state = (Quantity("overheating", "K", "above the furnace", shape=(nodes,)),)
    shapes = {"weights": (nodes,), "stiffness": (nodes, nodes)}
    return Ode("heated body", RATES[supply], state, NAMES, Tolerances(1e-9, 1e-9), shapes)


def balance(supply, nodes, along, since, latest=None, output=""):
    """Return the state at rest on the branch that begins at `since`, or the fold at its end."""
    stages, start = [OdeRate(heated(supply, nodes))], np.zeros(nodes)
    # Along the drive it begins in proportion, along the temperature exponentially small.
    branch = Branch(along, since, None if along == "drive" else OVERHEATING)
    names = ("overheating", "overheating_rate")
    if latest is None:
        return Implicit(stages, *names, start, "body at rest", branch=branch)
    return Fold(stages, *names, start, branch, latest, output, "runaway")
