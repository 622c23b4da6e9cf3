"""The system of a case, whose own mistakes are told as its own."""

from mscale_uq.catalog import load_system
from mscale_uq.core.system import System
from mscale_uq.io.mistakes import Several
from mscale_uq.io.units import check_unit


def system_of(name: str) -> System:
    """Return the system of this name, with units that can be read.

    Raises
    ------
    InputError
        If there is none, or its file does not declare it.
    UnitError
        If it declares units that cannot be read; the message names its file and has a line for each.
    """
    system = load_system(name)
    quantities = (*system.outputs, *system.coordinates, *system.effective)
    units = {quantity.name: quantity.unit for quantity in quantities}
    units |= {parameter.name: parameter.unit for parameter in system.parameters}
    units |= {option.name: option.unit or "1" for option in system.options}
    wrong, file = Several(), f"{system.name.rpartition('/')[2]}.py"
    for name, unit in units.items():
        with wrong.noted():
            check_unit(unit, f"{file}: {name}")
    wrong.stop()
    return system
