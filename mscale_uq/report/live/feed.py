"""The events of a live page: panels, then every analysis time once and in order, and how the run stands.

An event's id is ``run-number``: a browser that was cut off says which it saw last and gets what came since. A
run that was started over has another name, and is sent whole.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from mscale_uq.errors import RunError
from mscale_uq.report.live.panels import Panel, as_json, left_out, panels_of, shown
from mscale_uq.stream.journal import FILE
from mscale_uq.stream.status import WINDOW, judge
from mscale_uq.stream.view import View

SECONDS = 0.25  # between two looks at the journal
QUIET = 10.0  # seconds after which a sign of life is sent
BATCH = 200

Says = Callable[[], bool]


async def events(folder: Path, last_seen: str, follows: Says, ended: Says = bool) -> AsyncIterator[str]:
    """Yield server-sent events for as long as somebody listens.

    `last_seen` is the id of the last event that the listener has; `follows` says whether a process of this
    server is following the stream, `ended` whether the server is about to stop.
    """
    yield "retry: 1000\n\n"
    while not ended():
        try:
            view = View(folder)
        except RunError:  # it has not begun yet
            yield event("waiting", {})
            await asyncio.sleep(SECONDS)
            continue
        with view:
            async for text in _of_run(view, folder, last_seen, follows, ended):
                yield text
        last_seen = ""  # another run took its place


async def _of_run(view: View, folder: Path, last_seen: str, follows: Says, ended: Says) -> AsyncIterator[str]:
    """Yield the events of one run, until another one takes its place."""
    run, file = view.fact("run"), _file(folder)
    named, _, number = last_seen.partition("-")
    after = int(number) if named == run and number.isdigit() else 0
    panels: list[Panel] | None = None
    snapshots: set[str] = set()
    seen, told = -1, 0.0
    while _file(folder) == file and not ended():
        version = view.version()
        if version == seen:
            if time.monotonic() - told > QUIET:
                told = time.monotonic()
                yield event("status", _status(view, follows()))
            await asyncio.sleep(SECONDS)
            continue
        seen, told = version, time.monotonic()
        if panels is None and (first := view.recent(1)):
            facts = view.fact("facts") or {}
            panels = panels_of(facts, first[0])
            yield event("run", _about(run, facts, panels, after == 0))
            sources = (facts.get("sources") or {}).items()
            snapshots = {source for source, about in sources if about.get("snapshot")}
        while panels is not None and (changes := view.changes(after, BATCH)):
            for change in changes:
                yield event("step", shown(panels, snapshots, change), f"{run}-{change.number}")
            after = changes[-1].number
            await asyncio.sleep(0)
        yield event("status", _status(view, follows()))


def event(kind: str, content: Any, identity: str = "") -> str:
    """Return a server-sent event."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return f"{f'id: {identity}' + chr(10) if identity else ''}event: {kind}\ndata: {text}\n\n"


def _about(run: str, facts: dict[str, Any], panels: list[Panel], whole: bool) -> dict[str, Any]:
    return {
        "run": run,
        "whole": whole,
        "title": facts.get("question") or facts.get("case") or "a stream",
        "text": " · ".join(filter(None, (facts.get("system"), facts.get("filter")))),
        "time": facts.get("time", ["time", ""]),
        "panels": [as_json(panel) for panel in panels],
        "left_out": left_out(facts, panels),
    }


def _status(view: View, follows: bool) -> dict[str, Any]:
    last, newest = view.span()
    judged = judge(view.recent(WINDOW))
    band = None if judged is None else [judged.lower, judged.ratio, judged.upper]
    behind = 0.0 if last is None or newest is None else newest - last
    age = time.time() - (view.fact("committed_at") or time.time())
    _, _, reason = view.unread(WINDOW)
    told = {
        "steps": view.count(),
        "follows": follows,
        "reason": reason,
    }  # a page that shows more of them asks for all anew
    return {**view.records(), **told, "time": last, "lag": behind, "nis": band, "age": age}


def _file(folder: Path) -> int | None:
    """Return what tells one journal file from another under the same name."""
    try:
        return (folder / FILE).stat().st_ino
    except FileNotFoundError:
        return None
