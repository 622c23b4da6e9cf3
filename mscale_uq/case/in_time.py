"""The sections ``[assimilate]`` and ``[stream]`` of a case: planned, or looked at as far as that goes.

Both are planned on the data (`plan_assimilation`, `plan_live`). Where there are none to plan on, names and
units in them are held against the system and the case alone, so that no mistake waits for another.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mscale_uq.case.assimilate import Assimilating, plan_assimilation
from mscale_uq.case.filters import check_name
from mscale_uq.case.live import Live, form_of, plan_live, windows_of
from mscale_uq.case.model import Plan
from mscale_uq.case.priors import Unknown
from mscale_uq.case.schema import AssimilateSpec, CaseSpec, StreamSpec
from mscale_uq.case.stream import time_of
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, explain, near_match
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.io.units import to_unit


def plan_in_time(
    spec: CaseSpec,
    system: System,
    plans: Sequence[Plan],
    known: Mapping[str, Unknown],
    folder: Path,
    mistakes: Mistakes,
    source: str | None = None,
) -> tuple[Assimilating | None, Live | None]:
    """Return the assimilation and the stream of a case, None if it asks for none; mistakes are noted.

    `source` stands in for that of the stream.
    """
    filtering = None
    if sum(plan.sure for plan in plans) == len(spec.experiment):
        filtering = plan_assimilation(spec.assimilate, system, plans, known, mistakes)
    else:
        _look_at_assimilation(spec, system, mistakes)
    if filtering is None and spec.assimilate is not None:
        _look_at_stream(spec.stream, system, mistakes)
        return None, None
    awaited = [plan.awaited for plan in plans if plan.awaited is not None]
    return filtering, plan_live(spec.stream, filtering, awaited, folder, mistakes, source)


def _look_at_assimilation(spec: CaseSpec, system: System, mistakes: Mistakes) -> None:
    """Note what is wrong with the section ``[assimilate]`` whatever the data are."""
    section = spec.assimilate
    if section is None:
        return
    with mistakes.at("assimilate"):
        check_name(section.filter)
    with mistakes.at("assimilate.experiment"):
        time_of(system)
        _known(section.experiment or [], [one.name for one in spec.experiment])
    with mistakes.at("assimilate.learn"):
        _known(section.learn, spec.prior, "no unknown ")
    with mistakes.at("assimilate.drift"):
        _known(section.drift, section.learn)
    for name in section.at:
        with mistakes.at(f"assimilate.at.{name}"):
            _known([name], spec.prior, "no unknown ")
    with mistakes.at("assimilate"):
        _check_limits(section, system)


def _look_at_stream(section: StreamSpec | None, system: System, mistakes: Mistakes) -> None:
    """Note what is wrong with the section ``[stream]`` whatever the data are."""
    if section is None:
        return
    with mistakes.at("stream"):
        form_of(section)
        _known(section.snapshots, [output.name for output in system.outputs], "snapshots: no output ")
    try:
        unit = time_of(system).unit
    except CaseError:
        return  # told where the filter is asked for
    with mistakes.at("stream"):
        windows_of(section, unit)
    if section.history is not None:
        with mistakes.at("stream"):
            to_unit(section.history, unit, "history")


def _check_limits(section: AssimilateSpec, system: System) -> None:
    outputs = {output.name: output for output in system.outputs}
    _known([*section.evaluate, *section.limits], outputs, "no output ")
    for name, ends in section.limits.items():
        for end in ends if isinstance(ends, list) else [ends]:
            to_unit(end, outputs[name].unit, f"limits of {name!r}")


def _known(names: Collection[str], allowed: Collection[str], what: str = "") -> None:
    for name in names:
        if name not in allowed:
            raise CaseError(
                explain(f"{what}{name!r}{near_match(name, allowed)}", ", ".join(allowed) or "none")
            )
