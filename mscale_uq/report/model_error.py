"""What a report says of the models' own error: what was assumed of it, and what it changes."""

from collections.abc import Iterator
from typing import Any

from mscale_uq.diagnose.identifiability_text import signed
from mscale_uq.report.shown import shown_numbers
from mscale_uq.report.text import interval, number, pretty_unit, words
from mscale_uq.results.result import Result
from mscale_uq.results.summary import LARGEST_RHAT, scalars


def model_error(result: Result) -> dict[str, Any]:
    """Return sentences on what was assumed, rows with and without it, and the scale check's lines."""
    scale = result.facts["scale"]
    return {
        "assumed": [*_discrepancies(result), *_learned(result)],
        "rows": list(_rows(result)),
        "scale": [] if scale is None else scale["lines"],
        "short": _short_run(result),
    }


def _discrepancies(result: Result) -> Iterator[str]:
    for quantity in result.facts["model_error"]:
        yield f"{words(quantity)}: a curve that the model misses is part of the law"


def _learned(result: Result) -> Iterator[str]:
    found = result.facts["approximation"]
    if found is None:
        return
    better = "the resolved model" if found["against"] == "resolved" else "a finer model"
    over = "the prior" if found["over"] == "prior" else f"the posterior, in {found['rounds']} rounds"
    failed = f"; {found['failed']} solves failed" if found["failed"] else ""
    for place in found["places"]:
        unit = pretty_unit(place["unit"])
        yield (
            f"{place['experiment']}: {words(place['quantity'])}: {better} differs from the one that is used "
            f"by up to {number(place['mean'])} {unit} on average, with an sd of up to "
            f"{number(place['sd'])} {unit}, over {place['draws']} draws of {over}{failed}"
        )


def _rows(result: Result) -> Iterator[dict[str, str]]:
    """Yield what model errors change in the unknowns that both posteriors have."""
    if result.without is None:
        return
    for label, _, attrs in scalars(result.idata["posterior"]):
        if label not in result.without.index:
            continue
        row, without = (shown_numbers(table.loc[label], attrs) for table in (result.summary, result.without))
        yield {
            "name": words(str(label)),
            "unit": pretty_unit(row["unit"]),
            "with": _numbers(row),
            "without": _numbers(without),
            "shift": signed((row["mean"] - without["mean"]) / without["sd"], 1),
            "widening": f"{row['sd'] / without['sd']:.1f}",
        }


def _numbers(row: Any) -> str:
    inside = interval(row["2.5 %"], row["97.5 %"], row["sd"])
    return f"{number(row['mean'], row['sd'])} ({inside})"


def _short_run(result: Result) -> str:
    """Say how the posterior without model error was sampled."""
    if result.without is None:
        return ""
    draws = result.idata["without_model_error"].sizes["draw"]
    rhat = result.without["R-hat"].max()
    doubt = f"; its R-hat of {rhat:.3f} is too high to rely on it" if rhat > LARGEST_RHAT else ""
    return f"Without: a run of {draws} draws in each chain, with noise alone in the law{doubt}."
