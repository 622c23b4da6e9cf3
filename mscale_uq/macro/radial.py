"""Nonlinear diffusion in slabs, cylinders and spheres, driven in steps: finite volumes, implicit in time.

    capacity dc/dt = x^-m d/dx (x^m transport D(c) dc/dx) + drive source,    m = 0, 1, 2,

for x from 0, where nothing flows, to 1, where g(c, drive) flows in: a given flux, a film (Robin), an uptake.
Capacity, transport and source are constant in each layer; a length L of a particle enters as transport 1/L^2,
a stack of unlike layers maps each of them onto its share of x. The drive is a known number between switches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, final

import numpy as np
from numba import types
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.errors import InputError, SolveFailed, explain
from mscale_uq.macro.radial_mesh import RadialMesh
from mscale_uq.solve.kernel import callback
from mscale_uq.solve.ledger import Ledger
from mscale_uq.solve.radial_kernels import NO_SURFACE, NOT_POSITIVE, at_surface, march

COMPLEX = types.complex128
VECTOR = types.Array(COMPLEX, 1, "C")
FIRST, GROWTH = 1e-3, 0.25  # after a switch: the first step, over the longest; its growth with the time since
Moves = tuple[Array, ...]  # of capacities, conductances, sources ``(m, cells)`` and p, by m directions
REASONS = {NO_SURFACE: "the surface has no balance", NOT_POSITIVE: "the diffusivity is not positive"}


@final
@dataclass(frozen=True)
class Drive:
    """A known number that is constant between switches: `values` from each of the `times` on, 0 before."""

    times: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.times) != len(self.values) or not (np.diff(self.times) > 0).all():
            raise InputError(explain(f"{self}", "increasing times, and a value for each"))

    def at(self, time: ArrayLike) -> Array:
        """Return the drive from these times on; at a switch it is the new one."""
        return np.array([0.0, *self.values])[np.searchsorted(self.times, time, side="right")]

    def before(self, time: float) -> float:
        """Return the drive up to this time."""
        return float(np.array([0.0, *self.values])[np.searchsorted(self.times, time)])

    def pieces(self, start: float, stop: float) -> list[tuple[float, float]]:
        """Return the times between which the drive is constant."""
        inside = [time for time in self.times if start < time < stop]
        return list(pairwise([start, *inside, stop]))

    def since(self, time: float) -> float:
        """Return the last switch at or before a time."""
        return max((switch for switch in self.times if switch <= time), default=0.0)


@final
@dataclass(frozen=True)
class Transport:
    """What moves and what crosses the surface: plain analytic functions.

    Attributes
    ----------
    diffusivity
        D = ``diffusivity(c, p)``, relative to the transport of the layer.
    surface
        What flows in through the surface of area 1: ``surface(c, drive, p)`` for c there.
    names
        The values p is made of.
    """

    diffusivity: Callable[..., Any]
    surface: Callable[..., Any]
    names: tuple[str, ...] = ()

    @property
    def both(self) -> tuple[Any, Any]:
        """Both functions compiled."""
        return _compiled(self.diffusivity, COMPLEX(COMPLEX, VECTOR)), _compiled(
            self.surface, COMPLEX(COMPLEX, COMPLEX, VECTOR)
        )


@final
@dataclass(frozen=True)
class Radial:
    """A body and how it is solved.

    Attributes
    ----------
    name
        Of what diffuses.
    law, mesh, drive
        What flows, through which cells, under what.
    max_step
        Longest time step; after a switch steps begin a thousand times shorter and grow.
    capacity, transport, source
        Names of the values of the layers: a number each, or ``(layers,)``; no name means 1, 1 and 0.
    """

    name: str
    law: Transport
    mesh: RadialMesh
    max_step: float
    drive: Drive = Drive()
    capacity: str = ""
    transport: str = ""
    source: str = ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the values that are read."""
        layered = (self.capacity, self.transport, self.source)
        return (*(name for name in layered if name), *self.law.names)

    def physics(self, values: Values) -> "Physics":
        """Return what the cells are made of, and its slopes to every scalar of the inputs, in order."""
        layer, volumes, count = self.mesh.layer, self.mesh.volumes, len(self.mesh.cells)
        layered = [
            np.broadcast_to(np.asarray(values[name] if name else default, dtype=float), (count,))
            for name, default in ((self.capacity, 1.0), (self.transport, 1.0), (self.source, 0.0))
        ]
        K, dK = self.mesh.conductances(layered[1])
        p = np.array([float(values[name]) for name in self.law.names])
        slopes = (volumes * layer, dK, volumes * layer)
        rows: list[tuple[Array, ...]] = []
        for place, name in enumerate((self.capacity, self.transport, self.source)):
            own = slopes[place] if np.ndim(values.get(name, 0.0)) else slopes[place].sum(axis=0)[None]
            rows += [_row(volumes.size, p.size, place, part) for part in own] if name else []
        rows += [_row(volumes.size, p.size, 3, part) for part in np.eye(p.size)]
        widths = (volumes.size,) * 3 + (p.size,)
        moved = tuple(
            np.array([row[k] for row in rows]).reshape(len(rows), width) for k, width in enumerate(widths)
        )
        return Physics(volumes * (layered[0] @ layer), K, volumes * (layered[2] @ layer), p, moved)

    def legs(self, start: float, stops: ArrayLike) -> "tuple[Leg, ...]":
        """Return the way from `start` through increasing `stops`, cut where the drive switches."""
        stops, made = np.asarray(stops, dtype=float), []
        for begin, end in self.drive.pieces(start, float(stops[-1])):
            inside = stops[(stops > begin) & (stops <= end)]
            ways = [self.steps(a, b) for a, b in pairwise([begin, *inside, end]) if b > a]
            keep = np.cumsum([way.size for way in ways], dtype=np.int64)[: inside.size]
            made.append(Leg(float(self.drive.at(begin)), np.concatenate(ways), keep))
        return tuple(made)

    def run(self, c: Array, legs: "Sequence[Leg]", physics: "Physics", dc: Array, moved: Moves) -> "Run":
        """Return what is at the stops, from c ``(cells,)`` and its sensitivities ``(m, cells)`` at the start.

        `moved` says what each direction moves of the physics.

        Raises
        ------
        SolveFailed
            If a step finds no balance, the diffusivity is not positive, or a budget does not close.
        """
        c, dc, runs = np.array(c, dtype=float), np.array(dc, dtype=float), []
        for leg in legs:
            count = leg.keep.size
            made = (np.empty((count, c.size)), np.empty((count, *dc.shape)), np.empty(count),
                    np.empty((count, len(dc))))  # fmt: skip
            content, gained = np.empty(leg.steps.size + 1), np.empty(leg.steps.size)
            failed = march(*self.law.both, c, leg.drive, leg.steps, leg.keep, *physics.arrays,
                           dc, *moved, *made, content, gained)  # fmt: skip
            if failed:
                raise SolveFailed(self.name, {}, REASONS.get(failed, "a time step finds no balance"))
            runs.append(Run(*made, (Ledger(content, gained),)))
            runs[-1].ledgers[0].check(self.name)
        return joined(runs)

    def at_once(self, c: Array, time: float, physics: "Physics", dc: Array, moved: Moves) -> "Run":
        """Return what is at one time, at the surface under the drive up to then; arguments as in `run`.

        Raises
        ------
        SolveFailed
            If the surface has no balance.
        """
        made, slopes, drive = np.empty(6), np.empty(len(dc)), self.drive.before(time)
        K, p, dK, dp = physics.K, physics.arrays[3], moved[1], moved[3]
        if not at_surface(*self.law.both, c, drive, K, p, dc, dK, dp, made, slopes):
            raise SolveFailed(self.name, {}, REASONS[NO_SURFACE])
        return Run(c[None], dc[None], made[:1], slopes[None], ())

    def steps(self, begin: float, end: float) -> Array:
        """Return the time steps from `begin` to `end`: short after a switch, none longer than the longest."""
        since, time, lengths = self.drive.since(begin), begin, []
        while time < end - 1e-9 * self.max_step:
            lengths.append(min(self.max_step, FIRST * self.max_step + GROWTH * (time - since)))
            time += lengths[-1]
        return np.array(lengths) * ((end - begin) / sum(lengths)) if lengths else np.array([end - begin])


