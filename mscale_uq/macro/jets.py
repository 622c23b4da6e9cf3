"""Many sets of numbers at once, or one set with its derivatives, under the same arithmetic.

Arrays are ``(rows, ...)``. Of `Sets` each row is a set of rates of its own; of `Jets` the first row is the
value, and the others are its derivatives, one along each rate.
"""

from abc import ABC, abstractmethod
from typing import final

import numpy as np

from mscale_uq.core.linear_dynamics import Transition
from mscale_uq.core.parameter import Array
from mscale_uq.solve.van_loan import Discrete, discretise_rows, discretise_tangents


class Rows(ABC):
    """What is asked of rows."""

    rows: int

    @abstractmethod
    def moves(self, length: float, n: int | None = None) -> Discrete:
        """Return what the moments do in a time: all of them, or the first n."""

    @abstractmethod
    def constant(self, value: Array) -> Array:
        """Return rows of what no rate moves."""

    @abstractmethod
    def product(self, one: Array, other: Array) -> Array:
        """Return the product of matrices in each row."""

    @final
    def applied(self, matrix: Array, vector: Array) -> Array:
        """Return the product of a matrix and a vector in each row."""
        return self.product(matrix, vector[..., None])[..., 0]

    @final
    def after(self, before: Transition, then: Transition) -> Transition:
        """Return two moves, one behind the other, as one."""
        b = self.applied(then.F, before.b) + then.b
        spread = self.product(self.product(then.F, before.Q), np.swapaxes(then.F, 1, 2))
        return Transition(self.product(then.F, before.F), b, spread + then.Q)

    @final
    def still(self, size: int) -> Transition:
        """Return the move that changes nothing."""
        none = np.zeros((self.rows, size)), np.zeros((self.rows, size, size))
        return Transition(self.constant(np.eye(size)), *none)


@final
class Sets(Rows):
    """Laws of the moments ``(rows, ...)``: A, c and G."""

    def __init__(self, law: tuple[Array, Array, Array]) -> None:
        self._law, self.rows = law, len(law[0])

    def moves(self, length: float, n: int | None = None) -> Discrete:
        """Return F, b and Q of each set."""
        A, c, G = self._law
        return discretise_rows(A[:, :n, :n], c[:, :n], G[:, :n, :n], length)

    def constant(self, value: Array) -> Array:
        """Return it for each set."""
        return np.repeat(value[None], self.rows, axis=0)

    def product(self, one: Array, other: Array) -> Array:
        """Return it for each set."""
        return np.asarray(one @ other)


@final
class Jets(Rows):
    """One law of the moments, and its derivatives along k rates, stacked in `tangents`."""

    def __init__(self, law: tuple[Array, Array, Array], tangents: Discrete) -> None:
        self._law, self._tangents, self.rows = law, tangents, 1 + len(tangents.F)

    def moves(self, length: float, n: int | None = None) -> Discrete:
        """Return F, b and Q with their derivatives."""
        (A, c, G), (dA, dc, dG) = self._law, self._tangents
        slopes = Discrete(dA[:, :n, :n], dc[:, :n], dG[:, :n, :n])
        now, moved = discretise_tangents(A[:n, :n], c[:n], G[:n, :n], slopes, length)
        return Discrete(
            *(np.concatenate([value[None], slope]) for value, slope in zip(now, moved, strict=True))
        )

    def constant(self, value: Array) -> Array:
        """Return it above derivatives of zero."""
        return np.concatenate([value[None], np.zeros((self.rows - 1, *value.shape))])

    def product(self, one: Array, other: Array) -> Array:
        """Return it above its derivatives."""
        made = one[:1] @ other
        made[1:] += one[1:] @ other[:1]
        return np.asarray(made)
