"""A posterior whose dear stretches are polynomials, built from a bounded number of solves.

The box is where prior draws lie, and a little more; all of the interval of a logit. How many nodes each
direction gets follows from how fast the function's coefficients fall along lines through the box. The error
is measured at states of its own: draws of the prior that the polynomial has not seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.map import Map
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named
from mscale_uq.core.stretch import Stretch
from mscale_uq.errors import ForwardFailure, InputError, explain
from mscale_uq.solve.product_polynomial import Axis, ProductPolynomial
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.stretch_coordinates import StretchCoordinates
from mscale_uq.stats.stretch_solver import StretchSolver
from mscale_uq.stats.surrogate_nodes import choose_nodes, fewest
from mscale_uq.stats.surrogate_stage import SurrogateStage
from mscale_uq.stats.surrogate_store import Table, find, fingerprint, keep

DRAWS, HELD_OUT = 500, 100  # prior draws that span the box, and those at which the error is measured
ENOUGH = 100  # of the latter, for a quantile of 99 % that is not just their maximum
MARGIN = 0.1  # of the box beyond the draws, relative to its width
EDGE = 1e-9  # how close to the ends of a logit's interval, which are never reached
PROBES = ((0.31, 0.62, 0.47), (0.83, 0.18, 0.71))  # shares of the box, taken in turn by the directions


@final
@dataclass(frozen=True)
class Part:
    """One stretch of one experiment's model.

    Attributes
    ----------
    experiment, made
        Whose, and the quantity at its end.
    nodes
        Along each coordinate.
    solves, cells
        Done for it: nodes, scans, held-out states; and cell problems of each.
    errors
        Largest deviation over the largest entry, over the held-out states: ``"median"``, ``"99 % below"``
        where there are a hundred or more, and ``"at most"``.
    found
        ``"built"``, ``"cached"``, or ``"damaged"``: a cached one was damaged, and it is built anew.
    """

    experiment: str
    made: str
    nodes: tuple[int, ...]
    solves: int
    errors: Mapping[str, float]
    found: str
    cells: int = 1

    def __str__(self) -> str:
        made = {"built": "", "cached": ", from the cache", "damaged": ", anew: the cached one is damaged"}
        each = f" of {self.cells} cells" if self.cells > 1 else ""
        return (
            f"surrogate of {self.made} ({self.experiment}): {' x '.join(map(str, self.nodes))} nodes, "
            f"{self.solves} solves{each}{made[self.found]}; error over the prior, held out: "
            + ", ".join(f"{which} {error:.1g}" for which, error in self.errors.items())
        )


@final
@dataclass(frozen=True)
class Surrogate:
    """A cheap posterior of the same unknowns, and how well it is known.

    Attributes
    ----------
    posterior
        With polynomials in its models; a sampler takes it `flattened`.
    parts
        One per stretch and experiment.
    """

    posterior: Posterior
    parts: tuple[Part, ...]


def surrogate_of(
    posterior: Posterior,
    stretches: Sequence[Stretch],
    home: Path | None = None,
    identity: str = "",
    budget: int | None = None,
    map: Map = map,
) -> Surrogate:
    """Return a posterior with polynomials in the place of stretches.

    Parameters
    ----------
    stretches
        In the order in which models run through them.
    home
        Folder of finished ones, found again by what they are made of; none is kept if None.
    identity
        Stands for the text of the model.
    budget
        Most cell problems of a stretch of one experiment, in the place of what the stretch says.
    map
        Runs the solves.

    Raises
    ------
    InputError
        If there is no stretch, or one cannot be solved somewhere in its box, or not within the budget.
    WiringError
        If a stretch depends on more than it says.
    """
    if not stretches:
        given = "a model without a stretch that a polynomial may stand for"
        raise InputError(explain(given, hint="declare `stretches` in its system, or use another sampler"))
    experiments, parts = [], list[Part]()
    kept = () if posterior.scale is None else (posterior.scale.effective,)  # samplers' coordinates ask for it
    for experiment in posterior.experiments:
        replaced = experiment
        for stretch in stretches:
            most = stretch.budget if budget is None else budget
            build = _Build(posterior, replaced, stretch, most, map)
            stage, part = build.run(home, identity)
            parts.append(part)
            replaced = replaced.changed(model=_replaced(replaced.whole, stage, kept))
        experiments.append(replaced)
    return Surrogate(posterior.changed(experiments), tuple(parts))


def _replaced(model: ForwardModel, stage: SurrogateStage, kept: Sequence[str]) -> ForwardModel:
    """Return the model of its outputs and what is kept, with the stage in place of what makes the same."""
    stages = [stage if stage.outputs[0] in other.outputs else other for other in model.chain.stages]
    constants = {name: value for name, value in model.constants.items() if name != "key"}
    whole = ForwardModel(stages, model.parameters, model.outputs, constants, model.key)
    asked = dict.fromkeys([*model.outputs, *(name for name in kept if name in model.chain.made)])
    needed = whole.only(list(asked))
    constants = {name: value for name, value in needed.constants.items() if name != "key"}
    return ForwardModel(needed.chain.stages, needed.parameters, model.outputs, constants, model.key)


@final
@dataclass(frozen=True)
class _Build:
    """One stretch on its way to a stage."""

    posterior: Posterior
    experiment: Experiment
    stretch: Stretch
    budget: int
    map: Map

    def run(self, home: Path | None, identity: str) -> tuple[SurrogateStage, Part]:
        """Return the stage, found or built."""
        states = self._states(DRAWS, 0)
        solver = StretchSolver(self.experiment.model, self.stretch)
        coordinates = StretchCoordinates(
            self.stretch, {n: np.shape(states[0][n]) for n in self.stretch.reads}
        )
        box = _box(coordinates, np.array([coordinates.place(coordinates.flat(state)).x for state in states]))
        solve = _Solve(solver, coordinates, self.map)
        probes = solve.arrays([_inside(box, shares) for shares in PROBES])
        key = fingerprint(self.stretch, box, np.array(probes), self.budget, identity)
        table, found = find(home, key)
        if table is None:
            table = self._table(solve, box, probes)
            keep(home, key, table)
        part = Part(self.experiment.name, self.stretch.made, tuple(a.nodes for a in table.axes),
                    len(probes) if found == "cached" else table.solves, table.errors, found,
                    solver.cell_problems)  # fmt: skip
        return _stage(coordinates, table, probes[0].shape), part

    def _table(self, solve: "_Solve", box: Sequence[Axis], probes: Sequence[Array]) -> Table:
        """Choose nodes, solve there, and at the held-out states."""
        cells = solve.solver.cell_problems
        held = self._states(HELD_OUT, 1)
        known = len(held) + len(probes)
        if self.budget < (least := cells * (known + fewest(box))):
            given = f"no surrogate of {self.stretch.made!r} from {self.budget} cell problems"
            raise InputError(explain(given, f"{least} or more", "allow more of them, or use another sampler"))
        axes, scanned = choose_nodes(solve.rows, box, self.budget // cells - known)
        grid = np.stack(np.meshgrid(*(axis.places for axis in axes), indexing="ij"), axis=-1)
        values = solve.rows(list(grid.reshape(-1, len(axes)))).reshape(*grid.shape[:-1], -1)
        solves = known + scanned + values[..., 0].size
        table = Table(tuple(axes), values, {}, solves)
        stage = _stage(solve.coordinates, table, probes[0].shape)
        exact = solve.at(held)
        off = [
            _error(stage.value(state)[self.stretch.made], one) for state, one in zip(held, exact, strict=True)
        ]
        return replace(table, errors=_summary(off))

    def _states(self, count: int, seed: int) -> list[Named]:
        """Return what the stretch reads at draws of the prior; draws without an answer are left out."""
        rng, found = np.random.default_rng(seed), []
        model = self.experiment.model
        made = [name for name in self.stretch.reads if name in model.chain.made]
        before = model.only(made) if made else None
        for _ in range(count):
            values = self.posterior.split(self.posterior.sample_prior(rng))
            known: Named = {**model.constants, **model.split(self.experiment.theta(values))}
            try:
                if before is not None:
                    known |= before.trace(before.pack(known))
            except ForwardFailure:
                continue
            found.append({name: np.asarray(known[name], dtype=float) for name in self.stretch.reads})
        if not found:
            given = f"no prior draw reaches {', '.join(self.stretch.reads)}"
            raise InputError(explain(given, hint="narrow the priors, or check the model at its defaults"))
        return found


@final
@dataclass(frozen=True)
class _Solve:
    """The stretch as a function of its coordinates, many at a time."""

    solver: StretchSolver
    coordinates: StretchCoordinates
    map: Map

    def rows(self, places: Sequence[Array]) -> Array:
        """Return the flattened quantity at every place ``(places, m)``."""
        return np.array([np.ravel(one) for one in self.arrays(places)])

    def arrays(self, places: Sequence[Array]) -> list[Array]:
        """Return the quantity at every place."""
        return self.at([self.coordinates.values(x) for x in places])

    def at(self, states: Sequence[Named]) -> list[Array]:
        """Return the quantity at states of what is read.

        Raises
        ------
        InputError
            If there is none somewhere.
        """
        try:
            return list(self.map(self.solver, states))
        except ForwardFailure as failure:
            hint = "narrow the priors, or use another sampler"
            raise InputError(
                explain(f"no surrogate of {self.coordinates.stretch.made!r}: {failure}", hint=hint)
            ) from failure


def _stage(coordinates: StretchCoordinates, table: Table, shape: tuple[int, ...]) -> SurrogateStage:
    return SurrogateStage(coordinates, ProductPolynomial(table.axes, table.values), shape)


def _error(approximate: Array, exact: Array) -> float:
    return float(np.abs(approximate - exact).max() / np.abs(exact).max())


def _summary(errors: Sequence[float]) -> dict[str, float]:
    rare = {"99 % below": float(np.quantile(errors, 0.99))} if len(errors) >= ENOUGH else {}
    return {"median": float(np.median(errors)), **rare, "at most": max(errors)}


def _box(coordinates: StretchCoordinates, places: Array) -> list[Axis]:
    """Return the box of the places, with a margin; its nodes are not chosen yet."""
    axes, bounded = [], coordinates.bounded
    for number, (column, period) in enumerate(zip(places.T, coordinates.periods, strict=True)):
        low, high = float(column.min()), float(column.max())
        margin = MARGIN * (high - low)
        if low == high:
            axes.append(Axis(low, high, 1))
        elif period is not None:
            axes.append(Axis(0.0, period, 1, periodic=True))
        elif bounded[number]:
            axes.append(Axis(EDGE - 1.0, 1.0 - EDGE, 1))
        else:
            axes.append(Axis(low - margin, high + margin, 1))
    return axes


def _inside(box: Sequence[Axis], shares: Sequence[float]) -> Array:
    turn = [shares[number % len(shares)] for number in range(len(box))]
    return np.array(
        [axis.low + share * (axis.high - axis.low) for axis, share in zip(box, turn, strict=True)]
    )
