"""Two published lithium-ion cells: what they are made of, in SI units, and the curves measured of them.

Sources: S. G. Marquis, V. Sulzer, R. Timms, C. P. Please, S. J. Chapman, An asymptotic derivation of a single
particle model with electrolyte, J. Electrochem. Soc. 166 (2019) A3693-A3706, doi:10.1149/2.0341915jes;
C.-H. Chen, F. Brosa Planella, K. O'Regan, D. Gastol, W. D. Widanage, E. Kendrick, Development of experimental
techniques for parameterization of multi-scale lithium-ion battery models, J. Electrochem. Soc. 167 (2020)
080534, doi:10.1149/1945-7111/ab9050.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import final

import numpy as np

from mscale_uq.core.parameter import Parameter

FARADAY = 96485.33212  # C/mol
THERMAL_VOLTAGE = 8.314462618 * 298.15 / FARADAY  # RT/F at 25 C, in V


@final
@dataclass(frozen=True)
class Electrode:
    """Thickness L and radius R in m, c_max in mol/m^3; D in m^2/s and rate constant m of the particles.

    The rate constant is that of j0 = m sqrt(c_e c (c_max - c)), in A m^(5/2)/mol^(3/2); `conductivity` is the
    effective one of the solid, in S/m.
    """

    thickness: float
    radius: float
    concentration: float
    diffusivity: float
    rate: float
    initial: float
    active: float
    porosity: float
    conductivity: float


@final
@dataclass(frozen=True)
class Cell:
    """Area in m^2, nominal charge in C, voltage when empty, then separator and electrolyte at 1 mol/L."""

    negative: Electrode
    positive: Electrode
    area: float
    charge: float
    empty: float
    thickness: float
    porosity: float
    salt: float
    transference: float
    diffusivity: float
    conductivity: float


def _marquis():
    negative, positive = (
        Electrode(1e-4, 1e-5, c_max, D, m, c / c_max, active, 0.3, sigma * 0.7**1.5)
        for c_max, c, D, m, active, sigma in (
            (24983.2619938437, 19986.609595075, 3.9e-14, 2e-5, 0.6, 100),
            (51217.9257309275, 30730.7554385565, 1e-13, 6e-7, 0.5, 10),
        )
    )
    return Cell(negative, positive, 0.137 * 0.207, 0.680616 * 3600, 3.105, 2.5e-5, 1.0,
                1000.0, 0.4, 5.34e-10 * np.exp(-0.65), 1.1046)  # fmt: skip


def _chen():
    negative = Electrode(85.2e-6, 5.86e-6, 33133.0, 3.3e-14, 6.48e-7, 29866 / 33133, 0.75, 0.25, 215.0)
    positive = Electrode(75.6e-6, 5.22e-6, 63104.0, 4e-15, 3.42e-6, 17038 / 63104, 0.665, 0.335, 0.18)
    return Cell(negative, positive, 0.065 * 1.58, 5 * 3600.0, 2.5, 12e-6, 0.47,
                1000.0, 0.2594, 1.7694e-10, 0.9487)  # fmt: skip


CELLS = MappingProxyType({"Marquis2019": _marquis(), "Chen2020": _chen()})


def salt_marquis(c, p):  # noqa: ARG001
    """Diffusivity of the salt at c mol/L, relative to 1 mol/L."""
    return np.exp(-0.65 * (c - 1.0))


def salt_chen(c, p):  # noqa: ARG001
    """Diffusivity of the salt at c mol/L, relative to 1 mol/L."""
    return (0.8794 * c * c - 3.972 * c + 4.862) / 1.7694


def steps(x, *terms):
    """Sum of h tanh((x - x0)/w) over terms (h, x0, w)."""
    return sum(h * np.tanh((x - x0) / w) for h, x0, w in terms)


def negative_marquis(x):
    """Potential of the negative electrode, in V."""
    return 0.194 + 1.5 * np.exp(-120 * x) + steps(
        x, (0.0351, 0.286, 0.083), (-0.0045, 0.849, 0.119), (-0.035, 0.9233, 0.05), (-0.0147, 0.5, 0.034),
        (-0.102, 0.194, 0.142), (-0.022, 0.9, 0.0164), (-0.011, 0.124, 0.0226), (0.0155, 0.105, 0.029),
    )  # fmt: skip


def positive_marquis(y):
    """Potential of the positive electrode, in V."""
    s = 1.062 * y
    return (2.16216 + 0.07645 * np.tanh(30.834 - 54.4806 * s) + 2.1581 * np.tanh(52.294 - 50.294 * s)
            - 0.14169 * np.tanh(11.0923 - 19.8543 * s) + 0.2051 * np.tanh(1.4684 - 5.4888 * s)
            + 0.2531 * np.tanh((0.56478 - s) / 0.1316) - 0.02167 * np.tanh((s - 0.525) / 0.006))  # fmt: skip


def negative_chen(x):
    """Potential of the negative electrode, in V."""
    tail = 1.9793 * np.exp(-39.3631 * x) + 0.2482
    return tail + steps(x, (-0.0909, 0.1234, 1 / 29.8538), (-0.04478, 0.2769, 1 / 14.9159),
                        (-0.0205, 0.6103, 1 / 30.4444))  # fmt: skip


def positive_chen(y):
    """Potential of the positive electrode, in V."""
    line = -0.8090 * y + 4.4875
    return line + steps(y, (-0.0428, 0.5542, 1 / 18.5138), (-17.7326, 0.3117, 1 / 15.7890),
                        (17.5842, 0.3120, 1 / 15.9308))  # fmt: skip


def constants(chemistry, metre, second, mole, ampere, volt):
    """Return what is fixed of a cell by name, and the units in which it is stated."""
    cell = CELLS[chemistry]
    layers = (cell.negative, cell, cell.positive)
    named = {
        "area": cell.area * metre**2,
        "faraday": FARADAY * ampere * second / mole,
        "thermal_voltage": THERMAL_VOLTAGE * volt,
        "salt_concentration": cell.salt * mole / metre**3,
        "salt_diffusivity": cell.diffusivity * metre**2 / second,
        "salt_conductivity": cell.conductivity * ampere / volt / metre,
        "transference": cell.transference,
        "empty": cell.empty * volt,
        "potential_unit": volt,
        "thicknesses": np.array([layer.thickness for layer in layers]) * metre,
        "porosities": np.array([layer.porosity for layer in layers]),
    }
    for name, electrode in (("negative", cell.negative), ("positive", cell.positive)):
        named[f"{name}_thickness"] = electrode.thickness * metre
        named[f"{name}_radius"] = electrode.radius * metre
        named[f"{name}_concentration"] = electrode.concentration * mole / metre**3
        named[f"{name}_conductivity"] = electrode.conductivity * ampere / volt / metre
    return named


POTENTIALS = MappingProxyType(
    {"Marquis2019": (negative_marquis, positive_marquis), "Chen2020": (negative_chen, positive_chen)}
)
SALT = MappingProxyType({"Marquis2019": salt_marquis, "Chen2020": salt_chen})


def parameters(chemistry, fidelity):
    """Return the micro-parameters, with the values of a published cell."""
    cell, made = CELLS[chemistry], []
    for name, own in (("negative", cell.negative), ("positive", cell.positive)):
        made += [
            Parameter(f"{name}_diffusivity", "m^2/s", own.diffusivity, lower=0, meaning="D in its particles"),
            Parameter(f"{name}_rate", "A*m^2.5/mol^1.5", own.rate, lower=0, meaning="m, of its reaction"),
            Parameter(f"{name}_active", "1", own.active, lower=0, upper=1, meaning="eps_s, active share"),
            Parameter(
                f"{name}_initial", "1", own.initial, lower=0, upper=1, meaning="stoichiometry at first"
            ),
        ]
    made.append(Parameter("contact_resistance", "ohm", 5e-3, lower=0, meaning="R_0, of contacts and leads"))
    if fidelity == "spme":
        made += [
            Parameter("porosity", "1", 1.0, lower=0, meaning="of all layers, relative to the published"),
            Parameter("bruggeman", "1", 1.5, meaning="b: transport through pores goes with eps^b"),
        ]
    return tuple(made)


def given(fidelity, chemistry, *units):
    """Return what is fixed."""
    known = constants(chemistry, *units)
    without = {"negative_salt": 1.0, "positive_salt": 1.0, "electrolyte_voltage": 0.0}
    return known | (without if fidelity == "spm" else {"salt_initial": 1.0})
