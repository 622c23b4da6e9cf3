"""tinyDA: adaptive Metropolis, four chains, by delayed acceptance if asked; run by `bench_samplers.py`."""

import sys

import numpy as np
import tinyDA
from remote import COARSE, Remote
from scipy.stats import multivariate_normal

CHAINS, SUBCHAIN = 4, 20


class Given:
    """The likelihood of a model whose output is its log."""

    def loglike(self, output):
        return output[0]


def main(delayed: bool = False) -> None:
    ask, answer, n, evaluations, out = *map(int, sys.argv[1:5]), sys.argv[5]
    np.random.seed(1)  # noqa: NPY002 - it draws from the global state
    remote, prior = Remote(ask, answer, n), multivariate_normal(np.zeros(n), np.eye(n))

    def level(flag):  # the answer holds the prior, which tinyDA adds by itself
        return tinyDA.Posterior(prior, Given(), lambda z: np.array([remote(z, flag) - prior.logpdf(z)]))

    posterior, chain = ([level(COARSE), level(0)], "chain_fine") if delayed else (level(0), "chain")
    proposal = tinyDA.AdaptiveMetropolis(C0=0.1 * np.eye(n), t0=100, period=100)
    steps = evaluations // CHAINS
    starts = list(np.random.default_rng(1).standard_normal((CHAINS, n)))
    found = tinyDA.sample(
        posterior, proposal, iterations=steps, n_chains=CHAINS, initial_parameters=starts,
        force_sequential=True, **({"subchain_length": SUBCHAIN} if delayed else {}),
    )  # fmt: skip
    chains = [[link.parameters for link in found[f"{chain}_{number}"]] for number in range(CHAINS)]
    np.savez(out, chains=np.array(chains)[:, steps // 3 :])


if __name__ == "__main__":
    main()
