"""One thread per process, caches inside the checkout: set before anything imports NumPy."""

import os
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache"

# Tests run in parallel processes; threads inside them would only fight for the same cores.
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[threads] = "1"

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("NUMBA_CACHE_DIR", str(CACHE / "numba"))
os.environ.setdefault("PYTENSOR_FLAGS", f"base_compiledir={CACHE / 'pytensor'}")
