"""Without data, a sampler must give back the prior: a check of priors, coordinates and Jacobians."""

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy

from mscale_uq.core.parameter import Array
from mscale_uq.core.random import generator
from mscale_uq.diagnose.replicate import given, no_data
from mscale_uq.errors import CaseError, ForwardFailure, explain
from mscale_uq.infer.chains import sample
from mscale_uq.infer.settings import Settings
from mscale_uq.stats.posterior import Posterior

LEVEL = 0.01  # a sampler that is right is called wrong once in a hundred checks
KEPT = 500  # draws, thinned to be close to independent
REFERENCE = 2000  # draws from the prior itself


@final
@dataclass(frozen=True)
class PriorRecovery:
    """The sampler's draws without data against draws from the prior.

    Attributes
    ----------
    names
        Of the unknowns.
    p
        ``(n,)``, of a Kolmogorov-Smirnov test per unknown.
    spread
        ``(n,)``, the draws' interquartile range over the prior's.
    """

    names: tuple[str, ...]
    p: Array
    spread: Array

    @property
    def ok(self) -> bool:
        """Whether no unknown differs, the level shared among all of them."""
        return bool(np.all(self.p * len(self.p) >= LEVEL))

    @property
    def verdict(self) -> str:
        """One sentence for people."""
        if self.ok:
            return "without data, the sampler gives back the prior"
        worst = [
            f"{name} ({spread:.2f} times as wide, p = {p:.1g})"
            for name, p, spread in zip(self.names, self.p, self.spread, strict=True)
            if p * len(self.p) < LEVEL
        ]
        return f"without data, the sampler does NOT give back the prior of {', '.join(worst)}"


def check_prior_recovery(posterior: Posterior, settings: Settings, kept: int = KEPT) -> PriorRecovery:
    """Sample with all data missing, and compare with the prior where the models have an answer.

    Parameters
    ----------
    posterior
        Priors and models.
    settings
        Any sampler; its draws of all chains are thinned to `kept`, which should be far fewer.

    Raises
    ------
    CaseError
        If there are fewer draws than are to be kept.
    """
    total = settings.draws * settings.chains
    if total < kept:
        raise CaseError(explain(f"{total} draws, thinned to {kept}", "as many draws as are kept"))
    blank = given(posterior, no_data(posterior))
    samples = sample(blank, settings)
    flat = [draws.reshape(total, -1) for draws in samples.draws.values()]
    draws = np.concatenate(flat, axis=1)[:: total // kept]
    rng = generator(settings.seed, REFERENCE)
    prior = np.array(
        [
            theta
            for theta in (posterior.sample_prior(rng) for _ in range(REFERENCE))
            if _possible(blank, theta)
        ]
    )
    pairs = list(zip(draws.T, prior.T, strict=True))
    return PriorRecovery(
        names=posterior.names,
        p=np.array([scipy.stats.ks_2samp(ours, true).pvalue for ours, true in pairs]),
        spread=np.array([_width(ours) / _width(true) for ours, true in pairs]),
    )


def _possible(posterior: Posterior, theta: Array) -> bool:
    """Whether the models have an answer; where they have none, there is no posterior mass either."""
    try:
        return np.isfinite(posterior.log_likelihood(theta))
    except ForwardFailure:
        return False


def _width(values: Array) -> float:
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low)
