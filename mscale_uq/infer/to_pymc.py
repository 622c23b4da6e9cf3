"""A posterior as a PyMC model: priors by name and shape, the likelihood as a potential."""

from collections.abc import Callable
from typing import Any, final

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform

from mscale_uq.errors import ForwardFailure, NoGradient
from mscale_uq.infer.coordinates import COORDINATES, Coordinate, to_physical
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.likelihood import Likelihood
from mscale_uq.infer.op import LogLikelihoodOp, LogLikelihoodValueOp
from mscale_uq.infer.target import Target
from mscale_uq.stats import priors
from mscale_uq.stats.prior import Prior


def to_pymc(posterior: Target) -> pm.Model:
    """Return a PyMC model of the posterior, ready for ``pm.sample`` and everything else PyMC does.

    The variables carry the posterior's names and shapes. PyMC moves standardised coordinates of them, which
    for a hierarchy are the non-centred ones; `mscale_uq.infer.coordinates` has the formulas. A model without
    an exact derivative gets a likelihood without one, and PyMC then chooses samplers that need none.
    """
    likelihood = Likelihood(posterior, Ledger(), gradient=_has_gradient(posterior))
    return build_model(posterior, likelihood)


def build_model(target: Target, likelihood: Likelihood) -> pm.Model:
    """Return the PyMC model of `target` whose potential is `likelihood`."""
    with pm.Model() as model:
        values: dict[str, Any] = {}
        for name, prior in target.priors.items():
            values[name] = _variable(name, prior, values, target.variables[name])
        theta = pt.concatenate([pt.atleast_1d(values[name]).ravel() for name in target.variables])
        pm.Potential("log_likelihood", _density(likelihood, theta))
    return model


def _density(likelihood: Likelihood, theta: Any) -> Any:
    if likelihood.gradient:
        return LogLikelihoodOp(likelihood).make_node(theta).outputs[0]
    return LogLikelihoodValueOp(likelihood)(theta)


def _has_gradient(target: Target) -> bool:
    """Ask at the middle of the prior; if there is no answer there, the sampler will find out."""
    try:
        target.log_likelihood_gradient(to_physical(target, np.zeros(len(target.names))))
    except NoGradient:
        return False
    except ForwardFailure:
        return True
    return True


@final
class Standardised(Transform):
    """PyMC's view of a `Coordinate`: value variables are z, random variables are x."""

    name = "z"

    def __init__(self, coordinate: Coordinate, derive: Callable[..., Any], read: Callable[..., Any]) -> None:
        self.coordinate = coordinate
        self.derive = derive
        self.read = read

    def forward(self, value: Any, *inputs: Any) -> Any:
        """Return z."""
        return self.coordinate.forward(pt, value, *self._arguments(inputs))

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Return x."""
        return self.coordinate.backward(pt, value, *self._arguments(inputs))

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Return log(dx/dz), elementwise."""
        return self.coordinate.log_slope(pt, value, *self._arguments(inputs))

    def _arguments(self, inputs: Any) -> Any:
        return self.derive(pt, *self.read(*inputs))


# What PyTensor's random variables call their inputs is not always what PyMC's distributions do.
def _as_given(*inputs: Any) -> tuple[Any, ...]:
    return inputs[-2:]


def _last(*inputs: Any) -> tuple[Any, ...]:
    return inputs[-1:]


def _inverse_last(*inputs: Any) -> tuple[Any, ...]:
    return (1.0 / inputs[-1],)


def _shape_and_rate(*inputs: Any) -> tuple[Any, ...]:
    return inputs[-2], 1.0 / inputs[-1]


def _log_uniform_logp(x: Any, lower: Any, upper: Any) -> Any:
    inside = pt.and_(pt.gt(x, lower), pt.lt(x, upper))
    return pt.switch(inside, -pt.log(x) - pt.log(pt.log(upper / lower)), -np.inf)


def _log_uniform_random(lower: Any, upper: Any, rng: Any = None, size: Any = None) -> Any:
    return lower * (upper / lower) ** rng.uniform(size=size)


def _log_uniform_middle(x: Any, size: Any, lower: Any, upper: Any) -> Any:  # noqa: ARG001
    return pt.full_like(x, pt.sqrt(lower * upper))


def _log_uniform(name: str, lower: Any, upper: Any, **settings: Any) -> Any:
    """PyMC has no log-uniform distribution."""
    return pm.CustomDist(
        name,
        lower,
        upper,
        logp=_log_uniform_logp,
        random=_log_uniform_random,
        support_point=_log_uniform_middle,
        **settings,
    )


# Family -> PyMC's distribution, its names for the arguments, and how to find them among a variable's inputs.
DISTRIBUTIONS: dict[type[Prior], tuple[Callable[..., Any], tuple[str, ...], Callable[..., Any]]] = {
    priors.Normal: (pm.Normal, ("mu", "sigma"), _as_given),
    priors.LogNormal: (pm.LogNormal, ("mu", "sigma"), _as_given),
    priors.HalfNormal: (pm.HalfNormal, ("sigma",), _last),
    priors.Exponential: (pm.Exponential, ("lam",), _inverse_last),
    priors.Gamma: (pm.Gamma, ("alpha", "beta"), _shape_and_rate),
    priors.Beta: (pm.Beta, ("alpha", "beta"), _as_given),
    priors.Uniform: (pm.Uniform, ("lower", "upper"), _as_given),
    priors.LogUniform: (_log_uniform, ("lower", "upper"), _as_given),
    priors.TruncatedNormal: (pm.TruncatedNormal, ("mu", "sigma", "lower", "upper"), _as_given),
}


def _variable(name: str, prior: Prior, values: dict[str, Any], shape: tuple[int, ...]) -> Any:
    distribution, keywords, read = DISTRIBUTIONS[type(prior)]
    # As float64: PyMC would round a Python float to single precision.
    given = [values[a] if isinstance(a, str) else np.float64(a) for a in prior.arguments.values()]
    transform = Standardised(*COORDINATES[type(prior)], read)
    arguments = dict(zip(keywords, given, strict=True))
    return distribution(name, **arguments, shape=shape, default_transform=transform)
