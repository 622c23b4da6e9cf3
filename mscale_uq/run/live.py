"""`follow_case`: a case with a section ``[stream]``, followed for as long as its source lasts."""

import math
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mscale_uq.case.assimilate import Assimilating
from mscale_uq.case.by_case import ByCase
from mscale_uq.case.live import TABLE, Live
from mscale_uq.case.places import Places
from mscale_uq.case.pooled import of_parts
from mscale_uq.case.read import Case
from mscale_uq.core.observation import Observation
from mscale_uq.errors import CaseError, RunError, explain
from mscale_uq.filters.estimate import state_labels
from mscale_uq.filters.filter import Filter
from mscale_uq.filters.loop import start
from mscale_uq.io.toml import write_toml
from mscale_uq.report.text import pretty_unit
from mscale_uq.run.assimilate import check_laws
from mscale_uq.run.folder import write_case
from mscale_uq.stream.dead_letters import FILE as DEAD
from mscale_uq.stream.dead_letters import write_dead_letters
from mscale_uq.stream.export import export
from mscale_uq.stream.follow import follow
from mscale_uq.stream.follower import Follower
from mscale_uq.stream.journal import FILE, Journal
from mscale_uq.stream.records import Objects
from mscale_uq.stream.row import plain
from mscale_uq.stream.source import Source
from mscale_uq.stream.status import Status, status_of
from mscale_uq.stream.view import View


