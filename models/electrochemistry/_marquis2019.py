"""The single particle model, and its electrolyte: equations between named quantities, and their stages.

Source: S. G. Marquis, V. Sulzer, R. Timms, C. P. Please, S. J. Chapman, An asymptotic derivation of a single
particle model with electrolyte, J. Electrochem. Soc. 166 (2019) A3693-A3706, doi:10.1149/2.0341915jes. In the
exchange current density stands the mean concentration of the salt in the electrode.
"""

import numpy as np
from mscale_uq.models.electrochemistry._lithium_sets import POTENTIALS, SALT

from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.core.requirement import Requirement
from mscale_uq.macro.radial import Radial, Transport
from mscale_uq.macro.radial_mesh import RadialMesh
from mscale_uq.macro.radial_path import Mean, RadialPath

SHARES = (0.4, 0.2, 0.4)  # of the electrolyte's mesh: negative electrode, separator, positive electrode
ALLOWED = (0.005, 0.995)  # stoichiometries, beyond which no open-circuit curve is known

MEANS = (
    Mean("negative_salt", 0),
    Mean("positive_salt", 2),
    Mean("negative_log_salt", 0, np.log),
    Mean("positive_log_salt", 2, np.log),
)
RATES = ("negative_diffusion_rate", "positive_diffusion_rate", "negative_charge", "positive_charge",
         "negative_filling", "positive_filling")  # fmt: skip


def even(c, p):  # noqa: ARG001
    """The same diffusivity everywhere."""
    return 1.0 + 0 * c


def filled(c, drive, p):  # noqa: ARG001
    """The current fills a particle through its surface."""
    return drive * p[0]


def closed(c, drive, p):  # noqa: ARG001
    """No salt leaves the cell."""
    return 0 * c


def particles(
    negative_diffusivity, positive_diffusivity, negative_radius, positive_radius, negative_active,
    positive_active, negative_concentration, positive_concentration, thicknesses, area, faraday,
):  # fmt: skip
    """Rates of diffusion D/R^2, charges that fill the electrodes, stoichiometry per charge at a surface."""
    Q_n = negative_active * thicknesses[0] * area * negative_concentration * faraday
    Q_p = positive_active * thicknesses[2] * area * positive_concentration * faraday
    rates = negative_diffusivity / negative_radius**2, positive_diffusivity / positive_radius**2
    return *rates, Q_n, Q_p, -1 / (3 * Q_n), 1 / (3 * Q_p)


def pace(horizon):
    """Time runs in shares of the horizon."""
    return 1 / horizon


def salt(porosity, bruggeman, porosities, thicknesses, salt_diffusivity, transference, area, faraday,
         salt_concentration, horizon):  # fmt: skip
    """What the layers hold, how they conduct, and what a unit of current sets free, on the mesh's shares."""
    share, eps = np.array(SHARES), porosity * porosities
    freed = (1 - transference) / (faraday * area * salt_concentration) * np.array([1.0, 0.0, -1.0]) / share
    return eps * thicknesses / share / horizon, eps**bruggeman * salt_diffusivity * share / thicknesses, freed


def ohmic(porosity, bruggeman, porosities, thicknesses, salt_conductivity, negative_conductivity,
          positive_conductivity, area):  # fmt: skip
    """Resistance of electrolyte and solid, where current is handed over evenly in each electrode."""
    electrolyte = thicknesses / ((porosity * porosities) ** bruggeman * salt_conductivity)
    solid = thicknesses[0] / negative_conductivity + thicknesses[2] / positive_conductivity
    return (electrolyte[0] / 3 + electrolyte[1] + electrolyte[2] / 3 + solid / 3) / area


def across(negative_log_salt, positive_log_salt, transference, thermal_voltage, ohmic_resistance, current):
    """Voltage across the electrolyte."""
    uneven = 2 * (1 - transference) * thermal_voltage * (positive_log_salt - negative_log_salt)
    return uneven - current * ohmic_resistance


def room(negative_surface, positive_surface):
    """Positive while a stoichiometry is inside of what is known."""
    low, high = ALLOWED
    x, y = negative_surface, positive_surface
    return (x - low) * (high - x), (y - low) * (high - y)


