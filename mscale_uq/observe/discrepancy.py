"""What a model misses, as an unknown curve over the sensors' coordinates: a Gaussian process.

    d(x) ~ GP(0, a^2 k)

    "squared exponential", a smooth curve:          k(x, z) = exp(-1/2 sum_j ((x_j - z_j)/l_j)^2)
    "exponential", an Ornstein-Uhlenbeck process:   k(x, z) = exp(-sum_j |x_j - z_j|/l_j)

The second is rough, and knows of its past what its last value says: at equal steps h it is the autoregressive
process of order one, d(x + h) = phi d(x) + a sqrt(1 - phi^2) e with phi = exp(-h/l) and e ~ N(0, 1).

A curve that is free everywhere can imitate the model, and then nothing is learned about theta. What is known
about the error must be said: that it vanishes, or is flat, at a point (a boundary that is controlled, a load
of zero, an initial state). The process is conditioned on these zeros exactly:

    k(x, z) - g(x)' G^-1 g(z),   g = cov(d(x), zeros), G = cov(zeros, zeros)

Slopes enter as l_j dd/dx_j, which vanish together with the slopes and keep G free of units.
A rough curve has none.

Sources: J. Brynjarsdóttir, A. O'Hagan, Learning about physical parameters: the importance of model
discrepancy, Inverse Problems 30 (2014) 114007, doi:10.1088/0266-5611/30/11/114007; M. C. Kennedy,
A. O'Hagan, Bayesian calibration of computer models, J. R. Stat. Soc. B 63 (2001) 425-464,
doi:10.1111/1467-9868.00294.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.errors import InputError, explain, near_match
from mscale_uq.observe.correlated import ModelError
from mscale_uq.observe.laws import check_level, look_up

POWERS = {"squared exponential": 2, "exponential": 1}  # p of a kernel exp(-sum_j |x_j - z_j|^p / (p l_j^p))
STEP = 1e-40  # of the complex step, relative


@final
@dataclass(frozen=True)
class Zero:
    """A point where the discrepancy, or its slope, is known to be zero.

    Attributes
    ----------
    at
        One number per coordinate, in its unit.
    slope
        Number of the coordinate along which the slope is zero; None if it is the value.
    """

    at: tuple[float, ...]
    slope: int | None = None


@final
@dataclass(frozen=True, eq=False)
class ProcessDiscrepancy(ModelError):
    """A curve added to the prediction of one quantity.

    Attributes
    ----------
    along
        Coordinates of the readings ``(n, d)``; ``(n,)`` will do for one coordinate.
    amplitude
        Standard deviation a far from the zeros, in the unit of the reading: a number or an unknown's name.
    lengths
        Over which the curve changes, one per coordinate in its unit: numbers or names.
    zeros
        Where value or slope vanish.
    kernel
        ``"squared exponential"`` or ``"exponential"``.

    Raises
    ------
    InputError
        If the numbers of coordinates differ, a zero is given twice, a level is not positive, or a rough curve
        is to have a slope.
    """

    along: Array
    amplitude: float | str
    lengths: tuple[float | str, ...]
    zeros: tuple[Zero, ...] = ()
    kernel: str = "squared exponential"
    _known: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        points = np.array(self.along, dtype=float)
        points = points[:, None] if points.ndim == 1 else points
        points.flags.writeable = False
        object.__setattr__(self, "along", points)
        for name, level in (("amplitude", self.amplitude), *(("length", one) for one in self.lengths)):
            check_level(f"of the discrepancy, {name}", level, positive=True)
        d = len(self.lengths)
        if points.ndim != 2 or points.shape[1] != d or not np.all(np.isfinite(points)):
            given = f"discrepancy: coordinates of shape {points.shape} and {d} length(s)"
            raise InputError(explain(given, "finite coordinates (n, d) and d lengths"))
        self._check_zeros(d)
        amplitude, lengths = self._levels({}) if not self.reads else (0.0, np.ones(d))
        object.__setattr__(self, "_known", amplitude**2 * self._process(lengths).given_zeros())

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the unknown amplitude and lengths."""
        levels = (self.amplitude, *self.lengths)
        return tuple(dict.fromkeys(level for level in levels if isinstance(level, str)))

    @property
    def bias(self) -> Array:
        """Zero: the discrepancy may go either way."""
        return np.zeros(len(self.along))

    def cov(self, values: Values) -> Array:
        """Return the covariance ``(n, n)`` given the zeros."""
        if self.reads:
            amplitude, lengths = self._levels(values)
            return amplitude**2 * self._process(lengths).given_zeros()
        return self._known

    def cov_slopes(self, values: Values) -> Sequence[tuple[str, Array]]:
        """Return the derivatives to unknown amplitude and lengths."""
        amplitude, lengths = self._levels(values)
        process = self._process(lengths)
        slopes = []
        if isinstance(self.amplitude, str):
            slopes.append((self.amplitude, 2 * amplitude * process.given_zeros()))
        for position, name in enumerate(self.lengths):
            if isinstance(name, str):
                slopes.append((name, amplitude**2 * process.slope(position)))
        return slopes

    def _levels(self, values: Values) -> tuple[float, Array]:
        lengths = np.array([float(look_up(length, values)) for length in self.lengths])
        return float(look_up(self.amplitude, values)), lengths

    def _process(self, lengths: Array) -> "_Process":
        at = np.array([zero.at for zero in self.zeros]).reshape(-1, lengths.size)
        slopes = np.array([-1 if zero.slope is None else zero.slope for zero in self.zeros], dtype=int)
        return _Process(self.along, at, slopes, lengths, POWERS[self.kernel])

    def _check_zeros(self, d: int) -> None:
        if self.kernel not in POWERS:
            given = f"discrepancy: kernel {self.kernel!r}{near_match(self.kernel, POWERS)}"
            raise InputError(explain(given, ", ".join(POWERS)))
        if POWERS[self.kernel] < 2 and any(zero.slope is not None for zero in self.zeros):
            given = f"discrepancy: a slope of a curve with the kernel {self.kernel!r}"
            raise InputError(explain(given, "zeros of its value", "smooth curves have slopes"))
        for zero in self.zeros:
            inside = zero.slope is None or 0 <= zero.slope < d
            if len(zero.at) != d or not np.all(np.isfinite(zero.at)) or not inside:
                raise InputError(
                    explain(f"discrepancy: {zero}", f"a point and a slope along {d} coordinate(s)")
                )
            if self.zeros.count(zero) > 1:
                raise InputError(explain(f"discrepancy: {zero} is given twice", "different zeros"))


