"""Which unknowns reach the data only through one quantity on the way: a fact of the wiring, true everywhere.

A stage's outputs are taken to depend on all its inputs, so a path may be seen that is none; an unknown is
never said to be cut off from the data where it is not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from mscale_uq.core.chain import Chain
from mscale_uq.stats.experiment import Experiment, Shared
from mscale_uq.stats.posterior import Posterior


@final
@dataclass(frozen=True)
class Bottleneck:
    """A quantity through which unknowns must pass.

    Attributes
    ----------
    quantity
        Made by a stage.
    unknowns
        Of the posterior, in its order: each reaches the data of every experiment it enters only through the
        quantity.
    experiments
        Positions of the experiments they enter.
    """

    quantity: str
    unknowns: tuple[str, ...]
    experiments: tuple[int, ...]


def bottlenecks(posterior: Posterior) -> tuple[Bottleneck, ...]:
    """Return every quantity that something passes through, in the order in which they are made."""
    made = dict.fromkeys(name for one in posterior.experiments for name in one.model.chain.made)
    found = (_bottleneck(posterior, quantity) for quantity in made)
    return tuple(one for one in found if one.unknowns)


def reached(chain: Chain, start: Iterable[str], barred: str = "") -> set[str]:
    """Return the names that depend on the starting names by paths that avoid one name."""
    known = set(start)
    for stage in chain.stages:
        if known & set(stage.inputs):
            known |= set(stage.outputs) - {barred}
    return known


def _bottleneck(posterior: Posterior, quantity: str) -> Bottleneck:
    unknowns = []
    for unknown in posterior.variables:
        entered = [one for one in posterior.experiments if unknown in one.unknowns]
        if entered and all(_only_through(one, unknown, quantity) for one in entered):
            unknowns.append(unknown)
    positions = [
        position for position, one in enumerate(posterior.experiments) if set(one.unknowns) & set(unknowns)
    ]
    return Bottleneck(quantity, tuple(unknowns), tuple(positions))


def _only_through(experiment: Experiment, unknown: str, quantity: str) -> bool:
    bound = [n for n, b in experiment.bindings.items() if isinstance(b, Shared) and b.name == unknown]
    if not set(bound) <= set(experiment.whole.names):  # it is a noise level
        return False
    chain = experiment.model.chain
    return quantity in reached(chain, bound) and not reached(chain, bound, quantity) & (
        _targets(experiment) - {quantity}
    )


def _targets(experiment: Experiment) -> set[str]:
    """Return the names the laws see."""
    names = {read for operator in experiment.operators.values() for read in operator.law.reads}
    for quantity in experiment.operators:
        names |= {quantity, f"{quantity}_var"}
    return names
