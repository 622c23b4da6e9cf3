"""Tables on the terminal: the catalogue and its systems."""

import math
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.system import Option, System
from mscale_uq.report.text import pretty_unit

WIDE = 120  # characters, where there is no terminal to ask
LEAST = 96  # in a narrow terminal lines are broken, but digits are not left out


def console(stderr: bool = False) -> Console:
    """Return a console that gives a log file long lines."""
    stream = sys.stderr if stderr else sys.stdout
    width = max(LEAST, shutil.get_terminal_size().columns) if stream.isatty() else WIDE
    return Console(stderr=stderr, width=width, highlight=False)


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[str] = ()
) -> Table:
    """Return a plain table; columns in `numbers` are set to the right, and no cell is read as markup."""
    made = Table(
        title=title, title_justify="left", title_style="bold", box=None, header_style="dim", pad_edge=False
    )
    for column in columns:
        right = column in numbers
        made.add_column(column, justify="right" if right else "left", no_wrap=bool(numbers))
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def catalogue(summaries: Mapping[str, str], cases: Mapping[str, Sequence[str]]) -> Table:
    """Return the systems, what they are, and their cases."""
    rows = [(name, text, ", ".join(cases[name])) for name, text in summaries.items()]
    return table("", ("system", "", "cases"), rows)


def system_tables(system: System) -> list[Table]:
    """Return everything a person may set or measure in a system."""
    tables = [
        table("Parameters", ("name", "unit", "default", "limits", ""), map(_parameter, system.parameters))
    ]
    quantities = {"Outputs": system.outputs, "Coordinates": system.coordinates, "Effective": system.effective}
    for title, group in quantities.items():
        if group:
            tables.append(table(title, ("name", "unit", "limits", "along", ""), map(_quantity, group)))
    if system.options:
        tables.append(
            table("Options", ("name", "unit", "default", "allowed", ""), map(_option, system.options))
        )
    tables.append(
        table("Known answers", ("", "to"), [(x.meaning, f"{x.tolerance:g}") for x in system.limits])
    )
    return tables


def limits(lower: float, upper: float) -> str:
    """Return open limits in words; empty if there are none."""
    if math.isinf(upper):
        return "" if math.isinf(lower) else f"above {lower:g}"
    return f"below {upper:g}" if math.isinf(lower) else f"{lower:g} to {upper:g}"


def _parameter(parameter: Parameter) -> tuple[str, ...]:
    shape = "×".join(map(str, parameter.shape))
    name = f"{parameter.name} ({shape})" if shape else parameter.name
    defaults = sorted(set(np.ravel(parameter.default)))
    default = f"{defaults[0]:g}" if len(defaults) == 1 else f"{defaults[0]:g} to {defaults[-1]:g}"
    allowed = limits(parameter.lower, parameter.upper)
    allowed = f"{parameter.lower:g}, or {allowed}" if parameter.closed else allowed
    return name, pretty_unit(parameter.unit), default, allowed, parameter.meaning


def _quantity(quantity: Quantity) -> tuple[str, ...]:
    along = ", ".join(quantity.coordinates)
    return quantity.name, pretty_unit(quantity.unit), quantity.limits, along, quantity.meaning


def _option(option: Option) -> tuple[str, ...]:
    allowed = " | ".join(option.choices) or limits(option.lower, option.upper)
    default = str(option.default).lower() if isinstance(option.default, bool) else str(option.default)
    return option.name, pretty_unit(option.unit), default, allowed, option.meaning
