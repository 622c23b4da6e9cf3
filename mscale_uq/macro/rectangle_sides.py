"""`RectangleSides`: what the four sides of a rectangle of bilinear elements let through."""

from collections.abc import Mapping
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.errors import Infeasible, InputError, explain
from mscale_uq.macro.boundary import Dirichlet, Neumann, Robin
from mscale_uq.solve.rectangle_kernels import End, exchanged

SIDES = ("left", "right", "bottom", "top")
INFLOW, EXCHANGE, AMBIENT = range(3)
Condition = Dirichlet | Neumann | Robin


@final
class RectangleSides:
    """The conditions on the sides, as a load and an operator that are linear in their numbers ``(3, 4)``.

    The numbers are inflow, exchange and ambient value of each side, in the order of `SIDES`.

    Attributes
    ----------
    held
        ``(4,)``: whether the field is zero there.
    inputs
        Names of the numbers that are read.

    Raises
    ------
    InputError
        At a side that is none, a value that is held elsewhere than at zero, an inflow with a profile, or if
        nothing fixes the level of the field.
    """

    def __init__(
        self, conditions: Mapping[str, Condition], shape: tuple[int, int], steps: tuple[float, float]
    ) -> None:
        if unknown := sorted(set(conditions) - set(SIDES)):
            raise InputError(explain(f"side {unknown[0]!r}", ", ".join(SIDES)))
        given = [_numbers(conditions.get(side, Dirichlet(0.0))) for side in SIDES]
        self.held = np.array([numbers is None for numbers in given])
        exchanges = [numbers[EXCHANGE] for numbers in given if numbers is not None]
        if not self.held.any() and not any(isinstance(one, str) or one > 0 for one in exchanges):
            raise InputError(explain("a rectangle whose field is known only up to a constant",
                                     hint="hold a side, or let one exchange"))  # fmt: skip
        table = np.array([numbers or (0.0, 0.0, 0.0) for numbers in given], dtype=object).T
        self._read = {place: name for place, name in np.ndenumerate(table) if isinstance(name, str)}
        self._fixed = np.where([[isinstance(x, str) for x in row] for row in table], 0.0, table).astype(float)
        self.inputs = tuple(dict.fromkeys(self._read.values()))
        self._steps = steps
        self._weights = np.stack([self._through(side, np.ones((shape[0] + 1, shape[1] + 1)))
                                  for side in range(4)])  # fmt: skip
        self._fixed_load = self._let_in(self._fixed)

    def numbers(self, values: Values) -> Array:
        """Return inflow, exchange and ambient value of each side ``(3, 4)``.

        Raises
        ------
        Infeasible
            At a negative exchange, or if nothing fixes the level of the field.
        """
        if not self._read:
            return self._fixed
        table = self._fixed + self.changes(values)
        exchange = table[EXCHANGE]
        if not (exchange >= 0).all() or not (self.held.any() or (exchange > 0).any()):
            raise Infeasible("sides of a rectangle", values, f"exchange {exchange}")
        return table

    def changes(self, tangents: Values) -> Array:
        """Return the changes of the numbers ``(3, 4)`` for those of the values that are read."""
        table = np.zeros((3, 4))
        for place, name in self._read.items():
            table[place] = tangents.get(name, 0.0)
        return table

    def load(self, numbers: Array) -> Array:
        """Return what the sides let in where the field is zero ``(n1 + 1, n2 + 1)``."""
        return self._fixed_load if numbers is self._fixed else self._let_in(numbers)

    def load_change(self, numbers: Array, changes: Array, u: Array) -> Array:
        """Return the change of load less operator at the field u, for changes of the numbers."""
        _, exchange, ambient = numbers
        change = changes[INFLOW] + changes[EXCHANGE] * ambient + exchange * changes[AMBIENT]
        moved = np.tensordot(change, self._weights, 1)
        exchanged(-changes[EXCHANGE], u, self._steps, moved)
        return moved

    def collect(self, numbers: Array, multiplier: Array, u: Array) -> Named:
        """Return the derivative of multiplier . (load less operator at u) to what is read."""
        slopes = np.empty((3, 4))
        slopes[INFLOW] = np.tensordot(self._weights, multiplier, 2)
        slopes[AMBIENT] = numbers[EXCHANGE] * slopes[INFLOW]
        out = [np.vdot(multiplier, self._through(side, u)) for side in range(4)]
        slopes[EXCHANGE] = numbers[AMBIENT] * slopes[INFLOW] - out
        places = {name: [at for at, read in self._read.items() if read == name] for name in self.inputs}
        return {name: np.sum([slopes[at] for at in found]) for name, found in places.items()}

    def ends(self, exchange: Array, conductivities: tuple[float, float]) -> tuple[End, ...]:
        """Return the ends of the lines along x and y, the exchange rounded to a power of four.

        So that few lines need modes, whose matrix is within a factor of two of the true one.
        """
        sides = enumerate(zip(self.held.tolist(), exchange.tolist(), strict=True))
        return tuple(End(held, _rounded(h / conductivities[side // 2])) for side, (held, h) in sides)

    def _let_in(self, numbers: Array) -> Array:
        inflow, exchange, ambient = numbers
        return np.tensordot(inflow + exchange * ambient, self._weights, 1)

    def _through(self, side: int, u: Array) -> Array:
        """Return what leaves through one side where its exchange is one."""
        out = np.zeros_like(u)
        exchanged(np.eye(4)[side], u, self._steps, out)
        return out


def _numbers(condition: Condition) -> tuple[str | float, str | float, str | float] | None:
    """Return inflow, exchange and ambient value; None where the field is held."""
    if isinstance(condition, Robin):
        return 0.0, condition.exchange, condition.ambient
    if condition.profile is not None:
        raise InputError(explain("a profile along a side", "one number", "put the profile into the load"))
    if isinstance(condition, Neumann):
        return condition.inflow, 0.0, 0.0
    if condition.value != 0.0:
        raise InputError(explain(f"a side held at {condition.value!r}", "0", "solve for the difference"))
    return None


def _rounded(ratio: float) -> float:
    return float(4.0 ** np.rint(np.log(ratio) / np.log(4.0))) if ratio > 0 else 0.0
