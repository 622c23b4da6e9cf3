"""What every system promises, as checks that run over the whole catalogue and over a person's own file.

Each contract is a function of a `System` that raises `ContractBroken` with one sentence, or returns what it
measured. The test suite runs all of them over every file in ``models/``, without registration.
"""

import multiprocessing
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial, wraps
from inspect import signature
from typing import Any

import numpy as np

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Array
from mscale_uq.core.system import System
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import MscaleError, NoGradient, ParameterError

Dimension = Callable[[str], Mapping[str, float]]
SPREAD = 0.05  # relative spread of the thetas at which contracts are checked, around the defaults


class ContractBroken(MscaleError):
    """A system does not keep a promise; the message says which and where."""


def at_every_example(contract: Callable[..., str]) -> Callable[..., str]:
    """Hold a system to a contract with its defaults, and with each of its examples in their place."""

    @wraps(contract)
    def held(system: System, *arguments: Any) -> str:
        measured = contract(system, *arguments)
        for example in system.examples:
            here = ", ".join(f"{name}={value!r}" for name, value in example.items() if np.ndim(value) == 0)
            try:
                contract(replace(system, forward=partial(system.forward, **example)), *arguments)
            except ContractBroken as broken:
                raise ContractBroken(f"{broken} (with {here})") from broken
        count = len(system.examples)
        return measured + (f"; also at {count} example{'' if count == 1 else 's'}" if count else "")

    return held


def nearby_thetas(model: ForwardModel, count: int, rng: np.random.Generator) -> Array:
    """Return thetas ``(count, n)``: the defaults, and points around them inside the limits.

    Entries move by a factor, so a default of zero stays; a move that leaves the limits is halved, and since
    the limits are open and hold the default, some part of it always fits.
    """
    default = model.theta()
    thetas = [default]
    for _ in range(count - 1):
        move = SPREAD * rng.standard_normal(default.size)
        while not _inside(model, default * np.exp(move)):
            move = move / 2
        thetas.append(default * np.exp(move))
    return np.array(thetas)


def defaults_agree(system: System) -> str:
    """Every option and coordinate has a default in ``forward``, and options have the declared one."""
    arguments = signature(system.forward).parameters
    for option in system.options:
        if option.name not in arguments or arguments[option.name].default != option.default:
            raise ContractBroken(f"{system.name}: option {option.name!r} has another default in forward()")
    for coordinate in system.coordinates:
        if (
            coordinate.name not in arguments
            or arguments[coordinate.name].default is arguments[coordinate.name].empty
        ):
            raise ContractBroken(
                f"{system.name}: coordinate {coordinate.name!r} needs a default in forward()"
            )
    model = system.forward()
    known = [parameter.name for parameter in system.parameters]
    for parameter in model.parameters:
        if parameter.name not in known:
            raise ContractBroken(
                f"{system.name}: forward() reads {parameter.name!r}, which SYSTEM does not declare"
            )
        if parameter.unit != system.parameter(parameter.name).unit:
            raise ContractBroken(f"{system.name}: {parameter.name!r} has another unit in forward()")
    for output in model.outputs:
        try:
            system.output(output)
        except ParameterError as unknown:
            raise ContractBroken(str(unknown)) from unknown
    return f"{len(model.parameters)} parameters, {len(model.outputs)} outputs"


@at_every_example
def gradient_is_exact(system: System) -> str:
    """Smooth systems: the derivative that differences see, <Jv, w> = <v, J'w>; others refuse, or pass too."""
    model = system.forward()
    rng = np.random.default_rng(7)
    worst, dot = np.inf, 0.0
    for theta in nearby_thetas(model, 2, rng):
        try:
            check = check_gradient(model, theta, rng)
        except NoGradient as refusal:
            if system.smoothness == "smooth":
                raise ContractBroken(f"{system.name}: declared smooth, but {refusal}") from refusal
            return "refuses, as declared"
        if not check.ok:
            raise ContractBroken(f"{system.name}: {check}")
        worst, dot = min(worst, check.worst[1]), max(dot, check.dot_error)
    return f"slope {worst:.2f}, dot product {dot:.0e}"


@at_every_example
def batch_equals_loop(system: System) -> str:
    """A batch gives what the loop gives, bit for bit."""
    model = system.forward()
    thetas = nearby_thetas(model, 3, np.random.default_rng(8))
    loop = np.array([model.value(theta) for theta in thetas])
    if not np.array_equal(model.batch(thetas).values, loop):
        raise ContractBroken(f"{system.name}: batch and loop differ")
    return f"{len(thetas)} members"


@at_every_example
def value_is_pure(system: System) -> str:
    """Neither other evaluations nor a derivative in between change a value, and inputs stay as they are."""
    model = system.forward()
    first, second = nearby_thetas(model, 2, np.random.default_rng(9))
    before, kept = model.value(first), first.copy()
    model.value(second)
    if system.smoothness == "smooth":
        linear = model.linearize(second)[1]
        linear.vjp(np.ones(before.size))
    if not np.array_equal(model.value(first), before):
        raise ContractBroken(f"{system.name}: a value depends on what was evaluated before")
    if not np.array_equal(first, kept):
        raise ContractBroken(f"{system.name}: the parameter vector was changed")
    return "same value before and after"


