"""The serial ensemble square-root filter: one reading after the other, each a scalar."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain
from mscale_uq.filters.analysis import Analysis
from mscale_uq.filters.innovation import Innovation, divide_noise, noise_factor
from mscale_uq.filters.localisation import Localisation


@final
@dataclass(frozen=True)
class Serial(Analysis):
    """For each reading: mean + k d, anomalies - a k y, a = 1 / (1 + sqrt(r / s)), s = y'y/(N - 1) + r.

    Predicted readings that come later are moved along, so the model is not run again. Correlated noise is
    made independent first. For linear models mean and sample covariance come out as Kalman's.

    Source: J. S. Whitaker and T. M. Hamill, Mon. Wea. Rev. 130 (2002) 1913-1924,
    doi:10.1175/1520-0493(2002)130<1913:EDAWPO>2.0.CO;2.

    Raises
    ------
    InputError
        By `update`, if readings are localised and their noise is correlated: a mixture of them has no place.
    """

    localisation: Localisation | None = None

    def update(self, members: Array, innovation: Innovation, rng: np.random.Generator | None = None) -> Array:
        """Return the members given the readings."""
        factor = noise_factor(innovation.noise)
        if innovation.reach is not None and factor.ndim == 2:
            raise InputError(explain("serial: localised readings with correlated noise", "one of both"))
        n, mean = members.shape[1], members.mean(axis=0)
        shift = np.concatenate([np.zeros(n), -divide_noise(factor, innovation.departure)])
        columns = np.hstack([members - mean, divide_noise(factor, innovation.anomalies.T).T])
        reach = self._reach(innovation)
        for j in range(n, columns.shape[1]):
            y = columns[:, j].copy()
            s = y @ y / (innovation.members - 1) + 1
            gain = (y @ columns) / (innovation.members - 1) / s
            if reach is not None:
                gain *= reach[:, j - n]
            shift -= gain * shift[j]
            columns -= np.outer(y, gain / (1 + np.sqrt(1 / s)))
        return mean + shift[:n] + columns[:, :n]

    def _reach(self, innovation: Innovation) -> Array | None:
        """Return ``(n + m, m)``: how far each reading reaches the states and the other readings."""
        if innovation.reach is None or innovation.taper is None:
            return None
        return np.vstack([innovation.reach, innovation.taper])
