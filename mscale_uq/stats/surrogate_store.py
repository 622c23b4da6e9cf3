"""Finished surrogates on disk, found again by a hash of everything they are made of.

A file is two checksummed records: what it is, as JSON, and the values at the nodes as float64. One that is
cut or damaged is not read but built anew. Two values of the very function, at places inside its box, belong
to the hash: a model that has changed does not find the polynomial of the former one.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stretch import Stretch
from mscale_uq.files import frame, read_records, replace
from mscale_uq.solve.product_polynomial import Axis

LAYOUT = 2


@final
@dataclass(frozen=True)
class Table:
    """What is known of a stretch.

    Attributes
    ----------
    axes, values
        As `ProductPolynomial` takes them.
    errors, solves
        As in `mscale_uq.stats.surrogate.Part`.
    """

    axes: tuple[Axis, ...]
    values: Array
    errors: Mapping[str, float]
    solves: int


def cache_folder() -> Path:
    """Return where this machine keeps surrogates: below ``MSCALE_UQ_CACHE``, or the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("MSCALE_UQ_CACHE") or Path(home) / "mscale_uq") / "surrogates"


def fingerprint(stretch: Stretch, box: Sequence[Axis], probes: Array, budget: int, identity: str) -> str:
    """Return the hash of what a surrogate is made of; `probes` are values of the function."""
    ends = [[axis.low.hex(), axis.high.hex()] for axis in box]
    parts = [LAYOUT, version("mscale_uq"), asdict(stretch), ends, budget, identity, probes.tobytes().hex()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def find(home: Path | None, key: str) -> tuple[Table | None, str]:
    """Return the table of that hash, and ``"cached"``; None with ``"built"`` or ``"damaged"`` if none."""
    if home is None or not (home / key).exists():
        return None, "built"
    payloads = read_records(home / key).payloads
    if len(payloads) != 2:
        return None, "damaged"
    about = json.loads(payloads[0])
    axes = tuple(Axis(**axis) for axis in about["axes"])
    values = np.frombuffer(payloads[1]).reshape(*(axis.nodes for axis in axes), -1)
    return Table(axes, values, about["errors"], about["solves"]), "cached"


def keep(home: Path | None, key: str, table: Table) -> None:
    """Write a table, whole or not at all."""
    if home is None:
        return
    home.mkdir(parents=True, exist_ok=True)
    about = {"axes": [asdict(a) for a in table.axes], "errors": dict(table.errors), "solves": table.solves}
    replace(
        home / key, frame(json.dumps(about).encode()) + frame(np.ascontiguousarray(table.values).tobytes())
    )
