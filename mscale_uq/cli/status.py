"""``mscale status``: how a run that follows a stream is doing."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mscale_uq.cli.shell import NOT_MET, Debug, told

MOST_SENDERS = 8


def status(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run that follows a stream.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    debug: Debug = False,
) -> None:
    """Say how a run that follows a stream is doing, while it goes on or after.

    The exit status is 4 if the filter should not be believed.
    """
    with told(debug):
        from mscale_uq.stream.status import status_of

        found = status_of(run)
        if as_json:
            typer.echo(json.dumps(found.as_json(), indent=2))
        else:
            print_status(found)
    if found.reasons:
        raise typer.Exit(NOT_MET)


def print_status(found: Any) -> None:
    """Print it for people."""
    from mscale_uq.stream.dead_letters import FILE as DEAD

    verdicts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.verdicts.items())
    lines = [
        f"records: {found.received} received, {found.late} late, {found.waiting} waiting",
        f"readings: {verdicts or 'none yet'}",
        f"time: {_time(found.time, found.unit)} of {_time(found.newest, found.unit)},"
        f" {found.lag:.6g} {found.unit} behind, in {found.steps} steps",
    ]
    if found.reason:
        lines.append(f"not taken in: each with its reason in {DEAD}; the newest: {found.reason}")
    if len(found.senders) > 1:
        each = sorted(found.senders.items(), key=lambda one: one[1])[:MOST_SENDERS]
        behind = ", ".join(f"{name} {_time(time, found.unit)}" for name, time in each)
        lines.append(f"senders, the slowest first: {behind}")
    if found.nis is not None:
        lower, upper = found.nis_band
        lines.append(
            f"squared innovations are {found.nis:.2f} of what they should be ({lower:.2f} to {upper:.2f});"
            f" spread {found.spread:.4g}" + (f"; {found.lost} members lost" if found.lost else "")
        )
    lines += [f"do not trust this filter yet: {reason}" for reason in found.reasons]
    for line in lines:
        typer.echo(line)


def status_line(found: Any) -> str:
    """Return it in one line."""
    nis = "" if found.nis is None else f", NIS {found.nis:.2f}"
    return f"{found.received} records, {_time(found.time, found.unit)}, {found.waiting} waiting{nis}"


def _time(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.6g} {unit}".rstrip()
