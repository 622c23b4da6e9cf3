"""Many cells that share unknown parameters, exactly: a Kalman filter at every node of a lattice over these.

Given the unknowns u the cells are independent and linear, so that the law of a cell is a mixture

    p(u, x_i | data) = sum_g w_g N(x_i; a_gi, C_gi)   at nodes u_g,   w_g ~ p(u_g) p(data | u_g),

a Gaussian sum. `SharedBank` puts one normal law in its place, linearised where the mean happened to be:
cheap, but too sure of itself where a product of unknown and state is read, such as gain x protein. Here
nothing is linearised. As data come the weight gathers on few nodes; the lattice is then laid anew around the
weighted mean and covariance, and all data are taken in again from the start.

Sources: D. T. Magill, IEEE Trans. Autom. Control 10 (1965) 434-439, Optimal adaptive estimation of sampled
stochastic processes (a filter for each value of the unknowns, weighted by evidence); H. W. Sorenson, D. L.
Alspach, Automatica 7 (1971) 465-479, doi:10.1016/0005-1098(71)90097-5 (Gaussian sums).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import final

import numpy as np

from mscale_uq.core.dynamics import initial_name
from mscale_uq.core.linear_dynamics import LinearDynamics, LinearReading
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import CovarianceError, InputError, NoGradient, SolveFailed, explain
from mscale_uq.filters.augment import Unknown
from mscale_uq.filters.lattice import Lattice
from mscale_uq.filters.mixture import LogLikelihood, Look, Nodes, SumState, Taken, group
from mscale_uq.filters.shared import coordinates_of, noise_of
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.laws import Gaussian
from mscale_uq.solve.node_bank import move_nodes, update_nodes

ROUNDS = 30  # of laying the lattice anew after one datum
OUTSIDE = 0.01  # largest probability of the outer fifth of a lattice


@final
class GaussianSumBank:
    """The filter of cells under one model with up to about three shared unknown parameters.

    Parameters
    ----------
    space
        As in `SharedBank`; noise of the dynamics, the initial state and levels of the law may depend on
        unknowns too.
    unknowns
        Parameter -> what is known of it before; static, so without drift. Those that the dynamics reads are
        best named first: the model is then moved for fewer values.
    spacing
        Largest step between nodes, in posterior standard deviations.
    reach
        How far the nodes reach, in posterior standard deviations.

    The noise of a reading is taken at the reading predicted at each node.

    Raises
    ------
    NoGradient, WiringError
        As `SharedBank`.
    InputError
        If an unknown drifts.
    """

    def __init__(
        self,
        space: StateSpace,
        unknowns: Mapping[str, Unknown],
        spacing: float = 0.5,
        reach: float = 5.0,
    ) -> None:
        self.coordinates = coordinates_of(space, unknowns)
        drifting = [name for name, u in unknowns.items() if np.any(np.asarray(u.drift) != 0)]
        if drifting:
            raise InputError(explain(f"drift of {drifting[0]!r}", "0: a Gaussian sum", "use SharedBank"))
        assert isinstance(space.dynamics, LinearDynamics)  # what `coordinates_of` saw to
        self.space, self.dynamics = space, space.dynamics
        self.unknowns, self.spacing, self.reach = tuple(unknowns.values()), spacing, reach
        pairs = zip(self.coordinates, self.unknowns, strict=True)
        self.centre = np.array([float(c.forward(np.asarray(u.centre))) for c, u in pairs])
        self.spread = np.array([float(np.asarray(u.sd)) for u in self.unknowns])

    def init(self, values: Values, cells: int) -> SumState:
        """Return the law at the start; `values` are numbers for everything that is not unknown."""
        return self._start(self.centre, np.diag(self.spread**2), values, cells)

    def forecast(self, state: SumState, time: float) -> SumState:
        """Return the law at a later time."""
        if time == state.time:
            return state
        dynamics, nodes = self.dynamics, state.nodes
        moves = nodes.each(
            nodes.moved,
            lambda named: dynamics.transition(state.time, time, {n: named[n] for n in dynamics.inputs}),
        )
        F, b, Q = (np.array([getattr(m, part) for m in moves], dtype=float) for part in "FbQ")
        cells, covs = state.cells.copy(), state.covs.copy()
        move_nodes((0,) * cells.shape[2], cells, covs, F, b, Q, nodes.moved.which)
        return replace(state, time=time, cells=cells, covs=covs)

    def analyse(self, state: SumState, source: str, readings: Array) -> tuple[SumState, float]:
        """Return the law given one frame's readings ``(N,)``, NaN missing, and their log-density.

        Raises
        ------
        CovarianceError
            If a reading's variance is not positive.
        SolveFailed
            If no lattice holds the posterior.
        """
        if source not in state.nodes.looks:
            given = f"source {source!r}: a bank of cells needs a LinearReading, gaussian or fluorescence"
            raise NoGradient(given)
        return self._settled(state, Taken(state.time, source, np.array(readings, dtype=float), None))

    def observe_shared(self, state: SumState, likelihood: LogLikelihood) -> tuple[SumState, float]:
        """Return the law given what a dead cell can say: of the shared unknowns alone.

        `likelihood` maps all named values, each unknown ``(G,)``, to the datum's log-density ``(G,)``; it is
        kept, and called again for every new lattice.
        """
        return self._settled(state, Taken(state.time, "", None, likelihood))

    def _settled(self, state: SumState, datum: Taken) -> tuple[SumState, float]:
        """Take a datum in; lay the lattice anew until it resolves and holds the posterior."""
        now = replace(self._take(state, datum), history=(*state.history, datum))
        for _ in range(ROUNDS):
            cov, lattice = now.cov, now.nodes.lattice
            if lattice.resolves(cov, self.spacing) and now.weights[lattice.edge].sum() <= OUTSIDE:
                return now, now.log_evidence - state.log_evidence
            now = self._replayed(now, now.mean, lattice.believable(cov))
        raise SolveFailed("Gaussian sum", {"time": state.time}, "no lattice holds the posterior")

    def _replayed(self, state: SumState, mean: Array, cov: Array) -> SumState:
        """Return the law on a lattice laid anew around a mean, from all data."""
        now = self._start(mean, cov, state.nodes.named, state.cells.shape[1])
        for datum in state.history:
            now = self._take(self.forecast(now, datum.time), datum)
        return replace(self.forecast(now, state.time), history=state.history)

    def _take(self, state: SumState, datum: Taken) -> SumState:
        if datum.likelihood is not None:
            return replace(state, log_mass=state.log_mass + datum.likelihood(state.nodes.named))
        assert datum.readings is not None
        law, look = self.space.observations[datum.source].law, state.nodes.looks[datum.source]
        expected = np.einsum("gin,gn->gi", state.cells, look.H[look.which]) + look.d[look.which][:, None]
        assert isinstance(law, Gaussian | Fluorescence)  # what `_looks` saw to
        own, common = noise_of(law, expected, state.nodes.columns())
        seen = ~np.isnan(datum.readings) & ~law.censored(datum.readings)
        error = np.where(seen, datum.readings, 0.0) - expected
        cells, covs, log_mass = state.cells.copy(), state.covs.copy(), state.log_mass.copy()
        axes, own = (0,) * cells.shape[2], np.ascontiguousarray(np.broadcast_to(own, error.shape))
        if not update_nodes(axes, cells, covs, look.H, look.which, error, own, seen, common, log_mass):
            raise CovarianceError("variance of a reading", {"time": state.time}, "is not positive")
        return replace(state, log_mass=log_mass, cells=cells, covs=covs)

    def _start(self, mean: Array, cov: Array, values: Values, cells: int) -> SumState:
        """Return the law before all data, on a lattice around a mean."""
        nodes = self._nodes(Lattice.around(mean, cov, self.spacing / 2, self.reach), values)
        points = nodes.lattice.points
        names = [f"{initial_name(v.name)}{end}" for v in self.dynamics.state for end in ("", "_var")]
        groups = group(points, self._columns(names))
        pairs = nodes.each(groups, self.space.initial)
        means, covs = (np.array(part)[groups.which] for part in zip(*pairs, strict=True))
        z = (points - self.centre) / self.spread
        prior = -0.5 * (z**2 + np.log(2 * np.pi * self.spread**2)).sum(axis=1) + nodes.lattice.log_volume
        many = np.repeat(means[:, None], cells, axis=1), np.repeat(covs[:, None], cells, axis=1)
        return SumState(self.space.start, nodes, prior, *many)

    def _nodes(self, lattice: Lattice, values: Values) -> Nodes:
        named = {name: np.asarray(v, dtype=float) for name, v in {**self.space.constants, **values}.items()}
        for c, u in zip(self.coordinates, lattice.points.T, strict=True):
            named[c.parameter.name] = c.backward(u)
        unknown = tuple(c.parameter.name for c in self.coordinates)
        nodes = Nodes(lattice, named, unknown, group(lattice.points, self._columns(self.dynamics.inputs)), {})
        return replace(nodes, looks=dict(self._looks(nodes)))

    def _looks(self, nodes: Nodes) -> Iterator[tuple[str, Look]]:
        """Yield each source that a bank can use, and how it reads."""
        for source, operator in self.space.observations.items():
            reading = operator.stage
            if isinstance(reading, LinearReading) and isinstance(operator.law, Gaussian | Fluorescence):
                groups = group(nodes.lattice.points, self._columns(reading.inputs))
                made = nodes.each(groups, reading.matrices)
                H, d = (np.array([m[part][0] for m in made], dtype=float) for part in (0, 1))
                yield source, Look(H, d, groups.which)

    def _columns(self, reads: Sequence[str]) -> list[int]:
        return [p for p, c in enumerate(self.coordinates) if c.parameter.name in reads]
