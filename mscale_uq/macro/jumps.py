"""Reaction networks by chance, reaction by reaction: ensembles, a stage with its own error, and dynamics."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.dynamics import Dynamics, increasing, initial_name
from mscale_uq.core.members import member_table
from mscale_uq.core.parameter import Array
from mscale_uq.core.random import generator
from mscale_uq.core.stage import Named, Stage, Values
from mscale_uq.errors import InputError, SolveFailed, explain
from mscale_uq.macro.network import ReactionNetwork
from mscale_uq.solve.reaction_kernels import simulate

MOST = 100_000_000  # reactions in one replica


@final
@dataclass(frozen=True)
class Paths:
    """What M replicas did.

    Attributes
    ----------
    states
        Numbers of molecules at the times asked for ``(M, T, n)``.
    counts, exposure
        How often each reaction happened, and the integral of its rate, ``(M, reactions)`` each: their means
        are equal, the exposure scatters less where a reaction is rare.
    """

    states: Array
    counts: np.ndarray
    exposure: Array


def sample_paths(
    network: ReactionNetwork, start: Array, p: Array, times: Array, key: int, most: int = MOST
) -> Paths:
    """Return exact paths from the numbers `start` ``(M, n)`` at time zero, seen at increasing times ``(T,)``.

    The parameters p are ``(P,)``, or ``(M, P)`` for replicas that differ. The same key gives the same chance
    at every p.

    Raises
    ------
    InputError
        If a number of molecules is not whole or is negative.
    SolveFailed
        If more than `most` reactions happen in a replica.
    """
    first = np.array(start, dtype=float, order="C")
    if not np.all((first >= 0) & (first == np.round(first))):
        hint = "filters that move members by weights keep whole numbers: use a particle filter"
        raise InputError(explain(f"{network.name}: numbers of molecules {first}", "whole ones, from 0", hint))
    M, R = len(first), len(network.reactions)
    every = np.array(np.broadcast_to(p, (M, len(network.parameters))), dtype=float, order="C")
    states, counts, exposure = (
        np.empty((M, len(times), first.shape[1])), np.zeros((M, R), dtype=np.int64), np.zeros((M, R))
    )  # fmt: skip
    word = int(generator(key).integers(2**62))
    stops = np.array(times, dtype=float)
    lost = simulate(network.structure, first, every, stops, word, most, states, counts, exposure)
    if lost >= 0:
        given = dict(zip(network.parameters, every[lost], strict=True))
        raise SolveFailed(network.name, given, f"more than {most} reactions in a replica")
    return Paths(states, counts, exposure)


@final
class SampledMeans(Stage):
    """Means of M replicas at given times: makes ``<species>`` ``(T,)``, and ``<species>_var``, its variance.

    Reads ``<species>_initial``, the parameters of the network and ``key``.
    """

    def __init__(self, network: ReactionNetwork, times: ArrayLike, replicas: int) -> None:
        if replicas < 2:
            raise InputError(explain(f"{replicas} replicas", "at least two, to tell the error"))
        self.network, self.replicas = network, replicas
        self.times = increasing(times, 0.0)
        self.name = f"{replicas} replicas of {network.name}"
        names = [s.name for s in network.species]
        self.inputs = (*(initial_name(name) for name in names), *network.parameters, "key")
        self.outputs = tuple(made for name in names for made in (name, f"{name}_var"))

    def value(self, values: Values) -> Named:
        """Return the means and their error."""
        network, M = self.network, self.replicas
        start = np.array([float(values[initial_name(s.name)]) for s in network.species])
        paths = sample_paths(
            network, np.tile(start, (M, 1)), network.vector(values), self.times, int(values["key"])
        )
        mean, var = paths.states.mean(axis=0), paths.states.var(axis=0, ddof=1) / M
        return {name: part[:, k // 2] for k, name in enumerate(self.outputs) for part in [(mean, var)[k % 2]]}


@final
class JumpDynamics(Dynamics):
    """The numbers of molecules as a state, moved reaction by reaction: for rollouts and particle filters."""

    random: ClassVar[bool] = True

    def __init__(self, network: ReactionNetwork) -> None:
        self.network = network
        self.name = network.name
        self.inputs, self.state = network.parameters, network.species

    def step(
        self, states: Array, start: float, stop: float, values: Values, rng: np.random.Generator | None
    ) -> Array:
        """Return the states ``(members, n)`` at `stop`."""
        if rng is None:
            given = f"{self.name}: a filter of mean and covariance"
            raise InputError(explain(given, hint="an ensemble or particle filter, which draws"))
        table = member_table(self.inputs, {}, values, len(states))
        key, span = int(rng.integers(2**62)), np.array([stop - start])
        return sample_paths(self.network, states, table, span, key).states[:, 0]
