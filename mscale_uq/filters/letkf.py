"""The local ensemble transform Kalman filter: an analysis for each place, with the readings around it."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain
from mscale_uq.filters.analysis import Analysis
from mscale_uq.filters.innovation import Innovation, noise_factor
from mscale_uq.filters.localisation import Localisation

BLOCK = 512  # places transformed at once: bounds the memory, which is BLOCK N^2


@final
@dataclass(frozen=True)
class LETKF(Analysis):
    """The symmetric transform of `ETKF`, place by place, with the precision of each reading tapered.

    Source: B. R. Hunt, E. J. Kostelich and I. Szunyogh, Physica D 230 (2007) 112-126,
    doi:10.1016/j.physd.2006.11.008.

    Raises
    ------
    InputError
        By `update`, if the noise is correlated: tapering acts on single readings.
    """

    localisation: Localisation

    def update(self, members: Array, innovation: Innovation, rng: np.random.Generator | None = None) -> Array:
        """Return the members given the readings."""
        sd, root = noise_factor(innovation.noise), np.sqrt(innovation.members - 1)
        if sd.ndim == 2 or innovation.reach is None:
            raise InputError(explain("letkf: correlated noise", "independent readings", "use denkf"))
        Y, d = innovation.anomalies / sd / root, innovation.departure / sd / root
        mean = members.mean(axis=0)
        A, result = members - mean, np.empty_like(members)
        for first in range(0, members.shape[1], BLOCK):
            block = slice(first, first + BLOCK)
            transforms = local_transforms(Y, d, innovation.reach[block])
            result[:, block] = mean[block] + np.einsum("gij,jg->ig", transforms, A[:, block])
        return result


def local_transforms(Y: Array, d: Array, reach: Array) -> Array:
    """Return ``(places, N, N)``: weights of the anomalies in each analysed member, at each place.

    Y ``(N, m)`` and d ``(m,)`` as in `mscale_uq.filters.etkf.by_members`, reach ``(places, m)``.
    """
    members = len(Y)
    pairs = (Y[:, None, :] * Y[None, :, :]).reshape(members**2, -1)
    values, Q = np.linalg.eigh((reach @ pairs.T).reshape(-1, members, members))
    a = 1 + np.maximum(values, 0.0)
    pull = np.einsum("gi,gij->gj", (reach * d) @ Y.T, Q) / a
    return ((Q / np.sqrt(a)[:, None, :]) + pull[:, None, :]) @ Q.swapaxes(1, 2)
