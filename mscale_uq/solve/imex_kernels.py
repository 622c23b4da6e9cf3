"""One compiled march of a column: explicit advection, implicit diffusion, implicit local reaction.

A stage of an implicit-explicit Runge-Kutta method whose diagonal entry is g asks in every cell for

    c - g dt diffusion(c) + g dt R(c, s) = r_c,        s - g dt R(c, s) = r_s.

The second is closed in the cell for given c (the micro problem: Newton on one number), so that the first is
a tridiagonal Newton search with the closed slope dR/dc. The same factors carry the sensitivities. R is called
with complex numbers and differentiated by the complex step. `physics` is (velocity, dispersion, inlet), then
what R reads.
"""

import numpy as np

from mscale_uq.solve.kernel import kernel

STEP = 1e-40
MAX_ITERATIONS = 50
TOLERANCE = 1e-10  # of the last Newton step; the error after it is its square
NOTHING = 1e-290  # far ahead of a front numbers run out of digits: what is smaller has no relative error
NO_ROOT, NO_BALANCE = 1, 2


@kernel
def close(rate, c, r, gdt, p, made):
    """Fill s, R, dR/dc, dR/dr and the factor 1/(1 - g dt R_s) at concentration c; False without a root."""
    s = r
    for _ in range(MAX_ITERATIONS):
        stepped = rate(complex(c, 0.0), complex(s, STEP), p)
        by_s = stepped.imag / STEP
        step = (r + gdt * stepped.real - s) / (1 - gdt * by_s)
        s += step
        if abs(step) <= TOLERANCE * (abs(s) + abs(r)) + NOTHING:
            by_c = rate(complex(c, STEP), complex(s, 0.0), p).imag / STEP
            share = 1 / (1 - gdt * by_s)
            made[0], made[1], made[2], made[3], made[4] = s, (s - r) / gdt, by_c * share, by_s * share, share
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
def solve_stage(rate, r_c, r_s, gdt, D, inlet, dx, p, c, s, R, slopes, diagonal, upper):
    """Find c, s, R of a stage; leaves the closed slopes ``(n, 5)`` and the factors. 0 if all is well."""
    n, off = c.size, -gdt * D / dx**2
    part, made = np.empty(n), np.empty(5)
    for _ in range(MAX_ITERATIONS):
        diffusion(c, D, inlet, dx, part)
        for i in range(n):
            if not close(rate, c[i], r_s[i], gdt, p, made):
                return NO_ROOT
            slopes[i] = made
            s[i], R[i] = made[0], made[1]
            neighbours = 3.0 if i == 0 else (1.0 if i == n - 1 else 2.0)
            diagonal[i] = 1 - neighbours * off + gdt * made[2]
            part[i] = r_c[i] + gdt * part[i] - gdt * R[i] - c[i]
        eliminate(diagonal, off, upper)
        substitute(diagonal, off, upper, part)
        largest = np.abs(part).max()
        c += part
        if not np.isfinite(largest):
            return NO_BALANCE
        if largest <= TOLERANCE * (np.abs(c).max() + abs(inlet)):
            for i in range(n):
                s[i] += gdt * slopes[i, 2] * part[i]
                R[i] = (s[i] - r_s[i]) / gdt
            return 0
    return NO_BALANCE


@kernel
def solve_tangent(
    rate, c, s, g, D, inlet, dx, p, moved, slopes, diagonal, upper, dc, ds, dR, work
):  # fmt: skip
    """Replace the stage's right-hand sides dc, ds by their solution, and fill dR, along `moved`."""
    stepped, reacts = p.copy(), False
    for b in range(p.size):
        stepped[b] += complex(0.0, STEP * moved[3 + b])
        reacts = reacts or moved[3 + b] != 0
    diffusion(c, moved[1], inlet, dx, work)
    for i in range(c.size):
        dR[i] = slopes[i, 3] * ds[i]  # at fixed c
        if reacts:
            dR[i] += slopes[i, 4] * rate(complex(c[i], 0.0), complex(s[i], 0.0), stepped).imag / STEP
        dc[i] += g * (work[i] - dR[i])
    dc[0] += g * 2 * D * moved[2] / dx**2
    substitute(diagonal, -g * D / dx**2, upper, dc)
    for i in range(c.size):
        dR[i] += slopes[i, 2] * dc[i]
        ds[i] += g * dR[i]


@kernel
def gather(k, dt, A_im, A_ex, adv, dif, R, c, s):
    """Add to c and s ``(n,)``, the values at the start, what the stages before stage k have done."""
    for j in range(k):
        for i in range(c.size):
            c[i] += dt * (A_ex[k, j] * adv[j, i] + A_im[k, j] * (dif[j, i] - R[j, i]))
            s[i] += dt * A_im[k, j] * R[j, i]


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
def march(rate, c, s, physics, dx, dt, central, A_im, A_ex, dc, ds, d_physics, content, gained):
    """Move c and s ``(n,)`` and their sensitivities ``(m, n)`` in place, one step per entry of `gained`.

    `d_physics` ``(m, physics)`` says what each direction moves beside the state. Returns 0 if all is well.
    """
    stages, n, m = A_im.shape[0], c.size, dc.shape[0]
    v, D, inlet, p = physics[0], physics[1], physics[2], physics[3:].astype(np.complex128)
    C, S, R = np.empty((stages, n)), np.empty((stages, n)), np.zeros((stages, n))
    adv, dif, flows = np.empty((stages, n)), np.empty((stages, n)), np.zeros((stages, 3))
    dC, dS, dR = np.empty((m, stages, n)), np.empty((m, stages, n)), np.zeros((m, stages, n))
    dadv, ddif = np.empty((m, stages, n)), np.empty((m, stages, n))
    slopes, diagonal, upper, work = np.zeros((n, 5)), np.empty(n), np.empty(n), np.empty(n)
    content[0] = (c.sum() + s.sum()) * dx
    for step in range(gained.size):
        gained[step] = 0.0
        for k in range(stages):
            g = A_im[k, k] * dt
            r_c, r_s = c.copy(), s.copy()
            gather(k, dt, A_im, A_ex, adv, dif, R, r_c, r_s)
            C[k], S[k] = r_c, r_s
            if g != 0:
                C[k] = C[k - 1]  # near by
                failed = solve_stage(
                    rate, r_c, r_s, g, D, inlet, dx, p, C[k], S[k], R[k], slopes, diagonal, upper
                )
                if failed:
                    return failed
            flows[k, 0], flows[k, 1] = advection(C[k], v, inlet, dx, central, adv[k])
            flows[k, 2] = diffusion(C[k], D, inlet, dx, dif[k])
            for q in range(m):
                dC[q, k], dS[q, k] = dc[q], ds[q]
                gather(k, dt, A_im, A_ex, dadv[q], ddif[q], dR[q], dC[q, k], dS[q, k])
                if g != 0:
                    solve_tangent(
                        rate, C[k], S[k], g, D, inlet, dx, p, d_physics[q], slopes, diagonal, upper,
                        dC[q, k], dS[q, k], dR[q, k], work,
                    )  # fmt: skip
                spread(C[k], dC[q, k], physics, d_physics[q], dx, central, dadv[q, k], ddif[q, k], work)
            gained[step] += dt * A_ex[stages - 1, k] * (flows[k, 0] - flows[k, 1])
            gained[step] += dt * A_im[stages - 1, k] * flows[k, 2]
        c[:], s[:] = C[stages - 1], S[stages - 1]
        dc[:], ds[:] = dC[:, stages - 1], dS[:, stages - 1]
        content[step + 1] = (c.sum() + s.sum()) * dx
    return 0
