"""A guarded complex array: lets analytic functions through and refuses the others by name.

The complex step f'(x) = Im f(x + ih)/h is exact to round-off for analytic f, and silently wrong when f
drops the imaginary part (abs, conj, max, .real, float()). This array therefore only knows functions that
are analytic, and raises `NoGradient` with the function's name for everything else, also when somebody turns
it into a plain array. Comparisons look at the real part: a branch is taken as the real number would, and
`comparisons` tells that one was taken, since a search that only compares (a bisection) hides derivatives.

Source: J. R. R. A. Martins, P. Sturdza, J. J. Alonso, ACM Trans. Math. Softw. 29 (2003) 245-262,
doi:10.1145/838250.838251.
"""

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Never, final

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from mscale_uq.errors import NoGradient

# vdot, vecdot and vecmat are missing on purpose: they conjugate.
ANALYTIC_UFUNCS = frozenset(
    "add subtract multiply divide negative positive reciprocal power float_power square sqrt exp exp2 expm1 "
    "log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh "
    "matmul matvec erf erfc erfcx erfi wofz gamma loggamma psi digamma".split()
)
COMPARISONS = frozenset("less less_equal greater greater_equal equal not_equal".split())
QUESTIONS = frozenset("isfinite isnan isinf".split())
ANALYTIC_FUNCTIONS = frozenset(
    "sum mean prod cumsum cumprod dot matmul inner outer tensordot einsum kron trace stack concatenate "
    "hstack vstack column_stack where reshape ravel transpose swapaxes moveaxis squeeze expand_dims "
    "broadcast_to roll flip repeat tile diff append take atleast_1d atleast_2d diag diagonal zeros_like "
    "ones_like full_like shape size ndim solve inv det cross polyval trapezoid average copy split "
    "array_split".split()
)
# For each comparison on a stepped number, while somebody listens: whether it compared two equal numbers.
_heard: ContextVar[list[bool] | None] = ContextVar("_heard", default=None)


@contextmanager
def comparisons() -> Iterator[list[bool]]:
    """Collect the comparisons that decide on a stepped number: for each, whether a tie was among them."""
    heard: list[bool] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def _direct(operation: Callable[[Any, Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return an operator from the left and from the right, without NumPy's way round by `__array_ufunc__`.

    A formula of numbers consists of little else, and takes a third of the time.
    """

    def left(self: "GuardedArray", other: Any) -> "GuardedArray":
        return GuardedArray(operation(self._z, _open(other)))

    def right(self: "GuardedArray", other: Any) -> "GuardedArray":
        return GuardedArray(operation(_open(other), self._z))

    return left, right


@final
class GuardedArray(NDArrayOperatorsMixin):
    """A complex array on which only analytic functions act."""

    __array_priority__ = 1000

    def __init__(self, array: np.ndarray) -> None:
        self._z = np.asarray(array, dtype=complex)

    @staticmethod
    def step(value: np.ndarray, direction: np.ndarray) -> "GuardedArray":
        """Return value + i direction."""
        z = np.array(value, dtype=complex)
        z.imag = direction
        return GuardedArray(z)

    def unguarded(self) -> np.ndarray:
        """Return the complex array, for the differentiator only."""
        return self._z

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "__call__" and ufunc.__name__ in ANALYTIC_UFUNCS and not options:  # nearly always
            return GuardedArray(ufunc(*map(_open, inputs)))
        if ufunc.__name__ in COMPARISONS and method == "__call__":
            _tell(*inputs)
        if ufunc.__name__ in COMPARISONS | QUESTIONS and method == "__call__":
            return ufunc(*(_real(item) for item in inputs), **options)
        plain_method = method == "__call__" or ufunc.__name__ in ("add", "multiply")
        if ufunc.__name__ not in ANALYTIC_UFUNCS or not plain_method or "out" in options:
            _refuse(f"{ufunc.__name__}" + ("" if method == "__call__" else f".{method}"))
        return _wrap(getattr(ufunc, method)(*(_open(item) for item in inputs), **options))

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function.__name__ not in ANALYTIC_FUNCTIONS or "out" in options:
            _refuse(function.__name__)
        return _wrap(function(*_open(args), **_open(options)))

    def __array__(self, *_: Any, **__: Any) -> Never:
        _refuse("conversion to a plain array (np.asarray, or assignment into a plain array)")

    def __float__(self) -> Never:
        _refuse("float() or a math.* function")

    __int__ = __index__ = __complex__ = __float__
    __add__, __radd__ = _direct(operator.add)
    __sub__, __rsub__ = _direct(operator.sub)
    __mul__, __rmul__ = _direct(operator.mul)
    __truediv__, __rtruediv__ = _direct(operator.truediv)
    __pow__, __rpow__ = _direct(operator.pow)

    def __abs__(self) -> Never:
        _refuse("abs")

    def __bool__(self) -> bool:
        _tell(self, 0.0)
        return bool(np.real(self._z))

    def __getitem__(self, index: Any) -> "GuardedArray":
        return GuardedArray(self._z[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        self._z[index] = _open(value)

    def __len__(self) -> int:
        return len(self._z)

    def __iter__(self) -> Any:
        return (GuardedArray(row) for row in self._z)

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "ndim", "size"):
            return getattr(self._z, name)
        if name == "T":
            return GuardedArray(self._z.T)
        if name in ANALYTIC_FUNCTIONS:
            method = getattr(self._z, name)
            return lambda *args, **options: _wrap(method(*_open(args), **_open(options)))
        if name.startswith("__"):
            raise AttributeError(name)
        return _refuse(f".{name}")


def _open(item: Any) -> Any:
    """Take the guard off, inside containers too."""
    if isinstance(item, GuardedArray):
        return item._z
    if isinstance(item, tuple | list):
        return type(item)(_open(part) for part in item)
    if isinstance(item, dict):
        return {name: _open(part) for name, part in item.items()}
    return item


def _real(item: Any) -> Any:
    return np.real(item._z) if isinstance(item, GuardedArray) else item


def _tell(left: Any, right: Any) -> None:
    """Note a comparison for `comparisons`, if the step can have a say in it."""
    heard = _heard.get()
    if heard is None:
        return
    stepped = sum(np.imag(side._z) != 0 for side in (left, right) if isinstance(side, GuardedArray))
    if np.any(stepped):
        heard.append(bool(np.any((_real(left) == _real(right)) & (stepped > 0))))


def _wrap(result: Any) -> Any:
    if isinstance(result, tuple | list):
        return type(result)(_wrap(part) for part in result)
    if isinstance(result, np.ndarray | np.generic) and result.dtype.kind == "c":
        return GuardedArray(np.asarray(result))
    return result


def _refuse(what: str) -> Never:
    raise NoGradient(
        f"{what} is not analytic, so the complex step cannot differentiate it; "
        "hint: write the formula with analytic functions, or make a Stage with its own linearize"
    )
