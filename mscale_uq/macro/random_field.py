"""`KarhunenLoeve`: a random field on the elements of a mesh, from a few standard normal numbers.

A field with mean m and covariance C is, at the centres x of the elements,

    f(x) = m + sum over k of xi_k sqrt(lambda_k) phi_k(x),   int C(x, y) phi_k(y) dy = lambda_k phi_k(x)

The integral is a sum over the elements, each weighted by its area (Nystroem), so that modes approach those
of the field itself as the mesh is refined, whatever its elements are like.

Source: R. G. Ghanem, P. D. Spanos, Stochastic Finite Elements: A Spectral Approach, Springer (1991),
doi:10.1007/978-1-4612-3094-6.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import ParameterError, explain, near_match

Kind = Literal["squared_exponential", "exponential", "matern_3_2", "matern_5_2"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# Correlation at a distance of r lengths; the last three are Matern's of smoothness 1/2, 3/2 and 5/2.
CORRELATION: dict[str, Callable[[Array], Array]] = {
    "squared_exponential": lambda r: np.exp(-0.5 * r**2),
    "exponential": lambda r: np.exp(-r),
    "matern_3_2": lambda r: (1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r),
    "matern_5_2": lambda r: (1 + np.sqrt(5) * r + 5 / 3 * r**2) * np.exp(-np.sqrt(5) * r),
}
EQUAL = 1e-9  # relative to the largest: eigenvalues that differ by less are one
FIRST = 0.01  # relative to the largest: smaller entries do not tell a mode's sign


@final
@dataclass(frozen=True)
class Covariance:
    """Covariance of a field that is alike everywhere and in all directions.

    Attributes
    ----------
    kind
        How smooth the field is; see `KINDS`.
    length
        Over which it changes, in the unit of the coordinates.
    sd
        Standard deviation at a point, in the unit of the field.

    Raises
    ------
    ParameterError
        If the kind is unknown, or length or sd is not positive.

    Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT Press (2006),
    doi:10.7551/mitpress/3206.001.0001, chapter 4.
    """

    kind: Kind
    length: float
    sd: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            given = f"covariance {self.kind!r}{near_match(self.kind, KINDS)}"
            raise ParameterError(explain(given, ", ".join(KINDS)))
        if not (0 < self.length < np.inf and 0 < self.sd < np.inf):
            raise ParameterError(explain(f"covariance of length {self.length} and sd {self.sd}", "positive"))

    def between(self, points: Array) -> Array:
        """Return the covariance ``(n, n)`` between points ``(n, dimension)``."""
        distance = np.sqrt(np.sum((points[:, None] - points) ** 2, axis=-1))
        return np.asarray(self.sd**2 * CORRELATION[self.kind](distance / self.length))


@final
class KarhunenLoeve(Stage):
    """A field of given covariance in its first modes: reads mean and coefficients, makes ``(elements,)``.

    Coefficients ``(modes,)`` are standard normal numbers a priori. Modes come by their share of the variance,
    the largest first. Which modes they are is settled by the mesh alone: those of equal share come as if the
    field varied a trifle faster along the later coordinates, and every mode is positive at the first element
    where it is not small.

    Parameters
    ----------
    centres, areas
        Of the elements, ``(elements, dimension)`` and ``(elements,)``.
    covariance
        Of the field.
    modes
        How many are kept.
    mean, coefficients, field
        Names read, a number and ``(modes,)``, and name made.

    Raises
    ------
    ParameterError
        If there are more modes than elements, or areas are not positive and one for each centre.

    Attributes
    ----------
    modes
        sqrt(lambda) phi, ``(elements, modes)``.
    share
        Of the field's variance that the modes keep, averaged over the area; the rest is cut off.
    """

    name = "random field"

    def __init__(
        self,
        centres: ArrayLike,
        areas: ArrayLike,
        covariance: Covariance,
        modes: int,
        mean: str = "mean",
        coefficients: str = "xi",
        field: str = "field",
    ) -> None:
        points, weights = np.asarray(centres, dtype=float), np.asarray(areas, dtype=float)
        if points.ndim != 2 or weights.shape != points.shape[:1] or not np.all(weights > 0):
            given = f"centres {points.shape} and areas {weights.shape}"
            raise ParameterError(explain(given, "(elements, dimension) and (elements,), areas positive"))
        if not 0 < modes <= len(points):
            raise ParameterError(explain(f"{modes} modes", f"1 to {len(points)}, the number of elements"))
        self.inputs, self.outputs = (mean, coefficients), (field,)
        self.shape = weights.shape
        self.modes = _modes(points, weights, covariance)[:, :modes]
        kept = np.sum(weights[:, None] * self.modes**2)
        self.share = float(kept / (covariance.sd**2 * weights.sum()))

    def value(self, values: Values) -> Named:
        """Return the field."""
        mean, xi = (values[name] for name in self.inputs)
        return {self.outputs[0]: mean + self.modes @ xi}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the field and its derivative, which is constant."""
        (mean, xi), (made,) = self.inputs, self.outputs
        blocks = {(made, mean): np.ones(self.shape), (made, xi): self.modes}
        shapes = {mean: (), xi: self.modes.shape[1:]}
        return self.value(values), MatrixLinearization(blocks, shapes, {made: self.shape})


def _modes(points: Array, areas: Array, covariance: Covariance) -> Array:
    """Return sqrt(lambda) phi of all modes, ``(elements, elements)``, those of largest lambda first."""
    roots = np.sqrt(areas)
    weighted = roots[:, None] * covariance.between(points) * roots
    values, vectors = (part[..., ::-1] for part in eigh(weighted))
    # The derivative of the covariance to shorter lengths along later coordinates, up to a positive factor.
    later = np.sum(np.arange(points.shape[1]) * (points[:, None] - points) ** 2, axis=-1) * weighted
    for group in _equal(values):
        basis = vectors[:, group]
        vectors[:, group] = basis @ eigh(basis.T @ later @ basis)[1]
    return _signed(vectors / roots[:, None]) * np.sqrt(np.maximum(values, 0.0))


def _equal(values: Array) -> list[slice]:
    """Return the runs of two and more equal numbers among falling ones."""
    ends = np.flatnonzero(np.diff(values) < -EQUAL * values[0]) + 1
    runs = zip([0, *ends], [*ends, len(values)], strict=True)
    return [slice(first, last) for first, last in runs if last - first > 1]


def _signed(modes: Array) -> Array:
    size = np.abs(modes)
    first = np.argmax(size > FIRST * size.max(axis=0), axis=0)
    return modes * np.sign(modes[first, np.arange(modes.shape[1])])
