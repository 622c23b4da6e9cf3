"""`GaussianSum`: a Kalman filter at every node over the learned parameters, weighted by evidence.

Given the parameters u the model is linear, so that the law of its state is a sum of normal laws over nodes,

    p(u, x | data) = sum_g w_g N(x; a_g, C_g),   w_g ~ p(u_g) p(data | u_g) / q(u_g),

where q is the law from which the nodes were drawn. Nothing is linearised in u: a product of unknown and
state, such as gain times protein, is exact, where one normal law of both goes astray. As data come the
weight gathers on few nodes. New ones are then drawn from the normal law of what is believed, and all data are
taken in again, until enough nodes count. With counts, saturated readings and noise that depends on what is
read, each node's law is the normal one at its most probable state.

Sources: D. T. Magill, IEEE Trans. Autom. Control 10 (1965) 434-439, Optimal adaptive estimation of sampled
stochastic processes (a filter for each value of the unknowns, weighted by evidence); N. Chopin, Biometrika 89
(2002) 539-551, doi:10.1093/biomet/89.3.539 (when too few points count: others from a fit, all data again).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import final

import numpy as np

from mscale_uq.core.linear_dynamics import LinearDynamics
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.random import generator
from mscale_uq.core.stage import Named, Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import InputError, SolveFailed, explain
from mscale_uq.filters.augmented import AugmentedDynamics
from mscale_uq.filters.filter import Filter
from mscale_uq.filters.loop import simultaneous
from mscale_uq.filters.node_blocks import Blocks
from mscale_uq.filters.node_look import look_all
from mscale_uq.filters.node_state import NodeState
from mscale_uq.filters.node_update import Told
from mscale_uq.filters.proposal import drawn, fitted
from mscale_uq.filters.records import Purpose, StepInfo, interval
from mscale_uq.filters.rows_reading import known_rows
from mscale_uq.filters.sight import look
from mscale_uq.observe.counts import NegativeBinomial
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.laws import Gaussian

ROUNDS = 12  # of drawing nodes after one time
UNSETTLED = "search for the most probable state did not settle at every node"


@final
@dataclass(frozen=True)
class GaussianSum(Filter):
    """Settings of a Gaussian sum over the parameters that `filters.augment` made state.

    Attributes
    ----------
    size
        Number of nodes; a power of two fills the space best.
    least
        Share of the nodes that must count; with fewer, others are drawn and all data are taken in again.

    A saturated reading counts as a bound: each node's law is then the normal one at its most probable state.

    Raises
    ------
    InputError
        If there are fewer nodes than 16, or `least` is no share. When used: see `check`.
    """

    size: int = 256
    least: float = 0.2

    def __post_init__(self) -> None:
        if self.size < 16:
            raise InputError(explain(f"{self.size} nodes", "at least 16", "256 is a usual number"))
        if not 0 < self.least < 0.5:
            raise InputError(explain(f"least = {self.least}", "a share below 0.5", "0.2 is usual"))

    def init(self, space: StateSpace, values: Values, key: int = 0) -> NodeState:
        """Return nodes drawn from the prior of the learned parameters."""
        check(space)
        mean, sd = _prior(space, values)
        rng = generator(key, interval(space.start), Purpose.INITIAL)
        return self._begun(space, values, *drawn(mean, np.diag(sd), self.size, rng))

    def forecast(
        self, space: StateSpace, values: Values, state: NodeState, time: float, key: int = 0
    ) -> NodeState:
        """Return the law at `time`."""
        if time == state.time:
            return state
        dynamics = _linear(space)
        known = {**values, **_at_nodes(space, values, state.points)}
        read = {name: np.asarray(known[name]) for name in dynamics.inputs}
        span = state.time, time, read, len(state.points)
        blocks = state.blocks if state.blocks.whole else state.blocks.among(dynamics.blocks(time, read))
        moves = [dynamics.transition_rows(*span)] if blocks.whole else dynamics.block_rows(*span)
        means, blocks = blocks.moved(state.means, moves)
        return replace(state, time=time, means=means, blocks=blocks)

    def analyse(
        self,
        space: StateSpace,
        values: Values,
        state: NodeState,
        observations: Sequence[Observation],
        key: int = 0,
    ) -> tuple[NodeState, StepInfo]:
        """Return the law given all observations, jointly; from other nodes if too few of these count."""
        sight = look(space, values, sorted(observations, key=attrgetter("source")), state.time)
        forecast = look_all(space, values, state, sight.observations)
        expected, spread = forecast.expected(state.weights)
        told, settled = forecast.update()
        taken = replace(_taken(state, told), history=(*state.history, *sight.observations))
        after = self._settled(space, values, taken, key)
        notes = [] if settled else [UNSETTLED]
        if after.effective < self.least * self.size:
            notes.append(f"only {after.effective:.0f} of {self.size} nodes count")
        evidence = after.log_evidence - state.log_evidence
        info = StepInfo(
            state.time,
            sight.sources,
            sight.datum - expected,
            spread,
            evidence,
            sight.verdicts,
            "; ".join(notes),
        )
        return after, info

    def _settled(self, space: StateSpace, values: Values, state: NodeState, key: int) -> NodeState:
        """Draw nodes until enough of them count."""
        rng = generator(key, interval(state.time), Purpose.REDRAW)
        for _ in range(ROUNDS):
            if state.effective >= self.least * self.size:
                break
            fit = fitted(state.points, state.log_mass, self.least * self.size)
            state = self._replayed(space, values, state, *drawn(*fit, self.size, rng))
        return state

    def _replayed(
        self, space: StateSpace, values: Values, state: NodeState, points: Array, density: Array
    ) -> NodeState:
        """Return the law at other nodes, from all data."""
        now = self._begun(space, values, points, density)
        for together in simultaneous(state.history):
            now = self.forecast(space, values, now, together[0].time)
            now = _taken(now, look_all(space, values, now, together).update()[0])
        return replace(self.forecast(space, values, now, state.time), history=state.history)

    def _begun(self, space: StateSpace, values: Values, points: Array, density: Array) -> NodeState:
        """Return the law before all data at points drawn from a law of this log-density ``(G,)``."""
        mean, sd = _prior(space, values)
        z = (points - mean) / sd
        prior = -0.5 * (z**2 + np.log(2 * np.pi * sd**2)).sum(axis=1)
        first, cov = space.initial(values)
        n, count = first.size - mean.size, len(points)
        blocks = Blocks.of(_linear(space), cov[:n, :n], count)
        means = np.tile(first[:n], (count, 1))
        return NodeState(space.start, points, prior - density - np.log(count), means, blocks)


def check(space: StateSpace) -> None:
    """Refuse a model that is not linear given what is learned, or whose laws a Gaussian sum does not know.

    Raises
    ------
    InputError
        Saying what stands in the way.
    """
    dynamics, hint = space.dynamics, 'use "laplace" or an ensemble filter'
    if not isinstance(dynamics, AugmentedDynamics):
        raise InputError(explain("a Gaussian sum without unknowns", "learn = [..]", 'use "kalman"'))
    if not isinstance(dynamics.inner, LinearDynamics):
        given = f"a Gaussian sum over {dynamics.name!r}"
        raise InputError(explain(given, "dynamics linear in the state", hint))
    if np.any(dynamics.drift != 0):
        raise InputError(explain("a Gaussian sum with drift", "parameters that do not change", hint))
    for source, operator in space.observations.items():
        law, made = operator.law, f"{operator.quantity}_var"
        shared = isinstance(law, Fluorescence) and law.background_sd != 0
        if not isinstance(law, Gaussian | Fluorescence | NegativeBinomial) or shared:
            given = f"{source}: {type(law).__name__}{' with an error of the background' * shared}"
            raise InputError(
                explain(given, "gaussian, fluorescence or counts, with each reading's own noise", hint)
            )
        if operator.stage is not None and made in (*operator.stage.inputs, *operator.stage.outputs):
            raise InputError(explain(f"{source}: a prediction with an error of its own", "none", hint))


def _linear(space: StateSpace) -> LinearDynamics:
    assert isinstance(space.dynamics, AugmentedDynamics)
    assert isinstance(space.dynamics.inner, LinearDynamics)  # what `check` saw to
    return space.dynamics.inner


def _prior(space: StateSpace, values: Values) -> tuple[Array, Array]:
    """Return mean ``(k,)`` and standard deviation ``(k,)`` of the coordinates before all data."""
    mean, cov = space.initial(values)
    n = _linear(space).size
    return mean[n:], np.sqrt(np.diag(cov)[n:])


def _at_nodes(space: StateSpace, values: Values, points: Array) -> Named:
    """Return everything that depends on the learned parameters, one row per node."""
    dynamics = space.dynamics
    assert isinstance(dynamics, AugmentedDynamics)
    n = dynamics.inner.size
    states = np.hstack([np.zeros((len(points), n)), points])
    return known_rows(dynamics.dependents, dynamics.split(states), values, len(points))


def _taken(state: NodeState, told: Told) -> NodeState:
    """Return the law given what readings told.

    Raises
    ------
    SolveFailed
        If they cannot be at any node.
    """
    log_mass = state.log_mass + told.logs
    if not np.isfinite(log_mass).any():
        raise SolveFailed("Gaussian sum", {}, "the readings are impossible at every node")
    possible = np.where(np.isfinite(log_mass), log_mass, -1e300)
    return replace(state, means=told.means, blocks=told.blocks, log_mass=possible)
