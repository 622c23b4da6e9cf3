"""emcee's ensemble of 32 walkers; run by `bench_samplers.py`."""

import sys

import emcee
import numpy as np
from remote import Remote

WALKERS = 32


def main() -> None:
    ask, answer, n, evaluations, out = *map(int, sys.argv[1:5]), sys.argv[5]
    steps = evaluations // WALKERS
    rng = np.random.default_rng(1)
    np.random.seed(1)  # noqa: NPY002 - emcee takes its seed from the global state
    sampler = emcee.EnsembleSampler(WALKERS, n, Remote(ask, answer, n))
    sampler.run_mcmc(rng.standard_normal((WALKERS, n)), steps)
    np.savez(out, chains=sampler.get_chain(discard=steps // 3).swapaxes(0, 1))


if __name__ == "__main__":
    main()
