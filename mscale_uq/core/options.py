"""`takes`: options reach `System.forward` and `System.space` checked, and each default is said once."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from types import SimpleNamespace
from typing import Any, final

from mscale_uq.core.system import Option
from mscale_uq.errors import ParameterError, explain, near_match


@final
class Chosen(SimpleNamespace):
    """The options of one call, by name: what was given, in the option's type, and the defaults elsewhere."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"option {name} is chosen, and stays")


def takes(options: tuple[Option, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make of ``f(o, x=.., *, sd=..)``, `o` the `Chosen` options, one that is called ``f(x=.., option=..)``.

    The options follow the function's own arguments, each with its declared default; `signature` tells them.

    Raises
    ------
    ParameterError
        When called with a name that is none of these, or with an option of another type, none of its
        choices, or outside its limits.
    """

    def made(function: Callable[..., Any]) -> Callable[..., Any]:
        own = list(signature(function).parameters.values())[1:]
        ours = [Parameter(o.name, Parameter.POSITIONAL_OR_KEYWORD, default=o.default) for o in options]
        whole = Signature(sorted((*own, *ours), key=lambda argument: argument.kind))

        @wraps(function)
        def called(*given: Any, **named: Any) -> Any:
            for name in named:
                if name not in whole.parameters:
                    said = f"{function.__name__} knows no {name!r}{near_match(name, whole.parameters)}"
                    raise ParameterError(explain(said, ", ".join(whole.parameters)))
            bound = whole.bind(*given, **named).arguments
            chosen = {o.name: _checked(o, bound.pop(o.name, o.default)) for o in options}
            return function(Chosen(**chosen), **bound)

        called.__signature__ = whole  # type: ignore[attr-defined]
        return called

    return made


def _checked(option: Option, value: Any) -> Any:
    """Return the value in the option's type; an image may be the picture itself."""
    return value if option.image and not isinstance(value, str) else option.check(value)