def follow_case(
    case: Case,
    folder: Path,
    *,
    source: Source | None = None,
    stop_when_idle: float | None = None,
    fresh: bool = False,
    after_batch: Callable[[Path], object] = bool,
) -> Status:
    """Follow the stream of a case, and return how it stands at the end; the same call goes on from there.

    The readings of the experiment's table come first, and then those of the source.

    Parameters
    ----------
    case, folder
        The case, and where its run lies.
    source
        Instead of the one in the case: any `stream.source.Source`.
    stop_when_idle
        Seconds without a record after which a file counts as ended; None waits for ever.
    fresh
        Whether to start over.
    after_batch
        Called with the folder when something was taken in.

    Raises
    ------
    CaseError
        If the case has no stream.
    RunError
        If the folder holds something else, or the run of another case; nothing in it was changed.
    DataError
        If the source cannot be read, or contradicts itself; what came before is kept.
    """
    plan, live = case.assimilating, case.live
    if plan is None or live is None:
        raise CaseError(explain(f"{case.path.name}: no section [stream]", "a case that follows a stream"))
    check_laws(case, plan)
    _check(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with Journal(folder, fresh=fresh) as journal:
        if fresh:
            (folder / DEAD).unlink(missing_ok=True)
        _refuse_changed(journal.fact("files") or {}, _files(case))
        follower = _follower(case, plan, live, journal)
        _write(case, plan, live, journal, folder)

        def told() -> None:
            write_dead_letters(journal, folder)
            after_batch(folder)

        try:
            first = list(_records(plan, live))
            taken = journal.position(TABLE)
            follow(follower, journal, Objects(first[taken:], TABLE, taken))
            chosen = live.open(plan.stream) if source is None else [source]
            follow(follower, journal, *chosen, stop_when_idle=stop_when_idle, after_batch=told)
        finally:
            write_dead_letters(journal, folder)
            with View(folder) as view:
                export(view, folder)
    return status_of(folder)


def identity(case: Case) -> dict[str, str]:
    """Return what decides the numbers of a run that follows a stream, part by part."""
    parts = {name: part for name, part in case.identity.items() if name != "method"}
    if case.assimilating is None or case.live is None:
        return parts
    section = case.live.section()
    keys = ("columns", "late", "reorder_window", "snapshots", "history")
    deciding = {key: section[key] for key in keys if key in section}
    return {
        **parts,
        "filter": write_toml({"assimilate": dict(case.assimilating.settings)}),
        "stream": write_toml({"stream": deciding}),
    }


def _check(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise RunError(explain(f"{str(folder)!r} is a file", "a folder", "--out FOLDER"))
    if folder.is_dir() and any(folder.iterdir()) and not (folder / FILE).is_file():
        given = f"{str(folder)!r} is not empty, and holds no run that follows a stream"
        raise RunError(explain(given, "a new folder, or that of such a run", "--out FOLDER"))


def _files(case: Case) -> dict[str, str]:
    """Return the SHA-256 of every file that the case brings with it, the counts of snapshots among them."""
    return {file.path.name: file.digest for plan in case.plans for file in plan.all_files}


def _refuse_changed(found: dict[str, str], files: dict[str, str]) -> None:
    """Say which file is another than the one that was taken in; what else differs is told by the follower."""
    for name, digest in files.items():
        if found.get(name, digest) != digest:
            given = f"the folder holds a run with another data: {name!r} of SHA-256 {found[name][:12]}.."
            hint = f"it is {digest[:12]}.. now; --out FOLDER keeps the run, --fresh starts over"
            raise RunError(explain(given, "the file that was taken in", hint))


def _follower(case: Case, plan: Assimilating, live: Live, journal: Journal) -> Follower:
    assert isinstance(plan.filter, Filter)  # `plan_live` refuses what needs the whole stream
    begin = start(plan.filter, plan.space, plan.theta, case.seed)
    read = ByCase(plan.stream, plan.space.start)
    return Follower(journal, begin, read, live.policy, identity(case), read.learn, read.absent)


def _records(plan: Assimilating, live: Live) -> Any:
    """Yield the readings of the experiment's table as records, in the model's units."""
    still_to_come = {name for one in live.awaited for name in (*one.reader.columns, *of_parts(one.pools))}
    read = (one for one in plan.stream.observations if one.quantity not in still_to_come)
    for number, one in enumerate(read):
        yield {**_record(one), "source": TABLE, "seq": number, "type": one.source}


def _record(one: Observation) -> dict[str, Any]:
    more = {} if one.noise is None else {"error": plain([one.noise])[0]}
    if one.covariates:
        more["coordinates"] = {name: plain([array])[0] for name, array in one.covariates.items()}
    return {"event_time": one.time, "quantity": one.quantity, "value": plain([one.value])[0], **more}


def _write(case: Case, plan: Assimilating, live: Live, journal: Journal, folder: Path) -> None:
    """Put what a page must know into the journal, and the resolved case beside it."""
    with journal.transaction():
        journal.put_fact("facts", _facts(case, plan, live))
        journal.put_fact("files", _files(case))
    write_case(folder, case, {"identity": identity(case)})


def _learned_size(plan: Assimilating) -> int:
    """Return how many entries at the end of the state are coordinates of learned parameters."""
    return sum(math.prod(parameter.shape) for parameter in plan.learned.values())


def _facts(case: Case, plan: Assimilating, live: Live) -> dict[str, Any]:
    stream = plan.stream
    truths = {name: e.mean if e.truth is None else e.truth for name, e in case.expect.items()}
    return {
        "case": case.name,
        "question": case.question,
        "system": case.system.name,
        "filter": plan.settings["filter"],
        "time": [stream.time.name, stream.time.unit],
        "sources": {
            source: {
                "name": output.name,
                "unit": output.unit,
                "meaning": output.meaning,
                "places": _places(stream.places[source]),
                "snapshot": output.name in live.snapshots,
                "pooled": bool(stream.places[source].carried),
            }
            for source, output in stream.outputs.items()
        },
        "learned": {
            parameter.name: {
                "name": name,
                "unit": parameter.unit,
                "meaning": parameter.meaning,
                "expected": truths.get(name),
            }
            for name, parameter in plan.learned.items()
        },
        "state": state_labels(plan.space)[: plan.space.dynamics.size - _learned_size(plan)],
        "versions": {name: version(name) for name in ("mscale_uq", "numpy", "scipy")},
    }


def _places(places: Places) -> list[str]:
    points = [] if places.points is None else places.points.tolist()
    return [
        ", ".join(
            f"{c.name} = {x:.6g} {pretty_unit(c.unit)}".rstrip()
            for c, x in zip(places.along, point, strict=True)
        )
        for point in points
    ]
