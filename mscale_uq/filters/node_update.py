"""The update of a normal law at every node at once, by what readings say of its blocks.

With x = m + P a the posterior's logarithm is log p(y | x) - a'P a / 2. Newton's method with the information J
of the readings on x goes from a by (I + J P)^-1 (g - a), where g is the slope of the first term to x; no
inverse of P is needed, which is singular where something is known exactly. Normal readings that are affine in
x need one step, and the evidence is exact, if their noise does not depend on x. For counts, whose variance is
the inverse of the information on their mean, J is the expected one; for a bound it is the curvature; and the
evidence is Laplace's with this J at the most probable x. For noise that grows with what is read J is the
inverse of its variance R there: what R itself tells of x moves the top, but is left out of J, which is
neither the expected information nor the curvature.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.filters.node_blocks import Blocks
from mscale_uq.solve.node_blocks import newton, told

STEPS, HALVINGS = 50, 30
TOLERANCE = 1e-10  # of what another step would gain in the logarithm


class Terms(NamedTuple):
    """What readings say at every node: log-density ``(G,)``, and of each kind of block of which they say
    anything the slope ``(G, C, s)`` to the state and the information ``(G, C, s, s)`` on it.
    """

    density: Array
    slopes: list[Array]
    informations: list[Array]


class Told(NamedTuple):
    """The law after readings: means ``(G, n)``, covariances, and the readings' log-evidence ``(G,)``."""

    means: Array
    blocks: Blocks
    logs: Array


class Place(NamedTuple):
    """A place in the state of every node: a and P a of each kind ``(G, C, s)``, and what is said there.

    `height` ``(G,)`` is the posterior's logarithm, but for a constant.
    """

    a: list[Array]
    Pa: list[Array]
    terms: Terms
    height: Array


def updated(
    means: Array, blocks: Blocks, kinds: Sequence[int], say: Callable[[Array | None], Terms]
) -> tuple[Told, bool]:
    """Return the law after readings, and whether the search settled at every node.

    `kinds` are the kinds of blocks that readings see; `say` returns what they say at states ``(G, n)``, or
    at the means for None.
    """
    rise = _Rise(means, blocks, kinds, say)
    here, settled = rise.start(), False
    for _ in range(STEPS):
        steps, gain = rise.steps(here)
        settled = bool(np.all(gain <= TOLERANCE))
        if settled:
            break
        here = rise.climbed(here, steps)
    return rise.left(here), settled


class _Rise(NamedTuple):
    means: Array
    blocks: Blocks
    kinds: Sequence[int]
    say: Callable[[Array | None], Terms]

    def start(self) -> Place:
        zeros = [np.zeros((len(self.means), *self.blocks.kinds[k].shape)) for k in self.kinds]
        terms = self.say(None)
        return Place(zeros, zeros, terms, terms.density)

    def steps(self, here: Place) -> tuple[list[Array], Array]:
        """Return Newton's steps and what they gain ``(G,)``."""
        made, total = [], np.zeros(len(self.means))
        said = zip(here.terms.slopes, here.terms.informations, strict=True)
        for k, a, (slope, J) in zip(self.kinds, here.a, said, strict=True):
            flat = (part.reshape(-1, *part.shape[2:]) for part in (self.blocks.covs[k], J, slope - a))
            step, gain = newton(*flat)
            made.append(step.reshape(a.shape))
            total += gain.reshape(len(a), -1).sum(axis=1)
        return made, total

    def climbed(self, here: Place, steps: list[Array]) -> Place:
        """Return the place a step ahead; where that is lower, the step is halved."""
        share = np.ones(len(self.means))
        for _ in range(HALVINGS):
            there = self.at([a + share[:, None, None] * step for a, step in zip(here.a, steps, strict=True)])
            low = ~(there.height >= here.height - 1e-12 * np.abs(here.height))
            if not low.any():
                break
            share[low] /= 2
        return there

    def at(self, a: list[Array]) -> Place:
        """Return the place of given a."""
        covs = (self.blocks.covs[k] for k in self.kinds)
        Pa = [np.einsum("gcab,gcb->gca", P, one) for P, one in zip(covs, a, strict=True)]
        terms = self.say(self.states(Pa))
        squares = (np.einsum("gca,gca->g", *pair) for pair in zip(a, Pa, strict=True))
        return Place(a, Pa, terms, terms.density - 0.5 * sum(squares))

    def states(self, Pa: list[Array]) -> Array:
        """Return means + P a ``(G, n)``."""
        states = self.means.copy()
        for k, part in zip(self.kinds, Pa, strict=True):
            states[:, self.blocks.kinds[k]] += part
        return states

    def left(self, here: Place) -> Told:
        """Return the law at the top."""
        covs, logs = list(self.blocks.covs), here.height.copy()
        for k, J in zip(self.kinds, here.terms.informations, strict=True):
            P = covs[k]
            left, volume = told(P.reshape(-1, *P.shape[2:]), J.reshape(-1, *J.shape[2:]))
            covs[k] = left.reshape(P.shape)
            logs -= 0.5 * volume.reshape(len(logs), -1).sum(axis=1)
        return Told(self.states(here.Pa), Blocks(self.blocks.kinds, tuple(covs)), logs)
