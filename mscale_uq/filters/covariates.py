"""What readings may bring along: values that their own operator reads, and that are no state."""

from mscale_uq.core.observation import Observation
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import DataError, explain, near_match


def check_covariates(space: StateSpace, observation: Observation) -> None:
    """Refuse what nobody would read, and what is the state's to say.

    Raises
    ------
    DataError
        Naming what is allowed.
    """
    if not observation.covariates:
        return
    state = {variable.name for variable in space.dynamics.state}
    allowed = space.observations[observation.source].reads - state
    for name in observation.covariates:
        if name not in allowed:
            given = f"{observation.source}: a reading brings {name!r}{near_match(name, allowed)}"
            raise DataError(explain(given, ", ".join(sorted(allowed)) or "nothing"))
