"""`Analysis`: how an ensemble takes in readings; one final class per scheme, in a file of its own."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.filters.innovation import Innovation
from mscale_uq.filters.localisation import Localisation


class Analysis(ABC):
    """A scheme; a child is a frozen dataclass.

    Attributes
    ----------
    localisation
        How far readings reach; None means everywhere.
    random
        Whether the scheme draws random numbers; the others are given no generator.
    """

    localisation: Localisation | None
    random: ClassVar[bool] = False

    @abstractmethod
    def update(self, members: Array, innovation: Innovation, rng: np.random.Generator | None) -> Array:
        """Return the members ``(N, n)`` given the readings.

        The columns may be states, past states or parameters: whatever is correlated with the predicted
        readings is corrected.

        Raises
        ------
        CovarianceError
            If the covariance of the innovation is not positive definite.
        """
