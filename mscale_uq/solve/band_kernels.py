"""Small symmetric positive definite band systems inside kernels: Cholesky, factored once.

The lower triangle lies in a band ``(n, b + 1)``: entry (i, j) at ``[i, b + j - i]``, the diagonal last.
"""

import numpy as np

from mscale_uq.solve.kernel import kernel


@kernel
def factor_band(band):
    """Replace the lower triangle ``(n, b + 1)`` by its Cholesky factor; False if it has none."""
    n, b = band.shape[0], band.shape[1] - 1
    for i in range(n):
        first = max(0, i - b)
        for j in range(first, i):
            total = band[i, b + j - i]
            for k in range(max(first, j - b), j):
                total -= band[i, b + k - i] * band[j, b + k - j]
            band[i, b + j - i] = total / band[j, b]
        total = band[i, b]
        for k in range(first, i):
            total -= band[i, b + k - i] ** 2
        if not total > 0:
            return False
        band[i, b] = np.sqrt(total)
    return True


@kernel
def solve_band(factor, loads):
    """Replace the right-hand sides ``(n, loads)`` by the solutions."""
    n, b = factor.shape[0], factor.shape[1] - 1
    for c in range(loads.shape[1]):
        for i in range(n):
            total = loads[i, c]
            for k in range(max(0, i - b), i):
                total -= factor[i, b + k - i] * loads[k, c]
            loads[i, c] = total / factor[i, b]
        for i in range(n - 1, -1, -1):
            total = loads[i, c]
            for k in range(i + 1, min(n, i + b + 1)):
                total -= factor[k, b + i - k] * loads[k, c]
            loads[i, c] = total / factor[i, b]
