"""The background of light: one number for the model and for the law of its readings."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mscale_uq.case.binding import Link
from mscale_uq.case.laws import plain_law
from mscale_uq.case.schema import LawSpec
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.errors import CaseError, explain
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.followed import Followed
from mscale_uq.stats.experiment import Fixed

NAME = "background"  # of the model's parameter


def above_background(
    operator: ObservationOperator,
    spec: LawSpec | None,
    output: Quantity,
    targets: Mapping[str, Parameter],
    bindings: Mapping[str, Fixed | Link],
) -> ObservationOperator:
    """Return an operator whose law has the background that the model's parameter is fixed at.

    Operators of other laws, and those of models without such a parameter, are returned as they are.

    Raises
    ------
    CaseError
        If the law names another number; or none, where the parameter is an unknown and the law's noise grows
        with the light.
    """
    law = plain_law(operator.law)
    if not isinstance(law, Fluorescence) or spec is None or NAME not in targets:
        return operator
    if targets[NAME].unit != output.unit:
        return operator
    bound = bindings[NAME]
    if not isinstance(bound, Fixed):
        if spec.background is None and (law.shot > 0 or law.relative != 0.0):
            given = f"no {NAME}, where the parameter is unknown and noise grows with the light"
            raise CaseError(explain(given, "a number near it"))
        return operator
    at = float(np.asarray(bound.value))
    if spec.background is not None and not np.isclose(law.background, at, rtol=1e-9, atol=0.0):
        given = f"{NAME} = {law.background:g}, where the parameter is fixed at {at:g}"
        raise CaseError(explain(given, "one background", "without it the law takes that of the parameter"))
    law = replace(law, background=at)
    whole = replace(operator.law, noise=law) if isinstance(operator.law, Followed) else law
    return replace(operator, law=whole)
