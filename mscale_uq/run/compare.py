"""`compare_runs`: two finished runs of the same data, side by side."""

from pathlib import Path

from mscale_uq.diagnose.compare import Comparison, compare
from mscale_uq.errors import RunError, explain
from mscale_uq.results.candidate import candidate_of, pareto_smoothed
from mscale_uq.results.result import Result, read_result


def compare_runs(first: str | Path, second: str | Path) -> tuple[Comparison, tuple[str, ...]]:
    """Return the comparison of two run folders, and reasons not to trust it, a sentence each.

    Raises
    ------
    RunError
        If a folder holds no finished run with draws, or both are the same.
    CaseError
        If the runs have different data.
    """
    results = read_result(first), read_result(second)
    one, other = _names(results)
    found = compare(candidate_of(results[0], one), candidate_of(results[1], other), pareto_smoothed)
    cautions = [
        line for name, result in zip((one, other), results, strict=True) for line in _cautions(name, result)
    ]
    return found, tuple(cautions)


def _names(results: tuple[Result, Result]) -> tuple[str, str]:
    """Return what to call the runs: their cases, or their folders where the cases are called the same."""
    cases = [str(result.facts["case"]) for result in results]
    folders = [result.folder.resolve() for result in results]
    if folders[0] == folders[1]:
        raise RunError(explain(f"{str(results[0].folder)!r} twice", "two runs"))
    if cases[0] != cases[1]:
        return cases[0], cases[1]
    names = [folder.name for folder in folders]
    return (names[0], names[1]) if names[0] != names[1] else (str(folders[0]), str(folders[1]))


def _cautions(name: str, result: Result) -> list[str]:
    said = [f"{name}: {reason}" for reason in result.diagnostics.reasons]
    if result.facts["sampler"] == "laplace":
        said.append(f"{name}: draws and evidence are those of a normal approximation; use the sampler 'smc'")
    return said
