"""`Job`: everything one chain needs to run, anywhere; it pickles."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from mscale_uq.core.map import Map
from mscale_uq.infer.methods import METHODS, Method
from mscale_uq.infer.records import Header
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.target import Target

# (draw, whether it is a tuning draw, statistics) -> whether to go on.
Report = Callable[[int, bool, dict[str, float]], bool]


@final
@dataclass(frozen=True)
class Job:
    """One chain.

    Attributes
    ----------
    target, settings
        What to sample, and how.
    chain
        Index of the chain.
    folder
        The chain's own.
    identity
        As in `Header`.
    map
        Runs what is independent inside the chain, if the method `spreads`.
    """

    target: Target
    settings: Settings
    chain: int
    folder: Path
    identity: str = ""
    map: Map = map

    @property
    def method(self) -> Method:
        """Facts about the sampler."""
        return METHODS[self.settings.sampler]

    @property
    def header(self) -> Header:
        """What the chain's files say about it."""
        settings = self.settings
        return Header(
            identity=self.identity,
            sampler=settings.sampler,
            chain=self.chain,
            seed=settings.seed,
            tune=settings.tune,
            target_accept=settings.target_accept,
            coordinates=settings.coordinates,
            names=tuple(self.target.names),
            stats=self.method.stats,
        )

    @property
    def total(self) -> int:
        """Draws in the log when the chain is done, tuning included."""
        draws = 1 if self.method.single else self.settings.draws
        return draws + (self.settings.tune if self.method.tunes else 0)

    def generators(self, count: int) -> list[np.random.Generator]:
        """Return independent random generators that depend on the seed and the chain's index only."""
        sequence = np.random.SeedSequence(self.settings.seed, spawn_key=(self.chain,))
        return [np.random.default_rng(child) for child in sequence.spawn(count)]
