"""Runs SUNDIALS' CVODE through scikit-sundae, one pass per line of input; run by `bench_stiff.py`.

The right-hand side is ours, compiled by numba, and so is its exact Jacobian, or CVODE takes differences.
"""

import json
import sys

import numpy as np
from mscale_uq.models.physiology._severi2012 import rate
from numba import njit
from sksundae.cvode import CVODE
from stiff_problem import ABSOLUTE, PARAMETERS, START, STOPS, timed

from mscale_uq.solve.rate import fill_jacobian


@njit
def right_hand_side(t, y, dy):
    rate(t, y, PARAMETERS, dy)


@njit
def jacobian(t, y, dy, J):
    fill_jacobian(rate, t, y, PARAMETERS, J)


def cvode(relative, **options):
    solver = CVODE(
        right_hand_side, rtol=relative, atol=ABSOLUTE * relative, max_num_steps=1_000_000, **options
    )
    return solver.solve(np.r_[0.0, STOPS], START).y[1:]


def exact(relative):
    return cvode(relative, jacfn=jacobian)


def main():
    programs = {"CVODE, differences": cvode, "CVODE, exact Jacobian": exact}
    for program in programs.values():
        program(1e-3)  # compile
    for _ in sys.stdin:
        print("RESULT", json.dumps({name: timed(one) for name, one in programs.items()}), flush=True)


if __name__ == "__main__":
    main()
