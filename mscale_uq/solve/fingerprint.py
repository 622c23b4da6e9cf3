"""What a function was made from: itself, what it calls, and the constants that they take from anywhere."""

import hashlib
from collections.abc import Callable, Iterator
from types import CodeType, ModuleType
from typing import Any

import numpy as np

Function = Callable[..., Any]
# Numba knows these itself, and none of them changes without a change of version.
OTHERS = {"builtins", "cmath", "math", "numba", "numpy", "scipy"}


def fingerprint(function: Function) -> str:
    """Return a number for all of it, equal in every process: instructions, constants, options of compilers.

    NumPy's and Numba's own functions are known by their names alone.
    """
    digest, seen, left = hashlib.sha256(), set(), [plain(function)]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        codes = list(_codes(one.__code__))
        for code in codes:
            digest.update(repr(_instructions(code)).encode())
        for name, value in sorted(_outside(one, codes).items()):
            digest.update(f"{name}={described(value)};".encode())
            if isinstance(getattr(plain(value), "__code__", None), CodeType) and not _of_others(value):
                left.append(plain(value))
    return digest.hexdigest()


def plain(function: Function) -> Any:
    """Return the Python function behind a compiled one."""
    return getattr(function, "py_func", function)


def described(value: Any) -> str:
    """Return a constant as text that tells it from others; of other things their name."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype.str}{value.shape}{hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, bool | int | float | complex | str | bytes | np.generic) or value is None:
        return repr(value)
    if isinstance(value, tuple):
        return f"{type(value).__qualname__}({', '.join(map(described, value))})"
    options = sorted(getattr(value, "targetoptions", {}).items())
    fields = getattr(value, "_fields", ())
    return (
        f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value))}{options}{fields}"
    )


def _of_others(value: Any) -> bool:
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) or ""
    return name.partition(".")[0] in OTHERS


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _instructions(code: CodeType) -> tuple[Any, ...]:
    constants = [described(one) for one in code.co_consts if not isinstance(one, CodeType)]
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars


def _outside(function: Any, codes: list[CodeType]) -> dict[str, Any]:
    """Return what a function reads from its module, from modules it names, and from where it was made."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    found = {name: cell.cell_contents for name, cell in cells}
    names = {name for code in codes for name in code.co_names}
    found |= {name: function.__globals__[name] for name in names if name in function.__globals__}
    modules = {name: value for name, value in found.items() if isinstance(value, ModuleType)}
    for name, module in modules.items():
        if not _of_others(module):
            found |= {f"{name}.{part}": getattr(module, part) for part in names if hasattr(module, part)}
    return {**found, "default arguments": function.__defaults__}
