"""The mean field of a reaction network and its linear noise approximation, as equations with derivatives.

The mean field is dm = S a(m) dt. Around it the covariance obeys dC = (J C + C J' + S diag(a) S') dt, where J
is the derivative of S a: the noise that is left where there are many molecules, and exact for linear rates.

Source: L. Cardelli, M. Kwiatkowska, L. Laurenti, Stochastic analysis of chemical reaction networks using
linear noise approximation (2015), arXiv:1506.07861.
"""

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from mscale_uq.core.dynamics import initial_name
from mscale_uq.core.parameter import Array
from mscale_uq.macro.moments import moment_state
from mscale_uq.macro.network import ReactionNetwork
from mscale_uq.macro.ode import DEFAULT, Ode
from mscale_uq.solve.reaction_rates import drift, drift_and_spread
from mscale_uq.solve.stiff import Tolerances


def mean_field(network: ReactionNetwork, tolerances: Tolerances = DEFAULT) -> Ode:
    """Return the equation of the species' numbers; reads ``<species>_initial`` and the parameters."""
    flow = Flow(network, spread=False)
    return Ode(f"mean field of {network.name}", flow, network.species, network.parameters, tolerances)


def linear_noise(network: ReactionNetwork, tolerances: Tolerances = DEFAULT) -> Ode:
    """Return the equation of means and covariances; the state is that of `moment_state`."""
    flow, state = Flow(network, spread=True), moment_state(network.species)
    return Ode(f"linear noise of {network.name}", flow, state, network.parameters, tolerances)


def sure_start(network: ReactionNetwork, numbers: Mapping[str, float]) -> dict[str, Array]:
    """Return initial values for `linear_noise` where the numbers of molecules are known, others zero."""
    state = {initial_name(v.name): np.asarray(0.0) for v in moment_state(network.species)}
    named = {initial_name(f"{name}_mean"): np.asarray(float(n)) for name, n in numbers.items()}
    return {**state, **named}


@final
class Flow:
    """The right-hand side of a network, which `Rate` compiles; equal for equal networks."""

    def __init__(self, network: ReactionNetwork, spread: bool) -> None:
        self.network = network
        self.spread = spread
        self.__name__ = network.name
        shapes = [(array.shape, array.tobytes()) for array in network.structure]
        self._same = (len(network.species), spread, *shapes)

    @property
    def py_func(self) -> Any:
        """The plain function, its network a constant in it."""
        structure, n = self.network.structure, len(self.network.species)

        def means(t, x, p, dx):  # type: ignore[no-untyped-def]  # noqa: ARG001
            drift(structure, x, p, dx)

        def moments(t, z, p, dz):  # type: ignore[no-untyped-def]  # noqa: ARG001
            drift_and_spread(structure, n, z, p, dz)

        return moments if self.spread else means

    def __call__(self, t: float, y: Array, p: Array, dy: Array) -> None:
        """Fill the rate."""
        self.py_func(t, y, p, dy)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Flow) and self._same == other._same

    def __hash__(self) -> int:
        return hash(self._same)
