"""Two explanations of the same data: evidence, leave-one-out predictive density, predictive error.

Leaving one datum out is done by weighting the draws: with w_s proportional to 1 / p(y_i | theta_s), smoothed,
the draws stand for the posterior without y_i.

Source: A. Vehtari, A. Gelman, J. Gabry, Practical Bayesian model evaluation using leave-one-out
cross-validation and WAIC, Statistics and Computing 27 (2017) 1413-1432, doi:10.1007/s11222-016-9696-4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import logsumexp

from mscale_uq.core.parameter import Array
from mscale_uq.errors import CaseError, explain
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.predictive import Key, Predictions

# Log ratios ``(draws, data)`` -> smoothed log weights, shaped alike and normalised over draws, and the Pareto
# shape k per datum.
Smooth = Callable[[Array], tuple[Array, Array]]

UNRELIABLE = (
    0.7  # Pareto shape above which the weighted draws do not stand for the posterior without the datum
)
CLEAR = 2.0  # standard errors a difference must have to be called one
WORTH = 1.0  # nats below which no difference is worth a word: odds below three to one


@final
@dataclass(frozen=True)
class Candidate:
    """One explanation.

    Attributes
    ----------
    name
        For people.
    keys
        (experiment, quantity) of each datum.
    data
        ``(data,)``, what is seen of it.
    pointwise, predicted
        ``(draws, data)``: log-density of each datum and its expectation, draw by draw.
    log_evidence
        One estimate per chain; empty if the sampler gives none.
    """

    name: str
    keys: tuple[Key, ...]
    data: Array
    pointwise: Array
    predicted: Array
    log_evidence: Array


@final
@dataclass(frozen=True)
class Score:
    """How well one explanation does.

    Attributes
    ----------
    name
        For people.
    log_evidence, evidence_error
        Mean over chains in the natural scale, and its Monte Carlo error; NaN if unknown.
    elpd
        ``(data,)``, log-density of each datum given all others.
    error
        (experiment, quantity) -> root mean square of datum minus its prediction from all others, in its unit.
    unreliable
        Data whose leaving out cannot be had by weighting.
    """

    name: str
    log_evidence: float
    evidence_error: float
    elpd: Array
    error: dict[Key, float]
    unreliable: int

    @property
    def elpd_error(self) -> float:
        """Standard error of the sum of `elpd`: other data would give another."""
        return _error_of_sum(self.elpd)


@final
@dataclass(frozen=True)
class Comparison:
    """One explanation against another.

    Attributes
    ----------
    scores
        Of both, in the order given.
    evidence, evidence_error
        Difference of log evidence, first minus second, and its Monte Carlo error; NaN if one is unknown.
    elpd, elpd_error
        Difference of the summed leave-one-out log-densities, and its standard error: data are few.
    """

    scores: tuple[Score, Score]
    evidence: float
    evidence_error: float
    elpd: float
    elpd_error: float

    @property
    def verdict(self) -> str:
        """All sentences."""
        return " ".join(self.sentences)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What this says to people."""
        said = [
            self._sentence("evidence", self.evidence, self.evidence_error),
            self._sentence("leave-one-out", self.elpd, self.elpd_error),
        ]
        for score in self.scores:
            if score.unreliable:
                said.append(
                    f"{score.unreliable} data weigh too much in {score.name} to be left out by weighting."
                )
        return tuple(said)

    def _sentence(self, what: str, difference: float, error: float) -> str:
        if np.isnan(difference):
            return f"By {what}: unknown, use the sampler 'smc' for both."
        first, second = (score.name for score in self.scores)
        told = f"{abs(difference):.1f} nats, standard error {error:.1f}"
        if np.isnan(error):
            return (
                f"By {what}: {abs(difference):.1f} nats apart, with an error that one chain or datum hides."
            )
        if abs(difference) <= max(CLEAR * error, WORTH):
            return f"By {what}: no clear difference ({told})."
        return f"By {what}: {first if difference > 0 else second} ({told})."


