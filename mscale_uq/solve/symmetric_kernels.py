"""What a `SymmetricBody` conducts to its surface and loses there, in rates that numba compiles."""

from mscale_uq.solve.kernel import kernel


@kernel(error_model="python")
def conduct(y, p, first, conductivity, lost, dy):
    """Add conduction, and the flux `lost` out of the surface, to what is gained per volume and time ``(n,)``.

    y ``(n,)`` is what is conducted, by its values at the nodes; the body lies in p from `first` on: half
    thickness or radius, surface over volume at a half width of 1, weights ``(n,)``, stiffness ``(n, n)``.
    """
    n, half_width, surface, weights = y.size, p[first], p[first + 1], first + 2
    for i in range(n):
        flow = 0 * y[0]
        for j in range(n):
            flow += p[weights + n + n * i + j] * y[j]
        dy[i] -= conductivity / half_width**2 * flow / p[weights + i]
    dy[n - 1] -= surface / half_width * lost / p[weights + n - 1]
