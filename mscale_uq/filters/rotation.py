"""Random rotation of an ensemble that keeps its mean and covariance.

Deterministic analyses let the members drift into clusters; mixing them anew each cycle prevents it.

Source: P. Sakov and P. R. Oke, Mon. Wea. Rev. 136 (2008) 1042-1053, doi:10.1175/2007MWR2021.1.
"""

from functools import lru_cache

import numpy as np
from scipy.linalg import helmert

from mscale_uq.core.parameter import Array


def rotated(members: Array, rng: np.random.Generator) -> Array:
    """Return members ``(N, n)`` with the same mean and covariance, mixed by a uniformly random rotation."""
    mean = members.mean(axis=0)
    basis = zero_mean_basis(len(members))
    return mean + basis.T @ (uniform_orthogonal(len(basis), rng) @ (basis @ (members - mean)))


def uniform_orthogonal(size: int, rng: np.random.Generator) -> Array:
    """Return an orthogonal matrix, uniform on the group: QR with the signs of R taken out."""
    Q, R = np.linalg.qr(rng.standard_normal((size, size)))
    return Q * np.sign(np.diag(R))


@lru_cache(maxsize=8)
def zero_mean_basis(members: int) -> Array:
    """Return ``(N - 1, N)``: orthonormal rows that span what sums to zero."""
    basis = helmert(members)
    basis.flags.writeable = False
    return basis
