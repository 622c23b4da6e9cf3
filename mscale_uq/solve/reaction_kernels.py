"""Reactions one after another, exactly, with random numbers that two parameter values can share.

A reaction happens when its own clock, which runs at the speed of its rate, has run through the next of its
own waiting times of mean one. These hang on key, replica, reaction and count alone, so that two paths differ
as little as their rates do.

Source: D. F. Anderson, A modified next reaction method for simulating chemical systems with time dependent
propensities and delays, J. Chem. Phys. 127 (2007) 214107, doi:10.1063/1.2799998.
"""

import numpy as np

from mscale_uq.solve.kernel import kernel
from mscale_uq.solve.philox import exponential
from mscale_uq.solve.reaction_rates import chance

FEW = 64  # reactions, among which looking through all is faster than a tournament


@kernel
def tournament(count):
    """Return the leaves of a tournament of so many reactions, and room for who wins: ``tree[1]`` at last."""
    leaves = 1
    while leaves < count:
        leaves *= 2
    return np.arange(2 * leaves) - leaves


@kernel
def play(tree, due, node):
    """Enter the earlier of two into the tournament."""
    a, b = tree[2 * node], tree[2 * node + 1]
    tree[node] = a if b >= due.size or (a < due.size and due[a] <= due[b]) else b


@kernel
def reseat(tree, due, r):
    """Bring the tournament up to date after reaction r has another time; a few reactions hold none."""
    node = (tree.size // 2 + r) // 2 if due.size > FEW else 0
    while node > 0:
        play(tree, due, node)
        node //= 2


@kernel
def soonest(tree, due):
    """Return the reaction that comes first."""
    first = tree[1] if due.size > FEW else 0
    if due.size <= FEW:
        for r in range(1, due.size):
            if due[r] < due[first]:
                first = r
    return first


@kernel
def wind(parts, x, p, key, m, rate, left, since, due, tree):
    """Set all clocks of a replica at time zero."""
    constant, taken, order, hill = parts
    for r in range(due.size):
        rate[r], left[r] = chance(constant, taken, order, hill, r, x, p), exponential(key, m, r, 0)
        since[r], due[r] = 0.0, left[r] / rate[r] if rate[r] > 0 else np.inf
    for node in range(tree.size // 2 - 1, 0, -1):
        play(tree, due, node)


@kernel
def simulate(s, start, p, stops, key, most, states, counts, exposure):
    """Fill states ``(M, T, n)`` at the times `stops`, from `start` ``(M, n)`` at time zero.

    p ``(M, P)``. `counts` ``(M, R)`` is how often each reaction happened, `exposure` ``(M, R)`` the integral
    of its rate, which has the same mean. Returns the number of a replica in which more than `most` reactions
    happened, or -1.
    """
    for m in range(start.shape[0]):
        x = start[m].copy()
        if not replica(s, x, p[m], stops, key, m, most, states[m], counts[m], exposure[m]):
            return m
    return -1


@kernel
def replica(s, x, p, stops, key, m, most, states, counts, exposure):
    """Move one replica; False if more than `most` reactions happen."""
    constant, taken, order, hill, moved, step = s.constant, s.taken, s.order, s.hill, s.moved, s.step
    first, heard, R = s.first, s.heard, s.constant.size
    rate, left, since, due, tree = np.empty(R), np.empty(R), np.empty(R), np.empty(R), tournament(R)
    wind((constant, taken, order, hill), x, p, key, m, rate, left, since, due, tree)
    counts[:], exposure[:] = 0, 0.0
    for t in range(stops.size):
        r = soonest(tree, due)
        while due[r] <= stops[t]:
            now = due[r]
            for k in range(step.shape[1]):
                x[moved[r, k]] += step[r, k]
            counts[r] += 1
            exposure[r] += rate[r] * (now - since[r])
            left[r], since[r] = exponential(key, m, r, counts[r]), now
            due[r] = now + left[r] / rate[r]
            for h in range(first[r], first[r + 1]):
                q = heard[h]
                passed = rate[q] * (now - since[q])
                exposure[q] += passed
                left[q], since[q] = max(left[q] - passed, 0.0), now
                rate[q] = chance(constant, taken, order, hill, q, x, p)
                due[q] = now + left[q] / rate[q] if rate[q] > 0 else np.inf
                reseat(tree, due, q)
            reseat(tree, due, r)
            most -= 1
            if most < 0:
                return False
            r = soonest(tree, due)
        states[t] = x
    exposure += rate * (stops[-1] - since)
    return True
