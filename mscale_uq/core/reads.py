"""`read_by`: which parameters and constants a system's stages read, so that no mode lists its own."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Parameter


class Reader(Protocol):
    """A stage, or dynamics."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what is read."""


def read_by(
    readers: Iterable[Reader], parameters: Sequence[Parameter], constants: Mapping[str, ArrayLike]
) -> tuple[tuple[Parameter, ...], dict[str, ArrayLike]]:
    """Return the parameters that are read and neither constant nor made, in order; and the constants read."""
    readers = tuple(readers)
    made = {name for reader in readers for name in getattr(reader, "outputs", ())}
    needed = {name for reader in readers for name in reader.inputs} - made
    fixed = {name: value for name, value in constants.items() if name in needed}
    return tuple(one for one in parameters if one.name in needed - set(fixed)), fixed
