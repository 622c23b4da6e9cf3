"""Isotropic constituents in plane strain: linear volume change, shear that softens as a power of the strain.

With the deviator d of the strain and e^2 = (2/3) d : d,

    sigma = kappa tr(eps) I + 2 mu(e) d,        mu(e) = mu_0 (1 + (e/e_0)^2)^((m - 1)/2),

kappa = E/(3 (1 - 2 nu)), mu_0 = E/(2 (1 + nu)). m = 1 is linear elasticity. The law has the potential

    psi = kappa/2 tr(eps)^2 + 3 mu_0 e_0^2/(m + 1) ((1 + (e/e_0)^2)^((m + 1)/2) - 1),

convex for 0 < m. Strains are (eps_xx, eps_yy, 2 eps_xy), properties (E, nu, e_0, m). The functions take real
or complex numbers, so that they can be differentiated by the complex step.
"""

from mscale_uq.solve.kernel import kernel


@kernel
def moduli(p):
    """Return bulk modulus and shear modulus at zero strain."""
    return p[0] / (3 * (1 - 2 * p[1])), p[0] / (2 * (1 + p[1]))


@kernel
def _deviator(xx, yy, xy):
    """Return the three entries in the plane, and e^2."""
    third = (xx + yy) / 3
    d_xx, d_yy, d_xy = xx - third, yy - third, xy / 2
    return d_xx, d_yy, d_xy, 2 * (d_xx * d_xx + d_yy * d_yy + third * third + 2 * d_xy * d_xy) / 3


@kernel
def softening(square, p):
    """Return mu(e)/mu_0 at e^2."""
    return (1 + square / (p[2] * p[2])) ** ((p[3] - 1) / 2)


@kernel
def stress(xx, yy, xy, p):
    """Return the stresses xx, yy, xy."""
    kappa, mu = moduli(p)
    d_xx, d_yy, d_xy, square = _deviator(xx, yy, xy)
    if p[3] != 1:
        mu = mu * softening(square, p)
    pressure = kappa * (xx + yy)
    return pressure + 2 * mu * d_xx, pressure + 2 * mu * d_yy, 2 * mu * d_xy


@kernel
def energy(xx, yy, xy, p):
    """Return the potential."""
    kappa, mu = moduli(p)
    square, e2 = _deviator(xx, yy, xy)[3], p[2] * p[2]
    volume = kappa * (xx + yy) * (xx + yy) / 2
    if p[3] == 1:
        return volume + 1.5 * mu * square
    return volume + 3 * mu * e2 / (p[3] + 1) * ((1 + square / e2) ** ((p[3] + 1) / 2) - 1)


@kernel
def fill_tangent(xx, yy, xy, p, C):
    """Fill the derivative of the stresses to the strains ``(3, 3)``, real."""
    kappa, mu = moduli(p)
    d_xx, d_yy, d_xy, square = _deviator(xx, yy, xy)
    turn = 0.0
    if p[3] != 1:
        mu = mu * softening(square, p)
        turn = 8 * mu * (p[3] - 1) / (6 * (p[2] * p[2] + square))
    C[0, 0] = kappa + 4 * mu / 3 + turn * d_xx * d_xx
    C[1, 1] = kappa + 4 * mu / 3 + turn * d_yy * d_yy
    C[2, 2] = mu + turn * d_xy * d_xy
    C[0, 1] = C[1, 0] = kappa - 2 * mu / 3 + turn * d_xx * d_yy
    C[0, 2] = C[2, 0] = turn * d_xx * d_xy
    C[1, 2] = C[2, 1] = turn * d_yy * d_xy
