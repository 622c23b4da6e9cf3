"""What every member of an ensemble has of its own among named values, and what all of them share."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values


def member_values(axes: Mapping[str, int], values: Values, members: int) -> Iterator[Named]:
    """Yield each member's own values; `axes` says how many axes each has besides that of the members."""
    rows = {}
    for name, count in axes.items():
        shape = np.shape(values[name])
        rows[name] = np.broadcast_to(values[name], (members, *shape[len(shape) - count :]))
    for member in range(members):
        yield {name: row[member] for name, row in rows.items()}


def member_table(
    names: Sequence[str], shapes: Mapping[str, tuple[int, ...]], values: Values, members: int
) -> Array:
    """Return the named values of every member ``(members, m)``, whether they share them or not.

    `shapes` says which of them are no scalars.
    """
    columns = [
        np.broadcast_to(values[name], (members, *shapes.get(name, ()))).reshape(members, -1) for name in names
    ]
    return np.hstack(columns) if columns else np.zeros((members, 0))
