"""``mscale compare``: two runs of the same data, side by side."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mscale_uq.cli.shell import NOT_MET, Debug, told

RUN = "Folder of a finished run."


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help=RUN)],
    second: Annotated[Path, typer.Argument(metavar="B", help=RUN)],
    debug: Debug = False,
) -> None:
    """Compare two runs of the same data: evidence, leave-one-out, predictive error."""
    with told(debug):
        from mscale_uq.cli.tables import console
        from mscale_uq.run.compare import compare_runs

        found, cautions = compare_runs(first, second)
        terminal = console()
        terminal.print()
        terminal.print(_table(found))
        terminal.print()
        for line in found.sentences:
            terminal.print(line, markup=False, soft_wrap=True)
        if cautions:
            terminal.print("do not trust this comparison yet:")
            for line in cautions:
                terminal.print(f"  {line}", markup=False, soft_wrap=True)
    if cautions:
        raise typer.Exit(NOT_MET)


def _table(found: Any) -> Any:
    """Return one column per run, one row per measure."""
    from mscale_uq.cli.tables import table

    scores = found.scores
    rows = [
        ("log evidence (nats)", *(_with_error(score.log_evidence, score.evidence_error) for score in scores)),
        ("leave-one-out (nats)", *(_with_error(score.elpd.sum(), score.elpd_error) for score in scores)),
        ("data that cannot be left out so", *(str(score.unreliable) for score in scores)),
    ]
    for key in scores[0].error:
        experiment, quantity = key
        what = f"error of {quantity}, left out ({experiment})"
        rows.append((what, *(f"{score.error[key]:.4g}" for score in scores)))
    columns = ("", *(score.name for score in scores))
    return table("Comparison", columns, rows, numbers=columns[1:])


def _with_error(value: float, error: float) -> str:
    if value != value:
        return "unknown"
    return f"{value:.1f} ± {error:.1f}" if error == error else f"{value:.1f}"
