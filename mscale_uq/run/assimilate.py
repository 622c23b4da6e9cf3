"""`assimilate`: from a case with a section ``[assimilate]`` to a folder with its records and a page."""

from importlib.metadata import version
from pathlib import Path

from mscale_uq.case.assimilate import Assimilating
from mscale_uq.case.read import Case, read_case
from mscale_uq.catalog import cases_by_system, find_case, summaries
from mscale_uq.core.map import Map
from mscale_uq.errors import CaseError, explain
from mscale_uq.filters.follow import follow
from mscale_uq.infer.workers import maybe_workers
from mscale_uq.io.toml import write_toml
from mscale_uq.report.assimilation import write_page
from mscale_uq.results.assimilation import Assimilated, assimilated, prepare, write
from mscale_uq.run.complete import check_complete


def assimilate(
    case: Case | str | Path,
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    dask: str | None = None,
) -> Assimilated:
    """Take in the data of a case one time after the other, by the filter it names.

    Parameters
    ----------
    case
        A case, its file, or a shipped name.
    out
        Folder of the result; ``runs/<case>-assimilated`` if not said.
    workers, dask
        Processes of this machine, or the address of a dask scheduler, that move the members of an ensemble,
        which pays where a step of a member takes milliseconds. Their number changes nothing.

    Raises
    ------
    CaseError, DataError, UnitError
        If the case is wrong, or has no section ``[assimilate]``.
    RunError
        If the folder holds something else.
    SolveFailed, Infeasible, NoGradient
        From the model, if the filter cannot go on.
    """
    if not isinstance(case, Case):
        case = read_case(find_case(case))
    folder = Path(out) if out is not None else Path("runs") / f"{case.name}-assimilated"
    prepare(folder)
    _check_asked(case)
    with maybe_workers(workers, dask) as mapping:
        result = take_in(case, folder, mapping)
    write(result)
    write_page(result)
    return result


def take_in(case: Case, folder: Path = Path(), map: Map | None = None) -> Assimilated:
    """Return the numbers of an assimilation whose files shall lie in `folder`; none is written.

    `map` moves the members of an ensemble; they move together if None.

    Raises
    ------
    CaseError
        If the case has no section ``[assimilate]``.
    """
    plan = _check_asked(case)
    check_complete(case)
    stream = plan.stream.observations
    space = plan.space if map is None else plan.space.over(map)
    followed = follow(plan.filter, space, plan.theta, stream, plan.smooth, case.seed, plan.lag)
    return assimilated(folder, case, plan, followed, _facts(case, plan))


def _check_asked(case: Case) -> Assimilating:
    """Return the section's meaning; a case without one is told why, or what to write."""
    if case.assimilating is not None:
        check_laws(case, case.assimilating)
        return case.assimilating
    system, others = case.system, cases_by_system().get(case.system.name, ())
    if system.space is None:
        reason = f": {system.timeless}" if system.timeless else ""
        given = f"{case.path.name}: {system.name} has no state that a filter could follow{reason}"
        raise CaseError(explain(given, "a system in time (`space`)", "mscale fit calibrates the case"))
    given = f"{case.path.name}: no section [assimilate]"
    beside = ", ".join(other for other in others if other != case.path.stem)
    hint = '[assimilate] filter = "kalman"' + (f"; cases beside it: {beside}" if beside else "")
    raise CaseError(explain(given, "a case that names a filter", hint))


def check_laws(case: Case, plan: Assimilating) -> None:
    """Refuse laws of many readings together: a filter takes one after the other.

    Raises
    ------
    CaseError
        If the case says that the model of an output which is taken in misses something.
    """
    missed = sorted(case.discrepancies.keys() & plan.data.outputs.keys())
    if missed:
        given = (
            f"{case.path.name}: [discrepancy.{missed[0]}] with a filter, which takes one reading at a time"
        )
        hint = "mscale fit counts it; for a filter, leave it out and take a larger noise"
        raise CaseError(explain(given, "laws of single readings", hint))


def _facts(case: Case, plan: Assimilating) -> dict[str, object]:
    """Return what is known about the run, as plain numbers and words."""
    return {
        "case": case.name,
        "question": case.question,
        "system": case.system.name,
        "summary": summaries()[case.system.name],
        "experiment": plan.experiment,
        "section": write_toml({"assimilate": dict(plan.settings)}),
        "seed": case.seed,
        "time": [plan.stream.time.name, plan.stream.time.unit],
        "meanings": {
            **{output.name: output.meaning for output in plan.stream.outputs.values()},
            **{name: parameter.meaning for name, parameter in plan.learned.items()},
        },
        "expected": _expected(case),
        "versions": {name: version(name) for name in ("mscale_uq", "numpy", "scipy")},
    }


def _expected(case: Case) -> dict[str, float]:
    numbers = {name: e.mean if e.truth is None else e.truth for name, e in case.expect.items()}
    return {name: number for name, number in numbers.items() if number is not None}