@final
@dataclass(frozen=True)
class _Process:
    """The process at amplitude one: where it is read, where it or a slope is zero (-1: the value)."""

    points: Array
    zeros: Array
    slopes: np.ndarray
    lengths: Array
    power: int

    def given_zeros(self) -> Array:
        """Return the covariance ``(n, n)`` of the values at the points."""
        cross, prior = self._of_zeros(self.lengths)
        # Round-off can make a variance at a zero negative by 1e-16 of the amplitude; the noise outweighs it.
        return self._free() - cross.T @ np.linalg.solve(prior, cross)

    def slope(self, position: int) -> Array:
        """Return the derivative of `given_zeros` to one length."""
        length = self.lengths[position]
        moved = self.lengths.astype(complex)
        moved[position] += 1j * STEP * length
        d_cross, d_prior = (np.imag(part) / (STEP * length) for part in self._of_zeros(moved))
        cross, prior = self._of_zeros(self.lengths)
        weight = np.linalg.solve(prior, cross)
        back = d_cross.T @ weight
        u = np.abs(self.points[:, None, position] - self.points[:, position]) / length
        return self._free() * u**self.power / length - back - back.T + weight.T @ d_prior @ weight

    def _free(self) -> Array:
        return np.asarray(_kernel(self.points[:, None] - self.points, self.lengths, self.power))

    def _of_zeros(self, lengths: Any) -> tuple[Any, Any]:
        """Return the covariances of the zeros with the points ``(z, n)`` and among each other ``(z, z)``."""
        values = np.full(len(self.points), -1)
        return (
            self._covariances(self.points, values, lengths),
            self._covariances(self.zeros, self.slopes, lengths),
        )

    def _covariances(self, points: Array, slopes: np.ndarray, lengths: Any) -> Any:
        """Return covariances ``(z, n)`` of zeros with values (-1) or scaled slopes l_j d/dx_j at points."""
        apart = self.zeros[:, None] - points
        u = apart / lengths
        rows, columns = np.ogrid[: len(self.zeros), : len(points)]
        left = self.slopes[:, None]
        by_left = np.where(left >= 0, -u[rows, columns, left], 1.0)
        by_right = np.where(slopes >= 0, u[rows, columns, slopes], 1.0)
        both = (left == slopes) & (left >= 0)
        return (by_left * by_right + both) * _kernel(apart, lengths, self.power)


def _kernel(apart: Array, lengths: Any, power: int) -> Any:
    """Return the correlation of values that are ``(.., d)`` apart; analytic in the lengths."""
    return np.exp(-np.sum((np.abs(apart) / lengths) ** power, axis=-1) / power)
