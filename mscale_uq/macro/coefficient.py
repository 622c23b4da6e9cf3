"""`Coefficient`: a number of an equation, fixed or read by name; `Slots`: their places in one vector p."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array, check_name
from mscale_uq.core.stage import Named, Values
from mscale_uq.errors import InputError, WiringError, explain

Kind = Literal["scalar", "elements", "tensor", "element_tensors"]


@final
@dataclass(frozen=True, eq=False)
class Coefficient:
    """A coefficient of an equation.

    Attributes
    ----------
    given
        The name of a value that is read, or the fixed number or array itself.
    kind
        ``"scalar"`` for one number, ``"elements"`` for one per element ``(elements,)``, ``"tensor"`` for one
        matrix ``(dimension, dimension)``, ``"element_tensors"`` for ``(elements, dimension, dimension)``.

    Raises
    ------
    InputError
        If the kind is not one of these.
    """

    given: str | ArrayLike
    kind: Kind = "scalar"

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InputError(explain(f"coefficient kind {self.kind!r}", ", ".join(get_args(Kind))))
        if isinstance(self.given, str):
            check_name(self.given)

    @property
    def name(self) -> str | None:
        """The name that is read, or None if the coefficient is fixed."""
        return self.given if isinstance(self.given, str) else None

    def shape(self, dimension: int, elements: int) -> tuple[int, ...]:
        """Return the shape of its value."""
        leading = (elements,) if self.kind.startswith("element") else ()
        return leading + ((dimension, dimension) if "tensor" in self.kind else ())


def coefficient(
    given: "Coefficient | str | ArrayLike", kinds: Iterable[Kind] = get_args(Kind)
) -> Coefficient:
    """Return what was given as a coefficient: a plain name is a scalar, an array tells its kind by its axes.

    Raises
    ------
    InputError
        If the kind is not among `kinds`.
    """
    allowed = tuple(kinds)
    made = given if isinstance(given, Coefficient) else _from_plain(given)
    if made.kind not in allowed:
        raise InputError(explain(f"a coefficient of kind {made.kind!r} here", ", ".join(allowed)))
    return made


def _from_plain(given: "str | ArrayLike") -> Coefficient:
    if isinstance(given, str):
        return Coefficient(given)
    axes = np.ndim(np.asarray(given, dtype=float))
    if axes > 3:
        raise InputError(explain(f"a coefficient with {axes} axes", "at most 3"))
    return Coefficient(given, get_args(Kind)[axes])


@final
class Slots:
    """The vector p of all coefficients of a problem: what fills which of its entries.

    Entry 0 is the number one, so that what is constant is linear in p too.
    """

    def __init__(self, dimension: int, elements: int) -> None:
        self._mesh = (dimension, elements)
        self._fixed = [np.ones(1)]
        self._parts: list[tuple[str, tuple[int, ...], slice]] = []

    @property
    def size(self) -> int:
        """Length of p."""
        return sum(part.size for part in self._fixed)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the values that are read, each once."""
        return tuple(dict.fromkeys(name for name, _, _ in self._parts))

    def names_at(self, places: ArrayLike) -> tuple[str, ...]:
        """Return the names of the values that fill any of the `places` in p."""
        used = np.zeros(self.size, dtype=bool)
        used[np.asarray(places)] = True
        return tuple(dict.fromkeys(name for name, _, place in self._parts if used[place].any()))

    def add(self, entry: Coefficient) -> np.ndarray:
        """Give the coefficient its places and return them, in the shape of its value."""
        shape, first = entry.shape(*self._mesh), self.size
        count = int(np.prod(shape))
        if entry.name is None:
            self._fixed.append(_rows(entry.given, shape, "a fixed coefficient")[0])
        else:
            self._fixed.append(np.zeros(count))
            self._parts.append((entry.name, shape, slice(first, first + count)))
        return np.arange(first, first + count).reshape(shape)

    def fill(self, values: Values, names: Iterable[str]) -> Array:
        """Return p as rows: one ``(1, size)``, or one per member if a value among `names` has members.

        Raises
        ------
        WiringError
            If a value has another shape than its coefficient.
        """
        parts = [(_rows(values[name], shape, name), place) for name, shape, place in self._among(names)]
        members = max((len(rows) for rows, _ in parts), default=1)
        p = np.tile(np.concatenate(self._fixed), (members, 1))
        for rows, place in parts:
            p[:, place] = rows
        return p

    def spread(self, tangents: Values, names: Iterable[str]) -> Array:
        """Return the change of p ``(size,)`` for changes of the named values; missing ones do not change."""
        change = np.zeros(self.size)
        for name, shape, place in self._among(names):
            if name in tangents:
                change[place] = _rows(tangents[name], shape, name)[0]
        return change

    def collect(self, weights: Array, shapes: Mapping[str, tuple[int, ...]]) -> Named:
        """Return sensitivities to p ``(size,)`` as sensitivities to the named values, of the given shapes."""
        total = {name: np.zeros(shape) for name, shape in shapes.items()}
        for name, _, place in self._among(total):
            total[name] = total[name] + weights[place].reshape(shapes[name])
        return total

    def _among(self, names: Iterable[str]) -> list[tuple[str, tuple[int, ...], slice]]:
        chosen = set(names)
        return [part for part in self._parts if part[0] in chosen]


def _rows(value: ArrayLike, shape: tuple[int, ...], word: str) -> Array:
    """Return a value of natural `shape`, or of one such per member, as rows ``(1 or members, entries)``."""
    array = np.asarray(value, dtype=float)
    count = int(np.prod(shape))
    if array.shape == shape or array.size == count == 1:
        return array.reshape(1, count)
    if array.ndim == len(shape) + 1 and array.shape[1:] == shape:
        return array.reshape(len(array), count)
    raise WiringError(
        explain(
            f"{word} has shape {array.shape}",
            f"{shape}, or one such row per member",
            "say Coefficient(name, 'tensor') for a matrix, Coefficient(name, 'elements') for a field",
        )
    )
