"""Small dense systems inside kernels: LU with partial pivoting, real or complex, factored once.

The matrices of reaction networks and cells are mostly zeros, and so are their factors: where the others lie
is noted for the solutions, of which there are many.
"""

from mscale_uq.solve.kernel import kernel

# A row of notes: the row it was exchanged with, the number of places before the diagonal, that of all places,
# and the places off the diagonal that are not zero.
EXCHANGED, BEFORE, ALL, PLACES = range(4)


@kernel
def factor(a, notes):
    """Replace the matrix ``(n, n)`` by its factors, the diagonal inverted; False if it is singular.

    Fills the notes ``(n, n + 3)`` that the solutions take.
    """
    n = a.shape[0]
    for k in range(n):
        best, most = k, 0.0
        for i in range(k, n):
            size = abs(a[i, k].real) + abs(a[i, k].imag)
            if size > most:
                best, most = i, size
        if most == 0:
            return False
        if best != k:
            for j in range(n):
                a[k, j], a[best, j] = a[best, j], a[k, j]
        notes[k, EXCHANGED] = best
        a[k, k] = 1 / a[k, k]
        _note(a[k], k, notes[k])
        pivot_row, places = a[k], notes[k]
        for i in range(k + 1, n):
            if a[i, k] != 0:
                row = a[i]
                share = row[k] * pivot_row[k]
                row[k] = share
                for place in range(PLACES + places[BEFORE], PLACES + places[ALL]):
                    row[places[place]] -= share * pivot_row[places[place]]
    return True


@kernel
def _note(row, k, notes):
    """Note the places of row k that are not zero."""
    count = 0
    for j in range(row.size):
        if j == k:
            notes[BEFORE] = count
        elif row[j] != 0:
            notes[PLACES + count] = j
            count += 1
    notes[ALL] = count


@kernel
def solve_factored(lu, notes, b):
    """Replace the right-hand side ``(n,)`` by the solution."""
    n = b.size
    for k in range(n):
        best = notes[k, EXCHANGED]
        if best != k:
            b[k], b[best] = b[best], b[k]
    for i in range(n):
        total, row, places = b[i], lu[i], notes[i]
        for place in range(PLACES, PLACES + places[BEFORE]):
            total -= row[places[place]] * b[places[place]]
        b[i] = total
    for i in range(n - 1, -1, -1):
        total, row, places = b[i], lu[i], notes[i]
        for place in range(PLACES + places[BEFORE], PLACES + places[ALL]):
            total -= row[places[place]] * b[places[place]]
        b[i] = total * row[i]


@kernel
def solve_rows(lu, notes, b):
    """Replace many right-hand sides ``(n, k)``, one per column, by their solutions."""
    n, k = b.shape
    for i in range(n):
        best = notes[i, EXCHANGED]
        if best != i:
            for c in range(k):
                b[i, c], b[best, c] = b[best, c], b[i, c]
    for i in range(n):
        for place in range(PLACES, PLACES + notes[i, BEFORE]):
            _subtract(b[i], lu[i, notes[i, place]], b[notes[i, place]])
    for i in range(n - 1, -1, -1):
        for place in range(PLACES + notes[i, BEFORE], PLACES + notes[i, ALL]):
            _subtract(b[i], lu[i, notes[i, place]], b[notes[i, place]])
        for c in range(k):
            b[i, c] *= lu[i, i]


@kernel
def _subtract(row, share, other):
    for c in range(row.size):
        row[c] -= share * other[c]
