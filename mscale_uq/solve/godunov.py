"""Godunov's scheme for d rho/dt + d f(rho, x)/dx = 0 by demand and supply, one compiled march for any f.

For a flux that rises and then falls the exact Riemann solver at a face is the lesser of what the cell
upstream can send, its demand, and what the cell downstream can take, its supply; with a law for each cell
the same solver joins unlike roads. The scheme is monotone while the fastest wave crosses less
than a cell in a step.

Source: C. F. Daganzo, The cell transmission model, Transp. Res. B 28 (1994) 269-287,
doi:10.1016/0191-2615(94)90002-7.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np
from numba import types

from mscale_uq.core.parameter import Array
from mscale_uq.solve.kernel import callback, kernel
from mscale_uq.solve.ledger import Ledger

LAW = types.float64(types.float64, types.Array(types.float64, 1, "C"))


@final
@dataclass(frozen=True)
class FluxLaw:
    """A flux by its demand and its supply: plain functions of the density and the parameters of the cell."""

    demand: Callable[[float, Array], float]
    supply: Callable[[float, Array], float]

    @property
    def both(self) -> tuple[Any, Any]:
        """Both functions compiled, as the kernel takes them."""
        return _compiled(self.demand), _compiled(self.supply)


@final
@dataclass(frozen=True)
class March:
    """The state after a march, what passed every face ``(cells + 1,)`` meanwhile, and the budget."""

    density: Array
    queue: float
    passed: Array
    ledger: Ledger


def march(
    law: FluxLaw,
    density: Array,
    p: Array,
    dx: float,
    dt: float,
    steps: int,
    entering: float = 0.0,
    leaving: float = np.inf,
    queue: float = 0.0,
    ring: bool = False,
) -> March:
    """Return the state after `steps` steps of length `dt`.

    Parameters
    ----------
    law
        Of all cells; `p` ``(cells, k)`` are the parameters of each.
    density
        ``(cells,)``.
    entering, leaving
        What wants to come in, and what may go out at most, per time. What finds no room waits in the queue.
    ring
        The last cell is followed by the first; nothing enters or leaves.
    """
    rho, passed = np.array(density, dtype=float), np.zeros(len(density) + 1)
    content, gained = np.empty(steps + 1), np.empty(steps)
    table = np.ascontiguousarray(p, dtype=float)
    queue = _march(*law.both, rho, table, dx, dt, entering, leaving, queue, ring, passed, content, gained)
    return March(rho, queue, passed, Ledger(content, gained))


@cache
def _compiled(function: Callable[..., float]) -> Any:
    return callback(function, LAW)


@kernel(error_model="python")
def _march(demand, supply, rho, p, dx, dt, entering, leaving, queue, ring, passed, content, gained):
    """Move `rho` in place; fill what passed and the budget; return the queue at the entrance."""
    n = rho.size
    flux = np.empty(n + 1)
    content[0] = rho.sum() * dx + queue
    for step in range(gained.size):
        flux[0] = min(entering + queue / dt, supply(rho[0], p[0]))
        flux[n] = min(demand(rho[n - 1], p[n - 1]), leaving)
        if ring:
            flux[0] = flux[n] = min(demand(rho[n - 1], p[n - 1]), supply(rho[0], p[0]))
        for i in range(1, n):
            flux[i] = min(demand(rho[i - 1], p[i - 1]), supply(rho[i], p[i]))
        if not ring:
            queue += dt * (entering - flux[0])
        for i in range(n):
            rho[i] -= dt / dx * (flux[i + 1] - flux[i])
        for i in range(n + 1):
            passed[i] += dt * flux[i]
        content[step + 1] = rho.sum() * dx + queue
        gained[step] = 0.0 if ring else dt * (entering - flux[n])
    return queue
