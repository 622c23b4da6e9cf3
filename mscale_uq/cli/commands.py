"""The command line, ``mscale``.

Exit status: 0 ok, 1 failed, 2 usage, 3 bad data or case, 4 diagnostics not met.
Everything that takes time to import is imported by the command that needs it.
"""

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from mscale_uq.cli import assimilate, compare, sbc
from mscale_uq.cli.doctor import doctor
from mscale_uq.cli.new import new
from mscale_uq.cli.schema import schema
from mscale_uq.cli.serve import serve
from mscale_uq.cli.shell import FAILED, GOES_ON, NOT_MET, Debug, tell, told
from mscale_uq.cli.status import status

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Calibrate multiscale models: from a case file and its data to a posterior and a report.",
)  # fmt: skip


def main() -> None:
    """Run the command line."""
    app(prog_name="mscale")


@app.command("list")
def list_systems(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """List the systems and their cases."""
    from mscale_uq.catalog import cases_by_system, summaries

    found, cases = summaries(), cases_by_system()
    if as_json:
        rows = [{"name": name, "summary": text, "cases": list(cases[name])} for name, text in found.items()]
        typer.echo(json.dumps(rows, indent=2))
        return
    from mscale_uq.cli.tables import catalogue, console

    console().print(catalogue(found, cases))


@app.command()
def show(system: Annotated[str, typer.Argument(metavar="SYSTEM")], debug: Debug = False) -> None:
    """Show what a system is, and what can be set in it."""
    with told(debug):
        from mscale_uq.catalog import load_system
        from mscale_uq.cli.tables import console, system_tables

        found = load_system(system)
        out = console()
        out.print(sys.modules[found.forward.__module__].__doc__ or "", markup=False)
        out.print(f"{found.name}, {found.smoothness}\n", style="bold")
        for one in system_tables(found):
            out.print(one)
            out.print()
        if found.timeless:
            out.print(f"No filter follows it: {found.timeless}.", markup=False)


@app.command()
def check(
    case: Annotated[str, typer.Argument(metavar="CASE", help="A case, or a system.")],
    system: Annotated[
        bool, typer.Option("--system", help="CASE is a system, also if a case has its name.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Check a case or a system before it is run."""
    with told(debug):
        from mscale_uq.case.system import system_of
        from mscale_uq.catalog import find_case, is_system_alone
        from mscale_uq.cli.check import check_case, check_system

        if system or is_system_alone(case):
            findings = check_system(system_of(case))
        else:
            findings = check_case(_read(find_case(case)))
        all_good = tell(findings)
    if not all_good:
        raise typer.Exit(FAILED)


@app.command()
def fit(
    case: Annotated[str, typer.Argument(metavar="CASE", help="A case file, or the name of a shipped case.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/<case> if not said.")] = None,
    sampler: Annotated[str | None, typer.Option(help="Such as nuts, demetropolisz, smc, surrogate.")] = None,
    draws: Annotated[int | None, typer.Option(help="Draws of each chain; more extends a run.")] = None,
    tune: Annotated[int | None, typer.Option(help="Draws of each chain for tuning.")] = None,
    chains: Annotated[int | None, typer.Option(help="Number of chains.")] = None,
    cores: Annotated[int | None, typer.Option(help="Chains at a time; 0: in this process.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes for what knows no order, such as a surrogate, particles, predictions."),
    ] = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Scheduler of a dask cluster for the same.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random numbers.")] = None,
    coordinates: Annotated[
        str | None, typer.Option(help="Where NUTS walks: effective, or plain to turn that off.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors alone.")] = False,
    debug: Debug = False,
) -> None:
    """Calibrate a case; the same command continues an interrupted run."""
    settings = {
        "sampler": sampler,
        "draws": draws,
        "tune": tune,
        "chains": chains,
        "cores": cores,
        "seed": seed,
        "coordinates": coordinates,
    }
    with told(debug):
        where = {"workers": workers, "dask": dask}
        result = _fit(case, out, fresh, quiet, settings, where)
        if not quiet:
            _print_result(result)
            _tell_longer(result, draws)
    if not result.diagnostics.ok:
        raise typer.Exit(NOT_MET)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    debug: Debug = False,
) -> None:
    """Write the report of a finished run anew; the exit status is that of its fit."""
    with told(debug):
        from mscale_uq.report.page import write_report
        from mscale_uq.results.result import read_result

        result = read_result(run)
        write_report(result)
        _print_result(result)
    if not result.diagnostics.ok:
        raise typer.Exit(NOT_MET)


# Commands with a file of their own.
app.command("compare")(compare.compare)
app.command("sbc")(sbc.sbc)
app.command("assimilate")(assimilate.assimilate)
app.command()(status)
app.command()(serve)
app.command()(new)
app.command()(schema)
app.command()(doctor)


def _read(path: Path) -> Any:
    from mscale_uq.case.read import read_case

    return read_case(path)


def _fit(
    case: str, out: Path | None, fresh: bool, quiet: bool, settings: dict[str, Any], where: dict[str, Any]
) -> Any:
    from mscale_uq.catalog import find_case
    from mscale_uq.cli.fit import Bars, LogLines, silent
    from mscale_uq.run.calibrate import fit as run
    from mscale_uq.run.choice import kept
    from mscale_uq.run.method import settings_of, with_changes

    read = _read(find_case(case))
    long = settings_of(with_changes(read, settings))
    total = long.draws + long.tune
    on_terminal = sys.stderr.isatty()
    shown = Bars(total, long.chains, long.cores) if on_terminal else LogLines(total, long.cores)
    watch: Any = nullcontext(silent) if quiet else shown
    with watch as on_progress:
        try:
            return run(read, out=out, fresh=fresh, on_progress=on_progress, **where, **settings)
        except KeyboardInterrupt:
            begun = kept(out or Path("runs") / read.name)
            raise KeyboardInterrupt(_after_a_stop(begun.sampler) if begun else GOES_ON) from None


def _after_a_stop(sampler: str) -> str:
    from mscale_uq.infer.methods import METHODS

    again = f"{sampler} keeps no state between draws, so its unfinished chains start over"
    return GOES_ON if METHODS[sampler].resumable else again


def _tell_longer(result: Any, draws: int | None) -> None:
    """Say that a finished run is longer than asked for: more draws extend it, fewer take nothing away."""
    has = result.facts["settings"]["draws"]
    if draws is not None and has > draws:
        typer.echo(f"note: the run has {has} draws of each chain, which are kept; --fresh starts over")


def _print_result(result: Any) -> None:
    from mscale_uq.cli.fit import result_tables, verdict_lines
    from mscale_uq.cli.tables import console

    terminal = console()
    terminal.print()
    for one in result_tables(result):
        terminal.print(one)
        terminal.print()
    for line in verdict_lines(result):
        terminal.print(line, markup=False)
    terminal.print(f"report: {result.report}", markup=False, soft_wrap=True)
