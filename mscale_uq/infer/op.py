"""The likelihood as a PyTensor operator: theta in, log-likelihood and gradient out, one solve for both."""

from collections.abc import Callable
from itertools import count
from typing import Any, final
from weakref import WeakValueDictionary

import numba
import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_and_cache_key

from mscale_uq.errors import NoGradient
from mscale_uq.infer.likelihood import Likelihood


@final
class LogLikelihoodOp(Op):
    """theta ``(n,)`` -> log-likelihood ``()`` and its gradient ``(n,)``.

    The derivative of the first output is the second, and PyTensor merges the two applications, so that a
    value with its gradient is one evaluation.

    Raises
    ------
    NoGradient
        If a derivative of the gradient is asked for.
    """

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood

    def make_node(self, *inputs: Any) -> Apply:
        """Take a vector, make a scalar and a vector."""
        return Apply(self, [pt.as_tensor_variable(*inputs)], [pt.dscalar(), pt.dvector()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        """Evaluate; the gradient is copied: the graph may work in place, and the likelihood remembers."""
        density, slope = self.likelihood(inputs[0])
        output_storage[0][0], output_storage[1][0] = np.asarray(density), slope.copy()

    def grad(self, inputs: Any, output_grads: Any) -> list[Any]:
        """Return the second output, weighted."""
        weight, of_gradient = output_grads
        if not isinstance(of_gradient.type, DisconnectedType):
            raise NoGradient(
                "the likelihood has no second derivative: use a method that needs only the first"
            )
        _, slope = self.make_node(inputs[0]).outputs
        return [weight * slope]


@final
class LogLikelihoodValueOp(Op):
    """theta ``(n,)`` -> log-likelihood ``()``, for models and samplers without a derivative."""

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood

    def make_node(self, *inputs: Any) -> Apply:
        """Take a vector, make a scalar."""
        return Apply(self, [pt.as_tensor_variable(*inputs)], [pt.dscalar()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        """Evaluate."""
        output_storage[0][0] = np.asarray(self.likelihood(inputs[0])[0])


# Numba keeps compiled code on disk for the next process, so the code must not hold a model: it holds a
# number, under which the likelihood is found here. A fresh process counts from 0 again, and finds the code.
_KNOWN: WeakValueDictionary[int, Likelihood] = WeakValueDictionary()
_SCALAR = numba.types.Array(numba.float64, 0, "C")
_VECTOR = numba.types.Array(numba.float64, 1, "C")
_BOTH = numba.types.Tuple([_SCALAR, _VECTOR])


def _number(likelihood: Likelihood) -> int:
    number = next(free for free in count() if _KNOWN.get(free, likelihood) is likelihood)
    _KNOWN[number] = likelihood
    return number


def _both(number: int, theta: Any) -> Any:
    density, slope = _KNOWN[number](theta)
    return np.asarray(density), slope.copy()


def _value(number: int, theta: Any) -> Any:
    return np.asarray(_KNOWN[number](theta)[0])


@register_funcify_and_cache_key(LogLikelihoodOp)
def _compile_both(op: LogLikelihoodOp, **_: Any) -> tuple[Callable[..., Any], str]:
    """Call the likelihood from a Numba function."""
    number = _number(op.likelihood)

    @numba_njit
    def log_likelihood_and_gradient(theta: Any) -> Any:
        with numba.objmode(answer=_BOTH):
            answer = _both(number, theta)
        return answer  # noqa: RET504 - Numba wants the object mode block closed first

    return log_likelihood_and_gradient, f"mscale_uq log-likelihood and gradient {number}"


@register_funcify_and_cache_key(LogLikelihoodValueOp)
def _compile_value(op: LogLikelihoodValueOp, **_: Any) -> tuple[Callable[..., Any], str]:
    number = _number(op.likelihood)

    @numba_njit
    def log_likelihood(theta: Any) -> Any:
        with numba.objmode(answer=_SCALAR):
            answer = _value(number, theta)
        return answer  # noqa: RET504 - as above

    return log_likelihood, f"mscale_uq log-likelihood {number}"
