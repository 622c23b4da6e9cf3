"""Layered 1-D cell: exact effective transport, storage and reaction of a stack of plane layers.

Layer i has thickness fraction f_i (sum 1), diffusivity D_i, partition coefficient P_i (its concentration is
P_i u where the macroscopic, continuous variable is u), reaction rate k_i and storage (retardation) b_i:

    across   D = ( sum f_i / (D_i P_i) )^-1     harmonic, the flux being the same in all layers
    along    D = sum f_i D_i P_i                arithmetic, the gradient being the same in all layers
    storage  b = sum f_i P_i b_i                arithmetic
    reaction k = sum f_i P_i k_i                arithmetic
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import InputError, OutOfLimits, explain

SUM_TOLERANCE = 1e-9
POSITIVE = ("diffusivity", "partition")
KINDS = ("across", "along", "storage", "reaction")  # in the order of the outputs
# A coefficient is the name of a value, or a number.
Coefficients = Sequence[str | float]


@final
class LayeredCell(Stage):
    """Effective coefficients of a stack of layers, each ``()``, by name.

    Parameters
    ----------
    fractions
        Thickness fraction of every layer, a name or a number each; the last one may be left out and is then
        what the others leave.
    diffusivities
        Of every layer, names or numbers, in m^2/s (or a conductivity: the unit is kept).
    partitions, storages
        Of every layer, names or numbers, dimensionless; one everywhere if not given.
    reactions
        First-order rate of every layer, names or numbers, in 1/s; without it no `reaction` is made.
    across, along, storage, reaction
        Names made.
    name
        What failures call the stage.

    Raises
    ------
    InputError
        When made: if the numbers of layers differ, or fixed fractions do not sum to one.
    OutOfLimits
        When run: if fractions are negative or do not sum to one, or a diffusivity or a partition coefficient
        is not positive.
    """

    def __init__(
        self,
        fractions: Coefficients,
        diffusivities: Coefficients,
        partitions: Coefficients | None = None,
        reactions: Coefficients | None = None,
        storages: Coefficients | None = None,
        across: str = "D_across",
        along: str = "D_along",
        storage: str = "storage",
        reaction: str = "reaction",
        name: str = "layered cell",
    ) -> None:
        layers = len(diffusivities)
        ones = (1.0,) * layers
        self._rest = len(fractions) == layers - 1
        self._layers: dict[str, tuple[str | float, ...]] = {
            "fraction": tuple(fractions),
            "diffusivity": tuple(diffusivities),
            "partition": tuple(ones if partitions is None else partitions),
            "reaction": tuple((0.0,) * layers if reactions is None else reactions),
            "storage": tuple(ones if storages is None else storages),
        }
        named = (item for group in self._layers.values() for item in group if isinstance(item, str))
        self.inputs = tuple(dict.fromkeys(named))
        self.outputs = (across, along, storage) if reactions is None else (across, along, storage, reaction)
        self.name = name
        _check(self._layers, layers, self._rest)

    def value(self, values: Values) -> Named:
        """Return the effective coefficients, ``()`` each."""
        return self._by_output(_effective(**self._of_layers(values))[0])

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the effective coefficients and their derivatives, in closed form."""
        made, slopes = _effective(**self._of_layers(values))
        jacobians: dict[tuple[str, str], Array] = {}
        for output, key in zip(self.outputs, KINDS, strict=False):
            for name, slope in self._by_name(slopes[key]):
                jacobians[output, name] = jacobians.get((output, name), np.zeros(())) + slope
        scalars = dict.fromkeys(self.inputs, ()), dict.fromkeys(self.outputs, ())
        return self._by_output(made), MatrixLinearization(jacobians, *scalars)

    def _by_output(self, made: Mapping[str, float]) -> Named:
        return {output: np.asarray(made[key]) for output, key in zip(self.outputs, KINDS, strict=False)}

    def _of_layers(self, values: Values) -> dict[str, Array]:
        """Return the five coefficients of every layer, ``(layers,)`` each, checked."""
        found = {
            key: np.array([float(values[item]) if isinstance(item, str) else item for item in group])
            for key, group in self._layers.items()
        }
        if self._rest:
            found["fraction"] = np.append(found["fraction"], 1.0 - found["fraction"].sum())
        f = found["fraction"]
        if not (f.min() > -SUM_TOLERANCE and abs(f.sum() - 1.0) < SUM_TOLERANCE):
            raise OutOfLimits(self.name, values, f"layer fractions {f} are negative or do not sum to one")
        for key in POSITIVE:
            if not found[key].min() > 0.0:
                raise OutOfLimits(self.name, values, f"a {key} of {found[key].min():g} is not positive")
        return found

    def _by_name(self, slopes: Mapping[str, Array]) -> Iterator[tuple[str, float]]:
        """Yield (name, slope) of every named coefficient; a name may stand for several."""
        for key, slope in slopes.items():
            free = slope[:-1] - slope[-1] if key == "fraction" and self._rest else slope
            for item, part in zip(self._layers[key], free, strict=True):
                if isinstance(item, str):
                    yield item, part


def _effective(
    fraction: Array, diffusivity: Array, partition: Array, storage: Array, reaction: Array
) -> tuple[dict[str, float], dict[str, dict[str, Array]]]:
    """Return the effective coefficients and their slopes to the coefficients of every layer."""
    resistance = 1.0 / (diffusivity * partition)
    D = 1.0 / (fraction @ resistance)
    made = {"across": float(D)}
    slopes = {
        "across": {
            "fraction": -(D**2) * resistance,
            "diffusivity": D**2 * fraction * resistance / diffusivity,
            "partition": D**2 * fraction * resistance / partition,
        }
    }
    for key, source, each in (
        ("along", "diffusivity", diffusivity),
        ("storage", "storage", storage),
        ("reaction", "reaction", reaction),
    ):
        made[key] = float(fraction @ (partition * each))
        slopes[key] = {
            "fraction": partition * each,
            "partition": fraction * each,
            source: fraction * partition,
        }
    return made, slopes


def _check(layers: Mapping[str, tuple[str | float, ...]], count: int, rest: bool) -> None:
    """Refuse lists of different length, and numbers that can never be right."""
    for key, group in layers.items():
        if len(group) != count - (rest and key == "fraction"):
            given = f"{len(group)} {key} value(s) for {count} layers"
            raise InputError(explain(given, f"{count}, or {count - 1} fractions: the last is what is left"))
        for item in group:
            if not isinstance(item, str) and not item > 0.0 and key in POSITIVE:
                raise InputError(explain(f"a {key} of {item}", "positive numbers, or names of values"))
    fixed = [item for item in layers["fraction"] if not isinstance(item, str)]
    total = sum(fixed)
    if min(fixed, default=0.0) < 0.0 or total > 1.0 + SUM_TOLERANCE:
        raise InputError(explain(f"layer fractions {fixed}", "numbers in [0, 1] that sum to one"))
    if len(fixed) == count and abs(total - 1.0) > SUM_TOLERANCE:
        given = f"layer fractions {fixed} with sum {total:g}"
        raise InputError(explain(given, "a sum of one", "leave the last one out: it is what is left"))
