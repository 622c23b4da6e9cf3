"""One compiled march of nonlinear diffusion through cells in a row: two implicit stages a step, L-stable.

    cap_i dc_i/dt = K_i D(c) (c_(i+1) - c_i) - K_(i-1) D(c) (c_i - c_(i-1)) + drive src_i

with D between two cells at their mean, nothing through the first face, and g(c_surface, drive, p) through the
last, where c_surface = c_n + g/(K_n D(c_n)). A stage asks for cap (c - r) = dt_g rate(c): a tridiagonal
Newton search, whose factors carry the sensitivities. D and g are called with complex numbers and
differentiated by the complex step. `physics` is (cap, K, src, p).

Source: R. Alexander, Diagonally implicit Runge-Kutta methods for stiff O.D.E.'s, SIAM J. Numer. Anal. 14
(1977) 1006-1021, doi:10.1137/0714068.
"""

import numpy as np

from mscale_uq.solve.kernel import kernel

STEP = 1e-40
MAX_ITERATIONS = 50
TOLERANCE = 1e-9  # of the last Newton step; the error after it is its square
G = 1 - 1 / np.sqrt(2)
NO_SURFACE, NO_BALANCE, NOT_POSITIVE = 1, 2, 3


@kernel
def surface(diffusivity, law, c, drive, K, p, made):
    """Fill c_surface, g, dg/dc, dg/dg_p and dg/dK at the last cell's c; False if there is no root."""
    stepped = diffusivity(complex(c, STEP), p)
    D, by_c = stepped.real, stepped.imag / STEP
    e, at = 1 / (K * D), c
    for _ in range(MAX_ITERATIONS):
        stepped = law(complex(at, STEP), complex(drive, 0.0), p)
        flow, slope = stepped.real, stepped.imag / STEP
        move = (c + e * flow - at) / (1 - e * slope)
        at += move
        if abs(move) <= TOLERANCE * (abs(at) + abs(c)):
            share = 1 / (1 - e * slope)
            flow += slope * move
            made[0], made[1] = at, flow
            made[2], made[3], made[4] = slope * share * (1 - e * by_c / D * flow), share, e * flow
            made[5] = slope * share
            return np.isfinite(at)
    return False


@kernel
def fill(diffusivity, law, c, drive, cap, K, src, p, gdt, rate, lower, diagonal, upper, made):
    """Fill the rates ``(n,)`` and cap - gdt d(rate)/dc by its three diagonals; 0 if all is well."""
    n = c.size
    for i in range(n):
        rate[i], diagonal[i] = drive * src[i], cap[i]
    for i in range(n - 1):
        stepped = diffusivity(complex((c[i] + c[i + 1]) / 2, STEP), p)
        if not stepped.real > 0:
            return NOT_POSITIVE
        jump, conduct, bend = c[i + 1] - c[i], K[i] * stepped.real, K[i] * stepped.imag / STEP / 2
        flow, by_left, by_right = conduct * jump, bend * jump - conduct, bend * jump + conduct
        rate[i] += flow
        rate[i + 1] -= flow
        diagonal[i] -= gdt * by_left
        diagonal[i + 1] += gdt * by_right
        upper[i], lower[i + 1] = -gdt * by_right, gdt * by_left
    if not surface(diffusivity, law, c[n - 1], drive, K[n - 1], p, made):
        return NO_SURFACE
    rate[n - 1] += made[1]
    diagonal[n - 1] -= gdt * made[2]
    return 0


@kernel
def eliminate(lower, diagonal, upper):
    """Replace a tridiagonal matrix by its factors."""
    for i in range(1, diagonal.size):
        lower[i] /= diagonal[i - 1]
        diagonal[i] -= lower[i] * upper[i - 1]


@kernel
def substitute(lower, diagonal, upper, x):
    """Solve for the right-hand side x in place."""
    n = x.size
    for i in range(1, n):
        x[i] -= lower[i] * x[i - 1]
    x[n - 1] /= diagonal[n - 1]
    for i in range(n - 2, -1, -1):
        x[i] = (x[i] - upper[i] * x[i + 1]) / diagonal[i]


@kernel
def solve_stage(diffusivity, law, r, drive, cap, K, src, p, gdt, c, lower, diagonal, upper, made):
    """Find c of a stage and leave the factors there; 0 if all is well."""
    part = np.empty(c.size)
    for _ in range(MAX_ITERATIONS):
        failed = fill(diffusivity, law, c, drive, cap, K, src, p, gdt, part, lower, diagonal, upper, made)
        if failed:
            return failed
        for i in range(c.size):
            part[i] = gdt * part[i] - cap[i] * (c[i] - r[i])
        eliminate(lower, diagonal, upper)
        substitute(lower, diagonal, upper, part)
        c += part
        largest = np.abs(part).max()
        if not np.isfinite(largest):
            return NO_BALANCE
        if largest <= TOLERANCE * np.abs(c).max():
            failed = fill(diffusivity, law, c, drive, cap, K, src, p, gdt, part, lower, diagonal, upper, made)
            eliminate(lower, diagonal, upper)
            return failed
    return NO_BALANCE


