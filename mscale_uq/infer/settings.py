"""Which sampler, how long, from which seed."""

from dataclasses import dataclass
from typing import final

from mscale_uq.errors import CaseError, explain

COORDINATES = ("effective", "plain")


@final
@dataclass(frozen=True)
class Settings:
    """What a run is asked to do.

    Attributes
    ----------
    sampler
        A name in `mscale_uq.infer.methods.METHODS`.
    draws, tune
        Kept and discarded draws per chain.
    chains
        Independent chains; each has random numbers of its own, which depend on the seed and its index only.
    cores
        Chains running at the same time, each in a process of its own; 0 runs them here, one after another.
        Draws do not depend on it.
    seed
        A non-negative integer.
    target_accept
        NUTS and nutpie: mean acceptance probability that the step size is tuned to.
    coordinates
        NUTS and nutpie: ``"effective"`` walks in the logarithm of what the scale parameter scales, where a
        system declares one; ``"plain"`` does not.
    starts
        Prior draws to try for a start; map and laplace: optimisations per chain, of which the best counts.
    checkpoint_seconds
        Shortest time between two checkpoints.
    """

    sampler: str = "nuts"
    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    cores: int = 2
    seed: int = 0
    target_accept: float = 0.9
    coordinates: str = "effective"
    starts: int = 100
    checkpoint_seconds: float = 1.0

    def __post_init__(self) -> None:
        for name, least in (
            ("draws", 1),
            ("tune", 0),
            ("chains", 1),
            ("cores", 0),
            ("seed", 0),
            ("starts", 1),
        ):
            if getattr(self, name) < least:
                raise CaseError(explain(f"{name} = {getattr(self, name)}", f"at least {least}"))
        if self.coordinates not in COORDINATES:
            raise CaseError(explain(f"coordinates = {self.coordinates!r}", ", ".join(COORDINATES)))
        if not 0 < self.target_accept < 1:
            raise CaseError(explain(f"target_accept = {self.target_accept}", "between 0 and 1"))
