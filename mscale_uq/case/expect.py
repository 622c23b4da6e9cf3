"""The section ``[expect]``: numbers a run is compared with, and which change no draw."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from mscale_uq.case.priors import Unknown
from mscale_uq.case.schema import ExpectSpec
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, explain, near_match
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.io.units import to_unit


@final
@dataclass(frozen=True)
class Expected:
    """An expected number: the truth behind synthetic data and the mass of the interval that should hold it,
    or a published mean and sd with a tolerance; in the unit of the quantity.
    """

    truth: float | None = None
    within: float = 0.95
    mean: float | None = None
    sd: float | None = None
    tolerance: float | None = None


def expected_numbers(
    given: Mapping[str, ExpectSpec],
    system: System,
    known: Mapping[str, Unknown],
    mistakes: Mistakes,
) -> dict[str, Expected]:
    """Return the expected numbers in the units of their quantities; mistakes are noted."""
    units = {quantity.name: quantity.unit for quantity in (*system.effective, *system.outputs)}
    units |= {name: unknown.unit for name, unknown in known.items()}
    widths = {name for name, unknown in known.items() if unknown.is_width}
    result = {}
    for name, spec in given.items():
        with mistakes.at(f"expect.{name}"):
            base = name.partition("[")[0]
            if base not in units:
                raise CaseError(explain(f"{base!r} is unknown{near_match(base, units)}", ", ".join(units)))
            result[name] = _expectation(spec, units[base], base in widths)
    return result


def _expectation(spec: ExpectSpec, unit: str, is_width: bool) -> Expected:
    numbers = {}
    for field, value in spec.model_dump(exclude_none=True).items():
        is_share = field == "within"
        difference = is_width or field in ("sd", "tolerance")
        numbers[field] = to_unit(value, "1" if is_share else unit, field, difference)
    if not 0 < numbers["within"] < 1:
        raise CaseError(explain(f"within = {spec.within!r}", "a share such as '95 %'"))
    if not numbers.keys() & {"truth", "mean"}:
        raise CaseError(explain("no expected number", "truth, or mean (and sd) with a tolerance"))
    return Expected(**numbers)
