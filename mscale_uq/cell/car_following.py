"""Closures of car following: from the spacing that drivers keep to the flow of a road.

A driver keeps the spacing s = ell + tau v up to the free speed. What is averaged depends on what varies:

* drivers differ: all go at one speed v, so that the mean spacing is <ell> + <tau> v;
* the road differs, on a scale that the macro model does not see: all of it carries one flux q, so that the
  mean density is rho(q) = <1/ell> - q <tau/ell>, and no stretch lets more than its own capacity pass.

Both give free flow, a plateau, and a congested branch (jam density - rho)/headway. Averaging the flux at a
frozen density is not a homogenisation: it lets more pass than the worst stretch can.

The congested branch is even traffic. Drivers who correct their speed at a rate a < 2/tau do not keep it:
small waves in it grow.
"""

import numpy as np


def capacity(free_speed, spacing, headway):
    """Return the largest flow of a uniform road."""
    return free_speed / (spacing + headway * free_speed)


def drivers_differ(headway, spacing, free_speed, headway_contrast):
    """Return free-flow speed, jam density, headway of a queue and capacity: those of the mean driver."""
    slow, fast = headway * (1 + headway_contrast), headway * (1 - headway_contrast)
    mean = (slow + fast) / 2
    return 1.0 * free_speed, 1 / spacing, mean / spacing, capacity(free_speed, spacing, mean)


def road_differs(headway, spacing, free_speed, headway_contrast):
    """Return the same for a road of two kinds of stretches in equal shares, which carry one flux."""
    slow, fast = headway * (1 + headway_contrast), headway * (1 - headway_contrast)
    least = np.minimum(capacity(free_speed, spacing, slow), capacity(free_speed, spacing, fast))
    return 1.0 * free_speed, 1 / spacing, (slow + fast) / 2 / spacing, least
