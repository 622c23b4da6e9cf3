"""``mscale assimilate``: the data of a case, taken in one after the other by the filter it names."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from mscale_uq.cli.shell import GOES_ON, NOT_MET, Debug, told

SECONDS = 30.0  # between two lines about a stream
ON_TERMINAL = 1.0


def assimilate(
    case: Annotated[str, typer.Argument(metavar="CASE", help="A case file, or the name of a shipped case.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the result; runs/<case>-assimilated if not said.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="File of a [stream], instead of the case's; - is the standard input.")
    ] = None,
    stop_when_idle: Annotated[
        float | None, typer.Option(min=0, help="Seconds after which a [stream] counts as ended.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start a [stream] over.")] = False,
    workers: Annotated[
        int | None, typer.Option(help="Processes that move the members of an ensemble; not in a [stream].")
    ] = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Scheduler of a dask cluster that moves them.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors alone.")] = False,
    debug: Debug = False,
) -> None:
    """Run the filter of a case over its data in the order of time; follow its stream, if it has one.

    A stream is followed until it ends or you stop it; the same command goes on from there.
    """
    with told(debug, GOES_ON):
        from mscale_uq.case.read import read_case
        from mscale_uq.catalog import find_case

        read = read_case(find_case(case), stream_source=source)
        if read.live is None:
            reasons = _whole(read, out, quiet, workers=workers, dask=dask)
        else:
            reasons = _live(read, out, stop_when_idle, fresh, quiet)
    if reasons:
        raise typer.Exit(NOT_MET)


def _whole(case: Any, out: Path | None, quiet: bool, **where: Any) -> list[str]:
    from mscale_uq.run.assimilate import assimilate as run

    result = run(case, out=out, **where)
    if not quiet:
        _print(result)
    return result.reasons


def _live(case: Any, out: Path | None, stop_when_idle: float | None, fresh: bool, quiet: bool) -> list[str]:
    from mscale_uq.cli.status import print_status
    from mscale_uq.run.live import follow_case

    folder = out if out is not None else Path("runs") / f"{case.name}-assimilated"
    watch: Any = {} if quiet else {"after_batch": _Watch()}
    end = follow_case(case, folder, stop_when_idle=stop_when_idle, fresh=fresh, **watch)
    if not quiet:
        print_status(end)
    return end.reasons


class _Watch:
    """Says now and then how far a stream was followed."""

    def __init__(self) -> None:
        self._every = ON_TERMINAL if sys.stderr.isatty() else SECONDS
        self._last = time.monotonic()

    def __call__(self, folder: Path) -> None:
        """Say it, if it is time."""
        from mscale_uq.cli.status import status_line
        from mscale_uq.stream.status import status_of

        if time.monotonic() - self._last >= self._every:
            typer.echo(status_line(status_of(folder)), err=True)
            self._last = time.monotonic()


def _print(result: Any) -> None:
    from mscale_uq.cli.tables import console, table
    from mscale_uq.report.assimilation import learned_rows, verdict_counts

    terminal = console()
    rows = list(learned_rows(result))
    if rows:
        columns = ["", "unit", "before", "at the end", "95 % interval", "expected"]
        keys = ["name", "unit", "before", "after", "interval", "truth"]
        terminal.print()
        terminal.print(table("Learned", columns, [[row[k] for k in keys] for row in rows], columns[2:]))
        terminal.print()
    lines = [
        f"{len(result.steps)} times; readings: {verdict_counts(result)}",
        f"log-evidence {float(result.steps['log_evidence'].sum()):.4f}; squared innovations are"
        f" {result.consistency.ratio:.2f} of what they should be"
        f" ({result.consistency.lower:.2f} to {result.consistency.upper:.2f})",
        *(f"do not trust this filter yet: {reason}" for reason in result.reasons),
        f"page: {result.page}",
    ]
    for line in lines:
        terminal.print(line, markup=False, soft_wrap=True)
