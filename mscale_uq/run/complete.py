"""What needs every reading of a case, or the density of all of them, refuses a case that has not got it."""

from mscale_uq.case.read import Case
from mscale_uq.errors import CaseError, explain
from mscale_uq.observe.followed import DIVIDES, Followed


def check_complete(case: Case) -> None:
    """Raise `CaseError` if readings of an experiment are still to come."""
    for plan in case.plans:
        if plan.awaited is not None:
            given = f"{case.path.name}: experiment {plan.name!r} is followed, and brings no reading yet"
            hint = "mscale assimilate follows it; leave out `follow` to use what is there"
            raise CaseError(explain(given, "experiments whose files are whole", hint))


def check_density(case: Case) -> None:
    """Raise `CaseError` if readings are still to come, or hang together in a way that only filters follow."""
    check_complete(case)
    check_apart(case)


def check_apart(case: Case) -> None:
    """Raise `CaseError` if readings hang together in a way that only filters follow."""
    for plan in case.plans:
        for operator in plan.operators.values():
            if isinstance(operator.law, Followed) and operator.law.divides:
                given = f"{case.path.name}: cells of experiment {plan.name!r} divide"
                raise CaseError(explain(given, "cells that each begin by themselves", DIVIDES))
