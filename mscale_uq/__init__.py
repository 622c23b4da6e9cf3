"""Bayesian calibration and data assimilation of multiscale models.

The public names are imported when they are used, so that ``import mscale_uq`` costs nothing.

Examples
--------
>>> import mscale_uq
>>> system = mscale_uq.load_system("biofilm_layers")
>>> model = system.forward()
>>> [f"{value:.3g}" for value in model.value(model.theta())][-1]
'3.55e-07'
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "mscale_uq.case.read": ("Case", "read_case"),
    "mscale_uq.catalog": ("load_system",),
    "mscale_uq.cell.conduction": ("effective_conductivity",),
    "mscale_uq.core.dynamics": ("Dynamics",),
    "mscale_uq.core.formula": ("Formula",),
    "mscale_uq.core.forward": ("ForwardModel",),
    "mscale_uq.core.implicit": ("Implicit",),
    "mscale_uq.core.parameter": ("Parameter",),
    "mscale_uq.core.stage": ("Stage",),
    "mscale_uq.core.statespace": ("StateSpace",),
    "mscale_uq.core.system": ("System",),
    "mscale_uq.errors": (
        "CaseError", "DataError", "ForwardFailure", "Infeasible", "InputError", "MscaleError", "NoGradient",
        "OutOfLimits", "ParameterError", "RunError", "SolveFailed", "UnitError", "WiringError",
    ),
    "mscale_uq.infer.to_pymc": ("to_pymc",),
    "mscale_uq.results.result": ("Result",),
    "mscale_uq.run.assimilate": ("assimilate",),
    "mscale_uq.run.calibrate": ("fit",),
    "mscale_uq.stats.posterior": ("Posterior",),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - a list, made from the table above


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first used."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'mscale_uq' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
