"""A failure is a result: who may see one, as a table; everywhere else it goes on to who asked."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
FAILURES = {"ForwardFailure", "SolveFailed", "Infeasible", "OutOfLimits", "CovarianceError"}
WIDER = {"MscaleError", "Exception", "BaseException"}

# The classes are those of ARCHITECTURE.md, "Failures".
BECOMES_THE_RESULT = {
    "core/batch.py": "the member is flagged",
    "infer/likelihood.py": "minus infinity, and a row of the ledger",
    "stats/predictive.py": "the experiment is missing at this draw, and a row of the ledger",
    "filters/ensemble.py": "goes on, with the time of the step",
    "filters/estimate.py": "what is read there is not a number",
    "filters/gaussian.py": "the observation is set aside with its reason",
    "filters/ienks.py": "goes on, with the time of the step",
    "filters/lost.py": "the member is drawn anew from those that are left",
    "filters/particle.py": "the particle has no weight",
}
GOES_ON_WITH_MORE = {
    "core/chain.py": "the names a person gave",
    "cell/inclusions.py": "the name of the stage",
    "stats/surrogate.py": "an error of the case: there is no surrogate; prior draws are passed over",
}
SHORTENS_A_STEP = {
    "core/coupling.py": "a trial point of a root search",
    "macro/two_scale.py": "a trial point of a root search",
    "diagnose/gradient.py": "a step of a difference; too few that are left fail the check",
}
PASSED_OVER = {
    "cli/check.py": "a prior draw at which to begin; a promise that is tried there is told as broken",
    "diagnose/prior_recovery.py": "a prior draw without posterior mass",
    "diagnose/replicate.py": "a prior draw, counted",
    "infer/to_pymc.py": "one point; whether there is a gradient is asked there, and sampling meets it again",
    "infer/shear.py": "any shift leaves the density exact; the likelihood solves the same cell, and counts",
}
SEE = BECOMES_THE_RESULT | GOES_ON_WITH_MORE | SHORTENS_A_STEP | PASSED_OVER
# Everything is raised again, here or in the process that asked, or said to a person at the end.
CATCH_ALL = {
    *("cli/shell.py", "infer/density.py", "infer/likelihood.py", "infer/nutpie.py", "infer/pool.py"),
    *("infer/worker.py", "stream/follower.py", "stream/journal.py"),
}


def caught(path: Path) -> set[str]:
    """Return the names in the except clauses of a file; a bare one catches all."""
    handlers = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ExceptHandler)]
    return {
        part.id if isinstance(part, ast.Name) else getattr(part, "attr", "")
        for handler in handlers
        for part in ast.walk(handler.type or ast.Name("BaseException"))
    }


def modules(names: set[str]) -> set[str]:
    files = [path for folder in ("mscale_uq", "models") for path in sorted((ROOT / folder).rglob("*.py"))]
    return {
        path.relative_to(ROOT).as_posix().removeprefix("mscale_uq/") for path in files if caught(path) & names
    }


def test_failures_are_seen_in_the_places_of_the_table_alone():
    assert modules(FAILURES) == SEE.keys()


def test_everything_is_caught_only_where_it_is_told_again():
    assert modules(WIDER) == CATCH_ALL


def test_an_except_clause_is_found_whatever_its_form(tmp_path):
    path = tmp_path / "one.py"
    clauses = ("except:", "except (ValueError, errors.SolveFailed):", "except Infeasible as failure:")
    path.write_text("".join(f"try:\n    pass\n{clause}\n    pass\n" for clause in clauses))
    assert caught(path) >= {"BaseException", "ValueError", "SolveFailed", "Infeasible"}
