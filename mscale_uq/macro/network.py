"""`ReactionNetwork`: reactions declared once, for chance, for the mean and for linear noise.

    network = ReactionNetwork("gene expression", (Quantity("mrna", "1"), Quantity("protein", "1")), (
        Reaction("transcription", "transcription_rate", makes={"mrna": 1}),
        Reaction("decay", "mrna_decay", takes={"mrna": 1}),
        Reaction("translation", "translation_rate", takes={"mrna": 1}, makes={"mrna": 1, "protein": 1}),
    ))

A reaction happens at the rate c times the number of ways in which the molecules that it takes can meet, times
a Hill factor if there is one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter as Argument
from inspect import Signature
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.errors import InputError, WiringError, explain, near_match
from mscale_uq.macro.linear_sde import matrix
from mscale_uq.solve.reaction_rates import Structure


@final
@dataclass(frozen=True)
class Hill:
    """The factor x^n / (half^n + x^n) of a regulator's number x, or half^n / (half^n + x^n) if it represses.

    `half` and `steepness` name the values; a steepness below one has no slope at zero.
    """

    regulator: str
    half: str
    steepness: str
    represses: bool = False


@final
@dataclass(frozen=True)
class Reaction:
    """What is taken and made, and the name of the rate constant c (1/time)."""

    name: str
    rate: str
    takes: Mapping[str, int] = field(default_factory=dict)
    makes: Mapping[str, int] = field(default_factory=dict)
    hill: Hill | None = None

    @property
    def change(self) -> dict[str, int]:
        """By how much each species that does not come back changes."""
        names = dict.fromkeys([*self.takes, *self.makes])
        net = {name: self.makes.get(name, 0) - self.takes.get(name, 0) for name in names}
        return {name: step for name, step in net.items() if step}

    @property
    def reads(self) -> tuple[str, ...]:
        """Species that the rate depends on."""
        return (*self.takes, *([self.hill.regulator] if self.hill else []))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the values that the rate is made of."""
        return (self.rate, *([self.hill.half, self.hill.steepness] if self.hill else []))


@final
class ReactionNetwork:
    """Species, reactions, and the arrays that kernels take.

    Attributes
    ----------
    species
        What is counted; scalars, numbers of molecules.
    parameters
        Names of the rate constants and of the numbers of Hill factors, each once, in order.
    structure
        What `solve.reaction_rates` reads.

    Raises
    ------
    WiringError
        If a reaction names a species that there is not, changes nothing, or takes a number that is not whole.
    """

    def __init__(self, name: str, species: tuple[Quantity, ...], reactions: Sequence[Reaction]) -> None:
        self.name = name
        self.species = tuple(species)
        self.reactions = tuple(reactions)
        self._check()
        self.parameters = tuple(dict.fromkeys(n for reaction in reactions for n in reaction.names))
        self.structure = self._structure()

    @property
    def stoichiometry(self) -> Array:
        """S ``(species, reactions)``: what each reaction changes."""
        places, S = self._places(), np.zeros((len(self.species), len(self.reactions)))
        for r, reaction in enumerate(self.reactions):
            for name, step in reaction.change.items():
                S[places[name], r] = step
        return S

    @property
    def linear_rates(self) -> "LinearRates":
        """The rates W x + w as `macro.cells.Population` takes them.

        Raises
        ------
        InputError
            If a rate is not linear in the numbers.
        """
        for reaction in self.reactions:
            if reaction.hill or sum(reaction.takes.values()) > 1:
                hint = "the mean field and linear noise take any rate"
                raise InputError(explain(f"{self.name}: the rate of {reaction.name!r}", "a linear one", hint))
        return LinearRates(self)

    def vector(self, values: Mapping[str, Any]) -> Array:
        """Return the parameters ``(P,)``."""
        return np.array([float(values[name]) for name in self.parameters])

    def _places(self) -> dict[str, int]:
        return {s.name: place for place, s in enumerate(self.species)}

    def _check(self) -> None:
        known = [s.name for s in self.species]
        if not known or len(set(known)) != len(known) or not self.reactions:
            raise WiringError(explain(f"{self.name}: species {known}", "each once, and reactions"))
        for reaction in self.reactions:
            for name in (*reaction.reads, *reaction.makes):
                if name not in known:
                    given = f"{self.name}: {reaction.name!r}: species {name!r}{near_match(name, known)}"
                    raise WiringError(explain(given, ", ".join(known)))
            counts = [*reaction.takes.values(), *reaction.makes.values()]
            if not reaction.change or any(count != int(count) or count < 1 for count in counts):
                given = f"{self.name}: {reaction.name!r} takes {dict(reaction.takes)}"
                raise WiringError(
                    explain(f"{given} and makes {dict(reaction.makes)}", "whole numbers, a change")
                )

    def _structure(self) -> Structure:
        places, of = self._places(), {name: place for place, name in enumerate(self.parameters)}
        hills = [_hill_row(reaction.hill, places, of) for reaction in self.reactions]
        taken, order = _padded([{places[n]: c for n, c in r.takes.items()} for r in self.reactions])
        moved, step = _padded([{places[n]: c for n, c in r.change.items()} for r in self.reactions])
        heard = [[q for q, other in enumerate(self.reactions) if set(other.reads) & set(r.change)]
                 for r in self.reactions]  # fmt: skip
        return Structure(
            constant=np.array([of[r.rate] for r in self.reactions]),
            taken=taken,
            order=order,
            hill=np.array(hills),
            moved=moved,
            step=step,
            first=np.cumsum([0, *map(len, heard)]),
            heard=np.array([q for row in heard for q in row], dtype=np.int64),
        )


@final
class LinearRates:
    """W ``(reactions, n)`` and w ``(reactions,)`` of linear rates, as a function of the constants by name."""

    def __init__(self, network: ReactionNetwork) -> None:
        self.network = network
        self.__name__ = network.name
        arguments = [Argument(name, Argument.POSITIONAL_OR_KEYWORD) for name in network.parameters]
        self.__signature__ = Signature(arguments)

    def __call__(self, *constants: Any) -> tuple[Any, Any]:
        """Return W and w."""
        network = self.network
        given, none = dict(zip(network.parameters, constants, strict=True)), 0 * constants[0]
        rows = [[given[r.rate] if s.name in r.takes else none for s in network.species]
                for r in network.reactions]  # fmt: skip
        return matrix(rows), np.stack([none if r.takes else given[r.rate] for r in network.reactions])


def _hill_row(hill: Hill | None, places: Mapping[str, int], of: Mapping[str, int]) -> list[int]:
    if hill is None:
        return [-1, 0, 0, 0]
    return [places[hill.regulator], of[hill.half], of[hill.steepness], -1 if hill.represses else 1]


def _padded(rows: list[dict[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return places and numbers ``(rows, most)``; what is not used has number 0."""
    width = max(1, *(len(row) for row in rows))
    places, numbers = (np.zeros((len(rows), width), dtype=np.int64) for _ in range(2))
    for r, row in enumerate(rows):
        places[r, : len(row)], numbers[r, : len(row)] = list(row), list(row.values())
    return places, numbers
