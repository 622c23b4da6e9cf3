"""How many nodes each direction of a surrogate's box gets, from how fast coefficients fall along lines."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.solve.product_polynomial import Axis, ProductPolynomial

LINE, SHORTEST = 33, 9  # nodes of a scan, and the most a direction gets; scans take a third of a small budget
LEAST = 3  # nodes of a direction
SCANNED = (0.5, 0.75)  # where in the box the lines lie, as shares of the other directions
ENOUGH = 1e-9  # a tail that needs no further node

# Places ``(d,)`` -> values ``(places, m)``.
Rows = Callable[[Sequence[Array]], Array]


def choose_nodes(rows: Rows, box: Sequence[Axis], budget: int) -> tuple[list[Axis], int]:
    """Return the box with nodes, of at most `budget` solves with the scans, and the solves of the scans.

    Of all directions, the one whose neglected coefficients are largest gets the next node. The budget is
    `fewest` or more.
    """
    moving, scans = _moving(box), _scans(box)
    left = budget - LEAST ** len(moving)
    line = _odd(min(LINE, max(SHORTEST, budget // (3 * scans)), left // scans)) if scans else LINE
    tails = {number: _tails(rows, box, number, line) for number in moving}
    spent = scans * line
    axes = [replace(axis, nodes=LEAST) if n in tails else axis for n, axis in enumerate(box)]
    while True:
        open_ = [n for n in moving if axes[n].nodes < line and tails[n][axes[n].nodes] > ENOUGH]
        open_ = [n for n in open_ if _size([*axes[:n], _more(axes[n]), *axes[n + 1 :]]) + spent <= budget]
        if not open_:
            return axes, spent
        worst = max(open_, key=lambda n: float(tails[n][axes[n].nodes]))
        axes[worst] = _more(axes[worst])


def fewest(box: Sequence[Axis]) -> int:
    """Return the solves without which there is no choice: shortest scans, and the least nodes."""
    return int(_scans(box) * SHORTEST + LEAST ** len(_moving(box)))


def _moving(box: Sequence[Axis]) -> list[int]:
    return [number for number, axis in enumerate(box) if axis.low < axis.high]


def _scans(box: Sequence[Axis]) -> int:
    return len(_moving(box)) * len(SCANNED)


def _odd(count: int) -> int:
    return count - 1 + count % 2


def _more(axis: Axis) -> Axis:
    return replace(axis, nodes=axis.nodes + (2 if axis.periodic else 1))


def _size(axes: Sequence[Axis]) -> int:
    return int(np.prod([axis.nodes for axis in axes]))


def _tails(rows: Rows, box: Sequence[Axis], number: int, nodes: int) -> Array:
    """Return the largest coefficient from the k-th on, relative to the largest value, along one direction."""
    line = replace(box[number], nodes=nodes)
    sizes = np.zeros(nodes)
    for share in SCANNED:
        middle = np.array([axis.low + share * (axis.high - axis.low) for axis in box])
        places = [np.where(np.arange(len(box)) == number, place, middle) for place in line.places]
        values = rows(places)
        found = np.abs(ProductPolynomial([line], values).coefficients).max(axis=1) / np.abs(values).max()
        sizes = np.maximum(sizes, found)
    largest: Array = np.maximum.accumulate(sizes[::-1])[::-1]
    return largest
