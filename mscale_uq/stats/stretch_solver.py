"""The stages of one stretch alone, run at what it reads."""

from typing import final

from mscale_uq.core.chain import Chain
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Stage, Values
from mscale_uq.core.stretch import Stretch
from mscale_uq.errors import WiringError, explain


@final
class StretchSolver:
    """What a stretch reads -> the quantity at its end; it pickles where the model does.

    Parameters
    ----------
    model
        The stretch is a part of its chain.
    stretch
        Which part.

    Attributes
    ----------
    cell_problems
        Those of a solve's dearest stage.

    Raises
    ------
    WiringError
        If nothing makes the quantity, or it depends on more than the stretch reads.
    """

    def __init__(self, model: ForwardModel, stretch: Stretch) -> None:
        if stretch.made not in model.chain.made:
            given = f"a stretch to {stretch.made!r}, which no stage makes"
            raise WiringError(explain(given, ", ".join(model.chain.made)))
        stages, needed = list[Stage](), {stretch.made}
        for stage in reversed(model.chain.stages):
            if needed.intersection(stage.outputs):
                stages.insert(0, stage)
                needed = (needed - set(stage.outputs)) | (set(stage.inputs) - set(stretch.reads))
        more = sorted(needed - set(model.constants))
        if more:
            given = f"the stretch to {stretch.made!r} depends on {', '.join(more)} too"
            raise WiringError(explain(given, "what it reads, and constants", "name it in the stretch"))
        self._made, self.cell_problems = stretch.made, max(stage.cell_problems for stage in stages)
        self._constants = {name: model.constants[name] for name in needed}
        self._chain = Chain(stages, [*stretch.reads, *self._constants], stretch.reads)

    def __call__(self, state: Values) -> Array:
        """Return the quantity; raises `SolveFailed` or `Infeasible` if there is none."""
        return self._chain.value({**self._constants, **state})[self._made]
