"""Right-hand sides of a growing tumour: the tissue alone, and the network of nine equations around it.

A module writes the rates of its own state variables and reads states of others. A meta-process is a module
that writes no rate of another but moves a *parameter* of it: `PORTS` says which state variable is the
logarithm of the factor on which parameter, so that what drifts stays positive.

The tissue is that of Hahnfeldt et al. (1999), in logarithms, with its drugs cleared at constant rates; the
molecular, cellular and meta modules are this project's own smallest caricature of the hallmarks of cancer.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from mscale_uq.models.physiology._spheroid import OXYGEN, living_share

from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.solve.kernel import kernel


def rate(name, default, meaning, unit="1/day"):
    """A positive parameter."""
    return Parameter(name, unit, default, lower=0, meaning=meaning)


SHARED = (
    rate("stimulation", 5.85, "b, vessels that the tumour induces per volume and time"),
    rate("inhibition", 0.00873, "d_i, of vessels by the tumour, with its surface", "1/(day mm^2)"),
    rate("angiostatin_effect", 1.5e5, "e_A, vessels lost per dose and time", "kg/(kg day)"),
    rate("endostatin_effect", 6.6e5, "e_E, vessels lost per dose and time", "kg/(kg day)"),
    rate("angiostatin_clearance", 0.38, "of angiostatin from the body"),
    rate("endostatin_clearance", 1.7, "of endostatin from the body"),
    rate("volume_initial", 200.0, "of the tumour at first", "mm^3"),
    rate("capacity_initial", 625.0, "volume that its vessels can feed at first", "mm^3"),
)
TISSUE = (rate("growth_rate", 0.192, "lambda_1, of the tissue alone"),)
# What damage of the genome takes to begin and to act.
DAMAGE = ("mutagenesis", "inflamed_mutagenesis", "repair", "independence_drift", "function_drift",
          "drive_drift", "mutation_rate")  # fmt: skip
HALLMARKS = (
    rate("angiogenic_drive", 1.0, "kappa, factor on the stimulation of vessels, at first", "1"),
    rate("mitogen", 0.5, "g, growth signal from outside"),
    rate("independence", 0.2, "alpha, growth signal of its own, at first"),
    rate("inflamed_growth", 0.5, "growth signal by inflammation"),
    rate("effector_loss", 2.0, "of the mitogenic activity"),
    rate("suppressor_effect", 1.0, "of the suppressor on the mitogenic activity"),
    rate("suppressor_function", 1.0, "s, of the suppressor at first", "1"),
    rate("suppressor_turnover", 0.5, "of the suppressor"),
    rate("damage_response", 2.0, "of the suppressor to an unstable genome", "1"),
    rate("division_rate", 1.0, "of cells at most"),
    rate("basal_death", 0.01, "of cells"),
    rate("suppressed_death", 0.04, "of cells, by the suppressor at most"),
    rate("inflammation_rate", 0.1, "at which a large tumour inflames"),
    rate("inflaming_volume", 1000.0, "at which it does so at half this rate", "mm^3"),
    rate("inflammation_loss", 0.2, "of inflammation"),
    rate("mutagenesis", 0.001, "damage of the genome by chance"),
    rate("inflamed_mutagenesis", 0.05, "damage of the genome by inflammation"),
    rate("repair", 0.01, "of the genome"),
    rate("independence_drift", 0.05, "b_alpha, growth of ln alpha in an unstable genome"),
    rate("function_drift", 0.05, "b_s, fall of ln s in an unstable genome"),
    rate("drive_drift", 0.03, "b_kappa, growth of ln kappa in an unstable genome"),
    rate("mutation_rate", 3.0, "mutations found per time in an unstable genome"),
    rate("effector_initial", 0.3, "x_E at first", "1"),
    rate("suppressor_initial", 0.4, "x_p at first", "1"),
)
TISSUE_STATE = (
    Quantity("log_volume", "1", "logarithm of the tumour's volume"),
    Quantity("log_capacity", "1", "logarithm of the volume that its vessels can feed"),
    Quantity("angiostatin", "kg/kg", "in the body"),
    Quantity("endostatin", "kg/kg", "in the body"),
)
MODULES = (
    Quantity("effector", "1", "x_E, activity of the mitogenic pathway"),
    Quantity("suppressor", "1", "x_p, activity of the tumour suppressor"),
    Quantity("inflammation", "1", "I"),
    Quantity("instability", "1", "G, of the genome, from 0 to 1"),
    Quantity("independence_shift", "1", "logarithm of the factor on the independence of growth signals"),
    Quantity("function_shift", "1", "logarithm of the factor on the function of the suppressor"),
    Quantity("drive_shift", "1", "logarithm of the factor on the angiogenic drive"),
    Quantity("mutations_expected", "1", "number found, expected"),
)
NETWORK_STATE = (*TISSUE_STATE, *MODULES)
OF_TISSUE = ("stimulation", "inhibition", "angiostatin_effect", "endostatin_effect", "angiostatin_clearance",
          "endostatin_clearance")  # fmt: skip
ALONE = (*OF_TISSUE, "growth_rate")
NETWORK = (
    *OF_TISSUE, "angiogenic_drive",
    "mitogen", "independence", "inflamed_growth", "effector_loss", "suppressor_effect",
    "suppressor_function", "suppressor_turnover", "damage_response",
    "division_rate", "basal_death", "suppressed_death",
    "inflammation_rate", "inflaming_volume", "inflammation_loss",
    "mutagenesis", "inflamed_mutagenesis", "repair",
    "independence_drift", "function_drift", "drive_drift", "mutation_rate",
)  # fmt: skip
# What a spheroid has not.
VESSELS = (*OF_TISSUE, "angiogenic_drive", "drive_drift", "log_capacity_initial", "capacity_initial")
PORTS = {
    "independence_shift": "independence",
    "function_shift": "suppressor_function",
    "drive_shift": "angiogenic_drive",
}
MOVED = tuple(NETWORK.index(parameter) for parameter in PORTS.values())
# Places in the state, in its order, and those of the parameters, as `NETWORK` and OXYGEN have them.
V, K, A, E, X_E, X_P, INFLAMED, G, LOG_ALPHA, LOG_S, LOG_KAPPA, FOUND = range(len(NETWORK_STATE))
(
    STIMULATION, INHIBITION, ANGIOSTATIN_EFFECT, ENDOSTATIN_EFFECT, ANGIOSTATIN_CLEARANCE,
    ENDOSTATIN_CLEARANCE, DRIVE,
    MITOGEN, INDEPENDENCE, INFLAMED_GROWTH, EFFECTOR_LOSS, SUPPRESSOR_EFFECT,
    FUNCTION, TURNOVER, DAMAGE_RESPONSE,
    DIVISION_RATE, BASAL_DEATH, SUPPRESSED_DEATH,
    INFLAMMATION_RATE, INFLAMING_VOLUME, INFLAMMATION_LOSS,
    MUTAGENESIS, INFLAMED_MUTAGENESIS, REPAIR,
    INDEPENDENCE_DRIFT, FUNCTION_DRIFT, DRIVE_DRIFT, MUTATION_RATE,
    OXYGEN_DIFFUSIVITY, OXYGEN_DEMAND,
) = range(len(NETWORK) + len(OXYGEN))  # fmt: skip
GROWTH_RATE = ALONE.index("growth_rate")
# Activities at which effector and suppressor act at half of their strength.
HALF_EFFECTOR, HALF_SUPPRESSOR = 0.3, 0.5


@kernel(error_model="python")
def tissue(y, p, growth, death, drive, dy):
    """Volume follows capacity (Gompertz); the tumour drives vessels, its surface and drugs inhibit them."""
    by_drugs = p[ANGIOSTATIN_EFFECT] * y[A] + p[ENDOSTATIN_EFFECT] * y[E]
    lost = p[INHIBITION] * np.exp(2 * y[V] / 3) + by_drugs
    dy[V] = growth * (y[K] - y[V]) - death
    dy[K] = p[STIMULATION] * drive * np.exp(y[V] - y[K]) - lost
    dy[A], dy[E] = -p[ANGIOSTATIN_CLEARANCE] * y[A], -p[ENDOSTATIN_CLEARANCE] * y[E]


@kernel(error_model="python")
def molecular(y, p, dy):
    """Mitogens and inflammation drive the effector, which the suppressor holds, as damage makes it."""
    signal = p[MITOGEN] + p[INDEPENDENCE] + p[INFLAMED_GROWTH] * y[INFLAMED]
    dy[X_E] = signal * (1 - y[X_E]) - p[EFFECTOR_LOSS] * y[X_E] - p[SUPPRESSOR_EFFECT] * y[X_P] * y[X_E]
    made = p[FUNCTION] * (1 + p[DAMAGE_RESPONSE] * y[G])
    dy[X_P] = p[TURNOVER] * (made * (1 - y[X_P]) - y[X_P])


@kernel(error_model="python")
def cellular(effector, suppressor, division_rate, basal_death, suppressed_death):
    """Rates at which cells divide and die, as effector and suppressor say."""
    driven = effector**2 / (HALF_EFFECTOR**2 + effector**2)
    held = (suppressor / HALF_SUPPRESSOR) ** 2
    return division_rate * driven / (1 + held), basal_death + suppressed_death * held / (1 + held)


@kernel(error_model="python")
def meta(y, p, dy):
    """A large tumour inflames; this, and chance, damage the genome; parameters drift with the damage."""
    inflaming = p[INFLAMMATION_RATE] / (1 + p[INFLAMING_VOLUME] * np.exp(-y[V]))
    dy[INFLAMED] = inflaming - p[INFLAMMATION_LOSS] * y[INFLAMED]
    damage = p[MUTAGENESIS] + p[INFLAMED_MUTAGENESIS] * y[INFLAMED]
    dy[G] = damage * (1 - y[G]) - p[REPAIR] * y[G]
    dy[LOG_ALPHA], dy[LOG_S] = p[INDEPENDENCE_DRIFT] * y[G], -p[FUNCTION_DRIFT] * y[G]
    dy[LOG_KAPPA], dy[FOUND] = p[DRIVE_DRIFT] * y[G], p[MUTATION_RATE] * y[G]


@kernel(error_model="python")
def through_ports(y, p):
    """Return the parameters as the meta-processes have moved them."""
    moved = p.copy()
    for k in range(len(MOVED)):
        moved[MOVED[k]] *= np.exp(y[LOG_ALPHA + k])
    return moved


def by_chance(t, y, p, g):  # noqa: ARG001
    """Strength of chance in what drifts: p[0] times the instability, in each of the logarithms."""
    for i in range(y.size):
        g[i] = 0.0
    for k in range(len(MOVED)):
        g[LOG_ALPHA + k] = p[0] * y[G]


def alone(t, y, p, dy):  # noqa: ARG001  (autonomous)
    """The tissue, whose cells divide at a constant rate and do not die."""
    tissue(y, p, p[GROWTH_RATE], 0.0, 1.0, dy)


def network(t, y, p, dy):  # noqa: ARG001
    """All modules; `tissue` reads its drive through a port as well."""
    q = through_ports(y, p)
    molecular(y, q, dy)
    growth, death = cellular(y[X_E], y[X_P], q[DIVISION_RATE], q[BASAL_DEATH], q[SUPPRESSED_DEATH])
    tissue(y, q, growth, death, q[DRIVE], dy)
    meta(y, q, dy)


def avascular(t, y, p, dy):  # noqa: ARG001
    """The same modules around a spheroid: cells divide where oxygen reaches them."""
    q = through_ports(y, p)
    molecular(y, q, dy)
    growth, death = cellular(y[X_E], y[X_P], q[DIVISION_RATE], q[BASAL_DEATH], q[SUPPRESSED_DEATH])
    dy[V] = growth * living_share(y[V], q[OXYGEN_DIFFUSIVITY], q[OXYGEN_DEMAND]) - death
    dy[K] = dy[A] = dy[E] = 0 * y[V]
    meta(y, q, dy)


class Model(NamedTuple):
    """Parameters, readings, rates, state, what the rates read, and what is zero and stays so."""

    parameters: tuple[Parameter, ...]
    seen: tuple[str, ...]
    rates: Callable
    state: tuple[Quantity, ...]
    reads: tuple[str, ...]
    still: tuple[str, ...] = ()


STABLE = tuple(one for one in HALLMARKS if one.name not in DAMAGE)
ALIVE = tuple(one for one in (*SHARED, *HALLMARKS) if one.name not in VESSELS)
WHOLE, BREATHING = (network, NETWORK_STATE, NETWORK), (*NETWORK, *(one.name for one in OXYGEN))
MODELS = {
    "tissue": Model((*SHARED, *TISSUE), ("volume", "vessel_density"), alone, TISSUE_STATE, ALONE),
    "frozen": Model((*SHARED, *STABLE), ("volume", "vessel_density", "marker"), *WHOLE, DAMAGE),
    "drifting": Model((*SHARED, *HALLMARKS), ("volume", "vessel_density", "marker", "mutations"), *WHOLE),
    "spheroid": Model((*ALIVE, *OXYGEN), ("volume", "viable_fraction", "marker", "mutations"),
                      avascular, NETWORK_STATE, BREATHING, VESSELS),
}  # fmt: skip
