"""A finer or resolved model of the same experiment, as a `ForwardModel` to compare with."""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
from typing import Any, final

import numpy as np

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Stage, Values
from mscale_uq.core.system import System
from mscale_uq.errors import InputError, explain, near_match


@final
class Resolved(Stage):
    """A system's resolved solver as one stage, without a derivative.

    Parameters
    ----------
    function
        ``function(theta) -> {output: array}``, theta by name in model units; it must pickle.
    inputs, outputs
        Names read and made.
    """

    def __init__(
        self,
        function: Callable[[Values], Mapping[str, Array]],
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
    ) -> None:
        self.function = function
        self.name = "resolved model"
        self.inputs, self.outputs = inputs, outputs

    def value(self, values: Values) -> Named:
        """Return the outputs; raises `InputError` if the solver leaves one out."""
        made = self.function({name: values[name] for name in self.inputs})
        for name in self.outputs:
            if name not in made:
                raise InputError(explain(f"the resolved model makes no {name!r}", ", ".join(made)))
        return {name: np.asarray(made[name], dtype=float) for name in self.outputs}


def resolved_model(system: System, model: ForwardModel, **settings: Any) -> ForwardModel:
    """Return a system's resolved solver with the parameters and outputs of one of its forward models.

    Parameters
    ----------
    system
        It declares a resolved model.
    model
        The model of an experiment.
    settings
        Options and coordinates of the experiment, of which the resolved solver takes those it knows, and
        settings of its own, such as the number of cells.

    Raises
    ------
    InputError
        If the system declares none, or nobody knows a setting.
    """
    if system.resolved is None:
        hint = "compare with a finer mesh instead"
        raise InputError(explain(f"{system.name} declares no resolved model", hint=hint))
    own = list(signature(system.resolved).parameters)[1:]
    known = {*own, *signature(system.forward).parameters}
    for name in settings:
        if name not in known:
            raise InputError(explain(f"resolved model: {name!r}{near_match(name, known)}", ", ".join(own)))
    taken = {name: value for name, value in settings.items() if name in own}
    held = {name: model.constants[name] for name in model.constants if name in _names(system)}
    stage = Resolved(partial(system.resolved, **taken), (*model.names, *held), model.outputs)
    return ForwardModel([stage], model.parameters, model.outputs, held)


def _names(system: System) -> set[str]:
    return {parameter.name for parameter in system.parameters}
