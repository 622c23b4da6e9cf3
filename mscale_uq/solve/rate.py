"""`Rate`: the right-hand side of an ordinary differential equation, compiled from one plain function.

The same function is compiled for real and for complex numbers; the complex step through the second gives
derivatives that are exact to round-off. Kernels receive both as pointers, so that they are compiled once
for all right-hand sides and kept on disk.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np
from numba import types
from numba.extending import typeof_impl

from mscale_uq.core.lazy import lazy
from mscale_uq.core.parameter import Array
from mscale_uq.errors import NoGradient, explain
from mscale_uq.solve.fingerprint import plain
from mscale_uq.solve.kernel import callback, kernel

REAL = types.Array(types.float64, 1, "C")
COMPLEX = types.Array(types.complex128, 1, "C")
RATE_OF_REALS = types.void(types.float64, REAL, REAL, REAL)
RATE_OF_COMPLEX = types.void(types.complex128, COMPLEX, COMPLEX, COMPLEX)
LEVEL_OF_REALS = types.float64(types.float64, REAL, REAL)
LEVEL_OF_COMPLEX = types.complex128(types.complex128, COMPLEX, COMPLEX)
STEP = 1e-40  # of the complex step, relative; no subtraction follows, so that it may be that small
PROBE = 1e-6  # of the differences that the complex step is judged by, relative


@final
@dataclass(frozen=True)
class Rate:
    """dy/dt = f(t, y, p) from ``function(t, y, p, dy)``, which fills `dy` ``(n,)``.

    The function is plain analytic Python on time, state ``(n,)`` and parameters ``(m,)``, all of them real
    or all complex; a branch may look at ``.real``. What it calls must be compiled by numba.
    """

    function: Callable[..., None]

    def __getstate__(self) -> dict[str, Any]:
        """What is compiled stays in its process."""
        return {"function": self.function}

    @lazy
    def real(self) -> Any:
        """The function compiled for real numbers."""
        return _compiled(self.function, RATE_OF_REALS)

    @lazy
    def complex(self) -> Any:
        """The function compiled for complex numbers."""
        return _compiled(self.function, RATE_OF_COMPLEX)

    @property
    def both(self) -> tuple[Any, Any]:
        """The function compiled for real and for complex numbers, as kernels take it."""
        return self.real, self.complex

    def at(self, t: float, y: Array, p: Array) -> Array:
        """Return dy/dt ``(n,)``."""
        return evaluated(self.real, float(t), y, p)

    def slopes(
        self, t: float, y: Array, p: Array, active: np.ndarray | None = None
    ) -> tuple[Array, Array, Array]:
        """Return the derivatives to the state ``(n, n)``, the parameters ``(n, m)`` and time ``(n,)``.

        Those to parameters that are not `active` (their places; all, unless said) are left at zero.
        """
        return rate_slopes(self.complex, float(t), y, p, np.arange(p.size) if active is None else active)

    def check_analytic(self, t: float, y: Array, p: Array) -> None:
        """Refuse a function whose complex step disagrees with central differences at this point.

        Raises
        ------
        NoGradient
            Naming the function: abs, max or ``.real`` have lost the imaginary part there.
        """
        column = first_difference(self.real, self.complex, float(t), y, p)
        if column >= 0:
            argument = f"state[{column}]" if column < y.size else f"parameter[{column - y.size}]"
            raise NoGradient(
                explain(
                    f"right-hand side {self.function.__name__!r} is not analytic in {argument} at t = {t:g}",
                    hint="write it without abs, max, min, sign; .real may only choose a branch",
                )
            )


@final
@dataclass(frozen=True)
class Level:
    """An event: the time at which ``function(t, y, p)``, written as in `Rate`, passes through zero.

    `direction` is +1 (rising), -1 (falling) or 0 (either).
    """

    function: Callable[..., Any]
    direction: int = 0

    @property
    def real(self) -> Any:
        """The function compiled for real numbers."""
        return _compiled(self.function, LEVEL_OF_REALS)

    @property
    def complex(self) -> Any:
        """The function compiled for complex numbers."""
        return _compiled(self.function, LEVEL_OF_COMPLEX)

    def at(self, t: float, y: Array, p: Array) -> float:
        """Return the level."""
        return float(level_value(self.real, float(t), y, p))

    def along(self, times: Array, states: Array, p: Array) -> Array:
        """Return the levels ``(N,)`` at times ``(N,)`` and states ``(N, n)``."""
        made: Array = level_values(self.real, times, states, p)
        return made

    def slopes(self, t: float, y: Array, p: Array) -> tuple[Array, Array, float]:
        """Return the derivatives to the state ``(n,)``, the parameters ``(m,)`` and time."""
        return level_slopes(self.complex, float(t), y, p)


@final
class Compiled(types.WrapperAddressProtocol):  # type: ignore[misc]  # numba has no types
    """A compiled function, as kernels take it: numba works out the type of its own anew at every call."""

    def __init__(self, function: Any, type_: Any) -> None:
        self.type = type_
        self._function = function
        self._address = function.address

    def __wrapper_address__(self) -> int:
        """Return where it is."""
        return int(self._address)

    def signature(self) -> Any:
        """Return what it takes and gives."""
        return self.type.signature


@typeof_impl.register(Compiled)
def _type_of(value: Compiled, _context: Any) -> Any:
    return value.type


@cache
def _compiled(function: Callable[..., Any], signature: Any) -> Compiled:
    return Compiled(callback(plain(function), signature), types.FunctionType(signature))


@kernel
def evaluated(rate, t, y, p):
    """Return the rate ``(n,)``."""
    made = np.empty_like(y)
    rate(t, y, p, made)
    return made


@kernel
def step_size(x):
    """Return the length of a complex step at x."""
    return STEP * abs(x) if x != 0 else STEP


@kernel
def fill_jacobian(rate, t, y, p, jacobian):
    """Fill the derivative of the rate to the state ``(n, n)``, one complex evaluation a column."""
    n = y.size
    yc, pc, made = y.astype(np.complex128), p.astype(np.complex128), np.empty(n, np.complex128)
    for j in range(n):
        h = step_size(y[j])
        yc[j] = complex(y[j], h)
        rate(complex(t, 0.0), yc, pc, made)
        yc[j] = y[j]
        for i in range(n):
            jacobian[i, j] = made[i].imag / h


@kernel
def fill_slopes(fc, t, y, p, active, by_parameters, by_time):
    """Fill the derivatives of the rate to time ``(n,)`` and, in ``(n, m)``, to the `active` parameters."""
    n = y.size
    yc, pc, made = y.astype(np.complex128), p.astype(np.complex128), np.empty(n, np.complex128)
    for j in active:
        h = step_size(p[j])
        pc[j] = complex(p[j], h)
        fc(complex(t, 0.0), yc, pc, made)
        pc[j] = p[j]
        for i in range(n):
            by_parameters[i, j] = made[i].imag / h
    fc(complex(t, STEP), yc, pc, made)
    for i in range(n):
        by_time[i] = made[i].imag / STEP


@kernel
def rate_slopes(rate, t, y, p, active):
    """Return the derivatives of the rate to state, `active` parameters and time."""
    by_state, by_parameters, by_time = (
        np.empty((y.size, y.size)),
        np.zeros((y.size, p.size)),
        np.empty(y.size),
    )
    fill_jacobian(rate, t, y, p, by_state)
    fill_slopes(rate, t, y, p, active, by_parameters, by_time)
    return by_state, by_parameters, by_time


@kernel
def level_value(level, t, y, p):
    """Return the level of an event."""
    return level(t, y, p)


@kernel
def level_values(level, times, states, p):
    """Return the levels of an event at many points."""
    made = np.empty(times.size)
    for i in range(times.size):
        made[i] = level(times[i], states[i], p)
    return made


@kernel
def level_slopes(level, t, y, p):
    """Return the derivatives of a level to state ``(n,)``, parameters ``(m,)`` and time."""
    yc, pc = y.astype(np.complex128), p.astype(np.complex128)
    by_state, by_parameters = np.empty(y.size), np.empty(p.size)
    for j in range(y.size):
        h = step_size(y[j])
        yc[j] = complex(y[j], h)
        by_state[j] = level(complex(t, 0.0), yc, pc).imag / h
        yc[j] = y[j]
    for j in range(p.size):
        h = step_size(p[j])
        pc[j] = complex(p[j], h)
        by_parameters[j] = level(complex(t, 0.0), yc, pc).imag / h
        pc[j] = p[j]
    return by_state, by_parameters, level(complex(t, STEP), yc, pc).imag / STEP


@kernel
def first_difference(f, fc, t, y, p):
    """Return the first argument (states, then parameters) whose complex step is not its difference, or -1."""
    n, both = y.size, np.concatenate((y, p))
    by_state, by_parameters, _ = rate_slopes(fc, t, y, p, np.arange(p.size))
    exact, terms = np.hstack((by_state, by_parameters)), np.abs(evaluated(f, t, y, p))
    size = np.where(both == 0, 1e-3, np.abs(both))
    for i in range(n):
        terms[i] += np.sum(np.abs(exact[i]) * size)
    for j in range(both.size):
        step, kept = PROBE * size[j], both[j]
        both[j] = kept + step
        ahead = evaluated(f, t, both[:n], both[n:])
        both[j] = kept - step
        behind = evaluated(f, t, both[:n], both[n:])
        both[j] = kept
        for i in range(n):
            difference = (ahead[i] - behind[i]) / 2
            if abs(difference - exact[i, j] * step) > 1e-9 * terms[i] + 1e-2 * abs(difference):
                return j
    return -1
