"""CUQIpy: its No-U-Turn sampler, two chains; run by `bench_samplers.py`."""

import sys

import cuqi
import numpy as np
from remote import GRADIENT, Remote

CHAINS = 2


class Enough(Exception):
    """The evaluations are used up."""


class Shared:
    """Value and gradient, which it asks for one after the other, from one evaluation."""

    def __init__(self, remote: Remote, most: int) -> None:
        self._remote, self._left, self._latest = remote, most, (b"", None)

    def __call__(self, z):
        z = np.asarray(z, dtype=float).ravel()
        if z.tobytes() != self._latest[0]:
            self._left -= 1
            if self._left < 0:
                raise Enough
            self._latest = z.tobytes(), self._remote(z, GRADIENT)
        return self._latest[1]


def chain(remote: Remote, n: int, most: int, start: np.ndarray) -> np.ndarray:
    """Return as many draws as the evaluations allow, the first third of them spent on warming up."""
    shared = Shared(remote, most)
    target = cuqi.distribution.UserDefinedDistribution(
        dim=n, logpdf_func=lambda z: shared(z)[0], gradient_func=lambda z: shared(z)[1]
    )
    sampler = cuqi.sampler.NUTS(target, initial_point=start, max_depth=8)
    try:
        sampler.warmup(100)
        sampler.sample(100_000)
    except Enough:
        pass
    return sampler.get_samples().samples.T[100:]


def main() -> None:
    ask, answer, n, evaluations, out = *map(int, sys.argv[1:5]), sys.argv[5]
    np.random.seed(1)  # noqa: NPY002 - it draws from the global state
    remote, starts = Remote(ask, answer, n), np.random.default_rng(1).standard_normal((CHAINS, n))
    found = [chain(remote, n, evaluations // CHAINS, start) for start in starts]
    least = min(map(len, found))
    np.savez(out, chains=np.array([one[:least] for one in found]))


if __name__ == "__main__":
    main()
