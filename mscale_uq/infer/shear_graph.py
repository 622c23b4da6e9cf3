"""A `Shear` inside PyTensor's graph of a density, where its derivative comes by itself."""

from collections.abc import Mapping
from typing import Any

import pytensor
import pytensor.tensor as pt

from mscale_uq.infer.op import LogLikelihoodOp
from mscale_uq.infer.shear import Shear, Shift


def sheared(shear: Shear, cost: Any, variables: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a cost in terms of w, and w: unknown -> variable, shaped and named like those of z."""
    w = {name: variable.type(name=variable.name) for name, variable in variables.items()}
    z = shear.apply(pt, w, _tensors)
    replaced = {variables[name]: z[name] for name in variables}
    return pytensor.clone_replace(cost, replace=replaced), w


def _tensors(shifts: list[Shift], theta: Any) -> Any:
    """A shift is a number with its gradient, as a likelihood is."""
    return pt.stack([LogLikelihoodOp(shift).make_node(theta).outputs[0] for shift in shifts])
