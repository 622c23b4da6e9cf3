"""The one place where a failed prediction becomes a likelihood of zero."""

from collections.abc import Sequence
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array, all_finite
from mscale_uq.errors import Infeasible, SolveFailed
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.target import Target
from mscale_uq.solve.proportional import Notes, recalled

# Samplers come back to the current point (DEMetropolisZ at every step, slice at every coordinate), so the
# latest answers are remembered; more than NUTS's shorter trajectories need would help nobody.
REMEMBERED = 16


@final
class Likelihood:
    """Log-likelihood of theta ``(n,)``, never NaN, never raising for a model that has no answer.

    Parameters
    ----------
    target
        The posterior.
    ledger
        Takes the failures.
    gradient
        Whether derivatives are wanted; without, they are zero and never computed.
    notes
        Solutions that are known already, up to a factor.

    Attributes
    ----------
    error
        The exception of a model with a bug, for whoever has to tell a person: libraries in between rewrite
        messages.
    """

    def __init__(self, target: Target, ledger: Ledger, gradient: bool, notes: Sequence[Notes] = ()) -> None:
        self.target = target
        self.ledger = ledger
        self.gradient = gradient
        self._notes = notes
        self.error: Exception | None = None
        self._recent: dict[bytes, tuple[float, Array]] = {}

    def renew(self, target: Target, ledger: Ledger) -> None:
        """Take another posterior and ledger, and forget the answers of the one before."""
        self.target, self.ledger, self._recent = target, ledger, {}

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Return the log-likelihood and its gradient; -inf and zeros where there is none."""
        self.ledger.requests += 1
        key = theta.tobytes()
        answer = self._recent.pop(key, None) or self._answer(np.frombuffer(key))
        self._recent[key] = answer
        if len(self._recent) > REMEMBERED:
            del self._recent[next(iter(self._recent))]
        value, slope = answer
        return value, slope.copy()  # whoever asks may write into it

    def _answer(self, theta: Array) -> tuple[float, Array]:
        self.ledger.evaluations += 1
        try:
            return self._evaluate(theta)
        except SolveFailed as failure:
            self.ledger.failed(failure, theta)
        except Infeasible as failure:
            self.ledger.absent(failure)
        except Exception as error:
            self.error = error
            raise
        return -np.inf, np.zeros(theta.size)

    def _evaluate(self, theta: Array) -> tuple[float, Array]:
        if not all_finite(theta):
            raise Infeasible("sampler", {}, "went where floating point has no number")
        with recalled(self._notes):
            if self.gradient:
                density, slope = self.target.log_likelihood_gradient(theta)
            else:
                density, slope = self.target.log_likelihood(theta), np.zeros(theta.size)
        if density == -np.inf:
            raise Infeasible("likelihood", {}, "the data are impossible here")
        if not (np.isfinite(density) and all_finite(slope)):
            raise SolveFailed("likelihood", {}, f"log-likelihood {density} or its gradient is not finite")
        return float(density), np.asarray(slope, dtype=float)
