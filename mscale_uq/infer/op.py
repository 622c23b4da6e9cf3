"""The likelihood as a PyTensor operator: theta in, log-likelihood and gradient out, one solve for both."""

import warnings
from collections.abc import Callable
from typing import Any, Protocol, final
from uuid import uuid4
from weakref import WeakValueDictionary

import numba
import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_and_cache_key

from mscale_uq.core.parameter import Array
from mscale_uq.errors import NoGradient

# PyTensor looks for a BLAS when it first compiles, and advises to install one where it finds none. No matrix
# of ours passes through it: it is asked here, once, and its advice is not handed on.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)
    _ = pytensor.config.blas__ldflags


class Differentiated(Protocol):
    """theta ``(n,)`` -> a number and its gradient ``(n,)``; never NaN. A `Likelihood` is one."""

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Evaluate."""


@final
class LogLikelihoodOp(Op):
    """theta ``(n,)`` -> log-likelihood ``()`` and its gradient ``(n,)``.

    The derivative of the first output is the second, and PyTensor merges the two applications, so that a
    value with its gradient is one evaluation. The second input is a name, see `_KNOWN`; it comes by itself.

    Raises
    ------
    NoGradient
        If a derivative of the gradient is asked for.
    """

    def __init__(self, likelihood: Differentiated) -> None:
        self.likelihood = likelihood
        self._name = _new_name()

    def make_node(self, *inputs: Any) -> Apply:
        """Take a vector, make a scalar and a vector."""
        theta, name = (*inputs, self._name)[:2]
        return Apply(self, [pt.as_tensor_variable(theta), name], [pt.dscalar(), pt.dvector()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        """Evaluate; the gradient is copied: the graph may work in place, and the likelihood remembers."""
        density, slope = self.likelihood(inputs[0])
        output_storage[0][0], output_storage[1][0] = np.asarray(density), slope.copy()

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Both outputs depend on theta, none on the name."""
        return [[True, True], [False, False]]

    def grad(self, inputs: Any, output_grads: Any) -> list[Any]:
        """Return the second output, weighted."""
        weight, of_gradient = output_grads
        if not isinstance(of_gradient.type, DisconnectedType):
            raise NoGradient("the likelihood has no second derivative: use a method that needs only one")
        _, slope = self.make_node(*inputs).outputs
        return [weight * slope, DisconnectedType()()]


@final
class LogLikelihoodValueOp(Op):
    """theta ``(n,)`` -> log-likelihood ``()``, for models and samplers without a derivative."""

    def __init__(self, likelihood: Differentiated) -> None:
        self.likelihood = likelihood
        self._name = _new_name()

    def make_node(self, *inputs: Any) -> Apply:
        """Take a vector, make a scalar."""
        theta, name = (*inputs, self._name)[:2]
        return Apply(self, [pt.as_tensor_variable(theta), name], [pt.dscalar()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        """Evaluate."""
        output_storage[0][0] = np.asarray(self.likelihood(inputs[0])[0])


# Numba keeps compiled code on disk for the next process, so the code must hold no model. It gets a name as an
# input, a shared variable, and finds the likelihood here; the same code serves every model of the same form.
_KNOWN: WeakValueDictionary[int, Differentiated] = WeakValueDictionary()
_SCALAR = numba.types.Array(numba.float64, 0, "C")
_VECTOR = numba.types.Array(numba.float64, 1, "C")
_BOTH = numba.types.Tuple([_SCALAR, _VECTOR])


def _new_name() -> Any:
    return pytensor.shared(np.asarray(uuid4().int % 2**62, dtype="int64"), name="likelihood")


def _both(name: Any, theta: Any) -> Any:
    density, slope = _KNOWN[int(name)](theta)
    return np.asarray(density), slope.copy()


def _value(name: Any, theta: Any) -> Any:
    return np.asarray(_KNOWN[int(name)](theta)[0])


@register_funcify_and_cache_key(LogLikelihoodOp)
def _compile_both(op: LogLikelihoodOp, **_: Any) -> tuple[Callable[..., Any], str]:
    """Call the likelihood from a Numba function."""
    _KNOWN[int(op._name.get_value())] = op.likelihood

    @numba_njit
    def log_likelihood_and_gradient(theta: Any, name: Any) -> Any:
        with numba.objmode(answer=_BOTH):
            answer = _both(name, theta)
        return answer  # noqa: RET504 - Numba wants the object mode block closed first

    return log_likelihood_and_gradient, "mscale_uq log-likelihood and gradient, 1"


@register_funcify_and_cache_key(LogLikelihoodValueOp)
def _compile_value(op: LogLikelihoodValueOp, **_: Any) -> tuple[Callable[..., Any], str]:
    _KNOWN[int(op._name.get_value())] = op.likelihood

    @numba_njit
    def log_likelihood(theta: Any, name: Any) -> Any:
        with numba.objmode(answer=_SCALAR):
            answer = _value(name, theta)
        return answer  # noqa: RET504 - as above

    return log_likelihood, "mscale_uq log-likelihood, 1"
