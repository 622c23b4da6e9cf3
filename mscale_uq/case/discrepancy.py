"""The sections ``[discrepancy.<output>]``: a curve along the readings' coordinates, in the law."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from mscale_uq.case.laws import level
from mscale_uq.case.schema import DiscrepancySpec
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Array, Parameter, Quantity
from mscale_uq.core.system import System, pick
from mscale_uq.errors import CaseError, explain, near_match
from mscale_uq.io.measurements import Measurements
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.io.units import to_unit
from mscale_uq.observe.correlated import GaussianCorrelated
from mscale_uq.observe.discrepancy import ProcessDiscrepancy, Zero
from mscale_uq.observe.laws import Gaussian

SMOOTH = "squared exponential"
Point = tuple[float, ...]


@final
@dataclass(frozen=True)
class Discrepancy:
    """What the model of one output may miss; every experiment that measures it has a curve of its own.

    Attributes
    ----------
    along
        Coordinates of the curve.
    amplitude, length
        A number in the output's unit, one number per coordinate in its unit; or names of unknowns.
    zero_value, zero_slope
        Points, one number per coordinate, where the curve is known to vanish, or to be flat.
    kernel
        How neighbours hang together: a smooth curve, or one that forgets all but its last value.
    """

    along: tuple[str, ...]
    amplitude: float | str
    length: tuple[float | str, ...]
    zero_value: tuple[Point, ...]
    zero_slope: tuple[Point, ...]
    kernel: str = SMOOTH

    def added(self, operator: ObservationOperator, data: Measurements) -> ObservationOperator:
        """Return the operator with the curve in its law.

        Raises
        ------
        CaseError
            If the law is not gaussian, or the readings have not got such a coordinate.
        """
        noise = operator.law
        if not isinstance(noise, Gaussian):
            given = f"{operator.quantity}: a discrepancy with a {type(noise).__name__} law"
            raise CaseError(explain(given, "a gaussian law"))
        for name in self.along:
            if name not in data.coordinates:
                given = f"{operator.quantity} was read without {name!r}"
                raise CaseError(explain(given, ", ".join(data.coordinates), "add the column to the file"))
        curve = self._curve(np.stack([data.coordinates[name] for name in self.along], axis=1))
        return replace(operator, law=GaussianCorrelated(noise, (curve,)))

    def levels(self, output: Quantity, system: System, model: ForwardModel) -> list[Parameter]:
        """Return the unknown amplitude and lengths, as parameters."""
        units = {name: pick(name, system.coordinates, "coordinate").unit for name in self.along}
        given = [
            (self.amplitude, output.unit, f"size of what the model of {output.name} misses"),
            *(
                (one, units[name], f"{name} over which what the model of {output.name} misses changes")
                for one, name in zip(self.length, self.along, strict=True)
            ),
        ]
        return [
            Parameter(name, unit, 1.0, 0.0, np.inf, meaning)
            for name, unit, meaning in given
            if isinstance(name, str) and name not in model.chain.made
        ]

    def section(self) -> dict[str, Any]:
        """Return the section of a case that says the same, in the units of output and coordinates."""
        points = {key: [list(point) for point in getattr(self, key)] for key in ("zero_value", "zero_slope")}
        return {
            "along": list(self.along),
            "amplitude": self.amplitude,
            "length": list(self.length),
            **({"kernel": self.kernel} if self.kernel != SMOOTH else {}),
            **{key: value for key, value in points.items() if value},
        }

    def _curve(self, along: Array) -> ProcessDiscrepancy:
        zeros = [Zero(point) for point in self.zero_value]
        zeros += [Zero(point, slope) for point in self.zero_slope for slope in range(len(self.along))]
        return ProcessDiscrepancy(along, self.amplitude, self.length, tuple(zeros), self.kernel)


def plan_discrepancies(
    specs: Mapping[str, DiscrepancySpec], system: System, mistakes: Mistakes
) -> dict[str, Discrepancy]:
    """Return the discrepancies of a case by output; mistakes are noted and their sections left out."""
    found: dict[str, Discrepancy] = {}
    for quantity, spec in specs.items():
        with mistakes.at(f"discrepancy.{quantity}"):
            found[quantity] = _discrepancy(spec, system, system.output(quantity))
    return found


def _discrepancy(spec: DiscrepancySpec, system: System, output: Quantity) -> Discrepancy:
    for name in spec.along:
        if name not in output.coordinates:
            given = f"along = {name!r}{near_match(name, output.coordinates)}"
            allowed = ", ".join(output.coordinates) or f"{output.name} is one number, without coordinates"
            raise CaseError(explain(given, allowed))
    units = [pick(name, system.coordinates, "coordinate").unit for name in spec.along]
    lengths = spec.length if isinstance(spec.length, list) else [spec.length]
    if len(lengths) != len(units) or len(set(spec.along)) != len(units):
        given = f"along {', '.join(spec.along)} with {len(lengths)} length(s)"
        raise CaseError(explain(given, "one length for each coordinate"))
    found = Discrepancy(
        along=tuple(spec.along),
        amplitude=level(spec.amplitude, output.unit, "amplitude"),
        length=tuple(level(one, unit, "length") for one, unit in zip(lengths, units, strict=True)),
        zero_value=_points(spec.zero_value, units, "zero_value"),
        zero_slope=_points(spec.zero_slope, units, "zero_slope"),
        kernel=spec.kernel,
    )
    found._curve(np.zeros((1, len(units))))  # refuses levels and zeros that are impossible
    return found


def _points(given: list[list[Any]], units: list[str], key: str) -> tuple[Point, ...]:
    for point in given:
        if len(point) != len(units):
            raise CaseError(explain(f"{key}: {point}", f"one number for each of {len(units)} coordinate(s)"))
    return tuple(
        tuple(to_unit(value, unit, key) for value, unit in zip(point, units, strict=True)) for point in given
    )
