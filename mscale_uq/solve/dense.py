"""Small dense systems inside kernels: LU with partial pivoting, real or complex, factored once."""

from mscale_uq.solve.kernel import kernel


@kernel
def _size(x):
    return abs(x.real) + abs(x.imag)


@kernel
def factor(a, pivots):
    """Replace the matrix ``(n, n)`` by its factors and note the row exchanges; False if it is singular."""
    n = a.shape[0]
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if _size(a[i, k]) > _size(a[best, k]):
                best = i
        pivots[k] = best
        if a[best, k] == 0:
            return False
        if best != k:
            for j in range(n):
                a[k, j], a[best, j] = a[best, j], a[k, j]
        inverse = 1 / a[k, k]
        for i in range(k + 1, n):
            share = a[i, k] * inverse
            if share != 0:  # the matrices of reaction networks and cells are mostly zeros
                a[i, k] = share
                row, pivot_row = a[i], a[k]
                for j in range(k + 1, n):
                    row[j] -= share * pivot_row[j]
    return True


@kernel
def solve_factored(lu, pivots, b):
    """Replace the right-hand side ``(n,)`` by the solution."""
    n = b.size
    for k in range(n):
        best = pivots[k]
        if best != k:
            b[k], b[best] = b[best], b[k]
    for i in range(1, n):
        total = b[i]
        row = lu[i]
        for j in range(i):
            total -= row[j] * b[j]
        b[i] = total
    for i in range(n - 1, -1, -1):
        total = b[i]
        row = lu[i]
        for j in range(i + 1, n):
            total -= row[j] * b[j]
        b[i] = total / row[i]


@kernel
def solve_rows(lu, pivots, b):
    """Replace many right-hand sides ``(n, k)``, one per column, by their solutions."""
    n, k = b.shape
    for i in range(n):
        if pivots[i] != i:
            for c in range(k):
                b[i, c], b[pivots[i], c] = b[pivots[i], c], b[i, c]
    for i in range(1, n):
        for j in range(i):
            _subtract(b, i, j, lu[i, j])
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            _subtract(b, i, j, lu[i, j])
        for c in range(k):
            b[i, c] /= lu[i, i]


@kernel
def _subtract(b, i, j, share):
    if share != 0:
        for c in range(b.shape[1]):
            b[i, c] -= share * b[j, c]
