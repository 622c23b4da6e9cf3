"""Times dynamax' Kalman filter after compilation, one pass per line of input; run by `bench_filters.py`.

JAX computes in threads of its own, so the processor time is that of the process, held to one thread.
"""

import json
import os
import sys
import time

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
import jax

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp  # noqa: E402
from dynamax.linear_gaussian_ssm import lgssm_filter  # noqa: E402
from dynamax.linear_gaussian_ssm.inference import make_lgssm_params  # noqa: E402
from kalman_problem import CELL_TIMES, CELLS, SIZES, bank, problem, start  # noqa: E402


def parameters(F, Q, H, R):
    mean, cov = start(F, Q)
    return make_lgssm_params(*(jnp.array(part) for part in (mean, cov, F, Q, H, R)))


def loglik(params, y):
    return lgssm_filter(params, y).marginal_loglik


def timed(function, steps, *arguments):
    begin = time.process_time()
    log = jax.block_until_ready(function(*arguments))
    return [(time.process_time() - begin) / steps, float(jnp.sum(log))]


def main():
    one, many = jax.jit(loglik), jax.jit(jax.vmap(loglik, in_axes=(None, 0)))
    work = {}
    for name in SIZES:
        *matrices, y = problem(name)
        work[name] = (one, SIZES[name][2], parameters(*matrices), jnp.array(y))
    *matrices, y = bank()
    work["bank"] = (many, CELLS * CELL_TIMES, parameters(*matrices), jnp.array(y))
    for item in work.values():
        timed(*item)  # compile
    for _ in sys.stdin:
        print("RESULT", json.dumps({name: timed(*item) for name, item in work.items()}), flush=True)


if __name__ == "__main__":
    main()
