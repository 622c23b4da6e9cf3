"""What may be measured of a solid electrolyte that heats itself: the stages of each, and what they make.

A measurement is a function of the system's options, the `Readings` of the body and the times of readings.
"""

import numpy as np
from mscale_uq.models.electrochemistry._joule import apparent_energy, balance, conductivity, heated

from mscale_uq.core.each import Each
from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.core.parameter import Quantity
from mscale_uq.macro.ode import OdePath


def quantities(at, *rows):
    """Return what is read at the same coordinates, a row each: name, unit, meaning."""
    return tuple(Quantity(name, unit, meaning, at) for name, unit, meaning in rows)


IMPEDANCE = quantities(("temperature",), ("conductivity", "S/m", "by impedance"))
AT_REST = quantities(
    ("field", "furnace_temperature"),
    ("current_density", "A/m^2", "mean, at rest"),
    ("surface_temperature", "K", "by a pyrometer, at rest"),
    ("middle_temperature", "K", "by a thermocouple inside, at rest"),
)
AT_A_CURRENT = quantities(
    ("current", "furnace_temperature"),
    ("mean_field", "V/m", "between electrodes, at a current that is held, at rest"),
    ("held_surface_temperature", "K", "of the surface under them"),
    ("held_middle_temperature", "K", "of the middle between them"),
)
WHILE_IT_WARMS = quantities(
    ("time",),
    ("current_density_in_time", "A/m^2", "mean, while the body warms"),
    ("surface_temperature_in_time", "K", "by a pyrometer, while it warms"),
    ("middle_temperature_in_time", "K", "by a thermocouple inside, while it warms"),
)
ONSET = (
    *quantities(("field",), ("onset_temperature", "K", "of the furnace, where the sample runs away")),
    *quantities(("furnace_temperature",), ("critical_field", "V/m", "at which the sample runs away")),
)
OUTPUTS = (*IMPEDANCE, *AT_REST, *AT_A_CURRENT, *WHILE_IT_WARMS, *ONSET)
READ, HELD, IN_TIME = (tuple(q.name for q in qs) for qs in (AT_REST, AT_A_CURRENT, WHILE_IT_WARMS))


class Readings:
    """What instruments see of an overheated body: mean current density, its surface and its middle.

    Its nodes are the last axis, before which there may be one of readings.
    """

    __name__ = "readings"

    def __init__(self, body, electrodes):
        self.weights, self.middle = body.weights, body.at(np.zeros(1))[0]
        self.electrodes = electrodes

    def __call__(
        self, overheating, furnace_temperature, field, conductivity_ref, migration_energy, disorder,
        boltzmann, reference,
    ):  # fmt: skip
        """Return current density, temperature of the surface and of the middle."""
        T = furnace_temperature + overheating.T  # a row of readings for each node
        local = conductivity(T, conductivity_ref, migration_energy, disorder, boltzmann, reference)
        mean = 1 / (self.weights @ (1 / local)) if self.electrodes else self.weights @ local
        return mean * field, T[-1], furnace_temperature + self.middle @ overheating.T

    def held(
        self, overheating, furnace_temperature, current, conductivity_ref, migration_energy, disorder,
        boltzmann, reference,
    ):  # fmt: skip
        """Return the mean field that a held current density needs, and the temperatures."""
        law = conductivity_ref, migration_energy, disorder, boltzmann, reference
        mean, surface, middle = self(overheating, furnace_temperature, 1.0, *law)
        return current / mean, surface, middle


def switched_on(o, given):
    """Return what is fixed where a body warms; its heat capacity is not."""
    fixed = {name: value for name, value in given.items() if name != "heat_capacity"}
    return fixed | {"field": o.applied, "furnace_temperature": o.furnace, "overheating_initial": 0.0}


def squared(field):
    """What heats."""
    return field**2


def squared_current(current):
    """What heats where a source holds the current."""
    return current**2


def root(critical_drive):
    """The field of a critical drive."""
    return np.sqrt(critical_drive)


def conducting(o, reading, time):  # noqa: ARG001
    """By impedance."""
    stages = [Formula(apparent_energy, "apparent_energy"), Formula(conductivity, "conductivity")]
    return stages, ("conductivity",)


def resting(o, reading, time):  # noqa: ARG001
    """A body at rest, in a field."""
    rest = Each(balance(o.supply, o.nodes, "drive", 0.0), ("drive", "furnace_temperature"))
    return [PointwiseFormula(squared, "drive"), rest, PointwiseFormula(reading, READ)], READ


def holding(o, reading, time):  # noqa: ARG001
    """A slab at rest, through which a source holds a current."""
    rest = Each(balance("driven", o.nodes, "drive", 0.0), ("drive", "furnace_temperature"))
    return [PointwiseFormula(squared_current, "drive"), rest, PointwiseFormula(reading.held, HELD)], HELD


def warming(o, reading, time):
    """A body in time, in the field `applied`."""
    path = OdePath(heated(o.supply, o.nodes), time)
    return [Formula(squared, "drive"), path, PointwiseFormula(reading, IN_TIME)], IN_TIME


def critical(o, reading, time):  # noqa: ARG001
    """The field at which a body finds no rest."""
    fold = balance(o.supply, o.nodes, "drive", 0.0, o.largest_field**2, "critical_drive")
    stages = [Each(fold, ("furnace_temperature",)), PointwiseFormula(root, "critical_field")]
    return stages, ("critical_field",)


def setting_in(o, reading, time):  # noqa: ARG001
    """The temperature of the furnace at which a body finds no rest."""
    fold = balance(o.supply, o.nodes, "furnace_temperature", o.coldest, o.hottest, "onset_temperature")
    return [PointwiseFormula(squared, "drive"), Each(fold, ("drive",))], ("onset_temperature",)


SEEN = {"conductivity": conducting, "rest": resting, "held current": holding, "warming": warming,
        "critical field": critical, "onset": setting_in}  # fmt: skip
