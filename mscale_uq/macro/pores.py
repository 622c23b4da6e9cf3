"""Bodies that a flow washes around, which store and consume what diffuses into them, as sites of a column.

Finite volumes of the profile a in a body, on a mesh with volumes W, are

    W da/dt = (D/d^2) (T a + b c) - k W a,     T symmetric, T 1 + b = 0,

with d the depth of the body, c at its surface, and k the rate at which what is inside is consumed. The
matrix does not change with the parameters, and so the modes -mu_i, v_i of W^-1/2 T W^-1/2 are found once.
What mode i holds per volume of flowing water is a first-order site; the profile in time is all of them:

    ds_i/dt = (D/d^2) mu_i (beta f_i c - s_i) - k s_i,     f_i = (v_i . W^1/2 1)^2 / sum(W),     sum(f_i) = 1,

with beta the volume inside the bodies per volume of flowing water.

Source: R. Haggerty, S. M. Gorelick, Multiple-rate mass transfer for modeling diffusion and surface reactions
in media with pore-scale heterogeneity, Water Resour. Res. 31 (1995) 2383-2400, doi:10.1029/95WR10583.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
from scipy.linalg import eigh_tridiagonal

from mscale_uq.core.parameter import Array
from mscale_uq.macro.radial_mesh import RadialMesh

SMALL, LAST = 4.0, 25  # below this phi^2, what the fraction leaves out after this number is 1e-20 of it


@final
@dataclass(frozen=True)
class Pores:
    """Bodies of one shape and depth.

    Attributes
    ----------
    mesh
        Across a body; fine at the surface, where early times show.
    """

    mesh: RadialMesh

    @cached_property
    def modes(self) -> tuple[Array, Array]:
        """The rates mu_i ``(cells,)`` in units of D/d^2, and the shares f_i of the volume."""
        root = np.sqrt(self.mesh.volumes)
        G, _ = self.mesh.conductances(np.ones(1))
        diagonal = (G + np.append(0.0, G[:-1])) / root**2
        mu, V = eigh_tridiagonal(diagonal, -G[:-1] / (root[:-1] * root[1:]))
        return mu, (V.T @ root) ** 2 / np.sum(root**2)

    def __call__(self, values: Any) -> tuple[Any, Any]:
        """Return the rate at which sites lose, and partition and rate of every site ``(sites, 2)``.

        `values` are beta (1), D (m^2/s), d (m) and k (1/s).
        """
        beta, D, depth, k = values
        mu, share = self.modes
        return k, np.stack([beta * share, D / depth**2 * mu], axis=1)


def slab_rate(phase_ratio, pore_diffusivity, depth, pore_rate):
    """What slabs at rest with the water consume: Thiele's effectiveness is tanh(phi)/phi."""
    square = depth**2 * pore_rate / pore_diffusivity
    phi = np.sqrt(np.where(square < SMALL, SMALL, square))
    share = np.where(square < SMALL, 1 / lambert(square, 1), np.tanh(phi) / phi)
    return phase_ratio * pore_rate * share


def sphere_rate(phase_ratio, pore_diffusivity, depth, pore_rate):
    """What spheres at rest with the water consume: the effectiveness is 3 (phi coth(phi) - 1)/phi^2."""
    square = depth**2 * pore_rate / pore_diffusivity
    phi = np.sqrt(np.where(square < SMALL, SMALL, square))
    share = np.where(square < SMALL, 3 / lambert(square, 3), 3 * (phi / np.tanh(phi) - 1) / phi**2)
    return phase_ratio * pore_rate * share


def lambert(square, first):
    """Return first + square/(first + 2 + square/(first + 4 + ..)), to round-off below `SMALL`.

    Nothing cancels in it: phi coth(phi) is that from 1 with square = phi^2, and (phi coth(phi) - 1)/phi^2 is
    one over that from 3.

    Source: NIST Digital Library of Mathematical Functions, (4.39.1).
    """
    made = LAST
    for odd in range(LAST - 2, first - 2, -2):
        made = odd + square / made
    return made
