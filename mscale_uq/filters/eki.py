"""Ensemble Kalman inversion: the members move to the parameters that fit the data, without derivatives."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

from numpy.typing import ArrayLike

from mscale_uq.core.forward import ForwardModel
from mscale_uq.errors import InputError, explain
from mscale_uq.filters.analysis import Analysis
from mscale_uq.filters.inversion import Inversion, invert, problem
from mscale_uq.filters.stochastic import Stochastic


@final
@dataclass(frozen=True)
class EKI:
    """Repeats the update with the full noise until the misfit is no larger than the noise explains.

    An optimiser, not a sampler: the members gather at the fit, and their spread is no uncertainty (for that
    take `ESMDA`). In free coordinates they never leave the affine hull of the first ones, which is the
    regularisation.

    Attributes
    ----------
    steps
        Largest number of updates.
    discrepancy
        Stop when the misfit per datum is at most this; 0 never stops early.
    analysis
        The update.

    Raises
    ------
    InputError
        If there is no step, or the discrepancy is negative.

    Source: M. A. Iglesias, K. J. H. Law and A. M. Stuart, Inverse Problems 29 (2013) 045001,
    doi:10.1088/0266-5611/29/4/045001.
    """

    steps: int = 20
    discrepancy: float = 1.0
    analysis: Analysis = field(default_factory=Stochastic)

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.discrepancy >= 0:
            given = f"eki: steps = {self.steps}, discrepancy = {self.discrepancy}"
            raise InputError(explain(given, "steps from 1, discrepancy from 0"))

    def invert(
        self,
        model: ForwardModel,
        thetas: ArrayLike,
        data: ArrayLike,
        noise: ArrayLike,
        key: int = 0,
        map: Callable[..., Iterable[Any]] = map,
    ) -> Inversion:
        """Return the members that fit the data, from first members ``(N, p)``; else as `ESMDA.invert`."""
        task = problem(model, data, noise, self.analysis, map, key)
        return invert(task, thetas, [1.0] * self.steps, partial(_fits, self.discrepancy))


def _fits(discrepancy: float, misfit: float) -> bool:
    return misfit <= discrepancy
