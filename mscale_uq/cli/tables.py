"""Tables on the terminal: the catalogue and its systems."""

import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.system import System
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
            tables.append(table(title, ("name", "unit", "along", ""), map(_quantity, group)))
    if system.options:
        rows = [(o.name, o.unit, str(o.default), " | ".join(o.choices), o.meaning) for o in system.options]
        tables.append(table("Options", ("name", "unit", "default", "choices", ""), rows))
    tables.append(
        table("Known answers", ("", "to"), [(x.meaning, f"{x.tolerance:g}") for x in system.limits])
    )
    return tables


def _parameter(parameter: Parameter) -> tuple[str, ...]:
    shape = "×".join(map(str, parameter.shape))
    name = f"{parameter.name} ({shape})" if shape else parameter.name
    default = f"{parameter.default:g}" if not shape else "…"
    limits = f"{parameter.lower:g} to {parameter.upper:g}"
    return name, pretty_unit(parameter.unit), default, limits, parameter.meaning


def _quantity(quantity: Quantity) -> tuple[str, ...]:
    return quantity.name, pretty_unit(quantity.unit), ", ".join(quantity.coordinates), quantity.meaning
