"""What a case holds out: readings that are predicted, and that the posterior has not seen."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mscale_uq.errors import CaseError, explain, near_match
from mscale_uq.io.measurements import Measurements

Mask = np.ndarray  # of booleans, shaped like the readings


def held_out(given: Any, data: Measurements) -> dict[str, Mask]:
    """Return output -> which of its readings are held out; what is not mentioned is not.

    Parameters
    ----------
    given
        True (all), names of outputs, or output -> numbers of its readings, the first being 1.

    Raises
    ------
    CaseError
        If an output is not measured, or there is no such reading.
    """
    if given is False:
        return {}
    named: Mapping[str, Any] = given if isinstance(given, dict) else {}
    names = list(data.outputs) if given is True else list(given)
    masks = {}
    for name in names:
        if name not in data.outputs:
            what = f"{name!r} is not measured here{near_match(name, data.outputs)}"
            raise CaseError(explain(what, ", ".join(data.outputs)))
        masks[name] = _mask(name, named.get(name), np.shape(data.outputs[name]))
    return masks


def without(data: Measurements, masks: Mapping[str, Mask]) -> dict[str, np.ndarray]:
    """Return the readings with those that are held out missing."""
    return {
        name: np.where(masks[name], np.nan, values) if name in masks else values
        for name, values in data.outputs.items()
    }


def section(masks: Mapping[str, Mask]) -> dict[str, list[int]]:
    """Return what a case would say."""
    return {name: (np.flatnonzero(mask) + 1).tolist() for name, mask in masks.items()}


def _mask(name: str, numbers: list[int] | None, shape: tuple[int, ...]) -> Mask:
    count = int(np.prod(shape))
    if numbers is None:
        return np.ones(shape, dtype=bool)
    for number in numbers:
        if not 1 <= number <= count:
            raise CaseError(explain(f"reading {number} of {name!r}", f"1 to {count}"))
    mask = np.zeros(count, dtype=bool)
    mask[np.array(numbers) - 1] = True
    return mask.reshape(shape)
