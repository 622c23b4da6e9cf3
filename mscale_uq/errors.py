"""All exception types of the package, and the form of their messages.

A message says what was given, what is allowed, and what usually helps. Three families:

* `InputError` and its children: somebody wrote something wrong. They are `ValueError`s.
* `ForwardFailure`: a model could not, or will not, give a prediction. The likelihood turns these into
  minus infinity; nothing else is ever swallowed.
* `NoGradient`: a derivative was asked for where none is exact.
"""

import difflib
from collections.abc import Iterable, Mapping

import numpy as np

__all__ = [
    "CaseError",
    "ChainDied",
    "CovarianceError",
    "DataError",
    "ForwardFailure",
    "Infeasible",
    "InputError",
    "MscaleError",
    "NoGradient",
    "OutOfLimits",
    "ParameterError",
    "RunError",
    "SolveFailed",
    "UnitError",
    "WiringError",
    "closest",
    "explain",
    "near_match",
]


def closest(given: str, allowed: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the closest allowed word, or the only one it begins; None if nothing is close.

    `cutoff` is how close it must be, from 0 to 1: twice the letters in common over all letters.
    """
    words = list(allowed)
    close = difflib.get_close_matches(given, words, n=1, cutoff=cutoff)
    begun = [word for word in words if len(given) >= 3 and word.startswith(given)]
    alike = [word for word in words if word.casefold() == given.casefold()]
    found = alike or close or (begun if len(begun) == 1 else [])
    return found[0] if found else None


def near_match(given: str, allowed: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the closest allowed word; nothing if none is close."""
    found = closest(given, allowed)
    return f" (did you mean {found!r}?)" if found else ""


def explain(given: str, allowed: str = "", hint: str = "") -> str:
    """Compose the one message form of the package: given; allowed; what usually helps."""
    parts = [given]
    if allowed:
        parts.append(f"allowed: {allowed}")
    if hint:
        parts.append(f"hint: {hint}")
    return "; ".join(parts)


class MscaleError(Exception):
    """Base of every error this package raises on purpose."""


class InputError(MscaleError, ValueError):
    """Something a person wrote is wrong: a value, a name, a file."""


class ParameterError(InputError):
    """A parameter is unknown, has the wrong shape, or a prior gives mass to impossible values."""


class WiringError(InputError):
    """Stages do not fit together: a name is read that nobody makes, or is made twice."""


class UnitError(InputError):
    """A unit cannot be read or has the wrong dimension."""


class CaseError(InputError):
    """A case file is wrong; the message names file, key, what was given and what is allowed."""


class DataError(InputError):
    """A data file is wrong; the message names file, line and column."""


class RunError(InputError):
    """A run folder does not fit the run that was asked for; nothing in it was changed."""


class ChainDied(MscaleError):
    """A chain's process ended without a word: out of memory, or killed; its folder can be gone on with."""


class NoGradient(MscaleError, TypeError):
    """No exact derivative exists for what was asked; the message names the stage or function."""


class ForwardFailure(MscaleError):
    """A forward model gives no prediction at this theta.

    Parameters
    ----------
    stage
        Name of the stage that stopped.
    theta
        The named values at which it stopped.
    reason
        One sentence.
    """

    def __init__(self, stage: str, theta: Mapping[str, object], reason: str) -> None:
        super().__init__(stage, theta, reason)
        self.stage = stage
        self.theta = dict(theta)
        self.reason = reason

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={_short(value)}" for name, value in self.theta.items())
        return f"{self.stage}: {self.reason}" + (f" (at {shown})" if shown else "")


class SolveFailed(ForwardFailure):
    """A solver gave up: no convergence, a singular matrix, a value that is not finite."""


class CovarianceError(SolveFailed):
    """A filter's covariance stopped being positive; `theta` holds the time of the step."""


class Infeasible(ForwardFailure):
    """The model's own statement that nothing exists here, such as no steady state."""


class OutOfLimits(Infeasible, ValueError):
    """A parameter lies outside its physical limits."""


def _short(value: object) -> str:
    array = np.asarray(value)
    if array.ndim == 0:
        return f"{array.item():.6g}" if array.dtype.kind in "fiu" else str(value)
    return f"array{array.shape}"
