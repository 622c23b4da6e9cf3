"""Whether an update left enough digits of a covariance, in compiled loops.

A forecast that is very wide against the noise of a reading may leave fewer digits of the covariance than
matter. Where s = h'P h + r exceeds `WIDE` r, the updated h'P h is therefore held against what it must be,
r - r^2 / s. If it is off by more than `BLUR` r, digits were lost.
"""

from mscale_uq.solve.kernel import kernel

WIDE, BLUR = 1e8, 1e-6
INLINE = {"inline": "always"}


@kernel(**INLINE)
def is_blurred(n, cov, h, r, share):
    """Whether h'P h is not r (1 - share), as it is where a reading of noise r has this share of S^-1."""
    left = 0.0
    for i in range(n):
        for j in range(n):
            left += h[i] * cov[i, j] * h[j]
    return abs(left - r * (1.0 - share)) > BLUR * r > 0.0


@kernel(**INLINE)
def any_blurred(m, cov, rows, r, seen, L, z):
    """Whether one of the readings says that digits were lost; L is the factor of their covariance."""
    for a in range(m):
        noise = r[seen[a]]
        wide = diagonal(L, a) > WIDE * noise
        if wide and is_blurred(len(cov), cov, rows[a], noise, noise * inverse(L, z, a, m)):
            return True
    return False


@kernel(**INLINE)
def diagonal(L, a):
    """Entry (a, a) of L L'."""
    total = 0.0
    for c in range(a + 1):
        total += L[a, c] * L[a, c]
    return total


@kernel(**INLINE)
def inverse(L, z, a, m):
    """Entry (a, a) of (L L')^-1; z ``(m,)`` is overwritten."""
    total = 0.0
    for c in range(a, m):
        z[c] = 1.0 if c == a else 0.0
        for k in range(a, c):
            z[c] -= L[c, k] * z[k]
        z[c] /= L[c, c]
        total += z[c] * z[c]
    return total
