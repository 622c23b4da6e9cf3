"""The No-U-Turn sampler on a cheap posterior, corrected to the exact one.

1. NUTS draws from the cheap posterior.
2. The exact likelihood at each draw gives it a weight, exact over cheap. The largest weights are
   replaced by quantiles of a Pareto law that is fitted to them; its shape k says whether the weights have
   moments, that is, whether the cheap posterior covers the exact one.
3. If k <= 0.7, every chain is resampled by its weights, in order: draws of the exact posterior, all of equal
   weight, a few of them twice. That drops what weight the chains have as a whole, which must be the same, up
   to chance, if they have mixed. If one of the two does not hold, the cheap posterior only proposes: delayed
   acceptance decides on every proposal by the exact likelihood, at the price of more exact solves.

Source: A. Vehtari, D. Simpson, A. Gelman, Y. Yao, J. Gabry, Pareto Smoothed Importance Sampling, Journal of
Machine Learning Research 25 (2024) 72, for the smoothing and the threshold.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np

from mscale_uq.core.map import Map
from mscale_uq.core.parameter import Array
from mscale_uq.errors import CaseError, explain
from mscale_uq.infer.chains import OnProgress, sample
from mscale_uq.infer.exact_ratios import Ratios, exact_ratios
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.samples import Samples
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.workers import workers

LARGEST_K = 0.7
LARGEST_Z = 4.0  # of a chain's weight from the others', in standard errors
EVEN = 1e-3  # range of log weights below which there is nothing to smooth
RESAMPLING_KEY = 2**32 - 6  # of random numbers

# Log ratios ``(draws, 1)`` -> smoothed log weights of sum one, and the shape k ``(1,)``.
Smooth = Callable[[Array], tuple[Array, Array]]


@final
@dataclass(frozen=True)
class Corrected:
    """Draws of the exact posterior, and how they came about.

    Attributes
    ----------
    samples
        Of ``surrogate``, or of ``mlda`` if that had to take over.
    shape
        k of the weights' tail; 0 where all weights are the same.
    efficiency
        Effective over all draws, by their weights.
    exact
        Exact likelihoods at draws of the cheap posterior.
    mixed
        Whether the chains have the same weight, up to chance.
    fell_back
        Whether delayed acceptance had to take over.
    """

    samples: Samples
    shape: float
    efficiency: float
    exact: int
    mixed: bool
    fell_back: bool

    def __str__(self) -> str:
        weights = (
            f"k-hat {self.shape:.2f}, efficiency {self.efficiency:.2f} of {self.exact} exact likelihoods"
        )
        if self.fell_back:
            wrong = (
                "the surrogate is not good enough" if self.mixed else "chains on the surrogate did not mix"
            )
            must = (
                f"k-hat must be at most {LARGEST_K}"
                if self.mixed
                else "their weights differ by more than chance"
            )
            return (
                f"{wrong} ({weights}; {must}): delayed acceptance took over, and every draw is accepted by "
                "the exact likelihood"
            )
        return (
            f"NUTS on the surrogate, resampled by exact weights ({weights}): draws of the exact posterior, "
            "to the Monte Carlo error that these two state"
        )


def sample_corrected(
    target: Levels,
    settings: Settings,
    smooth: Smooth,
    folder: Path | None = None,
    identity: str = "",
    on_progress: OnProgress | None = None,
    map: Map | None = None,
) -> Corrected:
    """Draw from the finest level by way of the coarse one, going on where an earlier call stopped.

    Parameters
    ----------
    target
        The exact posterior over one cheap one.
    settings
        As for `sample`.
    smooth
        Pareto smoothing.
    folder, identity, on_progress
        As for `sample`.
    map
        Runs the exact likelihoods; as many processes as `settings` has cores if None.

    Raises
    ------
    CaseError
        If there is more than one coarse level.
    Exception
        As `sample` does.
    """
    if len(target.coarse) != 1:
        raise CaseError(explain(f"{len(target.coarse)} coarse levels for sampler 'surrogate'", "one"))
    with ExitStack() as stack:
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cheap = replace(settings, sampler="nuts")
        walked = sample(target.coarse[0], cheap, home / "surrogate", identity, on_progress)
        found = correct(target, settings, walked, smooth, home, identity, map)
        if not found.fell_back:
            return found
        slow = replace(settings, sampler="mlda")
        taken_over = sample(target, slow, home / "delayed", identity, on_progress)
        return replace(found, samples=_charged(taken_over, found.samples))


def correct(
    target: Levels,
    settings: Settings,
    walked: Samples,
    smooth: Smooth,
    home: Path,
    identity: str = "",
    map: Map | None = None,
) -> Corrected:
    """Return the second and third step: weights at the draws, and what is resampled by them.

    Where the weights' tail is too heavy, the samples are no draws of the exact posterior, and it says so.
    """
    began, thetas = time.monotonic(), _table(target, walked)
    name = f"{identity} {settings.seed} {settings.tune} {settings.target_accept} {settings.coordinates}"
    with workers(0 if map else settings.cores) as own:
        ratios = exact_ratios(target, thetas, home / "exact.log", name, map or own)
    spent = (time.monotonic() - began) / settings.chains
    weights, shape = _weights(ratios.logs, smooth)
    samples = _samples(target, walked, thetas, ratios, _rows(weights, settings.seed), spent)
    efficiency, mixed = float(1.0 / np.sum(weights**2) / weights.size), _mixed(weights)
    fell_back = not (shape <= LARGEST_K and mixed)
    return Corrected(samples, shape, efficiency, weights.size, mixed, fell_back)


def _charged(samples: Samples, before: Samples) -> Samples:
    """Return samples whose ledger holds what was evaluated, and what failed, before they were drawn, too."""
    return replace(
        samples,
        failures=(*before.failures, *samples.failures),
        requests=before.requests + samples.requests,
        evaluations=before.evaluations + samples.evaluations,
        infeasible=before.infeasible + samples.infeasible,
        seconds=before.seconds + samples.seconds,
    )


def _table(target: Levels, walked: Samples) -> Array:
    """Return draws as ``(chains, draws, n)``."""
    flat = [walked.draws[name] for name in target.variables]
    return np.concatenate([part.reshape(*part.shape[:2], -1) for part in flat], axis=2)


def _weights(logs: Array, smooth: Smooth) -> tuple[Array, float]:
    """Return weights ``(chains, draws)`` of sum one, and the shape of their tail: inf if there is none."""
    finite = np.isfinite(logs)
    if not np.all(finite.any(axis=1)):  # a chain without a single draw of the exact posterior
        return np.full(logs.shape, 1.0 / logs.size), np.inf
    if np.ptp(logs[finite]) < EVEN:
        return finite / finite.sum(), 0.0
    smoothed, shape = smooth(logs.reshape(-1, 1))
    weights = np.exp(smoothed.reshape(logs.shape))
    return weights / weights.sum(), float(shape[0]) if np.isfinite(shape[0]) else np.inf


def _mixed(weights: Array) -> bool:
    """Say whether the chains' mean weights differ by no more than chance.

    Draws of a chain depend on each other, so that chance is told by the means of batches (C. J. Geyer,
    Practical Markov Chain Monte Carlo, Statistical Science 7 (1992) 473-483, doi:10.1214/ss/1177011137).
    """
    draws = weights.shape[1]
    means, size = weights.mean(axis=1), int(np.sqrt(draws))
    if np.any(means == 0.0) or size < 2:
        return bool(np.all(means > 0.0))
    parts = np.array_split(weights, draws // size, axis=1)  # all draws: a mean knows the last ones, too
    batches = np.array([part.mean(axis=1) for part in parts])
    error = np.sqrt(np.mean(np.var(batches, axis=0, ddof=1)) / len(batches))
    return bool(np.all(np.abs(means - means.mean()) <= LARGEST_Z * error + EVEN * means.mean()))


def _rows(weights: Array, seed: int) -> np.ndarray:
    """Return, chain by chain and in order, the numbers of the draws that stay: systematic resampling."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(RESAMPLING_KEY,)))
    chosen = []
    for row in weights:
        count = row.size
        steps = (rng.uniform() + np.arange(count)) / count
        chosen.append(np.searchsorted(np.cumsum(row), steps * row.sum()).clip(max=count - 1))
    return np.array(chosen)


def _samples(
    target: Levels, walked: Samples, thetas: Array, ratios: Ratios, rows: np.ndarray, spent: float
) -> Samples:
    chosen = np.take_along_axis(thetas, rows[:, :, None], axis=1)
    named = [[target.split(theta) for theta in chain] for chain in chosen]
    stats = {"log_ratio": ratios.logs, "diverging": walked.stats["diverging"]}
    chains, draws = rows.shape
    counted = np.full(chains, draws)
    return Samples(
        sampler="surrogate",
        draws={
            name: np.array([[one[name] for one in chain] for chain in named]) for name in target.variables
        },
        stats={name: np.take_along_axis(table, rows, axis=1) for name, table in stats.items()},
        tuning_stats={},
        failures=ratios.failures,
        requests=counted,
        evaluations=counted,
        infeasible=ratios.infeasible,
        seconds=walked.seconds + spent,
        log_evidence=None,
        troubles=_troubles(walked),
    )


def _troubles(walked: Samples) -> tuple[str, ...]:
    return tuple(f"on the surrogate: {trouble}" for trouble in walked.troubles)
