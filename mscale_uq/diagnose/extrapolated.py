"""Central differences, extrapolated to a step of nothing, and how far they are to be trusted.

The error of a central difference is a series in even powers of the step: from one step to the next its first
term is known, and taken out; from the results the second, and so on. Small steps lose digits instead, so the
entry of the table is taken that differs least from those it was made of.

Source: C. J. F. Ridders, Accurate computation of F'(x) and F'(x)F''(x), Advances in Engineering Software 4
(1982) 75-76, doi:10.1016/S0141-1195(82)80057-0.
"""

from collections.abc import Sequence

import numpy as np

from mscale_uq.core.parameter import Array


def extrapolated(steps: Sequence[float], ahead: Array, behind: Array) -> tuple[Array, float, float]:
    """Return the derivative ``(m,)``, its likely error, as a norm, and the smallest step it was made from.

    Parameters
    ----------
    steps
        Two or more, falling by one factor.
    ahead, behind
        Values a step ahead and a step behind ``(steps, m)``.
    """
    shrunk = (steps[0] / steps[1]) ** 2
    column = (ahead - behind) / (2.0 * np.asarray(steps)[:, None])
    best, doubt, least = column[-1], np.inf, float(steps[-1])
    for order in range(1, len(steps)):
        finer = column[1:] + np.diff(column, axis=0) / (shrunk**order - 1.0)
        apart = np.maximum(
            np.linalg.norm(finer - column[1:], axis=1), np.linalg.norm(finer - column[:-1], axis=1)
        )
        row = int(np.argmin(apart))
        if apart[row] < doubt:
            best, doubt, least = finer[row], float(apart[row]), float(steps[row + order])
        column = finer
    return best, doubt, least
