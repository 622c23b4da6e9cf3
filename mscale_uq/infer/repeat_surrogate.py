"""`RepeatedSurrogate`: draws by way of a surrogate for many data sets of the same model, compiled once.

What polynomials stand for does not depend on the data, so that one surrogate serves all of them.
"""

import tempfile
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np

from mscale_uq.infer.levels import Levels
from mscale_uq.infer.repeat import Repeated, Run
from mscale_uq.infer.samples import Samples
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.surrogate import Smooth, correct


@final
class RepeatedSurrogate:
    """Samples one posterior after the other, each by NUTS on its surrogate and exact weights.

    Parameters
    ----------
    target
        One of them, over its surrogate: all have its priors.
    settings
        As for one run; one chain each.
    smooth
        Pareto smoothing.
    """

    def __init__(self, target: Levels, settings: Settings, smooth: Smooth) -> None:
        self._target, self._smooth = target, smooth
        self._settings = replace(settings, chains=1, cores=0)
        self._cheap = Repeated(target.coarse[0], replace(self._settings, sampler="nuts"))

    @cached_property
    def _slow(self) -> Repeated:
        """Delayed acceptance, for data whose weights are bad."""
        return Repeated(self._target, replace(self._settings, sampler="mlda"))

    def run(self, target: Levels, index: int) -> Run:
        """Return the chain of number `index` on `target`: it depends on these, and not on runs before."""
        seed = int(np.random.SeedSequence(self._settings.seed, spawn_key=(index,)).generate_state(1)[0])
        settings = replace(self._settings, seed=seed)  # runs are resampled independently
        walked = _as_samples(target, self._cheap.run(target.coarse[0], index))
        with tempfile.TemporaryDirectory() as home:
            found = correct(target, settings, walked, self._smooth, Path(home))
        if found.fell_back:
            return self._slow.run(target, index)
        samples, drawn = found.samples, [found.samples.draws[name][0] for name in target.variables]
        theta = np.concatenate([part.reshape(len(part), -1) for part in drawn], axis=1)
        stats = {name: table[0] for name, table in samples.stats.items()}
        return Run(theta, stats, samples.failures, found.exact)


def _as_samples(target: Levels, run: Run) -> Samples:
    """Return a run as a chain that was collected."""
    named = [target.split(theta) for theta in run.theta]
    count = np.array([run.evaluations])
    return Samples(
        sampler="nuts",
        draws={name: np.array([[one[name] for one in named]]) for name in target.variables},
        stats={"diverging": run.stats["diverging"][None].astype(bool)},
        tuning_stats={},
        failures=run.failures,
        requests=count,
        evaluations=count,
        infeasible=np.zeros(1, dtype=int),
        seconds=np.zeros(1),
        log_evidence=None,
        troubles=(),
    )
