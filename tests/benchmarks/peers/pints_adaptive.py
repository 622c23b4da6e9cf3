"""PINTS: adaptive covariance after Haario and Bardenet, four chains; run by `bench_samplers.py`."""

import sys

import numpy as np
import pints
from remote import Remote

CHAINS = 4


class Density(pints.LogPDF):
    """The density as PINTS asks for it."""

    def __init__(self, remote: Remote, n: int) -> None:
        self._remote, self._n = remote, n

    def __call__(self, z):
        return self._remote(z)

    def n_parameters(self):
        return self._n


def main() -> None:
    ask, answer, n, evaluations, out = *map(int, sys.argv[1:5]), sys.argv[5]
    np.random.seed(1)  # noqa: NPY002 - it draws from the global state
    starts = np.random.default_rng(1).standard_normal((CHAINS, n))
    density = Density(Remote(ask, answer, n), n)
    controller = pints.MCMCController(density, CHAINS, starts, method=pints.HaarioBardenetACMC)
    controller.set_max_iterations(evaluations // CHAINS)
    controller.set_log_to_screen(False)
    chains = controller.run()
    np.savez(out, chains=chains[:, chains.shape[1] // 3 :])


if __name__ == "__main__":
    main()
