"""Whether the units that a system declares are those of one set of base units.

Where they are (metres and seconds, or grams and hours, throughout) its equations need no factors, and a unit
whose size alone is wrong, mmol for mol, is found. A change of base units cannot see that.
"""

from collections.abc import Callable, Mapping

import numpy as np

from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.system import System
from mscale_uq.diagnose.contracts import ContractBroken

Size = Callable[[str], float]
Dimension = Callable[[str], Mapping[str, float]]
ROUND_OFF = 1e-9  # of a logarithm


def units_fit_together(system: System, dimension: Dimension, size: Size) -> str:
    """Raise unless every declared unit is a product of powers of the same base units.

    Parameters
    ----------
    system
        One that does not convert on its own (`System.converts`).
    dimension, size
        Of a unit: its powers of the base dimensions, and how many of the SI units it is.

    Raises
    ------
    ContractBroken
        Naming the one unit that does not fit the others, or all if it is not one alone.
    """
    if system.converts:
        return "converts on its own"
    quantities: tuple[Parameter | Quantity, ...] = (
        *system.parameters,
        *system.outputs,
        *system.coordinates,
        *system.effective,
    )
    numbers = [option for option in system.options if isinstance(option.default, float)]
    units = {one.name: one.unit or "1" for one in quantities}
    units.update({option.name: option.unit or "1" for option in numbers})
    if not _coherent(units, dimension, size):
        alone = [name for name in units if _coherent(_without(units, name), dimension, size)]
        named = ", ".join(f"{name!r} [{units[name]}]" for name in alone or units)
        raise ContractBroken(
            f"{system.name}: the units of {named} do not fit the others: "
            "state all in one set of base units, or declare converts=True if the model converts"
        )
    return f"{len(set(units.values()))} units of one set"


def _without(units: Mapping[str, str], name: str) -> dict[str, str]:
    return {other: unit for other, unit in units.items() if other != name}


def _coherent(units: Mapping[str, str], dimension: Dimension, size: Size) -> bool:
    """Whether sizes of base units can be found that give every unit its size."""
    powers = [dimension(unit) for unit in units.values()]
    bases = sorted({base for power in powers for base in power})
    table = np.array([[power.get(base, 0.0) for base in bases] for power in powers])
    sizes = np.log([size(unit) for unit in units.values()])
    found = np.linalg.lstsq(table, sizes, rcond=None)[0] if bases else np.zeros(0)
    return bool(np.abs(table @ found - sizes).max(initial=0.0) < ROUND_OFF)
