"""Log-likelihoods of a population, found all at once, by whatever runs independent tasks.

A worker imports this module, so that it knows no PyMC.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, final

import numpy as np

from mscale_uq.core.map import Map
from mscale_uq.core.parameter import Array
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.likelihood import Likelihood
from mscale_uq.infer.target import Target


@final
class ParticleLikelihood:
    """The log-likelihood of z ``(n,)``, for a sampler that asks for one particle after another.

    `find` comes first: it evaluates a whole population through the map, and the ledger counts as if it had
    been done here.
    """

    def __init__(self, target: Target, ledger: Ledger, physical: Callable[[Array], Array], map: Map) -> None:
        self._target, self._ledger, self._physical, self._map = target, ledger, physical, map
        self._known: dict[bytes, float] = {}

    def find(self, population: Array) -> None:
        """Evaluate particles z ``(particles, n)``, and forget those before."""
        thetas = [self._physical(z) for z in population]
        found = self._map(partial(_evaluate, self._target, self._ledger.chain), thetas)
        self._known = {}
        for z, (value, ledger) in zip(population, found, strict=True):
            self._known[z.tobytes()] = value
            self._ledger.add(ledger)

    def __call__(self, z: Array) -> float:
        """Return what was found for a particle."""
        return self._known[z.tobytes()]


@final
class AheadProposal:
    """A frozen distribution of SciPy whose draws are evaluated as soon as they are drawn."""

    def __init__(self, law: Any, likelihood: ParticleLikelihood) -> None:
        self._law, self._likelihood = law, likelihood

    def rvs(self, size: int, random_state: np.random.Generator) -> Array:
        """Return draws ``(size, n)``, their likelihoods known."""
        drawn = np.asarray(self._law.rvs(size=size, random_state=random_state)).reshape(size, -1)
        self._likelihood.find(drawn)
        return drawn

    def logpdf(self, z: Array) -> Array:
        """Return the log-density of particles ``(particles, n)``."""
        return np.asarray(self._law.logpdf(z))


def _evaluate(target: Target, chain: int, theta: Array) -> tuple[float, Ledger]:
    ledger = Ledger(chain)
    with np.errstate(all="ignore"):  # far-out particles overflow; what is not finite is caught
        return Likelihood(target, ledger, gradient=False)(theta)[0], ledger
