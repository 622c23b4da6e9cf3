"""`Observation`: one reading of one source at one time; a stream is any iterable of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.errors import DataError, explain


@final
@dataclass(frozen=True)
class Observation:
    """What a source reported.

    Attributes
    ----------
    time
        When the sample was taken, in the time unit of the state space.
    source
        Name of the observation operator.
    quantity
        Name of what was measured; the operator's quantity.
    value
        Number or array in the quantity's unit; NaN is a missing entry.
    noise
        Overrides the noise of the operator's law: a standard deviation, scalar or shaped like `value`, or a
        covariance ``(n, n)`` of the flattened value. None keeps the law.
    mark
        Why a reading shall not be used, a code of `mscale_uq.filters.records.Verdict`, scalar or shaped like
        `value`; zero is to be used. None marks nothing. What is marked is still predicted and compared.
    record
        Its identity within the source, such as the number of the message that brought it; empty if it has
        none. Of two with the same identity the second is a duplicate.
    covariates
        Named values that hold for this reading alone, such as how much of each sequenced cell was captured,
        each a number or shaped like `value`. Operator and law read them in place of what the model says.

    Raises
    ------
    DataError
        If the time is not finite, the value is infinite, the noise is negative or has neither shape, or the
        mark or a covariate has another shape.
    """

    time: float
    source: str
    quantity: str
    value: Array
    noise: Array | None = None
    mark: np.ndarray | None = None
    record: str = ""
    covariates: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", float(self.time))
        object.__setattr__(self, "value", _frozen(self.value))
        if not np.isfinite(self.time):
            raise DataError(explain(f"{self.source}: observation at time {self.time}", "a finite time"))
        if np.isinf(self.value).any():
            hint = "a missing entry is NaN"
            raise DataError(
                explain(f"{self.source}: an infinite value at {self.time:g}", "finite values", hint)
            )
        if self.noise is not None:
            object.__setattr__(self, "noise", _frozen(self.noise))
            self._check_noise(self.noise)
        if self.mark is not None:
            object.__setattr__(self, "mark", self._marks(self.mark))
        if self.covariates:
            own = {name: self._covariate(name, given) for name, given in self.covariates.items()}
            object.__setattr__(self, "covariates", own)

    def among(self, values: Values) -> Named:
        """Return named values as they hold for this reading: its own in place of the model's."""
        return {**values, **self.covariates}

    @property
    def usable(self) -> Array:
        """The value, shaped alike, with NaN where it is marked."""
        return self.value if self.mark is None else np.where(self.mark == 0, self.value, np.nan)

    @property
    def noise_cov(self) -> Array | None:
        """Covariance ``(n, n)`` of the flattened value, if the observation states its own noise."""
        if self.noise is None:
            return None
        if self.noise.shape in ((), self.value.shape):
            return np.diag(np.broadcast_to(self.noise, self.value.shape).ravel() ** 2)
        return self.noise

    def _marks(self, mark: object) -> np.ndarray:
        given, shape = np.asarray(mark, dtype=int), self.value.shape
        if given.shape not in ((), shape):
            shapes = f"{self.source}: mark of shape {given.shape} for a value of shape {shape}"
            raise DataError(explain(shapes, f"one code () or {shape}"))
        return np.broadcast_to(given, shape)

    def _covariate(self, name: str, given: object) -> Array:
        array, shape = _frozen(given), self.value.shape
        if array.shape not in ((), shape) or not np.isfinite(array).all():
            shapes = f"{self.source}: {name} of shape {array.shape} for a value of shape {shape}"
            raise DataError(explain(shapes, f"finite, one number or {shape}"))
        return array

    def _check_noise(self, noise: Array) -> None:
        size, shape = self.value.size, self.value.shape
        if noise.shape not in ((), shape, (size, size)):
            raise DataError(
                explain(
                    f"{self.source}: noise of shape {noise.shape} for a value of shape {shape}",
                    f"a standard deviation () or {shape}, or a covariance ({size}, {size})",
                )
            )
        spread = noise if noise.shape in ((), shape) else np.diag(noise)
        if not np.all(np.isfinite(noise)) or np.any(spread < 0):
            raise DataError(explain(f"{self.source}: noise {noise}", "finite and not negative"))


def _frozen(value: object) -> Array:
    array = np.array(value, dtype=float)
    array.flags.writeable = False
    return array
