"""Numbers that a case gives without a unit: read in the system's, and said back in case it is not meant."""

from collections.abc import Iterator, Mapping

from mscale_uq.case.form import check_form
from mscale_uq.case.prior_forms import VALUES, WIDTHS
from mscale_uq.case.read import Case
from mscale_uq.case.schema import CaseSpec, ExperimentSpec
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.io.toml import read_toml


def bare_numbers(case: Case) -> list[str]:
    """Return ``key = number unit`` for each number of a case's file that has a dimension and no unit."""
    spec = check_form(read_toml(case.path, case.path.name), Mistakes(case.path.name))
    return [f"{key} = {value:g} {unit}" for key, value, unit in _numbers(spec, case) if _is_bare(value, unit)]


def _is_bare(value: object, unit: str) -> bool:
    number = not isinstance(value, bool) and isinstance(value, int | float)
    return number and value != 0 and unit not in ("", "1")  # zero is zero in every unit that begins there


def _numbers(spec: CaseSpec, case: Case) -> Iterator[tuple[str, object, str]]:
    """Yield key, value and the unit in which a bare number would be read."""
    options = {option.name: option.unit for option in case.system.options}
    fixed = {parameter.name: parameter.unit for parameter in case.system.parameters}
    levels = {output.name: output.unit for output in case.system.outputs}
    parts: dict[str, CaseSpec | ExperimentSpec] = {"": spec}
    for where, part in (parts | {f"experiment.{one.name}.": one for one in spec.experiment}).items():
        yield from _table(f"{where}options", part.options, options)
        yield from _table(f"{where}fixed", part.fixed, fixed)
        yield from _table(f"{where}law", {f"{name}.sd": law.sd for name, law in part.law.items()}, levels)
    for name, prior in spec.prior.items():
        numbers = {argument: getattr(prior, argument) for argument in (*VALUES, *WIDTHS)}
        unit = case.unknowns[name].unit if name in case.unknowns else ""
        yield from ((f"prior.{name}.{argument}", value, unit) for argument, value in numbers.items())


def _table(
    where: str, table: Mapping[str, object], units: Mapping[str, str]
) -> Iterator[tuple[str, object, str]]:
    for name, value in table.items():
        yield f"{where}.{name}", value, units.get(name.removesuffix(".sd"), "")
