"""How long until the package answers: `python bench_start.py`, seconds of CPU time, medians of runs in turn.

Importing it, without PyMC; a first value with its derivative of the model `inclusions` in a new process, what
was compiled before kept on disk; the same of a likelihood by way of the shipped case, its units checked. An
interpreter that does nothing runs beside them, and its time is taken off.
"""

import os
import resource
import subprocess
import sys

import numpy as np
from one_thread import ONE_THREAD

RUNS = 7
NOTHING = "pass"
IMPORT = "import mscale_uq; import sys; assert 'pymc' not in sys.modules"
MODEL = """
import mscale_uq
model = mscale_uq.load_system("inclusions").forward(accuracy="sampling")
model.linearize(model.theta())
"""
CASE = """
from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
posterior = read_case(find_case("inclusions")).posterior()
posterior.log_likelihood_gradient(posterior.experiments[0].model.theta())
"""
LIBRARIES = "import numba, scipy.sparse.linalg, skfem"
WORK = {
    "nothing": NOTHING,
    "importing Numba, SciPy's solvers and scikit-fem": LIBRARIES,
    "importing mscale_uq": IMPORT,
    "a first value with its derivative, of a model": MODEL,
    "of a shipped case's likelihood": CASE,
}


def seconds(program: str) -> float:
    """Return the CPU seconds of a process that runs the program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, **ONE_THREAD})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measured(runs: int = RUNS) -> dict[str, float]:
    """Return the median of each, that of nothing taken off; the first round fills the caches."""
    for program in WORK.values():
        seconds(program)
    rounds = [[seconds(program) for program in WORK.values()] for _ in range(runs)]
    nothing, *rest = np.median(rounds, axis=0)
    return dict(zip(list(WORK)[1:], (one - nothing for one in rest), strict=True))


def main() -> None:
    print("| | CPU s |\n|---|---|")
    for name, time in measured().items():
        print(f"| {name} | {time:.2f} |")


if __name__ == "__main__":
    main()