def currents(
    current, negative_surface, positive_surface, negative_salt, positive_salt, negative_rate, positive_rate,
    negative_radius, positive_radius, negative_active, positive_active, negative_concentration,
    positive_concentration, negative_thickness, positive_thickness, area, salt_concentration,
):  # fmt: skip
    """Current densities j through the particles' surfaces, and the exchange current densities j0 there."""
    j_n = current * negative_radius / (3 * negative_active * negative_thickness * area)
    j_p = current * positive_radius / (3 * positive_active * positive_thickness * area)
    x, y, c_e = negative_surface, positive_surface, salt_concentration
    j0_n = negative_rate * negative_concentration * np.sqrt(c_e * negative_salt * x * (1 - x))
    j0_p = positive_rate * positive_concentration * np.sqrt(c_e * positive_salt * y * (1 - y))
    return j_n, j_p, j0_n, j0_p


def even_surfaces(negative_initial, positive_initial):
    """Particles at rest are the same at their surface."""
    return 1 * negative_initial, 1 * positive_initial


def above_empty(voltage, empty):
    """What is left."""
    return voltage - empty


def emptied(horizon, current):
    """When the cell is empty, and what it has given until then."""
    return 1 * horizon, horizon * current


class Terminals:
    """The voltage between the terminals, by the open-circuit curves of a cell."""

    __name__ = "voltage"

    def __init__(self, chemistry):
        self.chemistry = chemistry

    def __call__(self, negative_surface, positive_surface, j_n, j_p, j0_n, j0_p, current, thermal_voltage,
                 contact_resistance, electrolyte_voltage, potential_unit):  # fmt: skip
        """Open circuit, less overpotentials and resistances."""
        U_n, U_p = (U(x) * potential_unit for U, x in zip(
            POTENTIALS[self.chemistry], (negative_surface, positive_surface), strict=True))  # fmt: skip
        over = np.arcsinh(j_n / (2 * j0_n)) + np.arcsinh(j_p / (2 * j0_p))
        return U_p - U_n - 2 * thermal_voltage * over - contact_resistance * current + electrolyte_voltage


class SaltMeans:
    """Means of the salt and of its logarithm over the electrodes, from the cells of one time."""

    __name__ = "means of the salt"

    def __init__(self, negative, positive):
        self.weights = np.array([negative, positive])

    def __call__(self, salt):
        """One number each."""
        (n, p), (log_n, log_p) = self.weights @ salt, self.weights @ np.log(salt)
        return n, p, log_n, log_p


def bodies(fidelity, chemistry, cells, max_step, drive):
    """Return what diffuses: the particles of both electrodes, and perhaps the salt."""
    sphere = RadialMesh("sphere", (0.0, 1.0), (cells,), 1.6)
    made = [
        Radial(name, Transport(even, filled, (f"{name}_filling",)), sphere, max_step, drive,
               capacity="pace", transport=f"{name}_diffusion_rate")
        for name in ("negative", "positive")
    ]  # fmt: skip
    if fidelity == "spme":
        half = (cells + 1) // 2
        layers = RadialMesh("slab", (0.0, 0.4, 0.6, 1.0), (half, (half + 1) // 2, half))
        law = Transport(SALT[chemistry], closed)
        made.append(Radial("salt", law, layers, max_step, drive, "salt_held", "salt_transport", "salt_freed"))
    return made


def rates(fidelity):
    """Return the stages from micro-parameters to what the bodies and the electrolyte read."""
    made = [Formula(particles, RATES), Formula(pace, "pace")]
    if fidelity == "spme":
        made += [Formula(salt, ("salt_held", "salt_transport", "salt_freed")),
                 Formula(ohmic, "ohmic_resistance")]  # fmt: skip
    return made


def terminals(fidelity, chemistry, made_by):
    """Return the stages from surfaces and salt to the voltage."""
    through = [made_by(across, "electrolyte_voltage")] if fidelity == "spme" else []
    return [
        made_by(room, ("negative_room", "positive_room")),
        Requirement("negative_room", "the negative electrode is full or exhausted", "stoichiometry"),
        Requirement("positive_room", "the positive electrode is full or exhausted", "stoichiometry"),
        *through,
        made_by(currents, ("j_n", "j_p", "j0_n", "j0_p")),
        made_by(Terminals(chemistry), "voltage"),
    ]


def chain(times, fidelity, chemistry, cells, max_step, drive):
    """Return the stages from micro-parameters to the voltage at given times."""
    paths = [
        RadialPath(body, times, MEANS if body.name == "salt" else ())
        for body in bodies(fidelity, chemistry, cells, max_step, drive)
    ]
    return [*rates(fidelity), *paths, *terminals(fidelity, chemistry, PointwiseFormula)]


def salt_means(salt):
    """Return the stage from the cells of the salt at one time to what the voltage reads of it."""
    averages = SaltMeans(*(mean.weights(salt) for mean in MEANS[:2]))
    return Formula(averages, tuple(mean.output for mean in MEANS))
