"""Geometric tortuosity: how much longer the shortest way through the pores is than the straight one.

It is a property of lengths only, and below the tortuosity factor, which also knows how narrow the ways are.
The shortest way jumps from one course to another when pixels change: there is no derivative.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from mscale_uq.cell.percolation import checked_image
from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain


def geometric_tortuosity(
    image: ArrayLike, axis: int, neighbours: int | None = None, pixel: Sequence[float] | None = None
) -> float:
    """Return the mean shortest way through the pores along an axis, over the thickness of the image.

    Ways lead over the centres of pore pixels, from any pore on the first face to each pore on the last; half
    a pixel is added at both ends, so that straight pores have one. The image does not repeat. Pores on the
    last face that no way leads to are left out; infinite if there is no way at all.

    Parameters
    ----------
    image
        Two or three axes; true, or 1, is pore.
    axis
        Along which the ways lead.
    neighbours
        4 (faces) or 8 (also corners) in 2-D, 6 (faces), 18 (also edges) or 26 (also corners) in 3-D; all
        unless given. Steps to faces alone overrate oblique ways by up to a factor sqrt 2 or sqrt 3.
    pixel
        Sides of a pixel along the axes; equal unless given.

    Raises
    ------
    InputError
        If the image is not one of pores and solid, or there is no such neighbourhood.
    """
    pores = checked_image(image)
    sizes = np.ones(pores.ndim) if pixel is None else np.asarray(pixel, dtype=float)
    number = np.where(pores, np.cumsum(pores).reshape(pores.shape) - 1, -1)
    starts, ends = (face[face >= 0] for face in (number.take(0, axis), number.take(-1, axis)))
    if starts.size == 0 or ends.size == 0:
        return np.inf
    graph = _steps(number, _reach(pores.ndim, neighbours), sizes)
    ways = dijkstra(graph, directed=False, indices=starts, min_only=True)[ends]
    if not np.isfinite(ways).any():
        return np.inf
    thickness = pores.shape[axis] * sizes[axis]
    return float((ways[np.isfinite(ways)].mean() + sizes[axis]) / thickness)


def _reach(dimension: int, neighbours: int | None) -> int:
    """Return how many axes one step may move along."""
    known = {2: {4: 1, 8: 2}, 3: {6: 1, 18: 2, 26: 3}}[dimension]
    if neighbours is None:
        return dimension
    if neighbours not in known:
        given = f"{neighbours} neighbours in {dimension}-D"
        raise InputError(explain(given, ", ".join(map(str, known))))
    return known[neighbours]


def _steps(number: np.ndarray, reach: int, sizes: Array) -> coo_array:
    """Return the graph of all steps between pores, each stored once, with their lengths."""
    rows, cols, lengths = [], [], []
    for offset in _offsets(number.ndim, reach):
        here, there = _shifted(number, offset)
        both = (here >= 0) & (there >= 0)
        rows.append(here[both])
        cols.append(there[both])
        lengths.append(np.full(rows[-1].size, np.linalg.norm(np.array(offset) * sizes)))
    count = int(number.max()) + 1
    places = (np.concatenate(rows), np.concatenate(cols))
    return coo_array((np.concatenate(lengths), places), shape=(count, count)).tocsr()


def _offsets(dimension: int, reach: int) -> Iterator[tuple[int, ...]]:
    """Yield one of each two opposite steps along at most `reach` axes."""
    for offset in product((-1, 0, 1), repeat=dimension):
        if offset > (0,) * dimension and np.count_nonzero(offset) <= reach:
            yield offset


def _shifted(number: np.ndarray, offset: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the overlap of an image with itself moved by `offset`."""
    ahead = tuple(slice(max(step, 0), min(step, 0) or None) for step in offset)
    behind = tuple(slice(max(-step, 0), min(-step, 0) or None) for step in offset)
    return number[behind], number[ahead]
