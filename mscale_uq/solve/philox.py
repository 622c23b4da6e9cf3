"""Random numbers by counter, for kernels: Philox4x32 in ten rounds, a plain function of counter and key.

A kernel that asks for the n-th number of stream r of replica m gets the same one in whatever order it asks,
so that two parameter values can share their chance exactly.

Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3,
SC '11 (2011), doi:10.1145/2063384.2063405.
"""

import numpy as np

from mscale_uq.solve.kernel import kernel

LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


@kernel
def philox(c0, c1, c2, c3, k0, k1):
    """Return four words of 32 bits from a counter of four and a key of two, all of them uint64."""
    for _ in range(10):
        p0, p1 = M0 * c0, M1 * c2
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
    return c0, c1, c2, c3


@kernel
def uniform(key, replica, stream, count):
    """Return a number in (0, 1): the one of that count in that stream of that replica."""
    n, k = np.uint64(count), np.uint64(key)
    a, b, _, _ = philox(n & LOW, n >> HALF, np.uint64(stream), np.uint64(replica), k & LOW, k >> HALF)
    return (np.float64(((a << HALF) | b) >> np.uint64(11)) + 0.5) * 2.0**-53


@kernel
def exponential(key, replica, stream, count):
    """Return a waiting time of mean one."""
    return -np.log(uniform(key, replica, stream, count))
