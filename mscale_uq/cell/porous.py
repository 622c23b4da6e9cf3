"""Numbers by which porous media are compared, and the closure that links them; all are dimensionless.

With porosity eps and D_eff/D the effective diffusivity relative to that of what fills the pores:

    tortuosity factor  tau = eps D / D_eff,      which is eps times the MacMullin number D / D_eff
    Bruggeman exponent alpha = ln(D_eff/D) / ln eps,   that is   D_eff = D eps^alpha

A medium whose pores do not percolate has D_eff = 0: both are infinite. The functions are analytic and
serve in a `Formula`, too.

Source: B. Tjaden, D. J. L. Brett, P. R. Shearing, Tortuosity in electrochemical devices: a review of
calculation approaches, Int. Mater. Rev. 63 (2018) 47-67, doi:10.1080/09506608.2016.1249995.
"""

from typing import Any

import numpy as np


def tortuosity_factor(porosity: Any, ratio: Any) -> Any:
    """Return eps D / D_eff from the porosity and the `ratio` D_eff/D."""
    with np.errstate(divide="ignore"):
        return np.divide(porosity, ratio)


def bruggeman_exponent(porosity: Any, ratio: Any) -> Any:
    """Return ln(D_eff/D) / ln eps from the porosity, below one, and the `ratio` D_eff/D."""
    with np.errstate(divide="ignore"):
        return np.log(ratio) / np.log(porosity)


def bruggeman_ratio(porosity: Any, exponent: Any) -> Any:
    """Return D_eff/D = eps^alpha."""
    return porosity**exponent
