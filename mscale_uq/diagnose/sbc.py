"""Simulation-based calibration: is the sampler right for this model, prior and kind of data?

Draw unknowns from the prior, simulate data at them, sample the posterior: then the truth is one more draw
from that posterior, and its rank among the draws is uniform. Ranks of the log-likelihood and of the misfit
depend on the data and see what ranks of parameters cannot, such as data that are not used.

Source: M. Modrák and others, Simulation-Based Calibration Checking for Bayesian Computation: The Choice of
Test Quantities Shapes Sensitivity, Bayesian Analysis 20 (2025) 461-488, doi:10.1214/23-BA1404.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, final
from uuid import uuid4

import numpy as np

from mscale_uq.core.map import Map
from mscale_uq.core.parameter import Array
from mscale_uq.core.random import generator
from mscale_uq.diagnose.data_fit import NAMES, data_fit
from mscale_uq.diagnose.rank_log import RankLog, RankRow
from mscale_uq.diagnose.ranks import LEVEL, RankCheck, check_ranks
from mscale_uq.diagnose.replicate import given, replicate
from mscale_uq.errors import CaseError, explain
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.repeat import Repeated
from mscale_uq.infer.repeat_surrogate import RepeatedSurrogate
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.surrogate import Smooth
from mscale_uq.infer.target import Target
from mscale_uq.stats.flat import FlatPosterior, flattened
from mscale_uq.stats.posterior import Posterior

RUNS = 200
KEPT = 99  # draws per run: thinned to be close to independent, as ranks want them
CORRELATED = 0.1  # mean correlation of neighbours among kept draws, above which ranks are not to be trusted
FEW = 100  # runs, below which a band is so wide that intervals half as wide as they should be fit in


@final
@dataclass(frozen=True)
class Calibration:
    """What the ranks say.

    Attributes
    ----------
    checks
        One per unknown and per data-dependent quantity.
    runs, kept
        Simulated data sets, and draws per run that were ranked.
    refused, failures
        Prior draws without a prediction, and failed solves while sampling, in all runs.
    cautions
        Reasons not to trust the verdict, a sentence each.
    """

    checks: tuple[RankCheck, ...]
    runs: int
    kept: int
    refused: int
    failures: int
    cautions: tuple[str, ...]

    @property
    def wrong(self) -> tuple[RankCheck, ...]:
        """Checks that fail, the level shared among all of them."""
        return tuple(check for check in self.checks if check.p * len(self.checks) < LEVEL)

    @property
    def ok(self) -> bool:
        """Whether nothing fails."""
        return not self.wrong

    @property
    def verdict(self) -> str:
        """One paragraph for people."""
        start = f"{self.runs} simulated data sets, {self.kept} draws each: "
        if self.ok:
            told = f"no sign of a wrong posterior in {len(self.checks)} quantities"
        else:
            told = "; ".join(f"{check.name}: {check.meaning} (p = {check.p:.1g})" for check in self.wrong)
            told = f"NOT calibrated. {told}"
        return f"{start}{told}. {' '.join(self.cautions)}".strip()


@final
@dataclass(frozen=True)
class Study:
    """What all runs share; equal only to itself, so that a worker process compiles once."""

    target: Posterior | Levels = field(compare=False)
    settings: Settings = field(compare=False)
    kept: int = field(compare=False)
    smooth: Smooth | None = field(compare=False, default=None)
    token: str = field(default_factory=lambda: uuid4().hex)

    @property
    def fine(self) -> Posterior:
        """The posterior itself."""
        return self.target.fine if isinstance(self.target, Levels) else self.target  # type: ignore[return-value]

    def given(self, data: Any) -> Target:
        """Return what is to be sampled, given other data."""
        if isinstance(self.target, Levels):
            coarse = [_given(level, data) for level in self.target.coarse]
            return Levels(given(self.fine, data), coarse, self.target.lengths[0])
        return given(self.target, data)


def _given(level: Target, data: Any) -> Target:
    """Return a coarse level given other data."""
    if isinstance(level, FlatPosterior):
        return flattened(given(level.posterior, data))
    return given(level, data)  # type: ignore[arg-type]


def check_calibration(
    target: Posterior | Levels,
    settings: Settings,
    runs: int = RUNS,
    folder: Path | None = None,
    identity: str = "",
    map: Map = map,
    kept: int = KEPT,
    smooth: Smooth | None = None,
) -> Calibration:
    """Run the sampler on simulated data and rank the truth.

    Parameters
    ----------
    target
        Priors, models, laws, and the shape of the data; their values do not matter.
    settings
        The sampler and its length, one chain per run; `draws` are thinned to `kept`.
    runs
        Simulated data sets; more of them later continue where fewer ended.
    folder
        Holds the record of finished runs, to go on from; None keeps nothing.
    identity
        Stands for everything that must be unchanged to go on: case and priors.
    map
        Runs the tasks: ``executor.map`` of any executor. The result depends neither on it nor on its workers.
    kept
        Draws ranked per run; 99 gives 100 ranks.
    smooth
        Pareto smoothing of weights, for sampler ``surrogate``.

    Raises
    ------
    CaseError
        If there are fewer draws than are to be kept, or the sampler compiles anew for every data set.
    RunError
        If the folder holds the ranks of something else.
    """
    check_length(settings, runs, kept)
    study = Study(target, replace(settings, chains=1), kept, smooth)
    names = (*target.names, *NAMES)
    with RankLog(folder, identity, study.settings, kept, names) as log:
        missing = [index for index in range(runs) if index not in log.rows]
        for row in map(_task, [(study, index) for index in missing]):
            log.append(row)
        return summarise(names, [log.rows[index] for index in range(runs)], kept)


def check_length(settings: Settings, runs: int, kept: int) -> None:
    """Raise `CaseError` if there is nothing to rank."""
    for name, asked in (("runs", runs), ("kept", kept)):
        if asked < 1:
            raise CaseError(explain(f"{name} = {asked}", "at least 1"))
    if settings.draws < kept:
        few = f"draws = {settings.draws} of each run, of which kept = {kept} are ranked"
        raise CaseError(explain(few, f"draws of at least {kept}", "keep fewer, or leave draws out"))


def summarise(names: Sequence[str], rows: Sequence[RankRow], kept: int) -> Calibration:
    """Return what the ranks of all runs say."""
    ranks, lags = np.array([row.ranks for row in rows]), np.array([row.lags for row in rows])
    checks = [check_ranks(name, column, kept) for name, column in zip(names, ranks.T, strict=True)]
    return Calibration(
        checks=tuple(checks),
        runs=len(rows),
        kept=kept,
        refused=sum(row.refused for row in rows),
        failures=sum(row.failures for row in rows),
        cautions=tuple(_cautions(names, lags)),
    )


def _cautions(names: Sequence[str], lags: Array) -> Iterator[str]:
    if len(lags) < FEW:
        yield f"Fewer than {FEW} runs see gross mistakes only."
    for name, lag in zip(names, lags.mean(axis=0), strict=True):
        if lag > CORRELATED:
            yield _caution(name, lag)


def _caution(name: str, lag: float) -> str:
    return f"Kept draws of {name} are correlated ({lag:.2f}), which alone bends ranks: ask for more draws."


def _task(task: tuple[Study, int]) -> RankRow:
    return one_run(*task)


@lru_cache(maxsize=1)
def _engine(study: Study) -> Repeated | RepeatedSurrogate:
    if study.settings.sampler == "surrogate" and study.smooth and isinstance(study.target, Levels):
        return RepeatedSurrogate(study.target, study.settings, study.smooth)
    return Repeated(study.target, study.settings)


def one_run(study: Study, index: int) -> RankRow:
    """Simulate, sample and rank; depends on the study and the index, not on other runs."""
    rng = generator(study.settings.seed, index)
    truth = replicate(study.fine, rng)
    run = _engine(study).run(study.given(truth.data), index)  # type: ignore[arg-type]
    posterior = given(study.fine, truth.data)
    thin = len(run.theta) // study.kept
    draws = np.array([_quantities(posterior, theta) for theta in run.theta[::-thin][: study.kept]])
    at_truth = _quantities(posterior, truth.theta)
    below, equal = (draws < at_truth).sum(axis=0), (draws == at_truth).sum(axis=0)
    ranks = below + rng.integers(0, equal + 1)
    return RankRow(index, tuple(ranks.tolist()), tuple(_lag(draws)), truth.refused, len(run.failures))


def _quantities(posterior: Posterior, theta: Array) -> Array:
    return np.array([*theta, *data_fit(posterior, theta)])


def _lag(draws: Array) -> list[float]:
    """Correlation of neighbours, per quantity; zero for what does not vary."""
    away = draws - draws.mean(axis=0)
    square = np.sum(away**2, axis=0)
    product = np.sum(away[1:] * away[:-1], axis=0)
    return np.divide(product, square, out=np.zeros_like(square), where=square > 0).tolist()  # type: ignore[no-any-return]
