"""Which checkpoints to keep: the last few, and older ones at distances that double.

Checkpoint number n, which 2^z divides but 2^(z+1) does not, is kept until it is `last` * 2^z behind the
newest. So about `last` are kept of each distance, and dropping one is never regretted later.
"""

from collections.abc import Iterable


def kept(numbers: Iterable[int], last: int = 8) -> list[int]:
    """Return those of the checkpoints' numbers, each at least 1, that are still wanted."""
    have = list(numbers)
    newest = max(have, default=0)
    return [number for number in have if newest - number < last * (number & -number)]
