"""One compiled march of a column: explicit advection, implicit diffusion, implicit local reaction.

What has left the water is held at one or several sites, whose contents s_j react on at the rate `decay`. A
stage of an implicit-explicit Runge-Kutta method whose diagonal entry is g asks in every cell for

    c - g dt diffusion(c) + g dt sum_j R(c, s_j) = r_c,        s_j - g dt (R(c, s_j) - decay s_j) = r_j.

The latter are closed in the cell for given c (the micro problem: Newton on one number at a time, since sites
meet in the water alone), so that the first is a tridiagonal Newton search with the closed slope dR/dc. The
same factors carry the sensitivities. R is called with complex numbers and differentiated by the complex step.
Where R is linear, one step of either search is the answer.
`physics` is (velocity, dispersion, inlet, decay); `sites` ``(sites, parameters)`` is what R reads at each.
"""

import numpy as np

from mscale_uq.solve.kernel import kernel

STEP = 1e-40
MAX_ITERATIONS = 50
TOLERANCE = 1e-10  # of the last Newton step; the error after it is its square
NOTHING = 1e-290  # far ahead of a front numbers run out of digits: what is smaller has no relative error
NO_ROOT, NO_BALANCE = 1, 2


@kernel
def close(rate, linear, c, r, gdt, decay, p, made):
    """Fill s, R, dR/dc, dR/dr and the factor of dR/dp at concentration c; False without a root."""
    s, by_s = r, 0.0
    for _ in range(MAX_ITERATIONS):
        stepped = rate(complex(c, 0.0), complex(s, STEP), p)
        by_s = stepped.imag / STEP
        step = (r + gdt * (stepped.real - decay * s) - s) / (1 + gdt * (decay - by_s))
        s += step
        if linear or abs(step) <= TOLERANCE * (abs(s) + abs(r)) + NOTHING:
            by_c = rate(complex(c, STEP), complex(s, 0.0), p).imag / STEP
            share = 1 / (1 + gdt * (decay - by_s))
            made[0], made[1] = s, (s - r) / gdt + decay * s
            made[4] = (1 + gdt * decay) * share
            made[2], made[3] = by_c * made[4], by_s * share
            return np.isfinite(s)
    return False


@kernel
def advection(c, velocity, inlet, dx, central, made):
    """Fill - v dc/dx from upwind or central faces; return what enters and what leaves per time and area."""
    n = c.size
    left = velocity * inlet
    for i in range(n):
        right = velocity * c[i]
        if central and i < n - 1:
            right = velocity * (c[i] + c[i + 1]) / 2
        made[i] = (left - right) / dx
        if i == 0:
            first = left
        left = right
    return first, left


@kernel
def diffusion(c, D, inlet, dx, made):
    """Fill D d2c/dx2 with the inlet's value at its face and no slope at the outlet; return what enters."""
    n, left = c.size, 2 * D * (inlet - c[0]) / dx
    first = left
    for i in range(n):
        right = D * (c[i] - c[i + 1]) / dx if i < n - 1 else 0.0 * D
        made[i] = (left - right) / dx
        left = right
    return first


@kernel
def eliminate(diagonal, off, upper):
    """Replace the diagonal of a symmetric-pattern tridiagonal matrix with constant `off` by its pivots."""
    upper[0] = off / diagonal[0]
    for i in range(1, diagonal.size):
        diagonal[i] -= off * upper[i - 1]
        upper[i] = off / diagonal[i]


@kernel
def substitute(diagonal, off, upper, x):
    """Solve for the right-hand side x in place."""
    x[0] /= diagonal[0]
    for i in range(1, x.size):
        x[i] = (x[i] - off * x[i - 1]) / diagonal[i]
    for i in range(x.size - 2, -1, -1):
        x[i] -= upper[i] * x[i + 1]


@kernel
def solve_stage(rate, linear, r_c, r_s, gdt, D, inlet, decay, dx, p, c, s, R, slopes, diagonal, upper):
    """Find c ``(n,)`` and s, R ``(sites, n)``; leaves the closed slopes and the factors. 0 if all is well."""
    n, off = c.size, -gdt * D / dx**2
    part = np.empty(n)
    for _ in range(MAX_ITERATIONS):
        diffusion(c, D, inlet, dx, part)
        for i in range(n):
            taken = by_c = 0.0
            for j in range(p.shape[0]):
                if not close(rate, linear, c[i], r_s[j, i], gdt, decay, p[j], slopes[j, i]):
                    return NO_ROOT
                s[j, i], R[j, i] = slopes[j, i, 0], slopes[j, i, 1]
                taken, by_c = taken + R[j, i], by_c + slopes[j, i, 2]
            neighbours = 3.0 if i == 0 else (1.0 if i == n - 1 else 2.0)
            diagonal[i] = 1 - neighbours * off + gdt * by_c
            part[i] = r_c[i] + gdt * part[i] - gdt * taken - c[i]
        eliminate(diagonal, off, upper)
        substitute(diagonal, off, upper, part)
        largest = np.abs(part).max()
        c += part
        if not np.isfinite(largest):
            return NO_BALANCE
        if linear or largest <= TOLERANCE * (np.abs(c).max() + abs(inlet)):
            for j in range(p.shape[0]):
                for i in range(n):
                    s[j, i] += gdt * slopes[j, i, 2] * part[i] / (1 + gdt * decay)
                    R[j, i] = (s[j, i] - r_s[j, i]) / gdt + decay * s[j, i]
            return 0
    return NO_BALANCE


