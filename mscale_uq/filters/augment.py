"""`augment`: a state space whose state holds chosen parameters, so that every filter learns them.

What depends on these parameters (a cell problem, say) is computed anew at every step, member by member.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

from numpy.typing import ArrayLike

from mscale_uq.core.dynamics import initial_name
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Stage
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import ParameterError, WiringError, explain, near_match
from mscale_uq.filters.augmented import AugmentedDynamics, AugmentedReading
from mscale_uq.filters.beginning import Beginning
from mscale_uq.filters.coordinate import Coordinate
from mscale_uq.filters.dependents import Dependents, leading_to


@final
@dataclass(frozen=True)
class Unknown:
    """What is known of a parameter before the stream.

    Attributes
    ----------
    centre
        In the parameter's unit.
    sd
        Of its coordinate: of the parameter if it has no limits, of its logarithm if one, of its logit if two.
    drift
        Variance that the coordinate gains in a unit of time; zero if the parameter does not change.
    """

    centre: ArrayLike
    sd: ArrayLike
    drift: ArrayLike = 0.0


def augment(space: StateSpace, unknowns: Mapping[str, Unknown]) -> StateSpace:
    """Return the state space with `unknowns` as state variables, named as `Coordinate.name` says.

    An initial value that is made from unknowns begins as unsure as they are, and together with them, to first
    order at their centres. Noise of the dynamics that depends on an unknown is taken at the mean by Gaussian
    filters, and at the centre by ensemble filters.

    Raises
    ------
    ParameterError
        If an unknown is not a parameter of the space, or its centre lies outside the limits.
    WiringError
        If an unknown is an initial value itself, or the variance of one or a source's law depends on it.
    """
    known = {parameter.name: parameter for parameter in space.parameters}
    for name in unknowns:
        if name not in known:
            raise ParameterError(explain(f"no parameter {name!r}{near_match(name, known)}", ", ".join(known)))
    coordinates = tuple(Coordinate(known[name]) for name in unknowns)
    dependents = Dependents(space.stages, coordinates)
    _check_dependence(space, dependents)
    constants: dict[str, ArrayLike] = dict(space.constants)
    centre, drift = [], []
    for c, unknown in zip(coordinates, unknowns.values(), strict=True):
        centre.append(c.forward(c.parameter.broadcast(unknown.centre)))
        drift.append(c.parameter.broadcast(unknown.drift))
        constants[initial_name(c.name)] = centre[-1]
        constants[f"{initial_name(c.name)}_var"] = c.parameter.broadcast(unknown.sd) ** 2
    return StateSpace(
        [*dependents.independent, *_beginning(space, dependents)],
        AugmentedDynamics(space.dynamics, dependents, centre, drift),
        {source: _augmented(operator, dependents) for source, operator in space.observations.items()},
        [parameter for parameter in space.parameters if parameter.name not in unknowns],
        constants,
        space.start,
        space.places,
    )


def unknown_values(space: StateSpace, states: Array) -> Named:
    """Return the augmented parameters at states ``(..., n)``, each ``(..., *shape)`` in its unit."""
    if not isinstance(space.dynamics, AugmentedDynamics):
        return {}
    return space.dynamics.dependents.parameters(space.dynamics.split(states))


def _beginning(space: StateSpace, dependents: Dependents) -> list[Stage]:
    """Return the stage that makes first values from the parameters, if there are such."""
    firsts = [initial_name(variable.name) for variable in space.dynamics.state]
    made = [name for name in firsts if name in dependents.names]
    needed = [stage for stage in leading_to(space.stages, made) if stage not in dependents.independent]
    return [Beginning(Dependents(needed, dependents.coordinates), made)] if made else []


def _augmented(operator: ObservationOperator, dependents: Dependents) -> ObservationOperator:
    if operator.stage is None or not dependents.names.intersection(operator.stage.inputs):
        return operator
    return replace(operator, stage=AugmentedReading(operator.stage, dependents))


def _check_dependence(space: StateSpace, dependents: Dependents) -> None:
    unknowns = {c.parameter.name for c in dependents.coordinates}
    for variable in space.dynamics.state:
        first = initial_name(variable.name)
        if first in unknowns or f"{first}_var" in dependents.names:
            given = f"{first!r}, or its variance, depends on a parameter that becomes state"
            raise WiringError(explain(given, hint=f"leave it out, and give {first} a variance instead"))
    for source, operator in space.observations.items():
        for name in operator.law.reads:
            if name in dependents.names:
                raise WiringError(
                    explain(
                        f"the law of {source!r} reads {name!r}, which becomes state",
                        hint="a filter does not learn noise: sample `filters.likelihood.KalmanLikelihood`",
                    )
                )
