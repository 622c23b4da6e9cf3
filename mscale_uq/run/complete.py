"""What needs every reading of a case refuses one whose readings are still to come."""

from mscale_uq.case.read import Case
from mscale_uq.errors import CaseError, explain


def check_complete(case: Case) -> None:
    """Raise `CaseError` if readings of an experiment are still to come."""
    for plan in case.plans:
        if plan.awaited is not None:
            given = f"{case.path.name}: experiment {plan.name!r} is followed, and brings no reading yet"
            hint = "mscale assimilate follows it; leave out `follow` to use what is there"
            raise CaseError(explain(given, "experiments whose files are whole", hint))
