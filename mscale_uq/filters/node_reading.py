"""`Reading`: one observation as all nodes of a Gaussian sum read it, and what it says of what is expected."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.filters.bound import at_least
from mscale_uq.filters.node_lone import Levels
from mscale_uq.observe.counts import NegativeBinomial
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.laws import Gaussian, look_up


@final
@dataclass(frozen=True)
class Reading:
    """One observation, its operator, the values that hold for it, which of its m readings are `used`.

    With their variance ``(G, m)`` at the forecast; what is said of a state takes it at that state.
    """

    observation: Observation
    operator: ObservationOperator
    values: Values
    used: np.ndarray
    variance: Array

    def say(self, expected: Array) -> tuple[Array, Array, Array]:
        """Return log-density, its slope to what is expected, and the information on that, each ``(G, r)``.

        Of the r readings that are used.
        """
        y, law, values = self.observation.value.ravel()[self.used], self.operator.law, self.values
        if isinstance(law, NegativeBinomial):
            found = law.logpdf(y, expected, np.zeros(expected.shape), values)
            tiny = np.finfo(float).tiny
            return found.pointwise, found.d_prediction, 1 / np.maximum(law.spread(expected, values), tiny)
        R, slope = self._noise(expected)
        error = y - expected
        misfit = error**2 / R
        score = error / R + 0.5 * (misfit - 1) * slope / R
        told = -0.5 * (misfit + np.log(2 * np.pi * R)), score, 1 / R
        if isinstance(law, Fluorescence) and law.saturation is not None and self.observation.noise is None:
            bound = at_least(expected - law.saturation, R, slope)
            density, score, information = np.where(law.censored(y), bound, told)
            return density, score, information
        return told

    @property
    def normal(self) -> np.ndarray:
        """``(m,)``, true where the noise is a normal one, and the reading no bound."""
        law, y = self.operator.law, self.observation.value.ravel()
        if self.observation.noise is not None:
            return np.ones(y.shape, dtype=bool)
        return ~law.censored(y) & (not isinstance(law, NegativeBinomial))

    @property
    def levels(self) -> Levels:
        """Of normal noise."""
        law, growing = self.operator.law, np.zeros((self.used.size, 3))
        if self._steady or isinstance(law, NegativeBinomial):
            return Levels(self.variance, growing)
        assert isinstance(law, Gaussian | Fluorescence)  # what the filter saw to
        if isinstance(law, Fluorescence):
            growing[:, 0], growing[:, 2] = law.shot, law.background
        growing[:, 1] = look_up(law.relative, self.values)
        base = law.own(growing[:, 2], np.zeros(self.used.shape), self.values)
        return Levels(np.broadcast_to(base, self.variance.shape), growing)

    @property
    def _steady(self) -> bool:
        """Whether noise does not depend on what is read."""
        law = self.operator.law
        known = (
            isinstance(law, Gaussian | Fluorescence) and law.relative == 0 and getattr(law, "shot", 0) == 0
        )
        return known or self.observation.noise is not None

    def _noise(self, expected: Array) -> tuple[Array, Array | float]:
        """Return the variance at what is expected, and its slope."""
        law = self.operator.law
        assert isinstance(law, Gaussian | Fluorescence)  # what the filter saw to
        if self._steady:
            return self.variance[:, self.used], 0.0
        return law.own(expected, np.zeros(expected.shape), self.values), law.own_slope(expected, self.values)
