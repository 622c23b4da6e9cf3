"""`known` and `off`: what a model says at given numbers, and how far that is from the truth."""

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.stage import Named


def known(forward: Callable[..., ForwardModel], /, **given: Any) -> Named:
    """Return every named quantity of a model at options, coordinates and parameters, given by name.

    Those that `forward` takes reach it; the others are parameters, at their defaults where not given.

    Raises
    ------
    ParameterError
        If neither `forward` nor its model knows a name.
    """
    ours = {name: given.pop(name) for name in signature(forward).parameters if name in given}
    model = forward(**ours)
    return model.trace(model.theta(**given))


def off(forward: Callable[..., ForwardModel], name: str, exact: ArrayLike, /, **given: Any) -> float:
    """Return the largest relative deviation of a quantity, entry by entry, from what it is; see `known`."""
    return float(np.abs(known(forward, **given)[name] / np.asarray(exact) - 1).max())