def candidate(
    name: str, posterior: Posterior, predictions: Predictions, log_evidence: Array | None = None
) -> Candidate:
    """Gather what a comparison needs from predictions at posterior draws; failed draws are left out."""
    keys, data, pointwise, predicted = [], [], [], []
    for experiment in posterior.experiments:
        for quantity, observed in experiment.observed.items():
            key, seen = (experiment.name, quantity), ~np.isnan(np.ravel(observed))
            keys += [key] * int(seen.sum())
            data.append(np.ravel(observed)[seen])
            pointwise.append(_flat(predictions.pointwise[key])[:, seen])
            predicted.append(_flat(predictions.predicted[key])[:, seen])
    table, means = np.concatenate(pointwise, axis=1), np.concatenate(predicted, axis=1)
    good = np.all(np.isfinite(table), axis=1)
    evidence = np.atleast_1d([] if log_evidence is None else log_evidence)
    return Candidate(name, tuple(keys), np.concatenate(data), table[good], means[good], evidence)


def compare(first: Candidate, second: Candidate, smooth: Smooth) -> Comparison:
    """Compare two explanations of the same data.

    Raises
    ------
    CaseError
        If the data are not the same.
    """
    if first.keys != second.keys or not np.array_equal(first.data, second.data):
        given = f"{first.name} and {second.name}: {_difference(first, second)}"
        hint = "evidence and predictive densities of different data cannot be compared"
        raise CaseError(explain(given, "two cases with the same data", hint))
    scores = score(first, smooth), score(second, smooth)
    difference = scores[0].elpd - scores[1].elpd
    return Comparison(
        scores=scores,
        evidence=scores[0].log_evidence - scores[1].log_evidence,
        evidence_error=float(np.hypot(scores[0].evidence_error, scores[1].evidence_error)),
        elpd=float(difference.sum()),
        elpd_error=_error_of_sum(difference),
    )


def _difference(first: Candidate, second: Candidate) -> str:
    """Say in what the data differ, the coarsest difference first."""
    for one, other in ((first, second), (second, first)):
        for experiment, quantity in dict.fromkeys(one.keys):
            if (experiment, quantity) not in other.keys:
                return f"{quantity!r} of {experiment!r} is in {one.name} only"
    if first.data.size != second.data.size:
        return f"{first.data.size} data against {second.data.size}"
    return "the same quantities, not all of the same values"


def _error_of_sum(terms: Array) -> float:
    """Standard error of a sum of independent terms; NaN for a single one."""
    return float(np.sqrt(terms.size * np.var(terms, ddof=1))) if terms.size > 1 else np.nan


def score(candidate: Candidate, smooth: Smooth) -> Score:
    """Score one explanation."""
    log_weights, shapes = smooth(-candidate.pointwise)
    elpd = logsumexp(log_weights + candidate.pointwise, axis=0)
    expected = np.sum(np.exp(log_weights) * candidate.predicted, axis=0)
    evidence, error = combined_evidence(candidate.log_evidence)
    groups = dict.fromkeys(candidate.keys)
    inside = {key: np.array([k == key for k in candidate.keys]) for key in groups}
    squares = (candidate.data - expected) ** 2
    return Score(
        name=candidate.name,
        log_evidence=evidence,
        evidence_error=error,
        elpd=elpd,
        error={key: float(np.sqrt(squares[mask].mean())) for key, mask in inside.items()},
        unreliable=int(np.sum(shapes > UNRELIABLE)),
    )


def combined_evidence(estimates: Array) -> tuple[float, float]:
    """Return the log of the mean evidence over chains, and its error; NaN where there are too few chains.

    Each chain's evidence, not its logarithm, is right on average.
    """
    if not estimates.size:
        return np.nan, np.nan
    mean = float(logsumexp(estimates) - np.log(estimates.size))
    if estimates.size < 2:
        return mean, np.nan
    relative = np.exp(estimates - mean)
    return mean, float(np.std(relative, ddof=1) / np.sqrt(estimates.size))


def _flat(table: Array) -> Array:
    return table.reshape(len(table), -1)
