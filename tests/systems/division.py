"""Cell division by moments: what mother and daughters of `DividingCells` are held to.

Of a mother with numbers N of mean m and covariance P, one daughter gets n of mean p m and covariance
p^2 P + p (1 - p) diag(m), the other N - n; given N they share what there is, so
Cov(n, N - n) = p (1 - p) (P - diag(m)).
"""

import numpy as np


def divide(mean, cov, share=0.5):
    """Return mean ``(2 n,)`` and covariance ``(2 n, 2 n)`` of both daughters, one after the other."""
    m, P, rest = np.asarray(mean, dtype=float), np.asarray(cov, dtype=float), 1 - share
    binomial = share * rest * np.diag(m)
    between = share * rest * P - binomial
    one, other = share**2 * P + binomial, rest**2 * P + binomial
    return np.concatenate([share * m, rest * m]), np.block([[one, between], [between.T, other]])
