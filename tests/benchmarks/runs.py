"""Runs of samplers: their CPU seconds without what is done once, and their effective draws."""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mscale_uq.errors import ForwardFailure
from mscale_uq.infer.samples import Samples
from mscale_uq.infer.settings import Settings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", r"\s*ArviZ is undergoing", FutureWarning)
    import arviz as az

SHORT = {"smc": {"draws": 20}}  # of which a run of two draws is none
FEWEST = {"draws": 2, "tune": 2}
ENOUGH = 100  # effective draws, before a mean is compared


@dataclass(frozen=True)
class Run:
    """What a sampler made, and its CPU seconds: all of them, and those that came before any density.

    `start` are those of a run of hardly any draws, less what its densities took: compiling, imports. What a
    sampler does with densities before it draws, such as climbing to a mode, is part of its work.
    """

    samples: Samples
    seconds: float
    start: float

    @property
    def work(self) -> float:
        """Seconds without the start."""
        return self.seconds - self.start


def cpu_seconds() -> float:
    """Return those of this process and of its children that have ended."""
    return sum(os.times()[:4])


def spent(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what some work makes, and the CPU seconds it takes."""
    began = cpu_seconds()
    made = work()
    return made, cpu_seconds() - began


def sampled(
    run: Callable[[Settings], Samples],
    settings: Settings,
    density: float,
    briefly: Callable[[Settings], Samples] | None = None,
) -> Run:
    """Run a sampler, after short runs, the first of which leaves behind what is made once on a machine.

    `density` are the CPU seconds of one evaluation, as `cost_of` measures them. A short run of what is built
    beforehand would build it: then `briefly` runs in its place.
    """
    short, brief = replace(settings, **SHORT.get(settings.sampler, FEWEST)), briefly or run
    brief(short)
    few, start = spent(lambda: brief(short))
    samples, seconds = spent(lambda: run(settings))
    return Run(samples, seconds, max(0.0, start - density * int(few.evaluations.sum())))


def cost_of(evaluate: Callable[[np.ndarray], object], thetas: np.ndarray) -> float:
    """Return the median CPU seconds of an evaluation, over those that the model has an answer for."""
    times = []
    for theta in (thetas[0], *thetas):  # the first one compiles
        try:
            times.append(spent(lambda t=theta: evaluate(t))[1])
        except ForwardFailure:
            continue
    return float(np.median(times[1:]))


def entries(samples: Samples) -> np.ndarray:
    """Return draws ``(chains, draws, entries)`` of all unknowns."""
    flat = [array.reshape(*array.shape[:2], -1) for array in samples.draws.values()]
    return np.concatenate(flat, axis=2)


def effective(draws: np.ndarray) -> float:
    """Return the bulk ESS of draws ``(chains, draws)``."""
    return float(az.ess(draws))


def least_ess(samples: Samples) -> float:
    """Return the smallest bulk ESS of any entry of any unknown."""
    return min(map(effective, np.moveaxis(entries(samples), 2, 0)))


def agree(samples: Sequence[Samples]) -> None:
    """Hold means to the first run's, to four Monte Carlo errors."""
    for one in samples[1:]:
        for name, first in samples[0].draws.items():
            x = one.draws[name]
            error = np.hypot(x.std() / np.sqrt(effective(x)), first.std() / np.sqrt(effective(first)))
            assert abs(x.mean() - first.mean()) < 4 * error, name
