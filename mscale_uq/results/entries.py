"""What entries of array unknowns are called: by experiment, by channel, or by number."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from mscale_uq.case.channels import labels
from mscale_uq.case.priors import Unknown
from mscale_uq.case.read import Case


def axes(case: Case, unknown: Unknown, name: str) -> dict[str, np.ndarray]:
    """Return the dimensions of an unknown, and along each the names of its entries."""
    found = {f"{name}_{axis}": np.arange(size) for axis, size in enumerate(unknown.shape)}
    if unknown.per:
        found[f"{name}_0"] = np.array(unknown.per)
    elif unknown.channels:
        found[f"{name}_0"] = np.array(labels(unknown.along, unknown.channels, case.system))
    return found


def entry_labels(case: Case, names: Iterable[str]) -> list[str]:
    """Return the label of every entry of some unknowns, as a summary has them."""
    return [
        label(name, list(map(str, place)))
        for name in names
        for place in itertools.product(*axes(case, case.unknowns[name], name).values())
    ]


def label(name: str, place: Sequence[str]) -> str:
    """Return the label of one entry; that of a scalar is its name."""
    return f"{name}[{', '.join(place)}]" if place else name
