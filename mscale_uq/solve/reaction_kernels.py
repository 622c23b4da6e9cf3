"""Reactions one after another, exactly, with random numbers that two parameter values can share.

A reaction happens when its own clock, which runs at the speed of its rate, has run through the next of its
own waiting times of mean one. These hang on key, replica, reaction and count alone, so that two paths differ
as little as their rates do.

Source: D. F. Anderson, A modified next reaction method for simulating chemical systems with time dependent
propensities and delays, J. Chem. Phys. 127 (2007) 214107, doi:10.1063/1.2799998.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from mscale_uq.solve.philox import exponential
from mscale_uq.solve.reaction_rates import chance

FEW = 64  # reactions, among which looking through all is faster than a tournament


class Clocks(NamedTuple):
    """Of R reactions: rate, what is left of the waiting time, since when, and when it will be over.

    `tree` is a tournament of more than `FEW`: ``tree[1]`` is the reaction that comes first.
    """

    rate: np.ndarray
    left: np.ndarray
    since: np.ndarray
    due: np.ndarray
    tree: np.ndarray


@njit(cache=True, error_model="numpy")
def clocks_of(count):
    """Return room for the clocks of so many reactions."""
    leaves = 1
    while leaves < max(count, 2):
        leaves *= 2
    room = np.empty((4, count))
    return Clocks(room[0], room[1], room[2], room[3], np.arange(2 * leaves) - leaves)


@njit(cache=True, error_model="numpy")
def play(c, node):
    """Enter the earlier of two into the tournament."""
    a, b, count = c.tree[2 * node], c.tree[2 * node + 1], c.due.size
    c.tree[node] = a if b >= count or (a < count and c.due[a] <= c.due[b]) else b


@njit(cache=True, error_model="numpy", inline="always")
def reseat(c, r):
    """Bring the tournament up to date after reaction r has another time; a few reactions hold none."""
    node = (c.tree.size // 2 + r) // 2 if c.due.size > FEW else 0
    while node > 0:
        play(c, node)
        node //= 2


@njit(cache=True, error_model="numpy", inline="always")
def soonest(c):
    """Return the reaction that comes first."""
    if c.due.size > FEW:
        return c.tree[1]
    first = 0
    for r in range(1, c.due.size):
        if c.due[r] < c.due[first]:
            first = r
    return first


@njit(cache=True, error_model="numpy")
def wind(c, s, x, p, key, m, counts, exposure):
    """Set all clocks at time zero."""
    for r in range(c.rate.size):
        c.rate[r], c.since[r], c.left[r] = chance(s, r, x, p), 0.0, exponential(key, m, r, 0)
        c.due[r] = c.left[r] / c.rate[r] if c.rate[r] > 0 else np.inf
        counts[r], exposure[r] = 0, 0.0
    for node in range(c.tree.size // 2 - 1, 0, -1):
        play(c, node)


@njit(cache=True, error_model="numpy", inline="always")
def happen(c, s, r, x, p, key, m, counts, exposure):
    """Let reaction r happen: it changes x, and the rates of those that hear of it."""
    now = c.due[r]
    for k in range(s.step.shape[1]):
        x[s.moved[r, k]] += s.step[r, k]
    counts[r] += 1
    exposure[r] += c.rate[r] * (now - c.since[r])
    c.left[r], c.since[r] = exponential(key, m, r, counts[r]), now
    c.due[r] = now + c.left[r] / c.rate[r]
    for h in range(s.first[r], s.first[r + 1]):
        q = s.heard[h]
        passed = c.rate[q] * (now - c.since[q])
        exposure[q] += passed
        c.left[q], c.since[q], c.rate[q] = max(c.left[q] - passed, 0.0), now, chance(s, q, x, p)
        c.due[q] = now + c.left[q] / c.rate[q] if c.rate[q] > 0 else np.inf
        reseat(c, q)
    reseat(c, r)


@njit(cache=True, error_model="numpy")
def simulate(s, start, p, stops, key, most, states, counts, exposure):
    """Fill states ``(M, T, n)`` at the times `stops`, from `start` ``(M, n)`` at time zero.

    p ``(M, P)``. `counts` ``(M, R)`` is how often each reaction happened, `exposure` ``(M, R)`` the integral
    of its rate, which has the same mean. Returns the number of a replica in which more than `most` reactions
    happened, or -1.
    """
    c = clocks_of(s.constant.size)
    for m in range(start.shape[0]):
        x, happened = start[m].copy(), 0
        q, n, e = p[m], counts[m], exposure[m]
        wind(c, s, x, q, key, m, n, e)
        for t in range(stops.size):
            while True:
                r = soonest(c)
                if not c.due[r] <= stops[t]:
                    break
                happen(c, s, r, x, q, key, m, n, e)
                happened += 1
                if happened > most:
                    return m
            states[m, t] = x
        for r in range(c.rate.size):
            e[r] += c.rate[r] * (stops[-1] - c.since[r])
    return -1
