"""`SparseMap`: a fixed sparse matrix that is applied from both sides again and again."""

from typing import final

import numpy as np
from scipy.sparse import csr_array

from mscale_uq.core.parameter import Array


@final
class SparseMap:
    """A sparse matrix; its transpose is kept in compressed rows too, for adjoints as quick as values.

    Attributes
    ----------
    T
        The transpose.
    used
        Columns with an entry.
    """

    def __init__(self, matrix: csr_array) -> None:
        self._matrix = matrix
        self.T = csr_array(matrix.T)
        self.used = np.unique(matrix.indices)

    def __matmul__(self, vector: Array) -> Array:
        """Return the product with ``(columns,)`` or ``(columns, vectors)``."""
        return self._matrix @ vector
