"""``mscale sbc``: is the sampler of a case right for its model, priors and kind of data?"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from mscale_uq.cli.shell import GOES_ON, NOT_MET, Debug, told


def sbc(
    case: Annotated[str, typer.Argument(metavar="CASE", help="A case file, or the name of a shipped case.")],
    runs: Annotated[int, typer.Option(help="Simulated data sets; more extends a calibration.")] = 200,
    out: Annotated[Path | None, typer.Option(help="Folder; runs/<case>-sbc if not said.")] = None,
    sampler: Annotated[str | None, typer.Option(help="Such as nuts, demetropolisz, slice.")] = None,
    draws: Annotated[int | None, typer.Option(help="Draws of each run.")] = None,
    tune: Annotated[int | None, typer.Option(help="Draws of each run for tuning.")] = None,
    kept: Annotated[int, typer.Option(help="Draws of each run that are ranked.")] = 99,
    workers: Annotated[
        int | None,
        typer.Option("--workers", "--cores", help="Processes that make the runs; 0: this one alone."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Scheduler of a dask cluster that makes the runs."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random numbers.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors alone.")] = False,
    debug: Debug = False,
) -> None:
    """Calibrate a sampler on simulated data; the same command continues an interrupted calibration."""
    changes = {"sampler": sampler, "tune": tune, "cores": workers, "seed": seed}
    with told(debug, GOES_ON):
        from mscale_uq.case.read import read_case
        from mscale_uq.catalog import find_case
        from mscale_uq.run.calibration import calibrate_sampler
        from mscale_uq.run.method import with_changes

        read = with_changes(read_case(find_case(case)), changes)
        with _bar(quiet) as on_run:
            found, folder = calibrate_sampler(
                read, runs, out=out, fresh=fresh, draws=draws, kept=kept, dask=dask, on_run=on_run
            )
        if not quiet:
            _print(found, folder)
    if not found.ok:
        raise typer.Exit(NOT_MET)


@contextmanager
def _bar(quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Show how many runs are done: a bar on a terminal."""
    if quiet:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    from mscale_uq.cli.tables import console

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _print(found: Any, folder: Path) -> None:
    from mscale_uq.cli.tables import console, table
    from mscale_uq.run.folder import CALIBRATION

    terminal = console()
    wrong = {check.name for check in found.wrong}
    rows = [
        (c.name, f"{c.chi_square_p:.2g}", f"{c.ecdf_p:.2g}", "no" if c.name in wrong else "yes", c.meaning)
        for c in found.checks
    ]
    terminal.print()
    terminal.print(table("Ranks of the truth", ("", "p, chi-square", "p, band", "uniform", ""), rows))
    terminal.print()
    terminal.print(found.verdict, markup=False, soft_wrap=True)
    terminal.print(f"page: {folder / CALIBRATION}", markup=False, soft_wrap=True)
