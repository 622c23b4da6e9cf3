"""Imported before NumPy, holds what computes here to one thread: libraries read this as they are loaded."""

import os

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
os.environ.update(ONE_THREAD)
