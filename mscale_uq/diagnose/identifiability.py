"""Is it identified? What the data of a posterior could say about its unknowns, before anything is sampled.

At the prior median and at prior draws, the Jacobian of everything the laws see, in units of the noise, gives
the Fisher information in normal scores (every prior a standard normal). Widths and correlations that follow
from it are local: they belong to the straight line through each point. What passes through one quantity only
is not local: it is a fact of the model (`passage`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.diagnose.local_information import LocalInformation, Sensor, bend, local_information
from mscale_uq.diagnose.moved import move_all
from mscale_uq.diagnose.normal_scores import from_normal
from mscale_uq.diagnose.passage import Passage, passages
from mscale_uq.diagnose.told import worst_pair
from mscale_uq.errors import InputError, explain
from mscale_uq.stats.posterior import Posterior

BENT = (
    1.0  # noise sds off the straight line within one posterior sd: from here on, widths are not to be trusted
)


@final
@dataclass(frozen=True)
class Identifiability:
    """What the data could say, at several points.

    Attributes
    ----------
    names
        One label per unknown, ``n`` of them.
    experiments
        Names of the experiments.
    points
        Local information at the prior median (if there is a prediction) and at prior draws.
    bends
        Noise sds by which predictions leave the straight line within one posterior sd, ``(points,)``; NaN
        where that is not known.
    failed
        Number of points without a prediction.
    passages
        Quantities that fix fewer combinations than there are unknowns behind them.
    """

    names: tuple[str, ...]
    experiments: tuple[str, ...]
    points: tuple[LocalInformation, ...]
    bends: Array
    failed: int
    passages: tuple[Passage, ...]

    @property
    def kept(self) -> Array:
        """Expected posterior sd as a share of the prior's, at every point ``(points, n)``; local."""
        return np.array([point.kept for point in self.points])

    @property
    def contraction(self) -> Array:
        """Share of the prior variance that goes, median over the points, ``(n,)``; local."""
        return np.asarray(np.median(1 - self.kept**2, axis=0))

    @property
    def worst_pair(self) -> tuple[str, str, float]:
        """The two unknowns with the largest posterior correlation by size, and its median; local."""
        return worst_pair(self.names, np.median([point.correlation for point in self.points], axis=0))

    @property
    def gains(self) -> dict[Sensor, float]:
        """Nats every reading adds to all the others, median over the points; the most useful first."""
        medians = {
            sensor: float(np.median([point.gain(sensor) for point in self.points]))
            for sensor in self.points[0].without
        }
        return dict(sorted(medians.items(), key=lambda item: -item[1]))

    @property
    def bent(self) -> int:
        """Number of points around which the posterior is not the ellipse that local widths describe."""
        return int(np.sum(self.bends > BENT))

    def kept_without(self, sensor: Sensor) -> Array:
        """Return the median of `kept` if one reading were missing ``(n,)``; local."""
        return np.asarray(np.median([point.kept_without(sensor) for point in self.points], axis=0))


def identifiability(
    posterior: Posterior,
    rng: np.random.Generator,
    draws: int = 20,
    map: Callable[..., Iterable[Any]] = map,
) -> Identifiability:
    """Look at the prior median and at prior draws.

    Raises
    ------
    NoGradient
        If a model has no derivative.
    InputError
        If there is a prediction at none of the points.
    """
    thetas = [from_normal(posterior, np.zeros(posterior.size))]
    thetas += [posterior.sample_prior(rng) for _ in range(draws)]
    ok = np.ones(len(thetas), dtype=bool)
    for experiment in posterior.experiments:
        rows = [experiment.theta(posterior.split(theta)) for theta in thetas]
        ok &= experiment.model.batch(rows, map=map).ok
    if not ok.any():
        given = f"no prediction at the prior median nor at any of {draws} prior draws"
        raise InputError(explain(given, hint="narrow the priors, or check the model at its defaults"))
    good = [theta for theta, fine in zip(thetas, ok, strict=True) if fine]
    moved = [move_all(posterior, theta) for theta in good]
    points = tuple(
        local_information(posterior, theta, at, sensors=True) for theta, at in zip(good, moved, strict=True)
    )
    bends = np.array([bend(posterior, point, at) for point, at in zip(points, moved, strict=True)])
    names = tuple(experiment.name for experiment in posterior.experiments)
    through = passages(posterior, points, moved)
    return Identifiability(posterior.names, names, points, bends, int(np.sum(~ok)), through)
