"""The usual law of a reading, normal with a variance that depends on nothing, and what it makes cheap."""

from functools import lru_cache

import numpy as np

from mscale_uq.core.law import Law
from mscale_uq.core.parameter import Array
from mscale_uq.observe.laws import Gaussian


def is_plain(law: Law) -> bool:
    """Whether a law is known to be normal with a variance that does not depend on the prediction."""
    if not isinstance(law, Gaussian):
        return False
    return law.relative == 0.0 or not (isinstance(law.relative, str) or np.any(law.relative))


def fixed_cov(law: Law, size: int) -> Array | None:
    """Return the covariance ``(size, size)`` of such a law whose sd is a number, None for other laws."""
    if not is_plain(law) or isinstance(sd := law.sd, str):  # type: ignore[attr-defined]
        return None
    return diagonal(sd, size)


@lru_cache(maxsize=64)
def diagonal(sd: float | tuple[float, ...], size: int) -> Array:
    """Return the covariance of independent readings; kept, since most streams ask for one again and again."""
    cov = np.diag(np.broadcast_to(np.square(sd), (size,)).astype(float))
    cov.flags.writeable = False
    return cov
