"""The mean field of a reaction network and its linear noise approximation, as equations with derivatives.

The mean field is dm = S a(m) dt. Around it the covariance obeys dC = (J C + C J' + S diag(a) S') dt, where J
is the derivative of S a: the noise that is left where there are many molecules, and exact for linear rates.

Source: L. Cardelli, M. Kwiatkowska, L. Laurenti, Stochastic analysis of chemical reaction networks using
linear noise approximation (2015), arXiv:1506.07861.
"""

from mscale_uq.macro.moments import moment_state
from mscale_uq.macro.network import ReactionNetwork
from mscale_uq.macro.ode import DEFAULT, Ode
from mscale_uq.solve.reaction_rates import mean_rate, moment_rate, packed
from mscale_uq.solve.stiff import Tolerances


def mean_field(network: ReactionNetwork, tolerances: Tolerances = DEFAULT) -> Ode:
    """Return the equation of the species' numbers; reads ``<species>_initial`` and the parameters."""
    return Ode(
        f"mean field of {network.name}",
        mean_rate,
        network.species,
        network.parameters,
        tolerances,
        constants=packed(network.structure, len(network.species)),
    )


def linear_noise(network: ReactionNetwork, tolerances: Tolerances = DEFAULT) -> Ode:
    """Return the equation of means and covariances; the state is that of `moment_state`."""
    return Ode(
        f"linear noise of {network.name}",
        moment_rate,
        moment_state(network.species),
        network.parameters,
        tolerances,
        constants=packed(network.structure, len(network.species)),
    )