@at_every_example
def scale_is_in_proportion(system: System) -> str:
    """Doubling the declared scale, and what is scaled along, doubles the effective quantity, or adds it."""
    scale, model = system.scale, system.forward()
    if scale is None:
        return "declares no scale"
    if scale.effective not in model.chain.made:
        return f"{scale.effective} is not on the way to these data"
    model = model.only([scale.effective])
    theta = nearby_thetas(model, 2, np.random.default_rng(12))[1]
    scaled = (scale.parameter, *scale.along)
    once, twice = model.value(theta), model.split(theta)
    gained = twice[scale.parameter] if scale.summed else once
    for name in scaled:
        twice[name] = 2 * twice[name]
    error = np.max(np.abs(model.value(model.pack(twice)) - gained - once)) / np.max(np.abs(once))
    if not error < 1e-8:
        given = f"{scale.effective!r} is off by {error:.2g} when {', '.join(scaled)} double"
        raise ContractBroken(f"{system.name}: {given}")
    return f"{scale.effective} is {'a sum with' if scale.summed else 'in proportion to'} {', '.join(scaled)}"


def survives_a_worker(system: System, spawned: Callable[..., Any] | None = None) -> str:
    """The model pickles into a spawned process, reached by a `map`, and gives the same values there."""
    if spawned is None:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return survives_a_worker(system, pool.map)
    model = system.forward()
    thetas = nearby_thetas(model, 2, np.random.default_rng(10))
    if not np.array_equal(model.batch(thetas, map=spawned).values, model.batch(thetas).values):
        raise ContractBroken(f"{system.name}: a spawned worker gives other values")
    return "same values in a spawned worker"


def limits_hold(system: System) -> str:
    """Every known answer is met within its stated tolerance."""
    if not system.limits:
        raise ContractBroken(f"{system.name}: declares no limit with a known answer")
    for limit in system.limits:
        deviation = limit.residual()
        if not deviation <= limit.tolerance:
            raise ContractBroken(
                f"{system.name}: {limit.meaning}: off by {deviation:.3g}, allowed {limit.tolerance:.3g}"
            )
    return f"{len(system.limits)} limit{'' if len(system.limits) == 1 else 's'}"


@at_every_example
def units_are_consistent(system: System, dimension: Dimension) -> str:
    """Change the base units, and every output changes as its unit says.

    Physics does not know our metre. Each parameter, option and coordinate is restated in other base units
    (a metre of 0.6 m, a kilogram of 1.7 kg, ...); every output must come out as its own unit says. A
    forgotten factor, a wrong unit in a declaration, a constant with a hidden unit: all break it.
    """
    factor = _factors(dimension)
    arguments = signature(system.forward).parameters
    coordinates = {c.name: _restated(arguments[c.name].default, factor(c.unit)) for c in system.coordinates}
    options = {
        option.name: arguments[option.name].default * factor(option.unit)
        for option in system.options
        if isinstance(option.default, float) and factor(option.unit) != 1.0
    }
    here = system.forward()
    there = system.forward(
        **options, **{name: value for name, value in coordinates.items() if value is not None}
    )
    theta = nearby_thetas(here, 2, np.random.default_rng(11))[1]
    scale = here.pack(
        {p.name: np.full(p.shape, factor(system.parameter(p.name).unit)) for p in here.parameters}
    )
    other = _without_limits(there).trace(theta * scale)
    own = here.trace(theta)
    seen = {quantity.name: quantity.unit for quantity in system.effective if quantity.name in own}
    for name, unit in {**seen, **{name: system.output(name).unit for name in here.outputs}}.items():
        expected = own[name] * factor(unit)
        largest = max(float(np.max(np.abs(expected))), np.finfo(float).tiny)  # zero in a mode of some models
        error = float(np.max(np.abs(other[name] - expected))) / largest
        if not error < 1e-8:
            raise ContractBroken(
                f"{system.name}: {name!r} [{unit}] is off by {error:.2g} when base units "
                "change: a unit in the declaration is wrong, or a constant hides one"
            )
    one = len(here.outputs) == 1
    return f"{len(here.outputs)} output{' scales as its unit says' if one else 's scale as their units say'}"


def _factors(dimension: Dimension) -> Callable[[str], float]:
    base = {
        "[length]": 0.6,
        "[mass]": 1.7,
        "[time]": 2.3,
        "[temperature]": 1.3,
        "[substance]": 0.8,
        "[current]": 1.1,
    }

    def factor(unit: str) -> float:
        return float(np.prod([base[name] ** power for name, power in dimension(unit or "1").items()]))

    return factor


def _restated(value: Any, factor: float) -> Any:
    return None if value is None else np.asarray(value, dtype=float) * factor


def _without_limits(model: ForwardModel) -> ForwardModel:
    """Numbers in other units may leave limits that are stated in ours."""
    free = [replace(p, lower=-np.inf, upper=np.inf) for p in model.parameters]
    constants = {name: value for name, value in model.constants.items() if name != "key"}
    return ForwardModel(model.chain.stages, free, model.outputs, constants, model.key)


def _inside(model: ForwardModel, theta: Array) -> bool:
    named = model.split(theta)
    return all(parameter.inside(named[parameter.name]) for parameter in model.parameters)


CONTRACTS: dict[str, Callable[[System], str]] = {
    "defaults agree": defaults_agree,
    "limits hold": limits_hold,
    "gradient is exact": gradient_is_exact,
    "batch equals loop": batch_equals_loop,
    "value is pure": value_is_pure,
    "scale is in proportion": scale_is_in_proportion,
    "survives a worker": survives_a_worker,
}
