"""``mscale assimilate``: the data of a case, taken in one after the other by the filter it names."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mscale_uq.cli.shell import NOT_MET, Debug, told


def assimilate(
    case: Annotated[str, typer.Argument(metavar="CASE", help="A case file, or the name of a shipped case.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the result; runs/<case>-assimilated if not said.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors alone.")] = False,
    debug: Debug = False,
) -> None:
    """Run the filter of a case over its data as a stream, in the order of time."""
    with told(debug):
        from mscale_uq.run.assimilate import assimilate as run

        result = run(case, out=out)
        if not quiet:
            _print(result)
    if result.reasons:
        raise typer.Exit(NOT_MET)


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
