"""Where the unknowns of a case enter its experiments, and the shape that follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from mscale_uq.case.binding import Link
from mscale_uq.case.channels import Channels, Place
from mscale_uq.case.model import Plan
from mscale_uq.case.schema import PriorSpec
from mscale_uq.core.parameter import Parameter
from mscale_uq.errors import CaseError, ParameterError, explain


@final
@dataclass(frozen=True)
class Use:
    """One place where an unknown enters.

    Attributes
    ----------
    experiment, target
        What it is bound to there.
    link
        By which it is bound.
    is_width
        Whether it is a noise level.
    channels
        The channels it has an entry for, if it has several.
    sure
        Whether model and data of the experiment are no stand-ins.
    """

    experiment: str
    target: Parameter
    link: Link
    is_width: bool
    channels: Channels | None
    sure: bool


@final
@dataclass(frozen=True)
class Entries:
    """What the entries of an unknown are.

    Attributes
    ----------
    shape
        Of the unknown.
    per
        The experiments along its first axis, if it has one entry for each.
    channels
        The places along its only axis, if it has one entry for each, and along which coordinates they lie.
    """

    shape: tuple[int, ...] = ()
    per: tuple[str, ...] = ()
    channels: tuple[Place, ...] = ()
    along: tuple[str, ...] = ()


def uses(plans: Sequence[Plan]) -> dict[str, list[Use]]:
    """Return unknown -> every place where it enters, in the order of the experiments."""
    found: dict[str, list[Use]] = {}
    for plan in plans:
        for name, binding in plan.bindings.items():
            if isinstance(binding, Link):
                is_width = name in plan.levels
                use = Use(
                    plan.name, plan.targets[name], binding, is_width, plan.channels.get(name), plan.sure
                )
                found.setdefault(binding.name, []).append(use)
    return found


def entries_of(name: str, spec: PriorSpec, places: Sequence[Use]) -> Entries:
    """Return the entries of an unknown.

    Raises
    ------
    InputError
        If its shape does not fit what it is bound to.
    """
    by_channel = [use.channels for use in places if use.channels is not None]
    if by_channel:
        return _channels(name, spec, places, by_channel)
    own = {use.target.shape for use in places} or {()}
    if len(own) > 1:
        raise CaseError(explain(f"{name!r} is bound to shapes {own}", "one shape"))
    (inner,) = own
    if spec.shape == "experiments":
        return _one_for_each(name, places, inner)
    shape: tuple[int, ...] = spec.shape or inner
    for use in places:
        _check_link(name, shape, inner, use)
    return Entries(shape)


def _channels(name: str, spec: PriorSpec, places: Sequence[Use], by_channel: Sequence[Channels]) -> Entries:
    """Return one entry for each channel of all experiments; the same place is the same channel."""
    along = {channels.along for channels in by_channel}
    if len(by_channel) < len(places) or len(along) > 1 or any(use.link.index is not None for use in places):
        given = f"{name!r} is one level in one place, and one for each channel in another"
        raise CaseError(explain(given, "the same 'per' wherever it is used"))
    found = tuple(dict.fromkeys(place for channels in by_channel for place in channels.places))
    if spec.shape not in (None, (len(found),)):
        given = f"{name!r} has shape {spec.shape}, and there are {len(found)} channels"
        raise CaseError(explain(given, f"no shape, or {len(found)}"))
    return Entries((len(found),), channels=found, along=along.pop())


def _one_for_each(name: str, places: Sequence[Use], inner: tuple[int, ...]) -> Entries:
    if not places:
        raise CaseError(explain("shape = 'experiments', and no experiment uses it", "a number, or no shape"))
    if any(use.link.index is not None for use in places):
        raise CaseError(explain("shape = 'experiments' with an entry in bind", f"bind = {{ .. = {name!r} }}"))
    per = tuple(dict.fromkeys(use.experiment for use in places))
    return Entries((len(per), *inner), per)


def _check_link(name: str, shape: tuple[int, ...], inner: tuple[int, ...], use: Use) -> None:
    if use.link.index is None and shape != inner and use.is_width:
        given = f"the noise level {name!r} has shape {shape}"
        hint = (
            'sensors that scatter differently: per = ["x"] in the law, x being what tells them apart; '
            "experiments that do: shape = 'experiments'"
        )
        raise ParameterError(explain(given, "one number", hint))
    if use.link.index is None and shape != inner:
        given = f"{name!r} has shape {shape}, {use.target.name!r} of {use.experiment!r} has {inner}"
        hint = f"bind = {{ {use.target.name} = '{name}[0]' }}, or shape = 'experiments'"
        raise ParameterError(explain(given, "equal shapes", hint))
    if use.link.index is not None and (shape[1:] != inner or not shape or use.link.index >= shape[0]):
        given = f"{use.experiment!r} is bound to {name}[{use.link.index}] of shape {shape}"
        raise ParameterError(
            explain(given, f"an entry of shape {inner}", f"shape = {use.link.index + 1} or more")
        )
