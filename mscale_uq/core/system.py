"""`System`: what one file in ``models/`` declares, as the module constant ``SYSTEM``."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

import numpy as np

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Array, Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.stretch import Stretch
from mscale_uq.errors import InputError, ParameterError, explain, near_match

Smoothness = Literal["smooth", "piecewise", "stochastic"]
SMOOTHNESS: tuple[Smoothness, ...] = ("smooth", "piecewise", "stochastic")
KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


@final
@dataclass(frozen=True)
class Option:
    """A fixed choice a person makes about a model: a length, a mode, a mesh size.

    Attributes
    ----------
    name, default, meaning
        The default's type is the option's type.
    unit
        Of a number; ``"1"`` for counts; empty for words and switches.
    choices
        Allowed words, if the option is a word.
    lower, upper
        Limits of a number, open on both ends.
    image
        Whether the text names a file with an image of two phases; `forward` takes the array of 0 and 1, and
        text only where no file is named.
    filters_only
        Whether `space` alone has what another value than the default switches on, chance say: a fit goes
        without it, and its report says so.
    """

    name: str
    default: float | int | str | bool
    unit: str = ""
    meaning: str = ""
    choices: tuple[str, ...] = ()
    lower: float = -math.inf
    upper: float = math.inf
    image: bool = False
    filters_only: bool = False

    def check(self, value: Any) -> float | int | str | bool:
        """Return the value in the option's type.

        Raises
        ------
        ParameterError
            If it has another type, is not one of the choices, or lies outside the limits.
        """
        kind, value = type(self.default), value.item() if isinstance(value, np.generic) else value
        fits = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value, fits = float(value), True
        if not fits or (self.choices and value not in self.choices):
            allowed = " or ".join(map(repr, self.choices)) or KINDS[kind]
            hint = near_match(value, self.choices) if isinstance(value, str) else ""
            raise ParameterError(explain(f"option {self.name} = {value!r}{hint}", allowed))
        if kind in (int, float) and not self.lower < value < self.upper:
            limits = f"inside ({self.lower:g}, {self.upper:g})"
            raise ParameterError(explain(f"option {self.name} = {value!r}", f"{KINDS[kind]} {limits}"))
        return value  # type: ignore[no-any-return]


@final
@dataclass(frozen=True)
class Limit:
    """A situation in which the answer is known: an exact solution, a conservation law, an asymptote.

    Attributes
    ----------
    meaning
        A true sentence about the model.
    residual
        Returns the relative deviation from the truth; the contract tests hold it to `tolerance`.
    tolerance
        Largest allowed deviation, from theory (round-off, or a known discretisation error).
    """

    meaning: str
    residual: Callable[[], float]
    tolerance: float


@final
@dataclass(frozen=True)
class Scale:
    """The parameter that scales the micro law: doubling it, and those in proportion, doubles what they make.

    Attributes
    ----------
    parameter
        A conductivity, diffusivity, modulus, rate, cost; or, of a sum, a barrier.
    effective
        The quantity on the way to the data that it scales, a number, an array or a tensor, positive.
    along
        Parameters of the same kind, which are scaled with it.
    summed
        Whether the parameter is a term of the effective quantity instead: what it gains, that gains.
    """

    parameter: str
    effective: str
    along: tuple[str, ...] = ()
    summed: bool = False


@final
@dataclass(frozen=True)
class System:
    """A calibratable system.

    Attributes
    ----------
    name
        ``family/system``.
    parameters
        Everything a person may want to infer, with units and physical limits.
    outputs, coordinates
        What is measured, and along what; CSV columns carry these names. An output names its coordinates.
    smoothness
        ``smooth`` (exact gradients), ``piecewise`` (gradient-free samplers), ``stochastic`` (random numbers
        by key).
    forward
        ``forward(**options, **coordinates) -> ForwardModel``; coordinates are arrays in their units.
    space
        ``space(**options, **coordinates) -> StateSpace``, for systems in time.
    timeless
        Why there is nothing for a filter to follow, for systems without `space`.
    options
        Typed fixed choices, with defaults.
    effective
        Quantities on the way from parameters to outputs that a reader wants to see, such as an effective
        tensor, under the names the stages make them by.
    limits
        Known answers; at least one.
    examples
        Options and coordinates at which contracts are held, beside the defaults: other modes of the model.
    converts
        Whether the model converts units on its own, because its paper mixes them (ms beside V/s).
    resolved
        A finer or resolved model of the same physics, to judge the model itself by:
        ``resolved(theta, **options, **coordinates) -> {output: array}``.
    scale
        The parameter that scales the micro law, if there is one; samplers then walk in the logarithm of the
        effective quantity instead, which is what data pin down.
    stretches
        Dear parts of the way from parameters to data that polynomials may stand for while sampling, in order;
        sampler ``surrogate`` needs one.
    """

    name: str
    parameters: tuple[Parameter, ...]
    outputs: tuple[Quantity, ...]
    smoothness: Smoothness
    forward: Callable[..., ForwardModel]
    coordinates: tuple[Quantity, ...] = ()
    space: Callable[..., StateSpace] | None = None
    options: tuple[Option, ...] = ()
    effective: tuple[Quantity, ...] = ()
    limits: tuple[Limit, ...] = ()
    examples: tuple[Mapping[str, Any], ...] = ()
    converts: bool = False
    resolved: Callable[..., Mapping[str, Array]] | None = None
    scale: Scale | None = None
    stretches: tuple[Stretch, ...] = ()
    timeless: str = ""
    title: str = field(default="")

    def __post_init__(self) -> None:
        if self.smoothness not in SMOOTHNESS:
            raise InputError(explain(f"{self.name}: smoothness {self.smoothness!r}", ", ".join(SMOOTHNESS)))
        known = {quantity.name for quantity in self.coordinates}
        for output in self.outputs:
            for name in output.coordinates:
                if name not in known:
                    raise InputError(
                        explain(f"{self.name}: output {output.name!r} lies along {name!r}", str(known))
                    )
        for name in (self.scale.parameter, *self.scale.along) if self.scale else ():
            self.parameter(name)

    def parameter(self, name: str) -> Parameter:
        """Return the parameter of that name.

        Raises
        ------
        ParameterError
            If there is none; the message lists those there are.
        """
        found: Parameter = pick(name, self.parameters, f"{self.name}: parameter")
        return found

    def output(self, name: str) -> Quantity:
        """Return the output of that name; raises `ParameterError` if there is none."""
        found: Quantity = pick(name, self.outputs, f"{self.name}: output")
        return found


def pick(name: str, items: tuple[Any, ...], what: str) -> Any:
    """Return the item of that name, or raise with the nearest name and all allowed ones."""
    for item in items:
        if item.name == name:
            return item
    names = [item.name for item in items]
    raise ParameterError(
        explain(f"{what} {name!r} is unknown{near_match(name, names)}", ", ".join(names) or "none")
    )
