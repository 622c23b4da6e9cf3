"""`Density`: a posterior in sampler coordinates, compiled; one per chain."""

from collections.abc import Callable
from typing import Any, final

import numpy as np
from pymc.model.core import ValueGradFunction

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named
from mscale_uq.errors import ParameterError, explain
from mscale_uq.infer.coordinates import to_physical, to_sampler
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.likelihood import Likelihood
from mscale_uq.infer.shear import Shear
from mscale_uq.infer.shear_graph import sheared
from mscale_uq.infer.target import Target
from mscale_uq.infer.to_pymc import build_model

# Numba, not C: it needs no compiler on the machine and waits for no lock that other chains hold. Imports and
# compiling take 3 to 4 s, with an empty cache 5 to 10; C takes 3 and 10, and 2 to 3 s more per new model.
# An evaluation costs 15 us beside the model's own time.
MODE = "NUMBA"

# z -> (log-density, gradient)
Function = Callable[[Array], tuple[float, Array]]


@final
class Density:
    """The PyMC model of a target, and what translates between its points and vectors z ``(n,)``.

    With a shear, vectors, points and the compiled functions are in its coordinates w, called z here too:
    whoever walks need not know. PyMC's own model is not sheared.

    Attributes
    ----------
    model
        PyMC's.
    likelihood, ledger
        Where failures are caught and counted.
    """

    def __init__(self, target: Target, ledger: Ledger, gradient: bool, shear: Shear | None = None) -> None:
        self.target = target
        self._shear = shear
        self.ledger = ledger
        self.likelihood = Likelihood(target, ledger, gradient, () if shear is None else shear.notes)
        self.model = build_model(target, self.likelihood)
        self._values = {self.model.values_to_rvs[v].name: v.name for v in self.model.value_vars}
        self._compiled: dict[bool, ValueGradFunction] = {}

    def renew(self, target: Target, ledger: Ledger) -> None:
        """Put other data under the functions that are compiled already; the priors must be the same."""
        self.target, self.ledger = target, ledger
        self.likelihood.renew(target, ledger)

    @property
    def origin(self) -> dict[str, Array]:
        """PyMC's point at z = 0, for functions that want shapes."""
        return self.point(np.zeros(len(self.target.names)))

    def point(self, z: Array) -> dict[str, Array]:
        """Return z as PyMC's point: value variable -> array, in the model's order."""
        parts = self.target.split(z)
        return {value: np.array(parts[name]) for name, value in self._values.items()}

    def vector(self, point: dict[str, Array]) -> Array:
        """Return PyMC's point as z."""
        return self.target.pack({name: point[value] for name, value in self._values.items()})

    def physical(self, z: Array) -> Array:
        """Return theta at z."""
        return to_physical(self.target, z if self._shear is None else self._shear.to_z(z))

    def named(self, z: Array) -> Named:
        """Return theta at z by name."""
        return self.target.split(self.physical(z))

    def gradient_function(self, jacobian: bool = True) -> ValueGradFunction:
        """Compile z -> (log-density, gradient), once: the density of z, or without the Jacobian of theta."""
        if jacobian not in self._compiled:
            cost, variables = self._sheared(self.model.logp(jacobian=jacobian))
            settings = {"initial_point": self.origin, "model": self.model, "ravel_inputs": True, "mode": MODE}
            function = ValueGradFunction([cost], variables, **settings)
            function._pytensor_function.trust_input = True
            self._compiled[jacobian] = function
        return self._compiled[jacobian]

    def _sheared(self, cost: Any) -> tuple[Any, list[Any]]:
        """Return a cost in the coordinates of the shear, and its variables in the model's order."""
        variables = {self.model.values_to_rvs[v].name: v for v in self.model.value_vars}
        if self._shear is not None:
            cost, variables = sheared(self._shear, cost, variables)
        return cost, list(variables.values())

    def function(self, jacobian: bool = True) -> Function:
        """Compile z -> (log-density, gradient) for callers outside PyMC; never NaN."""
        compiled = self.gradient_function(jacobian)._pytensor_function

        def evaluate(z: Array) -> tuple[float, Array]:
            value, slope = self.call(compiled, z)
            return (float(value), np.array(slope)) if value == value else (-np.inf, np.zeros(z.size))

        return evaluate

    def find_start(self, rng: np.random.Generator, tries: int) -> Array:
        """Return z of a prior draw at which there is a likelihood.

        Raises
        ------
        ParameterError
            If there is none among `tries` draws; says how many failed, and why.
        """
        for _ in range(tries):
            z = to_sampler(self.target, self.target.sample_prior(rng))
            if np.all(np.isfinite(z)) and np.isfinite(self.likelihood(to_physical(self.target, z))[0]):
                return z if self._shear is None else self._shear.to_w(z)
        raise ParameterError(
            explain(
                f"none of {tries} prior draws has a likelihood: {self.ledger.summary()}",
                hint="narrow the priors, or check the model at its defaults",
            )
        )

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return ``function(*arguments)``; if a model has a bug, raise its own exception, as it was."""
        try:
            # A sampler's far-out trial points overflow; what comes of them is caught as not finite.
            with np.errstate(all="ignore"):
                return function(*arguments)
        except Exception:
            if self.likelihood.error is not None:
                raise self.likelihood.error from None
            raise
