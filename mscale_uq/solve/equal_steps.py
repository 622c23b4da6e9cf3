"""How a span of time is cut into equal steps."""

from math import ceil

ROUND_OFF = 1e-12


def equal_steps(span: float, longest: float) -> int:
    """Return the least number of equal steps that are no longer than `longest`, at least one.

    A span that is a whole number of longest steps up to round-off gets just that number.
    """
    return max(1, ceil(span / longest * (1 - ROUND_OFF)))