@final
@dataclass(frozen=True)
class Leg:
    """A way under one drive: its steps, and after how many of them something is read."""

    drive: float
    steps: Array
    keep: np.ndarray


@final
@dataclass(frozen=True)
class Run:
    """c ``(stops, cells)``, at the surface ``(stops,)``, their changes along m directions, the budgets."""

    c: Array
    dc: Array
    surface: Array
    d_surface: Array
    ledgers: tuple[Ledger, ...]


def joined(runs: Sequence[Run]) -> Run:
    """Return runs that follow each other as one."""
    return Run(
        np.concatenate([run.c for run in runs]),
        np.concatenate([run.dc for run in runs]),
        np.concatenate([run.surface for run in runs]),
        np.concatenate([run.d_surface for run in runs]),
        tuple(ledger for run in runs for ledger in run.ledgers),
    )


@final
@dataclass(frozen=True)
class Physics:
    """What cells are made of: capacities, conductances, sources ``(cells,)``, p; and their slopes."""

    cap: Array
    K: Array
    src: Array
    p: Array
    moved: Moves

    @property
    def arrays(self) -> tuple[Array, ...]:
        """What the kernel takes."""
        return self.cap, self.K, self.src, self.p.astype(complex)


def _row(cells: int, size: int, place: int, part: Array) -> tuple[Array, ...]:
    """Return a direction that moves one part of the physics."""
    row = [np.zeros(cells), np.zeros(cells), np.zeros(cells), np.zeros(size)]
    row[place] = part
    return tuple(row)


@cache
def _compiled(function: Callable[..., Any], signature: Any) -> Any:
    return callback(function, signature)