@kernel
def solve_tangent(
    diffusivity, law, r, drive, cap, K, p, gdt, c, lower, diagonal, upper, made, moved, dc
):  # fmt: skip
    """Replace the change dc of the stage's r by that of its c, along `moved` = changes of the physics."""
    d_cap, d_K, d_src, d_p = moved
    n, bends = c.size, np.any(d_p != 0)
    stepped = p.copy()
    for b in range(p.size):
        stepped[b] += complex(0.0, STEP * d_p[b])
    for i in range(n):
        dc[i] = cap[i] * dc[i] - d_cap[i] * (c[i] - r[i]) + gdt * drive * d_src[i]
    for i in range(n - 1):
        D = diffusivity(complex((c[i] + c[i + 1]) / 2, 0.0), stepped)
        flow = gdt * (d_K[i] * D.real + K[i] * D.imag / STEP) * (c[i + 1] - c[i])
        dc[i] += flow
        dc[i + 1] -= flow
    last = n - 1
    relative = d_K[last] / K[last]
    if bends:
        D = diffusivity(complex(c[last], 0.0), stepped)
        relative += D.imag / STEP / D.real
        by_p = law(complex(made[0], 0.0), complex(drive, 0.0), stepped).imag / STEP
        dc[last] += gdt * made[3] * by_p
    dc[last] -= gdt * made[5] * made[4] * relative
    substitute(lower, diagonal, upper, dc)


@kernel
def at_surface(diffusivity, law, c, drive, K, p, dc, d_K, d_p, made, slopes):
    """Fill the slopes ``(m,)`` of the surface's c, whose value is made[0]; False if there is none."""
    last = c.size - 1
    if not surface(diffusivity, law, c[last], drive, K[last], p, made):
        return False
    D = diffusivity(complex(c[last], STEP), p)
    e, by_c = 1 / (K[last] * D.real), D.imag / STEP / D.real
    for q in range(dc.shape[0]):
        stepped = p.copy()
        for b in range(p.size):
            stepped[b] += complex(0.0, STEP * d_p[q, b])
        relative = d_K[q, last] / K[last] + by_c * dc[q, last]
        relative += diffusivity(complex(c[last], 0.0), stepped).imag / STEP / D.real
        by_p = law(complex(made[0], 0.0), complex(drive, 0.0), stepped).imag / STEP
        slopes[q] = made[3] * (dc[q, last] - made[4] * relative + e * by_p)
    return True


@kernel
def march(
    diffusivity, law, c, drive, steps, keep, cap, K, src, p, dc, d_cap, d_K, d_src, d_p,
    kept, d_kept, surfaces, d_surfaces, content, gained,
):  # fmt: skip
    """Move c ``(n,)`` and its sensitivities ``(m, n)`` in place by the `steps`; 0 if all is well.

    `d_cap`, `d_K`, `d_src` ``(m, n)`` and `d_p` ``(m, p)`` say what each direction moves beside the state.
    After so many steps as `keep` says (increasing), both are copied, and read at the surface.
    """
    n, m, row = c.size, dc.shape[0], 0
    lower, diagonal, upper, made = np.zeros(n), np.empty(n), np.zeros(n), np.empty(6)
    first, r, d_first = np.empty(n), np.empty(n), np.empty((m, n))
    content[0] = (cap * c).sum()
    for step in range(steps.size):
        gdt, gained[step] = G * steps[step], drive * src.sum() * steps[step]
        first[:], r[:] = c, c
        for stage in range(2):
            if stage == 1:
                r += (1 - G) / G * (first - r)
                c[:] = first
            at = first if stage == 0 else c
            failed = solve_stage(
                diffusivity, law, r, drive, cap, K, src, p, gdt, at, lower, diagonal, upper, made
            )
            if failed:
                return failed
            gained[step] += steps[step] * (G if stage else 1 - G) * made[1]
            for q in range(m):
                now = d_first[q] if stage == 0 else dc[q]
                now[:] = dc[q] + (1 - G) / G * (d_first[q] - dc[q]) if stage else dc[q]
                moved = (d_cap[q], d_K[q], d_src[q], d_p[q])
                solve_tangent(
                    diffusivity, law, r, drive, cap, K, p, gdt, at, lower, diagonal, upper, made, moved, now
                )
        content[step + 1] = (cap * c).sum()
        if row < keep.size and keep[row] == step + 1:
            kept[row], d_kept[row] = c, dc
            if not at_surface(diffusivity, law, c, drive, K, p, dc, d_K, d_p, made, d_surfaces[row]):
                return NO_SURFACE
            surfaces[row] = made[0]
            row += 1
    return 0
