"""How a growing cell divides its proteome between making proteins and feeding that.

A share phi_R of the proteome makes proteins and carries the growth rate gamma (phi_R - idle); the share phi_E
feeds it and carries kappa phi_E; both together are `total`. The cell grows fastest where the two rates are
equal. Shares may be in any unit, such as RNA per protein; gamma and kappa are then per that unit, in 1/time.
All functions are analytic, and serve in a `Formula`.

Source: M. Scott, C. W. Gunderson, E. M. Mateescu, Z. Zhang, T. Hwa, Interdependence of cell growth and gene
expression: origins and consequences, Science 330 (2010) 1099-1102, doi:10.1126/science.1192588.
"""

from typing import Any

import numpy as np

from mscale_uq.errors import Infeasible


def optimum(gamma: Any, kappa: Any, total: Any, idle: Any) -> tuple[Any, Any]:
    """Return the share phi_R and the growth rate at which both rates, min-like (Leontief), are equal.

    Raises
    ------
    Infeasible
        If the idle part fills the proteome, so that nothing grows.
    """
    if np.any(total <= idle):
        raise Infeasible("allocation", {}, "the idle share fills the proteome: there is no growth")
    share = (kappa * total + gamma * idle) / (gamma + kappa)
    return share, gamma * kappa * (total - idle) / (gamma + kappa)


def inhibited_share(growth: Any, kappa: Any, total: Any) -> Any:
    """Return phi_R of a cell whose protein making is slowed, by its growth rate: total - growth / kappa."""
    return total - growth / kappa


def burdened_growth(growth: Any, burden: Any, limit: Any) -> Any:
    """Return the growth rate with a useless share `burden` of the proteome; zero from `limit` on."""
    return np.where(burden < limit, growth * (1 - burden / limit), 0.0)


def share_after_upshift(time: Any, start: Any, gamma: Any, idle: Any, target: Any) -> Any:
    """Return phi_R at a time after food has become plenty, so that protein making limits growth.

    New protein is made at the share `target`, old protein is diluted: d phi_R/dt = growth (target - phi_R),
    growth = gamma (phi_R - idle), a logistic equation.
    """
    gap, ahead = start - idle, target - idle
    return idle + ahead / (1 + (ahead / gap - 1) * np.exp(-gamma * ahead * time))
