"""Predictions that there are not, as rows of a run's failure ledger and as counts for its report."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from mscale_uq.diagnose.approximation_rounds import Round
from mscale_uq.infer.ledger import Failure
from mscale_uq.infer.samples import Samples
from mscale_uq.stats.missed import Missed

Place = tuple[int, int]  # chain and number of a draw


def ledger_rows(
    during: str, missed: Iterable[Missed], places: Sequence[Place] | None = None
) -> list[Failure]:
    """Return a row for each draw without a prediction.

    Parameters
    ----------
    during
        What was done.
    missed
        The draws.
    places
        Where the draws that were given stand in the result; if they do not, they are numbered.
    """
    return [
        Failure(
            *(places[one.row] if places is not None else (0, one.row)),
            evaluation=0,
            stage=one.stage,
            reason=one.reason,
            theta=one.theta,
            during=during,
            experiment=one.experiment,
            infeasible=one.infeasible,
        )
        for one in missed
    ]


def learned_rows(rounds: Sequence[Round]) -> Iterator[Failure]:
    """Yield the draws over which a model error was learned that have no prediction of one of the models."""
    for number, one in enumerate(rounds, start=1):
        yield from ledger_rows(f"approximation error, round {number}", one.missed)


def rows_without(samples: Samples | None) -> Iterator[Failure]:
    """Yield the failures of the run beside a run, as if its models were perfect."""
    for row in () if samples is None else samples.failures:
        yield replace(row, during="sampling without model error")


def counted(during: str, missed: Sequence[Missed], draws: int) -> list[dict[str, Any]]:
    """Return, for each experiment that misses any, of how many draws, by whose fault."""
    return [
        {
            "during": during,
            "experiment": experiment,
            "draws": draws,
            "failed": sum(one.experiment == experiment and not one.infeasible for one in missed),
            "infeasible": sum(one.experiment == experiment and one.infeasible for one in missed),
        }
        for experiment in dict.fromkeys(one.experiment for one in missed)
    ]
