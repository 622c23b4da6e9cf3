"""Times the periodic cell in JAX, compiled, on one thread, in double precision; run by `bench_jax.py`.

A line of input is a conductivity ``(n, n)``, answered by tensors and derivatives, or `go`, answered by the
seconds of all that were given. Conjugate gradients are JAX's, preconditioned by the same transform as ours.
"""

import json
import os
import sys
import time

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
import jax

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp  # noqa: E402
from jax.scipy.sparse.linalg import cg  # noqa: E402

TOLERANCE = 1e-4  # that of sampling
REPEATS = 5  # of which the least counts
DIRECTIONS = jnp.eye(2)


def parts(u, gradient):
    """Return mean gradient and hourglass of every bilinear square, sides one."""
    u10 = jnp.roll(u, -1, 0)
    u01, u11 = jnp.roll(u, -1, 1), jnp.roll(u10, -1, 1)
    along, across = (u10 + u11 - u - u01) / 2, (u01 + u11 - u - u10) / 2
    return along + gradient[0], across + gradient[1], (u - u10 + u11 - u01) / jnp.sqrt(6)


def energy(u, k, gradient):
    return sum((k * part**2).sum() for part in parts(u, gradient)) / 2


stiffness = jax.grad(energy)  # times u, and less the load


def correctors(k):
    """Return the periodic fields ``(2, n, n)`` that minimise the energies of unit gradients."""
    none = jnp.zeros_like(k)
    pulse = none.at[0, 0].set(1.0)
    symbol = jnp.fft.rfft2(stiffness(pulse, jnp.ones_like(k), jnp.zeros(2))).real
    inverse = jnp.where(symbol > 1e-9, 1.0 / symbol, 0.0)

    def one(direction):
        return cg(
            lambda u: stiffness(u, k, jnp.zeros(2)),
            -stiffness(none, k, direction),
            M=lambda r: jnp.fft.irfft2(inverse * jnp.fft.rfft2(r), k.shape),
            tol=TOLERANCE,
        )[0]

    return jax.vmap(one)(DIRECTIONS)


def contracted(k, chi):
    """Return the tensor's entries 11, 22 and 12."""
    first, second = (parts(u, e) for u, e in zip(chi, DIRECTIONS, strict=True))
    pairs = ((first, first), (second, second), (first, second))
    return jnp.array([sum((k * a * b).mean() for a, b in zip(x, y, strict=True)) for x, y in pairs])


def tensor(k):
    return contracted(k, correctors(k))


def differentiated(k):
    """Return tensor and derivative by JAX's reverse mode, which solves once more for every entry."""
    return tensor(k), jax.jacrev(tensor)(k)


def stationary(k):
    """Return tensor and derivative as ours is made: the correctors' own derivatives do not count."""
    chi = correctors(k)
    return contracted(k, chi), jax.jacrev(contracted)(k, chi)


PROGRAMS = {"value": tensor, "differentiated": differentiated, "stationary": stationary}


def seconds(run, k):
    found = []
    for _ in range(REPEATS):
        began = time.process_time()
        jax.block_until_ready(run(k))
        found.append(time.process_time() - began)
    return min(found)


def main():
    runs, fields = {name: jax.jit(program) for name, program in PROGRAMS.items()}, []
    for line in sys.stdin:
        if line.strip() == "go":
            result = [{name: seconds(run, k) for name, run in runs.items()} for k in fields]
        else:
            fields.append(jnp.array(json.loads(line)))
            found = {name: run(fields[-1]) for name, run in runs.items()}  # compiles
            result = {name: [part.tolist() for part in found[name]] for name in runs if name != "value"}
        print("RESULT", json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
