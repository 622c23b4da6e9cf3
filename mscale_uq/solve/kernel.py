"""`kernel` and `callback`: compiled functions, kept on disk until anything that they are made from changes.

Numba compiles anew when the file of a function has changed. It does not look at what the function calls in
other files, nor at constants from there: it would go on with the old machine code, and say nothing.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, final

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature

from mscale_uq.core.lazy import lazy
from mscale_uq.solve.fingerprint import Function, fingerprint


def kernel(function: Function | None = None, /, **options: Any) -> Any:
    """Compile a function when it is called; ``@kernel``, or ``@kernel(fastmath=True)`` with options of numba.

    Divisions by zero give inf and NaN, as in NumPy, unless ``error_model="python"``.
    """
    if function is None:
        return partial(kernel, **options)
    made = njit(**{"error_model": "numpy", **options})(function)
    made._cache = _Kept(function)
    return made


def callback(function: Callable[..., Any], signature: Any) -> Any:
    """Compile a plain function at once, for kernels that take it by its address."""
    made = CFunc(function, normalize_signature(signature), locals={}, options={"error_model": "numpy"})
    if Path(function.__code__.co_filename).is_file():  # else there is no place to keep it
        made._cache = _Kept(function)
    made.compile()
    return made


@final
class _Kept(FunctionCache):  # type: ignore[misc]  # numba has no types
    """Numba's files of a function, under another mark."""

    def __init__(self, function: Function) -> None:
        super().__init__(function)
        own = self._impl.locator.get_source_stamp()
        self._cache_file = _Index(function, self._cache_path, self._impl.filename_base, own)


@final
class _Index(IndexDataCacheFile):  # type: ignore[misc]
    """Numba's list of what is kept of a function: valid for one state of its file, and one fingerprint."""

    def __init__(self, function: Function, path: str, name: str, own: object) -> None:
        super().__init__(path, name, own)
        self._function = function

    @property
    def _source_stamp(self) -> tuple[object, str]:
        """What is compared."""
        return self._own, self._fingerprint

    @_source_stamp.setter
    def _source_stamp(self, own: object) -> None:
        self._own = own

    @lazy
    def _fingerprint(self) -> str:
        """Worked out when it is first needed: by then all that the function calls is there."""
        return fingerprint(self._function)