@kernel
def solve_tangent(
    rate, c, s, g, D, inlet, decay, dx, p, moved, at_sites, slopes, diagonal, upper, dc, ds, dR, work
):  # fmt: skip
    """Replace the stage's right-hand sides dc, ds by their solution, and fill dR, along a direction."""
    stepped = p + complex(0.0, STEP) * at_sites
    diffusion(c, moved[1], inlet, dx, work)
    for j in range(p.shape[0]):
        reacts = np.any(at_sites[j] != 0)
        for i in range(c.size):
            dR[j, i] = slopes[j, i, 3] * (ds[j, i] - g * s[j, i] * moved[3])  # at fixed c
            if reacts:
                by_p = rate(complex(c[i], 0.0), complex(s[j, i], 0.0), stepped[j]).imag / STEP
                dR[j, i] += slopes[j, i, 4] * by_p
            work[i] -= dR[j, i]
    dc += g * work
    dc[0] += g * 2 * D * moved[2] / dx**2
    substitute(diagonal, -g * D / dx**2, upper, dc)
    for j in range(p.shape[0]):
        for i in range(c.size):
            dR[j, i] += slopes[j, i, 2] * dc[i]
            ds[j, i] = (ds[j, i] + g * (dR[j, i] - s[j, i] * moved[3])) / (1 + g * decay)


@kernel
def gather(k, dt, A_im, A_ex, adv, dif, R, lost, c, s):
    """Add to c ``(n,)`` and s ``(sites, n)``, those at the start, what the stages before k have done."""
    for stage in range(k):
        explicit, implicit = dt * A_ex[k, stage], dt * A_im[k, stage]
        for i in range(c.size):
            c[i] += explicit * adv[stage, i] + implicit * dif[stage, i]
            for j in range(s.shape[0]):
                c[i] -= implicit * R[stage, j, i]
                s[j, i] += implicit * (R[stage, j, i] - lost[stage, j, i])


@kernel
def spread(c, dc, physics, moved, dx, central, adv, dif, work):
    """Fill the changes of advection and diffusion along one direction."""
    v, D, inlet = physics[0], physics[1], physics[2]
    advection(dc, v, moved[2], dx, central, adv)
    diffusion(dc, D, moved[2], dx, dif)
    if moved[0] != 0:
        advection(c, moved[0], inlet, dx, central, work)
        adv += work
    if moved[1] != 0:
        diffusion(c, moved[1], inlet, dx, work)
        dif += work


@kernel
def march(
    rate, linear, c, s, physics, sites, dx, dt, central, A_im, A_ex, dc, ds, d_physics, d_sites, content,
    gained,
):  # fmt: skip
    """Move c ``(n,)``, s ``(sites, n)`` and their sensitivities in place, one step per entry of `gained`.

    dc is ``(m, n)``, ds ``(m, sites, n)``; `d_physics` ``(m, 4)`` and `d_sites` ``(m, *sites.shape)`` say
    what each direction moves beside the state. Returns 0 if all is well.
    """
    stages, n, m, count = A_im.shape[0], c.size, dc.shape[0], s.shape[0]
    v, D, inlet, decay = physics[0], physics[1], physics[2], physics[3]
    p = sites.astype(np.complex128)
    C, S = np.empty((stages, n)), np.empty((stages, count, n))
    R, lost = np.zeros((stages, count, n)), np.zeros((stages, count, n))
    adv, dif, flows = np.empty((stages, n)), np.empty((stages, n)), np.zeros((stages, 3))
    dC, dS = np.empty((m, stages, n)), np.empty((m, stages, count, n))
    dR, d_lost = np.zeros((m, stages, count, n)), np.zeros((m, stages, count, n))
    dadv, ddif = np.empty((m, stages, n)), np.empty((m, stages, n))
    slopes, diagonal, upper, work = np.zeros((count, n, 5)), np.empty(n), np.empty(n), np.empty(n)
    content[0] = (c.sum() + s.sum()) * dx
    for step in range(gained.size):
        gained[step] = 0.0
        for k in range(stages):
            g = A_im[k, k] * dt
            r_c, r_s = c.copy(), s.copy()
            gather(k, dt, A_im, A_ex, adv, dif, R, lost, r_c, r_s)
            C[k], S[k] = r_c, r_s
            if g != 0:
                C[k] = C[k - 1]  # near by
                failed = solve_stage(
                    rate, linear, r_c, r_s, g, D, inlet, decay, dx, p, C[k], S[k], R[k], slopes, diagonal,
                    upper,
                )  # fmt: skip
                if failed:
                    return failed
                lost[k] = decay * S[k]
            flows[k, 0], flows[k, 1] = advection(C[k], v, inlet, dx, central, adv[k])
            flows[k, 2] = diffusion(C[k], D, inlet, dx, dif[k])
            for q in range(m):
                dC[q, k], dS[q, k] = dc[q], ds[q]
                gather(k, dt, A_im, A_ex, dadv[q], ddif[q], dR[q], d_lost[q], dC[q, k], dS[q, k])
                if g != 0:
                    solve_tangent(
                        rate, C[k], S[k], g, D, inlet, decay, dx, p, d_physics[q], d_sites[q], slopes,
                        diagonal, upper, dC[q, k], dS[q, k], dR[q, k], work,
                    )  # fmt: skip
                    d_lost[q, k] = decay * dS[q, k] + d_physics[q, 3] * S[k]
                spread(C[k], dC[q, k], physics, d_physics[q], dx, central, dadv[q, k], ddif[q, k], work)
            gained[step] += dt * A_ex[stages - 1, k] * (flows[k, 0] - flows[k, 1])
            gained[step] += dt * A_im[stages - 1, k] * (flows[k, 2] - lost[k].sum() * dx)
        c[:], s[:] = C[stages - 1], S[stages - 1]
        dc[:], ds[:] = dC[:, stages - 1], dS[:, stages - 1]
        content[step + 1] = (c.sum() + s.sum()) * dx
    return 0
