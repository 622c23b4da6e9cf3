"""`Law` and `ObservationOperator`: from a predicted quantity to the probability of the datum.

One object serves both halves of the package: its `logpdf` feeds MCMC, its moments feed filters.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Stage, Values
from mscale_uq.errors import NoGradient


@final
@dataclass(frozen=True)
class LawTerms:
    """Log-density of data under a law, with its derivatives.

    Attributes
    ----------
    pointwise
        Log-density of each datum, shaped like the data, zero where the datum is missing.
    d_prediction, d_variance
        Derivative of the sum to each prediction and to each prediction's own error variance.
    d_values
        Derivative of the sum to each named value the law reads.
    """

    pointwise: Array
    d_prediction: Array
    d_variance: Array
    d_values: Named

    @property
    def total(self) -> float:
        """Log-density of all data."""
        return float(self.pointwise.sum())


class Law(ABC):
    """The probability law of data given their prediction.

    `reads` names the values the law needs beside the prediction, such as an unknown standard deviation.
    Data and predictions have the same shape; NaN in the data means missing, elementwise. `variance` is the
    prediction's own error variance (of a surrogate, a mesh, a random stage) and is added to the law's.
    `destructive` tells whether such data mostly come from what is destroyed by being read; `elementwise`
    whether a datum's density hangs on its own prediction alone, so that predictions may have leading axes.
    """

    reads: tuple[str, ...]
    destructive: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False

    @abstractmethod
    def logpdf(self, data: Array, prediction: Array, variance: Array, values: Values) -> LawTerms:
        """Return the log-density of the data with its derivatives."""

    def held_out(self, data: Array, prediction: Array, variance: Array, values: Values) -> Array:
        """Return the log-density of each datum given all the others, shaped like the data, for leave-one-out.

        Where data are independent this is each datum's own density; a law of correlated data has its own way.
        """
        return self.logpdf(data, prediction, variance, values).pointwise

    def censored(self, data: Array) -> np.ndarray:
        """Return which data only say that the reading is beyond an end of what can be told.

        At least as large, as of a saturated camera, or at most, as of what is not detected.
        """
        return np.zeros(np.shape(data), dtype=bool)

    @abstractmethod
    def mean(self, prediction: Array, values: Values) -> Array:
        """Return the expected data, shaped like the prediction."""

    def mean_slope(self, prediction: Array, values: Values) -> Array | float:
        """Return the derivative of each expected datum to its prediction: one, unless a law says so.

        Raises
        ------
        NoGradient
            If the mean is not the prediction, and the law does not say how it moves.
        """
        if not np.array_equal(self.mean(prediction, values), prediction):
            raise NoGradient(f"a {type(self).__name__} law: its mean is not the prediction")
        return 1.0

    @abstractmethod
    def cov(self, prediction: Array, variance: Array, values: Values) -> Array:
        """Return the covariance of the flattened data, ``(n, n)``."""

    @abstractmethod
    def sample(self, prediction: Array, variance: Array, values: Values, rng: np.random.Generator) -> Array:
        """Draw data, shaped like the prediction."""


@final
@dataclass(frozen=True)
class ObservationOperator:
    """How one source sees a model: which quantity, made how from the state, and with which law.

    Attributes
    ----------
    quantity
        Name of the predicted quantity; ``<quantity>_var``, where it exists, is its own error variance.
    law
        The law of a datum given the quantity.
    stage
        For state-space models: makes the quantity from the state variables. None if the model makes it.
    destructive
        Whether the reading destroys what it reads, as sequencing a cell does. It then says something of the
        population or of shared parameters, never of an individual that is followed: a `StateSpace` refuses it
        as a reading of tracked state variables. What its law mostly is if None; False says that molecules are
        counted in a cell that lives on.
    apart
        Names of covariates that do no more than tell readings of one time apart, such as the dish that each
        is of, and how many there may be at a time. Whatever they are, the stage reads 1, 2, ..
    """

    quantity: str
    law: Law
    stage: Stage | None = None
    destructive: bool | None = None
    apart: Mapping[str, int] = field(default_factory=dict)

    @property
    def destroys(self) -> bool:
        """Whether the reading destroys what it reads."""
        return self.law.destructive if self.destructive is None else self.destructive

    @property
    def reads(self) -> frozenset[str]:
        """Names of everything that the stage and the law read."""
        return frozenset((*self.law.reads, *(self.stage.inputs if self.stage else ())))

    def predict(self, values: Values) -> Named:
        """Return `values` with the quantity in it, made by the stage if there is one."""
        if self.stage is None:
            return dict(values)
        return {**values, **self.stage.value({name: values[name] for name in self.stage.inputs})}

    def mean(self, values: Values) -> Array:
        """Return the expected datum at named values that hold the quantity."""
        return self.law.mean(np.asarray(values[self.quantity]), values)

    def mean_slope(self, values: Values) -> Array | float:
        """Return the derivative of the expected datum to the quantity; see `Law`."""
        return self.law.mean_slope(np.asarray(values[self.quantity]), values)

    def cov(self, values: Values) -> Array:
        """Return the covariance ``(n, n)`` of the datum given the named values."""
        return self.law.cov(np.asarray(values[self.quantity]), self.variance(values), values)

    def logpdf(self, datum: Array, values: Values) -> LawTerms:
        """Return the log-density of the datum given the named values, with derivatives."""
        return self.law.logpdf(
            np.asarray(datum), np.asarray(values[self.quantity]), self.variance(values), values
        )

    def held_out(self, datum: Array, values: Values) -> Array:
        """Return the log-density of each entry of the datum given its others and the named values."""
        return self.law.held_out(
            np.asarray(datum), np.asarray(values[self.quantity]), self.variance(values), values
        )

    def sample(self, values: Values, rng: np.random.Generator) -> Array:
        """Draw a datum given the named values."""
        return self.law.sample(np.asarray(values[self.quantity]), self.variance(values), values, rng)

    def variance(self, values: Mapping[str, Array]) -> Array:
        """Return the prediction's own error variance, zero if nobody states one."""
        shape, stated = np.shape(values[self.quantity]), values.get(f"{self.quantity}_var")
        return np.zeros(shape) if stated is None else np.broadcast_to(np.asarray(stated), shape)
