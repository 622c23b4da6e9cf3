"""Whole numbers of molecules whose means are given, from uniform numbers, rising with their means."""

import numpy as np

from mscale_uq.solve.kernel import kernel


@kernel
def poisson_numbers(mean, uniform, made):
    """Fill `made` with Poisson numbers ``(M, cells)``: the smallest whose probability reaches `uniform`.

    A mean above 700 is beyond what exp can hold: fills with NaN.
    """
    for m in range(mean.shape[0]):
        for i in range(mean.shape[1]):
            term, number = np.exp(-mean[m, i]), 0
            total = term
            while total < uniform[m, i] and term > 0.0:
                number += 1
                term *= mean[m, i] / number
                total += term
            made[m, i] = number if mean[m, i] <= 700.0 else np.nan


@kernel
def exact_numbers(mean, uniform, made):
    """Fill `made` with numbers that differ from the means by less than one, in every cell and in every sum.

    One uniform number a row ``(M,)`` shifts the grid on which the running sum of the means is counted.
    """
    for m in range(mean.shape[0]):
        total, before = uniform[m], np.floor(uniform[m])
        for i in range(mean.shape[1]):
            total += mean[m, i]
            made[m, i] = np.floor(total) - before
            before = np.floor(total)
