"""Dresses a kernel as a step method, so that the chain driver takes it by the hand as it does PyMC's."""

from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.infer.density import Density
from mscale_uq.infer.kernel import Kernel


@final
@dataclass(frozen=True)
class KernelStepState:
    """What a checkpoint keeps: the chain's state, and the random generator's."""

    chain: Any
    generator: dict[str, Any]


@final
class KernelStep:
    """A chain that is about to move.

    Parameters
    ----------
    kernel
        Moves it.
    start
        Sampler coordinates ``(n,)``.
    rng
        Random numbers of this chain.
    density
        Translates to and from the driver's points.
    """

    def __init__(self, kernel: Kernel, start: Array, rng: np.random.Generator, density: Density) -> None:
        self._kernel, self._rng, self._density = kernel, rng, density
        self._chain = kernel.start(start)

    @property
    def sampling_state(self) -> KernelStepState:
        """What the next step depends on."""
        return KernelStepState(self._chain, dict(self._rng.bit_generator.state))

    @sampling_state.setter
    def sampling_state(self, state: KernelStepState) -> None:
        self._chain = state.chain
        self._rng.bit_generator.state = state.generator

    def step(self, point: dict[str, Array]) -> tuple[dict[str, Array], list[dict[str, Any]]]:
        """Move; the chain knows where it stands."""
        self._chain, info = self._kernel.step(self._chain, self._rng)
        return self._density.point(self._chain.z), [asdict(info)]

    def stop_tuning(self) -> None:
        """End the tuning."""
        self._chain = self._kernel.tuned(self._chain)
