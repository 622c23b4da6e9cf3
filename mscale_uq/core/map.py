"""`Map`: whatever runs independent tasks, the built-in `map` among them."""

from collections.abc import Callable, Iterable
from typing import Any

# function, one or more iterables of tasks -> results in order
Map = Callable[..., Iterable[Any]]
