"""tinyDA: adaptive Metropolis, four chains; run by `bench_samplers.py`."""

import sys

import numpy as np
import tinyDA
from remote import Remote
from scipy.stats import multivariate_normal

CHAINS = 4


class Given:
    """The likelihood of a model whose output is its log."""

    def loglike(self, output):
        return output[0]


def main() -> None:
    ask, answer, n, evaluations, out = *map(int, sys.argv[1:5]), sys.argv[5]
    np.random.seed(1)  # noqa: NPY002 - it draws from the global state
    remote, prior = Remote(ask, answer, n), multivariate_normal(np.zeros(n), np.eye(n))

    def log_likelihood(z):  # the answer holds the prior, which tinyDA adds by itself
        return np.array([remote(z) - prior.logpdf(z)])

    posterior = tinyDA.Posterior(prior, Given(), log_likelihood)
    proposal = tinyDA.AdaptiveMetropolis(C0=0.1 * np.eye(n), t0=100, period=100)
    steps = evaluations // CHAINS
    starts = list(np.random.default_rng(1).standard_normal((CHAINS, n)))
    found = tinyDA.sample(
        posterior, proposal, iterations=steps, n_chains=CHAINS, initial_parameters=starts,
        force_sequential=True,
    )  # fmt: skip
    chains = [[link.parameters for link in found[f"chain_{chain}"]] for chain in range(CHAINS)]
    np.savez(out, chains=np.array(chains)[:, steps // 3 :])


if __name__ == "__main__":
    main()
