"""Problems that differ by one number: iterations for one begin at what those before it came to.

The numbers are known beforehand, and so is how much every solution counts for the start of every other. An
answer does not depend on what was asked before: a family is solved whole, from nothing.
"""

import numpy as np

from mscale_uq.core.parameter import Array

NEAREST = 5  # neighbours that a start is interpolated from; of more, little is gained (measured)


def starts(places: Array) -> Array:
    """Return ``(members, members)`` weights: a row times the solutions is where its member begins.

    That is the polynomial through the nearest of the members before it, at its place; the first member, which
    has none, begins at nothing. `places` ``(members,)`` differ from each other.
    """
    weights = np.zeros((places.size, places.size))
    for member, place in enumerate(places):
        near = np.argsort(np.abs(places[:member] - place), kind="stable")[:NEAREST]
        weights[member, near] = _lagrange(places[near], place)
    return weights


def _lagrange(places: Array, at: float) -> Array:
    """Return the weights with which values at the places add up to their polynomial's value."""
    apart = places[:, None] - places + np.eye(places.size)
    shares = (at - places + np.zeros_like(apart)) / apart
    np.fill_diagonal(shares, 1.0)
    return np.asarray(shares.prod(axis=1))
