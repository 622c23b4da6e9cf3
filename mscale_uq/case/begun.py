"""What a state begins with, and what is drawn anew in it, as the priors of a case say."""

from collections.abc import Mapping

import numpy as np

from mscale_uq.case.model import Plan
from mscale_uq.case.priors import Unknown
from mscale_uq.core.dynamics import initial_name
from mscale_uq.core.parameter import Array
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import CaseError, explain


def starts(space: StateSpace) -> set[str]:
    """Return the names of the initial values of the state's scalar variables."""
    return {initial_name(variable.name) for variable in space.dynamics.state if variable.shape == ()}


def begun(plan: Plan, space: StateSpace, theta: dict[str, Array], known: Mapping[str, Unknown]) -> StateSpace:
    """Return the model whose state begins as the priors say; their means are put into `theta`.

    An initial value that is neither fixed nor given a number is normal with the mean and the variance of its
    prior.
    """
    variances = {}
    for target in sorted(starts(space) & {p.name for p in space.parameters} - set(theta)):
        binding = plan.bindings[target]
        theta[target], variances[f"{target}_var"] = _moments(binding.name, known)  # type: ignore[union-attr]
    laws = _stood_for(plan, space, theta, known)
    return space.with_constants({**variances, **laws}) if variances or laws else space


def _stood_for(
    plan: Plan, space: StateSpace, theta: Mapping[str, Array], known: Mapping[str, Unknown]
) -> dict[str, Array]:
    """Return the law of each entry of the parameters that the state stands for, such as offsets of dishes."""
    laws: dict[str, Array] = {}
    for target, binding in plan.bindings.items():
        if f"{target}_prior_mean" not in space.constants:
            continue
        moments = (theta[target], np.zeros(())) if target in theta else _moments(binding.name, known)  # type: ignore[union-attr]
        if any(np.ptp(moment) > 0 for moment in moments):
            given = f"entries of {target!r} with laws of their own"
            raise CaseError(explain(given, "one law for all of them, where a filter draws them anew"))
        for kind, moment in zip(("mean", "var"), moments, strict=True):
            laws[f"{target}_prior_{kind}"] = np.ravel(moment)[0]
    return laws


def _moments(name: str, known: Mapping[str, Unknown]) -> tuple[Array, Array]:
    """Return mean and variance of an unknown's prior."""
    prior = known[name].prior
    if prior.parents:
        given = f"the prior of {name!r} depends on other unknowns"
        raise CaseError(explain(given, "numbers in its prior"))
    law = prior.frozen(**prior.resolve({}))
    return np.asarray(law.mean()), np.asarray(law.var())
