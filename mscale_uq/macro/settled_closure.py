"""What a row's balance needs of its cells where molecules are so many that chance plays no part.

With l(c) the concentration of the species that hops once all others have settled, c that of what is
conserved: the flux is -D dl/dx = -D (dl/dc) dc/dx, and the loss is that of the law of mass action.
"""

from math import factorial, prod
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.errors import WiringError, explain
from mscale_uq.macro.lifted_closure import Lifted

EMPTY = 1e-8  # of the concentration below which all is in proportion: what an empty cell is taken to hold


@final
class SettledClosure:
    """The limit of `LiftedClosure`, with settled cells, for very many molecules.

    Raises
    ------
    WiringError
        If the reaction by which something is lost has a Hill factor.
    """

    def __init__(self, cell: Lifted) -> None:
        self.cell, self.inputs = cell, ("diffusivity", *cell.inputs)
        names = [species.name for species in cell.species]
        (lost,) = (reaction for reaction in cell.reactions if reaction.name == cell.lost)
        if lost.hill:
            raise WiringError(explain(f"reaction {cell.lost!r} has a Hill factor", "the law of mass action"))
        self._hopping, self._rate = names.index(cell.hopping), lost.rate
        self._taken = [names.index(name) for name, count in lost.takes.items() for _ in range(count)]
        self._orders = prod(factorial(count) for count in lost.takes.values())  # in which the same meet

    def closed(self, states: Array, values: Values, key: int) -> tuple[Array, Array]:
        """Return D dl/dc at the faces, each the mean of its two cells, and the loss over c in the cells."""
        c = np.maximum(states, EMPTY * self.cell.few(values))
        held, change = self.cell.held(c, values)
        D = values["diffusivity"] * change[self._hopping]
        loss = np.asarray(self.cell.constants(values, np.ones(()))[self._rate]) / self._orders
        for species in self._taken:
            loss = loss * held[species]
        return (D[:, 1:] + D[:, :-1]) / 2, np.asarray(loss / c)
