"""The section ``[assimilate]``: which model, numbers, stream and filter it means."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy

from mscale_uq.case.begun import begun, starts
from mscale_uq.case.binding import Link, fixed
from mscale_uq.case.filters import build_filter, check_model, check_name
from mscale_uq.case.model import Plan
from mscale_uq.case.priors import Unknown
from mscale_uq.case.schema import AssimilateSpec
from mscale_uq.case.stream import Stream, joined, state_space, stream_of
from mscale_uq.core.parameter import Array, Parameter
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, ForwardFailure, InputError, explain, near_match
from mscale_uq.filters import augment
from mscale_uq.filters.apart import numbered
from mscale_uq.filters.filter import Filter
from mscale_uq.filters.free import Free
from mscale_uq.filters.loop import simultaneous
from mscale_uq.filters.screen import Screen
from mscale_uq.filters.whole import WholeStream
from mscale_uq.io.measurements import Measurements
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.io.units import to_unit
from mscale_uq.stats.experiment import Fixed
from mscale_uq.stats.prior import Prior

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(20)  # exact for normal and lognormal priors


@final
@dataclass(frozen=True)
class Assimilating:
    """What a filter needs, worked out from a case.

    Attributes
    ----------
    experiment
        Whose data they are; several names if they are taken in together.
    data
        The tables of all of them, one behind the other.
    filter, space, theta, stream
        The settings, the model with the learned parameters in its state, the numbers of the others.
    learned
        Unknown -> the model's parameter that is part of the state.
    smooth, lag
        Whether later readings shall correct earlier states too, and over how many analysis times (None: all).
    settings
        The section as it was written.
    """

    experiment: str
    data: Measurements
    filter: Filter | WholeStream
    space: StateSpace
    theta: Mapping[str, Array]
    stream: Stream
    learned: Mapping[str, Parameter]
    smooth: bool
    lag: int | None
    settings: Mapping[str, Any]


def plan_assimilation(
    spec: AssimilateSpec | None,
    system: System,
    plans: Sequence[Plan],
    known: Mapping[str, Unknown],
    mistakes: Mistakes,
) -> Assimilating | None:
    """Return the assimilation of a case, None if it asks for none; mistakes are noted."""
    if spec is None:
        return None
    before = len(mistakes)
    with mistakes.at("assimilate"):
        check_name(spec.filter)
    plan: Any = None
    plain: Any = None
    found: Assimilating | None = None
    with mistakes.at("assimilate.experiment"):
        plan = _experiment(spec, plans)
        plain = state_space(system, plan)
    if plain is None:
        return None
    learned = _learned(spec, plan, known, mistakes)
    theta = _theta(spec, plan, plain, known, mistakes)
    if len(mistakes) > before:
        return None
    with mistakes.at("assimilate"):
        plain = begun(plan, plain, theta, known)
        space = _augmented(spec, plain, learned, known)
        found = _taking_in(spec, plan, space, theta, _readings(spec, system, plan, plain), learned)
    return found  # noqa: RET504  # None where the block ended early


def _readings(spec: AssimilateSpec, system: System, plan: Plan, space: StateSpace) -> Stream:
    """Return the readings of an experiment, marked where they must not be used, and checked."""
    stream = stream_of(system, plan, space)
    stream = stream.screened(_screen(spec, stream))
    _check_start(space, stream)
    _check_apart(space, stream)
    return stream


def _taking_in(
    spec: AssimilateSpec,
    plan: Plan,
    space: StateSpace,
    theta: Mapping[str, Array],
    stream: Stream,
    learned: Mapping[str, Parameter],
) -> Assimilating:
    """Return the assimilation of these readings, its filter checked against the model."""
    filter = build_filter(spec, space)
    with suppress(ForwardFailure):  # at these numbers: the run will say so
        check_model(filter, space, theta, stream.observations)
    settings = spec.model_dump(exclude_none=True, exclude_defaults=True)
    lag = spec.lag if spec.filter != "ienks" else None
    smooth = spec.smooth
    return Assimilating(plan.name, plan.data, filter, space, theta, stream, learned, smooth, lag, settings)


def _experiment(spec: AssimilateSpec, plans: Sequence[Plan]) -> Plan:
    known = {plan.name: plan for plan in plans}
    if spec.experiment is None and len(plans) == 1:
        return plans[0]
    for name in spec.experiment or [""]:
        if name not in known:
            hint = "one of them, or a list of those that share a system"
            raise CaseError(explain(f"{name!r}{near_match(name, known)}", ", ".join(map(repr, known)), hint))
    return joined([known[name] for name in spec.experiment or []])


def _learned(
    spec: AssimilateSpec, plan: Plan, known: Mapping[str, Unknown], mistakes: Mistakes
) -> dict[str, Parameter]:
    """Return the parameters that become state, by the unknowns they are bound to."""
    found: dict[str, Parameter] = {}
    for name in spec.learn:
        with mistakes.at("assimilate.learn"):
            found[name] = _bound(name, plan, known)
    for name in set(spec.drift) - set(spec.learn):
        given = f"{name!r} is not learned{near_match(name, spec.learn)}"
        mistakes.add("assimilate.drift", explain(given, ", ".join(spec.learn) or "nothing is learned"))
    return found


def _bound(name: str, plan: Plan, known: Mapping[str, Unknown]) -> Parameter:
    places = _places(plan)
    uses = places.get(name, [])
    if not uses:
        raise CaseError(explain(f"no unknown {name!r}{near_match(name, places)}", ", ".join(places)))
    if len(uses) > 1 or uses[0].name in plan.levels:
        what = "a noise level" if len(uses) == 1 else "bound to several parameters"
        hint = f"give it a number: at = {{ {name} = .. }}"
        raise CaseError(explain(f"{name!r} is {what}", "an unknown that is one parameter", hint))
    if known[name].prior.parents:
        raise CaseError(explain(f"the prior of {name!r} depends on other unknowns", "numbers in its prior"))
    return uses[0]


def _places(plan: Plan) -> dict[str, list[Parameter]]:
    """Return unknown -> the parameters and noise levels bound to it."""
    found: dict[str, list[Parameter]] = {}
    for target, binding in plan.bindings.items():
        if isinstance(binding, Link):
            found.setdefault(binding.name, []).append(plan.targets[target])
    return found


def _theta(
    spec: AssimilateSpec, plan: Plan, space: StateSpace, known: Mapping[str, Unknown], mistakes: Mistakes
) -> dict[str, Array]:
    """Return a number for everything that the state space reads and that is not learned.

    What the experiment's own model does not read moves none of its readings: it has its default.
    """
    theta = {p.name: np.asarray(p.default) for p in space.parameters if p.name not in plan.targets}
    places, needed = _places(plan), _read_by(space)
    for name in set(spec.at) - set(places):
        given = f"no unknown {name!r}{near_match(name, places)}"
        mistakes.add(f"assimilate.at.{name}", explain(given, ", ".join(places), "what is fixed has a number"))
    for target, binding in plan.bindings.items():
        if target in plan.channels:
            along = ", ".join(plan.channels[target].along)
            given = f"{target!r} is a noise level for each {along} (per), which a filter does not take"
            mistakes.add("assimilate", explain(given, "one level for all readings", "a law without per"))
        elif isinstance(binding, Fixed):
            theta[target] = np.asarray(binding.value)
        elif binding.name in spec.at:
            with mistakes.at(f"assimilate.at.{binding.name}"):
                theta[target] = _number(plan.targets[target], binding, spec, known)
        elif binding.name not in spec.learn and target in needed and target not in starts(space):
            unit = plan.targets[target].unit
            hint = f'learn = ["{binding.name}"], or at = {{ {binding.name} = "1 {unit}" }}'
            mistakes.add(
                "assimilate.at", explain(f"no number for {binding.name!r}", "learned, or a number", hint)
            )
    for name in set(spec.at) & set(spec.learn):
        mistakes.add(f"assimilate.at.{name}", explain(f"{name!r} is learned too", "one of the two"))
    return theta


def _read_by(space: StateSpace) -> set[str]:
    laws = {name for operator in space.observations.values() for name in operator.law.reads}
    return {parameter.name for parameter in space.parameters} | laws


def _number(target: Parameter, link: Link, spec: AssimilateSpec, known: Mapping[str, Unknown]) -> Array:
    given, unknown = spec.at[link.name], known[link.name]
    if unknown.is_width:
        return np.asarray(to_unit(given, target.unit, link.name, difference=True))
    if isinstance(given, list) and link.index is not None:
        given = given[link.index]
    return np.asarray(fixed(target, given).value)


def _augmented(
    spec: AssimilateSpec, space: StateSpace, learned: Mapping[str, Parameter], known: Mapping[str, Unknown]
) -> StateSpace:
    if not learned:
        return space
    unknowns = {}
    for name, parameter in learned.items():
        drift = to_unit(spec.drift.get(name, 0.0), "1", f"drift of {name!r}")
        unknowns[parameter.name] = as_state(known[name].prior, parameter, drift)
    return augment.augment(space, unknowns)


def as_state(prior: Prior, parameter: Parameter, drift: float) -> augment.Unknown:
    """Return what a prior says of a parameter's coordinate: its mean, as a parameter, and its sd.

    The moments are those of the coordinate under the prior, by Gauss-Hermite quadrature over the prior's
    normal scores: exact where the coordinate is normal.
    """
    law = prior.frozen(**prior.resolve({}))
    draws = np.where(NODES < 0, law.ppf(scipy.stats.norm.cdf(NODES)), law.isf(scipy.stats.norm.sf(NODES)))
    if not np.all((draws > parameter.lower) & (draws < parameter.upper)):
        given = f"the prior of {parameter.name!r} reaches the limits"
        raise InputError(explain(given, f"({parameter.lower:g}, {parameter.upper:g}) {parameter.unit}"))
    free = Free((parameter.name,), np.array([parameter.lower]), np.array([parameter.upper]))
    u, weights = free.forward(draws[:, None])[:, 0], WEIGHTS / WEIGHTS.sum()
    mean = weights @ u
    sd = np.sqrt(weights @ (u - mean) ** 2)
    return augment.Unknown(free.backward(np.array([mean]))[0], sd, drift)


def _screen(spec: AssimilateSpec, stream: Stream) -> Screen:
    """Return which outputs are only compared, and the ends of what their detectors can tell."""
    sources = {output.name: source for source, output in stream.outputs.items()}
    limits = {}
    for name in (*spec.evaluate, *spec.limits):
        if name not in sources:
            given = f"no output {name!r}{near_match(name, sources)}"
            raise CaseError(explain(given, ", ".join(sources)))
    for name, ends in spec.limits.items():
        if not isinstance(ends, list) or len(ends) != 2:
            raise CaseError(explain(f"limits of {name!r}: {ends!r}", "two readings, the lower one first"))
        unit = stream.outputs[sources[name]].unit
        low, high = (to_unit(end, unit, f"limits of {name!r}") for end in ends)
        limits[sources[name]] = (low, high)
    return Screen(evaluated=tuple(sources[name] for name in spec.evaluate), limits=limits)


def _check_start(space: StateSpace, stream: Stream) -> None:
    first = stream.observations[0].time
    if first < space.start:
        unit, name = stream.time.unit, stream.time.name
        given = f"first reading at {name} = {first:g} {unit}, the model starts at {space.start:g} {unit}"
        raise CaseError(explain(given, "readings from the start on"))


def _check_apart(space: StateSpace, stream: Stream) -> None:
    """Refuse more dishes of one time, say, than the state has room for."""
    for together in simultaneous(stream.observations):
        numbered(space, {}, together)
