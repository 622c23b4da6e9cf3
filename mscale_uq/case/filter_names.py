"""The filters a case may name, and what each of them is for."""

from collections.abc import Mapping

FILTERS: Mapping[str, str] = {
    "kalman": "affine model, normal laws: exact; refuses others",
    "square_root": "the same by a factor of the covariance: very wide starts, nearly exact readings",
    "extended": "smooth model with derivatives, nearly linear over its own spread; the cheapest",
    "iterated_extended": "the same, linearised again where the readings pull it: counts, strong curvature",
    "unscented": "no derivatives, a smooth model of few states; sigma points",
    "cubature": "the same with weights that are never negative: more states",
    "posterior_linearisation": "no derivatives, and readings that are counts or strongly curved",
    "laplace": "laws that are not normal: counts, outliers, saturated readings as bounds; wants derivatives",
    "gaussian_sum": "learns parameters of a model that is linear given them, without linearising in them; "
    "saturated readings as bounds",
    "stochastic": "ensemble with perturbed readings: the most robust where laws are far from normal",
    "etkf": "ensemble of few members and small state, no sampling noise; with rotation over many cycles",
    "denkf": "ensemble, deterministic and cheap, needs hardly any inflation; localisation on covariances",
    "serial": "ensemble, one reading after the other: many independent readings, localised",
    "letkf": "large fields with few members: each state from the readings around it",
    "ienks": "strongly nonlinear dynamics without noise: iterates over a window of past readings",
    "esmda": "dynamics without noise, all readings at once: parameters and initial state",
    "particle": "few states, any law, several modes",
}
